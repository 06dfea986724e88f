//! What an operator may see of peers and swarms. The registry is locked meanwhile: every function looks at no more entries
//! than it is told, and who wants more asks again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use tracker_protocol::server::{PeerState, Timestamp};
use tracker_protocol::{AbilityNat, PeerMode, PeerStatus};

use super::entry::Entry;
use super::{Outgoing, Registry, goodbye, leave};
use crate::cost_map::CostMap;
use crate::event_log::What;
use crate::reports::Report;
use crate::swarm::Swarm;

/// A registered peer.
#[derive(Clone, Copy)]
pub(crate) struct PeerView<'a> {
    pub(crate) id: &'a str,
    /// Has it a socket?
    pub(crate) has_socket: bool,
    costs: Option<&'a CostMap>,
    entry: &'a Entry,
}

impl<'a> PeerView<'a> {
    /// What the cost map calls its network.
    pub(crate) fn network(&self) -> Option<Cow<'a, str>> {
        self.costs?.name_of(self.address())
    }

    /// Where its connection comes from.
    pub(crate) fn address(&self) -> IpAddr {
        self.entry.location.address
    }

    /// Its swarms, and what it is in them.
    pub(crate) fn swarms(&self) -> &'a BTreeMap<String, PeerMode> {
        self.entry.machine.swarms()
    }

    pub(crate) fn status(&self) -> &'a PeerStatus {
        &self.entry.status
    }

    /// What it has last reported of a swarm.
    pub(crate) fn report(&self, swarm_id: &str) -> Option<&'a Report> {
        self.entry.reports.get(swarm_id)
    }

    /// Seconds it is registered.
    pub(crate) fn online(&self, now: Timestamp) -> u64 {
        self.entry.online(now)
    }

    pub(crate) fn state(&self) -> PeerState {
        self.entry.machine.state()
    }

    /// Does it take signals?
    pub(crate) fn takes_signals(&self) -> bool {
        self.entry.takes_signals
    }

    /// How it can be reached: by the best of the addresses it has told, or, of one that has told none, by the ICE
    /// candidates of the connections it reports.
    pub(crate) fn nat(&self) -> Option<AbilityNat> {
        self.entry.nat().or_else(|| {
            let reports = self.swarms().keys().filter_map(|swarm| self.report(swarm));
            let kinds = reports
                .filter_map(|report| report.qos.as_ref())
                .map(|qos| &qos.cand);
            let (mut host, mut srflx, mut relay) = (false, false, false);
            for kind in kinds {
                host |= kind.host > 0;
                srflx |= kind.srflx > 0;
                relay |= kind.relay > 0;
            }
            match (srflx, host, relay) {
                (true, ..) => Some(AbilityNat::Stun),
                (_, true, _) => Some(AbilityNat::NoNat),
                (.., true) => Some(AbilityNat::Turn),
                _ => None,
            }
        })
    }
}

impl Registry {
    fn view<'a>(&'a self, id: &'a str, entry: &'a Entry) -> PeerView<'a> {
        PeerView {
            id,
            has_socket: self.sessions.contains_key(id),
            costs: self.costs.map().map(AsRef::as_ref),
            entry,
        }
    }

    /// A registered peer.
    pub(crate) fn peer(&self, peer_id: &str) -> Option<PeerView<'_>> {
        let (id, entry) = self.peers.get_key_value(peer_id)?;
        Some(self.view(id, entry))
    }

    /// Shows up to `most` peers with IDs after this one, in order, until `visit` returns false. Returns the last that was
    /// shown, if there may be more.
    pub(crate) fn peers_after(
        &self,
        after: &str,
        most: usize,
        mut visit: impl FnMut(&PeerView<'_>) -> bool,
    ) -> Option<Arc<str>> {
        let later = (Bound::Excluded(after), Bound::Unbounded);
        let mut last = None;
        for id in self.roll.range::<str, _>(later).take(most) {
            if let Some(entry) = self.peers.get(id)
                && !visit(&self.view(id, entry))
            {
                return Some(id.clone());
            }
            last = Some(id);
        }
        last.cloned()
    }

    /// Up to `most` swarms with IDs after this one, in order, with their numbers of reachable members.
    pub(crate) fn swarms_after(&self, after: &str, most: usize) -> Vec<(String, usize)> {
        let later = (Bound::Excluded(after), Bound::Unbounded);
        let swarms = self.swarms.range::<str, _>(later).take(most);
        swarms.map(|(id, swarm)| (id.clone(), swarm.len())).collect()
    }

    /// Reachable members of a swarm.
    pub(crate) fn members_here(&self, swarm_id: &str) -> Option<usize> {
        self.swarms.get(swarm_id).map(Swarm::len)
    }

    /// Shows up to `most` members in places before this one, the last first. Returns the place of the last that was shown.
    /// As places change hands meanwhile, a member may be shown twice, but none that stays is left out.
    pub(crate) fn members_before(
        &self,
        swarm_id: &str,
        before: usize,
        most: usize,
        mut visit: impl FnMut(&PeerView<'_>),
    ) -> usize {
        let Some(swarm) = self.swarms.get(swarm_id) else {
            return 0;
        };
        let members = swarm.members();
        let before = before.min(members.len());
        let from = before.saturating_sub(most);
        for id in members[from..before].iter().rev() {
            if let Some(entry) = self.peers.get(id) {
                visit(&self.view(id, entry));
            }
        }
        from
    }

    /// Forgets a peer and closes its socket, because it is banned.
    pub(crate) fn evict(&mut self, peer_id: &str, out: &mut Vec<Outgoing>) {
        if let Some(session) = self.sessions.get(peer_id) {
            goodbye(
                *session,
                tracker_protocol::ErrorCode::Forbidden,
                "banned",
                None,
                out,
            );
        }
        let Some((id, entry)) = self.peers.remove_entry(peer_id) else {
            return;
        };
        for swarm in entry.machine.swarms().keys() {
            leave(&mut self.swarms, swarm, &id);
        }
        self.roll.remove(&id);
        self.tell_log(|| What::Gone {
            peer_id: id.to_string(),
        });
    }
}
