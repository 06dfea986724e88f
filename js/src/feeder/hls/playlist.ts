/**
 * HLS playlists (RFC 8216): what a player needs of them. It is the publisher's parser (`content::hls`) again: what one
 * refuses the other does, in the same words; `content/tests/playlists` keeps both to it.
 *
 * Tags that do not change which bytes are which segment are skipped, as RFC 8216 §6.3.1 wants; those that do and that
 * are not supported are errors, because ignoring them would give wrong URIs or wrong segments.
 */

import { fail, readLines } from './lines.js';
import { type MediaPlaylist, parseMedia } from './media.js';
import { type MultivariantPlaylist, parseMultivariant } from './multivariant.js';

/** Longest playlist accepted, in bytes: for whoever fetches it. */
export const MAX_LENGTH = 8 << 20;

/** An HLS playlist of either kind. */
export type Playlist = MediaPlaylist | MultivariantPlaylist;

/** Does it list variants and renditions, rather than segments? */
export function isMultivariant(playlist: Playlist): playlist is MultivariantPlaylist {
  return 'variants' in playlist;
}

/**
 * Reads a playlist. URIs stay as they are written, relative to the playlist's own.
 *
 * @throws `Error` that says what is wrong and in which line: it is no playlist, beyond the limits, or one that cannot
 *   be understood for sure
 */
export function parsePlaylist(text: string): Playlist {
  const [first, ...lines] = readLines(text);
  if (first?.tag !== 'EXTM3U') fail(1, 'does not start with #EXTM3U');
  return lines.some(({ tag }) => /^EXT-X-(STREAM-INF|MEDIA|I-FRAME-STREAM-INF)$/.test(tag))
    ? parseMultivariant(lines)
    : parseMedia(lines);
}
