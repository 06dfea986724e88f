//! Swarms.

use axum::response::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::census::{Census, SwarmCensus, SwarmSize};
use super::extract::{Named, Page, Params, id, limit};
use super::names::Held;
use super::problem::{Problem, Refused, Unknown};

/// Some swarms.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Swarms {
    /// In order of their IDs.
    items: Vec<SwarmSize>,
    /// Where to go on (`after`); absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// One swarm.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Swarm {
    #[serde(flatten)]
    size: SwarmSize,
    /// Its members, or the 65536 latest of a larger one, counted.
    census: Census,
    /// Members that have everything, and so no chunk map.
    seeders: u64,
    /// Chunk maps of members that were looked at for `rarest`; of large swarms not all.
    maps: u64,
    /// The chunks that the fewest have, between the first and the last that any map has; the rarest first.
    rarest: Vec<Held>,
}

/// List swarms
#[utoipa::path(
    get,
    path = "/v1/swarms", operation_id = "list_swarms",
    tag = "swarms",
    params(Page),
    responses((status = 200, body = Swarms), Refused)
)]
pub(super) async fn list(operator: State, Params(page): Params<Page>) -> Result<Json<Swarms>, Problem> {
    let limit = limit(page.limit)?;
    let after = id("after", page.after)?.unwrap_or_default();
    let swarms = operator.shared.registry().swarms_after(&after, limit);
    let next = match swarms.last() {
        Some((last, _)) if swarms.len() == limit => Some(last.clone()),
        _ => None,
    };
    let items = SwarmSize::of(&operator.shared, swarms);
    Ok(Json(Swarms { items, next }))
}

/// One swarm
///
/// Its members by role, NAT, mode and network, what they report, and their rarest chunks.
#[utoipa::path(
    get,
    path = "/v1/swarms/{swarm_id}", operation_id = "read_swarm",
    tag = "swarms",
    params(("swarm_id" = String, Path, min_length = 1)),
    responses((status = 200, body = Swarm), Refused, Unknown)
)]
pub(super) async fn one(operator: State, Named(swarm_id): Named) -> Result<Json<Swarm>, Problem> {
    let shared = &operator.shared;
    let unknown = || Problem::not_found("swarm_id: no such swarm, or nobody in it can be reached");
    let members = shared.registry().members_here(&swarm_id).ok_or_else(unknown)?;
    let SwarmCensus {
        census,
        maps,
        seeders,
        rarest,
    } = SwarmCensus::of(shared, &swarm_id, members).await;
    let size = SwarmSize::of(shared, vec![(swarm_id, members)]).pop();
    Ok(Json(Swarm {
        size: size.ok_or_else(unknown)?,
        census,
        seeders,
        maps,
        rarest,
    }))
}
