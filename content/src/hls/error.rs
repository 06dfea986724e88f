//! Why something is not a playlist.

use super::{MAX_INIT_SECTIONS, MAX_LENGTH, MAX_RENDITIONS, MAX_SEGMENTS, MAX_TEXT_LENGTH};

/// Why a text is not a playlist that can be used, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PlaylistError {
    /// Line of the playlist, counted from 1 (0 for the whole).
    pub line: u32,
    /// What is wrong there. Boxed, as every `?` of the readers moves it.
    pub problem: Box<Problem>,
}

impl PlaylistError {
    pub(super) fn new(line: u32, problem: Problem) -> Self {
        let problem = Box::new(problem);
        Self { line, problem }
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Longer than [`MAX_LENGTH`].
    #[error("playlist of {0} bytes, at most {MAX_LENGTH} are accepted")]
    TooLong(usize),
    /// The first line is not `#EXTM3U`.
    #[error("does not start with #EXTM3U")]
    NotAPlaylist,
    /// A tag of the other kind of playlist.
    #[error("{0} in a multivariant playlist")]
    WrongKind(&'static str),
    /// A tag that changes the meaning of the playlist and is not supported.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// An attribute list that is not one.
    #[error("{0}: not an attribute list")]
    AttributeList(&'static str),
    /// More attributes than any tag has.
    #[error("{0}: too many attributes")]
    TooManyAttributes(&'static str),
    /// An attribute given twice.
    #[error("{tag}: {attribute} given twice")]
    DuplicateAttribute {
        /// The tag.
        tag: &'static str,
        /// Its attribute.
        attribute: String,
    },
    /// An attribute that must be there.
    #[error("{tag}: no {attribute}")]
    MissingAttribute {
        /// The tag.
        tag: &'static str,
        /// Its attribute.
        attribute: &'static str,
    },
    /// A value of another form.
    #[error("{tag}: {attribute} is not {want}")]
    Attribute {
        /// The tag.
        tag: &'static str,
        /// Its attribute, or "value".
        attribute: &'static str,
        /// The form it must have.
        want: &'static str,
    },
    /// No URI where one must be.
    #[error("{0} without a URI line after it")]
    MissingUri(&'static str),
    /// A URI that no tag announced.
    #[error("URI without {0} before it")]
    UnexpectedUri(&'static str),
    /// A URI of no characters.
    #[error("empty URI")]
    EmptyUri,
    /// A text longer than [`MAX_TEXT_LENGTH`].
    #[error("text of {0} bytes, at most {MAX_TEXT_LENGTH} are accepted")]
    TextTooLong(usize),
    /// A URI or string with a control character.
    #[error("control character")]
    ControlCharacter,
    /// A tag that may stand only once.
    #[error("{0} given twice")]
    Twice(&'static str),
    /// A tag that must be in the playlist.
    #[error("no {0} in the playlist")]
    MissingTag(&'static str),
    /// A byte range without offset whose predecessor is not a range of the same resource.
    #[error("EXT-X-BYTERANGE without offset, and the segment before is no byte range of this URI")]
    ImplicitOffset,
    /// A byte range that is empty or ends too far out.
    #[error("{0}: empty or too large a byte range")]
    ByteRange(&'static str),
    /// More segments than [`MAX_SEGMENTS`].
    #[error("more than {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// More init sections than [`MAX_INIT_SECTIONS`].
    #[error("more than {MAX_INIT_SECTIONS} different EXT-X-MAP")]
    TooManyInitSections,
    /// More variants or renditions than [`MAX_RENDITIONS`].
    #[error("more than {MAX_RENDITIONS} {0}")]
    TooManyRenditions(&'static str),
}
