/** The tracker's dashboard with a live swarm. */

import { call, managed, signIn } from '../fixtures/operator';
import { Tracker } from '../fixtures/servers';
import { expect, test } from '../fixtures/test';

test('the dashboard shows a live swarm', async ({ liveStage, openViewer, browser, scratch, cleanUp }) => {
  const stage = await liveStage([], await managed(scratch));
  const { management } = stage.tracker;
  const first = await openViewer(stage, { surface: 'native' });
  const second = await openViewer(stage, { surface: 'native' });
  await first.waitForEvent('video-playing');
  await second.waitForEvent('peer', { state: 'joined' });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  cleanUp(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  const failures: string[] = [];
  // A refused token is answered 401, which the browser writes down.
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('401')) complaints.push(message.text());
  });
  page.on('pageerror', (error) => failures.push(error.message));
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(management) && !request.url().startsWith('data:')) elsewhere.push(request.url());
  });
  await signIn(page, management);

  const dashboard = page.getByRole('main');
  const patient = { timeout: 90_000 };
  await expect(page.locator('#peers')).toHaveText('2', patient);
  // The video swarm, and no other.
  await expect(page.locator('#swarms')).toHaveText('1');
  // What the viewers themselves report of what they got and have.
  const total = async (name: 'p2pBytes' | 'httpBytes' | 'stalls') =>
    (await first.stats())[name] + (await second.stats())[name];
  const playback = async () => (await (await call(management, 'GET', '/v1/overview')).json()).census.playback;
  await expect.poll(async () => (await playback()).p2p_bytes, patient).toBeGreaterThan(0);
  await expect.poll(async () => (await playback()).reporting, patient).toBe(2);
  const { p2p_bytes, http_bytes, connections_made } = await playback();
  expect(p2p_bytes).toBeLessThanOrEqual(await total('p2pBytes'));
  expect(http_bytes).toBeLessThanOrEqual(await total('httpBytes'));
  expect(connections_made, 'each end of their connection').toBeGreaterThanOrEqual(2);
  await expect.poll(async () => (await playback()).stalls - (await total('stalls')), patient).toBe(0);
  await expect(page.locator('#share')).toHaveText(/^(100|\d{1,2}\.\d) %$/, patient);
  await expect(page.locator('#share')).not.toHaveText('0.0 %', patient);
  await expect(page.locator('#stalls')).toHaveText(`${await total('stalls')}`, patient);
  await expect(page.locator('#role-bars')).toContainText('browser2', patient);
  await expect(page.locator('#network-bars')).toContainText('AS645002');
  await expect(page.locator('#nat-bars')).toContainText('none2', patient);
  await expect(page.locator('#rarest caption')).toHaveText('2 chunk maps and 0 seeders; the rarest first', patient);
  const held = page.locator('#rarest tbody tr').filter({ hasText: /^\d+ – \d+[\d.,]+[12]$/ });
  await expect(held.first()).toBeVisible();
  await expect(dashboard.getByRole('img', { name: /Peers: now 2; Swarms: now 1/ })).toBeVisible(patient);
  await expect(dashboard.getByRole('img', { name: /From peers: now [\d.]+ %/ })).toBeVisible(patient);
  await expect(page.locator('#event-list')).toContainText(/peer [0-9a-f]{8}… joined 0d/);

  // It stays signed in, in this tab and no other.
  await page.reload();
  await expect(page.locator('#peers')).toHaveText('2');
  const stranger = await context.newPage();
  await stranger.goto(management);
  await expect(stranger.getByRole('heading', { name: 'Sign in' })).toBeVisible();

  for (const width of [360, 768, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide, `no scrolling to the side at ${width}`).toBeLessThanOrEqual(width);
  }

  // From now on it meets swarms that are gone, and a tracker that is.
  expect(complaints, 'the page complains of nothing').toEqual([]);
  const ban = await call(management, 'POST', '/v1/bans', { prefix: '127.0.0.0/8' });
  expect(ban.status).toBe(201);
  await expect(page.locator('#event-list')).toContainText('banned 127.0.0.0/8');
  await expect(page.locator('#peers')).toHaveText('0', patient);
  await expect(page.locator('#fault-bars')).toContainText(/Banned \(socket\)\s*[1-9]/, patient);
  await expect(page.locator('#rarest')).toContainText('No swarm has members now', patient);

  expect((await call(management, 'POST', '/v1/drain')).status).toBe(202);
  await expect(page.getByText('The tracker cannot be read')).toBeVisible(patient);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  expect(failures, 'no error in the page').toEqual([]);
  expect(elsewhere, 'the page asks nobody else').toEqual([]);
});

test('a viewer whose origin is too slow reports late chunks', async ({ faultyStage, openViewer, scratch, cleanUp }) => {
  const clip = await faultyStage('vod');
  const tracker = await Tracker.start(await managed(scratch));
  cleanUp(() => tracker.stop());
  // The second segment comes long after the first is played.
  clip.site.faults = [{ path: /\/001\.m4s$/, bytesPerSecond: 25_000 }];
  const viewer = await openViewer(clip, { surface: 'native', config: { tracker: tracker.url } });
  await viewer.waitForEvent('segment', { segment: 1 });
  const late = async () => {
    const overview = await (await call(tracker.management, 'GET', '/v1/overview')).json();
    return overview.census.playback.late_chunks;
  };
  await expect.poll(late, { timeout: 60_000 }).toBeGreaterThan(10);
  expect(await viewer.failure()).toBeNull();
});
