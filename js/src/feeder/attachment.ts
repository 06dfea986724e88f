/** A MediaSource (or ManagedMediaSource) on a media element. */

import { mediaSourceError, unsupported } from './error.js';
import { createQueue, type OperationQueue } from './source-buffer.js';

type MediaSourceClass = typeof MediaSource;

/** What a ManagedMediaSource has besides. */
interface Managed {
  readonly streaming?: boolean;
}

/** The element's source, taken away when it is closed. */
export interface Attachment {
  readonly mediaSource: MediaSource;
  /** Waits until the element has opened the source. */
  opened(): Promise<void>;
  /** Adds a SourceBuffer of this type. */
  add(mime: string): OperationQueue;
  /** Does the element still use this media source? */
  isCurrent(): boolean;
  /** May segments be appended? False once ended (an append opens it again) or closed. */
  isOpen(): boolean;
  /** Does the browser want data now? Only a ManagedMediaSource ever says no. */
  streaming(): boolean;
  close(): void;
}

/** This browser's class of media sources: a plain one if there is one, since it buffers what it is told to. */
export function mediaSourceClass(): MediaSourceClass {
  const page = globalThis as { MediaSource?: MediaSourceClass; ManagedMediaSource?: MediaSourceClass };
  const found = page.MediaSource ?? page.ManagedMediaSource;
  if (!found) throw unsupported('no Media Source Extensions in this browser');
  return found;
}

/** Makes a media source and gives it to the element. */
export function attachMediaSource(video: HTMLVideoElement, Class: MediaSourceClass): Attachment {
  const mediaSource = new Class();
  const managed = 'streaming' in mediaSource;
  const opened = new Promise((resolve) => mediaSource.addEventListener('sourceopen', resolve, { once: true }));
  const url = URL.createObjectURL(mediaSource);
  // Without this the element waits for an AirPlay alternative and never opens the source.
  if (managed) video.disableRemotePlayback = true;
  video.src = url;
  const isCurrent = () => video.src === url;
  const isOpen = () => mediaSource.readyState === 'open';
  return {
    mediaSource,
    opened: async () => {
      await opened;
      if (!isOpen()) throw mediaSourceError('was closed at once');
    },
    add: (mime) => {
      try {
        return createQueue(mediaSource.addSourceBuffer(mime), mime);
      } catch (error) {
        throw mediaSourceError(error);
      }
    },
    isCurrent,
    isOpen,
    streaming: () => !managed || !!(mediaSource as Managed).streaming,
    close: () => {
      if (isCurrent()) {
        video.removeAttribute('src');
        video.load();
      }
      URL.revokeObjectURL(url);
    },
  };
}
