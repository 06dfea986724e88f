//! The tracker as a whole: its state, its metrics, its end.

use axum::response::{IntoResponse, Json, Response};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, Refused};
use super::{Operator, State};
use crate::http::OPENMETRICS;
use crate::phase::Phase;

/// Where a tracker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PhaseName {
    /// Everybody may come.
    Serving,
    /// It takes no more sockets, and lets those it has go one by one.
    Draining,
    /// It lets all go at once.
    Stopping,
}

/// What the tracker does.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Status {
    phase: PhaseName,
    /// Of the program.
    version: String,
    /// Seconds since it started.
    uptime: u64,
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
}

impl Operator {
    pub(super) fn status(&self) -> Status {
        let counts = self.shared.counts();
        let phase = match *self.shared.phases.borrow() {
            Phase::Serving => PhaseName::Serving,
            Phase::Draining => PhaseName::Draining,
            Phase::Stopping => PhaseName::Stopping,
        };
        Status {
            phase,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: self.shared.clock.now() / 1_000_000,
            sockets: counts.sockets,
            peers: counts.peers,
            swarms: counts.swarms,
            webtorrent_members: counts.members,
            webtorrent_swarms: counts.torrents,
        }
    }
}

/// State of the tracker
///
/// Answers while the tracker drains, too.
#[utoipa::path(get, path = "/v1/health", tag = "service", responses((status = 200, body = Status), Refused))]
pub(super) async fn health(operator: State) -> Json<Status> {
    Json(operator.status())
}

/// Metrics
///
/// As OpenMetrics text.
#[utoipa::path(
    get,
    path = "/v1/metrics",
    tag = "service",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"), Refused)
)]
pub(super) async fn metrics(operator: State) -> Response {
    ([(CONTENT_TYPE, OPENMETRICS)], operator.shared.metrics_text()).into_response()
}

/// Drain
///
/// The tracker takes no more sockets, lets those it has go one by one, then ends, as with SIGTERM. It cannot be taken back;
/// a second call changes nothing.
#[utoipa::path(
    post,
    path = "/v1/drain",
    tag = "service",
    responses((status = 202, body = Status, description = "It drains"), Refused)
)]
pub(super) async fn drain(operator: State) -> Result<(StatusCode, Json<Status>), Problem> {
    operator.shutdown.drain();
    Ok((StatusCode::ACCEPTED, Json(operator.status())))
}
