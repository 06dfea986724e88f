//! Whom a peer is told of, and who is told of it.

use std::sync::Arc;

use tracker_protocol::server::{Face, Timestamp};
use tracker_protocol::{DEFAULT_PEERS, MAX_PEERS, PeerGroup, PeerMode, PeerNum, Request, SwarmResult};

use super::{Outgoing, Registry, push};
use crate::selection::{self, Wish};
use crate::swarm::Swarm;

/// Members that are drawn for those that have a chunk.
const DRAWS_NEAR: usize = 512;

/// A choice to make of a swarm's members.
struct Choice<'a> {
    swarm_id: &'a str,
    requester: &'a Arc<str>,
    count: usize,
    peer_num: Option<&'a PeerNum>,
    /// A chunk they shall have, as far as they have told.
    near: Option<u64>,
    exclude: &'a [String],
    /// They shall take signals now: another way to them does not do.
    by_signal: bool,
}

impl Registry {
    /// A success that says how many members the swarm has.
    pub(super) fn counted(&self, swarm_id: &str) -> SwarmResult {
        let mut result = SwarmResult::ok(swarm_id);
        result.ext.members = Some(self.swarms.get(swarm_id).map_or(0, Swarm::len) as u64);
        result
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
        for peer in &chosen {
            let Some(entry) = self.peers.get(peer) else {
                continue;
            };
            let listed = entry.listed(peer, swarm_id, 1 + spare);
            spare -= listed.len() - 1;
            peer_info.extend(listed);
        }
        SwarmResult {
            peer_group: Some(PeerGroup { peer_info }),
            ..self.counted(swarm_id)
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
                let Some(session) = self.takes_signals(&target) else {
                    continue;
                };
                push(session, offer, out);
                given.push(target.to_string());
                if let Some(own) = self.peers.get_mut(peer) {
                    own.offers.record(now, &target, &offer.oid);
                }
                sent += 1;
            }
        }
        Some(sent)
    }

    /// Draws members, leaves out those that may not be told, and chooses of the others.
    fn choose(&mut self, now: Timestamp, choice: &Choice<'_>) -> Vec<Arc<str>> {
        let (Some(swarm), Some(own)) = (self.swarms.get(choice.swarm_id), self.peers.get(choice.requester))
        else {
            return Vec::new();
        };
        let draws = match choice.near {
            Some(_) => DRAWS_NEAR,
            None => selection::draws(choice.count),
        };
        let drawn = swarm.sample(&mut self.rng, draws, choice.requester, choice.exclude);
        let serves_only = own.machine.swarms().get(choice.swarm_id) == Some(&PeerMode::Seeder);
        let cost = |from| {
            let costs = self.costs.as_ref();
            costs.map_or(0.0, |costs| costs.cost_of(from, own.location.pid))
        };
        let (mut peers, mut candidates) = (Vec::new(), Vec::new());
        for peer in drawn {
            let Some(entry) = self.peers.get(&peer) else {
                continue;
            };
            let is_reachable = match choice.by_signal {
                true => entry.takes_signals,
                false => entry.is_dialable(),
            };
            // Two that have everything have nothing for each other.
            if is_reachable
                && !(serves_only && entry.machine.swarms().get(choice.swarm_id) == Some(&PeerMode::Seeder))
                && choice.near.is_none_or(|chunk| entry.has(choice.swarm_id, chunk))
            {
                candidates.push(entry.candidate(now, choice.swarm_id, cost(entry.location.pid)));
                peers.push(peer);
            }
        }
        let wish = Wish {
            count: choice.count,
            peer_num: choice.peer_num,
            region: own.status.region.as_deref(),
            members: swarm.len(),
        };
        let chosen = selection::choose(&mut self.rng, &wish, &candidates);
        chosen.into_iter().map(|index| peers[index].clone()).collect()
    }
}
