//! What a swarm is told and what it says.

use bytes::Bytes;
use core::ops::Range;
use core::time::Duration;

use crate::ids::CheckId;
use crate::live::SIGNATURE_LENGTH;
use crate::options::Addressing;
use crate::status::PeerStatus;
use crate::{FetchId, LinkId, PeerId, Timestamp};

/// What a swarm is told at its construction.
#[derive(Clone, Debug)]
pub struct Config {
    /// This peer's ID: takes part in electing who fetches from the origin.
    pub peer_id: PeerId,
    /// Seed of the swarm's random numbers (channel IDs).
    pub seed: u64,
    /// Closest to a deadline that a segment may stay without an origin fetch under way.
    pub urgent_window: Duration,
    /// Peers served at a time while not all can be served.
    pub upload_slots: usize,
    /// How chunks are addressed on channels that this peer opens (RFC 7574 §4): ranges or 32-bit bins. On others it
    /// is the opener's choice.
    pub addressing: Addressing,
}

impl Config {
    /// The defaults: origin fetches from 6 s before a deadline, 8 upload slots, chunk ranges.
    pub fn new(peer_id: PeerId, seed: u64) -> Self {
        Self {
            peer_id,
            seed,
            urgent_window: Duration::from_secs(6),
            upload_slots: 8,
            addressing: Addressing::ChunkRanges32,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection to a peer is open.
    LinkUp {
        /// Its number.
        link: LinkId,
        /// Who is at the other end, proven.
        peer: PeerId,
    },
    /// A connection is gone.
    LinkDown {
        /// Its number.
        link: LinkId,
    },
    /// A datagram came.
    Datagram {
        /// From where.
        link: LinkId,
        /// The bytes.
        data: Bytes,
    },
    /// This many bytes may be queued on the bulk lane now.
    Writable {
        /// Of which connection.
        link: LinkId,
        /// Bytes.
        free: usize,
    },
    /// The player wants a segment, or wants it at another time.
    Demand {
        /// Its number.
        segment: u32,
        /// When it has to be complete.
        deadline: Timestamp,
    },
    /// The player no longer wants a segment.
    Withdraw {
        /// Its number.
        segment: u32,
    },
    /// Bytes of an origin fetch, in order.
    OriginData {
        /// Which fetch.
        fetch: FetchId,
        /// The bytes.
        data: Bytes,
    },
    /// An origin fetch ended as HTTP says it should: with all of its body.
    OriginEnd {
        /// Which fetch.
        fetch: FetchId,
        /// Did the origin ignore that a part of the segment was asked for, and send it from its beginning? `None`: all of it
        /// was asked for.
        range_ignored: Option<bool>,
    },
    /// An origin fetch ended without all its bytes.
    OriginFailed {
        /// Which fetch.
        fetch: FetchId,
    },
    /// The proof of a live segment, asked for by [`Output::FetchProof`].
    Proof {
        /// Which segment.
        segment: u32,
        /// The file ([`crate::proof`]); `None` when it cannot be had.
        proof: Option<Bytes>,
    },
    /// What came of [`Output::CheckSignature`].
    SignatureChecked {
        /// Which check.
        check: CheckId,
        /// Is it the publisher's signature?
        valid: bool,
    },
    /// What the time really is, where the driver's clock is only sure to run evenly: signatures have a date.
    Clock {
        /// Now, by a clock that others agree with.
        unix: Timestamp,
    },
    /// How many members the tracker counts in this swarm; 0 = unknown.
    SwarmSize(u32),
    /// This peer's membership certificate (RFC 7574 §8.13), for neighbours to hand on.
    Certificate {
        /// X.509 DER, at most [`crate::message::MAX_CERTIFICATE`] bytes.
        certificate: Bytes,
        /// When it ends, by the real time.
        expires: Timestamp,
    },
    /// More peers are wanted than the tracker names: ask the neighbours.
    FindPeers,
    /// What came of [`Output::CheckCertificate`].
    CertificateChecked {
        /// Which check.
        check: CheckId,
        /// Whose it is, if it is good: signed by the tracker, for this swarm, in its time.
        member: Option<Member>,
    },
    /// What a neighbour says of its link and power.
    PeerStatus {
        /// Of which connection.
        link: LinkId,
        /// What it says.
        status: PeerStatus,
    },
    /// Whether chunks are served to others (on at the start).
    Upload(bool),
    /// Whether connections to peers are on their way, so that waiting for them is worth a little.
    Prospects(bool),
    /// Nothing but that time has passed.
    Timeout,
}

/// Which data channel of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Ordered: everything but chunks.
    Control,
    /// Unordered: chunks with their hashes.
    Bulk,
}

/// Why a connection should be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It sent a chunk or hashes that are not the content's. Ban the peer.
    Forged,
    /// It broke the protocol.
    Protocol,
    /// Nothing came for too long.
    Dead,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a datagram.
    Transmit {
        /// Over which connection.
        link: LinkId,
        /// On which channel.
        lane: Lane,
        /// The bytes.
        datagram: Bytes,
    },
    /// Fetch bytes of a segment from the origin and report them as [`Input::OriginData`].
    FetchOrigin {
        /// The number to report with.
        fetch: FetchId,
        /// The segment.
        segment: u32,
        /// Bytes inside the segment; `u64::MAX` at its end means "to the end of the segment", where that is not known.
        bytes: Range<u64>,
    },
    /// Fetch the proof of a live segment from the origin and report it as [`Input::Proof`].
    FetchProof {
        /// The segment.
        segment: u32,
    },
    /// Check a signature with the publisher's key ([`SwarmMetadata::live_key`]) and report [`Input::SignatureChecked`].
    ///
    /// [`SwarmMetadata::live_key`]: crate::SwarmMetadata::live_key
    CheckSignature {
        /// The number to report with.
        check: CheckId,
        /// What was signed.
        message: Bytes,
        /// Raw signature.
        signature: [u8; SIGNATURE_LENGTH],
    },
    /// Check a membership certificate: the tracker's signature, this swarm, its time; report
    /// [`Input::CertificateChecked`].
    CheckCertificate {
        /// The number to report with.
        check: CheckId,
        /// X.509 DER.
        certificate: Bytes,
    },
    /// A member of the swarm that a neighbour named, with a good certificate: it can be reached through the neighbour.
    Candidate {
        /// Who.
        peer: PeerId,
        /// The neighbour.
        via: LinkId,
        /// The certificate.
        certificate: Bytes,
    },
    /// Abort a fetch; nothing more of it will be looked at.
    CancelOrigin {
        /// Its number.
        fetch: FetchId,
    },
    /// Close a connection.
    Disconnect {
        /// Which.
        link: LinkId,
        /// Why.
        reason: Reason,
    },
    /// Something worth telling.
    Event(Event),
}

