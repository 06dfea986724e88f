/**
 * A bounded walk over ISO BMFF boxes (ISO/IEC 14496-12): just what the feeder must know of an init section and of a
 * segment. Reading beyond the end throws, as `DataView` does; to callers of this file whatever is cut off or malformed
 * is absent.
 */

import { codecOf } from './codecs.js';

/** Most tracks of an init section that are looked at. */
const MAX_TRACKS = 16;

/** One track of an init section. */
export interface TrackInfo {
  /** `track_ID`. */
  id: number;
  /** Ticks per second of its decode times. */
  timescale: number;
  /** RFC 6381 string of its first sample entry, if that is one the feeder knows. */
  codec: string | undefined;
  /** Its samples are encrypted (`encv`, `enca`). */
  encrypted: boolean;
}

/** The tracks of an init section (`moov`). */
export function readTracks(init: DataView): TrackInfo[] {
  const moov = attempt(() => find(init, 'moov'));
  if (!moov) return [];
  const found = [...boxes(moov)].filter(([kind]) => kind === 'trak').slice(0, MAX_TRACKS);
  return found.flatMap(([, trak]) => attempt(() => readTrack(trak)) ?? []);
}

/**
 * The decode time at which a segment starts (`moof`/`traf`/`tfdt` of its first fragment), in seconds on the media's own
 * timeline.
 */
export function startTime(segment: DataView, tracks: TrackInfo[]): number | undefined {
  return attempt(() => {
    const traf = find(segment, 'moof', 'traf');
    const id = find(traf, 'tfhd').getUint32(4);
    const tfdt = find(traf, 'tfdt');
    const high = tfdt.getUint32(4);
    const ticks = tfdt.getUint8(0) ? high * 2 ** 32 + tfdt.getUint32(8) : high;
    const timescale = tracks.find((track) => track.id === id)?.timescale;
    return timescale ? ticks / timescale : undefined;
  });
}

function readTrack(trak: DataView): TrackInfo | undefined {
  // The 64-bit times of version 1 lie before what is read.
  const afterTimes = (box: DataView) => box.getUint32(box.getUint8(0) ? 20 : 12);
  const mdia = find(trak, 'mdia');
  const entry = boxes(part(find(mdia, 'minf', 'stbl', 'stsd'), 8)).next().value;
  return (
    entry && {
      id: afterTimes(find(trak, 'tkhd')),
      timescale: afterTimes(find(mdia, 'mdhd')),
      codec: attempt(() => codecOf(...entry)),
      encrypted: /^enc[va]$/.test(entry[0]),
    }
  );
}

/** A box: its type and its contents (shorter than it says where the input is cut off). */
type Box = [kind: string, body: DataView];

/** The boxes that lie one after the other. */
function* boxes(data: DataView): Generator<Box, undefined> {
  const length = data.byteLength;
  for (let at = 0; at + 8 <= length; ) {
    let size = data.getUint32(at);
    let header = 8;
    if (size === 0) {
      size = length;
    } else if (size === 1) {
      header = 16;
      if (at + header > length) return;
      size = data.getUint32(at + 8) ? length : data.getUint32(at + 12);
    }
    if (size < header) return;
    const end = Math.min(at + size, length);
    yield [String.fromCharCode(...bytesOf(data, at + 4, 4)), part(data, at + header, end)];
    at = end;
  }
}

/** The contents of the first box of this type, in the first of the type before it, and so on. */
export function find(data: DataView, ...path: string[]): DataView {
  let found = data;
  for (const wanted of path) {
    let body: DataView | undefined;
    for (const box of boxes(found)) {
      if (box[0] !== wanted) continue;
      body = box[1];
      break;
    }
    if (!body) throw new RangeError(`no ${wanted}`);
    found = body;
  }
  return found;
}

/** A part of the data, to its end unless told otherwise. */
export function part(data: DataView, start: number, end = data.byteLength): DataView {
  if (end > data.byteLength) throw new RangeError('cut off');
  return new DataView(data.buffer, data.byteOffset + start, end - start);
}

/** Some bytes of the data. */
export function bytesOf(data: DataView, start: number, length: number): Uint8Array {
  const { buffer, byteOffset } = part(data, start, start + length);
  return new Uint8Array(buffer, byteOffset, length);
}

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
