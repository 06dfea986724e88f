import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ByteRange, fetchBytes, fetchText, stream } from '../src/http.js';

const URL_A = 'http://example.test/init.mp4';

afterEach(() => vi.unstubAllGlobals());

/** A server that answers with these pieces. */
function serve(status: number, headers: Record<string, string>, ...pieces: number[][]) {
  const cancelled = vi.fn();
  const left = [...pieces];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = left.shift();
      if (piece) controller.enqueue(Uint8Array.from(piece));
      else controller.close();
    },
    cancel: cancelled,
  });
  const fetch = vi.fn(async (_url: string, _init: RequestInit) => ({
    status,
    body,
    headers: new Headers(headers),
    url: '',
  }));
  vi.stubGlobal('fetch', fetch);
  return { fetch, cancelled };
}

const load = async (range?: ByteRange, limit = 100, signal = new AbortController().signal) => [
  ...(await fetchBytes(URL_A, range, limit, signal)).bytes,
];

describe('fetchBytes', () => {
  it('takes everything without a range', async () => {
    const { fetch } = serve(200, {}, [1, 2], [], [3]);
    expect(await load()).toEqual([1, 2, 3]);
    expect(fetch.mock.calls[0]?.[1]).not.toHaveProperty('headers');
  });

  it('crops a whole answer to the range, and ends the transfer', async () => {
    const { fetch, cancelled } = serve(200, {}, [0, 1, 2], [3, 4], [5, 6, 7, 8], [9]);
    expect(await load([4, 7])).toEqual([4, 5, 6]);
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ headers: { Range: 'bytes=4-6' } });
    expect(cancelled).toHaveBeenCalled();
  });

  it('takes a partial answer for what it says it is', async () => {
    serve(206, {}, [4, 5, 6]);
    expect(await load([4, 7])).toEqual([4, 5, 6]);
    serve(206, { 'Content-Range': 'bytes 2-8/20' }, [2, 3, 4, 5, 6, 7, 8]);
    expect(await load([4, 7])).toEqual([4, 5, 6]);
    serve(206, { 'Content-Range': 'bytes 5-8/20' }, [5, 6, 7, 8]);
    await expect(load([4, 7])).rejects.toThrow('the server answered another byte range');
    serve(206, {}, [4, 5]);
    await expect(load([4, 7])).rejects.toThrow('the answer ended before the byte range');
  });

  it('takes all that follows', async () => {
    const { fetch } = serve(206, {}, [4, 5], [6]);
    expect(await load([4, Number.POSITIVE_INFINITY])).toEqual([4, 5, 6]);
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ headers: { Range: 'bytes=4-' } });
    serve(200, {}, [0, 1, 2, 3, 4], [5, 6]);
    expect(await load([4, Number.POSITIVE_INFINITY])).toEqual([4, 5, 6]);
  });

  it('is bounded', async () => {
    const { cancelled } = serve(200, {}, [1, 2, 3], [4, 5], [6]);
    await expect(load(undefined, 4)).rejects.toThrow('the answer is larger than allowed');
    expect(cancelled).toHaveBeenCalled();
  });

  it('says what went wrong', async () => {
    serve(404, {});
    await expect(load()).rejects.toMatchObject({ name: 'HttpError', message: 'HTTP status 404', status: 404 });
    serve(204, {});
    await expect(load()).rejects.toThrow('HTTP status 204');
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(load()).rejects.toThrow('no answer: Failed to fetch');
    await expect(load(undefined, 100, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('stream', () => {
  it('hands out what belongs to the range, as it comes', async () => {
    serve(200, {}, [0, 1, 2], [3, 4], [5, 6, 7, 8], [9]);
    const pieces: number[][] = [];
    await stream(URL_A, [4, 7], new AbortController().signal, (piece) => pieces.push([...piece]));
    expect(pieces).toEqual([[4], [5, 6]]);
  });

  it('tells if the range was ignored', async () => {
    const ignored = async (status: number, range?: ByteRange) => {
      serve(status, {}, [0, 1, 2]);
      return (await stream(URL_A, range, new AbortController().signal, () => {})).rangeIgnored;
    };
    expect(await ignored(200, [0, 3])).toBe(true);
    expect(await ignored(206, [0, 3])).toBe(false);
    expect(await ignored(200)).toBe(undefined);
  });

  it('ends with the first error of whoever takes the pieces', async () => {
    const { cancelled } = serve(200, {}, [1], [2], [3]);
    const taker = () => {
      throw new Error('full');
    };
    await expect(stream(URL_A, undefined, new AbortController().signal, taker)).rejects.toThrow('full');
    expect(cancelled).toHaveBeenCalled();
  });
});

describe('fetchText', () => {
  const text = () => fetchText(URL_A, 100, new AbortController().signal);

  it('reads UTF-8, without its byte order mark', async () => {
    serve(200, {}, [0xef, 0xbb, 0xbf, 0x61], [0xc3], [0xa9]);
    expect(await text()).toEqual(['aé', URL_A]);
    serve(200, {}, [0xff]);
    await expect(text()).rejects.toThrow('the answer is not UTF-8');
  });
});
