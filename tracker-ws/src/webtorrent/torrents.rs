//! Swarms of info hashes, in memory and without I/O: announces of sessions come in, frames for sessions go out.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use rand::rngs::StdRng;
use serde_json::value::RawValue;
use tracker_protocol::server::Timestamp;

use super::message::{Announce, Id, Push, What, quoted, to_hex};
use crate::limits::{Limit, Rate};
use crate::registry::{Delivery, Outgoing, SessionId};
use crate::relay::Offers;
use crate::swarm::Swarm;

/// Most peer IDs of one socket: a page has a client per stream, and they share it.
const MAX_IDS: usize = 16;
/// Most memberships of one socket.
const MAX_MEMBERSHIPS: usize = 256;

/// Settings of [`Torrents`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TorrentsConfig {
    /// Seconds between announces, told to clients.
    pub(crate) interval: u64,
    /// Most memberships of all sockets.
    pub(crate) max_members: usize,
    /// Announces that may concern one swarm.
    pub(crate) swarm_requests: Rate,
}

/// Why an announce is refused: the `failure reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("peer_id: announced on another socket")]
    Foreign,
    #[error("peer_id: more than 16 on one socket")]
    TooManyIds,
    #[error("info_hash: more than 256 on one socket")]
    TooManyHashes,
    #[error("the tracker is full")]
    Full,
    #[error("too many announces of this info_hash")]
    Busy,
    #[error("announced nothing of this info_hash")]
    NotMember,
    #[error("to_peer_id: not in this swarm")]
    NoSuchPeer,
    #[error("offer_id: no such offer, or answered, or too old")]
    NoSuchOffer,
}

impl Refused {
    /// The limit it is refused for, if it is one.
    pub(super) fn limit(self) -> Option<Limit> {
        match self {
            Self::TooManyIds | Self::TooManyHashes => Some(Limit::Memberships),
            Self::Full => Some(Limit::Peers),
            Self::Busy => Some(Limit::Swarm),
            Self::Foreign | Self::NotMember | Self::NoSuchPeer | Self::NoSuchOffer => None,
        }
    }
}

#[derive(Debug)]
struct Member {
    session: SessionId,
    complete: bool,
    announced: Timestamp,
    /// That were handed out for it.
    offers: Offers,
}

#[derive(Debug, Default)]
struct Torrent {
    swarm: Swarm,
    members: HashMap<Id, Member>,
    complete: usize,
    downloaded: u64,
}

#[derive(Debug, Default)]
struct Session {
    ids: HashSet<Id>,
    /// Info hash and peer ID.
    memberships: HashSet<(Id, Id)>,
}

/// All swarms of the dialect.
#[derive(Debug)]
pub(crate) struct Torrents {
    config: TorrentsConfig,
    rng: StdRng,
    torrents: HashMap<Id, Torrent>,
    /// Whose socket a peer ID belongs to, until that ends.
    owners: HashMap<Id, SessionId>,
    sessions: HashMap<SessionId, Session>,
    members: usize,
}

impl Torrents {
    pub(crate) fn new(config: TorrentsConfig, rng: StdRng) -> Self {
        Self {
            config,
            rng,
            torrents: HashMap::new(),
            owners: HashMap::new(),
            sessions: HashMap::new(),
            members: 0,
        }
    }

    /// From now on these settings apply.
    pub(crate) fn configure(&mut self, config: TorrentsConfig) {
        self.config = config;
    }

    /// Memberships of all swarms.
    pub(crate) fn member_count(&self) -> usize {
        self.members
    }

    /// Swarms with members.
    pub(crate) fn torrent_count(&self) -> usize {
        self.torrents.len()
    }

    /// The socket of a peer ID, given in hexadecimal.
    pub(crate) fn session_of(&self, peer_id: &str) -> Option<SessionId> {
        let mut owners = self.owners.iter();
        owners.find_map(|(id, session)| (to_hex(id) == peer_id).then_some(*session))
    }

    pub(super) fn is_member(&self, session: SessionId) -> bool {
        let session = self.sessions.get(&session);
        session.is_some_and(|session| !session.memberships.is_empty())
    }

