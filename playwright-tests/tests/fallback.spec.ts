/** Whatever keeps Shoal from working, the video plays over HTTP and the page is told why. */

import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FaultyOrigin } from '../fixtures/origin';
import type { Surface } from '../fixtures/page';
import { expect, type Stage, test } from '../fixtures/test';

interface Case {
  name: string;
  /** What is done to the clip before a page opens. */
  spoil?: (stage: Stage<FaultyOrigin>) => Promise<void>;
  /** Runs in the page. */
  init?: () => void;
  tracker?: string;
  /** The reason that the event carries. */
  reason: RegExp;
}

const cases: Case[] = [
  {
    name: 'the tracker was never there',
    // The discard port: nothing listens there.
    tracker: 'ws://127.0.0.1:9/ppsp',
    reason: /^tracker-/,
  },
  {
    name: 'shoal.json is missing',
    spoil: ({ folder }) => rm(join(folder, 'shoal.json')),
    reason: /^manifest-missing$/,
  },
  {
    name: 'shoal.json is no JSON',
    spoil: ({ folder }) => writeFile(join(folder, 'shoal.json'), '{"version": 1, "type": "vo'),
    reason: /^manifest-invalid$/,
  },
  {
    name: 'a segment table does not hash to its swarm ID',
    spoil: async ({ folder }) => {
      const tables = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.segments'));
      expect(tables).not.toEqual([]);
      for (const table of tables) {
        const bytes = await readFile(join(folder, table));
        const last = bytes.length - 1;
        bytes[last] = (bytes[last] ?? 0) ^ 1;
        await writeFile(join(folder, table), bytes);
      }
    },
    reason: /^(table|manifest)-/,
  },
  {
    name: 'WebRTC is blocked',
    init: () => {
      Reflect.deleteProperty(window, 'RTCPeerConnection');
      Reflect.deleteProperty(window, 'webkitRTCPeerConnection');
    },
    reason: /^webrtc-missing$/,
  },
  {
    name: 'the content security policy refuses wasm',
    spoil: async ({ site }) => {
      site.faults = [{ path: /\.html$/, headers: { 'content-security-policy': "script-src 'self'" } }];
    },
    reason: /^wasm-refused$/,
  },
];

const surfaces: Surface[] = ['native', 'hls'];

for (const surface of surfaces) {
  for (const { name, spoil, init, tracker, reason } of cases) {
    test(`${surface}: plays over HTTP when ${name}`, async ({ faultyStage, openViewer }) => {
      const clip = await faultyStage('vod');
      await spoil?.(clip);
      const config = surface === 'native' ? { fallbackHls: true } : {};
      const viewer = await openViewer(clip, { surface, init, tracker, config });
      await viewer.playTo(8);
      const event = await viewer.waitForEvent('fallback');
      expect(event.reason).toMatch(reason);
      expect(event.message).toBeTruthy();
      expect(await viewer.stalls()).toEqual([]);
      expect(await viewer.failure()).toBeNull();
      const errors = await viewer.events('error');
      expect(errors.filter(({ fatal }) => fatal)).toEqual([]);
    });
  }
}

test('an origin whose bytes are not what shoal.json promises is played as without Shoal, and not shared', async ({
  faultyStage,
  openViewer,
}) => {
  const clip = await faultyStage('vod');
  // The fragment's sequence number (ISO/IEC 14496-12 §8.8.5): no player needs it, but it is hashed.
  const header = (await readFile(join(clip.folder, 'video/004.m4s'))).indexOf('mfhd');
  expect(header).toBeGreaterThan(0);
  clip.site.faults = [{ path: /\/004\.m4s$/, corruptAt: header + 11 }];
  const viewer = await openViewer(clip, { surface: 'native' });
  const event = await viewer.waitForEvent('fallback');
  expect(event.reason).toBe('content-mismatch');
  expect(event.message).toContain('segment 4');
  await viewer.playTo(12);
  const late = await openViewer(clip, { surface: 'native' });
  await late.playTo(12);
  const chunks = await late.events('chunk');
  expect(chunks.filter(({ segment }) => segment === 4)).toEqual([]);
  expect(await viewer.failure()).toBeNull();
});
