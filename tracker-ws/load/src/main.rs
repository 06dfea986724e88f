//! `tracker-load`: many peers of one tracker, from one thread. Says how many envelopes were relayed, how long they took,
//! and what the tracker spent on them.
//!
//! * Open loop (`--rate`): offers come at a fixed rate, whatever the tracker makes of it, so waiting is not left out.
//! * Closed loop (no `--rate`): every peer makes its next offers when the tracker has taken the last ones.
//! * `--idle`: nothing but registered peers, for their memory.
//!
//! Offers carry the time when they were made in their IDs, and are answered at once by whoever gets them.

mod client;
mod description;
mod dialect;
mod process;
mod report;
mod tally;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use client::{Client, Load};
use dialect::Dialect;
use process::Process;
use report::Report;
use tally::Tally;

/// Puts load on a WebSocket tracker.
#[derive(Parser)]
struct Options {
    /// The tracker, e.g. ws://127.0.0.1:8000/ppsp or ws://127.0.0.1:8000/announce
    #[arg(long, value_name = "URL")]
    url: String,
    /// What it is spoken to in
    #[arg(long, value_enum, default_value_t = Dialect::Ppsp)]
    dialect: Dialect,
    /// Peers, each on a socket of its own
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    sockets: u32,
    /// Number of the first of them: peers of the same number are the same
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first: u32,
    /// Swarms that they are spread over
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    swarms: u32,
    /// Offers that a peer makes at a time
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10))]
    offers: u32,
    /// Bytes of a session description
    #[arg(long, value_name = "BYTES", default_value_t = 1200)]
    sdp: usize,
    /// Offers of all peers in a second; none: as many as the tracker takes
    #[arg(long, value_name = "COUNT", conflicts_with = "idle")]
    rate: Option<f64>,
    /// Only registers the peers
    #[arg(long)]
    idle: bool,
    /// How long it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Loopback addresses that the peers come from
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=250))]
    addresses: u32,
    /// Certificate (PEM) that a tracker with TLS is trusted by
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Prints one line of JSON
    #[arg(long)]
    json: bool,
    /// The tracker's process: its CPU time and memory are told, too
    #[arg(long)]
    pid: Option<u32>,
}

/// Sockets opened beside each other.
const OPENING: usize = 32;
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(
        options.rate.is_none_or(|rate| rate > 0.0),
        "--rate: not more than 0"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let report = runtime.block_on(run(&options))?;
    match options.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => report.print(),
    }
    Ok(())
}

/// TLS that trusts these certificates.
fn tls(path: &Path) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let read = || format!("--ca: {}", path.display());
    for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
        roots.add(certificate.with_context(read)?).with_context(read)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn run(options: &Options) -> Result<Report> {
    let tracker = options.pid.map(Process);
    let before = tracker.map(Process::resident).transpose()?;
    let tally = Arc::new(Tally::new());
    // Never moves before the measurement has begun, and tells all peers at once.
    let (start, started) = watch::channel(false);
    let load = Load {
        dialect: options.dialect,
        offers: options.offers,
        sdp: description::of_length(options.sdp).into(),
        every: options
            .rate
            .map(|rate| Duration::from_secs_f64(f64::from(options.sockets * options.offers) / rate)),
        idle: options.idle,
        addresses: options.addresses,
        tls: options.ca.as_deref().map(tls).transpose()?,
    };
    let mut clients = JoinSet::new();
    let mut numbers = options.first..options.first.saturating_add(options.sockets);
    let mut opening = JoinSet::new();
    loop {
        while opening.len() < OPENING
            && let Some(number) = numbers.next()
        {
            let (url, load) = (options.url.clone(), load.clone());
            let swarm = number % options.swarms;
            opening.spawn(async move { Client::join(&url, load, number, swarm).await });
        }
        let Some(joined) = opening.join_next().await else {
            break;
        };
        let client = joined?.with_context(|| options.url.clone())?;
        clients.spawn(client.run(tally.clone(), started.clone()));
    }
    let mut report = Report {
        peers: options.sockets,
        resident: None,
        peer_bytes: None,
        traffic: None,
    };
    if let (Some(tracker), Some(before)) = (tracker, before) {
        // What registering took for a moment is given back.
        sleep(WARM_UP).await;
        let after = tracker.resident()?;
        report.resident = Some(after);
        report.peer_bytes = Some(after.saturating_sub(before) as f64 / f64::from(options.sockets.max(1)));
    }
    if options.idle {
        ensure_all(&mut clients, options.sockets)?;
        return Ok(report);
    }
    start.send_replace(true);
    sleep(WARM_UP).await;
    tally.begin();
    let cpu = tracker.map(Process::cpu).transpose()?;
    let began = Instant::now();
    sleep_until(began + Duration::from_secs(options.seconds)).await;
    let took = began.elapsed();
    let cpu = match (tracker, cpu) {
        (Some(tracker), Some(before)) => Some(tracker.cpu()? - before),
        _ => None,
    };
    ensure_all(&mut clients, options.sockets)?;
    report.traffic = Some(tally.traffic(took, cpu));
    Ok(report)
}

/// Fails when one has ended.
fn ensure_all(clients: &mut JoinSet<Result<()>>, all: u32) -> Result<()> {
    match clients.try_join_next() {
        Some(ended) => ended?.with_context(|| format!("{} peers of {all} are left", clients.len())),
        None => Ok(()),
    }
}
