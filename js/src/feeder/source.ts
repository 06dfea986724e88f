/** Where segments come from: the engine, never the network. */

import type { SegmentLoad, SegmentRequest } from '../engine.js';

/** What delivers media segments to the feeder and takes its events. */
export interface SegmentSource {
  /** Resolves when the engine can load; rejects when it never can. */
  readonly started: Promise<unknown>;
  /** Resolves when segments are to be asked for: what is known of them is known, or has been waited for enough. */
  readonly ready: Promise<unknown>;
  /** Starts loading; `undefined` if there is no engine any more. */
  load(request: SegmentRequest): SegmentLoad | undefined;
  /** Measured download rate over all sources, bytes per second. `undefined` until known. */
  rate(): number | undefined;
  /** The SHA-256 of the init section by manifest, if it has one (absolute playlist URL, absolute init URL). */
  initDigest(playlist: string, init: string): Uint8Array | undefined;
  /** Another rendition plays. */
  onRendition(index: number): void;
  /** Something went wrong. `fatal`: the feeder does nothing more, play otherwise. */
  onError(message: string, fatal: boolean): void;
}
