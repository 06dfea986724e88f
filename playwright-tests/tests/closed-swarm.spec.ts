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

  // Of two short tokens the first is renewed before it ends. The second is not: then the portal does not answer.
  const [life, later] = [15, 3600];
  const end = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
  const asked: { peerId: string; at: number; end: number }[] = [];
  const token = (peerId: string) => {
    const ends = end(asked.length < 2 ? life : later);
    asked.push({ peerId, at: Date.now(), end: ends * 1000 });
    if (asked.length === 3) throw new Error('the portal is away');
    return portal.token(peerId, ends);
  };
  const first = await openViewer(clip, { surface: 'native', config, token });
  await first.waitForEvent('tracker', { state: 'joined' });
  await first.waitForEvent('error', { message: 'the token function failed: the portal is away', fatal: false });
  const [given, renewed, failed] = asked;
  expect(renewed?.at, 'asked for the second before the first ends').toBeLessThan(given?.end ?? 0);
  expect(failed?.at, 'asked for the third when the first has ended').toBeGreaterThan(given?.end ?? 0);
  const states = async () => (await first.events('tracker')).map(({ state }) => state);
  expect(await states(), 'in the swarm on the second').not.toContain('lost');
  expect(await denied('token-expired')).toBe(0);

  const lost = await first.waitForEvent('tracker', { state: 'lost' });
  expect(lost.reason).toContain('token-expired');
  await expect.poll(() => asked.length, { message: 'tokens', timeout: 60_000 }).toBe(4);
  expect(asked[3]?.at, 'refused after the end of the second').toBeGreaterThanOrEqual(renewed?.end ?? Infinity);
  expect(new Set(asked.map(({ peerId }) => peerId)).size, 'all of them for one peer').toBe(1);
  expect(await denied('token-expired')).toBeGreaterThan(0);

  const second = await openViewer(clip, {
    surface: 'native',
    config,
    token: (peerId) => portal.token(peerId, end(later)),
  });
  await second.waitForEvent('chunk', { source: 'p2p' });
  expect((await states()).filter((state) => state === 'lost').length, 'lost once').toBe(1);
  expect((await states()).at(-1)).toBe('joined');
  expect(await denied('token-missing')).toBe(0);

  const stranger = await openViewer(clip, { surface: 'native', config });
  const refusal = await stranger.waitForEvent('tracker', { state: 'lost' });
  expect(refusal.reason).toContain('token-missing');
  await stranger.playTo(2);
  expect((await stranger.stats()).p2pBytes).toBe(0);
  expect(await denied('token-missing')).toBeGreaterThan(0);
  for (const viewer of [first, second, stranger]) expect(await viewer.failure()).toBeNull();
});
