/** Timing that hls.js can estimate bandwidth from, for bytes that did not come over one HTTP request. */

import type { LoaderStats } from 'hls.js';

/** The rate at which media arrives when it flows: the waiting of a scheduler that has time is not counted. */
export class Throughput {
  #bitsPerMs: number | undefined;

  /** Adds a transfer. One too short to be measured (memory, a burst) says nothing and is left out. */
  sample(bytes: number, ms: number): void {
    if (ms < 20 || bytes <= 0) return;
    const rate = (bytes * 8) / ms;
    this.#bitsPerMs = this.#bitsPerMs === undefined ? rate : this.#bitsPerMs * 0.7 + rate * 0.3;
  }

  /** Bits per second; `undefined` before the first sample. */
  get bitsPerSecond(): number | undefined {
    return this.#bitsPerMs === undefined ? undefined : this.#bitsPerMs * 1000;
  }
}

/** How a segment arrived. Times in milliseconds of `performance.now()`. */
export interface Arrival {
  start: number;
  /** When its first chunk was there; 0 when that was not seen. */
  first: number;
  end: number;
  /** When the player needed it. */
  deadlineAt: number;
  bytes: number;
  /** How many of the bytes were seen to arrive meanwhile; the others were here before, or came unseen. */
  seenBytes: number;
  /** How many of those came from peers. */
  p2pBytes: number;
}

/** What takes no longer than this, with its bytes not seen to arrive, came out of memory. Milliseconds. */
const MEMORY_MS = 20;

/**
 * Milliseconds that the transfer counts for: real elapsed time, with two exceptions.
 *
 * - The time before a peer's first chunk is left out when the segment was in time: the scheduler waited because it
 *   could, and the link is not slow for that.
 * - A segment out of memory, and what came after such a wait, counts for no less than its bytes take at
 *   `bitsPerSecond`: a store or a burst must not look like a link of gigabits.
 */
export function transferMs(arrival: Arrival, bitsPerSecond: number): number {
  const { start, first, end, deadlineAt, bytes, seenBytes, p2pBytes } = arrival;
  const waited = p2pBytes > 0 && first > start && end <= deadlineAt;
  const elapsed = end - (waited ? first : start);
  const stored = seenBytes < bytes / 2 && elapsed < MEMORY_MS;
  const least = (waited || stored) && bitsPerSecond > 0 ? (bytes * 8000) / bitsPerSecond : 1;
  return Math.max(elapsed, least, 1);
}

/** Adds what this arrival says about the rate, if nearly all of it was seen to arrive. */
export function measure(throughput: Throughput, arrival: Arrival): void {
  const { start, first, end, bytes, seenBytes, p2pBytes } = arrival;
  if (seenBytes >= bytes * 0.9) throughput.sample(bytes, end - (p2pBytes > 0 ? first : start));
}

/** Fills in what hls.js reads after a fragment was loaded. */
export function setLoaded(stats: LoaderStats, arrival: Arrival, bitsPerSecond: number): void {
  const ms = transferMs(arrival, bitsPerSecond);
  stats.loading.end = arrival.end;
  stats.loading.start = stats.loading.first = arrival.end - ms;
  stats.loaded = stats.total = arrival.bytes;
  stats.chunkCount = Math.max(1, stats.chunkCount);
  stats.bwEstimate = (arrival.bytes * 8000) / ms;
}

/** Makes `stats` fit for the loader that takes over: it starts its own clock. */
export function resetStats(stats: LoaderStats): void {
  stats.loading.start = stats.loading.first = stats.loading.end = 0;
  stats.loaded = stats.total = stats.chunkCount = 0;
}
