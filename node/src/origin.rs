//! `shoal origin`: the publisher's side of live (RFC 7574 §6). Watches the folder a packager writes an HLS stream to,
//! signs each new segment once, writes its proof beside it, and serves it all. Playlists and segments are only read.
//!
//! What viewers see never names a segment whose proof is not there yet: an injector announces nothing that is not
//! signed (RFC 7574 §6.1.2.1).

mod clock;
mod document;
mod gate;
mod inits;
mod key;
mod keys;
mod ledger;
mod playlist_file;
mod signer;
mod sizing;
mod sources;
mod stamp;
mod swarm;
mod track;
mod view;
mod watcher;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::middleware::from_fn_with_state;
use clap::ValueEnum;
use content::manifest::{MAX_CHUNK_SIZE, MAX_TRACKERS, MIN_CHUNK_SIZE};
use content::{Integrity, TrackerKey};

use crate::serve::{self, AccessLog, Mount};
use key::Algorithm;
use keys::{KeySource, Keys};
use view::View;
use watcher::Watcher;

/// Arguments of `shoal origin`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder the packager writes to: its playlists, and all that a multivariant playlist there names.
    #[arg(value_name = "DIR")]
    root: PathBuf,
    /// Tracker to announce to, ws:// or wss://; may be given several times.
    #[arg(long = "tracker", value_name = "URL", required = true)]
    trackers: Vec<String>,
    /// The trackers' public key, with which peers check each other's membership certificates.
    #[arg(long, value_name = "BASE64URL")]
    tracker_key: Option<TrackerKey>,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Private key (PKCS#8 PEM, P-256 or Ed25519) of a stream of one playlist.
    #[arg(long, value_name = "FILE", conflicts_with = "key_dir")]
    key: Option<PathBuf>,
    /// Folder with a private key for each playlist; those missing are made. Keys make swarms: without --key or
    /// --key-dir every start makes new ones.
    #[arg(long, value_name = "DIR")]
    key_dir: Option<PathBuf>,
    /// What new keys are for.
    #[arg(long, value_enum, default_value = "p256")]
    algorithm: Algorithm,
    /// What is signed: each segment, or each chunk (only for tiny streams).
    #[arg(long, value_enum, default_value = "unified")]
    integrity: IntegrityArgument,
    /// Bytes in a chunk, the unit peers exchange: 1024 to 64512.
    #[arg(long, value_name = "BYTES", default_value_t = 16384)]
    #[arg(value_parser = clap::value_parser!(u32).range(i64::from(MIN_CHUNK_SIZE)..=i64::from(MAX_CHUNK_SIZE)))]
    chunk_size: u32,
    /// How long peers keep segments and serve them to each other.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    discard_window: u32,
    /// Largest segment there will be; larger ones go over HTTP alone [default: four times the first ones, twice the
    /// peak bit rate of the multivariant playlist, 4 MiB; whichever is most].
    #[arg(long, value_name = "BYTES")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_segment: Option<u64>,
    /// Serve another folder below a path, as /js=./dist; may be given several times.
    #[arg(long = "mount", value_name = "PREFIX=DIR")]
    mounts: Vec<Mount>,
    /// Write a line of JSON for each request: method, path, range, status, bytes of the body that went out, ms.
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
}

/// [`Integrity`] by its name in `shoal.json`.
#[derive(Clone, Copy, ValueEnum)]
enum IntegrityArgument {
    Unified,
    SignAll,
}

/// What holds for all swarms of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes in a chunk.
    pub chunk_size: u32,
    /// What is signed.
    pub integrity: Integrity,
    /// How long peers keep segments.
    pub discard_window: Duration,
    /// Bytes of the largest segment, if the operator knows.
    pub max_segment: Option<u64>,
}

/// Runs the command until it is told to end.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.trackers.len() > MAX_TRACKERS {
        let given = arguments.trackers.len();
        bail!("{given} trackers, at most {MAX_TRACKERS} can be given");
    }
    let log = arguments
        .access_log
        .as_deref()
        .map(AccessLog::create)
        .transpose()?;
    let view = Arc::new(View::new(arguments.root.clone()));
    let files = Router::new()
        .fallback_service(serve::folder(&arguments.root)?)
        .layer(from_fn_with_state(view.clone(), gate::gate));
    let site = serve::site(files, &arguments.mounts, log)?;
    let mut served = vec![arguments.root.as_path()];
    served.extend(arguments.mounts.iter().map(|mount| mount.folder.as_path()));
    let keys = Keys::new(key_source(arguments, &served)?, arguments.algorithm);
    let options = Options {
        chunk_size: arguments.chunk_size,
        integrity: match arguments.integrity {
            IntegrityArgument::Unified => Integrity::Unified,
            IntegrityArgument::SignAll => Integrity::SignAll,
        },
        discard_window: Duration::from_secs(arguments.discard_window.into()),
        max_segment: arguments.max_segment,
    };
    let watcher = Watcher::new(
        options,
        arguments.trackers.clone(),
        arguments.tracker_key,
        view,
        keys,
    );
    let (end, ended) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("watcher".into())
        .spawn(move || watcher.run(&ended))?;
    let greeting = format!("shoal origin of {}", arguments.root.display());
    let served = serve::until_told(arguments.listen, site, &greeting);
    // What is being signed is written to its end.
    drop(end);
    if thread.join().is_err() {
        bail!("the watcher failed");
    }
    served
}

/// Where keys come from; never from below a folder that is served.
fn key_source(arguments: &Arguments, served: &[&Path]) -> anyhow::Result<KeySource> {
    let (path, source) = match (&arguments.key, &arguments.key_dir) {
        (Some(file), _) => (file, KeySource::File(file.clone())),
        (None, Some(folder)) => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            (folder, KeySource::Folder(folder.clone()))
        }
        (None, None) => {
            println!("no --key-dir: keys are made for this run, a restart makes new swarms");
            return Ok(KeySource::Ephemeral);
        }
    };
    let secret = path
        .canonicalize()
        .with_context(|| format!("cannot read {}", path.display()))?;
    for folder in served {
        if folder
            .canonicalize()
            .is_ok_and(|folder| secret.starts_with(folder))
        {
            bail!(
                "{} lies in {}, which everybody can read",
                path.display(),
                folder.display()
            );
        }
    }
    Ok(source)
}
