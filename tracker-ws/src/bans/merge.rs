//! Bans of several nodes made one. Each word on a subject has a version; the newest holds, wherever it was said, in whatever
//! order words come, and however often. No clocks are compared.

use std::collections::HashSet;

use tracker_protocol::server::Timestamp;

use super::{Ban, Bans, KEPT, Subject};

/// Which word on a subject it is: higher than all that its node had heard before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) revision: u64,
    /// Of two words that did not know of each other, that of the higher one holds.
    pub(crate) node: u32,
}

/// What another node's word has changed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// Somebody is banned who was not, or in other words, or for another time.
    Banned(Ban),
    Lifted(Ban),
}

/// What came of another node's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) effect: Effect,
    /// What holds is not what the other said: it is to be told.
    pub(crate) is_stale: bool,
}

impl Ban {
    /// Is it of no use to anybody, as far as can be known after so short a time?
    pub(crate) fn is_useless(&self, now: Timestamp) -> bool {
        let kept = if self.is_lifted { 0 } else { KEPT };
        now >= kept && self.is_over(now - kept)
    }
}

impl Bans {
    /// Hears what another node says. `None`: there is no room for it, or its number is another ban's.
    pub(crate) fn merge(&self, now: Timestamp, theirs: Ban) -> Option<Merged> {
        let mut table = self.table();
        let taken = table.by_id.get(&theirs.id);
        if taken.is_some_and(|ban| ban.subject != theirs.subject) {
            return None;
        }
        let own = table.by_subject.get(&theirs.subject).copied();
        let own = own.and_then(|id| table.by_id.get(&id).cloned());
        if own.is_none() && !self.make_room(&mut table, now) {
            return None;
        }
        table.revision = table.revision.max(theirs.version.revision);
        let Some(own) = own else {
            let effect = match theirs.is_lifted || theirs.is_over(now) {
                true => Effect::None,
                false => Effect::Banned(theirs.clone()),
            };
            self.put(&mut table, theirs);
            let is_stale = false;
            return Some(Merged { effect, is_stale });
        };
        // Of two numbers for one subject, the lower one stays.
        let id = own.id.min(theirs.id);
        let (told, known) = ((theirs.version, theirs.id), (own.version, own.id));
        let holds = match theirs.version > own.version {
            true => Ban { id, ..theirs },
            false => Ban { id, ..own.clone() },
        };
        if (holds.version, id) != known {
            table.by_id.remove(&own.id);
            self.put(&mut table, holds.clone());
        }
        // What it says is what was not told yet, or newer.
        if told.0 >= own.version {
            table.untold.remove(&own.subject);
        }
        let effect = match (holds.version == own.version, own.is_lifted, holds.is_lifted) {
            (true, ..) | (_, true, true) => Effect::None,
            (_, false, true) => Effect::Lifted(own),
            _ if holds.is_over(now) => Effect::None,
            (_, _, false) => Effect::Banned(holds.clone()),
        };
        Some(Merged {
            effect,
            is_stale: (holds.version, id) != told,
        })
    }

    /// Up to `most` of what other nodes have not been told; it counts as told from now on.
    pub(crate) fn take_untold(&self, most: usize) -> Vec<Ban> {
        let mut table = self.table();
        let subjects: Vec<Subject> = table.untold.iter().take(most).cloned().collect();
        let mut bans = Vec::new();
        for subject in subjects {
            table.untold.remove(&subject);
            let id = table.by_subject.get(&subject).copied();
            bans.extend(id.and_then(|id| table.by_id.get(&id).cloned()));
        }
        bans
    }

    /// All that is not among these is to be told, but what is of no use.
    pub(crate) fn tell_all_but(&self, now: Timestamp, known: &HashSet<Subject>) {
        let mut table = self.table();
        self.forget_ended(&mut table, now.saturating_sub(KEPT));
        let missing = table.by_id.values();
        let missing = missing.filter(|ban| !known.contains(&ban.subject) && !ban.is_useless(now));
        let missing: Vec<Subject> = missing.map(|ban| ban.subject.clone()).collect();
        table.untold.extend(missing);
    }

