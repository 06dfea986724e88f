//! Settings.

mod check;
mod check_front;
mod file;
mod management;
mod seconds;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracker_protocol::server::PeerConfig;

use crate::access::SwarmPolicy;
use crate::clock::micros;
use crate::cost_map::{AltoMaps, AltoServer, Source};
use crate::fetch::Location;
use crate::limits::{Rate, SocketLimits};
use crate::prefix::Prefix;
use crate::proxy::{ForwardedHeader, Proxies};
use crate::registry::RegistryConfig;
use crate::webtorrent::{self, TorrentsConfig};

pub use check::Invalid;
pub(crate) use file::differences;
pub use file::{ConfigError, Place};
pub use management::{Management, Secret};

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What keeps the tracker from working.
    Error,
    /// What an operator should look at.
    Warn,
    /// Starts, ends and changes of settings.
    #[default]
    Info,
    /// What single connections do.
    Debug,
}

impl LogLevel {
    /// As the subscriber takes it.
    pub fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// Settings of a [`crate::Server`]. In a file each is a key of the same name; durations are seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How much is logged; a library leaves that to the program it is in.
    pub log: LogLevel,
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Is RFC 7846 spoken, on `/ppsp`: WebSocket and POST?
    pub ppsp: bool,
    /// Is the WebTorrent dialect spoken, on `/announce`? It proves nothing of its peers, so it is off unless asked for.
    pub webtorrent: bool,
    /// Seconds between announces of WebTorrent clients.
    pub announce_interval: u64,
    /// Reports the tracker asks peers for, one in this time.
    #[serde(with = "seconds")]
    pub interval: Duration,
    /// A peer that is silent this long is forgotten; where it is absent, after three intervals and 5 s.
    #[serde(with = "seconds::optional", skip_serializing_if = "Option::is_none")]
    pub track_timeout: Option<Duration>,
    /// A new socket must have an accepted CONNECT within this.
    #[serde(with = "seconds")]
    pub init_timeout: Duration,
    /// A peer without a socket stays registered this long, without being named to others.
    #[serde(with = "seconds")]
    pub lost_timeout: Duration,
    /// Time between WebSocket pings; a socket that misses two is closed.
    #[serde(with = "seconds")]
    pub ping_interval: Duration,
    /// A frame that a socket does not take within this closes it.
    #[serde(with = "seconds")]
    pub send_timeout: Duration,
    /// Public origins of this tracker (`wss://tracker.example`), which peers sign; in posted requests they sign the
    /// `https:` origin of the same host. The address a connection came in on is always accepted, and `localhost` on
    /// loopback.
    pub origins: Vec<String>,
    /// A tracker that drains lets its sockets go one by one, at random moments of this time.
    #[serde(with = "seconds")]
    pub drain_period: Duration,
    /// A peer that was told to move has this long to do so, before its socket is closed.
    #[serde(with = "seconds")]
    pub drain_notice: Duration,
    /// URL of the tracker that peers are told to move to (`wss://other.example/ppsp`). Peers go to those only that their
    /// page names; where it is absent, to any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_to: Option<String>,
    /// Origins of web pages that may connect (`https://site.example`); empty allows all.
    pub allow_origins: Vec<String>,
    /// Most sockets.
    pub max_sockets: usize,
    /// Most sockets from one address, or from one /64 of IPv6. The default of 1000 suits tests on loopback and viewers behind a shared NAT; 20
    /// is enough where addresses are not shared.
    pub sockets_per_address: usize,
    /// New sockets from one address (or /64), per second and in a burst. 10 a second are enough where addresses are not
    /// shared.
    pub new_sockets: Rate,
    /// Most registered peers.
    pub max_peers: usize,
    /// Most swarms of one peer.
    pub max_swarms: usize,
    /// Requests other than SIGNAL, per second and in a burst, that a socket, or a peer without one, may make.
    pub requests: Rate,
    /// SIGNAL requests and batch offers, per second and in a burst. A join with 16 neighbours trickles some ten
    /// candidates to each at once, which 60 a minute would cut off.
    pub signals: Rate,
    /// Peers that one socket may make directed offers to in a minute. Answers go to who asked and do not count.
    pub receivers_per_minute: usize,
    /// Batch offers in one CONNECT or FIND that are handed out.
    pub max_offers: usize,
    /// Offers in one announce of a WebTorrent client that are handed out.
    pub max_announce_offers: usize,
    /// Longest session description or candidate, bytes; of WebTorrent clients, as JSON.
    pub max_sdp: usize,
    /// Requests of all peers that concern one swarm, per second and in a burst: so that none takes all of the tracker.
    pub swarm_requests: Rate,
    /// Requests that may be posted on one connection, per second and in a burst: a proxy may bring those of many peers.
    pub posts: Rate,
    /// What signs certificates of membership (P-256, PEM); a new key for this run where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Is the key made when its file does not exist?
    pub create_key: bool,
    /// How long a certificate is valid; at most a day.
    #[serde(with = "seconds")]
    pub certificate_lifetime: Duration,
    /// Frames waiting to be sent on one socket; a reader that falls behind further is closed.
    pub queue: usize,
    /// Threads that serve connections; 0: one for each core that the process may use.
    pub threads: usize,
    /// ALTO network map (RFC 7285), JSON: which addresses are one network. Needs `cost_map`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_map: Option<PathBuf>,
    /// ALTO cost map of that network map: what traffic between its networks costs; near peers are preferred. Without it,
    /// all are equally near.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_map: Option<PathBuf>,
    /// Addresses of the proxies in front of the tracker, which are believed when they say whose a connection or request is.
    pub trusted_proxies: Vec<Prefix>,
    /// Does every connection begin with a PROXY protocol header (version 2), and come from one of `trusted_proxies`? Others
    /// are closed.
    pub proxy_protocol: bool,
    /// The header in which those proxies say whose a request is.
    pub forwarded_header: ForwardedHeader,
    /// Chain of certificates (PEM), the tracker's own first; with it, TLS is spoken and nothing else. Needs `tls_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key (PEM) of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Which swarms there may be.
    pub swarm_policy: SwarmPolicy,
    /// IDs of the swarms that may be, with `allow-list`; of WebTorrent, info hashes as 40 hex digits.
    pub allowed_swarms: Vec<String>,
    /// File with more of them, one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_swarms_file: Option<PathBuf>,
    /// Files with the public keys that tokens are checked with: PEM, or a JWK set.
    pub token_keys: Vec<PathBuf>,
    /// URL of a JWK set with more of them, `https:`, polled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_keys_url: Option<String>,
    /// That set is asked for as often.
    #[serde(with = "seconds")]
    pub token_keys_interval: Duration,
    /// Clocks may differ by so much: a token is taken for as long after it ends (`exp`) and before it begins (`nbf`).
    #[serde(with = "seconds")]
    pub token_leeway: Duration,
    /// Whose tokens are accepted (`iss`); empty: of whoever has one of the keys.
    pub token_issuers: Vec<String>,
    /// IDs (`jti`) of tokens that are no longer accepted.
    pub denied_tokens: Vec<String>,
    /// File with more of them, one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_tokens_file: Option<PathBuf>,
    /// URL of the Redis or Valkey engine through which trackers are one (`redis://127.0.0.1:6379`), several servers of a Redis
    /// Cluster with commas; alone where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// File with certificates of authorities (PEM) that the engine's one is checked with; the system's where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_ca: Option<PathBuf>,
    /// File with the certificate (PEM) that this node shows to the engine. Needs `cluster_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_certificate: Option<PathBuf>,
    /// File with the key of that certificate (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_key: Option<PathBuf>,
    /// URL of this very node for clients (`wss://tracker1.example/ppsp`): another node that drains sends its peers there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_url: Option<String>,
    /// URL of an ALTO server's directory (RFC 7285 §9), which says where its maps are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alto_directory: Option<String>,
    /// URL of an ALTO server's network map, polled in place of the file. Needs `alto_cost_map`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alto_network_map: Option<String>,
    /// URL of an ALTO server's cost map of that network map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alto_cost_map: Option<String>,
    /// The ALTO server is asked for new maps as often.
    #[serde(with = "seconds")]
    pub alto_interval: Duration,
    /// Each request to the ALTO server may take this long.
    #[serde(with = "seconds")]
    pub alto_timeout: Duration,
    /// Certificates (PEM) of the authorities that servers which the tracker asks over `https:` are checked against; those that
    /// the system trusts where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<PathBuf>,
    /// List of prefixes with their regions and autonomous systems, in place of maps: near is what has them in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<PathBuf>,
    /// Databases of MaxMind's format with countries or autonomous systems, in place of such a list.
    pub geo_databases: Vec<PathBuf>,
    /// What operators see and do.
    pub management: Management,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: LogLevel::Info,
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            ppsp: true,
            webtorrent: false,
            announce_interval: 120,
            interval: Duration::from_secs(30),
            track_timeout: None,
            init_timeout: Duration::from_secs(10),
            lost_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(25),
            send_timeout: Duration::from_secs(10),
            drain_period: Duration::from_secs(20),
            drain_notice: Duration::from_secs(5),
            drain_to: None,
            origins: Vec::new(),
            allow_origins: Vec::new(),
            max_sockets: 16_384,
            sockets_per_address: 1000,
            new_sockets: Rate {
                per_second: 100,
                burst: 1000,
            },
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
            receivers_per_minute: 30,
            max_offers: tracker_protocol::MAX_OFFERS,
            max_announce_offers: webtorrent::MAX_OFFERS,
            max_sdp: tracker_protocol::MAX_SDP,
            swarm_requests: Rate {
                per_second: 10_000,
                burst: 20_000,
            },
            posts: Rate {
                per_second: 200,
                burst: 600,
            },
            key: None,
            create_key: false,
            certificate_lifetime: Duration::from_secs(3600),
            queue: 256,
            threads: 0,
            network_map: None,
            cost_map: None,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            forwarded_header: ForwardedHeader::None,
            tls_certificate: None,
            tls_key: None,
            swarm_policy: SwarmPolicy::Open,
            allowed_swarms: Vec::new(),
            allowed_swarms_file: None,
            token_keys: Vec::new(),
            token_keys_url: None,
            token_keys_interval: Duration::from_secs(300),
            token_leeway: Duration::from_secs(60),
            token_issuers: Vec::new(),
            denied_tokens: Vec::new(),
            denied_tokens_file: None,
            cluster: None,
            cluster_ca: None,
            cluster_certificate: None,
            cluster_key: None,
            node_url: None,
            alto_directory: None,
            alto_network_map: None,
            alto_cost_map: None,
            alto_interval: Duration::from_secs(300),
            alto_timeout: Duration::from_secs(30),
            ca_certificates: None,
            prefixes: None,
            geo_databases: Vec::new(),
            management: Management::default(),
        }
    }
}

