import { describe, expect, it } from 'vitest';
import {
  ahead,
  type Buffered,
  covers,
  createLedger,
  gapEnd,
  inWindow,
  type Span,
  wanted,
} from '../../src/feeder/window.js';
import { randomIntegers } from './random.js';

const spansOf = (count: number, length: number): Span[] =>
  Array.from({ length: count }, (_, index) => ({ start: index * length, end: (index + 1) * length }));
const buffered = (...ranges: [number, number][]): Buffered => ranges.map(([start, end]) => ({ start, end }));
const absent = () => false;

describe('wanted', () => {
  it('loads from the playhead to the goal', () => {
    const spans = spansOf(20, 4);
    expect(wanted(spans, 0, 30, 12, absent)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(wanted(spans, 0, 30, 3, absent)).toEqual([0, 1, 2]);
    expect(wanted(spans, 0, 30, -1, absent)).toEqual([]);
    expect(wanted(spans, 41, 10, 12, ({ start }) => start === 44)).toEqual([10, 12]);
    expect(wanted(spans, 79.9, 30, 12, absent)).toEqual([19]);
    expect(wanted(spans, 80, 30, 12, absent)).toEqual([]);
    const inside = [9, 10, 17, 18].map((index) => inWindow(spans[index] as Span, 41));
    expect(inside).toEqual([false, true, true, false]);
  });
});

describe('Ledger', () => {
  it('has a segment only if it was placed and is still buffered', () => {
    const [first, second, third] = spansOf(4, 4) as [Span, Span, Span];
    const ledger = createLedger();
    const now = buffered([0.08, 8]);
    expect(ledger.has(first, 0, now)).toBe(false);
    ledger.place(first, 0, 0, buffered([0.08, 4]));
    ledger.place(second, 1, 0, now);
    expect([first, second, third].map((span) => ledger.has(span, 0, now))).toEqual([true, true, false]);
    expect([3.9, 4, 8].map(ledger.renditionAt)).toEqual([0, 1, undefined]);
    // The browser evicts the first three seconds: enough for a playhead past them.
    const evicted = buffered([3, 8]);
    expect(ledger.has(first, 0, evicted)).toBe(false);
    expect(ledger.has(first, 3.1, evicted)).toBe(true);
    ledger.forgetFrom(4);
    expect(ledger.has(second, 0, now)).toBe(false);
    ledger.forgetRemoved(0, 1);
    expect(ledger.has(first, 0, now)).toBe(false);
  });

  it('does not load media with holes for ever', () => {
    const span = { start: 8, end: 12 };
    const ledger = createLedger();
    const holes = buffered([8, 9], [11, 12]);
    ledger.place(span, 0, 0, holes);
    expect(ledger.has(span, 8, holes)).toBe(true);
    ledger.forgetRemoved(8, 9);
    expect(ledger.has(span, 8, holes)).toBe(false);
  });

  it('allows for drift of the media', () => {
    const span = { start: 100, end: 104 };
    const ledger = createLedger();
    const actual = buffered([101.5, 105.5]);
    ledger.place(span, 0, 1.5, actual);
    expect(ledger.has(span, 100, actual)).toBe(true);
    expect(ledger.has(span, 100, buffered([98, 104.5]))).toBe(false);
  });

  it('replaces what overlaps', () => {
    const ledger = createLedger();
    for (let index = 0; index < 100; index++) {
      const start = (index % 10) * 2 + (index > 50 ? 1 : 0);
      ledger.place({ start, end: start + 2 }, index, 0, []);
    }
    const left = new Set(Array.from({ length: 250 }, (_, tenth) => ledger.renditionAt(tenth / 10)));
    expect([...left].filter((index) => index !== undefined)).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
  });
});

describe('Buffered', () => {
  it('knows gaps', () => {
    const ranges = buffered([0.08, 4], [4.3, 8]);
    expect(gapEnd(ranges, 0, 0.5)).toBe(0.08);
    expect(gapEnd(ranges, 4, 0.5)).toBe(4.3);
    expect(gapEnd(ranges, 4, 0.2)).toBeUndefined();
    expect(gapEnd(ranges, 3, 9)).toBeUndefined();
    expect(gapEnd(ranges, 3.96, 0.5)).toBe(4.3);
    expect(gapEnd(ranges, 8, 0.5)).toBeUndefined();
    expect([1, 0, 9].map((time) => ahead(ranges, time))).toEqual([3, 4, 0]);
    expect(ahead(buffered([0, 4], [4.05, 8]), 1)).toBe(7);
  });

  it('covers like a scan', () => {
    const random = randomIntegers(1);
    for (let round = 0; round < 2000; round++) {
      const cells = new Array<boolean>(200).fill(false);
      for (let count = random(0, 8); count > 0; count--) {
        const from = random(0, 100);
        cells.fill(true, from, from + random(1, 20));
      }
      const ranges: { start: number; end: number }[] = [];
      cells.forEach((cell, time) => {
        const last = ranges.at(-1);
        if (cell && last?.end === time) last.end = time + 1;
        else if (cell) ranges.push({ start: time, end: time + 1 });
      });
      const start = random(0, 120);
      const end = start + random(1, 30);
      expect(covers(ranges, start, end)).toBe(cells.slice(start, end).every(Boolean));
    }
  });
});
