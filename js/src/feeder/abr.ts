/**
 * Which rendition to load next: simple and calm.
 *
 * Rates from peers come in bursts, so a switch up needs a clear margin, a comfortable buffer and some time since the
 * last switch; a switch down needs real danger.
 */

/** Of the measured rate, the part that the first rendition may use. */
const START_SHARE = 0.7;
/** How much faster than a rendition's bandwidth the rate must be to switch up to it. */
const UP_MARGIN = 1.4;
/** Seconds that must be buffered to switch up. */
const UP_BUFFER = 10;
/** Below this many buffered seconds a switch down is considered. */
const DOWN_BUFFER = 5;
/** The same as parts of what a live player can buffer, where that is less. */
const UP_SHARE = 0.6;
const DOWN_SHARE = 0.35;
/** Milliseconds between two switches by measurement. */
const PAUSE = 8000;

/** What is known when the choice is made. */
export interface Conditions {
  /** Milliseconds of any monotonic clock. */
  now: number;
  /** Bits per second over all sources, if measured. */
  rate: number | undefined;
  /** Seconds buffered ahead of the playhead. */
  buffer: number;
  /** Seconds that can be buffered at most: how far a live player holds back. Infinite for video on demand. */
  reach: number;
  /** A load under way has missed its deadline. */
  late: boolean;
  /** Nothing more is needed: a thin buffer at the end is no danger. */
  complete: boolean;
}

/** The choice of rendition. Indexes are those of the bandwidths given to {@link createAbr}. */
export interface Abr {
  /** The rendition to load. */
  current(): number;
  /** The viewer's choice; `undefined` hands it back to the measurement. Returns whether the rendition changed. */
  pin(choice: number | undefined): boolean;
  /** This rendition cannot be loaded: it is never chosen again. Goes to `back` if it was the current one. */
  exclude(index: number, back: number): void;
  /** Looks at the conditions and returns the rendition to change to, if any. */
  decide(conditions: Conditions): number | undefined;
}

/**
 * Begins with the highest bandwidth within the known rate, else with the first listed: the publisher's preference.
 *
 * @param bandwidths  bits per second, not empty
 */
export function createAbr(bandwidths: readonly number[], startRate: number | undefined): Abr {
  const unusable = new Set<number>();
  let current = 0;
  let pinned = false;
  let switched = Number.NEGATIVE_INFINITY;
  /** Those that fit, the lowest bandwidth first. */
  const fitting = (fits: (bandwidth: number) => boolean) =>
    [...bandwidths.keys()]
      .filter((index) => !unusable.has(index) && fits(bandwidths[index] as number))
      .sort((a, b) => (bandwidths[a] as number) - (bandwidths[b] as number));
  const best = (fits: (bandwidth: number) => boolean) => fitting(fits).at(-1);
  const lowest = () => fitting(() => true)[0] ?? current;
  if (startRate !== undefined) current = best((bandwidth) => bandwidth <= START_SHARE * startRate) ?? lowest();
  return {
    current: () => current,
    pin: (choice) => {
      pinned = choice !== undefined;
      if (choice === undefined || choice === current || !(choice in bandwidths)) return false;
      current = choice;
      return true;
    },
    exclude: (index, back) => {
      unusable.add(index);
      if (current !== index) return;
      current = back;
      pinned = false;
    },
    decide: ({ now, rate, buffer, reach, late, complete }) => {
      if (rate === undefined || pinned || complete || now - switched < PAUSE) return undefined;
      const bandwidth = bandwidths[current] as number;
      let chosen: number | undefined;
      if (buffer < Math.min(DOWN_BUFFER, DOWN_SHARE * reach) && (rate < bandwidth || late)) {
        // A late load with a good rate is a hiccup of one source: one step down is enough.
        const limit = Math.min(START_SHARE * rate, bandwidth - 1);
        chosen = best((other) => other <= limit) ?? lowest();
      } else if (buffer > Math.min(UP_BUFFER, UP_SHARE * reach)) {
        chosen = best((other) => other > bandwidth && UP_MARGIN * other < rate);
      }
      if (chosen === undefined || chosen === current) return undefined;
      current = chosen;
      switched = now;
      return chosen;
    },
  };
}
