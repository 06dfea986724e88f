/** The picture of the tracker's dashboard in docs/tracker.md: a live stream with four viewers, of whom one leaves. */

import { join } from 'node:path';
import { call, managed, signIn } from '../fixtures/operator';
import { repositoryDir } from '../fixtures/paths';
import { Reporter } from '../fixtures/reporter';
import { expect, test } from '../fixtures/test';

test('docs/dashboard.png', async ({ liveStage, openViewer, browser, scratch, cleanUp }) => {
  const stage = await liveStage([], [...(await managed(scratch)), '--track-timeout', '600']);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
  cleanUp(() => context.close());
  const page = await context.newPage();
  await signIn(page, stage.tracker.management);
  const { management, url } = stage.tracker;
  const viewers = [];
  for (let number = 0; number < 4; number++) {
    const viewer = await openViewer(stage, { surface: 'native' });
    await viewer.playTo(8);
    viewers.push(viewer);
    // Pages do not report what they got; other peers do.
    const { items } = await (await call(management, 'GET', '/v1/swarms')).json();
    const { swarm_id } = items[0];
    await new Reporter(url).report(swarm_id, {
      ...{ p2pBytes: 91e6 + number * 5e6, httpBytes: 12e6, stalls: number % 2 },
      ...{ first: 4096 + 512 * number, chunks: 2048 },
    });
  }
  const patient = { timeout: 120_000 };
  await expect(page.locator('#peers')).toHaveText('8', patient);
  const banned = new Reporter(url);
  await call(management, 'POST', '/v1/bans', { peer_id: banned.id, seconds: 3600 });
  const nothing = { p2pBytes: 0, httpBytes: 0, stalls: 0, first: 0, chunks: 0 };
  await expect(banned.report('0'.repeat(64), nothing)).rejects.toThrow('banned');
  await viewers[3]?.playTo(40, 240_000);
  await viewers[3]?.page.close();
  await expect(page.locator('#event-list')).toContainText(/left|gone/, patient);
  await expect(page.locator('#peers')).toHaveText('7', patient);
  await expect(page.getByRole('img', { name: /Peers: now 7/ })).toBeVisible(patient);
  await page.screenshot({ path: join(repositoryDir, 'docs/dashboard.png'), fullPage: true });
});
