//! How the list for a peer would be made: what an operator asks who wonders about one.

use std::net::IpAddr;
use std::sync::Arc;

use rand::rngs::StdRng;
use tracker_protocol::PeerMode;
use tracker_protocol::server::Timestamp;

use super::Registry;
use super::lists::Choice;
use crate::selection::{self, Halvings, Place, Wish};

/// A list, and what there was to choose from.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    /// Members of the swarm.
    pub(crate) members: usize,
    /// Where the requester is, in the operator's words.
    pub(crate) region: Option<String>,
    /// Of the list.
    pub(crate) count: usize,
    /// Every member that was drawn.
    pub(crate) drawn: Vec<Drawn>,
}

/// A member that was drawn.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) peer: Arc<str>,
    pub(crate) address: IpAddr,
    /// What its traffic to the requester costs.
    pub(crate) cost: f32,
    /// Why it could not be chosen, or how often its weight is halved and for what.
    pub(crate) outcome: Result<Halvings, &'static str>,
    /// Its place in the list, from 0, and what that place was filled by.
    pub(crate) place: Option<(usize, Place)>,
}

impl Registry {
    /// Makes a list as for a FIND of this peer, without telling anybody. `None` where the peer is not registered, or the
    /// swarm has no members.
    pub(crate) fn explain(
        &self,
        now: Timestamp,
        rng: &mut StdRng,
        swarm_id: &str,
        peer_id: &str,
        count: usize,
        near: Option<u64>,
    ) -> Option<Explanation> {
        let swarm = self.swarms.get(swarm_id)?;
        let (requester, own) = self.peers.get_key_value(peer_id)?;
        let choice = Choice {
            swarm_id,
            requester,
            count,
            peer_num: None,
            near,
            exclude: &[],
            by_signal: false,
        };
        let serves_only = own.machine.swarms().get(swarm_id) == Some(&PeerMode::Seeder);
        let (mut drawn, mut candidates, mut fit) = (Vec::new(), Vec::new(), Vec::new());
        for peer in swarm.sample(rng, choice.draws(), requester, &[]) {
            let Some(entry) = self.peers.get(&peer) else {
                continue;
            };
            let cost = self.cost(self.costs.place(&entry.location), own);
            let refused = choice.refuses(entry, serves_only);
            if refused.is_none() {
                fit.push(drawn.len());
                candidates.push(entry.candidate(now, swarm_id, cost));
            }
            drawn.push(Drawn {
                peer,
                address: entry.location.address,
                cost,
                outcome: Err(refused.unwrap_or_default()),
                place: None,
            });
        }
        let wish = Wish {
            count,
            peer_num: None,
            region: own.status.region.as_deref(),
            members: swarm.len(),
        };
        for (index, halvings) in selection::halvings(&wish, &candidates).into_iter().enumerate() {
            drawn[fit[index]].outcome = Ok(halvings);
        }
        let chosen = selection::choose(rng, &wish, &candidates);
        for (place, index) in chosen.iter().enumerate() {
            let by = selection::place(place, count.min(candidates.len()));
            drawn[fit[*index]].place = Some((place, by));
        }
        Some(Explanation {
            members: swarm.len(),
            region: wish.region.map(str::to_owned),
            count: chosen.len(),
            drawn,
        })
    }
}
