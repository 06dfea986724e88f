import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { FeederLoader } from '../src/engine.js';
import type { Feeder } from '../src/feeder/feeder.js';
import type { SegmentSource } from '../src/feeder/source.js';
import { ShoalPlayer } from '../src/player.js';
import { FakePeer, fakeParts, loadFake, named, settle, trap } from './fake-peer.js';

const URL_A = 'http://example.test/media/index.m3u8';

function video(hls: '' | 'maybe' = 'maybe'): HTMLVideoElement {
  const element = document.createElement('video');
  Object.defineProperty(element, 'canPlayType', { value: () => hls });
  Object.defineProperty(element, 'paused', { value: true, writable: true, configurable: true });
  Object.defineProperty(element, 'play', { value: vi.fn(() => Promise.resolve()) });
  Object.defineProperty(element, 'load', { value: vi.fn() });
  Object.defineProperty(element, 'currentTime', { value: 0, writable: true });
  return element;
}

/** A feeder that tests steer. */
class FakeFeeder implements Feeder {
  static made: FakeFeeder[] = [];
  detached = 0;
  attach!: { resolve(): void; reject(error: Error): void };
  readonly attached = new Promise<void>((resolve, reject) => {
    this.attach = { resolve, reject };
  });
  readonly select = vi.fn();
  readonly liveLatency = () => 5000;
  readonly window = () => [{ playlist: URL_A, segment: 3 }];

  constructor(
    readonly video: HTMLVideoElement,
    readonly url: string,
    readonly source: SegmentSource,
  ) {
    FakeFeeder.made.push(this);
  }

  static get last(): FakeFeeder {
    const feeder = FakeFeeder.made.at(-1);
    if (!feeder) throw new Error('no feeder was made');
    return feeder;
  }

  detach() {
    this.detached += 1;
  }
  renditions() {
    return [{ index: 0, bandwidth: 400_000, width: 320, height: 180, codecs: 'avc1.42c00d' }];
  }
  current() {
    return 0;
  }
}

const loadFeeder: FeederLoader = async () => ({
  createFeeder: (video, url, source) => new FakeFeeder(video, url, source),
});
const parts = { ...fakeParts, loadFeeder };

class FakeHls {
  static made: FakeHls[] = [];
  static isSupported = () => true;
  source = '';
  media: unknown;
  destroyed = false;
  constructor(readonly config: { startPosition?: number }) {
    FakeHls.made.push(this);
  }
  loadSource(url: string) {
    this.source = url;
  }
  attachMedia(media: unknown) {
    this.media = media;
  }
  destroy() {
    this.destroyed = true;
  }
}

beforeEach(() => {
  FakePeer.made = [];
  FakeHls.made = [];
  FakeFeeder.made = [];
});

const refused = () => Promise.reject(named('wasm-refused', 'CSP'));

