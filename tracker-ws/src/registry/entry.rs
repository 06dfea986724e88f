//! One registered peer.

use std::cmp::Reverse;

use tracker_protocol::server::{Peer, Timestamp};
use tracker_protocol::{
    AbilityNat, AddressKind, Connect, PeerAddr, PeerInfo, PeerInfoExt, PeerMode, PeerStatus,
};

use super::location::Location;
use crate::limits::Bucket;
use crate::relay::Offers;
use crate::reports::Reports;
use crate::selection::Candidate;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) machine: Peer,
    since: Timestamp,
    pub(super) location: Location,
    pub(super) takes_signals: bool,
    /// As last told, best first. A browser has none.
    addresses: Vec<PeerAddr>,
    /// As last told. Others learn its role and nothing else of it.
    pub(super) status: PeerStatus,
    pub(super) reports: Reports,
    pub(super) offers: Offers,
    /// How fast it may ask without a socket.
    pub(super) pace: Option<Bucket>,
    /// How much it gets from other nodes.
    pub(super) from_elsewhere: Option<Bucket>,
    /// Its next place in the queue of timers.
    pub(super) scheduled: Timestamp,
}

impl Entry {
    pub(super) fn new(now: Timestamp, machine: Peer, location: Location) -> Self {
        Self {
            machine,
            since: now,
            location,
            takes_signals: false,
            addresses: Vec::new(),
            status: PeerStatus::default(),
            reports: Reports::default(),
            offers: Offers::default(),
            pace: None,
            from_elsewhere: None,
            scheduled: Timestamp::MAX,
        }
    }

    /// Takes over the addresses of a CONNECT; where it names none, they are as before.
    pub(super) fn take_addresses(&mut self, connect: &Connect) {
        if !connect.peer_addr.is_empty() {
            self.addresses.clone_from(&connect.peer_addr);
            self.addresses.sort_by_key(|address| Reverse(address.priority));
        }
    }

    /// Has the peer, as far as it has told, this chunk of a swarm? A SEEDER has all.
    pub(super) fn has(&self, swarm_id: &str, chunk: u64) -> bool {
        let map = || self.reports.get(swarm_id)?.map.as_ref();
        match self.machine.swarms().get(swarm_id) {
            Some(PeerMode::Seeder) => true,
            Some(PeerMode::Leech) => map().is_some_and(|map| map.covers(chunk)),
            None => false,
        }
    }

    /// Is there any way to reach it?
    pub(super) fn is_dialable(&self) -> bool {
        self.takes_signals || self.has_port()
    }

    fn has_port(&self) -> bool {
        self.addresses.iter().any(|address| address.port > 0)
    }

    /// How the best of the addresses it has told can be reached.
    pub(super) fn nat(&self) -> Option<AbilityNat> {
        self.addresses.first().map(|best| match best.kind {
            Some(AddressKind::Host) | None => AbilityNat::NoNat,
            Some(AddressKind::Reflexive) => AbilityNat::Stun,
            Some(AddressKind::Proxy) => AbilityNat::Turn,
        })
    }

    /// Seconds it is registered.
    pub(super) fn online(&self, now: Timestamp) -> u64 {
        now.saturating_sub(self.since) / 1_000_000
    }

    /// What counts when it is chosen, or not, for a list of this swarm. `cost` is that of its traffic to who asks.
    pub(super) fn candidate(&self, now: Timestamp, swarm_id: &str, cost: f32) -> Candidate<'_> {
        let report = self.reports.get(swarm_id);
        let reported = report.map(|report| report.available_bandwidth / 1000);
        Candidate {
            address: self.location.address,
            cost,
            status: &self.status,
            nat: self.nat(),
            links: report.map(|report| report.concurrent_links),
            online: self.online(now),
            upload: self.status.up_kbps.or(reported),
        }
    }

    /// How it is listed in a swarm: once per address, best first, `most` times at most; once without one.
    pub(super) fn listed(&self, peer_id: &str, swarm_id: &str, most: usize) -> Vec<PeerInfo> {
        let mut via = Vec::new();
        if self.has_port() {
            via.push("udp".to_owned());
        }
        if self.takes_signals {
            via.push("signal".to_owned());
        }
        let ext = PeerInfoExt {
            mode: self.machine.swarms().get(swarm_id).copied(),
            role: self.status.role,
            via,
        };
        let info = |peer_addr| PeerInfo {
            peer_id: peer_id.to_owned(),
            peer_addr,
            ext: ext.clone(),
        };
        if self.addresses.is_empty() {
            return vec![info(PeerAddr::private())];
        }
        self.addresses.iter().take(most).cloned().map(info).collect()
    }
}
