/** The playlists that the publisher's parser is tested with too: both read the same from them. */

import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MediaPlaylist } from '../../src/feeder/hls/media.js';
import { parsePlaylist } from '../../src/feeder/hls/playlist.js';

const folder = resolve(import.meta.dirname, '../../../content/tests/playlists');
const read = (name: string) => readFileSync(resolve(folder, name), 'utf8');
const playlists = readdirSync(folder).filter((name) => name.endsWith('.m3u8'));
const refused: { playlist: string; error: string }[] = JSON.parse(read('refused.json'));

const HEAD = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n';
const media = (body: string) => parsePlaylist(HEAD + body) as MediaPlaylist;

describe('parsePlaylist', () => {
  it.each(playlists)('reads %s as expected', (name) => {
    expect(parsePlaylist(read(name))).toEqual(JSON.parse(read(name.replace('m3u8', 'json'))));
  });

  it.each(refused)('refuses: $error', ({ playlist, error }) => {
    expect(() => parsePlaylist(playlist)).toThrow(new Error(error));
  });

  it('takes what only advises for no reason to refuse a playlist', () => {
    for (const control of ['HOLD-BACK=x', 'HOLD-BACK=-1', 'HOLD-BACK="3"', '=', '']) {
      expect(media(`#EXT-X-SERVER-CONTROL:${control}\n`).holdBack).toBeUndefined();
    }
    expect(media('#EXT-X-PROGRAM-DATE-TIME:nonsense\n#EXT-X-PART:DURATION=x\n#EXTINF:1,\na\n').segments).toHaveLength(
      1,
    );
  });

  it('has limits', () => {
    const full = '#EXTINF:1,\na\n'.repeat(100_000);
    expect(media(full).segments).toHaveLength(100_000);
    expect(() => media(`${full}#EXTINF:1,\na\n`)).toThrow('more than 100000 segments');
    const maps = Array.from({ length: 257 }, (_, map) => `#EXT-X-MAP:URI="${map}"\n`).join('');
    expect(() => media(maps)).toThrow('more than 256 different EXT-X-MAP');
    const variants = '#EXT-X-STREAM-INF:BANDWIDTH=1\na\n'.repeat(1001);
    expect(() => parsePlaylist(`#EXTM3U\n${variants}`)).toThrow('more than 1000 variants');
  });

  it('does not look for ever at what is made to be looked at for ever', () => {
    const blanks = ' '.repeat(1_000_000);
    for (const text of [`A=${blanks}x"`, `A=x${blanks}"`, `${'A'.repeat(1_000_000)}"`, `A=${'x '.repeat(500_000)}"`]) {
      expect(() => media(`#EXT-X-KEY:${text}`)).toThrow('not an attribute list');
    }
    expect(() => media(`#EXTINF:${'1'.repeat(1_000_000)}x,\na`)).toThrow('not a decimal number');
    expect(() => media(`#EXTINF:1,\n${'a '.repeat(1_000_000)}`)).toThrow('at most 8192');
  });
});
