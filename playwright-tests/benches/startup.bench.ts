/** Time from opening a page to its first frame playing, with Shoal and without, in turn. */

import type { Surface } from '../fixtures/page';
import { median, summary } from '../fixtures/statistics';
import { expect, test } from '../fixtures/test';

const rounds = 5;
const surfaces: Surface[] = ['plain-hls', 'native', 'hls'];

test('start-up is within 10 % of the same page without Shoal', async ({ stage, openViewer }) => {
  const clip = await stage('vod');
  const times = new Map<Surface, number[]>(surfaces.map((surface) => [surface, []]));
  // The first round warms files and processes up, and is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const surface of surfaces) {
      const viewer = await openViewer(clip, { surface });
      const { at } = await viewer.waitForEvent('video-playing');
      if (round > 0) times.get(surface)?.push(at);
      await viewer.close();
    }
  }
  for (const [surface, values] of times) console.log(summary(surface, values, 'ms'));
  const plain = median(times.get('plain-hls') ?? []);
  for (const surface of ['native', 'hls'] as const) {
    expect(median(times.get(surface) ?? []) / plain, surface).toBeLessThanOrEqual(1.1);
  }
});
