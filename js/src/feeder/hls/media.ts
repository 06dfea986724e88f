/** Media playlists (RFC 8216 §4.3.2, §4.3.3). */

import type { ByteRange } from '../../http.js';
import { readAttributes } from './attributes.js';
import { checkUri, decimal, fail, integer, type Line } from './lines.js';

const MAX_SEGMENTS = 100_000;
const MAX_INIT_SECTIONS = 256;

/** A playlist of segments. */
export interface MediaPlaylist {
  /** Upper bound of the segments' durations, seconds. */
  targetDuration: number;
  /** `EXT-X-ENDLIST`: nothing will be added. */
  endlist: boolean;
  /** Number of the first segment. */
  mediaSequence: number;
  /** Discontinuities before the first segment. */
  discontinuitySequence: number;
  /** `HOLD-BACK`: how far behind the end a live player should stay, seconds. */
  holdBack: number | undefined;
  segments: Segment[];
  /** The different init sections, in the order of their first use. */
  maps: InitSection[];
}

/** One `EXT-X-MAP` (RFC 8216 §4.3.2.5). */
export interface InitSection {
  uri: string;
  /** `undefined` for all of the resource. */
  byteRange: ByteRange | undefined;
}

/** One media segment. */
export interface Segment extends InitSection {
  /** Seconds. */
  duration: number;
  /** Its init section, as an index into the playlist's `maps`. */
  map: number | undefined;
  /** `EXT-X-DISCONTINUITY` before it. */
  discontinuity: boolean;
  /** `METHOD` of `EXT-X-KEY`; `undefined` in the clear. */
  key: string | undefined;
  /** `EXT-X-GAP`: there are no bytes to fetch. */
  gap: boolean;
}

/** Tags that stand once at most and have a number. */
const NUMBERS = /^EXT-X-(TARGETDURATION|VERSION|MEDIA-SEQUENCE|DISCONTINUITY-SEQUENCE)$/;

/** Reads what follows `#EXTM3U`. */
export function parseMedia(lines: Line[]): MediaPlaylist {
  const segments: Segment[] = [];
  const maps: InitSection[] = [];
  const numbers = new Map<string, number>();
  let endlist = false;
  let holdBack: number | undefined;
  let map: number | undefined;
  let key: string | undefined;
  // Of the segment to come.
  let announced = 0;
  let duration: number | undefined;
  let range: ReturnType<typeof writtenRange>;
  let discontinuity = false;
  let gap = false;
  for (const { line, tag, value } of lines) {
    switch (tag) {
      case '': {
        if (duration === undefined) fail(line, 'URI without EXTINF before it');
        if (segments.length === MAX_SEGMENTS) fail(line, `more than ${MAX_SEGMENTS} segments`);
        const uri = checkUri(line, value);
        const before = segments.at(-1);
        let byteRange: ByteRange | undefined;
        if (range) {
          // RFC 8216 §4.3.2.2: without an offset it goes on where the same resource's range before ended.
          const offset = range[1] ?? (before?.uri === uri ? before.byteRange?.[1] : undefined);
          if (offset === undefined) {
            fail(line, 'EXT-X-BYTERANGE without offset, and the segment before is no byte range of this URI');
          }
          byteRange = checkRange(line, 'EXT-X-BYTERANGE', offset, range[0]);
        }
        segments.push({ uri, duration, byteRange, map, discontinuity, key, gap });
        duration = range = undefined;
        discontinuity = gap = false;
        break;
      }
      case 'EXTINF': {
        const known = duration;
        duration = decimal(value.replace(/,.*/s, '').trim());
        if (duration === undefined) fail(line, 'EXTINF: duration is not a decimal number');
        if (known !== undefined) fail(line, 'EXTINF without a URI line after it');
        announced = line;
        break;
      }
      case 'EXT-X-BYTERANGE': {
        const known = range;
        range = writtenRange(value) ?? fail(line, 'EXT-X-BYTERANGE: value is not length[@offset]');
        if (known) fail(line, 'EXT-X-BYTERANGE given twice');
        break;
      }
      case 'EXT-X-MAP': {
        const attributes = readAttributes(line, tag, value);
        const uri = attributes.required('URI', attributes.uri());
        const text = attributes.string('BYTERANGE');
        let byteRange: ByteRange | undefined;
        if (text !== undefined) {
          const [length, offset] = writtenRange(text) ?? fail(line, 'EXT-X-MAP: BYTERANGE is not length[@offset]');
          byteRange = checkRange(line, tag, offset ?? 0, length);
        }
        map = maps.findIndex((known) => known.uri === uri && `${known.byteRange}` === `${byteRange}`);
        if (map < 0) {
          map = maps.push({ uri, byteRange }) - 1;
          if (map === MAX_INIT_SECTIONS) fail(line, `more than ${MAX_INIT_SECTIONS} different EXT-X-MAP`);
        }
        break;
      }
      case 'EXT-X-KEY': {
        const attributes = readAttributes(line, tag, value);
        const method = attributes.required('METHOD', attributes.word('METHOD'));
        key = method === 'NONE' ? undefined : method.slice(0, 40);
        break;
      }
      case 'EXT-X-DISCONTINUITY':
        discontinuity = true;
        break;
      case 'EXT-X-GAP':
        gap = true;
        break;
      case 'EXT-X-ENDLIST':
        endlist = true;
        break;
      case 'EXT-X-SERVER-CONTROL':
        // It only advises the player: what cannot be read is no reason to refuse the playlist.
        try {
          holdBack = decimal(readAttributes(line, tag, value).word('HOLD-BACK') ?? '');
        } catch {
          holdBack = undefined;
        }
        break;
      case 'EXT-X-DEFINE':
      case 'EXT-X-SKIP':
        fail(line, `${tag} is not supported`);
        break;
      default:
        if (NUMBERS.test(tag)) {
          const number = integer(value.trim()) ?? fail(line, `${tag}: value is not a decimal integer`);
          if (numbers.has(tag)) fail(line, `${tag} given twice`);
          numbers.set(tag, number);
        }
    }
  }
  if (duration !== undefined) fail(announced, 'EXTINF without a URI line after it');
  return {
    targetDuration: numbers.get('EXT-X-TARGETDURATION') ?? fail(0, 'no EXT-X-TARGETDURATION in the playlist'),
    endlist,
    mediaSequence: numbers.get('EXT-X-MEDIA-SEQUENCE') ?? 0,
    discontinuitySequence: numbers.get('EXT-X-DISCONTINUITY-SEQUENCE') ?? 0,
    holdBack,
    segments,
    maps,
  };
}

/** `length[@offset]` as it is written: the offset may follow from the segment before. */
function writtenRange(text: string): [length: number, offset: number | undefined] | undefined {
  const at = text.indexOf('@');
  const length = integer((at < 0 ? text : text.slice(0, at)).trim());
  const offset = at < 0 ? undefined : integer(text.slice(at + 1).trim());
  return length === undefined || (at >= 0 && offset === undefined) ? undefined : [length, offset];
}

function checkRange(line: number, tag: string, offset: number, length: number): ByteRange {
  const end = offset + length;
  return length > 0 && Number.isSafeInteger(end)
    ? [offset, end]
    : fail(line, `${tag}: empty or too large a byte range`);
}
