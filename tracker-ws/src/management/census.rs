//! Peers counted by what they are, and what they report added up. Peers tell what they like: sums do not overflow, and
//! kinds are few.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use rand::Rng;
use serde::Serialize;
use tracker_protocol::{PeerMode, Qos, to_hex};
use utoipa::ToSchema;

use super::names::{Held, ModeName, NatName, RoleName};
use crate::registry::PeerView;
use crate::server::Shared;

/// Peers that are looked at while the registry is locked once.
pub(super) const SLICE: usize = 512;
/// Most peers that are looked at for a census. IDs are hashes, so those after a random one are a random sample.
const MAX_LOOKED_AT: u64 = 65_536;
/// Most swarms that are looked at for the largest.
const MAX_SWARMS: usize = 65_536;
/// Most networks that are told apart; the others are counted as one.
const MAX_NETWORKS: usize = 256;
/// Largest swarms that are named.
const LARGEST: usize = 10;
/// Most ranges of chunk maps that are looked at for one swarm.
const MAX_RANGES: usize = 65_536;
/// Rarest ranges that are named.
const RAREST: usize = 16;

/// What viewers got, as their peers report it. Nothing in it is proven.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct Playback {
    /// Peers that have reported.
    reporting: u64,
    /// Media bytes from peers.
    p2p_bytes: u64,
    /// Media bytes from the origin.
    http_bytes: u64,
    /// Share of the bytes that came from peers, 0 to 1; absent before there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    p2p_share: Option<f64>,
    /// Stalls.
    stalls: u64,
    /// Time stalled, ms.
    stall_ms: u64,
    /// Chunks that came after their deadline.
    late_chunks: u64,
    /// Chunks that failed verification.
    bad_chunks: u64,
    /// Connections that came up.
    connections_made: u64,
    /// Connections that did not.
    connections_failed: u64,
}

impl Playback {
    pub(super) fn add(&mut self, qos: &Qos) {
        for (sum, told) in [
            (&mut self.reporting, 1),
            (&mut self.p2p_bytes, qos.p2p_bytes),
            (&mut self.http_bytes, qos.http_bytes),
            (&mut self.stalls, qos.stalls),
            (&mut self.stall_ms, qos.stall_ms),
            (&mut self.late_chunks, qos.late_chunks),
            (&mut self.bad_chunks, qos.bad_chunks),
            (&mut self.connections_made, qos.conn_ok),
            (&mut self.connections_failed, qos.conn_fail),
        ] {
            *sum = sum.saturating_add(told);
        }
        let all = self.p2p_bytes as f64 + self.http_bytes as f64;
        self.p2p_share = (all > 0.0).then(|| self.p2p_bytes as f64 / all);
    }

    /// Share from peers, and stalls.
    pub(super) fn summary(&self) -> (Option<f64>, u64) {
        (self.p2p_share, self.stalls)
    }
}

/// Peers, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct Census {
    /// Peers that were looked at: all, or a random sample of 65536.
    peers: u64,
    /// By what they say they are.
    by_role: BTreeMap<RoleName, u64>,
    /// By what it takes to reach them.
    by_nat: BTreeMap<NatName, u64>,
    /// By whether they have everything; once for each of their swarms.
    by_mode: BTreeMap<ModeName, u64>,
    /// By their network in the cost map: its autonomous systems, where the map is made of those.
    by_network: BTreeMap<String, u64>,
    /// What they report.
    playback: Playback,
}

impl Census {
    fn add(&mut self, peer: &PeerView<'_>) {
        self.peers += 1;
        *self.by_role.entry(peer.status().role.into()).or_default() += 1;
        *self.by_nat.entry(peer.nat().into()).or_default() += 1;
        let network = peer.network().unwrap_or(Cow::Borrowed("unknown"));
        let network =
            match self.by_network.contains_key(network.as_ref()) || self.by_network.len() < MAX_NETWORKS {
                true => network,
                false => Cow::Borrowed("others"),
            };
        *self.by_network.entry(network.into_owned()).or_default() += 1;
    }

    fn add_membership(&mut self, peer: &PeerView<'_>, swarm_id: &str, mode: PeerMode) {
        *self.by_mode.entry(mode.into()).or_default() += 1;
        if let Some(qos) = peer.report(swarm_id).and_then(|report| report.qos.as_ref()) {
            self.playback.add(qos);
        }
    }

    pub(super) fn playback(&self) -> &Playback {
        &self.playback
    }

    /// Of all peers.
    pub(super) async fn of_all(shared: &Shared) -> Self {
        let mut census = Self::default();
        let mut random = [0; 32];
        shared.random(|rng| rng.fill_bytes(&mut random));
        let start = to_hex(&random);
        // To the end, then from the beginning.
        for (mut after, end) in [(start.clone(), None), (String::new(), Some(start))] {
            loop {
                let last = shared.registry().peers_after(&after, SLICE, |peer| {
                    if end.as_deref().is_some_and(|end| peer.id > end) || census.peers >= MAX_LOOKED_AT {
                        return false;
                    }
                    census.add(peer);
                    for (swarm, mode) in peer.swarms() {
                        census.add_membership(peer, swarm, *mode);
                    }
                    true
                });
                match last {
                    Some(last) if end.as_deref().is_none_or(|end| *last <= *end) => after = last.to_string(),
                    _ => break,
                }
                if census.peers >= MAX_LOOKED_AT {
                    return census;
                }
                tokio::task::yield_now().await;
            }
        }
        census
    }
}

