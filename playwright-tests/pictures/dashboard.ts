/** The picture of the tracker's dashboard in docs/tracker.md: a live stream with four viewers, of whom one is banned. */

import { join } from 'node:path';
import { call, managed, signIn } from '../fixtures/operator';
import { repositoryDir } from '../fixtures/paths';
import { expect, test } from '../fixtures/test';

test('docs/dashboard.png', async ({ liveStage, openViewer, browser, scratch, cleanUp }) => {
  const stage = await liveStage([], [...(await managed(scratch)), '--track-timeout', '600']);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
  cleanUp(() => context.close());
  const page = await context.newPage();
  await signIn(page, stage.tracker.management);
  const { management } = stage.tracker;
  const viewers = [];
  for (let number = 0; number < 4; number++) {
    const viewer = await openViewer(stage, { surface: 'native' });
    await viewer.playTo(8);
    viewers.push(viewer);
  }
  const patient = { timeout: 120_000 };
  await expect(page.locator('#peers')).toHaveText('4', patient);
  await viewers[3]?.playTo(60, 240_000);
  const { items } = await (await call(management, 'GET', '/v1/peers')).json();
  await call(management, 'POST', '/v1/bans', { peer_id: items[0].peer_id, seconds: 3600 });
  await expect(page.locator('#event-list')).toContainText('banned', patient);
  await expect(page.locator('#fault-bars')).toContainText('Banned', patient);
  await expect(page.locator('#peers')).toHaveText('3', patient);
  await expect(page.getByRole('img', { name: /Peers: now 3/ })).toBeVisible(patient);
  await page.screenshot({ path: join(repositoryDir, 'docs/dashboard.png'), fullPage: true });
});
