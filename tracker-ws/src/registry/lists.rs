//! Whom a peer is told of, and who is told of it.

use std::sync::Arc;

use rand::RngExt;
use rand::seq::SliceRandom;
use tracker_protocol::server::{Face, Timestamp};
use tracker_protocol::{DEFAULT_PEERS, MAX_PEERS, PeerGroup, PeerMode, PeerNum, Request, SwarmResult};

use super::entry::Entry;
use super::{Outgoing, Registry, push};
use crate::cluster::{NodeId, RemotePeer};
use crate::cost_map::Place;
use crate::selection::{self, Wish};
use crate::swarm::Swarm;

/// Members that are drawn for those that have a chunk.
const DRAWS_NEAR: usize = 512;

/// Of the members that are drawn, one to so many is of another node, so that no node's part of a swarm is an island. Where
/// there are not enough here, the rest are of others.
const DRAWS_ELSEWHERE: usize = 4;
/// Lists at least this long name somebody of another node, where there is anybody.
const LINKED: usize = 4;

/// Somebody chosen.
enum Chosen {
    Here(Arc<str>),
    Elsewhere(NodeId, Arc<RemotePeer>),
}

/// A choice to make of a swarm's members.
pub(super) struct Choice<'a> {
    pub(super) swarm_id: &'a str,
    pub(super) requester: &'a Arc<str>,
    pub(super) count: usize,
    pub(super) peer_num: Option<&'a PeerNum>,
    /// A chunk they shall have, as far as they have told.
    pub(super) near: Option<u64>,
    pub(super) exclude: &'a [String],
    /// They shall take signals now: another way to them does not do.
    pub(super) by_signal: bool,
}

impl Choice<'_> {
    /// How many members to draw.
    pub(super) fn draws(&self) -> usize {
        match self.near {
            Some(_) => DRAWS_NEAR,
            None => selection::draws(self.count),
        }
    }

    /// Why a member cannot be chosen. `serves_only`: the requester has everything.
    pub(super) fn refuses(&self, entry: &Entry, serves_only: bool) -> Option<&'static str> {
        let is_reachable = match self.by_signal {
            true => entry.takes_signals,
            false => entry.is_dialable(),
        };
        if !is_reachable {
            return Some("unreachable");
        }
        // Two that have everything have nothing for each other.
        if serves_only && entry.machine.swarms().get(self.swarm_id) == Some(&PeerMode::Seeder) {
            return Some("both_seeders");
        }
        let lacks = |chunk| !entry.has(self.swarm_id, chunk);
        self.near.is_some_and(lacks).then_some("lacks_chunk")
    }
}

impl Registry {
    /// A success that says how many members the swarm has.
    pub(super) fn counted(&self, now: Timestamp, swarm_id: &str) -> SwarmResult {
        let mut result = SwarmResult::ok(swarm_id);
        result.ext.members = Some(self.member_count(now, swarm_id) as u64);
        result
    }

    /// Members that may be named, those of other nodes included.
    fn member_count(&self, now: Timestamp, swarm_id: &str) -> usize {
        self.swarms.get(swarm_id).map_or(0, Swarm::len) + self.members_elsewhere(now, swarm_id)
    }

    /// A list of a swarm's members, `room` entries at most; where a chunk is named, of those that have it.
    #[expect(clippy::too_many_arguments, reason = "all that a request may say of it")]
    pub(super) fn list(
        &mut self,
        now: Timestamp,
        swarm_id: &str,
        requester: &Arc<str>,
        peer_num: Option<&PeerNum>,
        near: Option<u64>,
        exclude: &[String],
        room: usize,
    ) -> SwarmResult {
        let wanted = peer_num
            .and_then(|peer_num| peer_num.peer_count)
            .unwrap_or(DEFAULT_PEERS);
        let room = room.max(1);
        let chosen = self.choose(
            now,
            &Choice {
                swarm_id,
                requester,
                count: (wanted.clamp(1, MAX_PEERS) as usize).min(room),
                peer_num,
                near,
                exclude,
                by_signal: false,
            },
        );
        // Second and third addresses are told where there is room.
        let mut spare = room - chosen.len();
        let mut peer_info = Vec::new();
        for chosen in &chosen {
            let listed = match chosen {
                Chosen::Here(peer) => match self.peers.get(peer) {
                    Some(entry) => entry.listed(peer, swarm_id, 1 + spare),
                    None => continue,
                },
                Chosen::Elsewhere(node, peer) => {
                    if let Some(cluster) = &mut self.cluster {
                        cluster.routes.learn(now, &peer.id, node);
                    }
                    peer.infos.iter().take(1 + spare).cloned().collect()
                }
            };
            spare -= listed.len() - 1;
            peer_info.extend(listed);
        }
        SwarmResult {
            peer_group: Some(PeerGroup { peer_info }),
            ..self.counted(now, swarm_id)
        }
    }

