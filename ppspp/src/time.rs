//! Time as the driver tells it.

use core::ops::{Add, AddAssign};
use core::time::Duration;

/// So many seconds; none for less than 0 and what is no number.
///
/// In place of [`Duration::from_secs_f64`], which panics then and is ten times the code in the browser's bundle.
#[cfg_attr(target_family = "wasm", inline(never))]
pub fn seconds(seconds: f64) -> Duration {
    Duration::from_nanos((seconds * 1e9 + 0.5) as u64)
}

/// Microseconds since the Unix epoch by the driver's clock, which must never run backwards.
///
/// The epoch matters only for the timestamp of DATA (RFC 7574 §8.6), where just differences are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time from `earlier` to `self`; zero when `earlier` is later.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    #[cfg_attr(target_family = "wasm", inline(never))]
    fn add(self, duration: Duration) -> Self {
        // In 64 bits, for the sake of the browser's bundle.
        let seconds = duration.as_secs().saturating_mul(1_000_000);
        let micros = seconds.saturating_add(u64::from(duration.subsec_micros()));
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}
