//! New settings for a tracker that runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Config, Invalid, differences};
use crate::cost_map::{CostMap, Source};
use crate::event_log::What;
use crate::metrics::ReadResult;
use crate::server::Shared;

/// What is used once, at the start.
const AT_START: [&str; 12] = [
    "certificate_lifetime",
    "cluster",
    "cluster_ca",
    "cluster_certificate",
    "cluster_key",
    "create_key",
    "key",
    "listen",
    "log",
    "management",
    "node_url",
    "threads",
];

/// Gives a [`crate::Server`] new settings.
#[derive(Clone)]
pub struct Reload {
    shared: Arc<Shared>,
    /// One at a time; of all there are.
    turn: Arc<Mutex<()>>,
}

/// What new settings have changed, as `key: old → new`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What applies from now on.
    pub applied: Vec<String>,
    /// What needs a restart, and is as it was.
    pub need_restart: Vec<String>,
}

impl Reload {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            turn: Arc::default(),
        }
    }

    /// Changes some of the settings in effect.
    ///
    /// # Errors
    /// [`Invalid`]: then nothing is changed.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Config)) -> Result<Changes, Invalid> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut config = (*self.shared.config()).clone();
        change(&mut config);
        self.take_over(config)
    }

    /// Takes over what can be while the tracker runs. Sockets that are open keep their timers and the length of their
    /// queue, and stay, whatever their dialect or origin; limits apply to them too. The map of the network is read again, or
    /// asked for again: this reads files, so it may take seconds.
    ///
    /// # Errors
    /// [`Invalid`]: a setting, or the map it names; then nothing is taken over.
    pub fn apply(&self, config: Config) -> Result<Changes, Invalid> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        config.check()?;
        let source = config.map_source();
        let map = source.as_ref().map_or(Ok(None), |source| self.read(source))?;
        let changes = self.take_over(config)?;
        self.shared.set_map(source, map);
        self.shared.front.remote_keys.poll_now();
        Ok(changes)
    }

    fn take_over(&self, config: Config) -> Result<Changes, Invalid> {
        config.check()?;
        let now = self.shared.config();
        let files = self.shared.front.read(&config)?;
        let mut changes = Changes::default();
        for (key, values) in differences(&now, &config) {
            let list = match AT_START.contains(&key.as_str()) {
                true => &mut changes.need_restart,
                false => &mut changes.applied,
            };
            // The engine's URL may have a password in it.
            list.push(match key.as_str() {
                "cluster" => "cluster".to_owned(),
                _ => format!("{key}: {values}"),
            });
        }
        // Files may have changed though the settings that name them have not.
        let files_changed = self.shared.front.replace(files);
        if !changes.applied.is_empty() {
            self.shared.log.publish(What::Settings {
                changes: changes.applied.clone(),
            });
            self.shared.configure(Config {
                certificate_lifetime: now.certificate_lifetime,
                cluster: now.cluster.clone(),
                cluster_ca: now.cluster_ca.clone(),
                cluster_certificate: now.cluster_certificate.clone(),
                cluster_key: now.cluster_key.clone(),
                create_key: now.create_key,
                key: now.key.clone(),
                listen: now.listen,
                log: now.log,
                management: now.management.clone(),
                node_url: now.node_url.clone(),
                threads: now.threads,
                ..config
            });
        }
        changes.applied.extend(files_changed);
        Ok(changes)
    }

    /// The map, where it is in files.
    fn read(&self, source: &Source) -> Result<Option<CostMap>, Invalid> {
        let metrics = &self.shared.metrics;
        match source.read() {
            None => Ok(None),
            Some(Ok(map)) => {
                metrics.map_read(source.name(), ReadResult::Loaded);
                Ok(Some(map))
            }
            Some(Err(error)) => {
                metrics.map_read(source.name(), ReadResult::Invalid);
                Err(Invalid {
                    key: source.key().to_owned(),
                    reason: error.to_string(),
                })
            }
        }
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Reload").finish_non_exhaustive()
    }
}
