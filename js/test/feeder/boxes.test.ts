import { describe, expect, it } from 'vitest';
import { find, readTracks, startTime } from '../../src/feeder/boxes.js';
import { boxed, bytes, initSection, segment, u32, view, zeros } from './media.js';
import { randomIntegers } from './random.js';

const bodyOf = (data: Uint8Array, kind: string) => {
  const body = find(view(data), kind);
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
};

describe('boxes', () => {
  it('say tracks and start times', () => {
    const tracks = readTracks(view(initSection(3, 12_800, 'vide', boxed('avc1', zeros(78)))));
    expect(tracks).toEqual([{ id: 3, timescale: 12_800, codec: undefined, encrypted: false }]);
    expect(startTime(view(segment(3, 0, 25_600)), tracks)).toBe(2);
    expect(startTime(view(segment(3, 1, 12_800 * 2 ** 30)), tracks)).toBe(2 ** 30);
    expect(startTime(view(segment(4, 0, 25_600)), tracks)).toBeUndefined();
    const [encrypted] = readTracks(view(initSection(1, 1000, 'vide', boxed('encv', zeros(78)))));
    expect(encrypted?.encrypted).toBe(true);
  });

  it('may be large or cut off', () => {
    const large = bytes(u32(1), 'free', u32(0), u32(20), [1, 2, 3, 4], boxed('moov', 'x'));
    expect([...bodyOf(large, 'free')]).toEqual([1, 2, 3, 4]);
    expect([...bodyOf(large, 'moov')]).toEqual([...bytes('x')]);
    const whole = segment(1, 0, 5);
    const track = { id: 1, timescale: 1, codec: undefined, encrypted: false };
    expect(startTime(view(whole.subarray(0, whole.length - 90)), [track])).toBe(5);
    expect(startTime(view(whole.subarray(0, 60)), [track])).toBeUndefined();
  });

  it('may be anything', () => {
    const random = randomIntegers(3);
    for (let round = 0; round < 1000; round++) {
      const noise = Uint8Array.from({ length: random(0, 200) }, () => random(0, 256));
      readTracks(view(noise));
      const real = bytes(initSection(1, 90_000, 'soun', boxed('mp4a', zeros(60))), segment(1, 1, 7), noise);
      real[random(0, real.length)] = random(0, 256);
      const cut = view(real.subarray(0, random(0, 2) ? real.length : random(0, real.length)));
      startTime(cut, readTracks(cut));
    }
  });
});
