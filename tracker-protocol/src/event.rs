//! What a tracker says unasked (extension): root `PPSPTrackerEvent`, only on WebSocket faces.

use json::Writer;

use crate::VERSION;
use crate::error::{EncodeError, ErrorCode};
use crate::read::{Members, Read};
use crate::signal::Signal;
use crate::write::{Fields, Write, frame, frame_of};

/// Room for a frame with an envelope, apart from its longest members, bytes.
const SIGNAL: usize = 1024;

/// What the tracker accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Longest frame, bytes.
    pub frame: u64,
    /// Most batch offers in one CONNECT or FIND.
    pub offers: u64,
    /// Most peers in one answer.
    pub peers: u64,
    /// Longest session description, bytes.
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
    /// Its key, where membership certificates are issued: key blob as base64url.
    pub tracker_key: Option<String>,
}

/// New settings from the tracker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Seconds between reports.
    pub interval: Option<u64>,
    /// Seconds after which a silent peer is forgotten.
    pub track_timeout: Option<u64>,
    /// The tracker drains: connect to this URL instead, or to any other tracker where it is empty.
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

impl Read for Limits {
    fn read(from: &Members<'_>) -> Self {
        Self {
            frame: from.number_or_zero("frame"),
            offers: from.number_or_zero("offers"),
            peers: from.number_or_zero("peers"),
            sdp: from.number_or_zero("sdp"),
        }
    }
}

impl Write for Limits {
    fn write(&self, json: &mut Writer) {
        json.number_member("frame", self.frame);
        json.number_member("offers", self.offers);
        json.number_member("peers", self.peers);
        json.number_member("sdp", self.sdp);
    }
}

impl Event {
    /// The frame.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when it does not fit.
    pub fn encode(&self) -> Result<String, EncodeError> {
        frame("PPSPTrackerEvent", |json| {
            json.number_member("version", VERSION);
            self.write(json);
        })
    }

    /// The frame of an [`Event::Signal`] with this envelope.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when it does not fit.
    pub fn encode_signal(signal: &Signal) -> Result<String, EncodeError> {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let capacity = SIGNAL + length(&signal.sdp) + length(&signal.cand) + length(&signal.cert);
        frame_of(capacity, "PPSPTrackerEvent", |json| {
            json.number_member("version", VERSION);
            json.text_member("event", "SIGNAL");
            json.object_of("signal", signal);
        })
    }

    pub(crate) fn read(from: &Members<'_>) -> Self {
        from.version();
        let event = from.text("event");
        match event.as_str() {
            "HELLO" => Self::Hello(Hello {
                nonce: from.text("nonce"),
                time: from.number("time"),
                supports: from.texts("supports"),
                limits: from.object_or_default("limits"),
                tracker_key: from.optional_text("tracker_key"),
            }),
            "SIGNAL" => {
                let signal: Signal = from.object("signal");
                from.check(signal.check());
                Self::Signal(Box::new(signal))
            }
            "CONFIG" => Self::Config(Config {
                interval: from.optional_number("interval"),
                track_timeout: from.optional_number("track_timeout"),
                reconnect: from.optional_text("reconnect"),
            }),
            "BYE" => Self::Bye(Bye {
                code: from.error_code("code", from.number_or_zero("code")),
                retry_after: from.optional_number("retry_after"),
                reason: from.optional_text("reason"),
            }),
            _ => Self::Other(event),
        }
    }
}

impl Write for Event {
    fn write(&self, json: &mut Writer) {
        let name = match self {
            Self::Hello(_) => "HELLO",
            Self::Signal(_) => "SIGNAL",
            Self::Config(_) => "CONFIG",
            Self::Bye(_) => "BYE",
            Self::Other(name) => name,
        };
        json.text_member("event", name);
        match self {
            Self::Hello(hello) => {
                json.text_member("nonce", &hello.nonce);
                json.number_member("time", hello.time);
                json.texts_if_any("supports", &hello.supports);
                json.object_of("limits", &hello.limits);
                json.optional_text("tracker_key", hello.tracker_key.as_deref());
            }
            Self::Signal(signal) => json.object_of("signal", signal.as_ref()),
            Self::Config(config) => {
                json.optional_number("interval", config.interval);
                json.optional_number("track_timeout", config.track_timeout);
                json.optional_text("reconnect", config.reconnect.as_deref());
            }
            Self::Bye(bye) => {
                json.number_member("code", bye.code as u64);
                json.optional_number("retry_after", bye.retry_after);
                json.optional_text("reason", bye.reason.as_deref());
            }
            Self::Other(_) => {}
        }
    }
}
