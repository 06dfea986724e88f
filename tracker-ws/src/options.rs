//! What the command line and the environment say.

mod front;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tracker_ws::{Config, LogLevel, Secret};

use front::FrontOptions;

/// Names for --dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DialectName {
    Ppsp,
    Webtorrent,
}

/// WebSocket tracker for Shoal: tells peers of each other and relays their signalling.
///
/// A flag goes before the environment, that before the file, and that before the default. Further settings are in the
/// file: --print-config shows all.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Options {
    /// TOML file with settings
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_CONFIG")]
    config: Option<PathBuf>,
    /// Print all settings as such a file, without secrets, and end
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8000]
    #[arg(long, value_name = "IP:PORT", env = "SHOAL_TRACKER_LISTEN")]
    listen: Option<SocketAddr>,
    /// What to speak (repeatable): ppsp is RFC 7846 on /ppsp, webtorrent what BitTorrent's browser clients speak, on
    /// /announce [default: ppsp]
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        env = "SHOAL_TRACKER_DIALECT"
    )]
    dialect: Option<Vec<DialectName>>,
    /// Seconds between the reports peers are asked for (10 to 300) [default: 30]
    #[arg(long, value_name = "SECONDS", env = "SHOAL_TRACKER_INTERVAL")]
    interval: Option<u64>,
    /// Seconds after which a silent peer is forgotten [default: 3 × interval + 5]
    #[arg(long, value_name = "SECONDS", env = "SHOAL_TRACKER_TRACK_TIMEOUT")]
    track_timeout: Option<u64>,
    /// Public origin of this tracker when it is not the address listened on, e.g. wss://tracker.example (repeatable)
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        env = "SHOAL_TRACKER_ORIGIN"
    )]
    origin: Option<Vec<String>>,
    /// Origin of web pages that may connect, e.g. https://site.example (repeatable) [default: all]
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        env = "SHOAL_TRACKER_ALLOW_ORIGIN"
    )]
    allow_origin: Option<Vec<String>>,
    /// Most sockets [default: 16384]
    #[arg(long, value_name = "COUNT", env = "SHOAL_TRACKER_MAX_SOCKETS")]
    max_sockets: Option<usize>,
    /// Most sockets from one address; 20 is enough where viewers do not share addresses [default: 1000]
    #[arg(long, value_name = "COUNT", env = "SHOAL_TRACKER_SOCKETS_PER_ADDRESS")]
    sockets_per_address: Option<usize>,
    /// Most registered peers [default: 16384]
    #[arg(long, value_name = "COUNT", env = "SHOAL_TRACKER_MAX_PEERS")]
    max_peers: Option<usize>,
    /// Threads that serve connections [default: one for each core]
    #[arg(long, value_name = "COUNT", env = "SHOAL_TRACKER_THREADS")]
    threads: Option<usize>,
    /// Key that signs certificates of membership: P-256, PEM (PKCS#8) [default: a new one for this run]
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_KEY")]
    key: Option<PathBuf>,
    /// Make the key when the file does not exist
    #[arg(long, env = "SHOAL_TRACKER_CREATE_KEY")]
    create_key: bool,
    /// Seconds over which SIGTERM lets the sockets go [default: 20]
    #[arg(long, value_name = "SECONDS", env = "SHOAL_TRACKER_DRAIN_PERIOD")]
    drain_period: Option<u64>,
    /// Tracker that peers are then told to move to, one that their pages name too [default: any of those]
    #[arg(long, value_name = "URL", env = "SHOAL_TRACKER_DRAIN_TO")]
    drain_to: Option<String>,
    /// ALTO network map (RFC 7285), JSON: which addresses are one network; near peers are named first
    #[arg(
        long,
        value_name = "FILE",
        requires = "cost_map",
        env = "SHOAL_TRACKER_NETWORK_MAP"
    )]
    network_map: Option<PathBuf>,
    /// ALTO cost map of that network map: what traffic between its networks costs
    #[arg(
        long,
        value_name = "FILE",
        requires = "network_map",
        env = "SHOAL_TRACKER_COST_MAP"
    )]
    cost_map: Option<PathBuf>,
    /// Redis or Valkey engine through which several trackers are one, e.g. redis://127.0.0.1:6379 [default: none]
    #[arg(long, value_name = "URL", env = "SHOAL_TRACKER_CLUSTER")]
    cluster: Option<String>,
    /// Certificates of authorities that the engine's one is checked with, PEM [default: the system's]
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_CLUSTER_CA")]
    cluster_ca: Option<PathBuf>,
    /// Certificate that this node shows to the engine, PEM; needs --cluster-key
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_CLUSTER_CERTIFICATE")]
    cluster_certificate: Option<PathBuf>,
    /// Key of that certificate, PEM
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_CLUSTER_KEY")]
    cluster_key: Option<PathBuf>,
    /// URL of this very tracker, which others of its cluster send their peers to when they drain
    #[arg(long, value_name = "URL", env = "SHOAL_TRACKER_NODE_URL")]
    node_url: Option<String>,
    /// URL of an ALTO server's directory, which says where its maps are
    #[arg(long, value_name = "URL", env = "SHOAL_TRACKER_ALTO_DIRECTORY")]
    alto_directory: Option<String>,
    /// URL of an ALTO server's network map, polled in place of that file
    #[arg(
        long,
        value_name = "URL",
        requires = "alto_cost_map",
        env = "SHOAL_TRACKER_ALTO_NETWORK_MAP"
    )]
    alto_network_map: Option<String>,
    /// URL of the ALTO server's cost map of that network map
    #[arg(
        long,
        value_name = "URL",
        requires = "alto_network_map",
        env = "SHOAL_TRACKER_ALTO_COST_MAP"
    )]
    alto_cost_map: Option<String>,
    /// Seconds between two polls of the ALTO server (10 to 86400) [default: 300]
    #[arg(long, value_name = "SECONDS", env = "SHOAL_TRACKER_ALTO_INTERVAL")]
    alto_interval: Option<u64>,
    /// Seconds that a request to the ALTO server may take (1 to 300) [default: 30]
    #[arg(long, value_name = "SECONDS", env = "SHOAL_TRACKER_ALTO_TIMEOUT")]
    alto_timeout: Option<u64>,
    /// List of prefixes with their regions and autonomous systems: peers that have them in common are named first
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_PREFIXES")]
    prefixes: Option<PathBuf>,
    /// Database of MaxMind's format with countries or autonomous systems (repeatable), in place of such a list
    #[arg(
        long = "geo-database",
        value_name = "FILE",
        value_delimiter = ',',
        env = "SHOAL_TRACKER_GEO_DATABASES"
    )]
    geo_databases: Option<Vec<PathBuf>>,
    /// Address and port of management: API and dashboard, which need a token [default: off]
    #[arg(long, value_name = "IP:PORT", env = "SHOAL_TRACKER_MANAGEMENT_LISTEN")]
    management_listen: Option<SocketAddr>,
    /// The token, which other users of this machine can see here
    #[arg(
        long,
        value_name = "TOKEN",
        env = "SHOAL_TRACKER_MANAGEMENT_TOKEN",
        hide_env_values = true
    )]
    management_token: Option<String>,
    /// File that has the token
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_MANAGEMENT_TOKEN_FILE")]
    management_token_file: Option<PathBuf>,
    /// What to log [default: info]
    #[arg(long, value_name = "LEVEL", env = "SHOAL_TRACKER_LOG")]
    log: Option<LogLevel>,
    #[command(flatten)]
    front: FrontOptions,
}

