/** Segments for a player that has no other way to them: through the engine, or else straight from the origin. */

import type { SegmentLoad, SegmentRequest, Shoal } from './engine.js';
import { fetchBytes } from './http.js';

/** Longest segment loaded whole into memory, in bytes. */
const MAX_SEGMENT = 512 * 1024 * 1024;

/** What the wasm peer calls the error of a load that is not for it: nothing promises what the bytes are to be. */
const UNCOVERED = 'uncovered';

/** Loads a segment as {@link Shoal.loadSegment} does; what no swarm covers as a page without Shoal would. */
export function loadSegment(shoal: Shoal, request: SegmentRequest): SegmentLoad | undefined {
  const load = shoal.loadSegment(request);
  if (!load) return undefined;
  const abort = new AbortController();
  const plain = async (): Promise<ArrayBuffer> => {
    const { url, start, end } = request;
    const { bytes } = await fetchBytes(url, start < 0 ? undefined : [start, end], MAX_SEGMENT, abort.signal);
    shoal.countPlainBytes(bytes.length);
    return bytes.buffer;
  };
  return {
    ...load,
    bytes: load.bytes.catch((error) => {
      if (error?.name !== UNCOVERED) throw error;
      return plain();
    }),
    cancel: () => {
      load.cancel();
      abort.abort();
    },
  };
}
