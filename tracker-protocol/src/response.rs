//! What a tracker answers (RFC 7846 §3.2.6, §4.2), and everything a peer can receive from one.

use json::Writer;

#[cfg(feature = "server")]
use crate::addresses;
use crate::error::{DecodeError, EncodeError, ErrorCode};
use crate::event::Event;
#[cfg(feature = "server")]
use crate::peer::PeerAddr;
use crate::peer::PeerGroup;
use crate::read::{self, Members, Read, parse};
use crate::write::{Fields, Write, frame};
use crate::{MAX_ANSWER_DEPTH, MAX_CERTIFICATES, MAX_SWARMS, VERSION};

/// Outcome for one swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmResult {
    /// The swarm.
    pub swarm_id: String,
    /// 0 successful, 1 failed.
    pub result: u64,
    /// Its peers, where the request asked for them.
    pub peer_group: Option<PeerGroup>,
    /// Extension members.
    pub ext: SwarmResultExt,
}

/// Extension members of a [`SwarmResult`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwarmResultExt {
    /// Members of the swarm that the tracker knows, with the requester.
    pub members: Option<u64>,
}

/// A membership certificate as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The swarm.
    pub swarm_id: String,
    /// The certificate: DER as base64url.
    pub cert: String,
    /// Its last second, Unix time by the tracker's clock.
    pub expires: u64,
}

impl SwarmResult {
    /// A success without a list.
    pub fn ok(swarm_id: &str) -> Self {
        Self {
            swarm_id: swarm_id.to_owned(),
            result: 0,
            peer_group: None,
            ext: SwarmResultExt::default(),
        }
    }
}

/// Extension members of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseExt {
    /// Why it failed: a word (`no-such-peer`) or the text of the error.
    pub reason: Option<String>,
    /// Seconds to wait before asking again (with 05).
    pub retry_after: Option<u64>,
    /// Seconds between reports the tracker asks for.
    pub interval: Option<u64>,
    /// Seconds without an accepted request after which the tracker forgets the peer.
    pub track_timeout: Option<u64>,
    /// How many of the request's batch offers were handed to members.
    pub offers_sent: Option<u64>,
    /// What the proof of the next request signs, on the HTTPS face: 32 bytes as base64url, used once, for 60 s.
    #[cfg(feature = "server")]
    pub nonce: Option<String>,
    /// Membership certificates asked for, at most [`crate::MAX_CERTIFICATES`].
    pub certs: Vec<IssuedCertificate>,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The request's.
    pub transaction_id: String,
    /// [`ErrorCode::NoError`] is a success.
    pub code: ErrorCode,
    /// The requester's public address as the tracker sees it.
    #[cfg(feature = "server")]
    pub peer_addr: Option<PeerAddr>,
    /// Outcome per swarm; empty in a failure.
    pub swarm_result: Vec<SwarmResult>,
    /// Extension members.
    pub ext: ResponseExt,
}

impl Read for SwarmResult {
    fn read(from: &Members<'_>) -> Self {
        Self {
            swarm_id: from.text("swarm_id"),
            result: from.number("result"),
            peer_group: from.optional("peer_group"),
            ext: from.object_or_default("ext"),
        }
    }
}

impl Write for SwarmResult {
    fn write(&self, json: &mut Writer) {
        json.text_member("swarm_id", &self.swarm_id);
        json.number_member("result", self.result);
        json.optional_object("peer_group", self.peer_group.as_ref());
        if self.ext != SwarmResultExt::default() {
            json.object_of("ext", &self.ext);
        }
    }
}

impl Read for SwarmResultExt {
    fn read(from: &Members<'_>) -> Self {
        Self {
            members: from.optional_number("members"),
        }
    }
}

impl Write for SwarmResultExt {
    fn write(&self, json: &mut Writer) {
        json.optional_number("members", self.members);
    }
}

impl Read for IssuedCertificate {
    fn read(from: &Members<'_>) -> Self {
        Self {
            swarm_id: from.text("swarm_id"),
            cert: from.text("cert"),
            expires: from.number("expires"),
        }
    }
}

impl Write for IssuedCertificate {
    fn write(&self, json: &mut Writer) {
        json.text_member("swarm_id", &self.swarm_id);
        json.text_member("cert", &self.cert);
        json.number_member("expires", self.expires);
    }
}

