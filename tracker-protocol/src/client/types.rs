//! Settings of a [`Client`](super::Client), what it is told and what it says.

use crate::error::ErrorCode;
use crate::peer::{PeerInfo, PeerMode};
use crate::signal::Signal;
use crate::stat::Stat;
use crate::status::PeerStatus;

/// Settings of a [`Client`](super::Client).
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// URLs of trackers (`wss://host/ppsp`) in tiers: all of a tier are tried, in random order, before the next tier.
    pub tiers: Vec<Vec<String>>,
    /// Own key blob (algorithm byte, then the raw public key): the peer ID is its hash.
    pub key_blob: Vec<u8>,
    /// Token for closed swarms.
    pub token: Option<String>,
    /// Peers wanted in a list.
    pub peer_count: u64,
    /// Fewer connected neighbours than this make the client ask for more.
    pub low_water: usize,
    /// Seed of the random numbers used (order of trackers, jitter).
    pub seed: u64,
}

impl ClientConfig {
    /// Defaults: 10 peers a list, low water 6, no token.
    pub fn new(tiers: Vec<Vec<String>>, key_blob: Vec<u8>, seed: u64) -> Self {
        Self {
            tiers,
            key_blob,
            token: None,
            peer_count: crate::DEFAULT_PEERS,
            low_water: 6,
            seed,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Be a member of this swarm; again with another mode to change it. At most [`crate::MAX_SWARMS`].
    Join {
        /// The swarm ID, hex.
        swarm: String,
        /// Whether everything is there already.
        mode: PeerMode,
    },
    /// Stop being a member. The last one also closes the socket.
    Leave {
        /// The swarm ID, hex.
        swarm: String,
    },
    /// The socket of the last [`Output::Open`] is open.
    SocketOpen,
    /// It failed or was closed.
    SocketClosed {
        /// Why, as far as known.
        reason: String,
    },
    /// A text frame arrived on it.
    Frame(String),
    /// The signature asked for by [`Output::SignAuth`].
    AuthSigned {
        /// Of the request.
        attempt: u32,
        /// Raw r ‖ s for P-256.
        sig: Vec<u8>,
    },
    /// Relay this envelope, signed by the driver. An offer with an empty `to` is a batch offer: it is kept for the next
    /// CONNECT or FIND, at most [`crate::MAX_OFFERS`] of them.
    SendSignal(Box<Signal>),
    /// Peer IDs of the connected neighbours of a swarm, whenever they change.
    Neighbours {
        /// The swarm ID, hex.
        swarm: String,
        /// All of them.
        peers: Vec<String>,
    },
    /// The statistics that [`Output::ReportDue`] asks for. A chunk map is left out where the tracker has it, or has been
    /// told another within the last minute.
    Stats(Vec<Stat>),
    /// The player needs this chunk next: of a large swarm, peers that have it are wanted.
    Near {
        /// The swarm ID, hex.
        swarm: String,
        /// The chunk.
        chunk: u64,
    },
    /// A token for closed swarms, in place of the one before: shown at once where the tracker has been shown another,
    /// and to trackers that refused that.
    Token(String),
    /// What this peer is and can give: told with the next CONNECT, changes with the next report.
    Status(PeerStatus),
    /// The page goes away: leave everything, now.
    Close,
    /// The time of [`super::Client::poll_timeout`] has come.
    Timeout,
}

/// What to do, or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a WebSocket to this URL, subprotocol [`crate::SUBPROTOCOL`].
    Open(String),
    /// Close the socket.
    Close,
    /// Send this text frame.
    Send(String),
    /// Sign these bytes with the key of `key_blob` and hand in [`Input::AuthSigned`].
    SignAuth {
        /// To be handed back.
        attempt: u32,
        /// What to sign.
        bytes: Vec<u8>,
    },
    /// It is time to report: hand in [`Input::Stats`], at once, empty if there are none.
    ReportDue,
    /// Peers of a swarm, without ourselves; each once.
    Peers {
        /// The swarm ID, hex.
        swarm: String,
        /// Those the tracker named.
        peers: Vec<PeerInfo>,
    },
    /// How many members a swarm has, whenever that changes.
    SwarmSize {
        /// The swarm ID, hex.
        swarm: String,
        /// Members the tracker knows, with ourselves.
        members: u64,
    },
    /// Our certificate of membership, new or renewed. It is the tracker's word: whether it is one, and of which key,
    /// is not checked here.
    Certificate {
        /// The swarm ID, hex.
        swarm: String,
        /// X.509 in DER, at most [`crate::MAX_CERTIFICATE`] bytes.
        certificate: Vec<u8>,
        /// Its last second, Unix time by the tracker's clock ([`super::Client::time_ms`]).
        expires: u64,
    },
    /// Number of batch offers the tracker handed to members.
    OffersSent(u64),
    /// An envelope from another peer: in time, not seen before, for us, in a swarm of ours. The signature is the
    /// driver's to check.
    Signal(Box<Signal>),
    /// An envelope did not reach its receiver.
    SignalFailed {
        /// The receiver.
        to: String,
        /// Its offer ID.
        oid: String,
        /// Why.
        reason: String,
    },
    /// Registered at this tracker.
    Joined {
        /// The tracker.
        url: String,
        /// Key blob of the key it signs certificates with, where it issues any: 13, x, y (65 bytes).
        tracker_key: Option<Vec<u8>>,
    },
    /// The tracker is lost, or could not be reached; another attempt follows.
    Lost {
        /// The tracker.
        url: String,
        /// Why.
        reason: String,
    },
    /// The tracker refuses us, or one swarm; it is not asked again.
    Refused {
        /// The tracker.
        url: String,
        /// The swarm, when only that was refused.
        swarm: Option<String>,
        /// Its error code.
        code: ErrorCode,
        /// Its words.
        reason: String,
    },
}

/// Where a [`Client`](super::Client) stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In no swarm, no socket.
    Idle,
    /// Socket, HELLO or signature awaited.
    Opening,
    /// First CONNECT under way.
    Joining,
    /// Registered.
    Joined,
    /// Waiting before the next attempt.
    Reconnect,
    /// Every tracker refused us; nothing is tried until everything has been left.
    Refused,
}
