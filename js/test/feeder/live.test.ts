import { describe, expect, it } from 'vitest';
import {
  aligned,
  edgeOf,
  fallenOut,
  type Listing,
  listing,
  liveStart,
  nextNumber,
  scheduleNext,
  scheduleRetry,
  shifted,
  startOf,
  TOLERANCE,
} from '../../src/feeder/live.js';
import { randomIntegers } from './random.js';

const even = (count: number, length: number) => new Array<number>(count).fill(length);

describe('Schedule', () => {
  it('loads a playlist again after its target duration or half of it', () => {
    expect(scheduleNext(1000, 4, true).due).toBe(5000);
    expect(scheduleNext(5000, 4, false).due).toBe(7000);
    expect(scheduleNext(7000, 0, true).due).toBe(7100);
  });

  it('tries again ever later', () => {
    let schedule = scheduleNext(0, 2, true);
    const waits = even(100, 0).map((_, attempt) => {
      expect(schedule.failures).toBe(attempt);
      schedule = scheduleRetry(0, schedule);
      return schedule.due;
    });
    expect(waits.slice(0, 5)).toEqual([500, 1000, 2000, 4000, 8000]);
    expect(waits.at(-1)).toBe(8000);
    expect(scheduleRetry(0, scheduleNext(10, 2, true)).due).toBe(500);
  });
});

describe('Listing', () => {
  it('keeps the times of segments while the window slides', () => {
    const known = aligned(listing(10, [2, 3, 2], 0), undefined, undefined);
    expect([startOf(known), edgeOf(known), nextNumber(known)]).toEqual([0, 7, 13]);
    const slid = aligned(listing(11, [3, 2, 4], 4000), known, known);
    expect([startOf(slid), edgeOf(slid)]).toEqual([2, 11]);
    // Nothing in common, but it goes on without a hole.
    const later = aligned(listing(14, [2], 9000), slid, slid);
    expect(startOf(later)).toBe(11);
    // Four segments were missed: the clock tells how long that was.
    const after = aligned(listing(19, [2, 2], 21_000), later, later);
    expect(edgeOf(after)).toBe(25);
    // Never back, whatever the clock says.
    const early = aligned(listing(25, [9, 9], 21_500), after, after);
    expect(startOf(early)).toBe(25);
  });

  it('lines another rendition up by number where that fits, and else by the edge', () => {
    const video = shifted(listing(100, even(5, 2), 0), 50);
    expect(startOf(aligned(listing(101, even(5, 2), 2000), undefined, video))).toBe(52);
    expect(edgeOf(aligned(listing(7, even(3, 3), 1000), undefined, video))).toBe(61);
    // The same numbers for quite another time: a window of an hour against one of ten seconds.
    expect(edgeOf(aligned(listing(100, even(1800, 2), 0), undefined, video))).toBe(60);
    // What was known an hour ago is of no use.
    const now = shifted(listing(1900, even(5, 2), 3_600_000), 3650);
    expect(startOf(aligned(listing(1900, even(5, 2), 3_600_000), video, now))).toBe(3650);
  });

  it('starts at a segment before the edge', () => {
    const list = listing(3, even(6, 2), 0);
    expect([6, 6.5, 6.05, 100, 0].map((holdBack) => liveStart(list, holdBack))).toEqual([6, 4, 6, 0, 10]);
    expect(liveStart(listing(0, [], 0), 6)).toBe(0);
  });

  it('loses the playhead only when nothing leads back', () => {
    const list = shifted(listing(9, even(5, 2), 0), 100);
    const buffered = (start: number, end: number) => [{ start, end }];
    expect(fallenOut(list, 90, false, [])).toBe(true);
    expect(fallenOut(list, 90, true, [])).toBe(true);
    expect(fallenOut(list, 90, false, buffered(80, 95))).toBe(true);
    expect(fallenOut(list, 90, true, buffered(80, 95))).toBe(false);
    expect(fallenOut(list, 90, false, buffered(80, 100))).toBe(false);
    expect(fallenOut(list, 100, false, [])).toBe(false);
    expect(fallenOut(list, 120, false, [])).toBe(false);
  });

  it('gives a segment the time it really has, whatever windows are seen, in order', () => {
    const random = randomIntegers(2);
    for (let round = 0; round < 200; round++) {
      const truth = even(random(40, 80), 0).map(() => random(1, 8) / 2);
      const startIn = (number: number) => truth.slice(0, number).reduce((sum, duration) => sum + duration, 0);
      let at = random(0, 4);
      const origin = startIn(at);
      let known: Listing | undefined;
      for (let step = random(1, 12); step > 0; step--) {
        const list = aligned(listing(at, truth.slice(at, at + random(4, 8)), 0), known, known);
        list.spans.forEach((span, index) => {
          expect(span.start).toBeCloseTo(startIn(at + index) - origin, 9);
        });
        const start = liveStart(list, 3);
        expect(start).toBeGreaterThanOrEqual(startOf(list));
        expect(start).toBeLessThanOrEqual(Math.max(edgeOf(list) - 3 + TOLERANCE, startOf(list)));
        known = list;
        at = Math.min(at + random(0, 4), truth.length - 8);
      }
    }
  });
});
