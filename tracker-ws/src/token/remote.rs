//! Keys of tokens that a server has, as a JWK set (RFC 7517 §5), polled. The last good ones stay in use while the server is
//! away or is wrong: so a portal changes keys by publishing the next one before it signs with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::watch;
use tokio::time::sleep;

use super::TokenKeys;
use crate::access::SwarmPolicy;
use crate::config::Config;
use crate::fetch::{FetchError, JITTER, Kind, Location, Pace, Resource};
use crate::metrics::ReadResult;
use crate::server::Shared;

/// A request may take so long.
const TIMEOUT: Duration = Duration::from_secs(30);

static JWK_SET: Kind = Kind {
    accept: "application/jwk-set+json,application/json",
    media_types: &["application/jwk-set+json", "application/json"],
    limit: 256 * 1024,
    is_guarded: true,
};

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyServer {
    pub(crate) url: Location,
    /// From one poll to the next.
    interval: Duration,
}

impl KeyServer {
    /// The one of these settings, where tokens count.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        if config.swarm_policy != SwarmPolicy::Token {
            return None;
        }
        Some(Self {
            url: Location::parse(config.token_keys_url.as_ref()?)?,
            interval: config.token_keys_interval,
        })
    }
}

/// The keys of a server, as far as they are here.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    /// Each new value has the server asked at once.
    server: watch::Sender<Option<KeyServer>>,
    keys: Mutex<Option<(Location, Arc<TokenKeys>)>>,
}

impl Default for RemoteKeys {
    fn default() -> Self {
        Self {
            server: watch::Sender::new(None),
            keys: Mutex::new(None),
        }
    }
}

impl RemoteKeys {
    /// From now on this server is asked.
    pub(crate) fn follow(&self, server: Option<KeyServer>) {
        self.server.send_if_modified(|now| {
            let is_new = *now != server;
            *now = server;
            is_new
        });
    }

    /// Has the server asked now.
    pub(crate) fn poll_now(&self) {
        self.server.send_modify(|_| {});
    }

    /// What this server has given last; those of another do not count.
    pub(super) fn of(&self, url: &Location) -> Option<Arc<TokenKeys>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, keys) = keys.as_ref()?;
        (of == url).then(|| keys.clone())
    }

    fn put(&self, url: &Location, keys: TokenKeys) {
        let mut now = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Some((url.clone(), Arc::new(keys)));
    }
}

#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{url}: {problem}")]
    Content { url: String, problem: String },
}

/// Polls whatever server the settings name, as long as the tracker runs.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let mut servers = shared.front.remote_keys.server.subscribe();
    let mut client = None::<Client>;
    loop {
        let server = servers.borrow_and_update().clone();
        let polling = async {
            let Some(server) = server else {
                client = None;
                return std::future::pending().await;
            };
            let known = client
                .take()
                .filter(|client| *client.resource.url() == server.url);
            let client = client.insert(known.unwrap_or_else(|| Client::new(&server)));
            client.poll(&shared, server.interval).await
        };
        tokio::select! {
            () = polling => {}
            changed = servers.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// What is known of a server.
struct Client {
    resource: Resource,
    /// Are the keys in use those that are here?
    is_current: bool,
}

impl Client {
    fn new(server: &KeyServer) -> Self {
        Self {
            resource: Resource::new(server.url.clone(), &JWK_SET),
            is_current: false,
        }
    }

    /// Polls for ever.
    async fn poll(&mut self, shared: &Shared, interval: Duration) {
        let mut pace = Pace::default();
        loop {
            let refreshed = self.refresh(shared).await;
            let shorter = shared.random(|rng| rng.random_range(0.0..JITTER));
            let wait = match refreshed {
                Ok(result) => {
                    shared.metrics.key_read(result);
                    pace.after_success(interval, shorter)
                }
                Err(error) => {
                    let (result, retry_after) = match &error {
                        KeysError::Fetch(error) => (error.result(), error.retry_after()),
                        KeysError::Content { .. } => (ReadResult::Invalid, None),
                    };
                    shared.metrics.key_read(result);
                    tracing::warn!("the last keys of tokens stay in use: {error}");
                    pace.after_failure(interval, retry_after, shorter)
                }
            };
            sleep(wait).await;
        }
    }

    async fn refresh(&mut self, shared: &Shared) -> Result<ReadResult, KeysError> {
        let front = &shared.front;
        self.is_current &= !self.resource.refresh(&front.trust(), TIMEOUT).await?;
        if self.is_current {
            return Ok(ReadResult::Unchanged);
        }
        let url = self.resource.url().clone();
        let keys = TokenKeys::parse(self.resource.text()).map_err(|problem| {
            // Next time in full, whatever the server calls it.
            self.resource.forget_version();
            KeysError::Content {
                url: url.to_string(),
                problem,
            }
        })?;
        front.remote_keys.put(&url, keys);
        self.is_current = true;
        tracing::info!("keys of tokens read from {url}");
        Ok(ReadResult::Loaded)
    }
}
