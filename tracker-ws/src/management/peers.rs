//! Peers.

use std::borrow::Cow;

use axum::response::Json;
use serde::{Deserialize, Serialize};
use tracker_protocol::server::{PeerState, Timestamp};
use tracker_protocol::{LinkKind, Power};
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::census::{Playback, SLICE};
use super::extract::{Named, Params, id, limit, parsed};
use super::names::{Held, ModeName, NatName, RoleName};
use super::prefix_text::PrefixText;
use super::problem::{Problem, Refused, Unknown};
use crate::bans::Prefix;
use crate::registry::PeerView;

/// Most peers that are looked at for one list.
const MAX_LOOKED_AT: usize = 16_384;

/// Which peers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those after this ID, in order: the `next` of the page before.
    #[param(max_length = 512, nullable = false)]
    after: Option<String>,
    /// Most items (50).
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<usize>,
    /// In this swarm.
    #[param(max_length = 512, nullable = false)]
    swarm: Option<String>,
    /// Of this role.
    #[param(nullable = false, inline)]
    role: Option<RoleName>,
    /// That are reached so.
    #[param(nullable = false, inline)]
    nat: Option<NatName>,
    /// With addresses in this block, such as 192.0.2.0/24.
    #[param(nullable = false, inline, value_type = Option<PrefixText>)]
    prefix: Option<String>,
}

/// A peer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PeerItem {
    /// The peer.
    peer_id: String,
    /// Where its last request came from.
    address: String,
    /// Its network in the cost map.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    network: Option<String>,
    role: RoleName,
    nat: NatName,
    /// Seconds it is registered.
    online: u64,
    /// Has it a WebSocket?
    socket: bool,
    /// Number of its swarms.
    swarms: usize,
}

impl PeerItem {
    fn of(peer: &PeerView<'_>, now: Timestamp) -> Self {
        Self {
            peer_id: peer.id.to_owned(),
            address: peer.address().to_string(),
            network: peer.network().map(Cow::into_owned),
            role: peer.status().role.into(),
            nat: peer.nat().into(),
            online: peer.online(now),
            socket: peer.has_socket,
            swarms: peer.swarms().len(),
        }
    }
}

/// Some peers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Peers {
    /// In order of their IDs.
    items: Vec<PeerItem>,
    /// Where to go on (`after`); absent at the end. There may be more to come after an empty page: no more than 16384 peers
    /// are looked at for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// List peers
#[utoipa::path(
    get,
    path = "/v1/peers", operation_id = "list_peers",
    tag = "peers",
    params(Which),
    responses((status = 200, body = Peers), Refused)
)]
pub(super) async fn list(operator: State, Params(which): Params<Which>) -> Result<Json<Peers>, Problem> {
    let (limit, now) = (limit(which.limit)?, operator.shared.clock.now());
    let swarm = id("swarm", which.swarm)?;
    let prefix = parsed::<Prefix>("prefix", which.prefix.as_deref())?;
    let is_meant = |peer: &PeerView<'_>| {
        swarm
            .as_ref()
            .is_none_or(|swarm| peer.swarms().contains_key(swarm))
            && which.role.is_none_or(|role| role == peer.status().role.into())
            && which.nat.is_none_or(|nat| nat == peer.nat().into())
            && prefix.is_none_or(|prefix| prefix.contains(peer.address()))
    };
    let (mut items, mut next) = (Vec::new(), id("after", which.after)?);
    let mut looked_at = 0;
    loop {
        let after = next.unwrap_or_default();
        let last = operator.shared.registry().peers_after(&after, SLICE, |peer| {
            if is_meant(peer) {
                items.push(PeerItem::of(peer, now));
            }
            items.len() < limit
        });
        looked_at += SLICE;
        next = last.map(|last| last.to_string());
        if next.is_none() || items.len() >= limit || looked_at >= MAX_LOOKED_AT {
            return Ok(Json(Peers { items, next }));
        }
        tokio::task::yield_now().await;
    }
}

