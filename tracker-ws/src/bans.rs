//! Who may not come in: peers by ID, and hosts by the prefix of their address. Each for a time, or for good.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracker_protocol::server::Timestamp;

pub(crate) use crate::prefix::Prefix;

/// Most bans at once.
const MAX_BANS: usize = 65_536;
/// How long a ban that is over can still be read by its number, µs: who made it can see what became of it.
const KEPT: u64 = 3_600_000_000;

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
}

impl Ban {
    fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

#[derive(Debug, Default)]
struct Table {
    by_id: BTreeMap<u64, Ban>,
    by_subject: HashMap<Subject, u64>,
    last: u64,
}

/// All bans. Those that were over an hour ago are forgotten when somebody looks.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    table: Mutex<Table>,
    /// In the table: where there are none, nobody waits for the lock.
    count: AtomicUsize,
}

impl Bans {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
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
        if older.is_none() && table.by_id.len() >= MAX_BANS {
            self.forget_ended(&mut table, now);
            if table.by_id.len() >= MAX_BANS {
                return None;
            }
        }
        let id = older.unwrap_or(table.last + 1);
        table.last = table.last.max(id);
        let ban = Ban {
            id,
            subject: subject.clone(),
            until,
            reason,
        };
        table.by_subject.insert(subject, id);
        table.by_id.insert(id, ban.clone());
        self.count.store(table.by_id.len(), Ordering::Release);
        Some((ban, older.is_some()))
    }

    /// Lifts a ban.
    pub(crate) fn remove(&self, id: u64) -> Option<Ban> {
        let mut table = self.table();
        let ban = table.by_id.remove(&id)?;
        table.by_subject.remove(&ban.subject);
        self.count.store(table.by_id.len(), Ordering::Release);
        Some(ban)
    }

    /// A ban, or one that ended not long ago.
    pub(crate) fn get(&self, id: u64) -> Option<Ban> {
        self.table().by_id.get(&id).cloned()
    }

    /// Up to `most` bans with higher numbers than this one, in order; not those that are over.
    pub(crate) fn after(&self, now: Timestamp, id: u64, most: usize) -> Vec<Ban> {
        let mut table = self.table();
        self.forget_ended(&mut table, now.saturating_sub(KEPT));
        let later = table.by_id.range(id.saturating_add(1)..).map(|(_, ban)| ban);
        later
            .filter(|ban| !ban.is_over(now))
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
        subjects().filter_map(found).any(|ban| !ban.is_over(now))
    }

    /// Forgets what was over at some time.
    fn forget_ended(&self, table: &mut Table, by: Timestamp) {
        table.by_id.retain(|_, ban| !ban.is_over(by));
        let Table {
            by_id, by_subject, ..
        } = table;
        by_subject.retain(|_, id| by_id.contains_key(id));
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
        assert_eq!(bans.remove(second.id), Some(second));
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
