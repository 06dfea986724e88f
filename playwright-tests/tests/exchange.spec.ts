/** The swarm grows without its tracker: peers that neighbours name, reached through the neighbours. */

import type { Viewer } from '../fixtures/page';
import { expect, test } from '../fixtures/test';

/**
 * The page's own blinkers: of all that the tracker says, it hears of one other peer only. The product is the same as
 * everywhere; who it can learn of is not.
 */
function hearOfOnePeerOnly() {
  let known: string | undefined;
  const Native = window.WebSocket;
  const filtered = (text: string): string | undefined => {
    const frame = JSON.parse(text);
    const from = frame.PPSPTrackerEvent?.signal?.from;
    if (from && from !== known) return undefined;
    for (const result of frame.PPSPTrackerProtocol?.swarm_result ?? []) {
      const peers: { peer_id: string }[] = result.peer_group?.peer_info ?? [];
      known ??= peers[0]?.peer_id;
      if (result.peer_group) result.peer_group.peer_info = peers.filter(({ peer_id }) => peer_id === known);
    }
    return JSON.stringify(frame);
  };
  window.WebSocket = class extends Native {
    override set onmessage(handler: ((event: MessageEvent) => void) | null) {
      super.onmessage = handler
        ? (event: MessageEvent) => {
            const data = filtered(event.data);
            if (data !== undefined) handler(new MessageEvent('message', { data }));
          }
        : null;
    }
  } as typeof WebSocket;
}

function peers(viewer: Viewer): Promise<number> {
  return viewer.stats().then((stats) => stats.peers);
}

test('without a tracker, a page that knows one neighbour reaches three', async ({ stage, openViewer }) => {
  const clip = await stage('vod');
  const established: Viewer[] = [];
  for (let number = 0; number < 3; number++) {
    const viewer = await openViewer(clip, { surface: 'native' });
    established.push(viewer);
    await viewer.playTo(2);
  }
  for (const viewer of established) await expect.poll(() => peers(viewer), { timeout: 60_000 }).toBe(2);

  const late = await openViewer(clip, { surface: 'native', init: hearOfOnePeerOnly });
  await late.waitForEvent('peer', { state: 'joined' });
  await clip.tracker.kill();
  await late.waitForEvent('tracker', { state: 'lost' });
  await expect.poll(() => peers(late), { timeout: 90_000, message: 'neighbours of the late page' }).toBe(3);

  const joined = (await late.events('peer')).filter(({ state }) => state === 'joined');
  expect(new Set(joined.map(({ peer }) => peer)).size).toBe(3);
  const stats = await late.stats();
  expect(stats.refusedCertificates).toBe(0);
  // Whom it knew from the tracker leaves: those that were named by it carry on.
  const introducer = joined[0]?.peer;
  const neighbours = await Promise.all(
    established.map((viewer) => viewer.page.evaluate(() => window.viewer.shoal.peers())),
  );
  // All others have it for a neighbour.
  const leaving = neighbours.findIndex((peers) => !peers.some(({ peer }: { peer: string }) => peer === introducer));
  await established[leaving]?.close();
  await late.waitForEvent('peer', { state: 'left', peer: introducer });
  const before = await late.stats();
  await late.playTo((await late.time()) + 12);
  const after = await late.stats();
  expect(after.p2pBytes - before.p2pBytes).toBeGreaterThan(1_000_000);
  expect(after.httpBytes - before.httpBytes).toBeLessThan(0.2 * (after.p2pBytes - before.p2pBytes));
  expect(await late.stalls()).toEqual([]);
});
