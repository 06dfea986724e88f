/**
 * HTTP with ranges, bounds and abort, over the page's `fetch`: for playlists and init sections. Credentials, redirects
 * and the cache are those of `fetch` unless told otherwise, as a player's plain request would have them.
 */

import { messageOf } from '../errors.js';
import { detached, type FeederError } from './error.js';
import type { ByteRange } from './hls/media.js';

/** An answer's body, and the URL that answered after redirects. */
export interface Answer {
  bytes: Uint8Array<ArrayBuffer>;
  url: string;
}

/**
 * The whole body of `url`, or of its bytes `range`, if that is `limit` bytes or less. `fresh`: the cache asks the server
 * if what it has is still right, for what is loaded again because it changes.
 *
 * @throws `Error` that says what went wrong; a {@link FeederError} of kind `detached` once the signal is aborted
 */
export async function fetchBytes(
  url: string,
  range: ByteRange | undefined,
  limit: number,
  signal: AbortSignal,
  fresh = false,
): Promise<Answer> {
  let what = 'no answer';
  const failure = (error: unknown): Error | FeederError =>
    signal.aborted ? detached() : new Error(`${what}: ${messageOf(error)}`);
  const response = await fetch(url, {
    signal,
    ...(fresh && { cache: 'no-cache' }),
    ...(range && { headers: { Range: `bytes=${range[0]}-${range[1] - 1}` } }),
  }).catch((error) => {
    throw failure(error);
  });
  const { status } = response;
  // An empty success has nothing in it.
  if (status !== 200 && status !== 206) throw new Error(`HTTP status ${status}`);
  const reader = response.body?.getReader();
  if (!reader) throw new Error('the answer has no body');
  what = 'the transfer broke off';
  try {
    // A server may ignore the range and answer with everything, or with more than was asked for.
    const first = status === 206 ? Number(/^bytes\s+(\d+)/.exec(response.headers.get('Content-Range') ?? '')?.[1]) : 0;
    let skip = range ? range[0] - (Number.isNaN(first) ? range[0] : first) : 0;
    if (skip < 0) throw new Error('the server answered another byte range');
    const wanted = range ? range[1] - range[0] : Number.POSITIVE_INFINITY;
    const pieces: Uint8Array[] = [];
    let length = 0;
    while (length < wanted) {
      const { done, value } = await reader.read().catch((error) => {
        throw failure(error);
      });
      if (done) break;
      const piece = value.subarray(skip, skip + wanted - length);
      skip = Math.max(0, skip - value.length);
      pieces.push(piece);
      length += piece.length;
      if (length > limit) throw new Error('the answer is larger than allowed');
    }
    if (range && length < wanted) throw new Error('the answer ended before the byte range');
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return { bytes, url: response.url || url };
  } finally {
    // After a complete body this does nothing; otherwise it frees the connection.
    reader.cancel().catch(() => {});
  }
}