    /// Carries out an announce. What is to be sent goes to `out`; an answer to an offer is not answered itself.
    pub(super) fn announce(
        &mut self,
        now: Timestamp,
        session: SessionId,
        announce: &Announce<'_>,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), Refused> {
        let Announce {
            info_hash,
            peer_id,
            what,
        } = announce;
        if let Some(torrent) = self.torrents.get_mut(info_hash)
            && !matches!(what, What::Stopped)
            && !torrent.swarm.take(now, self.config.swarm_requests)
        {
            return Err(Refused::Busy);
        }
        self.own(session, peer_id)?;
        match what {
            What::Answer { to, offer_id, answer } => {
                return self.answer(now, announce, to, offer_id, answer, out);
            }
            What::Stopped => self.leave(session, info_hash, peer_id),
            What::Here {
                complete,
                completed_now,
                offers,
            } => {
                self.join(now, session, info_hash, peer_id)?;
                self.progress(info_hash, peer_id, *complete || *completed_now, *completed_now);
                self.hand_out(now, info_hash, peer_id, offers, out);
            }
        }
        let (complete, incomplete) = self.counts(info_hash);
        let hash = quoted(info_hash);
        let interval = self.config.interval;
        let response = format!(
            r#"{{"action":"announce","info_hash":{hash},"interval":{interval},"complete":{complete},"incomplete":{incomplete}}}"#
        );
        out.push(Outgoing {
            to: session,
            what: Delivery::Frame(response),
        });
        Ok(())
    }