/// Where a chunk came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A peer.
    Peer(LinkId),
    /// The origin.
    Origin,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A chunk was verified.
    Chunk {
        /// Its number.
        chunk: u32,
        /// Its length.
        bytes: u32,
        /// Where it came from.
        source: Source,
    },
    /// A wanted segment is complete; read it with [`Swarm::read_segment`].
    Segment {
        /// Its number.
        segment: u32,
        /// Bytes from peers since it was wanted.
        p2p_bytes: u64,
        /// Bytes from the origin since it was wanted.
        http_bytes: u64,
        /// The peers.
        peers: Vec<LinkId>,
        /// Time since it was wanted.
        elapsed: Duration,
    },
    /// The origin failed too often for a segment; it is no longer wanted.
    SegmentFailed {
        /// Its number.
        segment: u32,
    },
    /// The origin's bytes are not what the metadata promise; the segment is no longer wanted.
    OriginMismatch {
        /// Its number.
        segment: u32,
    },
    /// A wanted live segment came from the origin whole, and no good proof of it came in time. The player may have it as
    /// without Shoal; it is never served, and no longer wanted here.
    Unproven {
        /// Its number.
        segment: u32,
        /// Its bytes, in order.
        chunks: Vec<Bytes>,
    },
    /// A live segment's signature was refused.
    MunroRefused {
        /// Who sent it; `None` = the origin.
        link: Option<LinkId>,
        /// Its number.
        segment: u32,
        /// Why.
        why: Refusal,
    },
    /// A membership certificate was no good; its sender's others are not looked at.
    CertificateRefused {
        /// Who sent it.
        link: LinkId,
    },
    /// Payload that was received and thrown away.
    Discarded {
        /// Bytes.
        bytes: usize,
        /// Who sent it; `None` = the origin.
        link: Option<LinkId>,
    },
    /// A peer sent a chunk or hashes that are not the content's.
    BadChunk {
        /// Who.
        link: LinkId,
        /// Which chunk.
        chunk: u32,
    },
    /// A chunk was sent to a peer.
    Uploaded {
        /// To whom.
        link: LinkId,
        /// Payload bytes.
        bytes: u32,
    },
}

/// Why a live segment's signature is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Signed longer ago than segments are kept (RFC 7574 §6.1.2.2).
    Stale,
    /// Signed in the future.
    Future,
    /// Earlier than that of an earlier segment, or later than that of a later one.
    Order,
    /// Another root was signed for the same segment.
    Conflict,
    /// The hashes beside it do not show how many chunks the segment has.
    Extent,
    /// It is not the publisher's.
    Signature,
    /// What the origin has beside the segment is no proof of it.
    Proof,
}

/// Whose a membership certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The peer.
    pub peer: PeerId,
    /// When the certificate ends, by the real time.
    pub expires: Timestamp,
}

/// How a chunk stands, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkState {
    /// Neither here nor asked for.
    Missing,
    /// Asked of a peer or the origin.
    InFlight,
    /// Verified and kept.
    Held,
}
