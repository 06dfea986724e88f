//! Waiting times between attempts, and the random numbers they need.

use super::SECOND;

const CAP: u64 = 60 * SECOND;
const OVERLOAD: u64 = 5 * SECOND;
const OVERLOAD_CAP: u64 = 300 * SECOND;

/// Full jitter over 1 s × 2ⁿ, at most 60 s; n counts failures in a row.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: seed,
        }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// A random number below `limit`, which is not 0 (SplitMix64: for jitter, never for secrets).
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((u128::from(mixed) * u128::from(limit.max(1))) >> 64) as u64
    }

    /// The next wait, µs.
    pub(super) fn next(&mut self) -> u64 {
        let limit = (SECOND << self.failures.min(6)).min(CAP);
        self.failures = self.failures.saturating_add(1);
        self.below(limit + 1)
    }

    /// The wait an overloaded tracker gets that named none: 5 s × 2ⁿ.
    pub(super) fn overload(&self) -> u64 {
        (OVERLOAD << self.failures.min(6)).min(OVERLOAD_CAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_with_full_jitter() {
        let mut longest = [0; 10];
        let mut shortest = [u64::MAX; 10];
        for seed in 0..300 {
            let mut backoff = Backoff::new(seed);
            for n in 0..10 {
                let wait = backoff.next();
                assert!(wait <= (SECOND << n).min(CAP));
                longest[n] = longest[n].max(wait);
                shortest[n] = shortest[n].min(wait);
            }
        }
        for n in 0..10 {
            let limit = (SECOND << n).min(CAP);
            assert!(longest[n] > limit / 10 * 9 && shortest[n] < limit / 10, "n = {n}");
        }
    }
}
