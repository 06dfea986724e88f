//! Totals over time, and what the dashboard shows at one look.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::response::Json;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use utoipa::ToSchema;

use super::census::{self, Census, SwarmSize};
use super::problem::{Problem, Refused};
use super::service::Status;
use super::{Operator, State};
use crate::clock::Clock;
use crate::event_log::What;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(10);
/// Two hours of samples.
const KEPT: usize = 720;

/// Totals of one moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Sample {
    /// Unix ms.
    at: u64,
    /// Open sockets.
    sockets: usize,
    /// Registered peers.
    peers: usize,
    /// Swarms with reachable members.
    swarms: usize,
    /// Memberships of WebTorrent swarms.
    webtorrent_members: usize,
    /// WebTorrent swarms.
    webtorrent_swarms: usize,
    /// Share of media bytes that came from peers, as those that are registered report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    p2p_share: Option<f64>,
    /// Stalls that those peers report.
    stalls: u64,
    /// Refusals since the sample before.
    refused: u64,
}

/// Something that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Fault {
    /// `socket`: turned away or closed; `request`: refused, or offers ignored, for a limit; `access`: refused for what a
    /// token, or the policy of swarms, says.
    kind: String,
    /// As the metrics name it.
    reason: String,
    /// How often, in this run.
    count: u64,
}

/// Everything at one look.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Overview {
    /// What the tracker does.
    status: Status,
    /// One sample each 10 s of the last two hours, the oldest first.
    samples: Vec<Sample>,
    /// Peers, counted when the last sample was taken.
    census: Census,
    /// The largest swarms, the largest first.
    largest: Vec<SwarmSize>,
    /// What was refused, the most frequent first.
    faults: Vec<Fault>,
}

/// Samples, and what was last counted.
#[derive(Debug, Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
    census: Census,
    largest: Vec<SwarmSize>,
    faults: BTreeMap<(String, String), u64>,
}

/// Takes samples for ever.
pub(super) async fn keep(operator: Arc<Operator>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        operator.sample().await;
    }
}

impl Operator {
    async fn sample(&self) {
        let shared = &self.shared;
        let census = Census::of_all(shared).await;
        let largest = census::largest(shared).await;
        let counts = shared.counts();
        let faults = faults(&shared.metrics_text());
        let (p2p_share, stalls) = census.playback().summary();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let mut refused = 0;
        for ((kind, reason), count) in &faults {
            let before = history.faults.get(&(kind.clone(), reason.clone())).copied();
            let count = count.saturating_sub(before.unwrap_or(0));
            refused += count;
            if count > 0 {
                let (kind, reason) = (kind.clone(), reason.clone());
                shared.log.publish(What::Refused { kind, reason, count });
            }
        }
        if history.samples.len() >= KEPT {
            history.samples.pop_front();
        }
        history.samples.push_back(Sample {
            at: Clock::unix_ms(),
            sockets: counts.sockets,
            peers: counts.peers,
            swarms: counts.swarms,
            webtorrent_members: counts.members,
            webtorrent_swarms: counts.torrents,
            p2p_share,
            stalls,
            refused,
        });
        history.census = census;
        history.largest = largest;
        history.faults = faults;
    }
}

/// Refusals by kind and reason, read from the metrics: so none that is counted there is left out here.
fn faults(metrics: &str) -> BTreeMap<(String, String), u64> {
    let families = [
        ("tracker_sockets_refused_total{reason=\"", "socket"),
        ("tracker_requests_limited_total{limit=\"", "request"),
        ("tracker_requests_denied_total{reason=\"", "access"),
    ];
    let fault = |line: &str| {
        let (kind, rest) = families
            .iter()
            .find_map(|(start, kind)| Some((*kind, line.strip_prefix(start)?)))?;
        let (reason, count) = rest.split_once("\"} ")?;
        Some(((kind.to_owned(), reason.to_owned()), count.parse().ok()?))
    };
    metrics.lines().filter_map(fault).collect()
}

/// Everything at one look
///
/// What the dashboard shows. Peers, largest swarms and samples are as they were up to 10 s ago.
#[utoipa::path(get, path = "/v1/overview", tag = "service", responses((status = 200, body = Overview), Refused))]
pub(super) async fn overview(operator: State) -> Result<Json<Overview>, Problem> {
    let status = operator.status();
    let now = faults(&operator.shared.metrics_text());
    let mut faults: Vec<Fault> = now
        .into_iter()
        .map(|((kind, reason), count)| Fault { kind, reason, count })
        .collect();
    faults.sort_by_key(|fault| std::cmp::Reverse(fault.count));
    let history = operator.history.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Json(Overview {
        status,
        samples: history.samples.iter().cloned().collect(),
        census: history.census.clone(),
        largest: history.largest.clone(),
        faults,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limit;
    use crate::metrics::{Metrics, Refusal};

    #[test]
    fn faults_are_those_of_the_metrics() {
        let metrics = Metrics::new();
        metrics.refused(Refusal::Banned);
        metrics.refused(Refusal::Banned);
        metrics.limited(Limit::Swarm);
        metrics.denied("token-expired");
        let counts = crate::metrics::Counts {
            sockets: 0,
            peers: 0,
            swarms: 0,
            members: 0,
            torrents: 0,
        };
        let found: Vec<_> = faults(&metrics.text(counts)).into_iter().collect();
        let fault = |kind: &str, reason: &str, count| ((kind.to_owned(), reason.to_owned()), count);
        let expected = [
            fault("access", "token-expired", 1),
            fault("request", "Swarm", 1),
            fault("socket", "Banned", 2),
        ];
        assert_eq!(found, expected);
    }
}