    /// It is to be told after all.
    pub(crate) fn tell_again(&self, subjects: impl IntoIterator<Item = Subject>) {
        let mut table = self.table();
        for subject in subjects {
            if table.by_subject.contains_key(&subject) {
                table.untold.insert(subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::MAX_ID;
    use super::*;

    fn peer(name: &str) -> Subject {
        Subject::Peer(name.to_owned())
    }

    fn told(bans: &Bans) -> Vec<Ban> {
        bans.take_untold(usize::MAX)
    }

    #[test]
    fn a_ban_and_its_end_go_over() {
        let (here, there) = (Bans::of_node(1), Bans::of_node(2));
        let (ban, _) = here.add(0, peer("ab"), None, None).unwrap();
        let [told_ban] = &told(&here)[..] else { panic!() };
        let merged = there.merge(0, told_ban.clone()).unwrap();
        assert_eq!(
            (merged.effect, merged.is_stale),
            (Effect::Banned(ban.clone()), false)
        );
        assert!(there.bans_peer(0, || "ab".to_owned()) && told(&there).is_empty());
        // The same again changes nothing.
        assert_eq!(there.merge(0, told_ban.clone()).unwrap().effect, Effect::None);
        // It keeps its number when it is changed elsewhere, and a lifted one when it comes again.
        let (changed, was_there) = there.add(0, peer("ab"), Some(5), None).unwrap();
        assert!(was_there && changed.id == ban.id);
        assert_eq!(there.remove(0, ban.id), Some(changed));
        assert!(there.get(ban.id).is_none() && !there.bans_peer(0, || "ab".to_owned()));
        let merged = here.merge(0, told(&there).remove(0)).unwrap();
        assert_eq!(merged.effect, Effect::Lifted(ban.clone()));
        assert!(here.get(ban.id).is_none() && here.after(0, 0, 9).is_empty());
        // Who has not heard is told.
        assert!(here.merge(0, ban.clone()).unwrap().is_stale && !here.bans_peer(0, || "ab".to_owned()));
        let (again, was_there) = here.add(0, peer("ab"), None, None).unwrap();
        assert!(!was_there && again.id == ban.id);
    }

    #[test]
    fn numbers_are_not_given_twice_and_go_up() {
        let (here, there) = (Bans::of_node(1), Bans::of_node(2));
        let (first, _) = here.add(0, peer("a"), None, None).unwrap();
        let (second, _) = there.add(0, peer("b"), None, None).unwrap();
        assert_ne!(first.id, second.id);
        there.merge(0, first.clone()).unwrap();
        let (third, _) = there.add(0, peer("c"), None, None).unwrap();
        assert!(third.id > first.id && third.id > second.id && third.id < MAX_ID);
        // Two that did not know of each other's: the lower number stays, on both.
        let (other, _) = here.add(0, peer("b"), Some(9), None).unwrap();
        let low = other.id.min(second.id);
        there.merge(0, other).unwrap();
        here.merge(0, second).unwrap();
        assert!(here.get(low).is_some() && here.get(low) == there.get(low));
        // A number of another subject is not believed.
        let foreign = Ban {
            subject: peer("d"),
            ..first
        };
        assert_eq!(here.merge(0, foreign), None);
    }

    #[test]
    fn what_an_engine_lost_is_told_again() {
        let bans = Bans::of_node(1);
        for name in ["a", "b"] {
            bans.add(0, peer(name), None, None).unwrap();
        }
        assert_eq!(told(&bans).len(), 2);
        bans.tell_all_but(0, &HashSet::from([peer("a")]));
        let again = told(&bans);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].subject, peer("b"));
        bans.tell_again([peer("b"), peer("never")]);
        assert_eq!(told(&bans).len(), 1);
        // Alone, nobody is told anything.
        let alone = Bans::default();
        alone.add(0, peer("a"), None, None).unwrap();
        assert!(told(&alone).is_empty());
    }

    proptest! {
        /// Whatever nodes say, in whatever order and however often it comes: all hold the same in the end.
        #[test]
        fn nodes_agree(
            words in prop::collection::vec((0usize..3, 0u8..3, prop::option::of(1u64..9), any::<bool>(), any::<bool>()), 1..24),
            order in any::<prop::sample::Index>(),
        ) {
            let nodes = [Bans::of_node(1), Bans::of_node(2), Bans::of_node(3)];
            let mut said = Vec::new();
            for (node, name, until, lifts, hears) in words {
                let own = &nodes[node];
                if hears {
                    for ban in said.clone() {
                        own.merge(0, ban);
                    }
                }
                let (ban, _) = own.add(0, peer(&name.to_string()), until, None).unwrap();
                if lifts {
                    own.remove(0, ban.id).unwrap();
                }
                said.extend(told(own));
            }
            let turn = order.index(said.len());
            for (number, own) in nodes.iter().enumerate() {
                let by = number * turn % said.len();
                said.rotate_left(by);
                for ban in said.iter().chain(&said.clone()) {
                    own.merge(0, ban.clone());
                }
            }
            let all = |bans: &Bans| bans.after(0, 0, 99);
            prop_assert_eq!(all(&nodes[0]), all(&nodes[1]));
            prop_assert_eq!(all(&nodes[0]), all(&nodes[2]));
        }
    }
}
