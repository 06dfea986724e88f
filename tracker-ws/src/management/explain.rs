//! How a peer's list is made.

use axum::response::Json;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tracker_protocol::{DEFAULT_PEERS, MAX_PEERS};
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::extract::{Named, Params, id, ordinal};
use super::problem::{Problem, Refused, Unknown};
use crate::registry::Drawn;
use crate::selection::Place;

/// Which list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this swarm's members.
    #[param(max_length = 512)]
    swarm: String,
    /// Peers wanted (15).
    #[param(minimum = 1, maximum = 29, nullable = false)]
    count: Option<u64>,
    /// A chunk they shall have.
    #[param(maximum = 9_007_199_254_740_991_i64, nullable = false)]
    near: Option<u64>,
}

/// How often a candidate's weight is halved, and for what; negative doubles it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Halvings {
    /// What its traffic costs, among the candidates.
    distance: f64,
    /// What it is there for.
    role: f64,
    /// What serving costs its user: battery, cellular, saving data, no free slots.
    burden: f64,
    /// What the requester would like.
    preferences: f64,
    /// All together.
    sum: f64,
}

/// A member that was drawn.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Candidate {
    /// The member.
    peer_id: String,
    /// Where its last request came from.
    address: String,
    /// What traffic from it to the requester costs, by the cost map; 0 without one.
    cost: f32,
    /// Why it cannot be named: `unreachable`, `both_seeders`, `lacks_chunk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refused: Option<String>,
    /// Otherwise, how good it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    halvings: Option<Halvings>,
    /// Its place in the list, from 1; absent where it is not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    place: Option<usize>,
    /// What that place is filled by: `weighted` (likely somebody good) or `uniform` (anybody).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    by: Option<String>,
}

impl From<Drawn> for Candidate {
    fn from(drawn: Drawn) -> Self {
        let halvings = drawn.outcome.as_ref().ok().map(|halvings| Halvings {
            distance: halvings.distance,
            role: halvings.role,
            burden: halvings.burden,
            preferences: halvings.preferences,
            sum: halvings.sum(),
        });
        let by = drawn.place.map(|(_, by)| match by {
            Place::Weighted => "weighted".to_owned(),
            Place::Uniform => "uniform".to_owned(),
        });
        Self {
            peer_id: drawn.peer.to_string(),
            address: drawn.address.to_string(),
            cost: drawn.cost,
            refused: drawn.outcome.err().map(str::to_owned),
            halvings,
            place: drawn.place.map(|(place, _)| place + 1),
            by,
        }
    }
}

/// How a list is made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// Who asks.
    peer_id: String,
    /// Of this swarm's members.
    swarm_id: String,
    /// Where the requester says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    region: Option<String>,
    /// Reachable members of the swarm.
    members: usize,
    /// Peers in the list.
    listed: usize,
    /// The members that were drawn, those in the list first, in their order.
    candidates: Vec<Candidate>,
}

/// Explain a peer's list
///
/// Makes the list that the peer would get if it asked for one now, and tells nobody of it. Lists are drawn: the next would be
/// another.
#[utoipa::path(
    get,
    path = "/v1/peers/{peer_id}/explain",
    tag = "peers",
    params(("peer_id" = String, Path, min_length = 1), Which),
    responses((status = 200, body = Explanation), Refused, Unknown)
)]
pub(super) async fn explain(
    operator: State,
    Named(peer_id): Named,
    Params(which): Params<Which>,
) -> Result<Json<Explanation>, Problem> {
    let count = which.count.unwrap_or(DEFAULT_PEERS);
    if !(1..=MAX_PEERS).contains(&count) {
        return Err(Problem::bad_request(format!(
            "count: {count} is not in 1 to {MAX_PEERS}"
        )));
    }
    let near = ordinal("near", which.near)?;
    let swarm_id = id("swarm", Some(which.swarm))?.unwrap_or_default();
    let shared = &operator.shared;
    // The registry's own draws go on as if nobody had asked.
    let mut rng = shared.random(StdRng::from_rng);
    let now = shared.clock.now();
    let explanation = {
        let registry = shared.registry();
        if registry.peer(&peer_id).is_none() {
            return Err(Problem::not_found("peer_id: no such peer is registered"));
        }
        registry.explain(now, &mut rng, &swarm_id, &peer_id, count as usize, near)
    };
    let explanation = explanation
        .ok_or_else(|| Problem::not_found("swarm: no such swarm, or nobody in it can be reached"))?;
    let mut candidates: Vec<Candidate> = explanation.drawn.into_iter().map(Into::into).collect();
    candidates.sort_by_key(|candidate| candidate.place.unwrap_or(usize::MAX));
    Ok(Json(Explanation {
        peer_id,
        swarm_id,
        region: explanation.region,
        members: explanation.members,
        listed: explanation.count,
        candidates,
    }))
}
