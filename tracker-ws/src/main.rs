//! `tracker-ws`: the tracker as a program.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracker_ws::{Config, CostMap, Server, TrackerKey};

/// Names for --dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DialectName {
    Ppsp,
    Webtorrent,
}

/// WebSocket tracker for Shoal: tells peers of each other and relays their signalling.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// What to speak (repeatable): ppsp is RFC 7846 on /ppsp, webtorrent what BitTorrent's browser clients speak, on
    /// /announce
    #[arg(long, value_name = "NAME", default_value = "ppsp")]
    dialect: Vec<DialectName>,
    /// Seconds between the reports peers are asked for (10 to 300)
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(10..=300))]
    interval: u64,
    /// Seconds after which a silent peer is forgotten; default 3 × interval + 5
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    track_timeout: Option<u64>,
    /// Public origin of this tracker when it is not the address listened on, e.g. wss://tracker.example (repeatable)
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// Origin of web pages that may connect, e.g. https://site.example (repeatable); default all
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Most sockets
    #[arg(long, value_name = "COUNT", default_value_t = 16_384)]
    max_sockets: usize,
    /// Most sockets from one address (20 is enough where viewers do not share addresses)
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    sockets_per_address: usize,
    /// Most registered peers
    #[arg(long, value_name = "COUNT", default_value_t = 16_384)]
    max_peers: usize,
    /// Key that signs certificates of membership: P-256, PEM (PKCS#8); default a new one for this run
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Make the key when the file does not exist
    #[arg(long, requires = "key")]
    create_key: bool,
    /// What to log: off, error, warn, info, debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
    /// ALTO network map (RFC 7285), JSON: which addresses are one network; near peers are named first
    #[arg(long, value_name = "FILE", requires = "cost_map")]
    network_map: Option<PathBuf>,
    /// ALTO cost map of that network map: what traffic between its networks costs
    #[arg(long, value_name = "FILE", requires = "network_map")]
    cost_map: Option<PathBuf>,
}

impl Options {
    fn config(self) -> anyhow::Result<Config> {
        for origin in &self.origin {
            if tracker_protocol::tracker_origin(origin).as_ref() != Some(origin) {
                bail!("--origin {origin}: not an origin such as wss://tracker.example");
            }
        }
        let key = match &self.key {
            Some(path) if self.create_key => {
                let mut rng =
                    StdRng::try_from_rng(&mut SysRng).context("no random numbers from the system")?;
                Some(TrackerKey::read_or_create(path, &mut rng)?)
            }
            Some(path) => Some(TrackerKey::read(path).context("--key (--create-key makes one)")?),
            None => None,
        };
        let cost_map = match (&self.network_map, &self.cost_map) {
            (Some(network), Some(costs)) => Some(Arc::new(CostMap::read(network, costs)?)),
            _ => None,
        };
        Ok(Config {
            key,
            listen: self.listen,
            ppsp: self.dialect.contains(&DialectName::Ppsp),
            webtorrent: self.dialect.contains(&DialectName::Webtorrent),
            interval: Duration::from_secs(self.interval),
            track_timeout: Duration::from_secs(self.track_timeout.unwrap_or(3 * self.interval + 5)),
            origins: self.origin,
            allow_origins: self.allow_origin,
            max_sockets: self.max_sockets,
            sockets_per_address: self.sockets_per_address,
            max_peers: self.max_peers,
            cost_map,
            ..Config::default()
        })
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(options.log)
        .init();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tracker-ws: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    let config = options.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let server = Server::bind(config).await?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for ctrl-c")?;
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "tracker-ws listening on {}", server.url()).context("cannot write to stdout")?;
        stdout.flush().context("cannot write to stdout")?;
        drop(stdout);
        let shutdown = server.shutdown();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("shutting down");
            shutdown.stop();
        });
        server.run().await;
        Ok(())
    })
}
