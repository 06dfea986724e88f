//! What peers ask of a tracker (RFC 7846 §3.2.2, §4.1).

use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, EncodeError, ErrorCode};
use crate::peer::{AddressKind, PeerAddr, PeerMode, PeerNum};
use crate::response::Response;
use crate::signal::Signal;
use crate::stat::Stat;
use crate::tolerant::{check_frame, is_default, number, one_or_many, text, write_frame};
use crate::{MAX_OFFERS, MAX_REQUEST_DEPTH, MAX_SWARMS, MAX_TRANSACTION_ID, VERSION, is_swarm_id};

const MAX_PEER_ID: usize = 256;

/// What to do with a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// Become a member, or change the mode of a membership.
    Join,
    /// Stop being a member.
    Leave,
}

/// One action of a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SwarmAction {
    /// The swarm.
    pub swarm_id: String,
    /// What to do with it.
    pub action: Action,
    /// Mode as a member; LEECH where a LEAVE did not say.
    pub peer_mode: PeerMode,
}

impl<'de> Deserialize<'de> for SwarmAction {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            swarm_id: String,
            action: Action,
            peer_mode: Option<PeerMode>,
        }
        let Wire {
            swarm_id,
            action,
            peer_mode,
        } = Wire::deserialize(deserializer)?;
        let peer_mode = match (peer_mode, action) {
            (Some(mode), _) => mode,
            (None, Action::Leave) => PeerMode::Leech,
            (None, Action::Join) => return Err(serde::de::Error::missing_field("peer_mode")),
        };
        Ok(Self {
            swarm_id,
            action,
            peer_mode,
        })
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// Peers wanted in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_num: Option<PeerNum>,
    /// Own addresses; a browser has none to tell.
    #[serde(
        default,
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub peer_addr: Vec<PeerAddr>,
    /// What to do; at least one.
    #[serde(default, deserialize_with = "one_or_many")]
    pub swarm_action: Vec<SwarmAction>,
}

/// A wish for more peers of a swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// The swarm.
    pub swarm_id: String,
    /// Which peers, how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_num: Option<PeerNum>,
}

/// Proof that the sender holds the key of its peer ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// Key blob, base64url.
    pub key: String,
    /// Signature over [`crate::auth_signing_input`], base64url; raw r ‖ s for P-256.
    pub sig: String,
    /// Token of a closed swarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Extension members of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestExt {
    /// Extensions the peer speaks (CONNECT).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supports: Vec<String>,
    /// Proof of possession (first CONNECT of a socket).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Batch offers for members of the tracker's choice (CONNECT, FIND); at most [`MAX_OFFERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Signal>,
    /// Peer IDs the requester does not want to be told (CONNECT, FIND).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
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
}

impl RequestBody {
    /// The `request_type` on the wire.
    pub fn request_type(&self) -> &'static str {
        match self {
            Self::Connect(_) => "CONNECT",
            Self::Find(_) => "FIND",
            Self::StatReport(_) => "STAT_REPORT",
            Self::Signal(_) => "SIGNAL",
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

#[derive(Serialize)]
struct WriteRoot<'a> {
    #[serde(rename = "PPSPTrackerProtocol")]
    message: WriteRequest<'a>,
}

#[derive(Serialize)]
struct WriteRequest<'a> {
    version: u64,
    request_type: &'static str,
    transaction_id: &'a str,
    peer_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<&'a Connect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    find: Option<&'a Find>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stat_report: Option<WriteStatReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a Signal>,
    #[serde(skip_serializing_if = "is_default_ref")]
    ext: &'a RequestExt,
}

fn is_default_ref<T: Default + PartialEq>(value: &&T) -> bool {
    is_default(*value)
}

#[derive(Serialize)]
struct WriteStatReport<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    stat: &'a [Stat],
}

#[derive(Deserialize)]
struct ReadRoot {
    #[serde(rename = "PPSPTrackerProtocol")]
    message: ReadRequest,
}

#[derive(Deserialize)]
struct ReadRequest {
    #[serde(deserialize_with = "number")]
    version: u64,
    request_type: String,
    #[serde(deserialize_with = "text")]
    transaction_id: String,
    peer_id: String,
    connect: Option<Connect>,
    find: Option<Find>,
    // The RFC's FIND example has these two in the root.
    swarm_id: Option<String>,
    peer_num: Option<PeerNum>,
    stat_report: Option<ReadStatReport>,
    signal: Option<Box<Signal>>,
    #[serde(default)]
    ext: RequestExt,
}

#[derive(Deserialize)]
struct ReadStatReport {
    #[serde(rename = "type")]
    kind: String,
    // The RFC's STAT_REPORT example writes `Stat`.
    #[serde(default, alias = "Stat", deserialize_with = "one_or_many")]
    stat: Vec<Stat>,
}

#[derive(Deserialize)]
struct HeadRoot {
    #[serde(rename = "PPSPTrackerProtocol")]
    message: Head,
}

/// What is still worth reading of a request that is otherwise not understood.
#[derive(Deserialize)]
struct Head {
    #[serde(deserialize_with = "number")]
    version: u64,
    #[serde(deserialize_with = "text")]
    transaction_id: String,
}

