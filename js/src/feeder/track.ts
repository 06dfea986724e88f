/** One track: several loads under way ahead of the playhead, for one SourceBuffer. */

import type { SegmentLoad } from '../engine.js';
import { messageOf } from '../errors.js';
import { type Appender, createAppender } from './appender.js';
import { type Host, sleep } from './host.js';
import { startOf } from './live.js';
import { initOf, type Loaded, numberOf, RETRIES, requestFor, segmentOf } from './loaded.js';
import { follow } from './reload.js';
import { type Rendition, shiftRendition } from './rendition.js';
import type { OperationQueue } from './source-buffer.js';
import {
  contains,
  createLedger,
  firstAfter,
  inWindow,
  later,
  MAX_LOADS,
  MAX_STARTING_LOADS,
  middle,
  type Span,
  wanted,
} from './window.js';

/** On a switch in danger, a load that starts within so many seconds of the playhead is finished: most is here already. */
const URGENT = 1;

/**
 * What a switch does to the segments of the rendition before it: `calm` lets loads under way go on, `danger` gives those
 * up that are not urgent, `replace` also loads again what is buffered beyond the next segment.
 */
export type Switch = 'calm' | 'danger' | 'replace';

/** A segment being loaded, or waiting to be appended. */
export interface Load {
  readonly rendition: number;
  readonly loaded: Loaded;
  readonly segment: number;
  span: Span;
  state: 'loading' | 'ready' | 'appending';
  /** The engine's, of the latest attempt. */
  handle?: SegmentLoad | undefined;
  data?: ArrayBuffer;
}

/** A media type with its SourceBuffer. */
export interface Track {
  readonly renditions: readonly Rendition[];
  /** The rendition whose segments are being loaded. */
  target(): number;
  /** The playlist of that rendition as it is known now. */
  loaded(): Loaded | undefined;
  /** Keeps its live playlist up to date. */
  follow(): void;
  /**
   * Cancels what is not needed any more, starts what is, appends what has come. `starting`: nothing can be played yet.
   */
  step(playhead: number, starting: boolean): void;
  /** Tells the engine anew when each load is needed. */
  refreshDeadlines(): void;
  /** Is its SourceBuffer busy? */
  busy(): boolean;
  /** Has everything from the playhead to the end been appended? */
  complete(playhead: number): boolean;
  /** Is something on its way for this time? */
  awaits(start: number, end: number): boolean;
  /** Is a segment of this time listed that could still be loaded? */
  wants(start: number, end: number): boolean;
  /** Has a load missed its deadline by more than a second? */
  late(): boolean;
  /** The rendition that plays at this time, if it is buffered. */
  renditionAt(time: number): number | undefined;
  /** The segments of the rendition being loaded, from the one that plays at `time` to those loaded ahead. */
  window(time: number): { playlist: string; segment: number }[];
  /** Loads another rendition from now on; its playlist must be loaded. */
  switchTo(rendition: number, how: Switch, playhead: number): void;
  /** Gives everything up. */
  close(): void;
}

