/**
 * HTTP with ranges, bounds and abort, over the page's `fetch`. Credentials, redirects and the cache are those of `fetch`
 * unless told otherwise: what a player's plain request would send, so that a CDN cannot tell the difference.
 */

import { messageOf } from './errors.js';

/** First byte, and the one after the last; infinite for all that follows. */
export type ByteRange = [start: number, end: number];

/** A transfer that failed. */
export class HttpError extends Error {
  override name = 'HttpError';

  /** @param status  of the answer, where that was no success; 0 when something else went wrong */
  constructor(
    message: string,
    readonly status = 0,
  ) {
    super(message);
  }
}

/** The answer is larger than the caller's limit. */
export class TooLargeError extends Error {}

/** How a body came. */
export interface Arrival {
  /** The URL that answered, after redirects. */
  url: string;
  /** The server ignored that a range of the body was asked for; `undefined`: all of it was. */
  rangeIgnored: boolean | undefined;
}

/** An answer's body, and the URL that answered after redirects. */
export interface Answer {
  bytes: Uint8Array<ArrayBuffer>;
  url: string;
}

/**
 * Hands the body of `url`, or exactly its bytes `range`, to `onData`, piece by piece as they arrive: also when the server
 * ignores the range and answers with the whole file. `fresh`: the cache asks the server if what it has is still right, for
 * what is loaded again because it changes. Resolves once all of it has been handed out.
 *
 * @throws `HttpError`; an error named `AbortError` once the signal is aborted; what `onData` throws
 */
export async function stream(
  url: string,
  range: ByteRange | undefined,
  signal: AbortSignal,
  onData: (piece: Uint8Array<ArrayBuffer>) => void,
  fresh = false,
): Promise<Arrival> {
  const failure = (what: string) => (error: unknown) => {
    throw signal.aborted
      ? new DOMException('the load was cancelled', 'AbortError')
      : new HttpError(`${what}: ${messageOf(error)}`);
  };
  const response = await fetch(url, {
    signal,
    ...(fresh && { cache: 'no-cache' }),
    ...(range && {
      headers: { Range: `bytes=${range[0]}-${range[1] < Number.POSITIVE_INFINITY ? range[1] - 1 : ''}` },
    }),
  }).catch(failure('no answer'));
  const { status } = response;
  // An empty success has nothing in it.
  if (status !== 200 && status !== 206) throw new HttpError(`HTTP status ${status}`, status);
  const reader = response.body?.getReader();
  if (!reader) throw new HttpError('the answer has no body');
  try {
    const first = status === 206 ? Number(/^bytes\s+(\d+)/.exec(response.headers.get('Content-Range') ?? '')?.[1]) : 0;
    let skip = range ? range[0] - (Number.isNaN(first) ? range[0] : first) : 0;
    if (skip < 0) throw new HttpError('the server answered another byte range');
    let wanted = range ? range[1] - range[0] : Number.POSITIVE_INFINITY;
    while (wanted > 0) {
      const { done, value } = await reader.read().catch(failure('the transfer broke off'));
      if (done) break;
      const piece = value.subarray(skip, skip + wanted);
      skip = Math.max(0, skip - value.length);
      wanted -= piece.length;
      if (piece.length) onData(piece);
    }
    if (range && wanted > 0 && wanted < Number.POSITIVE_INFINITY)
      throw new HttpError('the answer ended before the byte range');
    return { url: response.url || url, rangeIgnored: range && status === 200 };
  } finally {
    // After a complete body this does nothing; otherwise it frees the connection.
    reader.cancel().catch(() => {});
  }
}

/**
 * The whole body of `url`, or of its bytes `range`, if that is `limit` bytes or less; see {@link stream}.
 *
 * @throws also `TooLargeError`
 */
export async function fetchBytes(
  url: string,
  range: ByteRange | undefined,
  limit: number,
  signal: AbortSignal,
  fresh = false,
): Promise<Answer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const onData = (piece: Uint8Array) => {
    length += piece.length;
    if (length > limit) throw new TooLargeError('the answer is larger than allowed');
    pieces.push(piece);
  };
  const answered = await stream(url, range, signal, onData, fresh);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return { bytes, url: answered.url };
}

/** A document as text (UTF-8; a byte order mark is removed), with the URL that its own URLs are relative to. */
export async function fetchText(
  url: string,
  limit: number,
  signal: AbortSignal,
  fresh = false,
): Promise<[text: string, url: string]> {
  const answer = await fetchBytes(url, undefined, limit, signal, fresh);
  try {
    return [new TextDecoder('utf-8', { fatal: true }).decode(answer.bytes), answer.url];
  } catch {
    throw new Error('the answer is not UTF-8');
  }
}
