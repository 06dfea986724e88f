//! Frames of the auxiliary data channel between neighbours: JSON text, one object per frame.
//!
//! ```text
//! {"t":"status","status":{…}}
//! {"t":"relay","swarm":"<hex>","signal":{…}}
//! ```

use json::Writer;

use crate::MAX_REQUEST_DEPTH;
use crate::error::{DecodeError, EncodeError};
use crate::read::{self, Members, parse_within};
use crate::signal::Signal;
use crate::status::PeerStatus;
use crate::write::{Fields, Write};

/// Longest frame of the auxiliary channel, bytes.
pub const MAX_AUX_FRAME: usize = 16 * 1024;
/// Longest frame that relays an envelope, bytes.
pub const MAX_AUX_RELAY: usize = 8 * 1024;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuxFrame {
    /// What the sender is and can give; only what has changed after the first.
    Status(PeerStatus),
    /// An envelope for a neighbour of the receiver, or from one: over this one hop and no further.
    Relay {
        /// The swarm all three are in: the envelope's.
        swarm: String,
        /// The envelope, signed by its sender.
        signal: Box<Signal>,
    },
    /// A frame of a type not known here; to be ignored.
    Other(String),
}

impl AuxFrame {
    /// The frame's text.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when it is longer than [`MAX_AUX_FRAME`], or [`MAX_AUX_RELAY`] for an envelope.
    pub fn encode(&self) -> Result<String, EncodeError> {
        let mut json = Writer::new();
        json.object(|json| self.write(json));
        let frame = json.into_text();
        match frame.len() > self.max_length() {
            true => Err(EncodeError::TooLong(frame.len())),
            false => Ok(frame),
        }
    }

    /// Reads a frame's text.
    ///
    /// # Errors
    /// [`DecodeError`] says what was wrong: too long, not JSON, a member that is missing or not allowed, an envelope
    /// of another swarm than the frame says, or without receiver.
    pub fn decode(frame: &str) -> Result<Self, DecodeError> {
        let root = parse_within(frame, MAX_AUX_FRAME, MAX_REQUEST_DEPTH)?;
        let read = read::root(&root, Self::read)?;
        match frame.len() > read.max_length() {
            true => Err(DecodeError::TooLong(frame.len())),
            false => Ok(read),
        }
    }

    fn read(from: &Members<'_>) -> Self {
        let kind = from.text("t");
        match kind.as_str() {
            "status" => Self::Status(from.object("status")),
            "relay" => {
                let (swarm, signal) = (from.text("swarm"), from.object::<Signal>("signal"));
                from.check(signal.check());
                if signal.swarm != swarm {
                    from.refuse("swarm", "not the envelope's");
                }
                if signal.to.is_empty() {
                    from.refuse("signal.to", "missing");
                }
                let signal = Box::new(signal);
                Self::Relay { swarm, signal }
            }
            _ => Self::Other(kind),
        }
    }

    fn max_length(&self) -> usize {
        match self {
            Self::Relay { .. } => MAX_AUX_RELAY,
            Self::Status(_) | Self::Other(_) => MAX_AUX_FRAME,
        }
    }
}

impl Write for AuxFrame {
    fn write(&self, json: &mut Writer) {
        match self {
            Self::Status(status) => {
                json.text_member("t", "status");
                json.object_of("status", status);
            }
            Self::Relay { swarm, signal } => {
                json.text_member("t", "relay");
                json.text_member("swarm", swarm);
                json.object_of("signal", signal.as_ref());
            }
            Self::Other(kind) => json.text_member("t", kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Profile};

    fn relay() -> AuxFrame {
        let swarm = "67".repeat(32);
        let mut signal = Signal::new(Kind::Offer, &swarm, "aa", "bb", "oid", 0, 0);
        signal.sdp = Some("v=0".to_owned());
        signal.prof = Some(Profile {
            ch: vec![0, 1, 3],
            ..Profile::default()
        });
        AuxFrame::Relay {
            swarm,
            signal: Box::new(signal),
        }
    }

    #[test]
    fn envelopes_are_of_the_swarm_and_for_somebody() {
        let good = relay().encode().unwrap();
        assert_eq!(AuxFrame::decode(&good).unwrap(), relay());
        for (from, to, problem) in [
            ("\"t\":\"relay\",", "", "t: missing"),
            ("\"swarm\":\"67", "\"swarm\":\"68", "swarm: not the envelope's"),
            (
                "\"kind\":\"offer\"",
                "\"kind\":\"bye!\"",
                "signal.kind: not offer",
            ),
            ("\"to\":\"bb\"", "\"to\":\"\"", "signal.to: missing"),
            ("\"sdp\":\"v=0\"", "\"sdp\":null", "signal.sdp: missing"),
            ("\"t\":\"relay\"", "\"t\":\"status\"", "status: missing"),
        ] {
            let bad = good.replacen(from, to, 1);
            let error = AuxFrame::decode(&bad).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{error}");
        }
    }

    #[test]
    fn other_frames_are_left_alone() {
        assert_eq!(
            AuxFrame::decode(r#"{"t":"weather","sun":[1]}"#).unwrap(),
            AuxFrame::Other("weather".to_owned())
        );
    }

    #[test]
    fn lengths_are_bounded() {
        let mut frame = relay();
        let AuxFrame::Relay { signal, .. } = &mut frame else {
            panic!()
        };
        let room = MAX_AUX_RELAY - relay().encode().unwrap().len();
        signal.sdp = Some("v".repeat(3 + room));
        let longest = frame.encode().unwrap();
        assert_eq!(longest.len(), MAX_AUX_RELAY);
        assert_eq!(AuxFrame::decode(&longest).unwrap(), frame);
        let longer = longest.replacen("vvv", "vvvv", 1);
        assert!(matches!(
            AuxFrame::decode(&longer),
            Err(DecodeError::TooLong(8193))
        ));
        let AuxFrame::Relay { signal, .. } = &mut frame else {
            panic!()
        };
        signal.sdp = Some("v".repeat(4 + room));
        assert!(frame.encode().is_err());
        let spaces = " ".repeat(MAX_AUX_FRAME);
        assert!(matches!(AuxFrame::decode(&spaces[..]), Err(DecodeError::Json(_))));
        assert!(matches!(
            AuxFrame::decode(&format!("{spaces} ")),
            Err(DecodeError::TooLong(_))
        ));
    }
}
