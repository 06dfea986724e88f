import { expect, it } from 'vitest';
import { createTimeline } from '../../src/feeder/timeline.js';

it('leaves small differences to the media, and shares large ones', () => {
  const timeline = createTimeline();
  expect(timeline.offset(0, 0, undefined)).toBe(0);
  expect(timeline.offset(0, 4, 4.08)).toBe(0);
  expect(timeline.offset(1, 8, 0)).toBe(8);
  expect(timeline.offset(1, 8, 0.02)).toBe(8);
  expect(timeline.offset(2, 12, 10)).toBe(2);
  expect(timeline.offset(0, 12, 10)).toBe(0);
  timeline.forget(0);
  expect(timeline.offset(0, 12, 10)).toBe(2);
});
