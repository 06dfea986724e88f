/** A closed swarm: a viewer stays in it for longer than its first token lasts. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Portal } from '../fixtures/portal';
import { expect, test } from '../fixtures/test';

test('a viewer outlives its tokens, and who has none watches without peers', async ({
  stage,
  openViewer,
  scratch,
  cleanUp,
}) => {
  const clip = await stage('vod');
  const { swarms } = JSON.parse(await readFile(join(clip.folder, 'shoal.json'), 'utf8'));
  const portal = await Portal.open(
    scratch,
    swarms.map(({ swarm_id }: { swarm_id: string }) => swarm_id),
  );
  const { tracker } = portal;
  cleanUp(() => tracker.stop());
  const config = { tracker: tracker.url };
  const denied = (reason: string) => tracker.metric('tracker_requests_denied_total', `{reason="${reason}"}`);

  // The tracker takes the first for some seconds, the page renews the second in time.
  const lives = [-52, 10];
  const asked: string[] = [];
  const token = (peerId: string) => {
    asked.push(peerId);
    return portal.token(peerId, lives.shift() ?? 3600);
  };
  const first = await openViewer(clip, { surface: 'native', config, token });
  await first.waitForEvent('tracker', { state: 'joined' });
  const lost = await first.waitForEvent('tracker', { state: 'lost' });
  expect(lost.reason).toContain('token-expired');
  await expect.poll(() => asked.length, { message: 'tokens', timeout: 60_000 }).toBe(3);
  expect(new Set(asked).size, 'all of them for one peer').toBe(1);

  const second = await openViewer(clip, { surface: 'native', config, token: (peerId) => portal.token(peerId, 3600) });
  await second.waitForEvent('chunk', { source: 'p2p' });
  const events = await first.events('tracker');
  expect(events.filter(({ state }) => state === 'lost').length, 'lost once').toBe(1);
  expect(events.at(-1)?.state).toBe('joined');
  expect(await denied('token-missing')).toBe(0);

  const stranger = await openViewer(clip, { surface: 'native', config });
  const refusal = await stranger.waitForEvent('tracker', { state: 'lost' });
  expect(refusal.reason).toContain('token-missing');
  await stranger.playTo(2);
  expect((await stranger.stats()).p2pBytes).toBe(0);
  expect(await denied('token-missing')).toBeGreaterThan(0);
  for (const viewer of [first, second, stranger]) expect(await viewer.failure()).toBeNull();
});