    /// Gives each batch offer to another member; returns how many found one.
    pub(super) fn hand_out(
        &mut self,
        now: Timestamp,
        face: Face,
        peer: &Arc<str>,
        request: &Request,
        out: &mut Vec<Outgoing>,
    ) -> Option<u64> {
        let offers = &request.ext.offers;
        // Answers could not be brought to a peer without a socket.
        if offers.is_empty() || face == Face::Post {
            return None;
        }
        let mut sent = 0;
        let mut given: Vec<String> = request.ext.exclude.clone();
        for (at, first) in offers.iter().enumerate() {
            let is_member = self
                .peers
                .get(peer)
                .is_some_and(|own| own.machine.swarms().contains_key(&first.swarm));
            // Those of one swarm are handed out together, with the first of them.
            if !is_member || offers[..at].iter().any(|offer| offer.swarm == first.swarm) {
                continue;
            }
            let of_swarm = || offers[at..].iter().filter(|offer| offer.swarm == first.swarm);
            let targets = self.choose(
                now,
                &Choice {
                    swarm_id: &first.swarm,
                    requester: peer,
                    count: of_swarm().count(),
                    peer_num: None,
                    near: None,
                    exclude: &given,
                    by_signal: true,
                },
            );
            for (offer, target) in of_swarm().zip(targets) {
                let target = match target {
                    Chosen::Here(target) => {
                        let Some(session) = self.takes_signals(&target) else {
                            continue;
                        };
                        push(session, offer, out);
                        target
                    }
                    Chosen::Elsewhere(node, target) => {
                        let Some(cluster) = &mut self.cluster else {
                            continue;
                        };
                        if !cluster.forward(&node, &target.id, offer) {
                            continue;
                        }
                        cluster.routes.learn(now, &target.id, &node);
                        target.id.clone()
                    }
                };
                given.push(target.to_string());
                if let Some(own) = self.peers.get_mut(peer) {
                    own.offers.record(now, &target, &offer.oid);
                }
                sent += 1;
            }
        }
        Some(sent)
    }

    /// What traffic from a network to a peer costs.
    pub(super) fn cost(&self, from: Option<Place>, to: &Entry) -> f32 {
        self.costs.cost(from, &to.location)
    }

    /// Draws members, leaves out those that may not be told, and chooses of the others.
    fn choose(&mut self, now: Timestamp, choice: &Choice<'_>) -> Vec<Chosen> {
        let (Some(swarm), Some(own)) = (self.swarms.get(choice.swarm_id), self.peers.get(choice.requester))
        else {
            return Vec::new();
        };
        let draws = choice.draws();
        let drawn = swarm.sample(&mut self.rng, draws, choice.requester, choice.exclude);
        let serves_only = own.machine.swarms().get(choice.swarm_id) == Some(&PeerMode::Seeder);
        let (mut peers, mut candidates) = (Vec::new(), Vec::new());
        for peer in drawn {
            let Some(entry) = self.peers.get(&peer) else {
                continue;
            };
            if choice.refuses(entry, serves_only).is_none() {
                candidates.push(entry.candidate(
                    now,
                    choice.swarm_id,
                    self.cost(self.costs.place(&entry.location), own),
                ));
                peers.push(Chosen::Here(peer));
            }
        }
        let here = candidates.len();
        let count = draws_elsewhere(choice, draws, here);
        let cluster = self
            .cluster
            .as_ref()
            .filter(|cluster| cluster.connected && count > 0);
        let mut elsewhere = match cluster {
            Some(cluster) => cluster.view.draw(now, &mut self.rng, choice.swarm_id, count),
            None => Vec::new(),
        };
        elsewhere.retain(|(_, peer)| {
            // Who is registered here has left the other node since.
            let is_other = !self.peers.contains_key(&peer.id);
            let is_excluded = choice.exclude.iter().any(|other| **other == *peer.id);
            let is_reachable = peer.takes_signals || !choice.by_signal;
            let is_useful = !(serves_only && peer.is_seeder());
            let has_chunk = choice.near.is_none_or(|chunk| peer.has(chunk));
            is_other && !is_excluded && is_reachable && is_useful && has_chunk
        });
        for (_, peer) in &elsewhere {
            candidates.push(peer.candidate(now, self.cost(peer.pid, own)));
        }
        let count = elsewhere.len();
        peers.extend(
            elsewhere
                .iter()
                .map(|(node, peer)| Chosen::Elsewhere(node.clone(), peer.clone())),
        );
        // All are in random order, as the choice wants them: now, those of both kinds together.
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        if count > 0 {
            order.shuffle(&mut self.rng);
        }
        let candidates: Vec<_> = order.iter().map(|index| candidates[*index]).collect();
        let wish = Wish {
            count: choice.count,
            peer_num: choice.peer_num,
            region: own.status.region.as_deref(),
            members: self.member_count(now, choice.swarm_id),
        };
        let chosen = selection::choose(&mut self.rng, &wish, &candidates);
        let mut chosen: Vec<usize> = chosen.into_iter().map(|index| order[index]).collect();
        // The last place may be somebody strong's; the one before it is as good as any other.
        if chosen.len() >= LINKED && count > 0 && chosen.iter().all(|index| *index < here) {
            let place = chosen.len() - 2;
            chosen[place] = here + self.rng.random_range(0..count);
        }
        let mut peers: Vec<_> = peers.into_iter().map(Some).collect();
        chosen
            .into_iter()
            .filter_map(|index| peers[index].take())
            .collect()
    }
}

/// How many members of other nodes to draw: a few where there are enough here, so that the parts of a swarm hang together,
/// and else as many as there are too few; for batch offers those only.
fn draws_elsewhere(choice: &Choice<'_>, draws: usize, here: usize) -> usize {
    let missing = draws.saturating_sub(here);
    match choice.by_signal {
        true if here >= choice.count => 0,
        true => missing,
        false => missing.max(draws / DRAWS_ELSEWHERE),
    }
}
