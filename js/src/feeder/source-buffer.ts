/**
 * A SourceBuffer with its operations one at a time, each a promise that ends with `updateend`.
 *
 * A track's appender is the only one to call it, so the order of operations is the order of its calls. They fail with
 * what the browser throws, for example a `QuotaExceededError`, and with `detached` once the feeder ends.
 */

import { detached } from './error.js';
import { type Buffered, readRanges } from './window.js';

/** One SourceBuffer. */
export interface OperationQueue {
  /** What it holds; nothing once it is removed from its media source. */
  buffered(): Buffered;
  /** Is an operation under way? */
  updating(): boolean;
  append(data: BufferSource): Promise<void>;
  /** Removes what lies between two media times (seconds). */
  remove(start: number, end: number): Promise<void>;
  /** Prepares for media of another type, if it is another. */
  changeType(mime: string): void;
  /** Shifts what is appended from now on by so many seconds. */
  setTimestampOffset(offset: number): void;
  /** Ends the operation under way and all later ones. */
  close(): void;
}

/** Takes the SourceBuffer over. `mime` is the type it was made with. */
export function createQueue(buffer: SourceBuffer, mime: string): OperationQueue {
  let closed = false;
  /** Ends the operation under way. */
  let end: (error?: Error) => void = () => {};
  let failure: Error | undefined;
  const onError = () => {
    failure = new Error('the browser cannot decode it');
  };
  const onEnd = () => end(failure);
  buffer.addEventListener('error', onError);
  buffer.addEventListener('updateend', onEnd);
  const check = () => {
    if (closed) throw detached();
  };
  const run = (operation: () => void) =>
    new Promise<void>((resolve, reject) => {
      check();
      failure = undefined;
      operation();
      end = (error) => (error ? reject(error) : resolve());
    });
  return {
    buffered: () => {
      try {
        return readRanges(buffer.buffered);
      } catch {
        return [];
      }
    },
    updating: () => buffer.updating,
    append: (data) => run(() => buffer.appendBuffer(data)),
    remove: (start, end) => run(() => buffer.remove(start, end)),
    changeType: (type) => {
      check();
      if (type === mime) return;
      buffer.changeType(type);
      mime = type;
    },
    setTimestampOffset: (offset) => {
      check();
      if (buffer.timestampOffset !== offset) buffer.timestampOffset = offset;
    },
    close: () => {
      closed = true;
      buffer.removeEventListener('error', onError);
      buffer.removeEventListener('updateend', onEnd);
      end(detached());
    },
  };
}
