/**
 * Live playlists: when they are loaded again, where their segments lie in time, where playback belongs. Pure decisions.
 *
 * Times are seconds of the presentation's timeline unless they say milliseconds; those are of one monotonic clock.
 */

import { ahead, type Buffered, later, type Span } from './window.js';

/** Segments whose media starts within so many seconds of where they were thought to be are left where they are. */
export const TOLERANCE = 0.1;
/** Media further away than this (seconds) from where it belongs has other timestamps than before: they say nothing. */
export const MAX_DRIFT = 30;

/** Milliseconds before a playlist that could not be loaded is asked for again; doubled each time. */
const FIRST_RETRY = 500;
/** Most milliseconds between two such attempts. */
const LONGEST_RETRY = 8000;

/** When a playlist is to be loaded again (RFC 8216 §6.3.4). */
export interface Schedule {
  /** Milliseconds. */
  due: number;
  failures: number;
}

/**
 * It was loaded, having been asked for at `asked` (milliseconds).
 *
 * @param target  its target duration, seconds
 * @param changed  have segments been added since the load before?
 */
export function scheduleNext(asked: number, target: number, changed: boolean): Schedule {
  return { due: asked + Math.max(changed ? target : target / 2, 0.1) * 1000, failures: 0 };
}

/** It could not be loaded; `now` in milliseconds. */
export function scheduleRetry(now: number, { failures }: Schedule): Schedule {
  return { due: now + Math.min(FIRST_RETRY * 2 ** failures, LONGEST_RETRY), failures: failures + 1 };
}

/** The segments of a playlist in time. */
export interface Listing {
  /** Number of the first segment: its media sequence number, 0 for video on demand. */
  readonly first: number;
  /** When each of them plays; end to end. */
  readonly spans: readonly Span[];
  /** When the playlist was asked for, milliseconds. */
  readonly asked: number;
}

/** Segments of these durations from 0 on. */
export function listing(first: number, durations: readonly number[], asked: number): Listing {
  let time = 0;
  const spans = durations.map((duration) => {
    const start = time;
    time += duration;
    return { start, end: time };
  });
  return { first, spans, asked };
}

/** The number after the newest segment's. */
export const nextNumber = ({ first, spans }: Listing) => first + spans.length;

/** The start of the oldest segment. */
export const startOf = ({ spans }: Listing) => spans[0]?.start ?? 0;

/** The end of the newest segment. */
export const edgeOf = ({ spans }: Listing) => spans.at(-1)?.end ?? 0;

/** Everything plays so much later. */
export const shifted = (list: Listing, by: number): Listing => ({
  ...list,
  spans: list.spans.map((span) => later(span, by)),
});

/**
 * A new listing where it belongs.
 *
 * @param own  what was known of the same playlist
 * @param other  the listing that came last, of this or of another playlist of the presentation; its numbers may mean
 *   other times (RFC 8216 §6.3.4), but its newest segment was made at about the same time as this one's
 */
export function aligned(list: Listing, own: Listing | undefined, other: Listing | undefined): Listing {
  let by = own && distance(list, own);
  if (by === undefined && other) {
    const byClock = edgeOf(other) + (list.asked - other.asked) / 1000 - edgeOf(list);
    const byNumber = distance(list, other);
    by = byNumber !== undefined && Math.abs(byNumber - byClock) < MAX_DRIFT ? byNumber : byClock;
    // What follows after a hole does not begin before the hole.
    if (own) by = Math.max(by, edgeOf(own) - startOf(list));
  }
  return by ? shifted(list, by) : list;
}

/**
 * How far it must be moved for a segment's number to mean the same time as in `known`. `undefined` if they have none in
 * common and do not meet either.
 */
function distance(list: Listing, known: Listing): number | undefined {
  const number = Math.max(list.first, known.first);
  const timeIn = (list: Listing) => list.spans[number - list.first]?.start ?? edgeOf(list);
  return number <= Math.min(nextNumber(list), nextNumber(known)) ? timeIn(known) - timeIn(list) : undefined;
}

/**
 * Where a viewer starts: the newest segment that begins `holdBack` seconds before the edge or earlier (RFC 8216
 * §6.3.3), the oldest if there is none.
 */
export function liveStart(list: Listing, holdBack: number): number {
  const latest = edgeOf(list) - holdBack + TOLERANCE;
  return list.spans.filter(({ start }) => start <= latest).at(-1)?.start ?? startOf(list);
}

/**
 * Is what plays at `playhead` no longer listed, and nothing buffered that leads to what is? A paused viewer keeps the
 * picture that is there.
 */
export function fallenOut(list: Listing, playhead: number, paused: boolean, buffered: Buffered): boolean {
  const there = ahead(buffered, playhead);
  return playhead + there < startOf(list) - TOLERANCE && !(paused && there > 0);
}
