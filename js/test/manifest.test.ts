import { afterEach, expect, it, vi } from 'vitest';
import { loadManifest } from '../src/manifest.js';

const SOURCE = 'http://example.test/media/index.m3u8?token=1';

afterEach(() => vi.unstubAllGlobals());

function serve(body: BodyInit, status = 200) {
  const fetch = vi.fn(async (_url: string, _init: RequestInit) => new Response(body, { status }));
  vi.stubGlobal('fetch', fetch);
  return () => fetch.mock.calls.at(-1)?.[0];
}

it('lies beside the source, or where the page says', async () => {
  const asked = serve('{}');
  expect(await loadManifest(SOURCE, undefined)).toEqual(['{}', 'http://example.test/media/shoal.json']);
  expect(asked()).toBe('http://example.test/media/shoal.json');
  await loadManifest(SOURCE, '/elsewhere.json');
  expect(asked()).toBe(new URL('/elsewhere.json', document.baseURI).href);
});

it('says why there is none', async () => {
  const refused = (name: string, message: string) =>
    expect(loadManifest(SOURCE, undefined)).rejects.toMatchObject({ name, message });
  const url = 'http://example.test/media/shoal.json';
  serve('', 404);
  await refused('manifest-missing', `${url}: HTTP status 404`);
  serve(Uint8Array.of(0xff));
  await refused('manifest-missing', `${url}: the answer is not UTF-8`);
  serve(new Uint8Array((1 << 20) + 1));
  await refused('manifest-invalid', `${url}: the answer is larger than allowed`);
});
