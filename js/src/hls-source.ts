/** What the adapter knows of one hls.js instance: its playlists, its buffer, its loads in flight. */

import type Hls from 'hls.js';
import type { FragmentLoaderContext, LevelDetails } from 'hls.js';
import type { SegmentRequest, Shoal } from './engine.js';
import { Throughput } from './hls-timing.js';
import type { ShoalEvents } from './stats.js';

/** More playlists than any stream has; the oldest is forgotten first. */
const MAX_PLAYLISTS = 256;

/** A load that wants to hear of its chunks and of a changed deadline. */
export interface InFlight {
  readonly playlist: string;
  readonly segment: number;
  onChunk(bytes: number, fromPeer: boolean): void;
  onDeadlineChange(): void;
}

/** The fragment's place in Shoal's terms. */
export type Located = Omit<SegmentRequest, 'deadline'>;

/** Connects one hls.js instance with one engine. */
export class HlsSource {
  readonly throughput = new Throughput();
  readonly inFlight = new Set<InFlight>();
  #hls: Hls | undefined;
  #media: HTMLMediaElement | null = null;
  #opening: Promise<unknown> = Promise.resolve();
  /** From the URL that a playlist came from to the one asked for and its first media sequence number. */
  readonly #playlists = new Map<string, { requested: string; startSN: number }>();
  /**
   * Was any playlist of this source live? Then a segment's number is its media sequence number, and stays so when the
   * stream ends.
   */
  #byMediaSequence = false;
  /** Is the level's playlist live now? */
  #live = false;
  readonly #reschedule = () => {
    for (const load of this.inFlight) load.onDeadlineChange();
  };

  constructor(readonly shoal: Shoal) {
    shoal.on('chunk', (chunk) => this.#onChunk(chunk));
  }

  /** Listens to the instance whose fragments will be loaded. */
  bind(hls: Hls, events: typeof Hls.Events): void {
    this.#hls = hls;
    // hls.js says 0 until it knows.
    this.shoal.liveLatency = () => (this.#live && hls.latency > 0 ? hls.latency * 1000 : null);
    hls.on(events.MANIFEST_LOADING, (_, { url }) => {
      this.#playlists.clear();
      this.#byMediaSequence = this.#live = false;
      this.shoal.playback.begin();
      this.#opening = this.shoal.open(url);
    });
    hls.on(events.MEDIA_ATTACHED, (_, { media }) => this.#attach(media));
    hls.on(events.MEDIA_DETACHING, () => this.#detach());
    // These two come before any fragment of the playlist is asked for.
    hls.on(events.LEVEL_UPDATED, (_, { details, level }) => {
      this.#live = details.live;
      this.#remember(details, hls.levels[level]?.uri);
    });
    hls.on(events.AUDIO_TRACK_UPDATED, (_, { details, id }) =>
      this.#remember(details, hls.audioTracks.find((track) => track.id === id)?.url),
    );
  }

  /** Lets go of the media element. */
  close(): void {
    this.#detach();
    this.inFlight.clear();
  }

  /** Which segment this is, when it is one that peers may have: not an init segment, a part or a subtitle. */
  locate(context: FragmentLoaderContext): Located | undefined {
    const { frag, part, url } = context;
    const playlist = this.#playlists.get(frag.baseurl);
    if (!playlist || part || typeof frag.sn !== 'number') return undefined;
    const segment = this.#byMediaSequence ? frag.sn : frag.sn - playlist.startSN;
    if (segment < 0) return undefined;
    const ranged = !!context.rangeEnd;
    return {
      playlist: playlist.requested,
      segment,
      url,
      start: ranged ? (context.rangeStart ?? 0) : -1,
      end: ranged ? (context.rangeEnd ?? -1) : -1,
    };
  }

  /** Milliseconds from now until playback reaches the fragment; 0 while the buffer is empty. */
  deadline(context: FragmentLoaderContext): number {
    const media = this.#media;
    if (!media) return 0;
    const { buffered, currentTime, playbackRate } = media;
    for (let index = 0; index < buffered.length; index++) {
      // Playback starts at a buffer that begins slightly later, as audio and video seldom begin together.
      if (buffered.start(index) - 0.5 <= currentTime && currentTime < buffered.end(index)) {
        return Math.max(0, ((context.frag.start - currentTime) * 1000) / (Math.abs(playbackRate) || 1));
      }
    }
    return 0;
  }

  /** Resolves when the engine is ready or has failed, after `ms` at the latest. */
  ready(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#opening.finally(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Bits per second that segments arrive with: measured here, else as hls.js estimates. */
  get bitsPerSecond(): number {
    return this.throughput.bitsPerSecond ?? this.#hls?.bandwidthEstimate ?? 0;
  }

  #attach(media: HTMLMediaElement): void {
    this.#detach();
    this.#media = media;
    this.shoal.playback.watch(media as HTMLVideoElement);
    for (const name of ['play', 'seeked', 'ratechange']) media.addEventListener(name, this.#reschedule);
  }

  #detach(): void {
    for (const name of ['play', 'seeked', 'ratechange']) this.#media?.removeEventListener(name, this.#reschedule);
    this.#media = null;
    this.shoal.playback.close();
  }

  #remember(details: LevelDetails, asked: string | undefined): void {
    this.#byMediaSequence ||= details.live;
    // A playlist that was redirected is known to the manifest by the URL it was asked under.
    this.#playlists.delete(details.url);
    this.#playlists.set(details.url, {
      requested: asked ? new URL(asked, details.url).href : details.url,
      startSN: details.startSN,
    });
    const oldest = this.#playlists.keys().next();
    if (this.#playlists.size > MAX_PLAYLISTS && !oldest.done) this.#playlists.delete(oldest.value);
  }

  #onChunk(chunk: ShoalEvents['chunk']): void {
    const playlist = bare(chunk.playlist);
    for (const load of this.inFlight) {
      if (load.segment === chunk.segment && bare(load.playlist) === playlist) {
        load.onChunk(chunk.bytes, chunk.source === 'p2p');
      }
    }
  }
}

/** A URL without query and fragment: signed URLs differ in these from viewer to viewer. */
function bare(url: string): string {
  return url.replace(/[?#].*$/, '');
}