/// The members of one swarm, counted, and which chunks are rarest among them.
pub(super) struct SwarmCensus {
    pub(super) census: Census,
    /// Chunk maps that were looked at.
    pub(super) maps: u64,
    /// Peers without a map, which have everything.
    pub(super) seeders: u64,
    pub(super) rarest: Vec<Held>,
}

impl SwarmCensus {
    /// Of a swarm with so many members.
    pub(super) async fn of(shared: &Shared, swarm_id: &str, members: usize) -> Self {
        let mut census = Census::default();
        let (mut maps, mut seeders, mut ranges) = (0, 0, Vec::<Range<u64>>::new());
        let mut before = members;
        while before > 0 && census.peers < MAX_LOOKED_AT {
            before = shared.registry().members_before(swarm_id, before, SLICE, |peer| {
                let Some(mode) = peer.swarms().get(swarm_id) else {
                    return;
                };
                census.add(peer);
                census.add_membership(peer, swarm_id, *mode);
                let map = peer.report(swarm_id).and_then(|report| report.map.as_ref());
                match (mode, map) {
                    (PeerMode::Seeder, _) => seeders += 1,
                    (PeerMode::Leech, Some(map)) if ranges.len() + map.ranges().len() <= MAX_RANGES => {
                        maps += 1;
                        ranges.extend_from_slice(map.ranges());
                    }
                    (PeerMode::Leech, _) => {}
                }
            });
            tokio::task::yield_now().await;
        }
        Self {
            census,
            maps,
            seeders,
            rarest: rarest(&ranges, seeders),
        }
    }
}

/// The chunks that the fewest have, between the first and the last that anybody has; `everywhere` have all.
fn rarest(ranges: &[Range<u64>], everywhere: u64) -> Vec<Held> {
    let starts = ranges.iter().map(|range| (range.start, true));
    let mut edges: Vec<_> = starts
        .chain(ranges.iter().map(|range| (range.end, false)))
        .collect();
    edges.sort_unstable();
    let (mut held, mut holders) = (Vec::<Held>::new(), 0);
    for pair in edges.windows(2) {
        let ((first, is_start), (end, _)) = (pair[0], pair[1]);
        match is_start {
            true => holders += 1,
            false => holders -= 1,
        }
        if first == end {
            continue;
        }
        let all = holders + everywhere;
        match held.last_mut() {
            Some(before) if before.holders == all && before.last + 1 == first => before.last = end - 1,
            _ => held.push(Held {
                first,
                last: end - 1,
                holders: all,
            }),
        }
    }
    held.sort_by_key(|held| held.holders);
    held.truncate(RAREST);
    held
}

/// A swarm and its number of reachable members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct SwarmSize {
    /// The swarm.
    pub(super) swarm_id: String,
    /// Its reachable members; in a cluster, those of this node.
    pub(super) members: usize,
    /// In a cluster, those of other nodes, reckoned from what these tell; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    members_elsewhere: Option<usize>,
}

impl SwarmSize {
    /// Swarms of so many members here.
    pub(super) fn of(shared: &Shared, swarms: Vec<(String, usize)>) -> Vec<Self> {
        let now = shared.clock.now();
        let registry = shared.registry();
        let sizes = swarms.into_iter().map(|(swarm_id, members)| {
            let elsewhere = registry.members_elsewhere(now, &swarm_id);
            Self {
                swarm_id,
                members,
                members_elsewhere: (elsewhere > 0).then_some(elsewhere),
            }
        });
        sizes.collect()
    }
}

/// The largest swarms, the largest first.
pub(super) async fn largest(shared: &Shared) -> Vec<SwarmSize> {
    let (mut largest, mut after, mut looked_at) = (Vec::new(), String::new(), 0);
    loop {
        let slice = shared.registry().swarms_after(&after, SLICE);
        looked_at += slice.len();
        match slice.last() {
            Some((last, _)) if looked_at <= MAX_SWARMS => after.clone_from(last),
            _ => return SwarmSize::of(shared, largest),
        }
        largest.extend(slice);
        largest.sort_by_key(|(_, members)| std::cmp::Reverse(*members));
        largest.truncate(LARGEST);
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_come_first() {
        let all: Vec<_> = rarest(&[0..10, 5..20, 30..40], 1)
            .into_iter()
            .map(|held| (held.first, held.last, held.holders))
            .collect();
        assert_eq!(all, [(20, 29, 1), (0, 4, 2), (10, 19, 2), (30, 39, 2), (5, 9, 3)]);
        assert!(rarest(&[], 3).is_empty());
        assert_eq!(rarest(&vec![3..4; 5], 0)[0].holders, 5);
    }

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(rarest(&[0..5, 5..9], 0).len(), 1);
        assert_eq!(rarest(&[0..u64::MAX, 7..9], 0).len(), 3);
    }

    #[test]
    fn sums_do_not_overflow() {
        let mut playback = Playback::default();
        assert_eq!(playback.summary(), (None, 0));
        for _ in 0..2 {
            playback.add(&Qos {
                p2p_bytes: u64::MAX,
                http_bytes: u64::MAX,
                stalls: u64::MAX,
                ..Qos::default()
            });
        }
        assert_eq!(playback.summary(), (Some(0.5), u64::MAX));
    }
}
