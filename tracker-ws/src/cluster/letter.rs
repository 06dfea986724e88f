//! What nodes write to each other about single peers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracker_protocol::{Event, FromTracker, MAX_FRAME, Signal, is_peer_id};

use super::{NodeId, is_node_id};

const VERSION: u32 = 1;
/// Longest letter, bytes: an envelope as its peer gets it, and some words around it.
pub(crate) const MAX_LETTER: usize = MAX_FRAME + 1024;

/// A letter that has come in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Letter {
    /// An envelope for a peer of this node.
    Signal {
        from: NodeId,
        /// Its receiver: a batch offer does not name one.
        to: String,
        signal: Box<Signal>,
    },
    /// A letter went to a node where its receiver is not.
    Gone { from: NodeId, peer: String },
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    v: u32,
    node: &'a str,
    peer: &'a str,
    /// The frame that the peer is to get. Absent: there is no such peer.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    frame: Option<&'a RawValue>,
}

/// Why a letter is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LetterError {
    #[error("{0} bytes, more than {MAX_LETTER}")]
    TooLong(usize),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Frame(String),
    #[error("{0}")]
    Member(&'static str),
}

impl Letter {
    /// `None`: the envelope does not fit.
    pub(super) fn signal(node: &str, to: &str, signal: &Signal) -> Option<String> {
        let frame = Event::Signal(Box::new(signal.clone())).encode().ok()?;
        let frame = RawValue::from_string(frame).ok()?;
        Some(write(node, to, Some(&frame)))
    }

    pub(super) fn gone(node: &str, peer: &str) -> String {
        write(node, peer, None)
    }

    /// Reads a letter.
    ///
    /// # Errors
    /// [`LetterError`].
    pub(crate) fn read(text: &str) -> Result<Self, LetterError> {
        if text.len() > MAX_LETTER {
            return Err(LetterError::TooLong(text.len()));
        }
        let wire: Wire<'_> = serde_json::from_str(text)?;
        if wire.v != VERSION {
            return Err(LetterError::Member("v: another version"));
        }
        if !is_node_id(wire.node) {
            return Err(LetterError::Member("node: not a node's name"));
        }
        if !is_peer_id(wire.peer) {
            return Err(LetterError::Member("peer: not a peer ID"));
        }
        let (from, to) = (wire.node.into(), wire.peer.to_owned());
        let Some(frame) = wire.frame else {
            return Ok(Self::Gone { from, peer: to });
        };
        let frame =
            FromTracker::decode(frame.get()).map_err(|error| LetterError::Frame(error.to_string()))?;
        let FromTracker::Event(Event::Signal(signal)) = frame else {
            return Err(LetterError::Member("frame: not an envelope"));
        };
        if !is_peer_id(&signal.from) || !(signal.to.is_empty() || signal.to == to) {
            return Err(LetterError::Member("frame: not between these peers"));
        }
        Ok(Self::Signal { from, to, signal })
    }
}

fn write(node: &str, peer: &str, frame: Option<&RawValue>) -> String {
    let wire = Wire {
        v: VERSION,
        node,
        peer,
        frame,
    };
    // Texts and raw JSON can be written.
    serde_json::to_string(&wire).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracker_protocol::{Kind, peer_id_of};

    use super::*;

    const NODE: &str = "000102030405060708090a0b0c0d0e0f";

    fn offer(to: &str) -> Signal {
        let swarm = "67".repeat(32);
        let mut signal = Signal::new(Kind::Offer, &swarm, &peer_id_of(b"a"), to, "oid", 0, 0);
        signal.sdp = Some("v=0\r\n\"".to_owned());
        signal
    }

    #[test]
    fn what_is_written_is_read() {
        let peer = peer_id_of(b"b");
        for to in [&*peer, ""] {
            let text = Letter::signal(NODE, &peer, &offer(to)).unwrap();
            let read = Letter::Signal {
                from: NODE.into(),
                to: peer.clone(),
                signal: Box::new(offer(to)),
            };
            assert_eq!(Letter::read(&text).unwrap(), read);
        }
        let read = Letter::Gone {
            from: NODE.into(),
            peer: peer.clone(),
        };
        assert_eq!(Letter::read(&Letter::gone(NODE, &peer)).unwrap(), read);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let peer = peer_id_of(b"b");
        let good = Letter::signal(NODE, &peer, &offer(&peer)).unwrap();
        for (from, to, problem) in [
            ("\"v\":1,\"node\"", "\"v\":2,\"node\"", "v: another version"),
            (NODE, "../../etc", "node: not a node's name"),
            (&*peer, "b", "peer: not a peer ID"),
            ("\"SIGNAL\"", "\"BYE\"", "frame: not an envelope"),
            ("\"kind\":\"offer\"", "\"kind\":\"hello\"", "signal.kind"),
            (&*peer_id_of(b"a"), "a", "frame: not between these peers"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good);
            let error = Letter::read(&text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
        let other = Letter::signal(NODE, &peer_id_of(b"c"), &offer(&peer)).unwrap();
        assert!(Letter::read(&other).is_err());
        assert!(matches!(
            Letter::read(&" ".repeat(MAX_LETTER + 1)),
            Err(LetterError::TooLong(_))
        ));
        assert!(Letter::read("").is_err());
    }

    proptest! {
        /// Anything may be published on a node's channel.
        #[test]
        fn garbage_is_refused(at in any::<prop::sample::Index>(), byte in any::<char>(), cut in any::<bool>()) {
            let peer = peer_id_of(b"b");
            let text = Letter::signal(NODE, &peer, &offer(&peer)).unwrap();
            let at = at.index(text.len());
            let mut broken = text[..at].to_owned();
            if !cut {
                broken.push(byte);
                broken.push_str(&text[at + 1..]);
            }
            // It is either refused or says something that is in order.
            if let Ok(Letter::Signal { to, signal, .. }) = Letter::read(&broken) {
                prop_assert!(is_peer_id(&to) && is_peer_id(&signal.from));
            }
        }
    }
}
