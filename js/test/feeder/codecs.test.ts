import { describe, expect, it } from 'vitest';
import { codecOf, mimeOf, select } from '../../src/feeder/codecs.js';
import { boxed, bytes, view, zeros } from './media.js';

const visual = (kind: string, configKind: string, config: number[]) =>
  codecOf(kind, view(bytes(zeros(78), boxed(configKind, config))));

describe('codecs', () => {
  it("split a variant's list", () => {
    const both = 'avc1.42c00d, mp4a.40.2';
    expect(select(both, false, true)).toBe('avc1.42c00d');
    expect(select(both, false, false)).toBe('avc1.42c00d,mp4a.40.2');
    expect(select(both, true, true)).toBe('mp4a.40.2');
    expect(select('avc1.42c00d,stpp.ttml.im1t', true, true)).toBeUndefined();
    expect(select('mp4a.40.2', false, false)).toBeUndefined();
    expect(select('', false, false)).toBeUndefined();
    expect(mimeOf('avc1.42c00d')).toBe('video/mp4; codecs="avc1.42c00d"');
    expect(mimeOf('mp4a.40.2')).toBe('audio/mp4; codecs="mp4a.40.2"');
    expect(mimeOf('avc1."; x="')).toBe('video/mp4; codecs="avc1.; x="');
  });

  it('name video sample entries', () => {
    expect(visual('avc1', 'avcC', [1, 0x42, 0xc0, 0x0d, 3])).toBe('avc1.42c00d');
    expect(() => visual('avc1', 'avcC', [1, 0x42])).toThrow(RangeError);
    expect(visual('hvc1', 'hvcC', [1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93])).toBe('hvc1.1.6.L93.b0');
    expect(visual('hvc1', 'hvcC', [1, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30])).toBe('hvc1.A2.0.L30');
    expect(visual('vp09', 'vpcC', [1, 0, 0, 0, 0, 31, 0x82])).toBe('vp09.00.31.08');
    expect(visual('av01', 'av1C', [0x81, 4, 0x0c])).toBe('av01.0.04M.08');
    expect(visual('av01', 'av1C', [0x81, 4, 0x4c])).toBe('av01.0.04M.10');
    expect(visual('av01', 'av1C', [0x81, 0x44, 0x60])).toBe('av01.2.04M.12');
    expect(visual('av01', 'av1C', [0x81, 0x44, 0xe0])).toBe('av01.2.04H.12');
    expect(visual('encv', 'sinf', [])).toBeUndefined();
  });

  it('name audio sample entries', () => {
    const specific = [5, 2, 0x11, 0x90];
    const config = [4, 0x80, 0x80, 0x80, 17, 0x40, 0x15, ...zeros(11), ...specific];
    const entry = bytes(zeros(28), boxed('esds', zeros(4), [3, 25, 0, 1, 0], config));
    expect(codecOf('mp4a', view(entry))).toBe('mp4a.40.2');
    expect(codecOf('Opus', view(bytes()))).toBe('opus');
    expect(codecOf('ec-3', view(bytes()))).toBe('ec-3');
    expect(() => codecOf('mp4a', view(entry.subarray(0, 40)))).toThrow(RangeError);
  });
});
