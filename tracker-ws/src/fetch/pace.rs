//! How long from one poll to the next.

use std::cmp::min;
use std::time::Duration;

/// Before the first retry; doubled with each failure, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// A wait is shortened by up to this part, at random: so many trackers do not poll together.
pub(crate) const JITTER: f64 = 0.2;

/// Counts failures, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    failures: u32,
}

impl Pace {
    /// Until the next poll after one that was answered. `shorter` is random, from 0 to [`JITTER`].
    pub(crate) fn after_success(&mut self, interval: Duration, shorter: f64) -> Duration {
        self.failures = 0;
        interval.mul_f64(1.0 - shorter)
    }

    /// The same after one that failed, and not before what the server has asked for.
    pub(crate) fn after_failure(
        &mut self,
        interval: Duration,
        retry_after: Option<Duration>,
        shorter: f64,
    ) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let wait = min(FIRST_RETRY.saturating_mul(doubled), interval);
        wait.mul_f64(1.0 - shorter).max(retry_after.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_become_rarer_up_to_the_interval() {
        let interval = Duration::from_secs(60);
        let mut pace = Pace::default();
        let waits = |pace: &mut Pace| [(); 7].map(|()| pace.after_failure(interval, None, 0.0).as_secs());
        assert_eq!(waits(&mut pace), [5, 10, 20, 40, 60, 60, 60]);
        pace.failures = u32::MAX;
        assert_eq!(pace.after_failure(interval, None, 0.0), interval);
        assert_eq!(pace.after_success(interval, 0.2), Duration::from_secs(48));
        assert_eq!(waits(&mut pace)[0], 5);
        let short = Duration::from_secs(2);
        assert_eq!(pace.after_failure(short, None, 0.0), short);
    }

    #[test]
    fn a_server_is_not_asked_before_it_wants_to_be() {
        let (interval, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let mut pace = Pace::default();
        assert_eq!(pace.after_failure(interval, Some(hour), 0.2), hour);
        // The usual wait is longer.
        let wait = pace.after_failure(interval, Some(Duration::from_secs(1)), 0.0);
        assert_eq!(wait, Duration::from_secs(10));
    }
}
