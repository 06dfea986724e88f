/** The adapter with the real hls.js: its loader contract, its playlists, its default loader over real HTTP. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Hls, { type FragmentLoaderContext, type Loader, type LoaderCallbacks, type LoaderConfiguration } from 'hls.js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { upgrade, withShoal } from '../src/hls.js';
import { FakePeer, fakeParts, named, settle, trap } from './fake-peer.js';

const MASTER = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES,URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS="avc1.42c00d,mp4a.40.2",AUDIO="a"
video.m3u8
`;
const media = (name: string) => `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="${name}.mp4"
#EXTINF:4,
${name}_0.m4s
#EXTINF:4,
#EXT-X-BYTERANGE:100@50
${name}_1.m4s
#EXT-X-ENDLIST
`;

/** What `/live.m3u8` is now: its first media sequence number, and whether it has ended. */
let live = { first: 0, ended: false };
const livePlaylist = () => `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:${live.first}
#EXT-X-MAP:URI="video.mp4"
${[0, 1, 2, 3, 4].map((index) => `#EXTINF:4,\nvideo_${live.first + index}.m4s\n`).join('')}${live.ended ? '#EXT-X-ENDLIST\n' : ''}`;

let server: Server;
let origin: string;
const requested: string[] = [];

beforeAll(async () => {
  // There is no Media Source here: hls.js only asks it which codecs play.
  vi.stubGlobal(
    'MediaSource',
    Object.assign(() => {}, { isTypeSupported: () => true }),
  );
  server = createServer((request, response) => {
    requested.push(request.url ?? '');
    const body = {
      '/index.m3u8': MASTER,
      '/video.m3u8': media('video'),
      '/audio.m3u8': media('audio'),
      '/live.m3u8': livePlaylist(),
    }[request.url ?? ''];
    const missing = request.url?.startsWith('/gone');
    response.writeHead(missing && request.method === 'GET' ? 404 : 200, {
      'access-control-allow-origin': '*',
      'access-control-allow-headers': 'range',
    });
    response.end(body ?? Buffer.alloc(1000, 7));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => server.close());

let instances: Hls[] = [];
beforeEach(() => {
  FakePeer.made = [];
  requested.length = 0;
});
afterEach(() => {
  for (const hls of instances) hls.destroy();
  instances = [];
});

function make(p2p: object = { startOn: 'load' }) {
  const hls = new (upgrade(Hls, {}, fakeParts))({ p2p, enableWorker: false });
  instances.push(hls);
  return hls;
}

/** An instance whose playlists are known and whose engine is open (or still opening). */
async function loaded(open = true) {
  const hls = make();
  const fallbacks: string[] = [];
  hls.shoal.on('fallback', ({ reason }) => fallbacks.push(reason));
  const details = new Promise<import('hls.js').LevelDetails>((resolve) =>
    hls.on(Hls.Events.LEVEL_UPDATED, (_, data) => resolve(data.details)),
  );
  hls.loadSource(`${origin}/index.m3u8`);
  await settle();
  if (open) FakePeer.last.opened.resolve();
  return { hls, peer: FakePeer.last, details: await details, fallbacks };
}

/** Loads a fragment as hls.js's FragmentLoader does. */
function load(hls: Hls, frag: FragmentLoaderContext['frag'], url = frag.url ?? '') {
  const Loader = hls.config.fLoader as unknown as new (config: unknown) => Loader<FragmentLoaderContext>;
  const loader = new Loader(hls.config);
  const stats = loader.stats;
  const context: FragmentLoaderContext = {
    type: 'mediaFragment' as FragmentLoaderContext['type'],
    frag,
    part: null,
    responseType: 'arraybuffer',
    url,
    headers: {},
    rangeStart: frag.byteRangeStartOffset || 0,
    rangeEnd: frag.byteRangeEndOffset || 0,
  };
  const config: LoaderConfiguration = {
    loadPolicy: { maxTimeToFirstByteMs: 5000, maxLoadTimeMs: 20000, timeoutRetry: null, errorRetry: null },
    timeout: 20000,
    maxRetry: 0,
    retryDelay: 0,
    maxRetryDelay: 0,
  };
  const calls: string[] = [];
  let data: unknown;
  const done = new Promise<string>((resolve) => {
    const end = (name: string) => {
      calls.push(name);
      resolve(name);
    };
    const callbacks: LoaderCallbacks<FragmentLoaderContext> = {
      onSuccess: (response, given) => {
        data = response.data;
        // hls.js kept the reference before load(): the figures must be in that very object.
        expect(given).toBe(stats);
        end('success');
      },
      onError: ({ code }) => end(`error ${code}`),
      onTimeout: () => end('timeout'),
      onAbort: () => end('abort'),
    };
    loader.load(context, config, callbacks);
  });
  return { loader, stats, calls, done, data: () => data as ArrayBuffer };
}

const first = <T>(list: T[], index = 0): T => {
  const item = list[index];
  if (item === undefined) throw new Error(`nothing at ${index}`);
  return item;
};

describe('withShoal', () => {
  it('makes a class that is still hls.js, and only once', () => {
    const Upgraded = withShoal(Hls);
    expect(Upgraded.version).toBe(Hls.version);
    expect(withShoal(Upgraded as never)).toBe(Upgraded);
    const hls = new Upgraded({ p2p: false });
    instances.push(hls);
    expect(hls).toBeInstanceOf(Hls);
    expect(hls.shoal.state).toBe('off');
  });

  it('names a mistake in p2p', () => {
    const Upgraded = withShoal(Hls);
    expect(() => new Upgraded({ p2p: { trakcer: 'wss://a.test' } as never })).toThrow('did you mean `tracker`?');
    expect(() => new Upgraded({ p2p: 7 as never })).toThrow('`p2p`');
  });

  it('ends the engine with the instance', async () => {
    const { hls, peer } = await loaded();
    hls.destroy();
    expect(peer.destroyed).toBe(1);
  });
});

describe('the fragment loader', () => {
  it('asks the engine with the playlist, the number in it, and the byte range', async () => {
    const { hls, peer, details } = await loaded();
    const whole = load(hls, first(details.fragments));
    const range = load(hls, first(details.fragments, 1));
    expect(peer.loads).toMatchObject([
      { playlist: `${origin}/video.m3u8`, segment: 0, url: `${origin}/video_0.m4s`, start: -1, end: -1, deadline: 0 },
      { playlist: `${origin}/video.m3u8`, segment: 1, url: `${origin}/video_1.m4s`, start: 50, end: 150 },
    ]);
    const bytes = new ArrayBuffer(1234);
    first(peer.loads).resolve(bytes);
    first(peer.loads, 1).resolve(new ArrayBuffer(100));
    expect(await whole.done).toBe('success');
    expect(await range.done).toBe('success');
    expect(whole.data()).toBe(bytes);
    expect(whole.stats).toMatchObject({ loaded: 1234, total: 1234, aborted: false });
    const { start, first: firstByte, end } = whole.stats.loading;
    expect(start).toBeGreaterThan(-1e9);
    expect(firstByte).toBeGreaterThanOrEqual(start);
    expect(end).toBeGreaterThan(start);
    // Out of memory, yet no more than hls.js's own estimate (500 kbit/s at the start).
    expect((1234 * 8000) / (end - start)).toBeLessThanOrEqual(hls.bandwidthEstimate + 1);
    expect(requested).not.toContain('/video_0.m4s');
  });

  it('knows audio by its own playlist', async () => {
    const { hls, peer } = await loaded();
    const updated = new Promise<import('hls.js').LevelDetails>((resolve) =>
      hls.on(Hls.Events.AUDIO_TRACK_UPDATED, (_, data) => resolve(data.details)),
    );
    load(hls, first((await updated).fragments, 1));
    expect(peer.loads).toMatchObject([{ playlist: `${origin}/audio.m3u8`, segment: 1 }]);
  });

  it('leaves init segments and uncovered playlists to plain HTTP, and counts their bytes', async () => {
    const { hls, peer, details } = await loaded();
    const init = first(details.fragments).initSegment;
    if (!init) throw new Error('no init segment');
    expect(await load(hls, init).done).toBe('success');
    expect(hls.shoal.stats().httpBytes).toBe(0);
    peer.covered = () => false;
    expect(await load(hls, first(details.fragments)).done).toBe('success');
    expect(hls.shoal.stats().httpBytes).toBe(1000);
    expect(peer.loads).toEqual([]);
    expect(requested).toContain('/video.mp4');
    expect(requested).toContain('/video_0.m4s');
  });

  it('does not wait for an engine that is loading', async () => {
    const { hls, peer, details } = await loaded(false);
    expect(hls.shoal.state).toBe('loading');
    expect(await load(hls, first(details.fragments)).done).toBe('success');
    expect(peer.loads).toEqual([]);
  });

  it.each([
    ['a rejection', (peer: FakePeer) => first(peer.loads).reject(named('HttpError', '500'))],
    ['a wrong length', (peer: FakePeer) => first(peer.loads).resolve(new ArrayBuffer(99))],
    ['nothing', (peer: FakePeer) => first(peer.loads).resolve(new ArrayBuffer(0))],
    ['a trap', (peer: FakePeer) => first(peer.loads).reject(trap())],
  ])('goes to the origin within the same load after %s', async (_, fail) => {
    const { hls, peer, details } = await loaded();
    const loading = load(hls, first(details.fragments, 1));
    await settle();
    fail(peer);
    expect(await loading.done).toBe('success');
    expect(loading.calls).toEqual(['success']);
    expect(loading.stats).toMatchObject({ loaded: 1000, total: 1000 });
    expect(requested).toContain('/video_1.m4s');
  });

  it('reports a real HTTP error as hls.js does', async () => {
    const { hls, peer, details } = await loaded();
    const loading = load(hls, first(details.fragments), `${origin}/gone.m4s`);
    first(peer.loads).reject(named('HttpError', '404'));
    expect(await loading.done).toBe('error 404');
    expect(loading.calls).toEqual(['error 404']);
  });

  it('cancels on abort, tells hls.js once, and says nothing afterwards', async () => {
    const { hls, peer, details } = await loaded();
    const loading = load(hls, first(details.fragments));
    loading.loader.abort();
    expect(peer.cancelled).toEqual([first(peer.loads).id]);
    expect(loading.stats.aborted).toBe(true);
    await settle();
    loading.loader.destroy();
    expect(loading.calls).toEqual(['abort']);
    expect(requested).not.toContain('/video_0.m4s');
  });

  it('is silent after destroy', async () => {
    const { hls, peer, details } = await loaded();
    const loading = load(hls, first(details.fragments));
    loading.loader.destroy();
    first(peer.loads).resolve(new ArrayBuffer(5));
    await settle();
    expect(loading.calls).toEqual([]);
    expect(peer.cancelled).toHaveLength(1);
  });

  it('shows progress from chunk events of this very segment', async () => {
    const { hls, peer, details } = await loaded();
    const loading = load(hls, first(details.fragments));
    const chunk = { source: 'p2p', bytes: 400, playlist: `${origin}/video.m3u8`, segment: 0, chunk: 0 };
    peer.emit('chunk', chunk);
    // The manifest names the playlist without the query that a site may add.
    peer.emit('chunk', { ...chunk, bytes: 0, playlist: `${chunk.playlist}?token=x` });
    peer.emit('chunk', { ...chunk, segment: 1 });
    peer.emit('chunk', { ...chunk, playlist: `${origin}/audio.m3u8` });
    expect(loading.stats).toMatchObject({ loaded: 400, chunkCount: 2 });
    expect(loading.stats.loading.first).toBeGreaterThan(0);
  });

  it('asks the origin when the engine hangs long past the deadline', async () => {
    const { hls, peer, details } = await loaded();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const loading = load(hls, first(details.fragments));
    vi.advanceTimersByTime(9999);
    expect(peer.cancelled).toEqual([]);
    vi.advanceTimersByTime(2);
    expect(peer.cancelled).toHaveLength(1);
    vi.useRealTimers();
    expect(await loading.done).toBe('success');
  });
});

describe('live', () => {
  it('numbers segments by media sequence, also once the stream has ended', async () => {
    live = { first: 37, ended: false };
    const hls = make();
    const updates: import('hls.js').LevelDetails[] = [];
    hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => updates.push(details));
    hls.loadSource(`${origin}/live.m3u8`);
    await vi.waitFor(() => expect(updates).toHaveLength(1));
    FakePeer.last.opened.resolve();
    await settle();
    load(hls, first(first(updates).fragments, 2));
    live = { first: 38, ended: true };
    await vi.waitFor(() => expect(updates).toHaveLength(2), { timeout: 15_000, interval: 100 });
    expect(first(updates, 1).live).toBe(false);
    load(hls, first(first(updates, 1).fragments));
    expect(FakePeer.last.loads).toMatchObject([
      { playlist: `${origin}/live.m3u8`, segment: 39, url: `${origin}/video_39.m4s` },
      { segment: 38 },
    ]);
    // Another source is counted anew.
    const details = new Promise<import('hls.js').LevelDetails>((resolve) =>
      hls.once(Hls.Events.LEVEL_UPDATED, (_, data) => resolve(data.details)),
    );
    hls.loadSource(`${origin}/index.m3u8`);
    await settle();
    FakePeer.last.opened.resolve();
    load(hls, first((await details).fragments, 1));
    expect(FakePeer.last.loads).toMatchObject([{ playlist: `${origin}/video.m3u8`, segment: 1 }]);
  }, 20_000);

  it('tells how far behind the live edge it plays', async () => {
    live = { first: 5, ended: false };
    const hls = make();
    const details = new Promise<import('hls.js').LevelDetails>((resolve) =>
      hls.once(Hls.Events.LEVEL_UPDATED, (_, data) => resolve(data.details)),
    );
    expect(hls.shoal.stats().liveLatencyMs).toBeNull();
    hls.loadSource(`${origin}/live.m3u8`);
    const updated = await details;
    expect(hls.shoal.stats().liveLatencyMs).toBeNull();
    const latency = vi.spyOn(hls, 'latency', 'get').mockReturnValue(12.5);
    expect(hls.shoal.stats().liveLatencyMs).toBe(12_500);
    updated.live = false;
    hls.trigger(Hls.Events.LEVEL_UPDATED, { details: updated, level: 0 });
    expect(hls.shoal.stats().liveLatencyMs).toBeNull();
    latency.mockRestore();
  });
});

describe('deadlines', () => {
  const mediaAt = (currentTime: number, buffered: [number, number][]) =>
    Object.assign(document.createElement('video'), {}) &&
    Object.defineProperties(document.createElement('video'), {
      currentTime: { value: currentTime, writable: true },
      playbackRate: { value: 2, writable: true },
      buffered: {
        value: {
          length: buffered.length,
          start: (i: number) => buffered[i]?.[0],
          end: (i: number) => buffered[i]?.[1],
        },
      },
    });

  it('follow the playhead, its speed, and seeks', async () => {
    const { hls, peer, details } = await loaded();
    const video = mediaAt(1, [[0, 4]]);
    hls.trigger(Hls.Events.MEDIA_ATTACHED, { media: video });
    load(hls, first(details.fragments, 1));
    // Starts at 4 s, the playhead is at 1 s and moves twice as fast.
    expect(first(peer.loads).deadline).toBe(1500);
    video.currentTime = 3;
    video.dispatchEvent(new Event('seeked'));
    expect(peer.deadlines).toEqual([[first(peer.loads).id, 500]]);
  });

  it('are now while nothing is buffered at the playhead', async () => {
    const { hls, peer, details } = await loaded();
    hls.trigger(Hls.Events.MEDIA_ATTACHED, { media: mediaAt(1, [[20, 24]]) });
    load(hls, first(details.fragments, 1));
    expect(first(peer.loads).deadline).toBe(0);
  });

  it('let a fragment that has time wait for the engine, within bounds', async () => {
    const { hls, peer, details } = await loaded(false);
    // 8 s left, and no more than 3 s of them are spent on waiting.
    const video = mediaAt(-12, [[-12, 4]]);
    hls.trigger(Hls.Events.MEDIA_ATTACHED, { media: video });
    load(hls, first(details.fragments, 1), `${origin}/patient.m4s`);
    expect(peer.loads).toEqual([]);
    expect(requested).not.toContain('/patient.m4s');
    peer.opened.resolve();
    await vi.waitFor(() =>
      expect(peer.loads).toContainEqual(expect.objectContaining({ url: `${origin}/patient.m4s`, segment: 1 })),
    );
    expect(requested).not.toContain('/patient.m4s');
  });
});
