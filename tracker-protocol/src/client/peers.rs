//! Lists of peers: when to ask for one, and what comes of it.

use super::requests::What;
use super::{
    Client, FIND_INTERVAL, FIRST_FIND_INTERVAL, MAX_FIND_INTERVAL, MAX_LISTED, MAX_RETRY_AFTER, Output,
    SECOND, State, Timestamp, describe,
};
use crate::error::ErrorCode;
use crate::peer::{PeerInfo, PeerMode, PeerNum};
use crate::request::{Find, RequestBody, RequestExt};
use crate::response::Response;

impl Client {
    pub(super) fn found(&mut self, swarm: String, response: Response) {
        let (now, retry_after) = (
            self.now,
            response.ext.retry_after.unwrap_or(0).min(MAX_RETRY_AFTER) * SECOND,
        );
        if let Some(member) = self.wanted.get_mut(&swarm) {
            member.finding = false;
            member.next_find = now + member.find_interval.max(retry_after);
        }
        match response.code {
            ErrorCode::NoError => {
                self.rejoins = 0;
                self.take_peers(response);
            }
            ErrorCode::Forbidden => self.rejoin(Some(&swarm)),
            ErrorCode::Unavailable => {}
            code => self.lose(&describe(code, &response), 0, true),
        }
    }

    /// Passes on the lists of a successful response.
    pub(super) fn take_peers(&mut self, response: Response) {
        if let Some(sent) = response.ext.offers_sent {
            self.outputs.push(Output::OffersSent(sent));
        }
        self.take_sizes(&response);
        for result in response.swarm_result {
            let (Some(group), Some(member)) = (result.peer_group, self.wanted.get_mut(&result.swarm_id))
            else {
                continue;
            };
            let mut peers: Vec<PeerInfo> = Vec::new();
            for peer in group.peer_info {
                let known =
                    peer.peer_id == self.peer_id || peers.iter().any(|other| other.peer_id == peer.peer_id);
                if !known && peers.len() < MAX_LISTED {
                    peers.push(peer);
                }
            }
            // Asking again soon makes sense only where there is somebody to be found.
            member.alone = peers.is_empty();
            let mut pause = FIND_INTERVAL;
            if member.alone {
                pause = member.find_interval * 3 / 4 + self.backoff.below(member.find_interval / 2);
                let slower = match member.find_interval < FIND_INTERVAL {
                    true => member.find_interval / 2,
                    false => member.find_interval,
                };
                member.find_interval = (member.find_interval + slower).min(MAX_FIND_INTERVAL);
            } else {
                member.find_interval = FIND_INTERVAL;
            }
            member.next_find = self.now + pause;
            if !peers.is_empty() {
                self.outputs.push(Output::Peers {
                    swarm: result.swarm_id,
                    peers,
                });
            }
        }
    }

    /// Passes on how large the swarms are.
    pub(super) fn take_sizes(&mut self, response: &Response) {
        for result in &response.swarm_result {
            let (Some(members), Some(member)) = (result.ext.members, self.wanted.get_mut(&result.swarm_id))
            else {
                continue;
            };
            if member.size != Some(members) {
                member.size = Some(members);
                self.outputs.push(Output::SwarmSize {
                    swarm: result.swarm_id.clone(),
                    members,
                });
            }
        }
    }

    /// Swarms that want more neighbours, with the time when they may ask.
    pub(super) fn finds_due(&self) -> impl Iterator<Item = (&String, Timestamp)> {
        let joined = matches!(self.state, State::Joined { .. });
        self.wanted.iter().filter_map(move |(swarm, member)| {
            let wants = joined
                && !member.finding
                && member.mode == PeerMode::Leech
                && member.neighbours.len() < self.config.low_water
                && self.announced.contains_key(swarm);
            wants.then_some((swarm, member.next_find))
        })
    }

    pub(super) fn find(&mut self, swarm: String) {
        let Some(member) = self.wanted.get_mut(&swarm) else {
            return;
        };
        member.finding = true;
        let exclude = member.neighbours.clone();
        // What peers have told of their chunks is a minute old, and the tracker names only those that have told this one:
        // where there are not many to choose from, anybody is better than nobody.
        let is_large = member.size > Some(self.config.peer_count);
        let near = member.near.filter(|_| is_large && !member.alone);
        if near.is_some() {
            // If that names nobody, anybody soon.
            member.find_interval = FIRST_FIND_INTERVAL;
        }
        let ext = RequestExt {
            exclude,
            offers: self.take_offers(Some(&swarm)),
            near,
            ..RequestExt::default()
        };
        let peer_num = Some(PeerNum::of(self.config.peer_count));
        let find = Find {
            swarm_id: swarm.clone(),
            peer_num,
        };
        if let Err(reason) = self.send(RequestBody::Find(find), ext, What::Find(swarm)) {
            self.lose(&reason, 0, true);
        }
    }
}
