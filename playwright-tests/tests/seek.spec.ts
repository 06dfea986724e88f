/** Seeks, a pause and a change of rendition leave the connections alone. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Surface } from '../fixtures/page';
import { expect, test } from '../fixtures/test';

const surfaces: Surface[] = ['native', 'hls'];

for (const surface of surfaces) {
  test(`${surface}: seek, seek back, pause, change the rendition`, async ({ stage, openViewer }) => {
    const clip = await stage('abr');
    const first = await openViewer(clip, { surface });
    await first.playTo(8);
    const second = await openViewer(clip, { surface });
    await second.waitForEvent('peer', { state: 'joined' });
    await second.playTo(3);

    // A place that nobody has watched, and back.
    await second.seek(50);
    await second.playTo(53);
    await second.seek(5);
    await second.playTo(8);

    await second.pause();
    // The scenario itself: a viewer who is away for half a minute.
    await delay(30_000);
    await second.play();
    await second.playTo(10);

    const width = await second.page.evaluate(() => window.viewer.video.videoWidth);
    expect(width).toBeGreaterThan(0);
    const chosen = await second.page.evaluate(() => {
      const { player, hls } = window.viewer;
      const current: number = player ? player.currentRendition() : hls.loadLevel;
      const other = current === 0 ? 1 : 0;
      if (player) player.selectRendition(other);
      else hls.nextLevel = other;
      return other;
    });
    await expect
      .poll(() =>
        second.page.evaluate(() => {
          const { player, hls } = window.viewer;
          return player ? player.currentRendition() : hls.currentLevel;
        }),
      )
      .toBe(chosen);
    const playhead = await second.time();
    await second.playTo(Math.min(playhead + 12, 62));

    expect(await second.stalls()).toEqual([]);
    const peers = await second.events('peer');
    expect(
      peers.filter(({ state }) => state !== 'joined'),
      'connections that ended',
    ).toEqual([]);
    expect(peers.length, 'connections made').toBe(1);
    expect((await second.stats()).badChunks).toBe(0);
    expect(await second.failure()).toBeNull();
  });
}
