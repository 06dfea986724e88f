/** A media playlist as it was when it was loaded, with its init sections. */

import type { SegmentRequest } from '../engine.js';
import { messageOf } from '../errors.js';
import { type ByteRange, fetchBytes } from '../http.js';
import { readTracks, type TrackInfo } from './boxes.js';
import { detached, FeederError } from './error.js';
import type { MediaPlaylist } from './hls/media.js';
import { type Host, sleep } from './host.js';
import type { Listing } from './live.js';
import { resolve } from './url.js';

/** Waits before a transfer that failed is tried again, in milliseconds. */
export const RETRIES: readonly number[] = [500, 1000, 2000];

/** Largest init section, in bytes. */
const MAX_INIT = 1 << 20;
/**
 * How far from the edge of a live playlist that does not say it playback starts, in target durations (RFC 8216 §6.3.3).
 */
const HOLD_BACK = 3;

/** A rendition that can be played. Segments are meant by their index in this state of the playlist. */
export interface Loaded {
  /** Absolute URL of the media playlist, as the multivariant playlist names it. */
  readonly playlist: string;
  /** When each of its segments plays. */
  readonly list: Listing;
  /** The SourceBuffer type it needs. */
  readonly mime: string;
  readonly media: MediaPlaylist;
  /** Base of the playlist's relative URLs. */
  readonly base: string;
  /** As in `media.maps`. */
  readonly sections: Section[];
}

/** Where an init section is, and what has become of it. The states of one playlist share it. */
export interface Section {
  readonly url: string;
  readonly range: ByteRange | undefined;
  /** Set once it is being loaded. */
  loading?: Promise<Init>;
  /** Set once it is there. */
  init?: Init;
}

/** An init section. */
export interface Init {
  readonly data: Uint8Array<ArrayBuffer>;
  /** What they describe. */
  readonly tracks: TrackInfo[];
}

/** How far from the edge of a live playlist playback starts, in seconds. */
export function holdBackOf({ media: { targetDuration, holdBack } }: Loaded): number {
  return Math.max(holdBack ?? HOLD_BACK * targetDuration, targetDuration);
}

/** The segment's number in its swarm: 32 bits. */
export function numberOf({ list }: Loaded, segment: number): number {
  return (list.first + segment) >>> 0;
}

/** Number of discontinuities before or at this segment. */
export function discontinuityOf({ media }: Loaded, segment: number): number {
  const before = media.segments.slice(0, segment + 1).filter(({ discontinuity }) => discontinuity);
  return media.discontinuitySequence + before.length;
}

/** What to ask the engine for. */
export function requestFor(loaded: Loaded, segment: number, deadline: number): SegmentRequest {
  const { uri, byteRange: [start, end] = [-1, -1] } = segmentOf(loaded, segment);
  return {
    playlist: loaded.playlist,
    segment: numberOf(loaded, segment),
    url: resolve(uri, loaded.base),
    start,
    end,
    deadline,
  };
}

/** The segment as the playlist names it. */
export function segmentOf({ media }: Loaded, segment: number) {
  return media.segments[segment] as MediaPlaylist['segments'][number];
}

/**
 * The segment's init section, if it is there already. Otherwise it is fetched and the feeder woken when it has come.
 */
export function initOf(host: Host, loaded: Loaded, segment: number): Init | undefined {
  // The check of the playlist has seen that each segment has one.
  const section = loaded.sections[segmentOf(loaded, segment).map ?? 0] as Section;
  if (!section.loading) {
    host.spawn(async () => {
      await loadSection(host, section, loaded.playlist);
      host.wake();
    });
  }
  return section.init;
}

/** Loads it, once, as a part of this playlist (absolute URL). */
export function loadSection(host: Host, section: Section, playlist: string): Promise<Init> {
  section.loading ??= fetchSection(host, section, playlist);
  return section.loading;
}

async function fetchSection(host: Host, section: Section, playlist: string): Promise<Init> {
  const { url, range } = section;
  const failed = (reason: string) => new FeederError(`init section ${url}: ${reason}`);
  let data: Init['data'] | undefined;
  for (let attempt = 0; !data; attempt++) {
    try {
      data = (await fetchBytes(url, range, MAX_INIT, host.signal)).bytes;
    } catch (error) {
      const delay = RETRIES[attempt];
      if (host.signal.aborted) throw detached();
      if (delay === undefined || !host.alive) throw failed(messageOf(error));
      await sleep(delay, host.signal);
    }
  }
  // The manifest may still be on its way.
  await host.source.ready;
  const digest = host.source.initDigest(playlist, url);
  // Where the page has no WebCrypto there is no P2P either: it plays what the origin has, as without Shoal.
  if (digest && crypto.subtle) {
    const actual = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
    if (digest.some((byte, index) => byte !== actual[index])) throw failed('is not the one of the manifest');
  }
  section.init = { data, tracks: readTracks(new DataView(data.buffer)) };
  return section.init;
}
