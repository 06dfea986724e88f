/** From the media's own timestamps to the playlist's timeline. */

/** Differences below this (seconds) are left to the media: tracks are made to start a little apart. */
const TOLERANCE = 0.5;
/** Discontinuities a presentation may have. */
const MAX_DISCONTINUITIES = 4096;

/** The offset of each discontinuity of a presentation (RFC 8216 §4.3.2.3), the same for all its tracks. */
export interface Timeline {
  /**
   * The timestamp offset (seconds) for a segment of this discontinuity, which begins at `start` in the playlist and at
   * `mediaStart` by its own timestamps. The first segment seen decides for all.
   */
  offset(discontinuity: number, start: number, mediaStart: number | undefined): number;
  /** Timestamps of this discontinuity mean something else from now on: the next segment decides anew. */
  forget(discontinuity: number): void;
}

/** One that has seen nothing yet. */
export function createTimeline(): Timeline {
  const offsets = new Map<number, number>();
  return {
    offset: (discontinuity, start, mediaStart) => {
      const known = offsets.get(discontinuity);
      if (known !== undefined || mediaStart === undefined) return known ?? 0;
      const difference = start - mediaStart;
      const offset = Math.abs(difference) < TOLERANCE ? 0 : difference;
      if (offsets.size < MAX_DISCONTINUITIES) offsets.set(discontinuity, offset);
      return offset;
    },
    forget: (discontinuity) => {
      offsets.delete(discontinuity);
    },
  };
}
