/** One page alone: everything comes from the origin, and Shoal is not in the way. */

import { durations, segmentBytes } from '../fixtures/media';
import type { Surface } from '../fixtures/page';
import { mediaBytes } from '../fixtures/servers';
import { expect, test } from '../fixtures/test';

const surfaces: Surface[] = ['native', 'hls'];

for (const surface of surfaces) {
  test(`${surface}: plays a clip to its end without a stall`, async ({ stage, openViewer }) => {
    const clip = await stage('vod');
    const viewer = await openViewer(clip, { surface });
    await viewer.playToEnd();
    expect(await viewer.time()).toBeGreaterThan(durations.vod - 1);
    expect(await viewer.stalls()).toEqual([]);
    expect(await viewer.failure()).toBeNull();

    const content = await segmentBytes(clip.folder);
    const stats = await viewer.stats();
    expect(stats.p2pBytes).toBe(0);
    expect(stats.httpBytes / content).toBeCloseTo(1, 1);
    // Nothing is fetched twice.
    expect(mediaBytes(await clip.site.log()) / content).toBeLessThan(1.02);
  });

  test(`${surface}: plays video and audio that lie apart`, async ({ stage, openViewer }) => {
    const viewer = await openViewer(await stage('av'), { surface });
    await viewer.playTo(10);
    expect(await viewer.failure()).toBeNull();
    const audio = await viewer.page.evaluate(
      () =>
        (window.viewer.video as HTMLVideoElement & { webkitAudioDecodedByteCount: number }).webkitAudioDecodedByteCount,
    );
    expect(audio).toBeGreaterThan(0);
  });
}

test('hls: plays MPEG transport stream segments', async ({ stage, openViewer }) => {
  const viewer = await openViewer(await stage('ts'), { surface: 'hls' });
  await viewer.playToEnd();
  expect(await viewer.failure()).toBeNull();
});
