import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Shoal } from '../src/engine.js';
import { FallbackError } from '../src/errors.js';
import type { FallbackDetail } from '../src/stats.js';
import { FakePeer, fakeParts, loadFake, named, openEngine, settle, trap } from './fake-peer.js';

const URL_A = 'http://example.test/media/index.m3u8';
const request = { playlist: URL_A, segment: 3, url: 'http://example.test/3.m4s', start: -1, end: -1, deadline: 4000 };

function watch(shoal: Shoal): FallbackDetail[] {
  const seen: FallbackDetail[] = [];
  shoal.on('fallback', (detail) => seen.push(detail));
  return seen;
}

beforeEach(() => {
  FakePeer.made = [];
  // A trap ends the instance for the whole page: every test has its own page.
  vi.resetModules();
});

afterEach(() => vi.useRealTimers());

describe('Shoal', () => {
  it('goes from off over loading to p2p, and hands down plain values', async () => {
    const shoal = new Shoal(
      { tracker: [['ws://a.test'], ['ws://b.test']], token: 'secret', startOn: 'load' },
      fakeParts,
    );
    expect(shoal.state).toBe('off');
    const opening = shoal.open('media/index.m3u8');
    expect(shoal.state).toBe('loading');
    await settle();
    const peer = FakePeer.last;
    expect(peer.config).toMatchObject({
      tracker: ['ws://a.test', 'ws://b.test'],
      token: 'secret',
      p2p: true,
      upload: true,
      maxPeers: 16,
    });
    const url = new URL('media/index.m3u8', document.baseURI).href;
    expect(peer.opened.source).toBe(url);
    expect(shoal.covers(URL_A)).toBe(false);
    peer.opened.resolve();
    expect(await opening).toBe(true);
    expect(peer.manifest).toEqual(['{}', url]);
    expect(shoal.state).toBe('p2p');
    expect(shoal.covers(URL_A)).toBe(true);
  });

  it('hands on the live latency of whoever plays', async () => {
    const { shoal } = await openEngine();
    expect(shoal.stats().liveLatencyMs).toBeNull();
    shoal.liveLatency = () => 9000;
    expect(shoal.stats().liveLatencyMs).toBe(9000);
    shoal.liveLatency = undefined;
    expect(shoal.stats().liveLatencyMs).toBeNull();
  });

  it('tells its peer what the viewer has had of this source', async () => {
    const { shoal, peer } = await openEngine();
    const nothing = { startupMs: null, stalls: 0, stallMs: 0, liveLatencyMs: undefined };
    expect(peer.page.experience()).toEqual(nothing);
    Object.assign(shoal.playback, { startupMs: 640, stalls: 2, stallMs: 900 });
    shoal.liveLatency = () => 9000;
    expect(peer.page.experience()).toEqual({ startupMs: 640, stalls: 2, stallMs: 900, liveLatencyMs: 9000 });
    void shoal.open('http://example.test/media/other.m3u8');
    await settle();
    // What was before belongs to the source before.
    expect(FakePeer.last.page.experience()).toMatchObject({ stalls: 0, stallMs: 0 });
  });

  it('gets a token for the key of its peer, and another when a tracker refuses that', async () => {
    const tokens = ['one', 'two'];
    const token = vi.fn(async (_: string) => tokens.shift() ?? Promise.reject(new Error('signed out')));
    const shoal = new Shoal({ token, startOn: 'load' }, fakeParts);
    void shoal.open(URL_A);
    await settle();
    const peer = FakePeer.last;
    expect(token).not.toHaveBeenCalled();
    const key = await peer.page.makeKey();
    expect(token).toHaveBeenCalledWith(
      createHash('sha256')
        .update(Uint8Array.of(13, ...key))
        .digest('hex'),
    );
    expect(peer.configured).toContainEqual({ token: 'one' });
    const refused = { url: 'ws://a.test', state: 'lost', reason: 'authentication required: token-expired' };
    peer.emit('tracker', refused);
    await settle();
    expect(peer.configured.at(-1)).toEqual({ token: 'two' });
    peer.emit('tracker', { url: 'ws://a.test', state: 'joined' });
    const errors: string[] = [];
    shoal.on('error', ({ message, fatal }) => errors.push(`${message} ${fatal}`));
    peer.emit('tracker', refused);
    await settle();
    expect(errors).toEqual(['the token function failed: signed out false']);
    shoal.destroy();
    peer.emit('tracker', refused);
    expect(token).toHaveBeenCalledTimes(3);
  });

  it('gives its peer no key when there is no token for it', async () => {
    const shoal = new Shoal({ token: () => Promise.reject(new Error('signed out')), startOn: 'load' }, fakeParts);
    void shoal.open(URL_A);
    await settle();
    await expect(FakePeer.last.page.makeKey()).rejects.toMatchObject({
      name: 'token-failed',
      message: 'the token function failed: signed out',
    });
  });

  it('shows the chunks of the segments that the player names', async () => {
    const { shoal } = await openEngine();
    expect(shoal.chunkMap()).toEqual([]);
    shoal.window = () => [{ playlist: URL_A, segment: 7 }];
    expect(shoal.chunkMap()).toMatchObject([{ playlist: URL_A, segment: 7 }]);
  });

  it('contacts nobody before playback is wanted', async () => {
    const shoal = new Shoal({}, fakeParts);
    void shoal.open(URL_A);
    await settle();
    expect(FakePeer.last.config.p2p).toBe(false);
    const video = document.createElement('video');
    shoal.playback.watch(video);
    video.dispatchEvent(new Event('play'));
    expect(FakePeer.last.configured.at(-1)).toEqual({ p2p: true, upload: true });
  });

  it('loads no wasm when P2P is off', async () => {
    const loadPeer = vi.fn(loadFake);
    const shoal = new Shoal({ p2p: false }, { ...fakeParts, loadPeer });
    expect(await shoal.open(URL_A)).toBe(false);
    expect(loadPeer).not.toHaveBeenCalled();
    expect(shoal.state).toBe('off');
    // Switched on at run time, it opens what is playing.
    shoal.configure({ p2p: 'on' });
    await settle();
    expect(loadPeer).toHaveBeenCalledOnce();
  });

  it.each([
    ['wasm-refused', () => Promise.reject(new FallbackError('wasm-refused', 'CSP'))],
    ['wasm-load', () => Promise.reject(new TypeError('no network'))],
  ])('falls back with %s', async (reason, loadPeer) => {
    const shoal = new Shoal({}, { loadPeer });
    const seen = watch(shoal);
    expect(await shoal.open(URL_A)).toBe(false);
    expect(seen.map((detail) => detail.reason)).toEqual([reason]);
    expect(shoal.state).toBe('fallback');
    expect(shoal.loadSegment(request)).toBeUndefined();
  });

  it('falls back with the reason that open() gives, once per reason', async () => {
    const shoal = new Shoal({}, fakeParts);
    const seen = watch(shoal);
    for (let round = 0; round < 2; round++) {
      const opening = shoal.open(URL_A);
      await settle();
      FakePeer.last.opened.reject(named('manifest-missing', 'shoal.json: 404'));
      expect(await opening).toBe(false);
      expect(FakePeer.last.destroyed).toBe(1);
    }
    expect(seen).toEqual([{ reason: 'manifest-missing', message: 'shoal.json: 404' }]);
    // The engine of a player is handed out after this has happened.
    const late = watch(shoal);
    await settle();
    expect(late).toEqual(seen);
    expect(seen).toHaveLength(1);
  });

  it('keeps the peer of a player that needs it when there is no manifest', async () => {
    const shoal = new Shoal({}, fakeParts);
    const opening = shoal.open(URL_A, true);
    await settle();
    FakePeer.last.opened.resolve(FakePeer.badManifest);
    expect(await opening).toBe(false);
    expect(shoal.state).toBe('fallback');
    expect(FakePeer.last.destroyed).toBe(0);
    expect(shoal.ask((peer) => peer.rate())).toBe(0);
  });

  it('survives a trap at any call: fallback once, loads in flight reject', async () => {
    const { shoal, peer } = await openEngine();
    const seen = watch(shoal as never);
    const load = shoal.loadSegment(request);
    peer.broken = trap();
    expect(shoal.peers()).toEqual([]);
    await expect(load?.bytes).rejects.toThrow('unreachable');
    expect(shoal.state).toBe('fallback');
    expect(seen.map((detail) => detail.reason)).toEqual(['wasm-trap']);
    expect(shoal.chunkMap()).toEqual([]);
    expect(shoal.covers(URL_A)).toBe(false);
    expect(shoal.stats().state).toBe('fallback');
    expect(peer.destroyed).toBe(1);
    shoal.destroy();
  });

  it('notices a trap inside a callback of the browser, in every engine of the page', async () => {
    const first = await openEngine();
    const second = await openEngine();
    const load = first.shoal.loadSegment(request);
    const rejected = expect(load?.bytes).rejects.toThrow();
    window.dispatchEvent(Object.assign(new Event('error'), { error: new Error('of the application') }));
    expect(first.shoal.state).toBe('p2p');
    window.dispatchEvent(Object.assign(new Event('error'), { error: trap() }));
    await rejected;
    expect(first.shoal.state).toBe('fallback');
    expect(second.shoal.state).toBe('fallback');
  });

  it('leaves the traps of other modules to the page', async () => {
    const { shoal } = await openEngine();
    const other = trap();
    other.stack = 'RuntimeError: unreachable\n at f (http://example.test/game.wasm:wasm-function[7]:0x12)';
    window.dispatchEvent(Object.assign(new Event('unhandledrejection'), { reason: other }));
    expect(shoal.state).toBe('p2p');
    shoal.destroy();
  });

  it('reports what the peer reports, once per reason, and comes back with the tracker', async () => {
    const { shoal, peer } = await openEngine();
    const seen = watch(shoal as never);
    peer.emit('fallback', { reason: 'tracker-unreachable', message: 'refused' });
    peer.emit('fallback', { reason: 'tracker-unreachable', message: 'refused again' });
    expect(seen).toEqual([{ reason: 'tracker-unreachable', message: 'refused' }]);
    expect(shoal.state).toBe('fallback');
    peer.emit('tracker', { url: 'ws://a.test', state: 'joined' });
    expect(shoal.state).toBe('p2p');
    shoal.destroy();
  });

  it('adds up figures over sources, and counts what came without it', async () => {
    const { shoal, peer } = await openEngine();
    peer.figures = { p2pBytes: 300, httpBytes: 50, peers: 2 };
    shoal.countPlainBytes(50);
    peer.figures = { ...peer.figures, tracker: { url: '', state: 'off' } };
    expect(shoal.stats().tracker).toBeNull();
    peer.figures = { ...peer.figures, tracker: { url: 'ws://a.test', state: 'joined' } };
    expect(shoal.stats().tracker?.state).toBe('joined');
    expect(shoal.stats()).toMatchObject({ p2pBytes: 300, httpBytes: 100, p2pRatio: 0.75, peers: 2, state: 'p2p' });
    const opening = shoal.open('http://example.test/other.m3u8');
    await settle();
    FakePeer.last.figures = { p2pBytes: 7 };
    FakePeer.last.opened.resolve();
    await opening;
    expect(peer.destroyed).toBe(1);
    expect(shoal.stats()).toMatchObject({ p2pBytes: 307, httpBytes: 100, peers: 0 });
    // A late event of the earlier peer is not this source's.
    const late = vi.fn();
    shoal.on('chunk', late);
    peer.emit('chunk', {});
    expect(late).not.toHaveBeenCalled();
    shoal.destroy();
  });

  it('sends stats once a second while someone listens', async () => {
    vi.useFakeTimers();
    const shoal = new Shoal({}, fakeParts);
    const listener = vi.fn();
    shoal.on('stats', listener);
    vi.advanceTimersByTime(3000);
    expect(listener).toHaveBeenCalledTimes(3);
    shoal.off('stats', listener);
    expect(vi.getTimerCount()).toBe(0);
    shoal.on('stats', listener).destroy();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('cancels and reschedules only what is in flight', async () => {
    const { shoal, peer } = await openEngine();
    const load = shoal.loadSegment({ ...request, deadline: -5 });
    expect(peer.loads[0]?.deadline).toBe(0);
    load?.setDeadline(700);
    expect(peer.deadlines).toEqual([[load?.id, 700]]);
    peer.loads[0]?.resolve(new ArrayBuffer(8));
    expect((await load?.bytes)?.byteLength).toBe(8);
    load?.cancel();
    load?.setDeadline(1);
    expect(peer.cancelled).toEqual([]);
    expect(peer.deadlines).toHaveLength(1);
    shoal.destroy();
  });

  it('ends', async () => {
    const { shoal, peer } = await openEngine();
    const load = shoal.loadSegment(request);
    shoal.destroy();
    shoal.destroy();
    await expect(load?.bytes).rejects.toThrow('destroyed');
    expect(peer.destroyed).toBe(1);
    expect(await shoal.open(URL_A)).toBe(false);
    expect(FakePeer.made).toHaveLength(1);
  });
});
