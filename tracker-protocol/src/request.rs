//! What peers ask of a tracker (RFC 7846 §3.2.2, §4.1).

use json::Writer;

use crate::error::{DecodeError, EncodeError, ErrorCode};
#[cfg(feature = "server")]
use crate::peer::PeerAddr;
use crate::peer::{PeerMode, PeerNum};
use crate::read::{self, Members, Read, Word, parse};
use crate::response::Response;
use crate::signal::Signal;
use crate::stat::Stat;
use crate::status::PeerStatus;
use crate::write::{Fields, Write, frame};
use crate::{MAX_OFFERS, MAX_REQUEST_DEPTH, MAX_SWARMS, VERSION, is_swarm_id};

const MAX_PEER_ID: usize = 256;
const STREAM_STATS: &str = "STREAM_STATS";

/// What to do with a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Become a member, or change the mode of a membership.
    Join,
    /// Stop being a member.
    Leave,
}

/// One action of a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmAction {
    /// The swarm.
    pub swarm_id: String,
    /// What to do with it.
    pub action: Action,
    /// Mode as a member; LEECH where a LEAVE did not say.
    pub peer_mode: PeerMode,
}

impl Word for Action {
    const WORDS: &'static [(&'static str, Self)] = &[("JOIN", Self::Join), ("LEAVE", Self::Leave)];
    const PROBLEM: &'static str = "not JOIN or LEAVE";
}

impl Read for SwarmAction {
    fn read(from: &Members<'_>) -> Self {
        let action = from.word("action");
        let peer_mode = match action {
            Action::Join => from.word("peer_mode"),
            Action::Leave => from.optional_word("peer_mode").unwrap_or(PeerMode::Leech),
        };
        Self {
            swarm_id: from.text("swarm_id"),
            action,
            peer_mode,
        }
    }
}

impl Write for SwarmAction {
    fn write(&self, json: &mut Writer) {
        json.text_member("swarm_id", &self.swarm_id);
        json.text_member("action", self.action.word());
        json.text_member("peer_mode", self.peer_mode.word());
    }
}

/// A [`SwarmAction`] of this swarm.
pub fn connect_action(swarm_id: &str, action: Action, peer_mode: PeerMode) -> SwarmAction {
    SwarmAction {
        swarm_id: swarm_id.to_owned(),
        action,
        peer_mode,
    }
}

/// Registration, and joining and leaving of swarms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// Peers wanted in the answer.
    pub peer_num: Option<PeerNum>,
    /// Own addresses; a browser has none to tell.
    #[cfg(feature = "server")]
    pub peer_addr: Vec<PeerAddr>,
    /// What to do; at least one.
    pub swarm_action: Vec<SwarmAction>,
}

/// A wish for more peers of a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// The swarm.
    pub swarm_id: String,
    /// Which peers, how many.
    pub peer_num: Option<PeerNum>,
}

/// Proof that the sender holds the key of its peer ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Key blob, base64url.
    pub key: String,
    /// Signature over [`crate::auth_signing_input`], base64url; raw r ‖ s for P-256.
    pub sig: String,
    /// Token of a closed swarm.
    pub token: Option<String>,
    /// The nonce that is signed, where no HELLO says it: [`crate::ResponseExt::nonce`] of the HTTPS face.
    #[cfg(feature = "server")]
    pub nonce: Option<String>,
}

/// Extension members of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestExt {
    /// Extensions the peer speaks (CONNECT).
    pub supports: Vec<String>,
    /// Proof of possession (first CONNECT of a socket).
    pub auth: Option<Auth>,
    /// Batch offers for members of the tracker's choice (CONNECT, FIND); at most [`MAX_OFFERS`].
    pub offers: Vec<Signal>,
    /// Peer IDs the requester does not want to be told (CONNECT, FIND).
    pub exclude: Vec<String>,
    /// What the answer shall have (CONNECT): [`crate::WANT_CERT`].
    pub want: Vec<String>,
    /// The sender's status (CONNECT), or what has changed of it (STAT_REPORT).
    pub status: Option<PeerStatus>,
    /// A chunk that the peers listed shall have (FIND).
    pub near: Option<u64>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// CONNECT.
    Connect(Connect),
    /// FIND.
    Find(Find),
    /// STAT_REPORT of type STREAM_STATS; empty is a keep-alive.
    StatReport(Vec<Stat>),
    /// SIGNAL (extension): relay this envelope.
    Signal(Box<Signal>),
    /// CERT (extension): a membership certificate of this swarm, please.
    Cert(String),
}