/// Puts an option, where it is given, over a setting.
fn set<T: Clone>(setting: &mut T, option: &Option<T>) {
    if let Some(value) = option {
        setting.clone_from(value);
    }
}

/// The same of a setting that may be absent.
fn set_optional<T: Clone>(setting: &mut Option<T>, option: &Option<T>) {
    if option.is_some() {
        setting.clone_from(option);
    }
}

impl Options {
    /// The settings in effect: these options over the file over the defaults.
    pub(crate) fn settings(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        set(&mut config.listen, &self.listen);
        set(&mut config.interval, &self.interval.map(Duration::from_secs));
        set(&mut config.origins, &self.origin);
        set(&mut config.allow_origins, &self.allow_origin);
        set(&mut config.max_sockets, &self.max_sockets);
        set(&mut config.sockets_per_address, &self.sockets_per_address);
        set(&mut config.max_peers, &self.max_peers);
        set(&mut config.threads, &self.threads);
        set(&mut config.log, &self.log);
        if let Some(dialects) = &self.dialect {
            config.ppsp = dialects.contains(&DialectName::Ppsp);
            config.webtorrent = dialects.contains(&DialectName::Webtorrent);
        }
        set(
            &mut config.drain_period,
            &self.drain_period.map(Duration::from_secs),
        );
        set_optional(&mut config.drain_to, &self.drain_to);
        set_optional(&mut config.cluster, &self.cluster);
        set_optional(&mut config.cluster_ca, &self.cluster_ca);
        set_optional(&mut config.cluster_certificate, &self.cluster_certificate);
        set_optional(&mut config.cluster_key, &self.cluster_key);
        set_optional(&mut config.node_url, &self.node_url);
        set_optional(&mut config.network_map, &self.network_map);
        set_optional(&mut config.cost_map, &self.cost_map);
        set_optional(&mut config.alto_directory, &self.alto_directory);
        set_optional(&mut config.alto_network_map, &self.alto_network_map);
        set_optional(&mut config.alto_cost_map, &self.alto_cost_map);
        set(
            &mut config.alto_interval,
            &self.alto_interval.map(Duration::from_secs),
        );
        set(
            &mut config.alto_timeout,
            &self.alto_timeout.map(Duration::from_secs),
        );
        set_optional(&mut config.prefixes, &self.prefixes);
        set(&mut config.geo_databases, &self.geo_databases);
        set_optional(&mut config.key, &self.key);
        config.create_key |= self.create_key;
        self.front.set(&mut config);
        let management = &mut config.management;
        set_optional(&mut management.listen, &self.management_listen);
        // One of the two goes before whichever the file has.
        if self.management_token.is_some() || self.management_token_file.is_some() {
            management.token = self.management_token.clone().map(Secret::new);
            management.token_file.clone_from(&self.management_token_file);
        }
        set_optional(
            &mut config.track_timeout,
            &self.track_timeout.map(Duration::from_secs),
        );
        config.check()?;
        config.track_timeout = Some(config.effective_track_timeout());
        Ok(config)
    }
}
