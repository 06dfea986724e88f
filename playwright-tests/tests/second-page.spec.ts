/** A second viewer of the same video gets it from the first. */

import { segmentBytes } from '../fixtures/media';
import { pictureDifference, type Surface } from '../fixtures/page';
import { mediaBytes } from '../fixtures/servers';
import { expect, test } from '../fixtures/test';

const surfaces: Surface[] = ['native', 'hls'];

for (const surface of surfaces) {
  test(`${surface}: a page that joins 20 s later gets its media from the first`, async ({ stage, openViewer }) => {
    const clip = await stage('vod');
    const first = await openViewer(clip, { surface });
    await first.playTo(20);
    const second = await openViewer(clip, { surface });
    await second.playToEnd();
    await first.playToEnd();

    const content = await segmentBytes(clip.folder);
    const stats = await second.stats();
    const received = stats.p2pBytes + stats.httpBytes;
    expect(received / content, 'all of the content arrived').toBeCloseTo(1, 1);
    expect(stats.p2pBytes / received, 'share from peers').toBeGreaterThanOrEqual(0.9);
    expect(stats.badChunks).toBe(0);
    expect(await second.stalls()).toEqual([]);

    // The origin's own log says the same as the pages.
    const served = mediaBytes(await clip.site.log());
    const httpBytes = (await first.stats()).httpBytes + stats.httpBytes;
    expect(Math.abs(served - httpBytes) / content, 'origin log against stats').toBeLessThan(0.02);

    let earlier: number[] | undefined;
    for (const seconds of [10.5, 41.5]) {
      const [one, other] = [await first.frameAt(seconds), await second.frameAt(seconds)];
      expect(pictureDifference(one, other), `pictures at ${seconds} s`).toBeLessThan(0.5);
      if (earlier) expect(pictureDifference(earlier, one), 'pictures of different times').toBeGreaterThan(3);
      earlier = one;
    }
    expect(await second.failure()).toBeNull();
  });
}