impl Config {
    /// After how long a silent peer is forgotten.
    pub fn effective_track_timeout(&self) -> Duration {
        self.track_timeout
            .unwrap_or(self.interval * 3 + Duration::from_secs(5))
    }

    pub(crate) fn proxies(&self) -> Proxies<'_> {
        Proxies {
            trusted: &self.trusted_proxies,
            header: self.forwarded_header,
        }
    }

    pub(crate) fn sockets(&self) -> SocketLimits {
        SocketLimits {
            all: self.max_sockets,
            per_address: self.sockets_per_address,
            new: self.new_sockets,
        }
    }

    pub(crate) fn torrents(&self) -> TorrentsConfig {
        TorrentsConfig {
            interval: self.announce_interval.max(1),
            max_members: self.max_peers,
            swarm_requests: self.swarm_requests,
        }
    }

    /// Where the map of the network is from; the first of those named, and no more are allowed.
    pub(crate) fn map_source(&self) -> Option<Source> {
        if let (Some(network_map), Some(cost_map)) = (self.network_map.clone(), self.cost_map.clone()) {
            return Some(Source::Files {
                network_map,
                cost_map,
            });
        }
        if let Some(maps) = self.alto_maps() {
            return Some(Source::Alto(AltoServer {
                maps,
                interval: self.alto_interval,
                timeout: self.alto_timeout,
            }));
        }
        if let Some(path) = &self.prefixes {
            return Some(Source::Prefixes(path.clone()));
        }
        (!self.geo_databases.is_empty()).then(|| Source::Databases(self.geo_databases.clone()))
    }

    fn alto_maps(&self) -> Option<AltoMaps> {
        let location = |url: &Option<String>| Location::parse(url.as_ref()?);
        if let Some(directory) = location(&self.alto_directory) {
            return Some(AltoMaps::Directory(directory));
        }
        Some(AltoMaps::Named {
            network_map: location(&self.alto_network_map)?,
            cost_map: location(&self.alto_cost_map)?,
        })
    }

    pub(crate) fn registry(&self) -> RegistryConfig {
        RegistryConfig {
            peer: PeerConfig {
                init_timeout: micros(self.init_timeout),
                track_timeout: micros(self.effective_track_timeout()),
                lost_timeout: micros(self.lost_timeout),
                max_swarms: self.max_swarms,
            },
            interval: self.interval.as_secs().max(1),
            max_peers: self.max_peers,
            requests: self.requests,
            swarm_requests: self.swarm_requests,
        }
    }
}
