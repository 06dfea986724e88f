//! Who may not come in: peers by ID, and hosts by the prefix of their address. Each for a time, or for good.

mod merge;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracker_protocol::server::Timestamp;

pub(crate) use crate::prefix::Prefix;
pub(crate) use merge::{Effect, Version};

/// Most bans at once.
pub(crate) const MAX_BANS: usize = 65_536;
/// Highest number: what JSON can tell.
pub(crate) const MAX_ID: u64 = (1 << 53) - 1;
/// Of a number in a cluster, so many bits say which node gave it: no two give the same.
const NODE_BITS: u32 = 24;
/// How long a ban that is over can still be read by its number, µs: who made it can see what became of it.
const KEPT: u64 = 3_600_000_000;
/// How long the nodes of a cluster remember that a ban was lifted, µs: one that was cut off for longer brings it back.
const LIFTED_KEPT: u64 = 24 * KEPT;

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A peer of either dialect, by the hexadecimal digits of its ID.
    Peer(String),
    /// Hosts with such an address.
    Prefix(Prefix),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(id) => out.write_str(id),
            Self::Prefix(prefix) => prefix.fmt(out),
        }
    }
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    pub(crate) id: u64,
    pub(crate) subject: Subject,
    /// When it ends.
    pub(crate) until: Option<Timestamp>,
    /// In the operator's words.
    pub(crate) reason: Option<String>,
    /// It was lifted, and until `until` nobody is to bring it back. Only in a cluster.
    pub(crate) is_lifted: bool,
    /// Which word on this subject it is.
    pub(crate) version: Version,
}

impl Ban {
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

#[derive(Debug, Default)]
struct Table {
    by_id: BTreeMap<u64, Ban>,
    by_subject: HashMap<Subject, u64>,
    last: u64,
    /// Of the newest word on any subject.
    revision: u64,
    /// What other nodes have not been told.
    untold: HashSet<Subject>,
}

/// All bans. Those that were over an hour ago are forgotten when somebody looks.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    table: Mutex<Table>,
    /// In a cluster, what tells this node's numbers from others'.
    node: Option<u32>,
    /// Something is to be told to other nodes.
    pub(crate) news: Notify,
    /// In the table: where there are none, nobody waits for the lock.
    count: AtomicUsize,
}

impl Bans {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of a node of a cluster: of its name, the first 24 bits.
    pub(crate) fn of_node(node: u32) -> Self {
        Self {
            node: Some(node & ((1 << NODE_BITS) - 1)),
            ..Self::default()
        }
    }

    /// The next number. In a cluster they go up too, wherever they are given.
    fn number(&self, last: u64) -> Option<u64> {
        let next = match self.node {
            None => last + 1,
            Some(node) => (((last >> NODE_BITS) + 1) << NODE_BITS) | u64::from(node),
        };
        (next <= MAX_ID).then_some(next)
    }

    /// A word on a subject that is newer than all there are.
    fn next_version(&self, table: &mut Table) -> Version {
        table.revision += 1;
        Version {
            revision: table.revision,
            node: self.node.unwrap_or_default(),
        }
    }

    /// Others are to know of it.
    fn tell(&self, table: &mut Table, subject: Subject) {
        if self.node.is_some() {
            table.untold.insert(subject);
            self.news.notify_one();
        }
    }

    /// Makes room for another one. False: there is none.
    fn make_room(&self, table: &mut Table, now: Timestamp) -> bool {
        if table.by_id.len() >= MAX_BANS {
            self.forget_ended(table, now);
        }
        if table.by_id.len() >= MAX_BANS {
            // Rather forget who may come in again than let somebody in.
            self.retain(table, |ban| !ban.is_lifted);
        }
        table.by_id.len() < MAX_BANS
    }

    /// Bans somebody; `None` where there are too many. A ban of the same keeps its number, and is of these words then:
    /// what was told of by its number stays there. Also returns whether it was there.
    pub(crate) fn add(
        &self,
        now: Timestamp,
        subject: Subject,
        until: Option<Timestamp>,
        reason: Option<String>,
    ) -> Option<(Ban, bool)> {
        let mut table = self.table();
        let older = table.by_subject.get(&subject).copied();
        if older.is_none() && !self.make_room(&mut table, now) {
            return None;
        }
        let id = match older {
            Some(id) => id,
            None => self.number(table.last)?,
        };
        let was_there = table.by_id.get(&id).is_some_and(|ban| !ban.is_lifted);
        let ban = Ban {
            id,
            subject: subject.clone(),
            until,
            reason,
            is_lifted: false,
            version: self.next_version(&mut table),
        };
        self.put(&mut table, ban.clone());
        self.tell(&mut table, subject);
        Some((ban, was_there))
    }

    fn put(&self, table: &mut Table, ban: Ban) {
        table.last = table.last.max(ban.id);
        table.by_subject.insert(ban.subject.clone(), ban.id);
        table.by_id.insert(ban.id, ban);
        self.count.store(table.by_id.len(), Ordering::Release);
    }

    /// Lifts a ban.
    pub(crate) fn remove(&self, now: Timestamp, id: u64) -> Option<Ban> {
        let mut table = self.table();
        let ban = table.by_id.get(&id).filter(|ban| !ban.is_lifted)?.clone();
        if self.node.is_some() {
            let lifted = Ban {
                until: Some(now + LIFTED_KEPT),
                reason: None,
                is_lifted: true,
                version: self.next_version(&mut table),
                ..ban.clone()
            };
            self.put(&mut table, lifted);
            self.tell(&mut table, ban.subject.clone());
        } else {
            table.by_id.remove(&id);
            table.by_subject.remove(&ban.subject);
            self.count.store(table.by_id.len(), Ordering::Release);
        }
        Some(ban)
    }

