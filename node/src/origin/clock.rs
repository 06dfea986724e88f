//! What time it is: this command owns a clock.
#![allow(clippy::disallowed_methods, reason = "a driver owns a clock")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ppspp::Timestamp;

/// For how long something takes.
pub fn now() -> Instant {
    Instant::now()
}

/// For when something was signed; zero before 1970.
pub fn unix() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
