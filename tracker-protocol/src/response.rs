//! What a tracker answers (RFC 7846 §3.2.6, §4.2), and everything a peer can receive from one.

use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, EncodeError, ErrorCode};
use crate::event::{Event, ReadEvent};
use crate::peer::{AddressKind, PeerAddr, PeerGroup};
use crate::tolerant::{check_frame, is_default, number, one_or_many, optional_number, text, write_frame};
use crate::{MAX_ANSWER_DEPTH, MAX_SWARMS, MAX_TRANSACTION_ID, VERSION};

/// Outcome for one swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmResult {
    /// The swarm.
    pub swarm_id: String,
    /// 0 successful, 1 failed.
    #[serde(deserialize_with = "number")]
    pub result: u64,
    /// Its peers, where the request asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_group: Option<PeerGroup>,
}

/// Extension members of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseExt {
    /// Why it failed: a word (`no-such-peer`) or the text of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds to wait before asking again (with 05).
    #[serde(
        default,
        deserialize_with = "optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub retry_after: Option<u64>,
    /// Seconds between reports the tracker asks for.
    #[serde(
        default,
        deserialize_with = "optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub interval: Option<u64>,
    /// Seconds without an accepted request after which the tracker forgets the peer.
    #[serde(
        default,
        deserialize_with = "optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub track_timeout: Option<u64>,
    /// How many of the request's batch offers were handed to members.
    #[serde(
        default,
        deserialize_with = "optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub offers_sent: Option<u64>,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The request's.
    pub transaction_id: String,
    /// [`ErrorCode::NoError`] is a success.
    pub code: ErrorCode,
    /// The requester's public address as the tracker sees it.
    pub peer_addr: Option<PeerAddr>,
    /// Outcome per swarm; empty in a failure.
    pub swarm_result: Vec<SwarmResult>,
    /// Extension members.
    pub ext: ResponseExt,
}

#[derive(Serialize)]
struct WriteRoot<'a> {
    #[serde(rename = "PPSPTrackerProtocol")]
    message: WriteResponse<'a>,
}

#[derive(Serialize)]
struct WriteResponse<'a> {
    version: u64,
    response_type: u8,
    error_code: u8,
    transaction_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_addr: Option<&'a PeerAddr>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    swarm_result: &'a [SwarmResult],
    #[serde(skip_serializing_if = "is_default_ref")]
    ext: &'a ResponseExt,
}

fn is_default_ref<T: Default + PartialEq>(value: &&T) -> bool {
    is_default(*value)
}

#[derive(Deserialize)]
struct ReadRoot {
    #[serde(rename = "PPSPTrackerProtocol")]
    response: Option<ReadResponse>,
    #[serde(rename = "PPSPTrackerEvent")]
    event: Option<ReadEvent>,
}

#[derive(Deserialize)]
struct ReadResponse {
    #[serde(deserialize_with = "number")]
    version: u64,
    #[serde(deserialize_with = "number")]
    response_type: u64,
    #[serde(deserialize_with = "number")]
    error_code: u64,
    #[serde(deserialize_with = "text")]
    transaction_id: String,
    #[serde(default, deserialize_with = "one_or_many")]
    peer_addr: Vec<PeerAddr>,
    #[serde(default, deserialize_with = "one_or_many")]
    swarm_result: Vec<SwarmResult>,
    #[serde(default)]
    ext: ResponseExt,
}

impl Response {
    /// A success without results.
    pub fn ok(transaction_id: &str) -> Self {
        Self {
            transaction_id: transaction_id.to_owned(),
            code: ErrorCode::NoError,
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
        let message = WriteResponse {
            version: VERSION,
            response_type: u8::from(self.code != ErrorCode::NoError),
            error_code: self.code as u8,
            transaction_id: &self.transaction_id,
            peer_addr: self.peer_addr.as_ref(),
            swarm_result: &self.swarm_result,
            ext: &self.ext,
        };
        write_frame(&WriteRoot { message })
    }

    fn from_wire(message: ReadResponse) -> Result<Self, DecodeError> {
        if message.version != VERSION {
            return Err(DecodeError::Version(message.version));
        }
        let code = ErrorCode::from_number(message.error_code)
            .ok_or_else(|| DecodeError::member("error_code", "not one of 0 to 6"))?;
        if message.response_type != u64::from(code != ErrorCode::NoError) {
            return Err(DecodeError::member(
                "response_type",
                "does not go with error_code",
            ));
        }
        if message.transaction_id.len() > MAX_TRANSACTION_ID {
            return Err(DecodeError::member("transaction_id", "longer than 64 bytes"));
        }
        if message.swarm_result.len() > 2 * MAX_SWARMS {
            return Err(DecodeError::member("swarm_result", "more than 128"));
        }
        let complete = |address: &mut PeerAddr| {
            address.kind.get_or_insert(AddressKind::Reflexive);
        };
        let mut peer_addr = message.peer_addr.into_iter().next();
        peer_addr.iter_mut().for_each(complete);
        let mut swarm_result = message.swarm_result;
        for group in swarm_result
            .iter_mut()
            .filter_map(|result| result.peer_group.as_mut())
        {
            group
                .peer_info
                .iter_mut()
                .for_each(|peer| complete(&mut peer.peer_addr));
        }
        Ok(Self {
            transaction_id: message.transaction_id,
            code,
            peer_addr,
            swarm_result,
            ext: message.ext,
        })
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
        check_frame(frame, MAX_ANSWER_DEPTH)?;
        let root: ReadRoot = serde_json::from_str(frame)?;
        match (root.response, root.event) {
            (Some(response), None) => Response::from_wire(response).map(Self::Response),
            (None, Some(event)) => Event::from_wire(event).map(Self::Event),
            _ => Err(DecodeError::member(
                "PPSPTrackerProtocol/PPSPTrackerEvent",
                "not exactly one of them",
            )),
        }
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