    /// A ban, or one that ended not long ago.
    pub(crate) fn get(&self, id: u64) -> Option<Ban> {
        let ban = self.table().by_id.get(&id).cloned();
        ban.filter(|ban| !ban.is_lifted)
    }

    /// Up to `most` bans with higher numbers than this one, in order; not those that are over.
    pub(crate) fn after(&self, now: Timestamp, id: u64, most: usize) -> Vec<Ban> {
        let mut table = self.table();
        self.forget_ended(&mut table, now.saturating_sub(KEPT));
        let later = table.by_id.range(id.saturating_add(1)..).map(|(_, ban)| ban);
        later
            .filter(|ban| !ban.is_lifted && !ban.is_over(now))
            .take(most)
            .cloned()
            .collect()
    }

    /// Is a peer with this ID banned? Hexadecimal digits, lower case.
    pub(crate) fn bans_peer(&self, now: Timestamp, peer_id: impl FnOnce() -> String) -> bool {
        self.bans(now, || std::iter::once(Subject::Peer(peer_id())))
    }

    /// Is a host with this address banned?
    pub(crate) fn bans_address(&self, now: Timestamp, address: IpAddr) -> bool {
        self.bans(now, || Prefix::all_of(address).map(Subject::Prefix))
    }

    fn bans<I: Iterator<Item = Subject>>(&self, now: Timestamp, subjects: impl FnOnce() -> I) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let table = self.table();
        let found = |subject| table.by_id.get(table.by_subject.get(&subject)?);
        subjects()
            .filter_map(found)
            .any(|ban| !ban.is_lifted && !ban.is_over(now))
    }

    /// Forgets what was over at some time.
    fn forget_ended(&self, table: &mut Table, by: Timestamp) {
        self.retain(table, |ban| !ban.is_over(by));
    }

    fn retain(&self, table: &mut Table, keeps: impl Fn(&Ban) -> bool) {
        let Table {
            by_id,
            by_subject,
            untold,
            ..
        } = table;
        by_id.retain(|_, ban| keeps(ban));
        by_subject.retain(|_, id| by_id.contains_key(id));
        untold.retain(|subject| by_subject.contains_key(subject));
        self.count.store(by_id.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Subject {
        Subject::Prefix(text.parse().unwrap())
    }

    #[test]
    fn hosts_are_banned_by_prefix_for_a_time() {
        let bans = Bans::default();
        let is_banned = |now, address: &str| bans.bans_address(now, address.parse().unwrap());
        assert!(!is_banned(0, "192.0.2.1"));
        bans.add(0, prefix("192.0.2.0/24"), Some(10), None).unwrap();
        let (second, _) = bans.add(0, prefix("2001:db8::/32"), None, None).unwrap();
        for (address, expected) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.255", true),
            ("192.0.3.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(is_banned(9, address), expected, "{address}");
        }
        assert!(!is_banned(10, "192.0.2.1") && is_banned(10, "2001:db8::1"));
        assert_eq!(bans.after(10, 0, 9), std::slice::from_ref(&second));
        assert_eq!(bans.remove(10, second.id), Some(second));
        assert!(!is_banned(10, "2001:db8::1"));
    }

    #[test]
    fn a_new_ban_of_the_same_keeps_its_number() {
        let bans = Bans::default();
        let peer = || Subject::Peer("ab".to_owned());
        let (first, was_there) = bans.add(0, peer(), Some(5), None).unwrap();
        assert!(!was_there);
        let (second, was_there) = bans.add(0, peer(), None, Some("again".to_owned())).unwrap();
        assert!(was_there && second.id == first.id);
        assert_eq!(bans.get(first.id), Some(second));
        assert!(bans.bans_peer(5, || "ab".to_owned()) && !bans.bans_peer(5, || "cd".to_owned()));
        let (other, _) = bans.add(0, prefix("::/0"), None, None).unwrap();
        assert_ne!(other.id, first.id);
    }

    #[test]
    fn what_is_over_can_be_read_for_an_hour() {
        let bans = Bans::default();
        let peer = || Subject::Peer("ab".to_owned());
        let (ban, _) = bans.add(0, peer(), Some(5), None).unwrap();
        assert!(!bans.bans_peer(5, || "ab".to_owned()) && bans.after(5, 0, 9).is_empty());
        assert_eq!(bans.get(ban.id).as_ref(), Some(&ban));
        bans.after(4 + KEPT, 0, 9);
        assert_eq!(bans.get(ban.id), Some(ban.clone()));
        bans.after(5 + KEPT, 0, 9);
        assert_eq!(bans.get(ban.id), None);
        let (again, was_there) = bans.add(5 + KEPT, peer(), None, None).unwrap();
        assert!(!was_there && again.id != ban.id && bans.bans_peer(6 + KEPT, || "ab".to_owned()));
    }

    #[test]
    fn there_are_never_too_many() {
        let bans = Bans::default();
        for number in 0..MAX_BANS {
            let until = (number == 0).then_some(1);
            assert!(
                bans.add(0, Subject::Peer(number.to_string()), until, None)
                    .is_some()
            );
        }
        assert!(bans.add(0, prefix("::/0"), None, None).is_none());
        // The first is over by then.
        assert!(bans.add(1, prefix("::/0"), None, None).is_some());
        assert!(bans.add(1, Subject::Peer("5".to_owned()), None, None).is_some());
    }
}
