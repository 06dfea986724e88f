/** Clients that others wrote, unchanged, meet through the tracker's WebTorrent dialect. */

import { BitTorrentPage, type ClientEvent } from '../fixtures/bittorrent';
import { expect, test } from '../fixtures/test';

const infoHash = '5a3c0ff1ce'.repeat(4);
const peerIds = ['2d545330303031', '2d545330303032'].map((prefix) => prefix.padEnd(40, '30ff007f'));

/** The last event of `type`, once it is as `like` says. */
async function becomes(page: BitTorrentPage, type: ClientEvent['type'], like: Partial<ClientEvent>) {
  await expect
    .poll(async () => (await page.events(type)).at(-1), { message: `${type} ${JSON.stringify(like)}`, timeout: 60_000 })
    .toMatchObject(like);
}

test("bittorrent-tracker's clients find each other, connect and exchange data", async ({ stage, browser }) => {
  const { tracker, site } = await stage('vod');
  const open = (number: number) =>
    BitTorrentPage.open(browser, site.url, tracker.announceUrl, infoHash, peerIds[number] ?? '');
  const first = await open(0);
  await becomes(first, 'update', { complete: 0, incomplete: 1 });
  const second = await open(1);
  await becomes(second, 'update', { complete: 0, incomplete: 2 });

  // The one who came later offered, the other answered.
  await becomes(second, 'connect', { peer: first.peerId, initiator: true });
  await becomes(first, 'connect', { peer: second.peerId, initiator: false });
  for (const [from, to, seed] of [
    [first, second, 1],
    [second, first, 2],
  ] as const) {
    const bytes = 300_000;
    const digest = await from.send(to.peerId, bytes, seed);
    await becomes(to, 'data', { peer: from.peerId, bytes, digest });
  }

  await first.tell('complete');
  await becomes(first, 'update', { complete: 1, incomplete: 1 });
  await second.tell('scrape');
  await becomes(second, 'scrape', { complete: 1, incomplete: 1 });
  await first.tell('stop');
  await expect.poll(() => tracker.metric('tracker_webtorrent_members')).toBe(1);
  await second.tell('scrape');
  await becomes(second, 'scrape', { complete: 0, incomplete: 1 });
  // A client that is simply gone is no ghost.
  await second.close();
  await expect.poll(() => tracker.metric('tracker_webtorrent_members')).toBe(0);

  const said = (await first.events()).filter(({ type }) => type === 'warning' || type === 'error');
  expect(said).toEqual([]);
  await first.close();
});

test('a page with p2p-media-loader gets its segments from another', async ({ stage, openViewer }) => {
  const clip = await stage('vod');
  const surface = 'p2p-media-loader';
  const tracker = clip.tracker.announceUrl;
  const first = await openViewer(clip, { surface, tracker });
  await first.playTo(12);
  const second = await openViewer(clip, { surface, tracker });
  await second.waitForEvent('peer', { state: 'joined' });
  await first.waitForEvent('peer', { state: 'joined' });
  await second.playTo(40);

  const segments = await second.events('segment');
  const fromPeers = segments.filter(({ source }) => source === 'p2p');
  const joined = await second.events('peer');
  expect(fromPeers.length, 'segments from peers').toBeGreaterThan(10);
  expect(new Set(fromPeers.map(({ peer }) => peer))).toEqual(new Set([joined[0]?.peer]));
  const received = fromPeers.reduce((sum, { bytes }) => sum + bytes, 0);
  const given = (await first.events('upload')).reduce((sum, { bytes }) => sum + bytes, 0);
  expect(given, 'bytes that the first page says it gave').toBeGreaterThanOrEqual(received);
  // The origin agrees: these segments were fetched from it once, by the first page.
  const log = await clip.site.log();
  for (const { url, bytes } of fromPeers) {
    const path = new URL(url).pathname;
    const whole = log.filter((served) => served.path === path && served.bytes >= bytes);
    expect(whole, path).toHaveLength(1);
  }
  for (const viewer of [first, second]) {
    expect(await viewer.events('tracker')).toEqual([]);
    expect(await viewer.failure()).toBeNull();
  }
});
