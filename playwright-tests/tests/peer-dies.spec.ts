/** A peer that vanishes in the middle of a segment costs its missing bytes, and nothing else. */

import { segmentBytes } from '../fixtures/media';
import { mediaBytes } from '../fixtures/servers';
import { expect, test } from '../fixtures/test';

test('the rest of a segment comes from elsewhere when its sender dies', async ({ stage, openViewer }) => {
  const clip = await stage('vod');
  // Slow enough that a segment takes about a second, so that it can be caught in the middle.
  const first = await openViewer(clip, { surface: 'native', config: { maxUploadKbps: 2500 } });
  await first.playTo(30);
  const httpBefore = (await first.stats()).httpBytes;
  const second = await openViewer(clip, { surface: 'native' });
  await second.playTo(4);

  // In the page, as soon as a segment has begun to arrive: asking from outside would be late.
  const segment = await second.page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const begun = new Map<number, number>();
        window.viewer.shoal.on('chunk', ({ source, segment }: { source: string; segment: number }) => {
          if (source !== 'p2p') return;
          const count = (begun.get(segment) ?? 0) + 1;
          begun.set(segment, count);
          if (count === 4) resolve(segment);
        });
      }),
  );
  await first.crash();
  const arrived = await second.waitForEvent('segment', { segment });
  expect(arrived.p2pBytes).toBeGreaterThan(0);
  await second.playToEnd();

  const chunks = (await second.events('chunk')).map(
    ({ playlist, segment, chunk }) => `${playlist} ${segment} ${chunk}`,
  );
  expect(chunks.length, 'every chunk arrived once').toBe(new Set(chunks).size);
  const content = await segmentBytes(clip.folder);
  const stats = await second.stats();
  expect((stats.p2pBytes + stats.httpBytes) / content).toBeLessThan(1.01);
  expect(stats.discardedBytes / content).toBeLessThan(0.02);
  // What the dead peer had fetched, and what the other needed of the origin: no whole copy for both.
  const served = mediaBytes(await clip.site.log());
  expect(served).toBeLessThan(content + httpBefore);
  expect(served - httpBefore - stats.httpBytes, 'bytes served but used by nobody').toBeLessThan(0.2 * content);
  expect(await second.stalls()).toEqual([]);
  expect(await second.failure()).toBeNull();
});
