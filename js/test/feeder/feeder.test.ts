/** The feeder as a whole, on Media Source Extensions and an engine that tests steer. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SegmentRequest } from '../../src/engine.js';
import { createFeeder } from '../../src/feeder/feeder.js';
import type { SegmentSource } from '../../src/feeder/source.js';
import { named } from '../fake-peer.js';
import { FakeMediaSource, type FakeSourceBuffer, fakeMedia, LENGTH } from './fake-media.js';
import { AVC, initSection, segment } from './media.js';

const BASE = 'http://example.test/';
const INIT = initSection(1, 1000, 'vide', AVC);

/** What the origin has: text or bytes. */
let files: Record<string, string | Uint8Array>;
let fetched: string[];

interface Load extends SegmentRequest {
  cancelled: boolean;
  resolve(): void;
  reject(error: Error): void;
  readonly bytes: Promise<ArrayBuffer>;
}

/** A promise, and how to settle it. */
function deferred<Value>() {
  let resolve!: (value: Value) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<Value>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

class FakeSource implements SegmentSource {
  started: Promise<unknown> = Promise.resolve();
  ready: Promise<unknown> = Promise.resolve();
  readonly loads: Load[] = [];
  readonly errors: [string, boolean][] = [];
  readonly deadlines: number[] = [];
  bytesPerSecond: number | undefined;
  digest: Uint8Array | undefined;
  /** Are segments answered at once? */
  prompt = true;
  readonly onRendition = vi.fn();
  readonly onError = (message: string, fatal: boolean) => this.errors.push([message, fatal]);
  readonly rate = () => this.bytesPerSecond;
  readonly initDigest = () => this.digest;

  load(request: SegmentRequest) {
    const { promise: bytes, resolve, reject } = deferred<ArrayBuffer>();
    const load: Load = {
      ...request,
      bytes,
      cancelled: false,
      resolve: () => resolve(segment(1, 0, load.segment * LENGTH * 1000).buffer),
      reject,
    };
    this.loads.push(load);
    if (this.prompt) load.resolve();
    return {
      id: this.loads.length,
      bytes,
      setDeadline: (deadline: number) => this.deadlines.push(deadline),
      cancel: () => {
        load.cancelled = true;
        reject(named('AbortError', 'cancelled'));
      },
    };
  }

  get asked(): number[] {
    return this.loads.map(({ segment }) => segment);
  }
}

const playlist = (first: number, count: number, more = '#EXT-X-ENDLIST') =>
  `#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:${first}\n#EXT-X-MAP:URI="init.mp4"\n${Array.from(
    { length: count },
    (_, index) => `#EXTINF:4,\n${first + index}.m4s\n`,
  ).join('')}${more}\n`;

const VARIANTS = `#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=640x360,CODECS="avc1.42c00d"
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160,CODECS="hvc1.1.6.L93.b0"
hevc.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4000000,RESOLUTION=1280x720,CODECS="avc1.64001f"
high.m3u8
`;

let video: ReturnType<typeof fakeMedia>;
let source: FakeSource;
const feed = (name = 'index.m3u8') => createFeeder(video, BASE + name, source);
const buffer = () => FakeMediaSource.last?.buffers[0] as FakeSourceBuffer;
/** Lets time pass, and everything that is ready run. */
const pass = (ms = 1) => vi.advanceTimersByTimeAsync(ms);
/** Media can be played now. */
const play = () => {
  video.readyState = 4;
  video.dispatchEvent(new Event('playing'));
};

beforeEach(() => {
  vi.useFakeTimers();
  video = fakeMedia();
  source = new FakeSource();
  fetched = [];
  files = { 'index.m3u8': playlist(0, 12), 'init.mp4': INIT };
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const name = url.slice(BASE.length);
    fetched.push(init.cache ? `${name} (${init.cache})` : name);
    const file = files[name];
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(typeof file === 'string' ? new TextEncoder().encode(file) : file);
        controller.close();
      },
    });
    return { status: file === undefined ? 404 : 200, body, headers: new Headers(), url };
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe('Feeder', () => {
  it('loads playlists before there is an engine, and leaves the element alone until then', async () => {
    const engine = deferred<void>();
    source.started = source.ready = engine.promise;
    const feeder = feed();
    await pass(100);
    expect(fetched).toEqual(['index.m3u8', 'init.mp4']);
    expect(video.src).toBe('');
    expect(source.loads).toEqual([]);
    engine.resolve();
    await feeder.attached;
    expect(video.src).toBe('blob:media');
    expect(source.asked).toEqual([0]);
    feeder.detach();
  });

  it('begins with one segment, then loads ahead and appends in order, to the end', async () => {
    source.prompt = false;
    const feeder = feed();
    await feeder.attached;
    expect(FakeMediaSource.last?.duration).toBe(48);
    expect(buffer().type).toBe('video/mp4; codecs="avc1.42c00d"');
    await pass();
    expect(source.asked).toEqual([0]);
    source.loads[0]?.resolve();
    await pass();
    expect(buffer().appended).toEqual(['init', 0]);
    play();
    await pass(1000);
    expect(source.asked).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(source.onRendition).toHaveBeenCalledExactlyOnceWith(0);
    // What comes out of order waits.
    source.loads[2]?.resolve();
    await pass();
    expect(buffer().appended).toEqual(['init', 0]);
    source.loads[1]?.resolve();
    await pass();
    expect(buffer().appended).toEqual(['init', 0, 4, 8]);
    source.prompt = true;
    for (const load of source.loads) load.resolve();
    for (video.currentTime = 8; video.currentTime < 48; video.currentTime += 8) await pass(1000);
    expect(source.asked).toEqual([...Array(12).keys()]);
    expect(FakeMediaSource.last?.readyState).toBe('ended');
    expect(fetched).toEqual(['index.m3u8', 'init.mp4']);
    expect(source.errors).toEqual([]);
    feeder.detach();
  });

  it('tells the engine anew when segments are needed, and gives up what is not', async () => {
    source.prompt = false;
    const feeder = feed();
    await feeder.attached;
    source.loads[0]?.resolve();
    await pass();
    play();
    await pass(1000);
    source.deadlines.length = 0;
    await pass(1000);
    expect(source.deadlines).toEqual([4, 8, 12, 16, 20, 24, 28].map((seconds) => seconds * 1000));
    video.currentTime = 40;
    video.dispatchEvent(new Event('seeking'));
    await pass();
    expect(source.loads.slice(1, 8).every(({ cancelled }) => cancelled)).toBe(true);
    expect(source.asked.slice(8)).toEqual([10, 11]);
    feeder.detach();
  });

  it('leaves nothing running when it is detached, at any time', async () => {
    source.prompt = false;
    const feeder = feed();
    await feeder.attached;
    source.loads[0]?.resolve();
    play();
    await pass(1000);
    const removed = vi.spyOn(video, 'load');
    feeder.detach();
    expect(removed).toHaveBeenCalledOnce();
    expect(video.src).toBe('');
    expect(source.loads.slice(1).every(({ cancelled }) => cancelled)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
    const asked = source.loads.length;
    video.dispatchEvent(new Event('seeking'));
    await pass(60_000);
    expect(source.loads).toHaveLength(asked);
    expect(source.errors).toEqual([]);
    expect(feeder.renditions()).toEqual([]);
    expect(feeder.current()).toBe(-1);

    source.started = new Promise(() => {});
    const early = feed();
    const failed = expect(early.attached).rejects.toMatchObject({ kind: 'detached', name: 'media-source' });
    early.detach();
    await failed;
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST', 'not supported: MPEG-TS needs hls.js'],
    [playlist(0, 1, '#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:4,\na'), 'not supported: encrypted media'],
    ['#EXTM3U\n#EXT-X-TARGETDURATION:4\n', 'playlist http://example.test/index.m3u8: has no segments'],
    ['<html>', 'playlist http://example.test/index.m3u8: line 1: does not start with #EXTM3U'],
    [undefined, 'playlist http://example.test/index.m3u8: HTTP status 404'],
    [
      VARIANTS.replaceAll('avc1', 'hvc1'),
      'not supported: this browser plays none of the variants video/mp4; codecs="hvc1',
    ],
    [VARIANTS.replace('low.m3u8', 'index.m3u8'), 'is a multivariant playlist within another'],
  ])('refuses %j and gives the element back', async (text, message) => {
    if (text === undefined) delete files['index.m3u8'];
    else files['index.m3u8'] = text;
    const feeder = feed();
    const failed = expect(feeder.attached).rejects.toThrow(message);
    await pass();
    await failed;
    expect(video.src).toBe('');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('needs Media Source Extensions, or those of an iPhone', async () => {
    vi.stubGlobal('MediaSource', undefined);
    await expect(feed().attached).rejects.toThrow('not supported: no Media Source Extensions in this browser');
    const Managed = class extends FakeMediaSource {
      streaming = false;
    };
    vi.stubGlobal('ManagedMediaSource', Managed);
    const feeder = feed();
    await feeder.attached;
    expect(video.disableRemotePlayback).toBe(true);
    await pass(2000);
    expect(source.loads).toEqual([]);
    FakeMediaSource.last?.dispatchEvent(new Event('startstreaming'));
    await pass();
    expect(source.asked[0]).toBe(0);
    feeder.detach();
  });

  it('refuses an init section that is not the one of the manifest', async () => {
    vi.useRealTimers();
    files['index.m3u8'] = VARIANTS;
    files['low.m3u8'] = playlist(0, 3);
    source.digest = new Uint8Array(32);
    const feeder = feed();
    await feeder.attached.catch(() => {});
    await vi.waitFor(() => expect(source.errors).toHaveLength(1));
    expect(source.errors).toEqual([
      ['init section http://example.test/init.mp4: is not the one of the manifest', true],
    ]);
    feeder.detach();
    expect(FakeMediaSource.last?.buffers.flatMap(({ appended }) => appended) ?? []).toEqual([]);

    source.digest = new Uint8Array(await crypto.subtle.digest('SHA-256', INIT));
    const good = feed();
    await good.attached;
    await vi.waitFor(() => expect(buffer().appended.slice(0, 2)).toEqual(['init', 0]));
    good.detach();
  });

  it('tries a segment four times before it gives up', async () => {
    source.prompt = false;
    const feeder = feed();
    await feeder.attached;
    const waits = [0, 500, 1000, 2000];
    for (const [attempt, wait] of waits.entries()) {
      await pass(wait);
      expect(source.asked).toEqual(waits.slice(0, attempt + 1).map(() => 0));
      source.loads.at(-1)?.reject(Object.assign(named('HttpError', 'gone'), { status: 404 }));
      await pass(0);
    }
    expect(source.errors).toEqual([['segment 0 of http://example.test/index.m3u8: HTTP status 404', true]]);
    await pass(10_000);
    expect(source.loads).toHaveLength(4);
    feeder.detach();
  });

  it('makes room when the browser has none', async () => {
    const feeder = feed();
    await feeder.attached;
    buffer().quota = 3;
    play();
    await pass();
    expect(buffer().appended).toEqual(['init', 0, 4, 8]);
    await pass(5000);
    expect(buffer().appended).toEqual(['init', 0, 4, 8]);
    video.currentTime = 11;
    await pass(5000);
    // The first second was behind the playhead's ten: it made place for one more.
    expect(buffer().appended.at(-1)).toBe(12);
    expect(buffer().ranges[0]?.[0]).toBe(1);
    expect(source.errors).toEqual([]);
    feeder.detach();
  });

  it('jumps over small holes', async () => {
    const feeder = feed();
    await feeder.attached;
    await pass();
    buffer().ranges = [[0.3, 4]];
    video.readyState = 1;
    video.dispatchEvent(new Event('waiting'));
    await pass();
    expect(video.currentTime).toBeCloseTo(0.301);
    feeder.detach();
  });

  it("plays the viewer's choice from the segment after next on", async () => {
    files = { 'index.m3u8': VARIANTS, 'low.m3u8': playlist(0, 12), 'high.m3u8': playlist(0, 12), 'init.mp4': INIT };
    const feeder = feed();
    await feeder.attached;
    expect(feeder.renditions()).toEqual([
      { index: 0, bandwidth: 1e6, width: 640, height: 360, codecs: 'avc1.42c00d' },
      { index: 1, bandwidth: 4e6, width: 1280, height: 720, codecs: 'avc1.64001f' },
    ]);
    play();
    await pass(1000);
    expect(feeder.current()).toBe(0);
    feeder.select(1);
    await pass(1000);
    const changed = source.loads.filter(({ playlist }) => playlist === `${BASE}high.m3u8`);
    expect(changed.map(({ segment }) => segment)).toEqual([2, 3, 4, 5, 6, 7]);
    expect(buffer().type).toBe('video/mp4; codecs="avc1.64001f"');
    video.currentTime = 9;
    await pass(1000);
    expect(feeder.current()).toBe(1);
    expect(source.onRendition.mock.calls).toEqual([[0], [1]]);
    expect(feeder.window()[0]).toEqual({ playlist: `${BASE}high.m3u8`, segment: 2 });
    feeder.detach();
  });

  it('goes back from a rendition that cannot be loaded', async () => {
    files = { 'index.m3u8': VARIANTS, 'low.m3u8': playlist(0, 12), 'init.mp4': INIT };
    const feeder = feed();
    await feeder.attached;
    play();
    source.bytesPerSecond = 2e6;
    await pass(1000);
    expect(source.errors).toEqual([['playlist http://example.test/high.m3u8: HTTP status 404', false]]);
    await pass(20_000);
    expect(source.errors).toHaveLength(1);
    expect(feeder.current()).toBe(0);
    feeder.detach();
  });
});

describe('a live Feeder', () => {
  beforeEach(() => {
    files['index.m3u8'] = playlist(100, 6, '');
  });

  it('joins behind the edge, follows it, and says how far it is', async () => {
    const feeder = feed();
    await feeder.attached;
    expect(FakeMediaSource.last).toMatchObject({ duration: Number.POSITIVE_INFINITY, seekable: [0, 12] });
    expect(video.currentTime).toBe(12);
    expect(feeder.liveLatency()).toBe(12_000);
    play();
    await pass(1000);
    expect(source.asked).toEqual([103, 104, 105]);
    files['index.m3u8'] = playlist(101, 6, '');
    await pass(4000);
    expect(fetched.at(-1)).toBe('index.m3u8 (no-cache)');
    expect(source.asked).toEqual([103, 104, 105, 106]);
    expect(FakeMediaSource.last?.seekable).toEqual([4, 16]);
    files['index.m3u8'] = playlist(101, 7);
    await pass(4000);
    expect(feeder.liveLatency()).toBeNull();
    const reloads = fetched.length;
    await pass(20_000);
    expect(fetched).toHaveLength(reloads);
    expect(source.errors).toEqual([]);
    feeder.detach();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves out a segment that cannot be had, and survives a playlist that cannot', async () => {
    const feeder = feed();
    await feeder.attached;
    play();
    await pass(1000);
    source.prompt = false;
    files['index.m3u8'] = playlist(101, 6, '');
    await pass(4000);
    delete files['index.m3u8'];
    for (let attempt = 0; attempt < 12; attempt++) {
      source.loads.at(-1)?.reject(named('HttpError', 'the origin did not answer'));
      await pass(2000);
      video.currentTime += 2;
    }
    expect(source.errors).toEqual([
      ['playlist http://example.test/index.m3u8: HTTP status 404', false],
      ['segment 106 of http://example.test/index.m3u8: the origin did not answer', false],
    ]);
    feeder.detach();
  });

  it('goes to where there is something when the window has left it behind', async () => {
    const feeder = feed();
    await feeder.attached;
    play();
    await pass(1000);
    files['index.m3u8'] = playlist(120, 6, '');
    await pass(4000);
    buffer().ranges = [];
    await pass(1000);
    // The numbers have nothing in common: the new window's edge is where the clock says.
    expect(video.currentTime).toBeGreaterThan(12);
    expect(source.asked.at(-1)).toBe(125);
    feeder.detach();
  });
});
