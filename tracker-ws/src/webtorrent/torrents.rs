//! Swarms of info hashes, in memory and without I/O: announces of sessions come in, and who is to hear of them goes out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rand::rngs::StdRng;
use tracker_protocol::server::Timestamp;

use super::message::{Announce, What, quoted, to_hex};
use super::outcome::{Outcome, Told};
use super::torrent::Torrent;
use crate::fast_map::FastMap;
use crate::limits::{Limit, Rate};
use crate::registry::SessionId;

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

#[derive(Debug, Default)]
struct Session {
    ids: HashSet<Arc<str>>,
    /// Info hash and peer ID.
    memberships: HashSet<(Arc<str>, Arc<str>)>,
}

/// All swarms of the dialect.
#[derive(Debug)]
pub(crate) struct Torrents {
    config: TorrentsConfig,
    rng: StdRng,
    torrents: HashMap<Arc<str>, Torrent>,
    /// Whose socket a peer ID belongs to, until that ends.
    owners: HashMap<Arc<str>, SessionId>,
    sessions: FastMap<SessionId, Session>,
    members: usize,
}

impl Torrents {
    pub(crate) fn new(config: TorrentsConfig, rng: StdRng) -> Self {
        Self {
            config,
            rng,
            torrents: HashMap::new(),
            owners: HashMap::new(),
            sessions: FastMap::default(),
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

    /// Carries out an announce; returns whom something is to be said to.
    pub(super) fn announce(
        &mut self,
        now: Timestamp,
        session: SessionId,
        announce: &Announce<'_>,
    ) -> Result<Outcome, Refused> {
        let Announce {
            info_hash,
            peer_id,
            what,
        } = announce;
        if let Some(torrent) = self.torrents.get_mut(&**info_hash)
            && !matches!(what, What::Stopped)
            && !torrent.take(now, self.config.swarm_requests)
        {
            return Err(Refused::Busy);
        }
        self.own(session, peer_id)?;
        let receivers = match what {
            What::Answer { to, offer_id, .. } => {
                return self.answer(now, announce, to, offer_id);
            }
            What::Stopped => {
                self.leave(session, info_hash, peer_id);
                Vec::new()
            }
            What::Here {
                complete,
                completed_now,
                offers,
            } => {
                let place = self.join(now, session, info_hash, peer_id)?;
                let torrent = self.torrents.get_mut(&**info_hash);
                torrent.map_or_else(Vec::new, |torrent| {
                    torrent.progress(place, *complete || *completed_now, *completed_now);
                    torrent.hand_out(now, &mut self.rng, place, offers)
                })
            }
        };
        let (complete, incomplete) = self.counts(info_hash);
        Ok(Outcome {
            receivers,
            told: Some(Told {
                interval: self.config.interval,
                complete,
                incomplete,
            }),
        })
    }

    /// The answer to a scrape.
    pub(super) fn scrape<H: AsRef<str>>(&self, hashes: &[H]) -> String {
        let file = |hash: &H| {
            let hash = hash.as_ref();
            let (complete, incomplete) = self.counts(hash);
            let downloaded = self.torrents.get(hash).map_or(0, Torrent::downloaded);
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
        let is_old = |(info_hash, peer_id): &&(Arc<str>, Arc<str>)| {
            let torrent = self.torrents.get(info_hash);
            let member = torrent.and_then(|torrent| torrent.get(peer_id));
            member.is_some_and(|member| now >= member.announced + lifetime)
        };
        let old: Vec<(Arc<str>, Arc<str>)> = own.memberships.iter().filter(is_old).cloned().collect();
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
    fn own(&mut self, session: SessionId, peer_id: &str) -> Result<(), Refused> {
        match self.owners.get(peer_id) {
            Some(owner) if *owner == session => return Ok(()),
            Some(_) => return Err(Refused::Foreign),
            None => {}
        }
        let own = self.sessions.entry(session).or_default();
        if own.ids.len() >= MAX_IDS {
            return Err(Refused::TooManyIds);
        }
        let id = Arc::<str>::from(peer_id);
        own.ids.insert(id.clone());
        self.owners.insert(id, session);
        Ok(())
    }

    /// A peer whose ID is this session's becomes a member, or is one; returns its place.
    fn join(
        &mut self,
        now: Timestamp,
        session: SessionId,
        info_hash: &str,
        peer_id: &str,
    ) -> Result<usize, Refused> {
        let torrent = self.torrents.get_mut(info_hash);
        if let Some(place) = torrent.and_then(|torrent| torrent.announced(now, peer_id)) {
            return Ok(place);
        }
        let own = self.sessions.entry(session).or_default();
        if own.memberships.len() >= MAX_MEMBERSHIPS {
            return Err(Refused::TooManyHashes);
        }
        if self.members >= self.config.max_members {
            return Err(Refused::Full);
        }
        let (info_hash, peer_id) = (Arc::<str>::from(info_hash), Arc::<str>::from(peer_id));
        own.memberships.insert((info_hash.clone(), peer_id.clone()));
        self.members += 1;
        let torrent = self.torrents.entry(info_hash).or_default();
        Ok(torrent.insert(now, session, peer_id))
    }

    fn leave(&mut self, session: SessionId, info_hash: &str, peer_id: &str) {
        let own = self.sessions.get_mut(&session);
        let membership = (info_hash.into(), peer_id.into());
        if own.is_some_and(|own| own.memberships.remove(&membership)) {
            self.forget(info_hash, peer_id);
        }
    }

    fn forget(&mut self, info_hash: &str, peer_id: &str) {
        let Some(torrent) = self.torrents.get_mut(info_hash) else {
            return;
        };
        self.members -= usize::from(torrent.remove(peer_id));
        if torrent.is_empty() {
            self.torrents.remove(info_hash);
        }
    }

    fn counts(&self, info_hash: &str) -> (usize, usize) {
        self.torrents.get(info_hash).map_or((0, 0), Torrent::counts)
    }

    /// An answer goes along the offer it was given, which is used up.
    fn answer(
        &mut self,
        now: Timestamp,
        announce: &Announce<'_>,
        to: &str,
        offer_id: &str,
    ) -> Result<Outcome, Refused> {
        let Announce {
            info_hash, peer_id, ..
        } = announce;
        let torrent = self.torrents.get_mut(&**info_hash).ok_or(Refused::NotMember)?;
        torrent.get(peer_id).ok_or(Refused::NotMember)?;
        let Some(receiver) = torrent.answered(now, to, peer_id, offer_id) else {
            return Err(match torrent.get(to) {
                Some(_) => Refused::NoSuchOffer,
                None => Refused::NoSuchPeer,
            });
        };
        Ok(Outcome {
            receivers: vec![receiver],
            told: None,
        })
    }
}

#[cfg(test)]
mod tests;
