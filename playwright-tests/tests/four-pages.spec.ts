/** Four viewers close behind each other share one copy. */

import { segmentBytes } from '../fixtures/media';
import type { Viewer } from '../fixtures/page';
import { mediaBytes } from '../fixtures/servers';
import { expect, test } from '../fixtures/test';

test('four pages, 3 s apart, take little more than one copy from the origin', async ({ stage, openViewer }) => {
  const clip = await stage('vod');
  const first = await openViewer(clip, { surface: 'native' });
  const viewers: Viewer[] = [first];
  for (const seconds of [3, 6, 9]) {
    await first.playTo(seconds);
    viewers.push(await openViewer(clip, { surface: 'native' }));
  }
  for (const viewer of viewers) await viewer.playToEnd();

  const content = await segmentBytes(clip.folder);
  const served = mediaBytes(await clip.site.log());
  expect(served / content, 'origin bytes per byte of content').toBeLessThanOrEqual(1.25);

  let received = 0;
  let discarded = 0;
  let fromSeveral = 0;
  for (const viewer of viewers) {
    const stats = await viewer.stats();
    received += stats.p2pBytes + stats.httpBytes;
    discarded += stats.discardedBytes;
    expect(stats.badChunks).toBe(0);
    const segments = await viewer.events('segment');
    fromSeveral += segments.filter(({ peers }) => new Set(peers).size >= 2).length;
  }
  expect(discarded / received, 'discarded bytes').toBeLessThan(0.02);
  expect(fromSeveral, 'segments from two peers at once').toBeGreaterThan(0);
});