impl Read for ResponseExt {
    fn read(from: &Members<'_>) -> Self {
        Self {
            reason: from.optional_text("reason"),
            retry_after: from.optional_number("retry_after"),
            interval: from.optional_number("interval"),
            track_timeout: from.optional_number("track_timeout"),
            offers_sent: from.optional_number("offers_sent"),
            #[cfg(feature = "server")]
            nonce: from.optional_text("nonce"),
            certs: from.one_or_many("certs"),
        }
    }
}

impl Write for ResponseExt {
    fn write(&self, json: &mut Writer) {
        json.optional_text("reason", self.reason.as_deref());
        json.optional_number("retry_after", self.retry_after);
        json.optional_number("interval", self.interval);
        json.optional_number("track_timeout", self.track_timeout);
        json.optional_number("offers_sent", self.offers_sent);
        #[cfg(feature = "server")]
        json.optional_text("nonce", self.nonce.as_deref());
        json.objects_if_any("certs", &self.certs);
    }
}

impl Response {
    /// A success without results.
    pub fn ok(transaction_id: &str) -> Self {
        Self {
            transaction_id: transaction_id.to_owned(),
            code: ErrorCode::NoError,
            #[cfg(feature = "server")]
            peer_addr: None,
            swarm_result: Vec::new(),
            ext: ResponseExt::default(),
        }
    }

    /// A failure; `reason` goes into `ext`.
    pub fn failed(transaction_id: &str, code: ErrorCode, reason: &str) -> Self {
        let ext = ResponseExt {
            reason: Some(reason.to_owned()),
            ..ResponseExt::default()
        };
        Self {
            code,
            ext,
            ..Self::ok(transaction_id)
        }
    }

    /// The frame.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when it does not fit.
    pub fn encode(&self) -> Result<String, EncodeError> {
        frame("PPSPTrackerProtocol", |json| {
            json.number_member("version", VERSION);
            json.number_member("response_type", u64::from(self.code != ErrorCode::NoError));
            json.number_member("error_code", self.code as u64);
            json.text_member("transaction_id", &self.transaction_id);
            #[cfg(feature = "server")]
            json.optional_object("peer_addr", self.peer_addr.as_ref());
            json.objects_if_any("swarm_result", &self.swarm_result);
            if self.ext != ResponseExt::default() {
                json.object_of("ext", &self.ext);
            }
        })
    }

    fn read(from: &Members<'_>) -> Self {
        from.version();
        let code = from.error_code("error_code", from.number("error_code"));
        if from.number("response_type") != u64::from(code != ErrorCode::NoError) {
            from.refuse("response_type", "does not go with error_code");
        }
        let transaction_id = from.transaction_id();
        let swarm_result: Vec<SwarmResult> = from.one_or_many("swarm_result");
        if swarm_result.len() > 2 * MAX_SWARMS {
            from.refuse("swarm_result", "more than 128");
        }
        let ext: ResponseExt = from.object_or_default("ext");
        if ext.certs.len() > MAX_CERTIFICATES {
            from.refuse("ext.certs", "more than 16");
        }
        #[cfg(feature = "server")]
        let peer_addr = {
            let mut own = from.one_or_many("peer_addr").into_iter().next();
            own.iter_mut().for_each(addresses::complete);
            own
        };
        Self {
            transaction_id,
            code,
            #[cfg(feature = "server")]
            peer_addr,
            swarm_result,
            ext,
        }
    }
}

/// A frame from a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromTracker {
    /// The answer to a request.
    Response(Response),
    /// A push.
    Event(Event),
}

impl FromTracker {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`DecodeError`] says what was wrong, and where.
    pub fn decode(frame: &str) -> Result<Self, DecodeError> {
        let root = parse(frame, MAX_ANSWER_DEPTH)?;
        read::root(&root, |root| {
            let response = root.optional_object("PPSPTrackerProtocol");
            let event = root.optional_object("PPSPTrackerEvent");
            match (response, event) {
                (Some(response), None) => Self::Response(Response::read(&response)),
                (None, Some(event)) => Self::Event(Event::read(&event)),
                _ => {
                    let names = "PPSPTrackerProtocol/PPSPTrackerEvent";
                    root.refuse(names, "not exactly one of them");
                    Self::Event(Event::Other(String::new()))
                }
            }
        })
    }

    /// The frame.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when it does not fit.
    pub fn encode(&self) -> Result<String, EncodeError> {
        match self {
            Self::Response(response) => response.encode(),
            Self::Event(event) => event.encode(),
        }
    }
}