/** A track whose rendition `target` has been loaded. */
export function createTrack(host: Host, renditions: Rendition[], target: number, buffer: OperationQueue): Track {
  const { source, video } = host;
  const ledger = createLedger();
  /** Ascending by start. */
  let loads: Load[] = [];

  const loaded = () => renditions[target]?.loaded;
  const forget = (load: Load) => {
    loads = loads.filter((other) => other !== load);
  };
  const isLoading = ({ state }: Load) => state === 'loading';

  const appender: Appender = createAppender(host, buffer, ledger, {
    // The earliest segment of the window: later ones wait for it.
    next: () => {
      const [load] = loads;
      const init = load?.state === 'ready' ? initOf(host, load.loaded, load.segment) : undefined;
      if (!load?.data || !init) return undefined;
      load.state = 'appending';
      return { load, init, data: load.data };
    },
    done: ({ load }) => forget(load),
    putBack: ({ load }) => {
      load.state = 'ready';
    },
    shift: (index, by) => {
      const rendition = renditions[index];
      if (rendition) shiftRendition(host, rendition, by);
      for (const load of loads) if (load.rendition === index) load.span = later(load.span, by);
    },
  });

  function missing(list: Loaded, playhead: number, goal: number, limit: number): number[] {
    const buffered = buffer.buffered();
    return wanted(
      list.list.spans,
      playhead,
      goal,
      limit,
      (span) => loads.some((load) => contains(load.span, middle(span))) || ledger.has(span, playhead, buffered),
    );
  }

  function cancel(unwanted: (load: Load) => boolean): void {
    const cancelled = loads.filter((load) => load.state !== 'appending' && unwanted(load));
    loads = loads.filter((load) => !cancelled.includes(load));
    for (const load of cancelled) load.handle?.cancel();
  }

  function start(list: Loaded, segment: number): void {
    const span = list.list.spans[segment] as Span;
    const load: Load = { rendition: target, loaded: list, segment, span, state: 'loading' };
    if (segmentOf(list, segment).gap) {
      skip(load);
      return;
    }
    const at = loads.findIndex((other) => other.span.start > span.start);
    loads.splice(at < 0 ? loads.length : at, 0, load);
    host.spawn(() => run(load));
  }

  async function run(load: Load): Promise<void> {
    for (let attempt = 0; host.alive && loads.includes(load); attempt++) {
      const request = requestFor(load.loaded, load.segment, host.deadline(load.span.start));
      try {
        load.handle = source.load(request);
        if (!load.handle) throw new Error('there is no engine');
        load.data = await load.handle.bytes;
        load.state = 'ready';
        host.wake();
        return;
      } catch (error) {
        if (!host.alive || !loads.includes(load)) return;
        // If nobody here asked for that, the next step asks for the segment again.
        if ((error as Error).name === 'AbortError') return forget(load);
        const delay = RETRIES[attempt] ?? failed(load, error);
        if (delay === undefined) return;
        await sleep(delay, host.signal);
      }
    }
  }

  /**
   * A load has failed as often as it is tried at once. In live, returns the milliseconds to wait for another try while it
   * is listed and there is time for one; after that the segment is left out. Otherwise playback ends.
   */
  function failed(load: Load, error: unknown): number | undefined {
    const now = loaded();
    const wait = RETRIES.at(-1) as number;
    const listed = now && load.span.end > startOf(now.list);
    if (host.live && listed && host.deadline(load.span.start) > wait) return wait;
    const { status } = error as { status?: number };
    const reason = status ? `HTTP status ${status}` : messageOf(error);
    host.report(`segment ${numberOf(load.loaded, load.segment)} of ${load.loaded.playlist}: ${reason}`, !host.live);
    forget(load);
    skip(load);
    return undefined;
  }

  /** Nothing will come for this span: it counts as a segment that is all hole. */
  function skip({ span, rendition }: Load): void {
    ledger.place(span, rendition, 0, []);
    host.wake();
  }

  const track: Track = {
    renditions,
    target: () => target,
    loaded,
    follow: () => follow(host, () => renditions[target] as Rendition),
    step: (playhead, starting) => {
      cancel((load) => !inWindow(load.span, playhead));
      const list = loaded();
      if (list && host.streaming) {
        const free = (starting ? MAX_STARTING_LOADS : MAX_LOADS) - loads.length;
        const segments = missing(list, playhead, appender.goal(), free);
        // Fetched beside the first segments, not after them.
        if (segments[0] !== undefined) initOf(host, list, segments[0]);
        for (const segment of segments) start(list, segment);
      }
      appender.appendReady();
    },
    refreshDeadlines: () => {
      for (const load of loads) if (isLoading(load)) load.handle?.setDeadline(host.deadline(load.span.start));
    },
    busy: () => appender.active() || buffer.updating(),
    complete: (playhead) => {
      const list = loaded();
      const last = list?.list.spans.at(-1);
      if (!list?.media.endlist || !last || track.busy() || loads.length) return false;
      return (
        ledger.has(last, playhead, buffer.buffered()) && !missing(list, playhead, Number.POSITIVE_INFINITY, 1).length
      );
    },
    awaits: (start, end) => loads.some(({ span }) => span.start < end && span.end > start),
    wants: (start, end) => {
      const list = loaded();
      return !!list && missing(list, start, end - start, 1).length > 0;
    },
    late: () => loads.some((load) => isLoading(load) && load.span.start < video.currentTime - 1),
    renditionAt: ledger.renditionAt,
    window: (time) => {
      const list = loaded();
      if (!list) return [];
      return wanted(list.list.spans, time, appender.goal(), MAX_LOADS, () => false).map((segment) => ({
        playlist: list.playlist,
        segment: numberOf(list, segment),
      }));
    },
    switchTo: (index, how, playhead) => {
      const list = renditions[index]?.loaded;
      if (!list || index === target) return;
      let keep = Number.POSITIVE_INFINITY;
      if (how === 'replace') {
        const { spans } = list.list;
        keep = spans[firstAfter(spans, playhead) + 1]?.end ?? keep;
        ledger.forgetFrom(keep);
      }
      target = index;
      if (how === 'calm') return;
      cancel((load) => load.span.start >= keep || (load.span.start > playhead + URGENT && isLoading(load)));
    },
    close: () => {
      buffer.close();
      for (const load of loads) load.handle?.cancel();
      loads = [];
    },
  };
  return track;
}
