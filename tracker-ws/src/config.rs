//! Settings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tracker_protocol::server::PeerConfig;

use crate::clock::micros;
use crate::cost_map::CostMap;
use crate::key::TrackerKey;
use crate::limits::Rate;
use crate::registry::RegistryConfig;
use crate::webtorrent::TorrentsConfig;

/// Settings of a [`crate::Server`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Is RFC 7846 spoken, on `/ppsp`: WebSocket and POST?
    pub ppsp: bool,
    /// Is the WebTorrent dialect spoken, on `/announce`? It proves nothing of its peers, so it is off unless asked for.
    pub webtorrent: bool,
    /// Seconds between announces of WebTorrent clients.
    pub announce_interval: u64,
    /// Reports the tracker asks peers for, one in this time.
    pub interval: Duration,
    /// A peer that is silent this long is forgotten.
    pub track_timeout: Duration,
    /// A new socket must have an accepted CONNECT within this.
    pub init_timeout: Duration,
    /// A peer without a socket stays registered this long, without being named to others.
    pub lost_timeout: Duration,
    /// Time between WebSocket pings; a socket that misses two is closed.
    pub ping_interval: Duration,
    /// A frame that a socket does not take within this closes it.
    pub send_timeout: Duration,
    /// Public origins of this tracker (`wss://tracker.example`), which peers sign; in posted requests they sign the
    /// `https:` origin of the same host. The address a connection came in on is always accepted, and `localhost` on
    /// loopback.
    pub origins: Vec<String>,
    /// Origins of web pages that may connect (`https://site.example`); empty allows all.
    pub allow_origins: Vec<String>,
    /// Most sockets.
    pub max_sockets: usize,
    /// Most sockets from one address. The default of 1000 suits tests on loopback and viewers behind a shared NAT; 20
    /// is enough where addresses are not shared.
    pub sockets_per_address: usize,
    /// Most registered peers.
    pub max_peers: usize,
    /// Most swarms of one peer.
    pub max_swarms: usize,
    /// Requests other than SIGNAL, per second and in a burst, that a socket, or a peer without one, may make.
    pub requests: Rate,
    /// SIGNAL requests and batch offers, per second and in a burst. A join with 16 neighbours trickles some ten
    /// candidates to each at once, which 60 a minute would cut off.
    pub signals: Rate,
    /// Requests that may be posted on one connection, per second and in a burst: a proxy may bring those of many peers.
    pub posts: Rate,
    /// What signs certificates of membership; a new key for this run where it is absent.
    pub key: Option<TrackerKey>,
    /// How long a certificate is valid; at most a day.
    pub certificate_lifetime: Duration,
    /// Frames waiting to be sent on one socket; a reader that falls behind further is closed.
    pub queue: usize,
    /// What traffic between peers costs: near ones are preferred. Without it, all are equally near.
    pub cost_map: Option<Arc<CostMap>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ppsp: true,
            webtorrent: false,
            announce_interval: 120,
            interval: Duration::from_secs(30),
            track_timeout: Duration::from_secs(95),
            init_timeout: Duration::from_secs(10),
            lost_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(25),
            send_timeout: Duration::from_secs(10),
            origins: Vec::new(),
            allow_origins: Vec::new(),
            max_sockets: 16_384,
            sockets_per_address: 1000,
            max_peers: 16_384,
            max_swarms: tracker_protocol::MAX_SWARMS,
            requests: Rate {
                per_second: 10,
                burst: 30,
            },
            signals: Rate {
                per_second: 30,
                burst: 200,
            },
            posts: Rate {
                per_second: 200,
                burst: 600,
            },
            key: None,
            certificate_lifetime: Duration::from_secs(3600),
            queue: 256,
            cost_map: None,
        }
    }
}

impl Config {
    pub(crate) fn torrents(&self) -> TorrentsConfig {
        TorrentsConfig {
            interval: self.announce_interval.max(1),
            max_members: self.max_peers,
        }
    }

    pub(crate) fn registry(&self) -> RegistryConfig {
        RegistryConfig {
            peer: PeerConfig {
                init_timeout: micros(self.init_timeout),
                track_timeout: micros(self.track_timeout),
                lost_timeout: micros(self.lost_timeout),
                max_swarms: self.max_swarms,
            },
            interval: self.interval.as_secs().max(1),
            max_peers: self.max_peers,
            requests: self.requests,
        }
    }
}
