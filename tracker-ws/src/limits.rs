//! Limits against abuse. Whatever is kept of somebody is bounded, whoever comes.

mod address;
mod paces;
mod rate;
mod receivers;
mod sockets;

use prometheus_client::encoding::EncodeLabelValue;

pub(crate) use rate::Bucket;
pub use rate::Rate;
pub(crate) use receivers::Receivers;
pub(crate) use sockets::{SocketLimits, SocketPermit, Sockets};

/// What a request, or a part of it, was refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Limit {
    /// Requests of a peer.
    Requests,
    /// Posts on a connection, or proofs that are remembered of all.
    Posts,
    /// SIGNAL requests and batch offers of a peer.
    Signals,
    /// Offers in a request; those past the limit are ignored.
    Offers,
    /// Length of a description; batch offers that are longer are ignored.
    DescriptionSize,
    /// Peers that a peer makes offers to.
    Receivers,
    /// Requests that concern a swarm.
    Swarm,
    /// Registered peers; of the WebTorrent dialect, memberships.
    Peers,
    /// Swarms of a peer; of the WebTorrent dialect, peer IDs or swarms of a socket.
    Memberships,
}
