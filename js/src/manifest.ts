/** `shoal.json`: which playlists are shared, and how what peers send is checked. The wasm peer reads it. */

import { FallbackError, messageOf } from './errors.js';
import { fetchText, TooLargeError } from './http.js';

const MAX_LENGTH = 1 << 20;

/**
 * The manifest of the source (absolute URL), as text, with the URL that its own URLs are relative to.
 *
 * @param named  its URL, if it is not beside the source
 * @throws {@link FallbackError}
 */
export async function loadManifest(source: string, named: string | undefined): Promise<[json: string, base: string]> {
  const url = new URL(named ?? 'shoal.json', named === undefined ? source : document.baseURI).href;
  try {
    return await fetchText(url, MAX_LENGTH, new AbortController().signal);
  } catch (error) {
    const reason = error instanceof TooLargeError ? 'manifest-invalid' : 'manifest-missing';
    throw new FallbackError(reason, `${url}: ${messageOf(error)}`);
  }
}
