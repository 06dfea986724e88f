/** Media that tests make: init sections and segments with nothing to show in them. */

/** Bytes of numbers and texts, one after the other. */
export function bytes(...parts: (string | number | ArrayLike<number>)[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    parts.flatMap((part) => {
      if (typeof part === 'number') return [part];
      return typeof part === 'string' ? [...part].map((character) => character.charCodeAt(0)) : Array.from(part);
    }),
  );
}

/** A big-endian 32-bit number. */
export const u32 = (value: number) => [value >>> 24, value >>> 16, value >>> 8, value].map((byte) => byte & 0xff);

/** So many zeros. */
export const zeros = (count: number) => new Array<number>(count).fill(0);

/** A box around `body`. */
export const boxed = (kind: string, ...body: Parameters<typeof bytes>) => {
  const inner = bytes(...body);
  return bytes(u32(inner.length + 8), kind, inner);
};

/** An init section with one track. */
export function initSection(id: number, timescale: number, handler: string, sampleEntry: ArrayLike<number>) {
  const stsd = boxed('stsd', zeros(7), 1, sampleEntry);
  const mdia = boxed(
    'mdia',
    boxed('mdhd', zeros(12), u32(timescale), zeros(8)),
    boxed('hdlr', zeros(8), handler, zeros(12)),
    boxed('minf', boxed('stbl', stsd)),
  );
  const trak = boxed('trak', boxed('tkhd', zeros(12), u32(id), zeros(68)), mdia);
  return bytes(boxed('ftyp', 'iso6'), boxed('moov', boxed('mvhd', zeros(100)), trak));
}

/** A segment of the track, from this decode time on (ticks). */
export function segment(id: number, version: number, time: number) {
  const ticks = version ? [...u32(Math.floor(time / 2 ** 32)), ...u32(time % 2 ** 32)] : u32(time);
  const traf = boxed('traf', boxed('tfhd', [0, 2, 0, 0], u32(id)), boxed('tfdt', version, zeros(3), ticks));
  const moof = boxed('moof', boxed('mfhd', zeros(8)), traf);
  return bytes(boxed('styp', 'msdh'), moof, boxed('mdat', new Array<number>(100).fill(7)));
}

/** The sample entry of H.264 video. */
export const AVC = boxed('avc1', zeros(78), boxed('avcC', [1, 0x42, 0xc0, 0x0d, 3]));

/** To look into. */
export const view = (data: Uint8Array) => new DataView(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
