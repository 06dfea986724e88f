//! The client of an ALTO server (RFC 7285): its network map and cost map are polled over HTTP.
//!
//! The last pair of maps that fit together stays in use while the server is away, is wrong, or is between two versions.

mod directory;
mod discovery;
mod error;

use std::sync::Arc;

use rand::RngExt;
use tokio::time::sleep;

use crate::cost_map::{AltoMaps, AltoServer, CostMap, Document, MAX_DOCUMENT, Source};
#[cfg(fuzzing)]
use crate::fetch::Location;
use crate::fetch::{JITTER, Kind, Pace, Resource, Trust};
use crate::metrics::ReadResult;
use crate::server::Shared;
use directory::Maps;
use discovery::Discovery;
use error::AltoError;

static NETWORK_MAP: Kind = Kind {
    accept: "application/alto-networkmap+json,application/alto-error+json",
    media_types: &[directory::NETWORK_MAP],
    limit: MAX_DOCUMENT,
    is_guarded: false,
};
static COST_MAP: Kind = Kind {
    accept: "application/alto-costmap+json,application/alto-error+json",
    media_types: &[directory::COST_MAP],
    limit: MAX_DOCUMENT,
    is_guarded: false,
};

/// The maps that a directory alone names.
#[cfg(fuzzing)]
pub(crate) fn directory_maps(at: &Location, text: &str) -> Option<(String, String)> {
    let directory = directory::Directory::parse(at, text).ok()?;
    let maps = directory::choose(&[directory]).ok()?;
    Some((maps.network_map.to_string(), maps.cost_map.to_string()))
}

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
            let known = client.take().filter(|client| client.named == server.maps);
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
    named: AltoMaps,
    /// Where the maps are found that the operator has not named themselves.
    discovery: Option<Discovery>,
    maps: Option<Pair>,
}

/// Both maps, as they were served last.
struct Pair {
    network_map: Resource,
    cost_map: Resource,
    /// Is the map in use made of both as they are here?
    is_current: bool,
}

impl Pair {
    fn new(maps: Maps) -> Self {
        Self {
            network_map: Resource::new(maps.network_map, &NETWORK_MAP),
            cost_map: Resource::new(maps.cost_map, &COST_MAP),
            is_current: false,
        }
    }

    fn is_of(&self, maps: &Maps) -> bool {
        (self.network_map.url(), self.cost_map.url()) == (&maps.network_map, &maps.cost_map)
    }
}

impl Client {
    fn new(server: &AltoServer) -> Self {
        let named = server.maps.clone();
        let (discovery, maps) = match named.clone() {
            AltoMaps::Directory(root) => (Some(Discovery::new(root)), None),
            AltoMaps::Named {
                network_map,
                cost_map,
            } => {
                let maps = Maps {
                    network_map,
                    cost_map,
                };
                (None, Some(Pair::new(maps)))
            }
        };
        Self {
            named,
            discovery,
            maps,
        }
    }

    /// Polls for ever.
    async fn poll(&mut self, shared: &Shared, server: &AltoServer) {
        let mut pace = Pace::default();
        loop {
            let refreshed = self.refresh(shared, server).await;
            let shorter = shared.random(|rng| rng.random_range(0.0..JITTER));
            let wait = match refreshed {
                Ok(result) => {
                    shared.metrics.map_read("Alto", result);
                    pace.after_success(server.interval, shorter)
                }
                Err(error) => {
                    shared.metrics.map_read("Alto", error.result());
                    tracing::warn!("the last ALTO maps stay in use: {error}");
                    pace.after_failure(server.interval, error.retry_after(), shorter)
                }
            };
            sleep(wait).await;
        }
    }

    async fn refresh(&mut self, shared: &Shared, server: &AltoServer) -> Result<ReadResult, AltoError> {
        let trust = shared.front.trust();
        if let Some(discovery) = &mut self.discovery {
            let found = discovery.find(&trust, server.timeout).await?;
            if !self.maps.as_ref().is_some_and(|maps| maps.is_of(&found)) {
                self.maps = Some(Pair::new(found));
            }
        }
        match &mut self.maps {
            Some(maps) => maps.refresh(shared, server, &trust).await,
            None => Ok(ReadResult::Unchanged),
        }
    }
}

impl Pair {
    async fn refresh(
        &mut self,
        shared: &Shared,
        server: &AltoServer,
        trust: &Trust,
    ) -> Result<ReadResult, AltoError> {
        // At once after each, for the next may fail.
        self.is_current &= !self.network_map.refresh(trust, server.timeout).await?;
        self.is_current &= !self.cost_map.refresh(trust, server.timeout).await?;
        if self.is_current {
            return Ok(ReadResult::Unchanged);
        }
        let (network, costs) = (self.network_map.clone(), self.cost_map.clone());
        // Large maps take a second.
        let parsed = tokio::task::spawn_blocking(move || {
            let names = [&network, &costs].map(|resource| resource.url().to_string());
            let document = |name, resource| Document {
                name,
                text: Resource::text(resource),
            };
            CostMap::parse(document(&names[0], &network), document(&names[1], &costs))
        });
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
        tracing::info!("ALTO maps read from {}", self.network_map.url());
        Ok(ReadResult::Loaded)
    }
}
