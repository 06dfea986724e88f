//! The nodes of a cluster.

use axum::response::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::problem::{Problem, Refused};
use crate::cluster::Load;

/// Is this tracker one of several?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClusterState {
    /// It is one by itself.
    Alone,
    /// It is connected to the engine of its cluster.
    Connected,
    /// It is without the engine, and knows of others what was true up to 3 s before.
    Island,
}

/// What a node has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct NodeCounts {
    /// Open sockets.
    sockets: u64,
    /// Registered peers, and members of WebTorrent swarms.
    peers: u64,
    /// Swarms with members there, of both dialects.
    swarms: u64,
}

impl NodeCounts {
    fn of(load: Load) -> Self {
        Self {
            sockets: load.sockets,
            peers: load.peers,
            swarms: load.swarms,
        }
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Node {
    /// Names this run of it; absent where it is alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<String>,
    /// Is it the one that answers?
    own: bool,
    /// How clients reach it, as far as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    url: Option<String>,
    /// What it has; absent where it has not told yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    counts: Option<NodeCounts>,
}

/// All nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Nodes {
    /// Is this tracker one of several?
    cluster: ClusterState,
    /// The one that answers, then the others that live, in order of their names; 257 at most.
    items: Vec<Node>,
    /// Sockets of all these nodes.
    sockets: u64,
    /// Peers of all these nodes.
    peers: u64,
}

/// Nodes of the cluster
///
/// Where the tracker is alone, it is the only one.
#[utoipa::path(
    get,
    path = "/v1/nodes", operation_id = "list_nodes",
    tag = "service",
    responses((status = 200, body = Nodes), Refused)
)]
pub(super) async fn list(operator: State) -> Result<Json<Nodes>, Problem> {
    let shared = &operator.shared;
    let (now, url) = (shared.clock.now(), shared.config().node_url.clone());
    let own = Load::from(shared.counts());
    let registry = shared.registry();
    let (cluster, id, others) = match registry.cluster() {
        None => (ClusterState::Alone, None, Vec::new()),
        Some(cluster) => {
            let state = match cluster.connected {
                true => ClusterState::Connected,
                false => ClusterState::Island,
            };
            (state, Some(cluster.id().to_string()), cluster.view.nodes(now))
        }
    };
    drop(registry);
    let mut items = vec![Node {
        id,
        own: true,
        url,
        counts: Some(NodeCounts::of(own)),
    }];
    items.extend(others.into_iter().map(|(id, url, load)| Node {
        id: Some(id.to_string()),
        own: false,
        url,
        counts: load.map(NodeCounts::of),
    }));
    let sum = |of: fn(&NodeCounts) -> u64| {
        let counts = items.iter().filter_map(|node| node.counts.as_ref());
        counts.map(of).fold(0, u64::saturating_add)
    };
    Ok(Json(Nodes {
        cluster,
        sockets: sum(|counts| counts.sockets),
        peers: sum(|counts| counts.peers),
        items,
    }))
}
