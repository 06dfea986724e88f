/** Several trackers are one: viewers of different nodes meet, and neither a node nor the engine is missed for long. */

import { expect, test } from '../fixtures/test';

test('viewers of two nodes exchange, and one whose node is killed is back on another', async ({
  stage,
  cluster,
  openViewer,
}) => {
  const clip = await stage('vod');
  const nodes = await cluster(3);
  const viewerOf = (node: number) => openViewer(clip, { surface: 'native', config: { tracker: nodes.urls(node) } });
  const first = await viewerOf(0);
  await first.playTo(15);
  const second = await viewerOf(1);
  const joined = await second.waitForEvent('tracker', { state: 'joined', url: nodes.node(1).url });
  // The first of its swarm on this node: it asks again before the usual ten seconds have passed.
  const met = await second.waitForEvent('peer', { state: 'joined' });
  expect(met.at - joined.at, 'ms until they have met').toBeLessThan(9000);
  await second.waitForEvent('chunk', { source: 'p2p' });

  await nodes.node(1).kill();
  const lost = await second.waitForEvent('tracker', { state: 'lost' });
  const isBack = async () => {
    const joined = (await second.events('tracker')).filter(({ state }) => state === 'joined');
    return joined.find(({ at, url }) => at > lost.at && url !== nodes.node(1).url);
  };
  await expect.poll(isBack, { message: 'joined at another node' }).toBeDefined();
  const back = await isBack();
  expect((back?.at ?? Number.POSITIVE_INFINITY) - lost.at, 'ms without a tracker').toBeLessThan(5000);

  const before = await second.stats();
  await second.playToEnd();
  const after = await second.stats();
  const fromPeers = after.p2pBytes - before.p2pBytes;
  const fromOrigin = after.httpBytes - before.httpBytes;
  expect(fromPeers / (fromPeers + fromOrigin), 'share from peers afterwards').toBeGreaterThan(0.8);
  for (const viewer of [first, second]) {
    expect(await viewer.stalls()).toEqual([]);
    expect(await viewer.failure()).toBeNull();
    expect((await viewer.stats()).badChunks).toBe(0);
  }
  // The first one's node has lived on.
  expect((await first.events('tracker')).filter(({ state }) => state === 'lost')).toEqual([]);
});

test('viewers of two nodes meet after their engine was restarted', async ({ stage, cluster, openViewer }) => {
  const clip = await stage('vod');
  const nodes = await cluster(3);
  const viewerOf = (node: number) => openViewer(clip, { surface: 'native', config: { tracker: nodes.urls(node) } });
  const first = await viewerOf(0);
  await first.playTo(15);
  await nodes.engine.kill();
  const second = await viewerOf(2);
  // Nodes without their engine serve viewers all the same.
  await second.waitForEvent('tracker', { state: 'joined', url: nodes.node(2).url });
  expect((await second.stats()).p2pBytes).toBe(0);
  await nodes.engine.restart();
  await second.waitForEvent('chunk', { source: 'p2p' });
  for (const viewer of [first, second]) {
    expect((await viewer.events('tracker')).filter(({ state }) => state === 'lost')).toEqual([]);
    expect(await viewer.stalls()).toEqual([]);
    expect(await viewer.failure()).toBeNull();
  }
});
