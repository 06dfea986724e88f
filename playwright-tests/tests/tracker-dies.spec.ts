/** The tracker introduces; what it has introduced lives on without it. */

import { expect, test } from '../fixtures/test';

test('pages that are connected go on exchanging when the tracker dies', async ({ stage, openViewer }) => {
  const clip = await stage('vod');
  const first = await openViewer(clip, { surface: 'native' });
  await first.playTo(20);
  const second = await openViewer(clip, { surface: 'native' });
  await second.waitForEvent('chunk', { source: 'p2p' });
  await second.playTo(5);

  await clip.tracker.kill();
  await second.waitForEvent('tracker', { state: 'lost' });
  const before = await second.stats();
  await second.playToEnd();
  const after = await second.stats();
  const fromPeers = after.p2pBytes - before.p2pBytes;
  const fromOrigin = after.httpBytes - before.httpBytes;
  expect(fromPeers, 'bytes from peers without a tracker').toBeGreaterThan(1_000_000);
  expect(fromPeers / (fromPeers + fromOrigin)).toBeGreaterThan(0.8);
  expect((await second.events('peer')).filter(({ state }) => state !== 'joined')).toEqual([]);
  expect(await second.stalls()).toEqual([]);
  expect(await second.failure()).toBeNull();
});
