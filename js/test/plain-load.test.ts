import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadSegment } from '../src/plain-load.js';
import { named, openEngine, settle } from './fake-peer.js';

const request = {
  playlist: 'http://example.test/media/index.m3u8',
  segment: 3,
  url: 'http://example.test/3.m4s',
  start: 10,
  end: 13,
  deadline: 4000,
};

afterEach(() => vi.unstubAllGlobals());

function serve(body: BodyInit) {
  const fetch = vi.fn(async (_url: string, _init: RequestInit) => new Response(body, { status: 206 }));
  vi.stubGlobal('fetch', fetch);
  return fetch;
}

describe('loadSegment', () => {
  it('takes what the engine has', async () => {
    const { shoal, peer } = await openEngine();
    const fetch = serve('abc');
    const load = loadSegment(shoal, request);
    const bytes = new ArrayBuffer(3);
    peer.loads[0]?.resolve(bytes);
    expect(await load?.bytes).toBe(bytes);
    expect(fetch).not.toHaveBeenCalled();
  });

  it('asks the origin for what no swarm has, and counts it', async () => {
    const { shoal, peer } = await openEngine();
    const fetch = serve('abc');
    const load = loadSegment(shoal, request);
    peer.loads[0]?.reject(named('uncovered', 'no swarm has this segment'));
    expect(new TextDecoder().decode(await load?.bytes)).toBe('abc');
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ headers: { Range: 'bytes=10-12' } });
    expect(shoal.stats().httpBytes).toBe(3);
  });

  it('hands on every other failure', async () => {
    const { shoal, peer } = await openEngine();
    const fetch = serve('abc');
    const load = loadSegment(shoal, request);
    peer.loads[0]?.reject(named('HttpError', 'HTTP status 500'));
    await expect(load?.bytes).rejects.toThrow('HTTP status 500');
    expect(fetch).not.toHaveBeenCalled();
  });

  it('ends a transfer from the origin, too', async () => {
    const { shoal, peer } = await openEngine();
    const fetch = vi.fn(
      (_url: string, { signal }: RequestInit) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    );
    vi.stubGlobal('fetch', fetch);
    const load = loadSegment(shoal, request);
    peer.loads[0]?.reject(named('uncovered', ''));
    await settle();
    expect(fetch).toHaveBeenCalledOnce();
    load?.cancel();
    await expect(load?.bytes).rejects.toMatchObject({ name: 'AbortError' });
  });
});
