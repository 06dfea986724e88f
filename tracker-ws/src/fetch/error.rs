//! Why a poll has brought nothing.

use std::time::Duration;

use hyper::StatusCode;

use crate::metrics::ReadResult;

/// With the URL it is about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{url}: {source}")]
    Unreachable { url: String, source: std::io::Error },
    #[error("{url}: TLS: {source}")]
    Tls { url: String, source: std::io::Error },
    #[error("{url}: {source}")]
    Http { url: String, source: hyper::Error },
    #[error("{url}: not answered within {seconds} s")]
    TimedOut { url: String, seconds: f64 },
    #[error("{url}: status {status}")]
    Status {
        url: String,
        status: StatusCode,
        /// The server asks not to be asked before.
        retry_after: Option<Duration>,
    },
    #[error("{url}: redirected to nowhere, or more than 5 times")]
    Redirections { url: String },
    #[error("{url}: redirected from TLS to {to}, which has none")]
    Downgraded { url: String, to: String },
    #[error("{url}: neither https: nor on this machine")]
    Unguarded { url: String },
    #[error("{url}: media type {found:.100}, not {expected}")]
    MediaType {
        url: String,
        found: String,
        expected: &'static str,
    },
    #[error("{url}: longer than {limit} bytes")]
    TooLong { url: String, limit: usize },
    #[error("{url}: broken off, or not UTF-8")]
    Body { url: String },
}

impl FetchError {
    /// As it is counted.
    pub(crate) fn result(&self) -> ReadResult {
        match self {
            Self::Unreachable { .. } | Self::Http { .. } | Self::Body { .. } => ReadResult::Unreachable,
            Self::Tls { .. } => ReadResult::Tls,
            Self::TimedOut { .. } => ReadResult::TimedOut,
            Self::Status { .. } => ReadResult::Status,
            Self::Redirections { .. } | Self::Downgraded { .. } | Self::Unguarded { .. } => {
                ReadResult::Redirection
            }
            Self::MediaType { .. } => ReadResult::MediaType,
            Self::TooLong { .. } => ReadResult::TooLong,
        }
    }

    /// How long the server asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
