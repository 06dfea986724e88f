import { describe, expect, it } from 'vitest';
import { type Conditions, createAbr } from '../../src/feeder/abr.js';

const LADDER = [1e6, 4e6, 250e3];

const calm = (now: number, rate: number | undefined, buffer: number, more: Partial<Conditions> = {}): Conditions => ({
  now,
  rate,
  buffer,
  reach: Number.POSITIVE_INFINITY,
  late: false,
  complete: false,
  ...more,
});

describe('Abr', () => {
  it('starts within the known rate or with the first listed', () => {
    expect(createAbr(LADDER, undefined).current()).toBe(0);
    expect(createAbr(LADDER, 6e6).current()).toBe(1);
    expect(createAbr(LADDER, 5e6).current()).toBe(0);
    expect(createAbr(LADDER, 1e3).current()).toBe(2);
  });

  it('goes up with margin and buffer only', () => {
    const abr = createAbr(LADDER, undefined);
    expect(abr.decide(calm(0, 5.5e6, 30))).toBeUndefined();
    expect(abr.decide(calm(0, 6e6, 9))).toBeUndefined();
    expect(abr.decide(calm(0, undefined, 30))).toBeUndefined();
    expect(abr.decide(calm(0, 6e6, 11))).toBe(1);
    expect(abr.current()).toBe(1);
    expect(abr.decide(calm(1, 6e6, 11))).toBeUndefined();
  });

  it('goes down in danger only, and not twice at once', () => {
    const abr = createAbr(LADDER, 6e6);
    expect(abr.decide(calm(0, 2e6, 6))).toBeUndefined();
    expect(abr.decide(calm(0, 2e6, 1, { complete: true }))).toBeUndefined();
    expect(abr.decide(calm(0, 2e6, 4))).toBe(0);
    expect(abr.decide(calm(100, 1e5, 1))).toBeUndefined();
    expect(abr.decide(calm(9000, 1e5, 1))).toBe(2);
    expect(abr.decide(calm(18_000, 1e5, 1))).toBeUndefined();
  });

  it('takes one step for a late load at a good rate', () => {
    expect(createAbr(LADDER, 60e6).decide(calm(0, 60e6, 2, { late: true }))).toBe(0);
  });

  it('judges a live buffer by what it can hold', () => {
    const live = (now: number, rate: number, buffer: number) => calm(now, rate, buffer, { reach: 6 });
    const abr = createAbr(LADDER, undefined);
    expect(abr.decide(live(0, 6e6, 3.5))).toBeUndefined();
    expect(abr.decide(live(0, 5.5e6, 5))).toBeUndefined();
    expect(abr.decide(live(0, 6e6, 4))).toBe(1);
    expect(abr.decide(live(9000, 2e6, 2.2))).toBeUndefined();
    expect(abr.decide(live(9000, 2e6, 2))).toBe(0);
  });

  it("keeps the viewer's choice", () => {
    const abr = createAbr(LADDER, undefined);
    expect(abr.pin(2)).toBe(true);
    expect(abr.decide(calm(0, 60e6, 30))).toBeUndefined();
    expect(abr.pin(2) || abr.pin(7)).toBe(false);
    expect(abr.pin(undefined)).toBe(false);
    expect(abr.decide(calm(0, 60e6, 30))).toBe(1);
    abr.exclude(1, 2);
    expect(abr.current()).toBe(2);
    expect(abr.decide(calm(9000, 60e6, 30))).toBe(0);
  });
});
