//! Why a map cannot be used.

use std::io;

use maxminddb::MaxMindDbError;

/// What is wrong with a map, or with what it is made of.
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
    /// It has more bytes than can be used.
    #[error("{document}: longer than {limit} bytes")]
    TooLong {
        /// The file.
        document: String,
        /// The most, bytes.
        limit: usize,
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
    /// A line of a list of prefixes is wrong.
    #[error("{document}:{line}:{column}: {problem}")]
    Line {
        /// The file.
        document: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1 in characters.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// It is no database of MaxMind's format.
    #[error("{document}: {source}")]
    Database {
        /// The file.
        document: String,
        /// Why.
        source: Box<MaxMindDbError>,
    },
}