describe('ShoalPlayer', () => {
  it('is fed with segments of the wasm peer, which are asked for when the manifest is here or late', async () => {
    vi.useFakeTimers();
    const element = video();
    const attaching = ShoalPlayer.attachWith(element, URL_A, {}, parts);
    await settle();
    const peer = FakePeer.last;
    const feeder = FakeFeeder.last;
    expect(feeder).toMatchObject({ video: element, url: URL_A });
    await feeder.source.started;
    const ready = vi.fn();
    void feeder.source.ready.then(ready);
    await vi.advanceTimersByTimeAsync(300);
    expect(ready).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(ready).toHaveBeenCalledOnce();
    vi.useRealTimers();
    feeder.attach.resolve();
    const player = await attaching;
    expect(player.mode).toBe('shoal');
    expect(player.shoal.state).toBe('loading');
    expect(player.renditions()).toHaveLength(1);
    expect(player.currentRendition()).toBe(0);
    player.selectRendition(-1);
    expect(feeder.select).toHaveBeenCalledWith(-1);
    peer.opened.resolve();
    await settle();
    expect(player.shoal.state).toBe('p2p');
    expect(player.shoal.stats().liveLatencyMs).toBe(5000);
    expect(player.shoal.chunkMap()).toMatchObject([{ playlist: URL_A, segment: 3 }]);
    player.destroy();
    expect(feeder.detached).toBe(1);
    expect(peer.destroyed).toBe(1);
    expect(player.mode).toBe('none');
  });

  it('stays with the feeder when only the manifest is missing', async () => {
    const attaching = ShoalPlayer.attachWith(video(), URL_A, {}, parts);
    await settle();
    FakePeer.last.opened.reject(named('manifest-missing', '404'));
    FakeFeeder.last.attach.resolve();
    const player = await attaching;
    const reasons: string[] = [];
    player.shoal.on('fallback', ({ reason }) => reasons.push(reason));
    await settle();
    expect(player.mode).toBe('shoal');
    expect(player.shoal.state).toBe('fallback');
    expect(reasons).toEqual(['manifest-missing']);
  });

  it('lets the browser play when there is no wasm', async () => {
    const element = video();
    const player = await ShoalPlayer.attachWith(element, URL_A, {}, { loadPeer: refused, loadFeeder });
    expect(player.mode).toBe('browser');
    expect(element.src).toBe(URL_A);
    expect(player.shoal.state).toBe('fallback');
    expect(player.renditions()).toEqual([]);
    expect(player.currentRendition()).toBe(-1);
    player.destroy();
    expect(element.hasAttribute('src')).toBe(false);
  });

  it('takes hls.js where the browser does not play HLS', async () => {
    const element = video('');
    const config = { fallbackHls: FakeHls };
    const player = await ShoalPlayer.attachWith(element, URL_A, config, { loadPeer: refused, loadFeeder });
    expect(player.mode).toBe('hls.js');
    expect(FakeHls.made).toMatchObject([{ source: URL_A, media: element, config: { p2p: false } }]);
    player.destroy();
    expect(FakeHls.made[0]?.destroyed).toBe(true);
  });

  it('takes hls.js where the browser said "maybe" and failed', async () => {
    const element = video();
    const config = { fallbackHls: FakeHls };
    const player = await ShoalPlayer.attachWith(element, URL_A, config, { loadPeer: refused, loadFeeder });
    element.dispatchEvent(new Event('error'));
    expect(player.mode).toBe('hls.js');
  });

  it('says what is missing when nobody can play', async () => {
    const errors: object[] = [];
    const element = video();
    const player = await ShoalPlayer.attachWith(element, URL_A, {}, { loadPeer: refused, loadFeeder });
    player.shoal.on('error', (detail) => errors.push(detail));
    element.dispatchEvent(new Event('error'));
    expect(player.mode).toBe('none');
    expect(errors).toMatchObject([{ fatal: true, message: expect.stringContaining('fallbackHls') }]);
  });

  it('goes on at the same place after a trap in the middle', async () => {
    const element = video();
    const attaching = ShoalPlayer.attachWith(element, URL_A, {}, parts);
    await settle();
    FakeFeeder.last.attach.resolve();
    const player = await attaching;
    element.currentTime = 42;
    Object.assign(element, { paused: false });
    FakePeer.last.broken = trap();
    player.shoal.stats();
    expect(player.mode).toBe('browser');
    element.currentTime = 0;
    element.dispatchEvent(new Event('loadedmetadata'));
    expect(element.currentTime).toBe(42);
    expect(element.play).toHaveBeenCalledOnce();
  });

  it('goes on at the live edge, not at a time that only the feeder knows', async () => {
    const element = video('');
    const config = { fallbackHls: FakeHls };
    const attaching = ShoalPlayer.attachWith(element, URL_A, config, parts);
    await settle();
    FakeFeeder.last.attach.resolve();
    const player = await attaching;
    Object.defineProperty(element, 'duration', { value: Number.POSITIVE_INFINITY });
    Object.assign(element, { currentTime: 42, paused: false });
    FakePeer.last.broken = trap();
    player.shoal.stats();
    expect(FakeHls.made).toMatchObject([{ config: { startPosition: -1 } }]);
    element.dispatchEvent(new Event('loadedmetadata'));
    expect(element.currentTime).toBe(42);
    expect(element.play).toHaveBeenCalledOnce();
  });

  it('gives its feeder what the wasm peer knows', async () => {
    const attaching = ShoalPlayer.attachWith(video(), URL_A, {}, parts);
    await settle();
    const peer = FakePeer.last;
    const { source, attach } = FakeFeeder.last;
    attach.resolve();
    const player = await attaching;
    expect(source.rate()).toBeUndefined();
    peer.measured = 1000;
    expect(source.rate()).toBe(1000);
    peer.digests.set('http://example.test/init.mp4', new Uint8Array([1]));
    expect(source.initDigest(URL_A, 'http://example.test/init.mp4')).toEqual(new Uint8Array([1]));
    const load = source.load({ playlist: URL_A, segment: 3, url: URL_A, start: -1, end: -1, deadline: -7 });
    expect(peer.loads).toMatchObject([{ segment: 3, deadline: 0 }]);
    load?.bytes.catch(() => {});
    const seen: object[] = [];
    player.shoal.on('rendition', (detail) => seen.push(detail)).on('error', (detail) => seen.push(detail));
    source.onRendition(2);
    source.onError('segment 3: HTTP status 404', false);
    expect(seen).toEqual([{ index: 2 }, { message: 'segment 3: HTTP status 404', fatal: false }]);
    await settle();
    expect(player.mode).toBe('shoal');
    player.destroy();
  });

  it('plays over HTTP when the feeder does not load', async () => {
    const loadFeeder = () => Promise.reject(new TypeError('no network'));
    const player = await ShoalPlayer.attachWith(video(), URL_A, {}, { ...fakeParts, loadFeeder });
    const reasons: string[] = [];
    player.shoal.on('fallback', ({ reason }) => reasons.push(reason));
    await settle();
    expect(player.mode).toBe('browser');
    expect(reasons).toEqual(['feeder-load']);
  });

  it('goes on over HTTP when only the engine is destroyed', async () => {
    const element = video();
    const attaching = ShoalPlayer.attachWith(element, URL_A, {}, parts);
    await settle();
    FakeFeeder.last.attach.resolve();
    const player = await attaching;
    element.currentTime = 7;
    player.shoal.destroy();
    expect(FakeFeeder.last.detached).toBe(1);
    expect(player.mode).toBe('browser');
    player.destroy();
    expect(player.mode).toBe('none');
  });

  it('plays a plain file and with P2P switched off without any wasm', async () => {
    const loadPeer = vi.fn(loadFake);
    const file = await ShoalPlayer.attachWith(
      video(),
      'http://example.test/film.mp4?x=1',
      {},
      { loadPeer, loadFeeder },
    );
    expect(file.mode).toBe('file');
    const off = await ShoalPlayer.attachWith(video(), URL_A, { p2p: 'off' }, { loadPeer, loadFeeder });
    expect(off.mode).toBe('browser');
    expect(off.shoal.state).toBe('off');
    expect(loadPeer).not.toHaveBeenCalled();
  });

  it('plays over HTTP when the feeder cannot, also later on', async () => {
    const attaching = ShoalPlayer.attachWith(video(), URL_A, {}, { loadPeer: refused, loadFeeder });
    expect((await attaching).mode).toBe('browser');
  });

  it('rejects a configuration with a mistake', async () => {
    await expect(ShoalPlayer.attach(video(), URL_A, { trackr: 'wss://a.test' } as never)).rejects.toThrow('`tracker`');
  });
});

