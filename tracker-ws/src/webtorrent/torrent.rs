//! The swarm of one info hash.

use std::collections::HashMap;
use std::sync::Arc;

use rand::Rng;
use rand::seq::index;
use tracker_protocol::server::Timestamp;

use super::message::Id;
use crate::limits::{Bucket, Rate};
use crate::registry::SessionId;
use crate::relay::Offers;

#[derive(Debug)]
pub(super) struct Member {
    id: Arc<str>,
    pub(super) session: SessionId,
    complete: bool,
    pub(super) announced: Timestamp,
    /// That were handed out for it.
    offers: Offers,
}

/// Its members, in places of no meaning: that of one who leaves is filled with the last.
#[derive(Debug, Default)]
pub(super) struct Torrent {
    members: Vec<Member>,
    places: HashMap<Arc<str>, usize>,
    complete: usize,
    downloaded: u64,
    pace: Option<Bucket>,
}

impl Torrent {
    /// Takes a token for an announce.
    pub(super) fn take(&mut self, now: Timestamp, rate: Rate) -> bool {
        let pace = self.pace.get_or_insert_with(|| Bucket::new(now, rate));
        pace.take(now, rate, 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Members that have everything, and that have not.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.complete, self.members.len() - self.complete)
    }

    /// How often somebody has come to have everything.
    pub(super) fn downloaded(&self) -> u64 {
        self.downloaded
    }

    pub(super) fn get(&self, peer_id: &str) -> Option<&Member> {
        self.members.get(*self.places.get(peer_id)?)
    }

    /// A member announces; returns its place. `None`: it is not one.
    pub(super) fn announced(&mut self, now: Timestamp, peer_id: &str) -> Option<usize> {
        let place = *self.places.get(peer_id)?;
        self.members.get_mut(place)?.announced = now;
        Some(place)
    }

    /// Adds one that is not a member; returns its place.
    pub(super) fn insert(&mut self, now: Timestamp, session: SessionId, id: Arc<str>) -> usize {
        let place = self.members.len();
        self.places.insert(id.clone(), place);
        self.members.push(Member {
            id,
            session,
            complete: false,
            announced: now,
            offers: Offers::default(),
        });
        place
    }

    /// Returns whether it was a member.
    pub(super) fn remove(&mut self, peer_id: &str) -> bool {
        let Some(place) = self.places.remove(peer_id) else {
            return false;
        };
        let member = self.members.swap_remove(place);
        self.complete -= usize::from(member.complete);
        if let Some(moved) = self.members.get(place) {
            self.places.insert(moved.id.clone(), place);
        }
        true
    }

    /// What the member in this place has.
    pub(super) fn progress(&mut self, place: usize, complete: bool, completed_now: bool) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        if completed_now && !member.complete {
            self.downloaded += 1;
        }
        self.complete -= usize::from(member.complete);
        self.complete += usize::from(complete);
        member.complete = complete;
    }

    /// Each offer of the member in this place goes to another random member; returns their sessions.
    pub(super) fn hand_out<R: Rng>(
        &mut self,
        now: Timestamp,
        rng: &mut R,
        place: usize,
        offers: &[(Id<'_>, &str)],
    ) -> Vec<SessionId> {
        let Some(own) = self.members.get_mut(place) else {
            return Vec::new();
        };
        if offers.is_empty() {
            return Vec::new();
        }
        let mut made = std::mem::take(&mut own.offers);
        // One more than there are offers, for it may be the member itself.
        let draw = self.members.len().min(offers.len() + 1);
        let drawn = index::sample(rng, self.members.len(), draw).into_iter();
        let others = drawn.filter(|at| *at != place).map(|at| &self.members[at]);
        let receivers = others.zip(offers).map(|(to, (offer_id, _))| {
            made.record(now, &to.id, offer_id);
            to.session
        });
        let receivers = receivers.collect();
        self.members[place].offers = made;
        receivers
    }

    /// An answer goes along the offer that its receiver has made, which is used up. Returns the receiver's session; `None`
    /// where there is no such offer.
    pub(super) fn answered(
        &mut self,
        now: Timestamp,
        to: &str,
        from: &str,
        offer_id: &str,
    ) -> Option<SessionId> {
        let member = self.members.get_mut(*self.places.get(to)?)?;
        member.offers.take(now, from, offer_id).then_some(member.session)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn offers(count: usize) -> Vec<(Id<'static>, &'static str)> {
        (0..count).map(|at| (Cow::Owned(at.to_string()), "{}")).collect()
    }

    #[test]
    fn joins_and_leaves_like_a_set() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut torrent, mut oracle) = (Torrent::default(), BTreeSet::new());
        for _ in 0..2000 {
            let session: SessionId = rng.random_range(0..20);
            let peer = session.to_string();
            if rng.random() {
                if oracle.insert(session) {
                    let place = torrent.insert(0, session, peer.as_str().into());
                    torrent.progress(place, session.is_multiple_of(3), true);
                }
            } else {
                assert_eq!(torrent.remove(&peer), oracle.remove(&session));
            }
            for session in 0..20 {
                let member = torrent.get(&session.to_string());
                let is_there = oracle.contains(&session);
                assert_eq!(member.map(|member| member.session), is_there.then_some(session));
            }
            let complete = oracle.iter().filter(|session| session.is_multiple_of(3)).count();
            assert_eq!(torrent.counts(), (complete, oracle.len() - complete));
            assert_eq!(torrent.is_empty(), oracle.is_empty());
        }
    }

    #[test]
    fn every_other_member_is_as_likely() {
        let (mut torrent, mut rng, mut drawn) = (Torrent::default(), StdRng::seed_from_u64(2), [0; 50]);
        for session in 0..50 {
            torrent.insert(0, session, session.to_string().into());
        }
        for _ in 0..10_000 {
            let receivers = torrent.hand_out(0, &mut rng, 7, &offers(5));
            assert_eq!(receivers.iter().collect::<BTreeSet<_>>().len(), 5);
            for session in receivers {
                drawn[usize::try_from(session).unwrap()] += 1;
            }
        }
        assert_eq!(drawn[7], 0);
        // 10 000 × 5 / 49 = 1020 each, standard deviation about 30.
        let others = drawn.iter().enumerate().filter(|(peer, _)| *peer != 7);
        others.for_each(|(peer, count)| assert!((870..1170).contains(count), "{peer}: {count}"));
    }

    #[test]
    fn small_swarms_get_what_there_are_members_for() {
        let (mut torrent, mut rng) = (Torrent::default(), StdRng::seed_from_u64(3));
        for session in 0..3 {
            torrent.insert(0, session, session.to_string().into());
        }
        let mut receivers = torrent.hand_out(0, &mut rng, 1, &offers(10));
        receivers.sort_unstable();
        assert_eq!(receivers, [0, 2]);
        assert!(torrent.hand_out(0, &mut rng, 1, &[]).is_empty());
        // Who has got one answers it to who has made it, once.
        let receiver = torrent.hand_out(0, &mut rng, 1, &[("x".into(), "{}")])[0].to_string();
        assert_eq!(torrent.answered(0, "1", "1", "x"), None);
        assert_eq!(torrent.answered(0, "0", &receiver, "x"), None);
        assert_eq!(torrent.answered(0, "1", &receiver, "x"), Some(1));
        assert_eq!(torrent.answered(0, "1", &receiver, "x"), None);
    }
}
