/** The demo site, used the way a visitor would. */

import type { Page } from '@playwright/test';
import { demoSiteDir } from '../fixtures/paths';
import { expect, test } from '../fixtures/test';

const patience = { timeout: 120_000 };

function playhead(page: Page): Promise<number> {
  return page.locator('#video').evaluate((video: HTMLVideoElement) => video.currentTime);
}

for (const mode of ['native', 'hls']) {
  test(`${mode}: a second window shows its peer and what comes from it`, async ({ stage, browser }) => {
    const { site } = await stage('abr', demoSiteDir);
    const contexts = [await browser.newContext(), await browser.newContext()];
    const pages = await Promise.all(contexts.map((context) => context.newPage()));
    const [first, second] = pages;
    if (!first || !second) throw new Error('two pages are needed');
    const failures: string[] = [];
    for (const page of pages) page.on('pageerror', (error) => failures.push(String(error)));

    await first.goto(`${site.url}/?mode=${mode}`);
    await expect.poll(() => playhead(first), patience).toBeGreaterThan(10);
    await expect(first.locator('#p2p-share')).toHaveText(/^0/);
    await second.goto(`${site.url}/?mode=${mode}`);
    await expect(second.locator('#peer-count')).toHaveText('1', patience);
    await expect(first.locator('#peer-count')).toHaveText('1', patience);
    await expect(second.locator('#p2p-bytes')).toHaveText(/[1-9].* MB/, patience);
    await expect(first.locator('#uploaded-bytes')).toHaveText(/[1-9].* MB/, patience);
    await expect(second.locator('#state')).toHaveAttribute('data-state', 'p2p');
    await expect(second.locator('#bad-chunks')).toHaveText('0');
    await expect(second.locator('#chunk-map')).not.toBeEmpty();

    // Off and on again: the video goes on either way.
    await second.locator('label:has(#p2p-off)').click();
    await expect(second.locator('#state')).toHaveAttribute('data-state', 'off');
    await expect.poll(() => playhead(second), patience).toBeGreaterThan(2);
    await expect(first.locator('#peer-count')).toHaveText('0', patience);
    await second.locator('label:has(#p2p-on)').click();
    await expect(second.locator('#peer-count')).toHaveText('1', patience);

    // The other player, in the same page.
    await second.locator(`label:has(#mode-${mode === 'hls' ? 'native' : 'hls'})`).click();
    await expect.poll(() => playhead(second), patience).toBeGreaterThan(2);
    await expect(second.locator('#notice')).toBeHidden();
    expect(failures).toEqual([]);
    for (const context of contexts) await context.close();
  });
}
