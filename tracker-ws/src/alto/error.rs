//! Why a poll has brought no maps.

use hyper::StatusCode;

use crate::cost_map::{CostMapError, MAX_DOCUMENT};
use crate::metrics::MapRead;

/// With the URL it is about.
#[derive(Debug, thiserror::Error)]
pub(super) enum AltoError {
    #[error("{url}: not a URL such as http://alto.example/networkmap")]
    Url { url: String },
    #[error("{url}: {source}")]
    Unreachable { url: String, source: std::io::Error },
    #[error("{url}: {source}")]
    Http { url: String, source: hyper::Error },
    #[error("{url}: not answered within {seconds} s")]
    TimedOut { url: String, seconds: f64 },
    #[error("{url}: status {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url}: media type {found:.100}, not {expected}")]
    MediaType {
        url: String,
        found: String,
        expected: &'static str,
    },
    #[error("{url}: longer than {MAX_DOCUMENT} bytes")]
    TooLong { url: String },
    #[error("{url}: broken off, or not UTF-8")]
    Body { url: String },
    #[error(transparent)]
    Content(CostMapError),
    #[error("the tracker ends")]
    Stopped,
}

impl AltoError {
    /// As it is counted.
    pub(super) fn read(&self) -> MapRead {
        match self {
            Self::Url { .. }
            | Self::Unreachable { .. }
            | Self::Http { .. }
            | Self::Body { .. }
            | Self::Stopped => MapRead::Unreachable,
            Self::TimedOut { .. } => MapRead::TimedOut,
            Self::Status { .. } => MapRead::Status,
            Self::MediaType { .. } => MapRead::MediaType,
            Self::TooLong { .. } => MapRead::TooLong,
            Self::Content(_) => MapRead::Invalid,
        }
    }
}
