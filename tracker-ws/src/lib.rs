//! The WebSocket tracker: RFC 7846 messages as JSON text frames, one per frame, with signalling between peers.
//!
//! * [`Server`]: the accept loop. Per socket there is one task (`session`), which proves who the peer is, limits its
//!   rate and carries frames.
//! * [`Registry`]: swarms and peers, in memory and without any I/O: requests in, frames for sessions out.
//!
//! Members are given certificates of membership, which peers check instead of asking the tracker
//! ([`TrackerKey`] signs them).
//!
//! Behind TLS a proxy terminates `wss:`; name the public origin with [`Config::origins`] then, for peers sign it.

mod auth;
mod certificates;
mod clock;
mod config;
mod http;
mod key;
mod limits;
mod metrics;
mod nonces;
mod post;
mod registry;
mod relay;
mod reports;
mod server;
mod session;
mod socket;
mod swarm;
mod webtorrent;

pub use config::Config;
pub use key::{KeyError, TrackerKey};
pub use limits::Rate;
pub use registry::{Answer, Delivery, Outgoing, Registry, RegistryConfig, SessionId};
pub use reports::Report;
pub use server::{Server, ServerError, Shutdown};
