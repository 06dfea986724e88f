//! The signalling envelope: how two peers exchange offers, answers and candidates through somebody both can reach.

use json::Writer;
use sha2::{Digest, Sha256};

use crate::error::{DecodeError, SignalError};
use crate::read::{Members, Read, Word};
use crate::sdp::dtls_fingerprints;
use crate::write::{Fields, Write};
use crate::{MAX_SDP, is_swarm_id};

const SIGNAL_CONTEXT: &[u8] = b"ppsp-signal/1\0";
/// Longest peer ID, offer ID, key, signature, reason: they are 86 characters at most in practice.
const MAX_SHORT: usize = 256;
/// Longest membership certificate, base64.
const MAX_CERT: usize = 4096;

/// What an envelope carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A session description that offers a connection.
    Offer,
    /// The session description that answers it.
    Answer,
    /// One more ICE candidate.
    Candidate,
    /// No more candidates follow.
    End,
    /// Refused, or given up; `reason` says why.
    Bye,
}

impl Kind {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        self.word()
    }
}

impl Word for Kind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("offer", Self::Offer),
        ("answer", Self::Answer),
        ("candidate", Self::Candidate),
        ("end", Self::End),
        ("bye", Self::Bye),
    ];
    const PROBLEM: &'static str = "not offer, answer, candidate, end or bye";
}

/// What the sender speaks over the connection it offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `ppspp/1`.
    pub proto: String,
    /// IDs of the negotiated data channels it uses.
    pub ch: Vec<u16>,
    /// Largest message it accepts on a data channel, bytes.
    pub mms: u64,
}

/// One envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// What it carries.
    pub kind: Kind,
    /// The swarm both are in.
    pub swarm: String,
    /// Sender's peer ID.
    pub from: String,
    /// Receiver's peer ID; empty only in a batch offer, which the tracker hands to a member of its choice.
    pub to: String,
    /// Offer ID: 16 random bytes as base64url, the same in all envelopes of one attempt.
    pub oid: String,
    /// Counts the sender's envelopes of this attempt.
    pub n: u64,
    /// When it was made, Unix ms.
    pub ts: u64,
    /// Session description of an offer or answer.
    pub sdp: Option<String>,
    /// The candidate, as the sender's side serialises it.
    pub cand: Option<String>,
    /// What the sender speaks.
    pub prof: Option<Profile>,
    /// Membership certificate, closed swarms only.
    pub cert: Option<String>,
    /// Sender's key blob as base64url: its SHA-256 must be `from`.
    pub key: Option<String>,
    /// Signature over [`Signal::signing_input`] as base64url.
    pub sig: Option<String>,
    /// Why, in a `bye`.
    pub reason: Option<String>,
}

impl Signal {
    /// An envelope with the members every kind has; the others are absent.
    pub fn new(kind: Kind, swarm: &str, from: &str, to: &str, oid: &str, n: u64, ts: u64) -> Self {
        Self {
            kind,
            swarm: swarm.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            oid: oid.to_owned(),
            n,
            ts,
            sdp: None,
            cand: None,
            prof: None,
            cert: None,
            key: None,
            sig: None,
            reason: None,
        }
    }

    /// The bytes `sig` covers:
    ///
    /// ```text
    /// "ppsp-signal/1" 00 ‖ SHA-256( field(kind) ‖ field(swarm) ‖ field(from) ‖ field(to) ‖ field(oid) ‖ field(n) ‖
    ///                              field(ts) ‖ field(fingerprints) ‖ field(SHA-256(payload)) )
    /// ```
    ///
    /// `field(x)` is the length of x as u32 big-endian, then x; text is UTF-8, `n` and `ts` are u64 big-endian,
    /// `fingerprints` are those of [`dtls_fingerprints`] joined by `\n` (empty unless `sdp` is present), and the payload
    /// is `sdp` for offers and answers, `cand` for candidates, `reason` (or nothing) for the rest.
    ///
    /// # Errors
    /// [`SignalError`] when the payload is missing or has no usable fingerprint.
    pub fn signing_input(&self) -> Result<Vec<u8>, SignalError> {
        let (payload, fingerprints) = match self.kind {
            Kind::Offer | Kind::Answer => {
                let sdp = self.sdp.as_deref().ok_or(SignalError::Missing("sdp"))?;
                (sdp, dtls_fingerprints(sdp)?.join("\n"))
            }
            Kind::Candidate => (
                self.cand.as_deref().ok_or(SignalError::Missing("cand"))?,
                String::new(),
            ),
            Kind::End | Kind::Bye => (self.reason.as_deref().unwrap_or_default(), String::new()),
        };
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            // Every field comes from a frame of at most 64 KiB.
            hash.update((bytes.len() as u32).to_be_bytes());
            hash.update(bytes);
        };
        field(self.kind.as_str().as_bytes());
        field(self.swarm.as_bytes());
        field(self.from.as_bytes());
        field(self.to.as_bytes());
        field(self.oid.as_bytes());
        field(&self.n.to_be_bytes());
        field(&self.ts.to_be_bytes());
        field(fingerprints.as_bytes());
        field(&Sha256::digest(payload.as_bytes()));
        let mut input = SIGNAL_CONTEXT.to_vec();
        input.extend_from_slice(&hash.finalize());
        Ok(input)
    }

    /// Checks lengths, and that the payload of its kind is there. Signature, time and sender are the receiver's to
    /// check.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        let over = |text: &Option<String>, max| text.as_ref().is_some_and(|text| text.len() > max);
        let refuse = |member, problem| Err(DecodeError::member(member, problem));
        if !is_swarm_id(&self.swarm) {
            return refuse("signal.swarm", "not a swarm ID");
        }
        if self.from.is_empty() || self.from.len() > MAX_SHORT || self.to.len() > MAX_SHORT {
            return refuse("signal.from/to", "not a peer ID");
        }
        if self.to.is_empty() && self.kind != Kind::Offer {
            return refuse("signal.to", "missing");
        }
        if self.oid.is_empty() || self.oid.len() > 64 {
            return refuse("signal.oid", "not an offer ID");
        }
        if over(&self.sdp, MAX_SDP) || over(&self.cand, MAX_SDP) {
            return refuse("signal.sdp/cand", "longer than 8192 bytes");
        }
        if over(&self.key, MAX_SHORT) || over(&self.sig, MAX_SHORT) || over(&self.reason, MAX_SHORT) {
            return refuse("signal.key/sig/reason", "longer than 256 bytes");
        }
        if over(&self.cert, MAX_CERT) {
            return refuse("signal.cert", "longer than 4096 bytes");
        }
        if self
            .prof
            .as_ref()
            .is_some_and(|prof| prof.proto.len() > MAX_SHORT || prof.ch.len() > 16)
        {
            return refuse("signal.prof", "too long");
        }
        match self.kind {
            Kind::Offer | Kind::Answer if self.sdp.is_none() => refuse("signal.sdp", "missing"),
            Kind::Candidate if self.cand.is_none() => refuse("signal.cand", "missing"),
            _ => Ok(()),
        }
    }
}

