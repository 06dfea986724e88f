/** Multivariant playlists (RFC 8216 §4.3.4). */

import { type Attributes, readAttributes } from './attributes.js';
import { checkUri, fail, type Line } from './lines.js';

/** Most variants, and most audio renditions. */
const MAX_RENDITIONS = 1000;

/** A playlist of playlists. */
export interface MultivariantPlaylist {
  variants: Variant[];
  audio: AudioRendition[];
}

/** One `EXT-X-STREAM-INF` (RFC 8216 §4.3.4.2). */
export interface Variant {
  /** The variant's media playlist. */
  uri: string;
  /** Peak bit rate, bits a second. */
  bandwidth: number;
  /** Pixels, 0 where not stated. */
  width: number;
  /** Pixels, 0 where not stated. */
  height: number;
  /** RFC 6381 formats of the variant and its renditions, separated by commas. */
  codecs: string | undefined;
  /** The group of its audio renditions. */
  audioGroup: string | undefined;
}

/** One `EXT-X-MEDIA` with `TYPE=AUDIO` (RFC 8216 §4.3.4.1). */
export interface AudioRendition {
  /** `GROUP-ID`, which variants refer to. */
  group: string;
  /** Its media playlist; `undefined` where the audio is in the variants' own segments. */
  uri: string | undefined;
  /** `DEFAULT`: played unless the viewer chooses. */
  default: boolean;
  /** `AUTOSELECT`: may be chosen by the viewer's language. */
  autoselect: boolean;
}

/** Reads what follows `#EXTM3U`. */
export function parseMultivariant(lines: Line[]): MultivariantPlaylist {
  const variants: Variant[] = [];
  const audio: AudioRendition[] = [];
  let announced = 0;
  let awaits: Attributes | undefined;
  for (const { line, tag, value } of lines) {
    if (awaits && tag) break;
    switch (tag) {
      case '':
        if (!awaits) fail(line, 'URI without EXT-X-STREAM-INF before it');
        if (variants.length === MAX_RENDITIONS) fail(line, `more than ${MAX_RENDITIONS} variants`);
        variants.push(variant(line, value, awaits));
        awaits = undefined;
        break;
      case 'EXT-X-STREAM-INF':
        awaits = readAttributes(line, tag, value);
        announced = line;
        break;
      case 'EXT-X-MEDIA': {
        const attributes = readAttributes(line, tag, value);
        if (attributes.required('TYPE', attributes.word('TYPE')) !== 'AUDIO') break;
        if (audio.length === MAX_RENDITIONS) fail(line, `more than ${MAX_RENDITIONS} audio renditions`);
        audio.push(rendition(attributes));
        break;
      }
      case 'EXTINF':
      case 'EXT-X-TARGETDURATION':
        fail(line, `${tag} in a multivariant playlist`);
        break;
      case 'EXT-X-DEFINE':
        fail(line, `${tag} is not supported`);
    }
  }
  if (awaits) fail(announced, 'EXT-X-STREAM-INF without a URI line after it');
  if (!variants.length) fail(0, 'no EXT-X-STREAM-INF in the playlist');
  return { variants, audio };
}

function variant(line: number, uri: string, attributes: Attributes): Variant {
  const [width, height] = attributes.resolution('RESOLUTION') ?? [0, 0];
  const found = {
    uri: checkUri(line, uri),
    bandwidth: attributes.required('BANDWIDTH', attributes.integer('BANDWIDTH')),
    width,
    height,
    codecs: attributes.string('CODECS'),
    audioGroup: attributes.string('AUDIO'),
  };
  attributes.decimal('FRAME-RATE');
  return found;
}

function rendition(attributes: Attributes): AudioRendition {
  const byDefault = attributes.yes('DEFAULT');
  const group = attributes.required('GROUP-ID', attributes.string('GROUP-ID'));
  attributes.required('NAME', attributes.string('NAME'));
  attributes.string('LANGUAGE');
  return {
    group,
    uri: attributes.uri(),
    default: byDefault,
    // RFC 8216 §4.3.4.1: a default rendition is one that may be chosen.
    autoselect: attributes.yes('AUTOSELECT') || byDefault,
  };
}
