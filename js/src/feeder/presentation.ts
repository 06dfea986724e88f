/** What a playlist offers: variants, each a rendition of the main track and perhaps one of a separate audio track. */

import type { Rendition as Choice } from '../wasm-api.js';
import { mimeOf, select } from './codecs.js';
import { unsupported } from './error.js';
import type { AudioRendition, Variant as ListedVariant, MultivariantPlaylist } from './hls/multivariant.js';
import { isMultivariant } from './hls/playlist.js';
import { type Host, now } from './host.js';
import { adopt, createRendition, loadPlaylist, type Rendition } from './rendition.js';
import { resolve } from './url.js';

/** Most variants that are considered. */
const MAX_VARIANTS = 64;

/** A quality the viewer or the player may choose: bandwidth with audio, 0 where unknown; codecs by the playlist. */
export interface Variant extends Omit<Choice, 'index'> {
  /** Its rendition of the audio track, if the presentation has one. */
  audio: number | undefined;
}

/** All there is to play. The main track has one rendition for each variant, in the same order. */
export interface Presentation {
  /** Never empty. */
  variants: Variant[];
  /** Renditions of the main track (video, muxed, or audio alone). */
  main: Rendition[];
  /** Renditions of the separate audio track; empty if there is none. */
  audio: Rendition[];
}

/** Loads the playlist at an absolute URL, of either kind. `plays` tells if the browser plays a type. */
export async function loadPresentation(
  host: Host,
  url: string,
  plays: (mime: string) => boolean,
): Promise<Presentation> {
  const asked = now();
  const [playlist, base] = await loadPlaylist(host, url, host.signal);
  if (isMultivariant(playlist)) return presentationOf(playlist, base, plays);
  const rendition = createRendition(url);
  const { mime } = await adopt(host, rendition, playlist, base, asked);
  if (!plays(mime)) throw unplayable(mime);
  const variant = { bandwidth: 0, width: 0, height: 0, codecs: '', audio: undefined };
  return { variants: [variant], main: [rendition], audio: [] };
}

/** What of a multivariant playlist this browser plays. */
export function presentationOf(
  playlist: MultivariantPlaylist,
  base: string,
  plays: (mime: string) => boolean,
): Presentation {
  const found: Presentation = { variants: [], main: [], audio: [] };
  let refused = '';
  const demuxed = playlist.variants.some((variant) => audioOf(playlist, variant));
  const showsVideo = ({ height, codecs }: ListedVariant) => height > 0 || !!select(codecs ?? '', false, true);
  const anyVideo = playlist.variants.some(showsVideo);
  for (const variant of playlist.variants.slice(0, MAX_VARIANTS)) {
    const { bandwidth, width, height, codecs = '' } = variant;
    const audio = audioOf(playlist, variant);
    // One SourceBuffer more or less is not possible half-way, and a switch never takes the picture away.
    if (!audio === demuxed || (anyVideo && variant.codecs !== undefined && !showsVideo(variant))) continue;
    const url = resolve(variant.uri, base);
    if (found.main.some((rendition) => rendition.url === url)) continue;
    const sound = select(codecs, true, true);
    const main = select(codecs, false, demuxed) ?? (demuxed ? undefined : sound);
    const unplayed = [main, demuxed ? sound : undefined].find((codecs) => codecs && !plays(mimeOf(codecs)));
    if (unplayed) {
      refused = mimeOf(unplayed);
      continue;
    }
    let index: number | undefined;
    if (audio?.uri !== undefined) {
      const url = resolve(audio.uri, base);
      index = found.audio.findIndex((known) => known.url === url);
      if (index < 0) index = found.audio.push(createRendition(url, sound)) - 1;
    }
    found.variants.push({ bandwidth, width, height, codecs, audio: index });
    found.main.push(createRendition(url, main));
  }
  if (!found.variants.length) throw unplayable(refused);
  return found;
}

/**
 * The rendition with a playlist of its own that is played unless the viewer chooses: of the variant's group the default
 * one, else one that may be chosen automatically, else the first. `undefined` if the audio is muxed into the variants.
 */
function audioOf({ audio }: MultivariantPlaylist, { audioGroup }: ListedVariant): AudioRendition | undefined {
  const members = audio.filter(({ group }) => group === audioGroup);
  const found = members.find((member) => member.default) ?? members.find(({ autoselect }) => autoselect) ?? members[0];
  return found?.uri === undefined ? undefined : found;
}

const unplayable = (mime: string) => unsupported(`this browser plays none of the variants ${mime}`);
