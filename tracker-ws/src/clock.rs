//! The one place that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracker_protocol::server::Timestamp;

/// Microseconds since the tracker started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the driver owns the clock")]
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the driver owns the clock")]
    pub(crate) fn now(&self) -> Timestamp {
        micros(Instant::now().duration_since(self.start))
    }

    /// The date.
    #[expect(clippy::disallowed_methods, reason = "the driver owns the clock")]
    pub(crate) fn date() -> SystemTime {
        SystemTime::now()
    }

    /// Unix ms.
    pub(crate) fn unix_ms() -> u64 {
        let since = Self::date().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A duration as the state machines count.
pub(crate) fn micros(duration: Duration) -> Timestamp {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}