/// What a peer says of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PeerStatus {
    role: RoleName,
    /// `ethernet`, `wifi`, `cellular` or `unknown`.
    link: String,
    /// `mains`, `battery` or `unknown`.
    power: String,
    /// Charge of its battery, %.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    battery: Option<u64>,
    /// Its user asks to save data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    saver: Option<bool>,
    /// Upload bandwidth it can give, kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    up_kbps: Option<u64>,
    /// Upload slots that are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    slots: Option<u64>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    region: Option<String>,
    /// Datagrams lost of a million.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    loss_ppm: Option<u64>,
}

impl From<&tracker_protocol::PeerStatus> for PeerStatus {
    fn from(status: &tracker_protocol::PeerStatus) -> Self {
        let link = match status.link {
            Some(LinkKind::Ethernet) => "ethernet",
            Some(LinkKind::Wifi) => "wifi",
            Some(LinkKind::Cellular) => "cellular",
            Some(LinkKind::Unknown) | None => "unknown",
        };
        let power = match status.power {
            Some(Power::Mains) => "mains",
            Some(Power::Battery) => "battery",
            None => "unknown",
        };
        Self {
            role: status.role.into(),
            link: link.to_owned(),
            power: power.to_owned(),
            battery: status.battery,
            saver: status.saver,
            up_kbps: status.up_kbps,
            slots: status.slots,
            region: status.region.clone(),
            loss_ppm: status.loss_ppm,
        }
    }
}

/// A peer in one of its swarms, as it reports.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Membership {
    /// The swarm.
    swarm_id: String,
    mode: ModeName,
    /// Its last report; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    report: Option<Report>,
}

/// A report.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Report {
    /// Bytes sent to peers since joining.
    uploaded_bytes: u64,
    /// Bytes received from peers since joining.
    downloaded_bytes: u64,
    /// Upload bandwidth available, bit/s.
    available_bandwidth: u64,
    /// Connected neighbours.
    concurrent_links: u64,
    /// What the viewer got.
    playback: Playback,
    /// The chunks it has.
    chunks: Vec<Held>,
}

impl From<&crate::reports::Report> for Report {
    fn from(report: &crate::reports::Report) -> Self {
        let mut playback = Playback::default();
        if let Some(qos) = &report.qos {
            playback.add(qos);
        }
        let ranges = report.map.iter().flat_map(|map| map.ranges());
        let held = |range: &std::ops::Range<u64>| Held {
            first: range.start,
            last: range.end.saturating_sub(1),
            holders: 1,
        };
        Self {
            uploaded_bytes: report.uploaded_bytes,
            downloaded_bytes: report.downloaded_bytes,
            available_bandwidth: report.available_bandwidth,
            concurrent_links: report.concurrent_links,
            playback,
            chunks: ranges.map(held).collect(),
        }
    }
}

/// Everything about a peer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Peer {
    #[serde(flatten)]
    item: PeerItem,
    /// Of the tracker's state machine (RFC 7846 §2.3): `registered` or `tracking`.
    state: String,
    /// Does it take signals from other peers?
    takes_signals: bool,
    status: PeerStatus,
    memberships: Vec<Membership>,
}

/// One peer
///
/// Its last status, and its reports of each swarm.
#[utoipa::path(
    get,
    path = "/v1/peers/{peer_id}", operation_id = "read_peer",
    tag = "peers",
    params(("peer_id" = String, Path, min_length = 1)),
    responses((status = 200, body = Peer), Refused, Unknown)
)]
pub(super) async fn one(operator: State, Named(peer_id): Named) -> Result<Json<Peer>, Problem> {
    let now = operator.shared.clock.now();
    let registry = operator.shared.registry();
    let peer = registry
        .peer(&peer_id)
        .ok_or_else(|| Problem::not_found("peer_id: no such peer is registered"))?;
    let membership = |(swarm, mode): (&String, &tracker_protocol::PeerMode)| Membership {
        swarm_id: swarm.clone(),
        mode: (*mode).into(),
        report: peer.report(swarm).map(Into::into),
    };
    let state: &PeerState = &peer.state();
    Ok(Json(Peer {
        item: PeerItem::of(&peer, now),
        state: format!("{state:?}").to_lowercase(),
        takes_signals: peer.takes_signals(),
        status: peer.status().into(),
        memberships: peer.swarms().iter().map(membership).collect(),
    }))
}
