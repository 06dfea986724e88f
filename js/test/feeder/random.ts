/** Numbers for tests that try many cases: the same in every run. */

/** Integers from `least` on, below `end`. */
export function randomIntegers(seed: number): (least: number, end: number) => number {
  let state = seed;
  return (least, end) => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return least + ((state >>> 0) % (end - least));
  };
}
