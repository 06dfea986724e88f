//! The tracker: RFC 7846 as JSON text frames on WebSockets, with signalling between peers, and as HTTP POST.
//!
//! * [`Server`]: the accept loop, whose connections are spread over threads (`workers`). Per connection there is one task,
//!   which speaks HTTP (`http`) until it is a WebSocket (`socket`), if ever.
//! * `session` and `post`, the two faces: who asks is proven, and limited in rate.
//! * [`Registry`]: swarms and peers behind both, in memory and without any I/O: requests in, frames for sessions out.
//! * `limits`: what each of them may do, and what is kept of whom.
//! * [`CostMap`]: what an operator knows of the networks between peers; `selection` chooses by it, among other things.
//!   `alto` polls a server for it.
//! * `fetch`: documents of other servers, over HTTP and TLS: those maps, and keys of tokens.
//! * `cluster`: trackers on several machines, which share their swarms.
//! * `management`: what operators see and do, on a listener of its own.
//! * `webtorrent`: another dialect on another path, with swarms of its own.
//!
//! Members are given certificates of membership, which peers check instead of asking the tracker
//! ([`TrackerKey`] signs them).
//!
//! [`Config`] has every setting and is read from a file or given by the program; [`Reload`] changes it while the tracker
//! runs, [`Shutdown`] drains and ends it.
//!
//! * `front`: what a connection passes before it speaks: proxies that tell whose it is, TLS; `access` and `token`: which swarms
//!   may be, and who may be in them.
//!
//! For `wss:` and `https:` it has TLS of its own, or a proxy has; name the public origin with [`Config::origins`] then, for
//! peers sign it.

mod access;
mod alto;
mod auth;
mod bans;
mod certificates;
mod clock;
mod cluster;
mod config;
mod cost_map;
mod envelope;
mod event_log;
mod eviction;
mod fast_map;
mod fetch;
mod front;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod key;
mod limits;
mod management;
mod metrics;
mod nonces;
mod outbox;
mod phase;
mod post;
mod prefix;
mod proxy;
mod registry;
mod relay;
mod reload;
mod reports;
mod selection;
mod server;
mod session;
mod setting_file;
mod socket;
mod stream;
mod swarm;
mod tls;
mod token;
mod websocket;
mod webtorrent;
mod workers;

pub use access::SwarmPolicy;
pub use config::{Config, ConfigError, Invalid, LogLevel, Management, Place, Secret};
pub use cost_map::{CostMap, CostMapError, Document};
pub use key::{KeyError, TrackerKey};
pub use limits::{Limit, Rate};
pub use phase::Shutdown;
pub use prefix::{NotAPrefix, Prefix};
pub use proxy::ForwardedHeader;
pub use registry::{Answer, Delivery, Outgoing, Registry, RegistryConfig, SessionId};
pub use reload::{Changes, Reload};
pub use reports::Report;
pub use server::{Server, ServerError};
