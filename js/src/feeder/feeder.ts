/**
 * HLS, live and on demand (fMP4/CMAF), fed to Media Source Extensions.
 *
 * A {@link Feeder} plays one playlist on one media element. It has a track for each SourceBuffer (video or muxed, and
 * audio where that is demuxed); a track keeps several segment loads under way ahead of the playhead and appends them in
 * order. Segments come from a `SegmentSource` (the engine), never from the network; playlists and init sections are
 * fetched here. A live playlist is loaded again and again; each state of it is a `Loaded` of its own, whose segments keep
 * the times they had in the state before. Everything that changes wakes the feeder, which then looks at all of it anew
 * (`step`): there is no other state that says what to do next.
 *
 * - pure decisions: window, abr, codecs, boxes, timeline, live, hls/;
 * - the browser: attachment, source-buffer, fetch;
 * - in between: presentation, rendition, loaded, track, reload, appender, and this file.
 */

import { messageOf } from '../errors.js';
import type { Rendition as Choice } from '../wasm-api.js';
import { type Abr, createAbr } from './abr.js';
import { type Attachment, attachMediaSource, mediaSourceClass } from './attachment.js';
import { detached } from './error.js';
import { createHost, now } from './host.js';
import { edgeOf, fallenOut, liveStart, startOf } from './live.js';
import { holdBackOf, initOf, type Loaded } from './loaded.js';
import { loadPresentation, type Variant } from './presentation.js';
import { loadRendition, type Rendition } from './rendition.js';
import type { SegmentSource } from './source.js';
import { createTrack, type Switch, type Track } from './track.js';
import { ahead, gapEnd, readRanges } from './window.js';

/**
 * Gaps shorter than this (seconds) are jumped over when playback waits at them: media that starts a little late, or
 * segments that do not quite meet.
 */
const SMALL_GAP = 0.5;
/** How far into the data after a gap a jump goes, in seconds: exactly its start may round to before it. */
const JUMP_MARGIN = 0.001;
/** `HAVE_FUTURE_DATA`: playback can go on. */
const READY_TO_PLAY = 3;

/** Plays an HLS presentation on a media element until it is detached, or has told its source of a fatal error. */
export interface Feeder {
  /**
   * Resolves when the element has its MediaSource and the first segments have been asked for. Rejects with a
   * `FeederError` when it cannot be played; the element is given back.
   */
  readonly attached: Promise<void>;
  /** Gives the element back and cancels everything. Nothing is told after this. */
  detach(): void;
  /** What can be chosen, in the playlist's order. Only what this browser plays. */
  renditions(): Choice[];
  /** Plays this one of {@link renditions}, from the segment after next on; -1 chooses by measurement. */
  select(index: number): void;
  /** The index of the rendition that plays, or of the one being loaded if none does; -1 before that. */
  current(): number;
  /** Milliseconds from the playhead to the end of the newest segment; `null` if this is not live or has ended. */
  liveLatency(): number | null;
  /** The segments from the playhead to those being loaded, of all tracks, for display. */
  window(): { playlist: string; segment: number }[];
}

