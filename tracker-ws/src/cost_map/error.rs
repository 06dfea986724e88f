//! Why a map cannot be used.

use std::io;

use super::MAX_DOCUMENT;

/// What is wrong with a network map or a cost map.
#[derive(Debug, thiserror::Error)]
pub enum CostMapError {
    /// It cannot be read.
    #[error("{document}: {source}")]
    Read {
        /// The file.
        document: String,
        /// Why.
        source: io::Error,
    },
    /// It has more than 32 MiB.
    #[error("{document}: longer than {MAX_DOCUMENT} bytes")]
    TooLong {
        /// The file.
        document: String,
    },
    /// It is not JSON.
    #[error("{document}: {source}")]
    Json {
        /// The file.
        document: String,
        /// Why, and where.
        source: serde_json::Error,
    },
    /// It says something that it must not.
    #[error("{document}: {member}: {problem}")]
    Member {
        /// The file.
        document: String,
        /// Where in it, e.g. `network-map.PID1.ipv4[2]`.
        member: String,
        /// What is wrong there.
        problem: String,
    },
}
