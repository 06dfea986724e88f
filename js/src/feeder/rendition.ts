/** One rendition: its media playlist, loaded once or, in live, again and again. */

import { messageOf } from '../errors.js';
import { fetchText } from '../http.js';
import { mimeOf } from './codecs.js';
import { detached, FeederError, playlistError, unsupported } from './error.js';
import type { MediaPlaylist } from './hls/media.js';
import { isMultivariant, MAX_LENGTH, type Playlist, parsePlaylist } from './hls/playlist.js';
import { type Host, now } from './host.js';
import { aligned, listing, nextNumber, type Schedule, scheduleNext, shifted } from './live.js';
import { type Init, type Loaded, loadSection, type Section } from './loaded.js';
import { resolve } from './url.js';

/**
 * How often in a row a live playlist may end before what was in it begins. A cache may give out an old copy; if it stays
 * so, the stream has begun anew.
 */
const MAX_BEHIND = 3;

/** A rendition as the multivariant playlist names it. */
export interface Rendition {
  /** Absolute URL of its media playlist. */
  readonly url: string;
  /** Its own part of CODECS, if the multivariant playlist says. */
  readonly codecs: string | undefined;
  /** What has been loaded last. */
  loaded: Loaded | undefined;
  schedule: Schedule;
  behind: number;
}

/** A rendition whose playlist is not loaded yet. */
export function createRendition(url: string, codecs?: string): Rendition {
  return { url, codecs, loaded: undefined, schedule: { due: 0, failures: 0 }, behind: 0 };
}

/** When it is to be loaded again, in milliseconds of the page's clock: never if it is complete. */
export function dueAt({ loaded, schedule }: Rendition): number {
  return loaded?.media.endlist ? Number.POSITIVE_INFINITY : schedule.due;
}

/**
 * Loads the media playlist and, where CODECS do not say it all, the init section. Does nothing if that has been done
 * and, in live, not long ago.
 */
export async function loadRendition(host: Host, rendition: Rendition): Promise<Loaded> {
  const { loaded } = rendition;
  return loaded && now() < dueAt(rendition) ? loaded : reloadRendition(host, rendition, host.signal);
}

/** Loads the playlist in any case. */
export async function reloadRendition(host: Host, rendition: Rendition, signal: AbortSignal): Promise<Loaded> {
  const asked = now();
  const [playlist, base] = await loadPlaylist(host, rendition.url, signal);
  if (isMultivariant(playlist)) throw playlistError(rendition.url, 'is a multivariant playlist within another');
  return adopt(host, rendition, playlist, base, asked);
}

/** Takes a media playlist that was loaded already, having been asked for at `asked` (milliseconds). */
export async function adopt(
  host: Host,
  rendition: Rendition,
  media: MediaPlaylist,
  base: string,
  asked: number,
): Promise<Loaded> {
  const { url, loaded: before } = rendition;
  host.live ||= !media.endlist;
  check(url, media, host.live);
  const durations = media.segments.map(({ duration }) => duration);
  let list = listing(host.live ? media.mediaSequence : 0, durations, asked);
  if (host.live) {
    const next = nextNumber(list);
    const known = before ? nextNumber(before.list) : -1;
    rendition.schedule = scheduleNext(asked, media.targetDuration, next > known);
    if (before && next < known) {
      rendition.behind = next <= before.list.first ? rendition.behind + 1 : 0;
      if (rendition.behind >= MAX_BEHIND) throw unsupported('the live stream has begun anew');
      return before;
    }
    rendition.behind = 0;
    list = aligned(list, before?.list, host.latest?.list);
  }
  const sections = media.maps.map(({ uri, byteRange }): Section => {
    const url = resolve(uri, base);
    const known = before?.sections.find((known) => known.url === url && `${known.range}` === `${byteRange}`);
    return known ?? { url, range: byteRange };
  });
  const mime =
    before?.mime ?? mimeOf(rendition.codecs ?? codecsOf(await loadSection(host, sections[0] as Section, url), url));
  return keep(host, rendition, { playlist: url, list, mime, media, base, sections });
}

/** In live, its media has shown that everything plays `by` seconds later than was thought. */
export function shiftRendition(host: Host, rendition: Rendition, by: number): void {
  const { loaded } = rendition;
  if (loaded) keep(host, rendition, { ...loaded, list: shifted(loaded.list, by) });
}

function keep(host: Host, rendition: Rendition, loaded: Loaded): Loaded {
  rendition.loaded = loaded;
  if (host.live) host.latest = loaded;
  return loaded;
}

/** Loads and parses a playlist; with it comes the URL its own URLs are relative to. */
export async function loadPlaylist(host: Host, url: string, signal: AbortSignal): Promise<[Playlist, string]> {
  try {
    const [text, base] = await fetchText(url, MAX_LENGTH, signal, host.live);
    return [parsePlaylist(text), base];
  } catch (error) {
    if (signal.aborted) throw detached();
    throw error instanceof FeederError ? error : playlistError(url, messageOf(error));
  }
}

function codecsOf({ tracks }: Init, url: string): string {
  if (tracks.some(({ encrypted }) => encrypted)) throw unsupported('encrypted media');
  if (!tracks.length || tracks.some(({ codec }) => !codec)) {
    throw unsupported(`no CODECS, and an unknown codec in ${url}`);
  }
  return tracks.map(({ codec }) => codec).join();
}

/** Is it a playlist that Media Source Extensions can be fed from as it is? */
function check(url: string, { segments }: MediaPlaylist, live: boolean): void {
  if (!segments.length) throw playlistError(url, 'has no segments');
  for (const { key, gap, map } of segments) {
    if (key) throw unsupported('encrypted media');
    if (gap && !live) throw unsupported('EXT-X-GAP');
    if (map === undefined) throw unsupported('MPEG-TS needs hls.js (segments without EXT-X-MAP)');
  }
}
