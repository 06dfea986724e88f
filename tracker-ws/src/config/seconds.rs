//! Durations in a file: seconds, as whole numbers where they are.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of seconds")]
enum Seconds {
    Whole(u64),
    Part(f64),
}

pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    match duration.subsec_nanos() {
        0 => to.serialize_u64(duration.as_secs()),
        _ => to.serialize_f64(duration.as_secs_f64()),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    match Seconds::deserialize(from)? {
        Seconds::Whole(seconds) => Ok(Duration::from_secs(seconds)),
        Seconds::Part(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|_| D::Error::custom(format_args!("{seconds} is no number of seconds"))),
    }
}

/// Of a setting that may be absent.
pub(super) mod optional {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, to),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(from).map(Some)
    }
}
