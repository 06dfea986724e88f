//! What operators see and do: a JSON API below `/v1/` and a dashboard, on a listener of its own, which goes on while the
//! tracker drains.
//!
//! Every call needs the bearer token; the files of the dashboard do not, for there are no data in them. `/v1/openapi.json`
//! describes the API and is made from the code that serves it; every error is a [`problem`] (RFC 9457).

mod access;
mod bans;
mod census;
mod dashboard;
mod document;
mod events;
mod explain;
mod extract;
mod history;
mod limits;
mod names;
mod nodes;
mod peers;
mod prefix_text;
mod problem;
mod service;
mod swarms;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::config;
use crate::phase::Shutdown;
use crate::reload::Reload;
use crate::server::{ServerError, Shared};
use access::Token;
use history::History;

/// Most connections at once.
const MAX_CONNECTIONS: usize = 64;
/// Most of them that follow events.
const MAX_STREAMS: usize = 16;
/// The head of a request comes in this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 16 * 1024;
/// After an error of `accept` (usually too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where operators come in.
pub(crate) struct Management {
    listener: TcpListener,
    address: SocketAddr,
    token: Token,
}

/// What calls are carried out with.
pub(crate) struct Operator {
    shared: Arc<Shared>,
    shutdown: Shutdown,
    reload: Reload,
    token: Token,
    history: Mutex<History>,
    streams: Arc<Semaphore>,
}

type State = axum::extract::State<Arc<Operator>>;

impl Management {
    /// Starts to listen, if the settings say so.
    ///
    /// # Errors
    /// The address cannot be listened on, or there is no token to be had.
    pub(crate) async fn bind(config: &config::Management) -> Result<Option<Self>, ServerError> {
        let Some(address) = config.listen else {
            return Ok(None);
        };
        let secret = config.read_token().and_then(|secret| {
            let none = || io::Error::new(io::ErrorKind::InvalidInput, "no token");
            secret.ok_or_else(none)
        });
        let secret = secret.map_err(|source| ServerError::Token {
            path: config.token_file.clone().unwrap_or_default(),
            source,
        })?;
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        Ok(Some(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            token: Token::new(&secret),
        }))
    }

    /// The address it listens on.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until dropped.
    pub(crate) async fn run(self, shared: Arc<Shared>, shutdown: Shutdown) {
        let operator = Arc::new(Operator {
            reload: Reload::new(shared.clone()),
            shared,
            shutdown,
            token: self.token,
            history: Mutex::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        });
        let service = document::router(operator.clone());
        let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        // Dropped with this, and so ended.
        let mut connections = tokio::task::JoinSet::new();
        connections.spawn(history::keep(operator));
        loop {
            let Ok(permit) = free.clone().acquire_owned().await else {
                return;
            };
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let service = service.clone();
                    connections.spawn(async move {
                        if let Err(error) = connection(stream, service).await {
                            tracing::debug!(%from, %error, "connection to management failed");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// One TCP connection, from its first byte to its last.
async fn connection(stream: TcpStream, service: axum::Router) -> Result<(), hyper::Error> {
    let service = TowerToHyperService::new(service);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await
}