/** Plays the playlist at `url` (absolute; multivariant or media) on `video`. */
export function createFeeder(video: HTMLVideoElement, url: string, source: SegmentSource): Feeder {
  const host = createHost(video, source);
  let attachment: Attachment | undefined;
  let variants: Variant[] = [];
  /** The main track first. */
  let tracks: Track[] = [];
  let abr: Abr;
  /** Has anything been shown? */
  let started = false;
  /** The rendition last reported as playing. */
  let reported: number | undefined;
  /** What a live presentation last offered to be sought. */
  let offered = '';

  async function attach(): Promise<void> {
    const Class = mediaSourceClass();
    // The element opens the source while the playlists come. It is left alone until the engine is there.
    const opening = source.started.then(async () => {
      if (!host.alive) throw detached();
      attachment = attachMediaSource(video, Class);
      await attachment.opened();
      return attachment;
    });
    const [[main, mainLoaded, sound, soundLoaded], opened] = await Promise.all([load(Class), opening, source.ready]);
    if (!host.alive) throw detached();
    const add = (renditions: Rendition[], index: number, { mime }: Loaded) =>
      createTrack(host, renditions, index, opened.add(mime));
    tracks.push(add(main, abr.current(), mainLoaded));
    const audio = variants[abr.current()]?.audio;
    if (audio !== undefined && soundLoaded) tracks.push(add(sound, audio, soundLoaded));
    const edges = [mainLoaded, soundLoaded].map((loaded) => (loaded ? edgeOf(loaded.list) : 0));
    opened.mediaSource.duration = host.live ? Number.POSITIVE_INFINITY : Math.max(...edges);
    host.streaming = opened.streaming();
    listen(opened);
    if (host.live) join(mainLoaded);
    step();
  }

  /** Loads what is to be known before anything can be played. */
  async function load(Class: typeof MediaSource): Promise<[Rendition[], Loaded, Rendition[], Loaded | undefined]> {
    const presentation = await loadPresentation(host, url, (mime) => Class.isTypeSupported(mime));
    const { main, audio } = presentation;
    variants = presentation.variants;
    // What the engine measured before: there is none yet on a page's first source.
    abr = createAbr(
      variants.map(({ bandwidth }) => bandwidth),
      rate(),
    );
    const sound = audio[variants[abr.current()]?.audio ?? -1];
    const loaded = await Promise.all([
      loadRendition(host, main[abr.current()] as Rendition),
      sound && loadRendition(host, sound),
    ]);
    // Not after the first segments, which have to wait for the engine.
    if (!host.live) for (const each of loaded) if (each) initOf(host, each, 0);
    return [main, loaded[0], audio, loaded[1]];
  }

  function listen({ isCurrent, mediaSource }: Attachment): void {
    const { signal } = host;
    const on = (target: EventTarget, event: string, action: () => void) =>
      target.addEventListener(event, () => host.alive && action(), { signal });
    for (const event of ['seeked', 'waiting', 'timeupdate']) on(video, event, host.wake);
    on(video, 'seeking', () => {
      host.wake();
      refreshDeadlines();
    });
    on(video, 'loadeddata', () => {
      if (video.paused) started = true;
      host.wake();
    });
    on(video, 'playing', () => {
      started = true;
    });
    on(video, 'ratechange', refreshDeadlines);
    on(video, 'error', () => {
      // An element that was given another source is no error of this one.
      if (isCurrent()) host.report(`the browser cannot play it: ${video.error?.message ?? ''}`, true);
    });
    for (const event of ['startstreaming', 'endstreaming']) {
      on(mediaSource, event, () => {
        host.streaming = event === 'startstreaming';
        host.wake();
      });
    }
    host.onWake = step;
    const timer = setInterval(() => {
      refreshDeadlines();
      host.wake();
    }, 1000);
    signal.addEventListener('abort', () => clearInterval(timer));
  }

  /** Starts to play a live presentation. */
  function join(loaded: Loaded): void {
    // Nothing can be sought before it is said what.
    offer(loaded);
    video.currentTime = liveStart(loaded.list, holdBackOf(loaded));
    for (const track of tracks) track.follow();
  }

  /** Says what of a live presentation can be sought. */
  function offer(loaded: Loaded): void {
    const start = Math.max(0, startOf(loaded.list));
    const end = Math.max(0, liveStart(loaded.list, holdBackOf(loaded)));
    if (offered === `${start} ${end}`) return;
    offered = `${start} ${end}`;
    if (attachment?.isOpen()) attachment.mediaSource.setLiveSeekableRange(start, end);
  }

  /** The main playlist of a live presentation that has not ended. */
  function liveList(): Loaded | undefined {
    const loaded = tracks[0]?.loaded();
    return loaded?.media.endlist ? undefined : loaded;
  }

  /** Keeps a live presentation's playback within what it offers. Returns the playhead. */
  function keepUp(): number {
    const playhead = video.currentTime;
    const loaded = tracks[0]?.loaded();
    if (!host.live || !loaded) return playhead;
    const { endlist } = loaded.media;
    if (!endlist) offer(loaded);
    if (!fallenOut(loaded.list, playhead, video.paused, readRanges(video.buffered))) return playhead;
    const start = endlist ? startOf(loaded.list) + JUMP_MARGIN : liveStart(loaded.list, holdBackOf(loaded));
    video.currentTime = start;
    return start;
  }

  function step(): void {
    const playhead = keepUp();
    const starting = !started && video.readyState < READY_TO_PLAY;
    const complete = tracks.every((track) => track.complete(playhead));
    adapt(playhead, complete);
    for (const track of tracks) if (host.alive) track.step(playhead, starting);
    if (!host.alive) return;
    if (complete && attachment?.isOpen() && !tracks.some((track) => track.busy())) attachment.mediaSource.endOfStream();
    jumpGap();
    const playing = tracks[0]?.renditionAt(video.currentTime);
    if (playing !== undefined && playing !== reported) {
      reported = playing;
      source.onRendition(playing);
    }
  }

  /** Bits per second. */
  function rate(): number | undefined {
    const bytes = source.rate();
    return bytes && bytes * 8;
  }

  function adapt(playhead: number, complete: boolean): void {
    const live = liveList();
    const before = abr.current();
    const chosen = abr.decide({
      now: now(),
      rate: rate(),
      buffer: ahead(readRanges(video.buffered), playhead),
      reach: live ? holdBackOf(live) : Number.POSITIVE_INFINITY,
      late: !video.seeking && tracks.some((track) => track.late()),
      complete,
    });
    if (chosen === undefined) return;
    const bandwidth = (index: number) => variants[index]?.bandwidth ?? 0;
    change(bandwidth(chosen) > bandwidth(before) ? 'calm' : 'danger');
  }

  /** Makes the tracks load the chosen rendition, as soon as its playlists are there. */
  function change(how: Switch): void {
    const chosen = abr.current();
    const indexes = [chosen, variants[chosen]?.audio];
    const changing = tracks.flatMap((track, position) => {
      const index = indexes[position];
      return index === undefined ? [] : [{ track, index }];
    });
    host.spawn(async () => {
      try {
        await Promise.all(
          changing.map(({ track, index }) => loadRendition(host, track.renditions[index] as Rendition)),
        );
      } catch (error) {
        if (!host.alive) return;
        abr.exclude(chosen, tracks[0]?.target() ?? 0);
        host.report(messageOf(error), false);
        return;
      }
      // The choice may have changed again meanwhile.
      if (!host.alive || abr.current() !== chosen) return;
      for (const { track, index } of changing) track.switchTo(index, how, video.currentTime);
      host.wake();
    });
  }

  function refreshDeadlines(): void {
    for (const track of tracks) track.refreshDeadlines();
  }

  /** If playback waits at a small hole that nothing is on its way for, goes to its end. */
  function jumpGap(): void {
    if (video.readyState >= READY_TO_PLAY || video.ended) return;
    const playhead = video.currentTime;
    // In live a segment that cannot be had is left out.
    const reach = host.live ? Number.POSITIVE_INFINITY : SMALL_GAP;
    const end = gapEnd(readRanges(video.buffered), playhead, reach);
    if (end === undefined) return;
    const comes = (track: Track) => track.awaits(playhead, end) || (host.live && track.wants(playhead, end));
    if (!tracks.some(comes)) video.currentTime = end + JUMP_MARGIN;
  }

  function detach(): void {
    host.end();
    for (const track of tracks) track.close();
    tracks = [];
    attachment?.close();
    attachment = undefined;
  }

  // Whatever attaching waits for, it ends when the feeder does.
  const ended = new Promise<never>((_, reject) => host.signal.addEventListener('abort', () => reject(detached())));
  const attached = Promise.race([attach(), ended]).catch((error) => {
    detach();
    throw error;
  });
  return {
    attached,
    detach,
    renditions: () => (tracks.length ? variants.map(({ audio: _, ...variant }, index) => ({ index, ...variant })) : []),
    select: (index) => {
      if (tracks.length && abr.pin(index < 0 ? undefined : index)) change('replace');
    },
    current: () => (tracks.length ? (tracks[0]?.renditionAt(video.currentTime) ?? abr.current()) : -1),
    liveLatency: () => {
      const live = host.alive ? liveList() : undefined;
      return live ? Math.max(0, edgeOf(live.list) - video.currentTime) * 1000 : null;
    },
    window: () => tracks.flatMap((track) => track.window(video.currentTime)),
  };
}
