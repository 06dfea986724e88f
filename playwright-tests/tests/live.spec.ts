/** Live: viewers follow the edge, and get it from each other. */

import type { Surface, Viewer } from '../fixtures/page';
import { countSignalling, signalling } from '../fixtures/signalling';
import { expect, test } from '../fixtures/test';

const surfaces: Surface[] = ['native', 'hls'];

/** Waits until a viewer has played `seconds` more. */
async function playOn(viewer: Viewer, seconds: number): Promise<void> {
  await viewer.playTo((await viewer.time()) + seconds);
}

async function isUnharmed(viewer: Viewer): Promise<void> {
  const stats = await viewer.stats();
  expect(stats.badChunks).toBe(0);
  expect(stats.refusedSignatures, 'signatures refused').toBe(0);
  expect(stats.refusedCertificates, 'certificates refused').toBe(0);
  expect(await viewer.events('fallback')).toEqual([]);
  expect(await viewer.stalls()).toEqual([]);
  expect(await viewer.failure()).toBeNull();
}

for (const surface of surfaces) {
  test(`${surface}: a second page follows the live edge from the first`, async ({ liveStage, openViewer }) => {
    const stream = await liveStage();
    const first = await openViewer(stream, { surface });
    await playOn(first, 10);
    const second = await openViewer(stream, { surface });
    await second.waitForEvent('video-playing');
    await playOn(second, 40);

    const stats = await second.stats();
    const received = stats.p2pBytes + stats.httpBytes;
    // 1.2 Mbit/s, and what lay ahead of the playhead.
    expect(received).toBeGreaterThan(5_000_000);
    expect(stats.p2pBytes / received, 'share from peers').toBeGreaterThanOrEqual(0.8);
    expect(stats.liveLatencyMs ?? Number.POSITIVE_INFINITY, 'behind the live edge').toBeLessThan(15_000);
    for (const viewer of [first, second]) await isUnharmed(viewer);
  });
}

test('four pages share a live stream, and say little about it', async ({ liveStage, openViewer }) => {
  const stream = await liveStage();
  const viewers: Viewer[] = [];
  for (let number = 0; number < 4; number++) {
    const viewer = await openViewer(stream, { surface: 'native', init: countSignalling });
    viewers.push(viewer);
    await viewer.waitForEvent('video-playing');
    await playOn(viewer, 3);
  }
  const [first, , , last] = viewers;
  if (!first || !last) throw new Error('four pages are needed');
  await last.waitForEvent('peer', { state: 'joined' });
  const before = await Promise.all(viewers.map(signalling));
  await playOn(last, 40);
  const after = await Promise.all(viewers.map(signalling));

  let p2p = 0;
  let http = 0;
  let uploaded = 0;
  let control = 0;
  for (const [index, viewer] of viewers.entries()) {
    const stats = await viewer.stats();
    await isUnharmed(viewer);
    p2p += stats.p2pBytes;
    http += stats.httpBytes;
    uploaded += stats.uploadedBytes;
    const [from, to] = [before[index], after[index]];
    if (!from || !to) throw new Error('nothing was counted');
    control += to.control;
    const minutes = (to.at - from.at) / 60_000;
    const perNeighbour = (to.have - from.have) / minutes / stats.peers;
    expect(stats.peers).toBe(3);
    expect(perNeighbour, 'bytes of HAVE per neighbour and minute').toBeLessThan(1024);
  }
  expect(uploaded).toBeGreaterThan(0);
  expect(control / p2p, 'control bytes per byte of payload').toBeLessThan(0.01);
  // One copy for the four of them, the first one's lead, and what each fetched to begin with.
  expect(p2p / (p2p + http), 'share from peers of all').toBeGreaterThan(0.55);
});
