/** URLs in playlists. */

import { playlistError } from './error.js';

/** The absolute URL of a reference in the playlist at `base`. */
export function resolve(reference: string, base: string): string {
  try {
    return new URL(reference, base).href;
  } catch {
    throw playlistError(base, `has an invalid URL: ${reference}`);
  }
}
