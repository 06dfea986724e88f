//! What a tracker says unasked (extension): root `PPSPTrackerEvent`, only on WebSocket faces.

use serde::{Deserialize, Serialize};

use crate::VERSION;
use crate::error::{DecodeError, EncodeError, ErrorCode};
use crate::signal::Signal;
use crate::tolerant::{number, optional_number, write_frame};

/// What the tracker accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest frame, bytes.
    #[serde(default, deserialize_with = "number")]
    pub frame: u64,
    /// Most batch offers in one CONNECT or FIND.
    #[serde(default, deserialize_with = "number")]
    pub offers: u64,
    /// Most peers in one answer.
    #[serde(default, deserialize_with = "number")]
    pub peers: u64,
    /// Longest session description, bytes.
    #[serde(default, deserialize_with = "number")]
    pub sdp: u64,
}

/// First frame of a tracker on a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// What the proof in CONNECT signs: 32 bytes as base64url, used once.
    pub nonce: String,
    /// The tracker's clock, Unix ms.
    pub time: u64,
    /// Extensions the tracker speaks.
    pub supports: Vec<String>,
    /// What it accepts.
    pub limits: Limits,
    /// Its key, where membership certificates are issued.
    pub tracker_key: Option<String>,
}

/// New settings from the tracker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Seconds between reports.
    pub interval: Option<u64>,
    /// Seconds after which a silent peer is forgotten.
    pub track_timeout: Option<u64>,
    /// The tracker drains: connect to this URL instead.
    pub reconnect: Option<String>,
}

/// The tracker ends the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bye {
    /// Why, as an error code.
    pub code: ErrorCode,
    /// Seconds to wait before coming back.
    pub retry_after: Option<u64>,
    /// Why, in words.
    pub reason: Option<String>,
}

/// One push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// First frame on a socket.
    Hello(Hello),
    /// An envelope from another peer.
    Signal(Box<Signal>),
    /// New settings.
    Config(Config),
    /// The session ends.
    Bye(Bye),
    /// An event not known here; to be ignored.
    Other(String),
}

#[derive(Serialize)]
struct WriteRoot<'a> {
    #[serde(rename = "PPSPTrackerEvent")]
    event: WriteEvent<'a>,
}

#[derive(Default, Serialize)]
struct WriteEvent<'a> {
    version: u64,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    supports: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<&'a Limits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracker_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a Signal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track_timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnect: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Deserialize)]
pub(crate) struct ReadEvent {
    #[serde(deserialize_with = "number")]
    version: u64,
    event: String,
    nonce: Option<String>,
    #[serde(default, deserialize_with = "optional_number")]
    time: Option<u64>,
    #[serde(default)]
    supports: Vec<String>,
    #[serde(default)]
    limits: Limits,
    tracker_key: Option<String>,
    signal: Option<Box<Signal>>,
    #[serde(default, deserialize_with = "optional_number")]
    interval: Option<u64>,
    #[serde(default, deserialize_with = "optional_number")]
    track_timeout: Option<u64>,
    reconnect: Option<String>,
    #[serde(default, deserialize_with = "optional_number")]
    code: Option<u64>,
    #[serde(default, deserialize_with = "optional_number")]
    retry_after: Option<u64>,
    reason: Option<String>,
}

impl Event {
    /// The frame.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when it does not fit.
    pub fn encode(&self) -> Result<String, EncodeError> {
        let mut event = WriteEvent {
            version: VERSION,
            ..WriteEvent::default()
        };
        match self {
            Self::Hello(hello) => {
                event.event = "HELLO";
                event.nonce = Some(&hello.nonce);
                event.time = Some(hello.time);
                event.supports = &hello.supports;
                event.limits = Some(&hello.limits);
                event.tracker_key = hello.tracker_key.as_deref();
            }
            Self::Signal(signal) => {
                event.event = "SIGNAL";
                event.signal = Some(signal);
            }
            Self::Config(config) => {
                event.event = "CONFIG";
                event.interval = config.interval;
                event.track_timeout = config.track_timeout;
                event.reconnect = config.reconnect.as_deref();
            }
            Self::Bye(bye) => {
                event.event = "BYE";
                event.code = Some(bye.code as u8);
                event.retry_after = bye.retry_after;
                event.reason = bye.reason.as_deref();
            }
            Self::Other(name) => event.event = name,
        }
        write_frame(&WriteRoot { event })
    }

    pub(crate) fn from_wire(event: ReadEvent) -> Result<Self, DecodeError> {
        if event.version != VERSION {
            return Err(DecodeError::Version(event.version));
        }
        Ok(match event.event.as_str() {
            "HELLO" => Self::Hello(Hello {
                nonce: event
                    .nonce
                    .ok_or_else(|| DecodeError::member("nonce", "missing"))?,
                time: event.time.ok_or_else(|| DecodeError::member("time", "missing"))?,
                supports: event.supports,
                limits: event.limits,
                tracker_key: event.tracker_key,
            }),
            "SIGNAL" => {
                let signal = event
                    .signal
                    .ok_or_else(|| DecodeError::member("signal", "missing"))?;
                signal.check()?;
                Self::Signal(signal)
            }
            "CONFIG" => Self::Config(Config {
                interval: event.interval,
                track_timeout: event.track_timeout,
                reconnect: event.reconnect,
            }),
            "BYE" => Self::Bye(Bye {
                code: ErrorCode::from_number(event.code.unwrap_or(0))
                    .ok_or_else(|| DecodeError::member("code", "not one of 0 to 6"))?,
                retry_after: event.retry_after,
                reason: event.reason,
            }),
            _ => Self::Other(event.event),
        })
    }
}