    /// The answer to a scrape.
    pub(super) fn scrape(&self, hashes: &[Id]) -> String {
        let file = |hash: &Id| {
            let (complete, incomplete) = self.counts(hash);
            let downloaded = self.torrents.get(hash).map_or(0, |torrent| torrent.downloaded);
            let hash = quoted(hash);
            format!(r#"{hash}:{{"complete":{complete},"incomplete":{incomplete},"downloaded":{downloaded}}}"#)
        };
        let files: Vec<String> = hashes.iter().map(file).collect();
        let interval = self.config.interval;
        format!(
            r#"{{"action":"scrape","files":{{{}}},"flags":{{"min_request_interval":{interval}}}}}"#,
            files.join(",")
        )
    }

    /// Ends memberships of a session that were not announced for three intervals: its socket may be one that others
    /// use still.
    pub(super) fn expire(&mut self, now: Timestamp, session: SessionId) {
        let lifetime = 3 * self.config.interval * 1_000_000;
        let Some(own) = self.sessions.get(&session) else {
            return;
        };
        let is_old = |(info_hash, peer_id): &&(Id, Id)| {
            let torrent = self.torrents.get(info_hash);
            let member = torrent.and_then(|torrent| torrent.members.get(peer_id));
            member.is_some_and(|member| now >= member.announced + lifetime)
        };
        let old: Vec<(Id, Id)> = own.memberships.iter().filter(is_old).cloned().collect();
        for (info_hash, peer_id) in old {
            self.leave(session, &info_hash, &peer_id);
        }
    }

    /// The socket is gone, and all that belonged to it.
    pub(super) fn end(&mut self, session: SessionId) {
        let Some(Session { ids, memberships }) = self.sessions.remove(&session) else {
            return;
        };
        for (info_hash, peer_id) in memberships {
            self.forget(&info_hash, &peer_id);
        }
        for id in ids {
            self.owners.remove(&id);
        }
    }

    /// The peer ID is this session's, or becomes it.
    fn own(&mut self, session: SessionId, peer_id: &Id) -> Result<(), Refused> {
        match self.owners.get(peer_id) {
            Some(owner) if *owner == session => return Ok(()),
            Some(_) => return Err(Refused::Foreign),
            None => {}
        }
        let own = self.sessions.entry(session).or_default();
        if own.ids.len() >= MAX_IDS {
            return Err(Refused::TooManyIds);
        }
        own.ids.insert(peer_id.clone());
        self.owners.insert(peer_id.clone(), session);
        Ok(())
    }

    fn join(
        &mut self,
        now: Timestamp,
        session: SessionId,
        info_hash: &Id,
        peer_id: &Id,
    ) -> Result<(), Refused> {
        let own = self.sessions.entry(session).or_default();
        let membership = (info_hash.clone(), peer_id.clone());
        if !own.memberships.contains(&membership) {
            if own.memberships.len() >= MAX_MEMBERSHIPS {
                return Err(Refused::TooManyHashes);
            }
            if self.members >= self.config.max_members {
                return Err(Refused::Full);
            }
            own.memberships.insert(membership);
            self.members += 1;
        }
        let torrent = self.torrents.entry(info_hash.clone()).or_default();
        torrent.swarm.insert(peer_id);
        let member = torrent.members.entry(peer_id.clone()).or_insert_with(|| Member {
            session,
            complete: false,
            announced: now,
            offers: Offers::default(),
        });
        member.announced = now;
        Ok(())
    }

    fn leave(&mut self, session: SessionId, info_hash: &Id, peer_id: &Id) {
        let own = self.sessions.get_mut(&session);
        let membership = (info_hash.clone(), peer_id.clone());
        if own.is_some_and(|own| own.memberships.remove(&membership)) {
            self.forget(info_hash, peer_id);
        }
    }

    fn forget(&mut self, info_hash: &Id, peer_id: &Id) {
        let Some(torrent) = self.torrents.get_mut(info_hash) else {
            return;
        };
        if let Some(member) = torrent.members.remove(peer_id) {
            torrent.swarm.remove(peer_id);
            torrent.complete -= usize::from(member.complete);
            self.members -= 1;
        }
        if torrent.members.is_empty() {
            self.torrents.remove(info_hash);
        }
    }

    fn progress(&mut self, info_hash: &Id, peer_id: &Id, complete: bool, completed_now: bool) {
        let Some(torrent) = self.torrents.get_mut(info_hash) else {
            return;
        };
        let Some(member) = torrent.members.get_mut(peer_id) else {
            return;
        };
        if completed_now && !member.complete {
            torrent.downloaded += 1;
        }
        torrent.complete -= usize::from(member.complete);
        torrent.complete += usize::from(complete);
        member.complete = complete;
    }

    fn counts(&self, info_hash: &Id) -> (usize, usize) {
        self.torrents.get(info_hash).map_or((0, 0), |torrent| {
            (torrent.complete, torrent.members.len() - torrent.complete)
        })
    }

    /// Each offer goes to another random member.
    fn hand_out(
        &mut self,
        now: Timestamp,
        info_hash: &Id,
        peer_id: &Id,
        offers: &[(Cow<'_, str>, &RawValue)],
        out: &mut Vec<Outgoing>,
    ) {
        let Some(torrent) = self.torrents.get_mut(info_hash) else {
            return;
        };
        if offers.is_empty() {
            return;
        }
        let push = Push::new(info_hash, peer_id);
        let targets = torrent.swarm.sample(&mut self.rng, offers.len(), peer_id, &[]);
        for (target, (offer_id, offer)) in targets.iter().zip(offers) {
            if let Some(member) = torrent.members.get(target) {
                out.push(Outgoing {
                    to: member.session,
                    what: Delivery::Frame(push.frame("offer", offer_id, offer)),
                });
            }
            if let Some(own) = torrent.members.get_mut(peer_id) {
                own.offers.record(now, target, offer_id);
            }
        }
    }

    /// An answer goes along the offer it was given, which is used up.
    fn answer(
        &mut self,
        now: Timestamp,
        announce: &Announce<'_>,
        to: &Id,
        offer_id: &str,
        answer: &RawValue,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), Refused> {
        let Announce {
            info_hash, peer_id, ..
        } = announce;
        let torrent = self.torrents.get_mut(info_hash).ok_or(Refused::NotMember)?;
        if !torrent.members.contains_key(peer_id) {
            return Err(Refused::NotMember);
        }
        let target = torrent.members.get_mut(to).ok_or(Refused::NoSuchPeer)?;
        if !target.offers.take(now, peer_id, offer_id) {
            return Err(Refused::NoSuchOffer);
        }
        out.push(Outgoing {
            to: target.session,
            what: Delivery::Frame(Push::new(info_hash, peer_id).frame("answer", offer_id, answer)),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
