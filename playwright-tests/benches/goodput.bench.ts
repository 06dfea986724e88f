/** Verified bytes per second from one page to another through Shoal, against a bare data channel, in turn. */

import type { Page } from '@playwright/test';
import { median, summary } from '../fixtures/statistics';
import { expect, type Stage, test } from '../fixtures/test';

const rounds = 3;
const megabyte = 1_000_000;
const rawBytes = 32 * megabyte;

/** The pages' ends of the bare channel. */
declare global {
  interface Window {
    connection: RTCPeerConnection;
    channel: RTCDataChannel;
  }
}

/** Makes one end of a connection with a channel like Shoal's for chunks. */
function prepare(page: Page): Promise<void> {
  return page.evaluate(() => {
    window.connection = new RTCPeerConnection();
    window.channel = window.connection.createDataChannel('bulk', { negotiated: true, id: 1, ordered: false });
    window.channel.binaryType = 'arraybuffer';
    window.channel.bufferedAmountLowThreshold = 256 * 1024;
  });
}

/** A complete description (all candidates) of one end; answers `offer` when there is one. */
function describe(page: Page, offer?: RTCSessionDescriptionInit): Promise<RTCSessionDescriptionInit> {
  return page.evaluate(async (offer) => {
    const { connection } = window;
    const gathered = new Promise((resolve) =>
      connection.addEventListener('icecandidate', (event) => {
        if (!event.candidate) resolve(undefined);
      }),
    );
    if (offer) await connection.setRemoteDescription(offer);
    await connection.setLocalDescription();
    await gathered;
    return { type: connection.localDescription?.type ?? 'offer', sdp: connection.localDescription?.sdp };
  }, offer);
}

/** Bytes per second of the bare channel between two pages, in messages of one chunk. */
async function rawGoodput(one: Page, other: Page): Promise<number> {
  await prepare(one);
  await prepare(other);
  const offer = await describe(one);
  const answer = await describe(other, offer);
  const received = other.evaluate(
    (total) =>
      new Promise<number>((resolve) => {
        let bytes = 0;
        let began = 0;
        let messages = 0;
        window.channel.onmessage = ({ data }) => {
          bytes += data.byteLength;
          // As with Shoal's chunks below: how a connection gets going is another matter.
          if (++messages === 32) {
            began = performance.now();
            total -= bytes;
            bytes = 0;
          }
          if (bytes >= total) resolve(bytes / ((performance.now() - began) / 1000));
        };
      }),
    rawBytes,
  );
  await one.evaluate(
    async ([answer, total]) => {
      const { connection, channel } = window;
      await connection.setRemoteDescription(answer);
      if (channel.readyState !== 'open') await new Promise((resolve) => channel.addEventListener('open', resolve));
      const message = new Uint8Array(16 * 1024);
      for (let sent = 0; sent < total; sent += message.length) {
        if (channel.bufferedAmount > 1024 * 1024) {
          await new Promise((resolve) => channel.addEventListener('bufferedamountlow', resolve, { once: true }));
        }
        channel.send(message);
      }
    },
    [answer, rawBytes] as const,
  );
  const goodput = await received;
  for (const page of [one, other]) await page.evaluate(() => window.connection.close());
  return goodput;
}

test('chunks through Shoal come at 80 % of the speed of a bare data channel, or more', async ({
  browser,
  stage,
  openViewer,
}) => {
  const clip: Stage = await stage('bulk');
  // hls.js loads all of the clip at once, also while the video is paused: decoding is not measured.
  const source = await openViewer(clip, { surface: 'hls' });
  await source.playTo(1);
  await source.pause();
  const loaded = () =>
    source.page.evaluate(() => {
      const { video } = window.viewer;
      return video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) / video.duration : 0;
    });
  await expect.poll(loaded, { timeout: 120_000 }).toBeGreaterThan(0.99);

  const raw: number[] = [];
  const shoal: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const contexts = [await browser.newContext(), await browser.newContext()];
    const pages = await Promise.all(contexts.map((context) => context.newPage()));
    for (const page of pages) await page.goto(`${clip.site.url}/blank.html`);
    const [one, other] = pages;
    if (!one || !other) throw new Error('two pages are needed');
    raw.push((await rawGoodput(one, other)) / megabyte);
    for (const context of contexts) await context.close();

    const viewer = await openViewer(clip, { surface: 'hls' });
    await viewer.waitForEvent('chunk', { source: 'p2p' });
    await viewer.pause();
    const segments = async () => (await viewer.events('segment')).length;
    // All but the first, which a player may need before the swarm is there.
    await expect.poll(segments, { timeout: 120_000 }).toBeGreaterThanOrEqual(19);
    // From the first whole segment on: connecting and hls.js' own start are another matter.
    const chunks = (await viewer.events('chunk')).filter(({ source }) => source === 'p2p').slice(32);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    const seconds = ((chunks.at(-1)?.at ?? 0) - (chunks[0]?.at ?? 0)) / 1000;
    shoal.push(bytes / seconds / megabyte);
    await viewer.close();
  }
  console.log(summary('bare data channel', raw, 'MB/s'));
  console.log(summary('Shoal, verified', shoal, 'MB/s'));
  expect(median(shoal) / median(raw)).toBeGreaterThanOrEqual(0.8);
});