describe('a feeder that fails', () => {
  // Its own file would be one more page: the trap above has ended the wasm instance of this one.
  it('hands over to plain playback', async () => {
    vi.resetModules();
    const { ShoalPlayer } = await import('../src/player.js');
    const element = video();
    const attaching = ShoalPlayer.attachWith(element, URL_A, {}, parts);
    await settle();
    FakeFeeder.last.attach.reject(named('unsupported-media', 'MPEG-TS'));
    const player = await attaching;
    expect(player.mode).toBe('browser');
    const reasons: string[] = [];
    player.shoal.on('fallback', ({ reason }) => reasons.push(reason));
    await settle();
    expect(reasons).toEqual(['unsupported-media']);
  });

  it('hands over after a fatal error in the middle', async () => {
    const { ShoalPlayer } = await import('../src/player.js');
    const element = video();
    const attaching = ShoalPlayer.attachWith(element, URL_A, {}, parts);
    await settle();
    FakeFeeder.last.attach.resolve();
    const player = await attaching;
    const errors: object[] = [];
    player.shoal.on('error', (detail) => errors.push(detail));
    element.currentTime = 7;
    FakeFeeder.last.source.onError('the media source was closed', true);
    element.currentTime = 0;
    await settle();
    expect(errors).toEqual([{ message: 'the media source was closed', fatal: false }]);
    expect(player.mode).toBe('browser');
    element.dispatchEvent(new Event('loadedmetadata'));
    expect(element.currentTime).toBe(7);
  });
});
