//! The tracker protocol: RFC 7846 (PPSTP version 1) messages in JSON, the signalling envelope that lets two peers
//! set up a WebRTC connection through the tracker, and the state machines of both sides.
//!
//! Everything here is pure: no sockets, no clock, no randomness of its own. The driver hands frames and the time in,
//! and carries the outputs out.
//!
//! * [`Request`], [`Response`], [`Event`]: what is on the wire, one JSON object per text frame. Reading is tolerant
//!   of the known inconsistencies of the RFC's own examples, writing is strict.
//! * [`Signal`]: the envelope of offers, answers and candidates, with the bytes its signature covers.
//! * [`AuxFrame`]: what neighbours say on their auxiliary channel: their [`PeerStatus`], envelopes to pass on.
//! * [`client`]: the peer's side. `server`: what a tracker keeps per peer, with the feature of that name, as are the
//!   members that no browser reads or writes: they would be a part of every viewer's bundle.
//!
//! Unknown members are ignored everywhere, as the RFC demands. Extension members live in objects called `ext`.

#[cfg(feature = "server")]
mod addresses;
mod aux_frame;
mod chunk_map;
pub mod client;
mod error;
mod event;
mod identity;
mod peer;
mod read;
mod request;
mod response;
mod sdp;
#[cfg(feature = "server")]
pub mod server;
mod signal;
mod stat;
mod status;
mod write;

pub use aux_frame::{AuxFrame, MAX_AUX_FRAME, MAX_AUX_RELAY};
pub use chunk_map::{ChunkMap, MAX_MAP_RUNS, MapReport};
pub use error::{DecodeError, EncodeError, ErrorCode, MemberError, SignalError};
pub use event::{Bye, Config, Event, Hello, Limits};
pub use identity::{
    ECDSA_P256, KEY_BLOB_LEN, NONCE_LEN, auth_signing_input, decode_base64url, encode_base64url, is_peer_id,
    is_swarm_id, peer_id_of, to_hex, tracker_origin,
};
pub use peer::{
    AbilityNat, AddressKind, AddressType, Connection, IpAddress, PeerAddr, PeerGroup, PeerInfo, PeerInfoExt,
    PeerMode, PeerNum,
};
pub use request::{
    Action, Auth, Connect, Find, Refused, Request, RequestBody, RequestExt, SwarmAction, connect_action,
};
pub use response::{FromTracker, IssuedCertificate, Response, ResponseExt, SwarmResult, SwarmResultExt};
pub use sdp::{dtls_fingerprints, sdp_lines};
pub use signal::{Kind, Profile, Signal};
pub use stat::{CandidateTypes, Qos, Stat, StatExt};
pub use status::{LinkKind, PeerStatus, Power, Role};

/// Protocol version spoken here (RFC 7846 §8).
pub const VERSION: u64 = 1;
/// Largest frame, in bytes, that is read or written.
pub const MAX_FRAME: usize = 64 * 1024;
/// Largest session description or candidate, in bytes, inside a [`Signal`].
pub const MAX_SDP: usize = 8 * 1024;
/// Deepest nesting of a request; checked while parsing.
pub const MAX_REQUEST_DEPTH: usize = 8;
/// Deepest nesting of a response or event: a peer's address inside a list is at depth 9.
pub const MAX_ANSWER_DEPTH: usize = 12;
/// Most addresses of one peer.
pub const MAX_ADDRESSES: usize = 4;
/// Longest `transaction_id`, in bytes.
pub const MAX_TRANSACTION_ID: usize = 64;
/// Most batch offers in one CONNECT or FIND.
pub const MAX_OFFERS: usize = 5;
/// Most peers a tracker returns for one swarm (RFC 7846 asks for fewer than 30).
pub const MAX_PEERS: u64 = 29;
/// Peers returned when the request does not say how many.
pub const DEFAULT_PEERS: u64 = 10;
/// Most swarms one peer may be in, and most entries of one list in a request.
pub const MAX_SWARMS: usize = 64;
/// The WebSocket subprotocol of the JSON face.
pub const SUBPROTOCOL: &str = "ppsp-tracker.1.json";
/// The extension a peer lists in `ext.supports` to be sent [`Event::Signal`].
pub const SUPPORTS_SIGNAL: &str = "signal/1";
/// The extension a peer lists in `ext.supports` when it makes batch offers.
pub const SUPPORTS_OFFERS: &str = "offers/1";
/// The extension of membership certificates: [`RequestExt::want`], [`RequestBody::Cert`].
pub const SUPPORTS_CERT: &str = "cert/1";
/// The extension of status records: [`RequestExt::status`].
pub const SUPPORTS_STATUS: &str = "status/1";
/// The extension of chunk maps: `ext.map` of a report, `ext.near` of FIND.
pub const SUPPORTS_CHUNK_MAP: &str = "chunkmap/1";
/// The extension a peer lists in `ext.supports` to be sent [`Event::Config`].
pub const SUPPORTS_CONFIG: &str = "config/1";
/// The word in [`RequestExt::want`] that asks for a certificate of every swarm joined.
pub const WANT_CERT: &str = "cert";
/// Longest membership certificate, in bytes of DER.
pub const MAX_CERTIFICATE: usize = 4096;
/// Most certificates in one response: those of further swarms are asked for one by one.
pub const MAX_CERTIFICATES: usize = 16;
