/**
 * Which segments to load: pure decisions from the playhead, what is buffered and what was put there.
 *
 * Times are seconds. A segment's span is on the playlist's timeline; what the media itself says may differ a little
 * (`drift`), and only the buffer knows whether the browser has evicted something.
 */

/**
 * How far ahead of the playhead segments are loaded, in seconds. Far enough that peers have time to deliver, near enough
 * that a viewer who leaves has not cost much.
 */
export const BUFFER_GOAL = 30;
/** What the goal may shrink to when the browser's quota is smaller than the goal, in seconds. */
export const SMALLEST_GOAL = 6;
/** How much is kept behind the playhead, in seconds, ... */
export const BACK_BUFFER = 30;
/** ... and how much more may be there before it is trimmed. */
export const BACK_BUFFER_SLACK = 10;
/** How much is kept behind the playhead when the quota is exceeded, in seconds. */
export const QUOTA_BACK_BUFFER = 10;
/** Loads of one track that may be under way (or waiting to be appended) at a time. */
export const MAX_LOADS = 12;
/** The same before anything can be played: the first segment is not to share the line with later ones. */
export const MAX_STARTING_LOADS = 1;

/** Ranges closer than this (seconds) count as one: frames are rarely laid end to end exactly. */
const JOIN = 0.1;

/** An interval of time, end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What a SourceBuffer or a media element has buffered: ascending, without overlaps. */
export type Buffered = readonly Span[];

/** The same, so many seconds later. */
export const later = ({ start, end }: Span, by: number): Span => ({ start: start + by, end: end + by });

/** The middle of a span. */
export const middle = ({ start, end }: Span) => (start + end) / 2;

/** Is this time in the span? */
export const contains = ({ start, end }: Span, time: number) => start <= time && time < end;

/** Copies a TimeRanges. */
export function readRanges(ranges: TimeRanges): Buffered {
  return Array.from({ length: ranges.length }, (_, index) => ({ start: ranges.start(index), end: ranges.end(index) }));
}

/** Is the whole of `start..end` there? */
export function covers(buffered: Buffered, start: number, end: number): boolean {
  let reached = start;
  for (const range of buffered) {
    if (range.start > reached + JOIN) break;
    if (range.end >= start) reached = Math.max(reached, range.end);
    if (reached >= end) return buffered.some((range) => range.start <= end && range.end > start);
  }
  return false;
}

/** Seconds that are there from `time` on without a gap. */
export function ahead(buffered: Buffered, time: number): number {
  let reached = time;
  for (const { start, end } of buffered) {
    if (start <= reached + JOIN && end > reached) reached = end;
  }
  return reached - time;
}

/**
 * The start of the first range after `time`, if it begins within `reach` seconds and what is there at `time` ends at
 * once: playback stops a frame before the end of a range.
 */
export function gapEnd(buffered: Buffered, time: number, reach: number): number | undefined {
  if (buffered.some(({ start, end }) => start <= time && time + JOIN < end)) return undefined;
  const next = buffered.find(({ start }) => start > time)?.start;
  return next !== undefined && next - time < reach ? next : undefined;
}

/** A segment that has been appended. */
interface Placed {
  span: Span;
  rendition: number;
  drift: number;
  /** The media leaves holes in its span: the buffer cannot tell whether it is still there. */
  sparse: boolean;
}

/** Which segments a SourceBuffer was given. At most one entry a segment of the presentation. */
export interface Ledger {
  /** The segment with this span has been appended; its media starts `drift` seconds later than its span. */
  place(span: Span, rendition: number, drift: number, buffered: Buffered): void;
  /**
   * Does the buffer still hold what is to be played of this span? Of the segment under the playhead only the rest
   * counts.
   */
  has(span: Span, playhead: number, buffered: Buffered): boolean;
  /** The rendition that was appended for this time. */
  renditionAt(time: number): number | undefined;
  /** Everything that starts at `time` or later is to be loaded again (it stays playable until replaced). */
  forgetFrom(time: number): void;
  /** `start..end` has been removed from the buffer. */
  forgetRemoved(start: number, end: number): void;
}

/** One of an empty buffer. */
export function createLedger(): Ledger {
  let all: Placed[] = [];
  const at = (time: number) => all.find(({ span }) => contains(span, time));
  return {
    place: (span, rendition, drift, buffered) => {
      all = all.filter((placed) => !contains(span, middle(placed.span)) && !contains(placed.span, middle(span)));
      const [start, end] = probe(span, span.start);
      all.push({ span, rendition, drift, sparse: !covers(buffered, start + drift, end + drift) });
    },
    has: (span, playhead, buffered) => {
      const [start, end] = probe(span, playhead);
      const [first, last] = [at(start), at(end)];
      if (!first || !last) return false;
      return first.sparse || last.sparse || covers(buffered, start + first.drift, end + last.drift);
    },
    renditionAt: (time) => at(time)?.rendition,
    forgetFrom: (time) => {
      all = all.filter(({ span }) => span.start < time);
    },
    forgetRemoved: (start, end) => {
      all = all.filter(({ span }) => span.end <= start || span.start >= end);
    },
  };
}

/** The part of a span that is looked up: a margin at both ends, nothing before the playhead. */
function probe({ start, end }: Span, playhead: number): [number, number] {
  const length = end - start;
  const from = Math.min(Math.max(playhead, start + 0.1 * length), end - 0.02 * length);
  return [from, Math.max(end - 0.1 * length, from)];
}

/** The index of the first span that ends after `time`. */
export function firstAfter(spans: readonly Span[], time: number): number {
  const index = spans.findIndex(({ end }) => end > time);
  return index < 0 ? spans.length : index;
}

/**
 * The segments to have loads for, first the one needed first: those between the playhead and `goal` seconds later that
 * are not `present`, `limit` at most.
 */
export function wanted(
  spans: readonly Span[],
  playhead: number,
  goal: number,
  limit: number,
  present: (span: Span) => boolean,
): number[] {
  const found: number[] = [];
  for (let index = firstAfter(spans, playhead); found.length < limit; index++) {
    const span = spans[index];
    if (!span || span.start >= playhead + goal) break;
    if (span.end > span.start && !present(span)) found.push(index);
  }
  return found;
}

/** Is a load of this span still of use? A goal that shrank meanwhile does not make it useless, only early. */
export function inWindow({ start, end }: Span, playhead: number): boolean {
  // A little more than what is asked for, so that a playhead that steps back does not cancel and ask again.
  return end > playhead && start < playhead + BUFFER_GOAL + 1;
}
