//! A member that may be told, and how good it is for who asks.

use std::net::IpAddr;

use tracker_protocol::{AbilityNat, LinkKind, PeerNum, PeerStatus, Power, Role};

use super::Wish;

/// A battery below this is low, %.
const LOW_BATTERY: u64 = 30;

/// How often the weight of the farthest is halved: the nearest come 64 times as often, which all else together can outweigh
/// hardly ever.
const FAR: f64 = 6.0;

/// What is known of a member. All but its address and its time online it has told itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    /// As the tracker sees it.
    pub(crate) address: IpAddr,
    /// What its traffic to who asks costs the networks; finite.
    pub(crate) cost: f32,
    pub(crate) status: &'a PeerStatus,
    /// How the best of the addresses it has told can be reached.
    pub(crate) nat: Option<AbilityNat>,
    /// Connected neighbours.
    pub(crate) links: Option<u64>,
    /// Seconds it is registered.
    pub(crate) online: u64,
    /// Upload bandwidth, kbit/s.
    pub(crate) upload: Option<u64>,
}

/// How often a candidate's weight is halved, and for what; negative doubles it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halvings {
    /// What its traffic costs.
    pub(crate) distance: f64,
    /// What it is there for.
    pub(crate) role: f64,
    /// What serving costs its user.
    pub(crate) burden: f64,
    /// What the requester would like.
    pub(crate) preferences: f64,
}

impl Halvings {
    pub(crate) fn sum(&self) -> f64 {
        self.distance + self.role + self.burden + self.preferences
    }
}

impl Candidate<'_> {
    /// How often its weight is halved. 0 for a candidate of which nothing is known. `distance` is 0 for the nearest
    /// candidate and 1 for the farthest.
    pub(super) fn halvings(&self, wish: &Wish<'_>, distance: f64) -> Halvings {
        Halvings {
            distance: FAR * distance,
            role: self.role(wish),
            burden: self.burden(),
            preferences: wish.peer_num.map_or(0.0, |wanted| self.preferences(wanted)),
        }
    }

    /// Does it serve by itself what others lack?
    pub(super) fn is_strong(&self) -> bool {
        use Role::{Cache, Cdn, Origin, Super};
        matches!(self.status.role, Some(Super | Cache | Cdn | Origin))
    }

    /// Those that are there to serve come first, unless they are there for another region. An origin is not one of them:
    /// it is spared where others have the same.
    fn role(&self, wish: &Wish<'_>) -> f64 {
        let elsewhere = match (wish.region, self.status.region.as_deref()) {
            (Some(here), Some(there)) => here != there,
            _ => false,
        };
        match self.status.role {
            Some(Role::Super | Role::Cache | Role::Cdn) if !elsewhere => -2.0,
            _ => 0.0,
        }
    }

    /// What serving costs the candidate's user.
    fn burden(&self) -> f64 {
        let status = self.status;
        let low = status.battery.is_some_and(|percent| percent < LOW_BATTERY);
        let battery = match status.power {
            Some(Power::Battery) if low => 2.0,
            Some(Power::Battery) => 0.5,
            _ => 0.0,
        };
        let mut burden = battery;
        if status.link == Some(LinkKind::Cellular) {
            burden += 2.0;
        }
        if status.saver == Some(true) {
            burden += 2.0;
        }
        if status.slots == Some(0) {
            burden += 2.0;
        }
        burden
    }

    /// The preferences of RFC 7846 §3.2.3: what meets one gains as much as what misses it loses; what is not known does
    /// neither.
    fn preferences(&self, wanted: &PeerNum) -> f64 {
        fn at_least(has: Option<u64>, wanted: Option<u64>) -> f64 {
            match (has, wanted) {
                // 0 demands nothing.
                (_, None | Some(0)) | (None, _) => 0.0,
                (Some(has), Some(wanted)) if has >= wanted => -1.0,
                _ => 1.0,
            }
        }
        let nat = match (self.nat, wanted.ability_nat) {
            (Some(has), Some(wanted)) if effort(has) <= effort(wanted) => -1.0,
            (Some(_), Some(_)) => 1.0,
            _ => 0.0,
        };
        nat + at_least(self.links, wanted.concurrent_links)
            + at_least(Some(self.online), wanted.online_time)
            + at_least(self.upload, wanted.upload_bandwidth)
    }
}

/// What it takes to reach a peer in this situation.
fn effort(nat: AbilityNat) -> u8 {
    match nat {
        AbilityNat::NoNat => 0,
        AbilityNat::Stun => 1,
        AbilityNat::Turn => 2,
    }
}
