//! Errors: the protocol's own codes, and what can be wrong with a frame.

use std::borrow::Cow;

/// Error codes of RFC 7846 §4.3 (IANA registry of PPSTP error codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ErrorCode {
    /// 00: no error; the only code that goes with response type SUCCESSFUL.
    NoError = 0,
    /// 01: the message is malformed.
    BadRequest = 1,
    /// 02: the version is not spoken here.
    UnsupportedVersion = 2,
    /// 03: not allowed in the peer's current state, or for this peer.
    Forbidden = 3,
    /// 04: the tracker met an unexpected condition.
    InternalError = 4,
    /// 05: the tracker is overloaded, or the peer asks too often.
    Unavailable = 5,
    /// 06: the peer ID must be proven first, or the proof is wrong.
    AuthenticationRequired = 6,
}

impl ErrorCode {
    /// The code with this number, if the registry has it.
    pub fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::NoError,
            1 => Self::BadRequest,
            2 => Self::UnsupportedVersion,
            3 => Self::Forbidden,
            4 => Self::InternalError,
            5 => Self::Unavailable,
            6 => Self::AuthenticationRequired,
            _ => return None,
        })
    }
}

impl core::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match self {
            Self::NoError => "No Error",
            Self::BadRequest => "Bad Request",
            Self::UnsupportedVersion => "Unsupported Version Number",
            Self::Forbidden => "Forbidden Action",
            Self::InternalError => "Internal Server Error",
            Self::Unavailable => "Service Unavailable",
            Self::AuthenticationRequired => "Authentication Required",
        };
        write!(f, "{:02} {name}", *self as u8)
    }
}

/// Why a frame was not understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The frame is longer than [`crate::MAX_FRAME`], or what is allowed on its channel.
    #[error("frame of {0} bytes is too long")]
    TooLong(usize),
    /// Not JSON, or nested too deep.
    #[error("{0}")]
    Json(Box<json::Error>),
    /// The version is not 1.
    #[error("version {0} is not spoken here")]
    Version(u64),
    /// A member is missing, of the wrong type, or says something that is not allowed.
    #[error("{0}")]
    Member(Box<MemberError>),
}

/// What is wrong with a member. Boxed, as every `?` of the readers moves it: 24 bytes instead of 8.
#[derive(Debug, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct MemberError {
    /// The member, as it is named on the wire, with the object it is in.
    pub member: Cow<'static, str>,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl From<json::Error> for DecodeError {
    fn from(error: json::Error) -> Self {
        Self::Json(Box::new(error))
    }
}

impl DecodeError {
    pub(crate) fn member(member: impl Into<Cow<'static, str>>, problem: &'static str) -> Self {
        let member = member.into();
        Self::Member(Box::new(MemberError { member, problem }))
    }
}

/// Why a message was not written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The frame would be longer than [`crate::MAX_FRAME`], or what is allowed on its channel.
    #[error("message of {0} bytes does not fit a frame")]
    TooLong(usize),
}

/// Why a [`crate::Signal`] cannot be signed or accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// An offer or answer without `sdp`, or a candidate without `cand`.
    #[error("{0}: missing")]
    Missing(&'static str),
    /// A session description without a DTLS fingerprint authenticates nothing.
    #[error("sdp: no a=fingerprint line")]
    NoFingerprint,
    /// A fingerprint line that is not `algorithm hex:hex:…`.
    #[error("sdp: a=fingerprint line is malformed")]
    BadFingerprint,
    /// The member is longer than allowed.
    #[error("{0}: too long")]
    TooLong(&'static str),
}