impl RequestBody {
    /// The `request_type` on the wire.
    pub fn request_type(&self) -> &'static str {
        match self {
            Self::Connect(_) => "CONNECT",
            Self::Find(_) => "FIND",
            Self::StatReport(_) => "STAT_REPORT",
            Self::Signal(_) => "SIGNAL",
            Self::Cert(_) => "CERT",
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names the request; the response carries it. Reused only to repeat the identical request.
    pub transaction_id: String,
    /// Who asks.
    pub peer_id: String,
    /// What is asked.
    pub body: RequestBody,
    /// Extension members.
    pub ext: RequestExt,
}

/// A frame that is no valid request: what to answer, and why.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// 01, or 02 for another version.
    pub code: ErrorCode,
    /// As far as it could be read, else empty.
    pub transaction_id: String,
    /// What was wrong.
    pub error: DecodeError,
}

impl Refused {
    /// The answer to send.
    pub fn response(&self) -> Response {
        Response::failed(&self.transaction_id, self.code, &self.error.to_string())
    }
}

impl Read for Connect {
    fn read(from: &Members<'_>) -> Self {
        Self {
            peer_num: from.optional("peer_num"),
            #[cfg(feature = "server")]
            peer_addr: from.one_or_many("peer_addr"),
            swarm_action: from.one_or_many("swarm_action"),
        }
    }
}

impl Write for Connect {
    fn write(&self, json: &mut Writer) {
        json.optional_object("peer_num", self.peer_num.as_ref());
        #[cfg(feature = "server")]
        json.objects_if_any("peer_addr", &self.peer_addr);
        json.objects("swarm_action", &self.swarm_action);
    }
}

impl Read for Find {
    fn read(from: &Members<'_>) -> Self {
        Self {
            swarm_id: from.text("swarm_id"),
            peer_num: from.optional("peer_num"),
        }
    }
}

impl Write for Find {
    fn write(&self, json: &mut Writer) {
        json.text_member("swarm_id", &self.swarm_id);
        json.optional_object("peer_num", self.peer_num.as_ref());
    }
}

impl Read for Auth {
    fn read(from: &Members<'_>) -> Self {
        Self {
            key: from.text("key"),
            sig: from.text("sig"),
            token: from.optional_text("token"),
            #[cfg(feature = "server")]
            nonce: from.optional_text("nonce"),
        }
    }
}

impl Write for Auth {
    fn write(&self, json: &mut Writer) {
        json.text_member("key", &self.key);
        json.text_member("sig", &self.sig);
        json.optional_text("token", self.token.as_deref());
        #[cfg(feature = "server")]
        json.optional_text("nonce", self.nonce.as_deref());
    }
}

impl Read for RequestExt {
    fn read(from: &Members<'_>) -> Self {
        Self {
            supports: from.texts("supports"),
            auth: from.optional("auth"),
            offers: from.one_or_many("offers"),
            exclude: from.texts("exclude"),
            want: from.texts("want"),
            status: from.optional("status"),
            near: from.optional_number("near"),
        }
    }
}

impl Write for RequestExt {
    fn write(&self, json: &mut Writer) {
        json.texts_if_any("supports", &self.supports);
        json.optional_object("auth", self.auth.as_ref());
        json.objects_if_any("offers", &self.offers);
        json.texts_if_any("exclude", &self.exclude);
        json.texts_if_any("want", &self.want);
        json.optional_object("status", self.status.as_ref());
        json.optional_number("near", self.near);
    }
}

impl Request {
    /// The frame.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when it does not fit.
    pub fn encode(&self) -> Result<String, EncodeError> {
        frame("PPSPTrackerProtocol", |json| {
            json.number_member("version", VERSION);
            json.text_member("request_type", self.body.request_type());
            json.text_member("transaction_id", &self.transaction_id);
            json.text_member("peer_id", &self.peer_id);
            match &self.body {
                RequestBody::Connect(connect) => json.object_of("connect", connect),
                RequestBody::Find(find) => json.object_of("find", find),
                RequestBody::StatReport(stat) if stat.is_empty() => {}
                RequestBody::StatReport(stat) => json.name("stat_report").object(|json| {
                    json.text_member("type", STREAM_STATS);
                    json.objects("stat", stat);
                }),
                RequestBody::Signal(signal) => json.object_of("signal", signal.as_ref()),
                RequestBody::Cert(swarm) => json
                    .name("cert")
                    .object(|json| json.text_member("swarm_id", swarm)),
            }
            if self.ext != RequestExt::default() {
                json.object_of("ext", &self.ext);
            }
        })
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`Refused`] with the answer to send: 02 for another version, 01 for all else.
    pub fn decode(frame: &str) -> Result<Self, Refused> {
        let mut transaction_id = String::new();
        let request = parse(frame, MAX_REQUEST_DEPTH).and_then(|root| {
            read::root(&root, |root| {
                let message = root.members("PPSPTrackerProtocol");
                // What another version calls these two is what this one calls them.
                transaction_id = message.transaction_id();
                message.version();
                Self::read(&message, &transaction_id)
            })
        });
        request.map_err(|error| Refused {
            code: match error {
                DecodeError::Version(_) => ErrorCode::UnsupportedVersion,
                _ => ErrorCode::BadRequest,
            },
            transaction_id,
            error,
        })
    }

