/** Puts the segments of a track into its SourceBuffer, in order, and makes room for them. */

import { messageOf } from '../errors.js';
import { startTime } from './boxes.js';
import { type Host, sleep } from './host.js';
import { MAX_DRIFT, TOLERANCE } from './live.js';
import { discontinuityOf, type Init, numberOf } from './loaded.js';
import type { OperationQueue } from './source-buffer.js';
import type { Load } from './track.js';
import {
  BACK_BUFFER,
  BACK_BUFFER_SLACK,
  BUFFER_GOAL,
  type Ledger,
  later,
  QUOTA_BACK_BUFFER,
  SMALLEST_GOAL,
} from './window.js';

/** Bytes of a segment that are searched for its start time: `moof` comes first. */
const SEGMENT_HEAD = 65_536;
/**
 * How often an append that finds the browser's quota used up is tried again, once a second while playing, before the
 * segment is taken for one that never fits.
 */
const MAX_QUOTA_RETRIES = 60;

/** A segment on its way into the SourceBuffer. */
export interface Job {
  load: Load;
  init: Init;
  data: ArrayBuffer;
}

/** Where the segments come from. */
export interface JobQueue {
  /** The next one to be appended, if it has come. */
  next(): Job | undefined;
  /** It has been appended. */
  done(job: Job): void;
  /** It could not be appended now. */
  putBack(job: Job): void;
  /** The media of a rendition has shown that its segments play `by` seconds later than was thought. */
  shift(rendition: number, by: number): void;
}

/** What appends the segments of one track. */
export interface Appender {
  /** Is it at work? */
  active(): boolean;
  /** How far ahead of the playhead to load, in seconds: less than usual where the quota is small. */
  goal(): number;
  /** Appends, one after the other, what is ready. Does nothing if that is going on. */
  appendReady(): void;
}

/** One for an empty SourceBuffer. */
export function createAppender(host: Host, buffer: OperationQueue, ledger: Ledger, queue: JobQueue): Appender {
  const { video } = host;
  let active = false;
  let goal = BUFFER_GOAL;
  /** The init section that the SourceBuffer has seen last. */
  let seen: Init | undefined;
  /** Appends in a row that found the quota used up. */
  let overQuota = 0;

  async function work(first: Job): Promise<void> {
    for (let job: Job | undefined = first; job && host.alive; job = queue.next()) {
      try {
        await append(job);
        overQuota = 0;
        queue.done(job);
        host.wake();
      } catch (error) {
        if (!host.alive) break;
        // Playback makes room; a paused player may wait for ever.
        if (isQuota(error) && !video.paused) overQuota += 1;
        if (!isQuota(error) || overQuota > MAX_QUOTA_RETRIES) {
          const { loaded, segment } = job.load;
          const reason = isQuota(error) ? "it does not fit into the browser's buffer" : messageOf(error);
          const name = `segment ${numberOf(loaded, segment)} of ${loaded.playlist}`;
          host.report(`${name} cannot be appended: ${reason}`, true);
          break;
        }
        queue.putBack(job);
        await sleep(1000, host.signal);
        host.wake();
      }
    }
    active = false;
    // What came while the last append ended, and the end of the stream, are seen to.
    host.wake();
  }

  async function append({ load, init, data }: Job): Promise<void> {
    await trim();
    if (seen !== init) {
      buffer.changeType(load.loaded.mime);
      await buffer.append(init.data);
      seen = init;
    }
    let { span } = load;
    const head = new DataView(data, 0, Math.min(data.byteLength, SEGMENT_HEAD));
    const mediaStart = startTime(head, init.tracks);
    const offset = offsetOf(load, mediaStart);
    buffer.setTimestampOffset(offset);
    try {
      await buffer.append(data);
    } catch (error) {
      if (!isQuota(error)) throw error;
      await makeRoom(load);
      try {
        await buffer.append(data);
      } catch (error) {
        if (isQuota(error)) goal = Math.max(goal * 0.7, SMALLEST_GOAL);
        throw error;
      }
    }
    let drift = mediaStart === undefined ? 0 : mediaStart + offset - span.start;
    if (Math.abs(drift) > TOLERANCE && host.live) {
      queue.shift(load.rendition, drift);
      span = later(span, drift);
      drift = 0;
    }
    ledger.place(span, load.rendition, drift, buffer.buffered());
  }

  /** The timestamp offset (seconds) for a segment that begins at `mediaStart` by its own timestamps. */
  function offsetOf({ loaded, segment, span: { start } }: Load, mediaStart: number | undefined): number {
    const { timeline } = host;
    const discontinuity = discontinuityOf(loaded, segment);
    const offset = timeline.offset(discontinuity, start, mediaStart);
    if (!host.live || mediaStart === undefined || Math.abs(mediaStart + offset - start) <= MAX_DRIFT) return offset;
    // The packager began anew and does not say so.
    timeline.forget(discontinuity);
    return timeline.offset(discontinuity, start, mediaStart);
  }

  /** Removes what lies far behind the playhead. */
  async function trim(): Promise<void> {
    const keep = video.currentTime - BACK_BUFFER;
    const [first] = buffer.buffered();
    if (first && first.start < keep - BACK_BUFFER_SLACK) await remove(0, keep);
  }

  /**
   * The quota is used up: removes what lies behind the playhead, and what lies ahead of both the window and the segment
   * to be appended.
   */
  async function makeRoom({ span }: Load): Promise<void> {
    const { currentTime } = video;
    const behind = currentTime - QUOTA_BACK_BUFFER;
    const ahead = Math.max(span.end, currentTime + goal);
    const ranges = buffer.buffered();
    const [first, last] = [ranges[0], ranges.at(-1)];
    if (first && first.start < behind) await remove(0, behind);
    if (last && last.end > ahead) await remove(ahead, Number.POSITIVE_INFINITY);
  }

  async function remove(start: number, end: number): Promise<void> {
    await buffer.remove(start, end);
    ledger.forgetRemoved(start, end);
  }

  return {
    active: () => active,
    goal: () => goal,
    appendReady: () => {
      if (active || !host.alive) return;
      const job = queue.next();
      if (!job) return;
      active = true;
      host.spawn(() => work(job));
    },
  };
}

function isQuota(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'QuotaExceededError';
}