impl Read for Profile {
    fn read(from: &Members<'_>) -> Self {
        Self {
            proto: from.text("proto"),
            ch: from.numbers16("ch"),
            mms: from.number_or_zero("mms"),
        }
    }
}

impl Write for Profile {
    fn write(&self, json: &mut Writer) {
        json.text_member("proto", &self.proto);
        json.name("ch")
            .array(|json| self.ch.iter().for_each(|&id| json.number(id.into())));
        json.number_member("mms", self.mms);
    }
}

impl Read for Signal {
    fn read(from: &Members<'_>) -> Self {
        Self {
            kind: from.word("kind"),
            swarm: from.text("swarm"),
            from: from.text("from"),
            to: from.text("to"),
            oid: from.text("oid"),
            n: from.number("n"),
            ts: from.number("ts"),
            sdp: from.optional_text("sdp"),
            cand: from.optional_text("cand"),
            prof: from.optional("prof"),
            cert: from.optional_text("cert"),
            key: from.optional_text("key"),
            sig: from.optional_text("sig"),
            reason: from.optional_text("reason"),
        }
    }
}

impl Write for Signal {
    fn write(&self, json: &mut Writer) {
        json.text_member("kind", self.kind.as_str());
        json.text_member("swarm", &self.swarm);
        json.text_member("from", &self.from);
        json.text_member("to", &self.to);
        json.text_member("oid", &self.oid);
        json.number_member("n", self.n);
        json.number_member("ts", self.ts);
        json.optional_text("sdp", self.sdp.as_deref());
        json.optional_text("cand", self.cand.as_deref());
        json.optional_object("prof", self.prof.as_ref());
        json.optional_text("cert", self.cert.as_deref());
        json.optional_text("key", self.key.as_deref());
        json.optional_text("sig", self.sig.as_deref());
        json.optional_text("reason", self.reason.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> Signal {
        let mut signal = Signal::new(
            Kind::Offer,
            &"67".repeat(32),
            &"d8".repeat(32),
            "",
            "AAEC",
            0,
            1_700_000_000_123,
        );
        signal.sdp = Some("v=0\r\na=fingerprint:sha-256 AB:CD\r\n".to_owned());
        signal
    }

    #[test]
    fn every_covered_member_changes_the_input() {
        let base = offer().signing_input().unwrap();
        assert_eq!(base.len(), 14 + 32);
        assert_eq!(&base[..14], b"ppsp-signal/1\0");
        let edits: [fn(&mut Signal); 8] = [
            |s| s.kind = Kind::Answer,
            |s| s.swarm.replace_range(..2, "68"),
            |s| s.from.replace_range(..2, "d9"),
            |s| s.to = "9c".to_owned(),
            |s| s.oid = "AAED".to_owned(),
            |s| s.n = 1,
            |s| s.ts += 1,
            |s| s.sdp.as_mut().unwrap().push_str("a=x\r\n"),
        ];
        for (index, edit) in edits.into_iter().enumerate() {
            let mut changed = offer();
            edit(&mut changed);
            assert_ne!(changed.signing_input().unwrap(), base, "edit {index}");
        }
    }

    #[test]
    fn moving_bytes_between_fields_changes_the_input() {
        let (mut a, mut b) = (offer(), offer());
        (a.to, a.oid) = ("ab".to_owned(), "c".to_owned());
        (b.to, b.oid) = ("a".to_owned(), "bc".to_owned());
        assert_ne!(a.signing_input().unwrap(), b.signing_input().unwrap());
    }

    #[test]
    fn payloads_are_demanded() {
        let mut signal = offer();
        signal.sdp = None;
        assert_eq!(signal.signing_input(), Err(SignalError::Missing("sdp")));
        assert!(signal.check().is_err());
        signal.kind = Kind::Candidate;
        signal.to = "x".to_owned();
        assert_eq!(signal.signing_input(), Err(SignalError::Missing("cand")));
        signal.kind = Kind::Bye;
        assert!(signal.signing_input().is_ok() && signal.check().is_ok());
    }

    #[test]
    fn long_descriptions_are_refused() {
        let mut signal = offer();
        signal.sdp = Some("a".repeat(MAX_SDP));
        assert!(signal.check().is_ok());
        signal.sdp = Some("a".repeat(MAX_SDP + 1));
        assert!(signal.check().is_err());
    }
}