impl Request {
    /// The frame.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when it does not fit.
    pub fn encode(&self) -> Result<String, EncodeError> {
        let mut message = WriteRequest {
            version: VERSION,
            request_type: self.body.request_type(),
            transaction_id: &self.transaction_id,
            peer_id: &self.peer_id,
            connect: None,
            find: None,
            stat_report: None,
            signal: None,
            ext: &self.ext,
        };
        match &self.body {
            RequestBody::Connect(connect) => message.connect = Some(connect),
            RequestBody::Find(find) => message.find = Some(find),
            RequestBody::StatReport(stat) if stat.is_empty() => {}
            RequestBody::StatReport(stat) => {
                message.stat_report = Some(WriteStatReport {
                    kind: "STREAM_STATS",
                    stat,
                });
            }
            RequestBody::Signal(signal) => message.signal = Some(signal),
        }
        write_frame(&WriteRoot { message })
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`Refused`] with the answer to send: 02 for another version, 01 for all else.
    pub fn decode(frame: &str) -> Result<Self, Refused> {
        let bad_request = |transaction_id: String, error| Refused {
            code: ErrorCode::BadRequest,
            transaction_id,
            error,
        };
        check_frame(frame, MAX_REQUEST_DEPTH).map_err(|error| bad_request(String::new(), error))?;
        let message = match serde_json::from_str::<ReadRoot>(frame) {
            Ok(root) => root.message,
            Err(error) => {
                let head = serde_json::from_str::<HeadRoot>(frame).map(|root| root.message);
                let (version, id) = head.map_or((VERSION, String::new()), |head| {
                    (head.version, head.transaction_id)
                });
                let id = if id.len() > MAX_TRANSACTION_ID {
                    String::new()
                } else {
                    id
                };
                return Err(match version {
                    VERSION => bad_request(id, error.into()),
                    _ => unsupported(version, id),
                });
            }
        };
        if message.transaction_id.len() > MAX_TRANSACTION_ID {
            return Err(bad_request(
                String::new(),
                DecodeError::member("transaction_id", "longer than 64 bytes"),
            ));
        }
        if message.version != VERSION {
            return Err(unsupported(message.version, message.transaction_id));
        }
        let transaction_id = message.transaction_id.clone();
        Self::from_wire(message).map_err(|error| bad_request(transaction_id, error))
    }

    fn from_wire(message: ReadRequest) -> Result<Self, DecodeError> {
        let refuse = DecodeError::member;
        if message.peer_id.is_empty() || message.peer_id.len() > MAX_PEER_ID {
            return Err(refuse("peer_id", "not a peer ID"));
        }
        let ext = message.ext;
        if ext.offers.len() > MAX_OFFERS {
            return Err(refuse("ext.offers", "more than 5"));
        }
        ext.offers.iter().try_for_each(Signal::check)?;
        if ext.supports.len() > MAX_SWARMS || ext.exclude.len() > MAX_SWARMS {
            return Err(refuse("ext.supports/exclude", "more than 64"));
        }
        let body = match message.request_type.as_str() {
            "CONNECT" => RequestBody::Connect(check_connect(
                message.connect.ok_or_else(|| refuse("connect", "missing"))?,
            )?),
            "FIND" => {
                let root = |swarm_id| Find {
                    swarm_id,
                    peer_num: message.peer_num,
                };
                let find = message.find.or_else(|| message.swarm_id.map(root));
                let find = find.ok_or_else(|| refuse("find", "missing"))?;
                check_swarm_id(&find.swarm_id)?;
                RequestBody::Find(find)
            }
            "STAT_REPORT" => {
                let report = message.stat_report;
                if report
                    .as_ref()
                    .is_some_and(|report| report.kind != "STREAM_STATS")
                {
                    return Err(refuse("stat_report.type", "not STREAM_STATS"));
                }
                let stat = report.map_or_else(Vec::new, |report| report.stat);
                if stat.len() > MAX_SWARMS {
                    return Err(refuse("stat_report.stat", "more than 64"));
                }
                stat.iter().try_for_each(|stat| check_swarm_id(&stat.swarm_id))?;
                RequestBody::StatReport(stat)
            }
            "SIGNAL" => {
                let signal = message.signal.ok_or_else(|| refuse("signal", "missing"))?;
                signal.check()?;
                if signal.to.is_empty() {
                    return Err(refuse("signal.to", "missing"));
                }
                RequestBody::Signal(signal)
            }
            _ => return Err(refuse("request_type", "not CONNECT, FIND, STAT_REPORT or SIGNAL")),
        };
        Ok(Self {
            transaction_id: message.transaction_id,
            peer_id: message.peer_id,
            body,
            ext,
        })
    }
}

fn unsupported(version: u64, transaction_id: String) -> Refused {
    Refused {
        code: ErrorCode::UnsupportedVersion,
        transaction_id,
        error: DecodeError::Version(version),
    }
}

fn check_swarm_id(swarm_id: &str) -> Result<(), DecodeError> {
    if is_swarm_id(swarm_id) {
        Ok(())
    } else {
        Err(DecodeError::member("swarm_id", "not a swarm ID"))
    }
}

fn check_connect(mut connect: Connect) -> Result<Connect, DecodeError> {
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
    if connect.peer_addr.len() > MAX_SWARMS {
        return Err(DecodeError::member("connect.peer_addr", "more than 64"));
    }
    for address in &mut connect.peer_addr {
        address.kind.get_or_insert(AddressKind::Host);
        if address.port > u64::from(u16::MAX) {
            return Err(DecodeError::member("connect.peer_addr.port", "more than 65535"));
        }
    }
    Ok(connect)
}
