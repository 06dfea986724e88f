/** The picture of the demo page in the README: four viewers of the sample video, one of them photographed. */

import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { demoMediaDir, demoSiteDir, repositoryDir } from '../fixtures/paths';
import { publish, ShoalServe, Tracker } from '../fixtures/servers';
import { expect, test } from '../fixtures/test';

test('docs/demo.png', async ({ browser, scratch, cleanUp }) => {
  const folder = join(scratch, 'demo');
  await cp(demoMediaDir, folder, { recursive: true });
  const tracker = await Tracker.start();
  cleanUp(() => tracker.stop());
  await publish(folder, tracker.url);
  const site = await ShoalServe.start(folder, join(scratch, 'access.log'), demoSiteDir);
  cleanUp(() => site.stop());

  const viewport = { width: 1280, height: 860 };
  const pages = [];
  for (let number = 0; number < 4; number++) {
    const context = await browser.newContext({ viewport });
    cleanUp(() => context.close());
    const page = await context.newPage();
    await page.goto(`${site.url}/?mode=native`);
    pages.push(page);
    const playhead = () => page.locator('#video').evaluate((video: HTMLVideoElement) => video.currentTime);
    await expect.poll(playhead, { timeout: 120_000 }).toBeGreaterThan(3);
  }
  const last = pages[3];
  if (!last) throw new Error('four pages are needed');
  await expect(last.locator('#peer-count')).toHaveText('3', { timeout: 120_000 });
  const playhead = () => last.locator('#video').evaluate((video: HTMLVideoElement) => video.currentTime);
  await expect.poll(playhead, { timeout: 240_000 }).toBeGreaterThan(25);
  await last.screenshot({ path: join(repositoryDir, 'docs/demo.png') });
});
