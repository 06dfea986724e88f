//! Why a poll has brought no maps.

use std::time::Duration;

use crate::cost_map::CostMapError;
use crate::fetch::FetchError;
use crate::metrics::ReadResult;

#[derive(Debug, thiserror::Error)]
pub(super) enum AltoError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{url}: {problem}")]
    Directory { url: String, problem: String },
    #[error(transparent)]
    Content(CostMapError),
    #[error("the tracker ends")]
    Stopped,
}

impl AltoError {
    /// As it is counted.
    pub(super) fn result(&self) -> ReadResult {
        match self {
            Self::Fetch(error) => error.result(),
            Self::Stopped => ReadResult::Unreachable,
            Self::Directory { .. } | Self::Content(_) => ReadResult::Invalid,
        }
    }

    /// How long the server asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Fetch(error) => error.retry_after(),
            _ => None,
        }
    }
}
