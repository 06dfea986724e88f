/** Why the feeder cannot play something. */

import { messageOf } from '../errors.js';

/** Nothing is wrong with it, but it takes another player: `unsupported`. The player has been detached: `detached`. */
export type FeederErrorKind = 'unsupported' | 'detached' | 'failed';

/** Why a presentation cannot be attached, or a part of it not be played. Its name is the reason of the fallback. */
export class FeederError extends Error {
  override name = 'media-source';

  constructor(
    message: string,
    readonly kind: FeederErrorKind = 'failed',
  ) {
    super(message);
  }
}

/** It takes another player (hls.js, or the browser's own). */
export const unsupported = (what: string) => new FeederError(`not supported: ${what}`, 'unsupported');

/** A playlist could not be loaded or understood. */
export const playlistError = (url: string, reason: string) => new FeederError(`playlist ${url}: ${reason}`);

/** The browser refused something. */
export const mediaSourceError = (why: unknown) => new FeederError(`MediaSource: ${messageOf(why)}`);

/** The player was detached meanwhile. */
export const detached = () => new FeederError('detached', 'detached');
