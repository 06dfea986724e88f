import { expect, it } from 'vitest';
import { type Arrival, measure, Throughput, transferMs } from '../src/hls-timing.js';

const arrival = (change: Partial<Arrival>): Arrival => ({
  start: 1000,
  first: 1000,
  end: 2000,
  deadlineAt: 9000,
  bytes: 125_000,
  seenBytes: 125_000,
  p2pBytes: 125_000,
  ...change,
});

it('counts real elapsed time', () => {
  expect(transferMs(arrival({}), 8_000_000)).toBe(1000);
});

it('never makes a segment out of memory look like a link of gigabits', () => {
  // 1 Mbit at 2 Mbit/s.
  expect(transferMs(arrival({ end: 1001, first: 0, seenBytes: 0, p2pBytes: 0 }), 2_000_000)).toBe(500);
  // A burst after a wait.
  expect(transferMs(arrival({ end: 2001, first: 2000 }), 2_000_000)).toBe(500);
});

it('believes a fast origin, whatever was estimated before', () => {
  expect(transferMs(arrival({ end: 1010, first: 1009, p2pBytes: 0 }), 500_000)).toBe(10);
  expect(transferMs(arrival({ end: 1040, first: 0, seenBytes: 0, p2pBytes: 0 }), 500_000)).toBe(40);
});

it('leaves out what the scheduler waited because it could', () => {
  expect(transferMs(arrival({ first: 4000, end: 4600 }), 8_000_000)).toBe(600);
});

it('counts the waiting when the segment came late, or from the origin', () => {
  expect(transferMs(arrival({ first: 4000, end: 4600, deadlineAt: 4500 }), 8_000_000)).toBe(3600);
  expect(transferMs(arrival({ first: 4000, end: 4600, p2pBytes: 0 }), 8_000_000)).toBe(3600);
});

it('is never zero', () => {
  expect(transferMs(arrival({ end: 1000 }), 0)).toBe(1);
});

it('measures transfers that are long enough to be measured', () => {
  const throughput = new Throughput();
  throughput.sample(1_000_000, 2);
  throughput.sample(0, 500);
  expect(throughput.bitsPerSecond).toBeUndefined();
  throughput.sample(125_000, 1000);
  expect(throughput.bitsPerSecond).toBeCloseTo(1_000_000);
  throughput.sample(250_000, 1000);
  expect(throughput.bitsPerSecond).toBeCloseTo(1_300_000);
});

it('takes the rate from bytes that were seen to arrive', () => {
  const throughput = new Throughput();
  measure(throughput, arrival({ seenBytes: 10_000 }));
  expect(throughput.bitsPerSecond).toBeUndefined();
  measure(throughput, arrival({ first: 1500 }));
  expect(throughput.bitsPerSecond).toBeCloseTo(2_000_000);
  const origin = new Throughput();
  measure(origin, arrival({ first: 1990, p2pBytes: 0 }));
  expect(origin.bitsPerSecond).toBeCloseTo(1_000_000);
});
