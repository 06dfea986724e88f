//! The client of an ALTO server (RFC 7285): its network map and cost map are polled over HTTP.
//!
//! What is new is asked for with the entity tags of what is there. The last pair of maps that fit together stays in use
//! while the server is away, is wrong, or is between two versions. There is no TLS: `http:` only.

mod error;
mod resource;

use std::cmp::min;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use crate::cost_map::{AltoServer, CostMap, Document, Source};
use crate::metrics::MapRead;
use crate::server::Shared;
use error::AltoError;
use resource::Resource;
pub(crate) use resource::is_url;

/// Before the first retry; doubled with each failure, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// A wait is shortened by up to this part, at random: so many trackers do not poll together.
const JITTER: f64 = 0.2;

/// The media types of RFC 7285 §11.2.
const NETWORK_MAP: &str = "application/alto-networkmap+json";
const COST_MAP: &str = "application/alto-costmap+json";

/// Polls whatever server the settings name, as long as the tracker runs.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let mut sources = shared.map_source.subscribe();
    let mut client = None::<Client>;
    loop {
        let source = sources.borrow_and_update().clone();
        let polling = async {
            let Some(Source::Alto(server)) = source else {
                client = None;
                return std::future::pending().await;
            };
            let known = client.take().filter(|client| client.is_of(&server));
            client
                .insert(known.unwrap_or_else(|| Client::new(&server)))
                .poll(&shared, &server)
                .await
        };
        tokio::select! {
            () = polling => {}
            changed = sources.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// What is known of a server.
struct Client {
    network_map: Resource,
    cost_map: Resource,
    /// Is the map in use made of both as they are here?
    is_current: bool,
}

impl Client {
    fn new(server: &AltoServer) -> Self {
        Self {
            network_map: Resource::new(&server.network_map, NETWORK_MAP),
            cost_map: Resource::new(&server.cost_map, COST_MAP),
            is_current: false,
        }
    }

    fn is_of(&self, server: &AltoServer) -> bool {
        (self.network_map.url(), self.cost_map.url()) == (&server.network_map, &server.cost_map)
    }

    /// Polls for ever.
    async fn poll(&mut self, shared: &Shared, server: &AltoServer) {
        let mut failures = 0;
        loop {
            let wait = match self.refresh(shared, server).await {
                Ok(read) => {
                    shared.metrics.map_read("Alto", read);
                    failures = 0;
                    server.interval
                }
                Err(error) => {
                    shared.metrics.map_read("Alto", error.read());
                    tracing::warn!("the last ALTO maps stay in use: {error}");
                    failures = u32::saturating_add(failures, 1);
                    back_off(failures, server.interval)
                }
            };
            let shorter = shared.random(|rng| rng.random_range(0.0..JITTER));
            sleep(wait.mul_f64(1.0 - shorter)).await;
        }
    }

    async fn refresh(&mut self, shared: &Shared, server: &AltoServer) -> Result<MapRead, AltoError> {
        // At once after each, for the next may fail.
        self.is_current &= !self.network_map.refresh(server.timeout).await?;
        self.is_current &= !self.cost_map.refresh(server.timeout).await?;
        if self.is_current {
            return Ok(MapRead::Unchanged);
        }
        let (network, costs) = (self.network_map.clone(), self.cost_map.clone());
        // Large maps take a second.
        let parsed =
            tokio::task::spawn_blocking(move || CostMap::parse(document(&network), document(&costs)));
        let map = match parsed.await.map_err(|_| AltoError::Stopped)? {
            Ok(map) => map,
            Err(error) => {
                // Next time in full, whatever the server calls it.
                self.network_map.forget_version();
                self.cost_map.forget_version();
                return Err(AltoError::Content(error));
            }
        };
        shared.set_polled_map(server, map);
        self.is_current = true;
        tracing::info!("ALTO maps read from {}", server.network_map);
        Ok(MapRead::Loaded)
    }
}

/// How long to wait after so many failures one after the other, from 1.
fn back_off(failures: u32, interval: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(failures - 1);
    min(FIRST_RETRY.saturating_mul(doubled), interval)
}

fn document(resource: &Resource) -> Document<'_> {
    Document {
        name: resource.url(),
        text: resource.text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_become_rarer_up_to_the_interval() {
        let interval = Duration::from_secs(60);
        let waits = (1..8).map(|failures| back_off(failures, interval).as_secs());
        assert_eq!(waits.collect::<Vec<_>>(), [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(back_off(u32::MAX, interval), interval);
        assert_eq!(back_off(1, Duration::from_secs(2)), Duration::from_secs(2));
    }
}
