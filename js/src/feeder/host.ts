/** What the tracks of one feeder share. */

import { messageOf } from '../errors.js';
import type { Loaded } from './loaded.js';
import type { SegmentSource } from './source.js';
import { createTimeline, type Timeline } from './timeline.js';

/** The feeder's surroundings: element, source, timeline, and whether it still lives. */
export interface Host {
  readonly video: HTMLVideoElement;
  readonly source: SegmentSource;
  /** One for all tracks, so that they stay in step. */
  readonly timeline: Timeline;
  /** Aborted when the feeder ends: for transfers, listeners and waits. */
  readonly signal: AbortSignal;
  /** False once the feeder is detached or has failed: nothing is started any more. */
  alive: boolean;
  /** Does the browser want data (ManagedMediaSource)? Always true with a plain MediaSource. */
  streaming: boolean;
  /** Was any of the playlists unfinished when it was loaded? Then segments are numbered by media sequence, to the end. */
  live: boolean;
  /** In live, the playlist that was loaded last, of whatever track: what others are lined up with. */
  latest: Loaded | undefined;
  /** What {@link Host.wake} does, on the next turn. */
  onWake: () => void;
  /** Milliseconds until the player is at this media time; 0 or less if it is there or past it. */
  deadline(time: number): number;
  /** Something has changed: the feeder looks at everything again, once however often this is called before. */
  wake(): void;
  /** Runs something by itself. What it does not expect ends playback. */
  spawn(work: () => unknown): void;
  /** Reports an error that ends playback (`fatal`) or not. */
  report(message: string, fatal: boolean): void;
  /** Nothing is started any more; what is under way ends. */
  end(): void;
}

/** The surroundings of a feeder that begins. */
export function createHost(video: HTMLVideoElement, source: SegmentSource): Host {
  const abort = new AbortController();
  let woken = false;
  const host: Host = {
    video,
    source,
    timeline: createTimeline(),
    signal: abort.signal,
    alive: true,
    streaming: true,
    live: false,
    latest: undefined,
    onWake: () => {},
    deadline: (time) => ((time - video.currentTime) * 1000) / Math.max(video.playbackRate, 0.1),
    wake: () => {
      if (woken) return;
      woken = true;
      host.spawn(async () => {
        await undefined;
        woken = false;
        if (host.alive) host.onWake();
      });
    },
    spawn: (work) => {
      (async () => work())().catch((error) => host.report(messageOf(error), true));
    },
    report: (message, fatal) => {
      if (!host.alive) return;
      host.alive = !fatal;
      // Told first, so that what fails because of the end is not taken for its cause.
      source.onError(message, fatal);
      if (fatal) host.end();
    },
    end: () => {
      host.alive = false;
      abort.abort();
    },
  };
  return host;
}

/** Waits so many milliseconds, or until the signal is aborted. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, signal.aborted ? 0 : milliseconds);
    signal.addEventListener('abort', done);
  });
}

/** Milliseconds of the page's monotonic clock. */
export const now = () => performance.now();
