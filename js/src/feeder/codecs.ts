/**
 * RFC 6381 codec strings: which belong to video and which to audio, and what an init section's sample entry is called
 * where a playlist does not say.
 */

import { bytesOf, find, part } from './boxes.js';

const VIDEO = /^(avc[13]|hvc1|hev1|dvh1|dvhe|dvav|dva1|vp0?[89]|av01|vvc1)(\.|$)/i;
const AUDIO = /^(mp4a|opus|flac|[ae]c-3|ac-4|alac|mhm1|vorbis)(\.|$)/i;

/** What lies before the boxes of a sample entry. */
const VISUAL = 78;
const AUDIBLE = 28;

/**
 * The part of a variant's CODECS that one SourceBuffer gets. `undefined` if the list has nothing of that kind.
 *
 * @param audio  is it for audio alone, or for video with its audio?
 * @param demuxed  audio comes in playlists of its own, so a video track has none
 */
export function select(codecs: string, audio: boolean, demuxed: boolean): string | undefined {
  const all = codecs.split(',').map((codec) => codec.trim());
  // What is neither, subtitles for example, is nobody's.
  const chosen = all.filter((codec) => AUDIO.test(codec) || (!audio && VIDEO.test(codec)));
  const kept = audio || !demuxed ? chosen : chosen.filter((codec) => VIDEO.test(codec));
  return kept.some((codec) => (audio ? AUDIO : VIDEO).test(codec)) ? kept.join() : undefined;
}

/** The SourceBuffer type of these codecs: `video/mp4; codecs="…"`. */
export function mimeOf(codecs: string): string {
  const video = codecs.split(',').some((codec) => VIDEO.test(codec.trim()));
  // A playlist's text ends up in a quoted string: it must not end it.
  return `${video ? 'video' : 'audio'}/mp4; codecs="${codecs.replace(/["\\]/g, '')}"`;
}

/** The codec string of a sample entry (its box type and contents). `undefined` if it is none the feeder knows. */
export function codecOf(kind: string, entry: DataView): string | undefined {
  const config = (before: number, box: string) => find(part(entry, before), box);
  switch (kind) {
    case 'avc1':
    case 'avc3':
      return `${kind}.${[...bytesOf(config(VISUAL, 'avcC'), 1, 3)].map(hex).join('')}`;
    case 'hvc1':
    case 'hev1':
      return hevc(kind, config(VISUAL, 'hvcC'));
    case 'vp09': {
      const [profile = 0, level = 0, depth = 0] = bytesOf(config(VISUAL, 'vpcC'), 4, 3);
      return [kind, ...[profile, level, depth >> 4].map(twoDigits)].join('.');
    }
    case 'av01': {
      const [second = 0, third = 0] = bytesOf(config(VISUAL, 'av1C'), 1, 2);
      const high = (third >> 6) & 1;
      const depth = 8 + 2 * high + 2 * (high & (third >> 5));
      return `${kind}.${second >> 5}.${twoDigits(second & 31)}${third & 0x80 ? 'H' : 'M'}.${twoDigits(depth)}`;
    }
    case 'mp4a':
      return aac(config(AUDIBLE, 'esds'));
    case 'Opus':
    case 'fLaC':
    case 'ac-3':
    case 'ec-3':
      return kind.toLowerCase();
    default:
      return undefined;
  }
}

/** ISO/IEC 14496-15 annex E: profile, reversed compatibility flags, tier and level, constraint bytes. */
function hevc(kind: string, config: DataView): string {
  const profile = config.getUint8(1);
  const flags = config.getUint32(2).toString(2).padStart(32, '0');
  const reversed = Number.parseInt([...flags].reverse().join(''), 2).toString(16);
  const space = ['', 'A', 'B', 'C'][profile >> 6];
  const tier = profile & 0x20 ? 'H' : 'L';
  const constraints = [...bytesOf(config, 6, 6)].map((byte) => `.${hex(byte)}`).join('');
  return `${kind}.${space}${profile & 31}.${reversed}.${tier}${config.getUint8(12)}${constraints.replace(/(\.00)+$/, '')}`;
}

/** `esds`: the object type of MPEG-4's DecoderConfigDescriptor and, for AAC, the audio object type. */
function aac(esds: DataView): string {
  const elementary = descriptor(part(esds, 4), 3);
  const flags = elementary.getUint8(2);
  let at = 3;
  if (flags & 0x80) at += 2;
  if (flags & 0x40) at += 1 + elementary.getUint8(at);
  if (flags & 0x20) at += 2;
  const config = descriptor(part(elementary, at), 4);
  const object = config.getUint8(0);
  if (object !== 0x40) return `mp4a.${hex(object)}`;
  const specific = descriptor(part(config, 13), 5);
  const first = specific.getUint8(0);
  const audio = first >> 3 === 31 ? 32 + (((first & 7) << 3) | (specific.getUint8(1) >> 5)) : first >> 3;
  return `mp4a.40.${audio}`;
}

/** The contents of the descriptor `tag` that starts here (ISO/IEC 14496-1 §8.3.3). */
function descriptor(data: DataView, tag: number): DataView {
  let length = 0;
  for (let at = 1; data.getUint8(0) === tag && at < 5; at++) {
    const byte = data.getUint8(at);
    length = (length << 7) | (byte & 0x7f);
    if (byte < 0x80) return part(data, at + 1, Math.min(at + 1 + length, data.byteLength));
  }
  throw new RangeError(`no descriptor ${tag}`);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function twoDigits(value: number): string {
  return `${value}`.padStart(2, '0');
}
