//! Why the feeder cannot play something.

/// Why a presentation cannot be attached, or a part of it not be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeederError {
    /// Nothing is wrong with it, but it takes another player (hls.js, or the browser's own).
    #[error("not supported: {0}")]
    Unsupported(String),
    /// A playlist could not be loaded or understood.
    #[error("playlist {url}: {reason}")]
    Playlist {
        /// Its absolute URL.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// An init section could not be loaded, or is not the one the manifest describes.
    #[error("init section {url}: {reason}")]
    Init {
        /// Its absolute URL.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The browser refused something; the text says what.
    #[error("MediaSource: {0}")]
    MediaSource(String),
    /// The player was detached meanwhile.
    #[error("detached")]
    Detached,
}

impl FeederError {
    /// An [`FeederError::Unsupported`].
    pub fn unsupported(what: &str) -> Self {
        Self::Unsupported(what.into())
    }
}
