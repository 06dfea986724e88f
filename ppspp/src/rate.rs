//! Measured rates and round trips.

use core::time::Duration;

/// After this much busy time a measurement counts half: long enough to bridge pauses of a second, short enough to
/// notice a link that slows down.
const HALF_LIFE: f64 = 3.0;

/// Bytes per second while there was something to transfer, as an average that forgets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RateMeter {
    bytes: f64,
    busy: f64,
}

impl RateMeter {
    /// `bytes` took `busy` of transfer time.
    pub(crate) fn record(&mut self, bytes: usize, busy: Duration) {
        let seconds = busy.as_secs_f64();
        // A quotient, not a power: the same to the last bit on every platform.
        let keep = HALF_LIFE / (HALF_LIFE + seconds);
        self.bytes = self.bytes * keep + bytes as f64;
        self.busy = self.busy * keep + seconds;
    }

    /// Bytes per second; `None` before anything was measured.
    pub(crate) fn rate(&self) -> Option<f64> {
        // A first burst out of a kernel buffer takes no time at all: no rate can be told from it.
        (self.busy > 0.001).then(|| self.bytes / self.busy)
    }
}

/// Smoothed time from a question to the first byte of its answer (as in RFC 6298, with a gain of 1/8).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrip {
    smoothed: Option<Duration>,
}

impl RoundTrip {
    /// One sample.
    pub(crate) fn record(&mut self, sample: Duration) {
        self.smoothed = Some(
            self.smoothed
                .map_or(sample, |smoothed| smoothed * 7 / 8 + sample / 8),
        );
    }

    /// The smoothed time, or `unknown` before the first sample.
    pub(crate) fn or(&self, unknown: Duration) -> Duration {
        self.smoothed.unwrap_or(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_change_and_bridges_a_pause() {
        let mut meter = RateMeter::default();
        assert_eq!(meter.rate(), None);
        for _ in 0..50 {
            meter.record(10_000, Duration::from_millis(100));
        }
        assert!((meter.rate().unwrap() - 100_000.0).abs() < 1.0);
        meter.record(10_000, Duration::from_millis(700));
        assert!(
            meter.rate().unwrap() > 75_000.0,
            "one pause is no new rate: {:?}",
            meter.rate()
        );
        for _ in 0..20 {
            meter.record(10_000, Duration::from_secs(1));
        }
        assert!(meter.rate().unwrap() < 12_000.0);
    }
}
