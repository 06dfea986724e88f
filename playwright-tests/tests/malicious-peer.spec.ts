/** A peer that sends wrong bytes is found out at once, and alone is banned. */

import { pictureDifference } from '../fixtures/page';
import { expect, test } from '../fixtures/test';

/** The page's own sabotage: the last byte of every large message on the data channel for chunks is flipped. */
function flipBytes() {
  const send = RTCDataChannel.prototype.send as (this: RTCDataChannel, data: unknown) => void;
  RTCDataChannel.prototype.send = function (this: RTCDataChannel, data: unknown) {
    if (this.label === 'ppspp-bulk' && (data instanceof ArrayBuffer || ArrayBuffer.isView(data))) {
      const view = ArrayBuffer.isView(data) ? data : new Uint8Array(data);
      const copy = new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
      const last = copy.length - 1;
      if (copy.length > 1000) copy[last] = (copy[last] ?? 0) ^ 0xff;
      return send.call(this, copy);
    }
    return send.call(this, data);
  };
}

test('flipped bytes are never played, and only their sender is banned', async ({ stage, openViewer }) => {
  const clip = await stage('vod');
  const liar = await openViewer(clip, { surface: 'native', init: flipBytes });
  await liar.playTo(10);
  const honest = await openViewer(clip, { surface: 'native' });
  await honest.playTo(10);
  const viewer = await openViewer(clip, { surface: 'native' });
  await viewer.playToEnd();

  const banned = new Set<string>();
  for (const { peer } of [...(await viewer.events('peer')), ...(await honest.events('peer'))].filter(
    ({ state }) => state === 'banned',
  )) {
    banned.add(peer);
  }
  expect([...banned], 'peers banned by the honest ones').toHaveLength(1);
  expect((await liar.events('peer')).filter(({ state }) => state === 'banned')).toEqual([]);
  const badChunks = (await viewer.stats()).badChunks + (await honest.stats()).badChunks;
  expect(badChunks).toBeGreaterThan(0);
  // Not one chunk of the liar was taken.
  const chunks = [...(await viewer.events('chunk')), ...(await honest.events('chunk'))];
  expect(chunks.filter(({ peer }) => banned.has(peer))).toEqual([]);
  // The honest peer was no worse off for it.
  expect((await viewer.stats()).p2pBytes).toBeGreaterThan(0);
  expect(await viewer.stalls()).toEqual([]);
  for (const seconds of [12.5, 43.5]) {
    const difference = pictureDifference(await liar.frameAt(seconds), await viewer.frameAt(seconds));
    expect(difference, `pictures at ${seconds} s`).toBeLessThan(0.5);
  }
  expect(await viewer.failure()).toBeNull();
});
