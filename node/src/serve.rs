//! `shoal serve`: a correct static server for trying things. Ranges, HEAD, conditional requests, CORS, the MIME types
//! of media; not meant for the open Internet.

mod access_log;
mod headers;
mod mount;
mod range;

pub use access_log::AccessLog;
pub use mount::Mount;

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::net::TcpListener;
use tower_http::cors::{Any, CorsLayer};
use tower_http::services::ServeDir;

/// How long requests may go on after the signal to end.
const GRACE: Duration = Duration::from_secs(3);

/// Arguments of `shoal serve`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder to serve.
    #[arg(value_name = "DIR")]
    root: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Serve another folder below a path, as /js=./dist; may be given several times.
    #[arg(long = "mount", value_name = "PREFIX=DIR")]
    mounts: Vec<Mount>,
    /// Write a line of JSON for each request: method, path, range, status, bytes of the body that went out, ms.
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
}

/// Runs the command until it is told to end.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let log = arguments
        .access_log
        .as_deref()
        .map(AccessLog::create)
        .transpose()?;
    let root = Router::new().fallback_service(folder(&arguments.root)?);
    let site = site(root, &arguments.mounts, log)?;
    let greeting = format!("shoal serving {}", arguments.root.display());
    until_told(arguments.listen, site, &greeting)
}

/// Serves a site until the command is told to end. Says `greeting` and the address once it can be reached.
pub fn until_told(listen: SocketAddr, site: Router, greeting: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let ending = ending()?;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        println!("{greeting} on http://{address}/");
        std::io::stdout().flush()?;
        until(listener, site, ending).await
    })
}

/// A site: `root`, other folders below paths, and what every answer has (types, CORS, a line in the log).
pub fn site(root: Router, mounts: &[Mount], log: Option<AccessLog>) -> anyhow::Result<Router> {
    let mut router = Router::new();
    for (index, mount) in mounts.iter().enumerate() {
        if mounts[..index]
            .iter()
            .any(|earlier| earlier.prefix == mount.prefix)
        {
            bail!("--mount {} is given twice", mount.prefix);
        }
        let folder = folder(&mount.folder)?.redirect_path_prefix(mount.prefix.clone());
        router = router.nest_service(&mount.prefix, folder);
    }
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::OPTIONS])
        .allow_headers(Any)
        .expose_headers(EXPOSED)
        .max_age(Duration::from_secs(600));
    let router = router
        .fallback_service(root)
        .layer(from_fn(range::check))
        .layer(from_fn(headers::content_headers))
        .layer(cors);
    Ok(match log {
        Some(log) => router.layer(from_fn_with_state(log, access_log::record)),
        None => router,
    })
}

/// Headers a page of another origin may read, beside those it always may.
const EXPOSED: [HeaderName; 5] = [
    header::ACCEPT_RANGES,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// The files of a folder.
pub fn folder(path: &Path) -> anyhow::Result<ServeDir> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !metadata.is_dir() {
        bail!("{} is not a folder", path.display());
    }
    // Several ranges in one request may be answered with all of the file (RFC 9110 §14.2); no player asks for them.
    Ok(ServeDir::new(path).ignore_multi_range_requests(true))
}

/// Serves until `ending`, then lets what is under way go on for a moment.
async fn until(listener: TcpListener, site: Router, ending: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let graceful = axum::serve(listener, site).with_graceful_shutdown(async {
        let _ = ended.await;
    });
    let deadline = async {
        ending.await;
        let _ = end.send(());
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = graceful => result.context("serving failed"),
        () = deadline => Ok(()),
    }
}

/// Ends with Ctrl-C or, on Unix, SIGTERM. The handlers stand from the call on.
#[cfg(unix)]
fn ending() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends with Ctrl-C.
#[cfg(not(unix))]
fn ending() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