    fn read(message: &Members<'_>, transaction_id: &str) -> Self {
        let peer_id = message.text("peer_id");
        if peer_id.is_empty() || peer_id.len() > MAX_PEER_ID {
            message.refuse("peer_id", "not a peer ID");
        }
        let ext: RequestExt = message.object_or_default("ext");
        if ext.offers.len() > MAX_OFFERS {
            message.refuse("ext.offers", "more than 5");
        }
        message.check(ext.offers.iter().try_for_each(Signal::check));
        if [&ext.supports, &ext.exclude, &ext.want]
            .iter()
            .any(|list| list.len() > MAX_SWARMS)
        {
            message.refuse("ext.supports/exclude/want", "more than 64");
        }
        let request_type = message.text("request_type");
        let body = match request_type.as_str() {
            "CONNECT" => {
                let mut connect = message.object("connect");
                message.check(check_connect(&mut connect));
                RequestBody::Connect(connect)
            }
            "FIND" => {
                // The RFC's FIND example has its members in the root.
                let find = match message.optional("find") {
                    None if message.optional_text("swarm_id").is_some() => Find::read(message),
                    None => message.object("find"),
                    Some(find) => find,
                };
                message.check(check_swarm_id(&find.swarm_id));
                RequestBody::Find(find)
            }
            "STAT_REPORT" => {
                let stat = match message.optional_object("stat_report") {
                    None => Vec::new(),
                    Some(report) => stats(&report),
                };
                if stat.len() > MAX_SWARMS {
                    message.refuse("stat_report.stat", "more than 64");
                }
                message.check(stat.iter().try_for_each(|stat| check_swarm_id(&stat.swarm_id)));
                RequestBody::StatReport(stat)
            }
            "SIGNAL" => {
                let signal: Signal = message.object("signal");
                message.check(signal.check());
                if signal.to.is_empty() {
                    message.refuse("signal.to", "missing");
                }
                RequestBody::Signal(Box::new(signal))
            }
            "CERT" => {
                let swarm = message.members("cert").text("swarm_id");
                message.check(check_swarm_id(&swarm));
                RequestBody::Cert(swarm)
            }
            _ => {
                let problem = "not CONNECT, FIND, STAT_REPORT, SIGNAL or CERT";
                message.refuse("request_type", problem);
                RequestBody::StatReport(Vec::new())
            }
        };
        Self {
            transaction_id: transaction_id.to_owned(),
            peer_id,
            body,
            ext,
        }
    }
}

fn stats(report: &Members<'_>) -> Vec<Stat> {
    if report.text("type") != STREAM_STATS {
        report.refuse("type", "not STREAM_STATS");
    }
    let mut stat = report.one_or_many("stat");
    // The RFC's STAT_REPORT example writes `Stat`.
    stat.append(&mut report.one_or_many("Stat"));
    stat
}

fn check_swarm_id(swarm_id: &str) -> Result<(), DecodeError> {
    if is_swarm_id(swarm_id) {
        Ok(())
    } else {
        Err(DecodeError::member("swarm_id", "not a swarm ID"))
    }
}

fn check_connect(connect: &mut Connect) -> Result<(), DecodeError> {
    let actions = &connect.swarm_action;
    if actions.is_empty() || actions.len() > 2 * MAX_SWARMS {
        return Err(DecodeError::member(
            "connect.swarm_action",
            "not 1 to 128 of them",
        ));
    }
    actions
        .iter()
        .try_for_each(|action| check_swarm_id(&action.swarm_id))?;
    #[cfg(feature = "server")]
    crate::addresses::check(&mut connect.peer_addr)?;
    Ok(())
}
