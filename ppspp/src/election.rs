//! Who fetches a segment that nobody has, agreed on without a message.
//!
//! Every peer ranks itself and the neighbours that will want the segment too by rendezvous hashing: the same segment
//! gets the same winner wherever the same neighbours are known, and segments spread evenly over the peers.
//!
//! In a live swarm of which only a small part is known everybody wants the same segment at the same time, and every
//! neighbourhood would have a winner of its own. There a peer reckons from its score and the swarm's size how many
//! peers come before it: the first few fetch at once, then with every step of time twice as many may, so that the
//! copies fetched grow with the logarithm of the swarm however slowly the segment spreads. Viewers learn of a segment
//! at different times, as they load their playlists; a segment spreads the sooner the earlier its first copies
//! come, so the first wave is made up of those who learn of it early. Whoever learns of it later leaves it to them for
//! a step of time; what nobody around has then, as many may fetch as at first, and twice as many with every such step.
//! The larger the swarm, the longer a segment takes to get around, and the longer is a step. It is as long as the origin
//! takes if that is more: an origin that is overloaded is not asked by more and more peers.
//!
//! How many fetch by chance differs from segment to segment, and to pass one copy on takes a peer most of the time that a
//! segment has to spread, or more. So in a large swarm each fetches a part of a segment only, and so many times more do:
//! for the same copies more uplinks have something to give at once, and hardly ever is a segment held by one or two of
//! them. The larger the swarm, the smaller are the parts, and the less it matters how many come first.

use core::cmp::Ordering;
use core::time::Duration;

use crate::{ChunkRange, PeerId};

/// How much this peer is meant for this segment; the highest score fetches.
fn score(peer: &PeerId, segment: u32) -> u64 {
    let folded = peer.0.chunks_exact(8).fold(0u64, |fold, part| {
        fold.rotate_left(17) ^ u64::from_be_bytes(part.try_into().expect("chunks of eight"))
    });
    // SplitMix64's finaliser: peer IDs are uniform already, the segment number has to be spread.
    let mut mixed = folded ^ (u64::from(segment) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How many of the others come before `me` for this segment: 0 = it is `me` who fetches. Who was in the swarm before
/// me (`Greater`) always does, so that a newcomer is fed by those who are there already; who came later never.
pub(crate) fn rank<'a>(
    me: &PeerId,
    others: impl Iterator<Item = (Ordering, &'a PeerId)>,
    segment: u32,
) -> u32 {
    let mine = (Ordering::Equal, score(me, segment), me);
    others
        .filter(|(seniority, other)| (*seniority, score(other, segment), *other) > mine)
        .count() as u32
}

/// Copies of a live segment that are fetched at once in a swarm too large to know: three for every four binary digits of
/// the number of members, so that some will be fetched early; at least three. A swarm of more than a thousand needs no
/// more than one of a thousand: in small parts they are hardly ever late by chance.
fn first_wave(members: u32) -> f64 {
    (f64::from(digits(members)) * 0.75).clamp(3.0, 7.5)
}

/// Binary digits.
fn digits(members: u32) -> u32 {
    32 - members.leading_zeros()
}

/// In a swarm whose number of members has so many binary digits, a step is as long as a segment has to spread.
const STEP: u32 = 20;

/// Who learns of a segment in this part of its duration learns of it early.
const EARLY: u32 = 6;
/// Of those who learn early, this many times as many fetch at once as of the others: together they are the first wave.
const EARLY_WEIGHT: f64 = EARLY as f64;

/// Most parts that a segment is fetched in. One of them is about a chunk then.
const MOST_PARTS: f64 = 24.0;

/// In how many parts a segment is fetched, where as many copies are fetched at once. No more than leave it to half of
/// those who learn of it early: of more parts, some would often be nobody's.
fn parts(strangers: f64, first: f64) -> u32 {
    (strangers / (first * EARLY_WEIGHT * 2.0)).clamp(1.0, MOST_PARTS) as u32
}

/// The part of a segment that one peer fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    index: u32,
    of: u32,
}

impl Part {
    /// All of it.
    pub(crate) const WHOLE: Self = Self { index: 0, of: 1 };

    /// Does it contain this one of a segment's chunks?
    pub(crate) fn contains(self, chunk: u32, chunks: ChunkRange) -> bool {
        let place = u64::from(chunk - chunks.start()) * u64::from(self.of) / chunks.count();
        place == u64::from(self.index)
    }
}

/// A live segment that may have to be fetched, and what this peer knows of its place among those who may do it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) segment: u32,
    /// Of a segment.
    pub(crate) duration: Duration,
    /// How many of the neighbours come before this peer: [`rank`].
    pub(crate) rank: u32,
    /// Neighbours that will want the segment, too.
    pub(crate) known: usize,
    /// Members of the swarm; 0 = unknown.
    pub(crate) members: u32,
    /// How long this peer has known of the segment.
    pub(crate) waited: Duration,
    /// How long a segment has to spread; at least its duration.
    pub(crate) pace: Duration,
    /// How long ago the segment was published, if this peer can tell.
    pub(crate) age: Option<Duration>,
    /// How long it takes from the origin.
    pub(crate) fetch: Duration,
    /// Has any neighbour anything of it?
    pub(crate) spreads: bool,
    /// Is a part of it of no use? However large the swarm, all of it is fetched then.
    pub(crate) whole: bool,
}

impl Turn {
    /// What it is up to this peer to fetch of what nobody has; `None` = nothing, now. Later it may be.
    pub(crate) fn part(&self, me: &PeerId) -> Option<Part> {
        let strangers = f64::from(self.members) - 1.0 - self.known as f64;
        if strangers <= 0.0 {
            // Viewers learn of a segment up to a duration apart: who has to be the first gets that long.
            return (self.waited >= self.duration * 5 / 4 * self.rank).then_some(Part::WHOLE);
        }
        let score = score(me, self.segment);
        let of = match self.whole {
            true => 1,
            false => parts(strangers, first_wave(self.members)),
        };
        // Scores are uniform: this share of all peers comes before me.
        let before = (u64::MAX - score) as f64 / u64::MAX as f64;
        let index = (score % u64::from(of)) as u32;
        (f64::from(self.rank) + before * strangers < self.fetching() * f64::from(of))
            .then_some(Part { index, of })
    }

    /// How many copies peers are to have fetched by now, as far as this one can tell.
    fn fetching(&self) -> f64 {
        let first = first_wave(self.members);
        let learnt = self.age.map(|age| age.saturating_sub(self.waited));
        let at_once = match learnt {
            Some(learnt) if learnt <= self.duration / EARLY => first * EARLY_WEIGHT,
            // Who cannot tell is one of the first as likely as anybody.
            None if !self.spreads => first,
            _ => 0.0,
        };
        // What spreads around here gets its time from when this peer wants it.
        let since = match self.age {
            Some(age) if !self.spreads => age,
            _ => self.waited,
        };
        let step = (self.pace * digits(self.members) / STEP).max(self.fetch);
        // In 64 bits: to divide more takes 1.5 KB of code in the browser.
        match since.as_millis() as u64 / (step.as_millis() as u64).max(1) {
            0 => at_once,
            waves => at_once.max(first * f64::from(1 << (waves - 1).min(20))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_winner_each_and_a_fair_share() {
        let peers: Vec<PeerId> = (0..4u8)
            .map(|n| PeerId(core::array::from_fn(|i| n.wrapping_mul(91) ^ (i as u8) << 2)))
            .collect();
        let mut wins = [0; 4];
        for segment in 0..400 {
            let others = |me| {
                let others = peers.iter().filter(move |peer| *peer != me);
                others.map(|peer| (Ordering::Equal, peer))
            };
            let ranks: Vec<u32> = peers.iter().map(|me| rank(me, others(me), segment)).collect();
            let mut sorted = ranks.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3], "everybody agrees on the order");
            wins[ranks.iter().position(|rank| *rank == 0).unwrap()] += 1;
        }
        assert!(wins.iter().all(|wins| (70..130).contains(wins)), "{wins:?}");
    }

    #[test]
    fn seniors_fetch_for_newcomers() {
        let (me, other) = (PeerId([1; 32]), PeerId([2; 32]));
        for segment in 0..50 {
            assert_eq!(rank(&me, [(Ordering::Greater, &other)].into_iter(), segment), 1);
            assert_eq!(rank(&me, [(Ordering::Less, &other)].into_iter(), segment), 0);
        }
    }

    const DURATION: Duration = Duration::from_secs(6);

    /// A segment of which nobody around has anything, in a swarm of which twelve are known.
    fn turn(members: u32, learnt: Duration, waited: Duration) -> Turn {
        Turn {
            segment: 7,
            duration: DURATION,
            rank: 0,
            known: 12,
            members,
            waited,
            pace: DURATION,
            age: Some(learnt + waited),
            fetch: Duration::ZERO,
            spreads: false,
            whole: false,
        }
    }

    fn peers(count: u32) -> impl Iterator<Item = PeerId> {
        (0..count).map(|n| {
            let mut rng = fastrand::Rng::with_seed(u64::from(n));
            PeerId(core::array::from_fn(|_| rng.u8(..)))
        })
    }

    /// How many copies so many members fetch by turn.
    fn fetching(members: u32, turn: Turn) -> f64 {
        let segments = 0..20;
        let copies = peers(members).flat_map(|me| {
            segments
                .clone()
                .filter_map(move |segment| Turn { segment, ..turn }.part(&me))
        });
        copies.map(|part| 1.0 / f64::from(part.of)).sum::<f64>() / 20.0
    }

    fn about(actual: f64, expected: f64) {
        assert!(
            (expected * 0.6..expected * 1.5).contains(&actual),
            "{actual}, not {expected}"
        );
    }

    const LATE: Duration = Duration::from_millis(1500);

    #[test]
    fn copies_grow_with_the_logarithm_of_the_swarm() {
        for members in [100, 1000, 10_000] {
            let first = first_wave(members);
            let step = DURATION * digits(members) / STEP;
            let later = |age: Duration| fetching(members, turn(members, LATE, age - LATE));
            assert_eq!(later(step * 9 / 10), 0.0, "it is left to the first");
            about(later(step), first);
            about(later(step * 2), first * 2.0);
            about(later(step * 3), first * 4.0);
        }
    }

    #[test]
    fn a_large_swarm_fetches_no_more_at_first_than_one_of_a_thousand() {
        let first = [10, 100, 1000, 10_000, 1_000_000].map(first_wave);
        assert_eq!(first, [3.0, 5.25, 7.5, 7.5, 7.5]);
    }

    #[test]
    fn who_learns_early_goes_first() {
        let early = turn(1000, DURATION / 7, Duration::ZERO);
        about(fetching(1000, early), first_wave(1000) * EARLY_WEIGHT);
        let spreads = Turn {
            spreads: true,
            ..early
        };
        about(fetching(1000, spreads), first_wave(1000) * EARLY_WEIGHT);
    }

    #[test]
    fn who_has_no_clock_is_one_of_the_first() {
        let unknown = |waited, spreads| Turn {
            age: None,
            spreads,
            ..turn(1000, LATE, waited)
        };
        about(fetching(1000, unknown(Duration::ZERO, false)), first_wave(1000));
        about(fetching(1000, unknown(DURATION, false)), first_wave(1000) * 2.0);
        assert_eq!(fetching(1000, unknown(Duration::ZERO, true)), 0.0);
    }

    #[test]
    fn what_spreads_gets_the_time_for_it() {
        let spreads = |waited| Turn {
            spreads: true,
            ..turn(1000, LATE, waited)
        };
        assert_eq!(fetching(1000, spreads(DURATION * 2 / 5)), 0.0);
        about(fetching(1000, spreads(DURATION / 2)), first_wave(1000));
        about(fetching(1000, spreads(DURATION)), first_wave(1000) * 2.0);
    }

    #[test]
    fn a_slow_origin_gets_the_time_for_it() {
        let slow = |spreads, waited| Turn {
            fetch: DURATION * 2,
            spreads,
            ..turn(1000, LATE, waited)
        };
        assert_eq!(fetching(1000, slow(false, DURATION)), 0.0);
        about(fetching(1000, slow(false, DURATION * 2)), first_wave(1000));
        assert_eq!(fetching(1000, slow(true, DURATION)), 0.0);
    }

    #[test]
    fn a_large_swarm_fetches_in_parts_that_make_a_whole() {
        let parts_of = |members: u32, whole: bool| {
            let turn = Turn {
                whole,
                ..turn(members, LATE, DURATION * 9)
            };
            peers(500)
                .filter_map(|me| turn.part(&me))
                .map(|part| (part.index, part.of))
                .collect::<std::collections::BTreeSet<_>>()
        };
        let all = |of: u32| (0..of).map(|index| (index, of)).collect();
        for (members, of) in [
            (100, 1),
            (156, 1),
            (157, 2),
            (1000, 10),
            (3000, 24),
            (100_000, 24),
        ] {
            assert_eq!(parts_of(members, false), all(of), "{members}");
            assert_eq!(parts_of(members, true), all(1), "{members}");
        }
        for (count, of) in [(1, 24), (3, 4), (4, 4), (23, 24), (24, 24), (37, 4), (37, 5)] {
            let chunks = ChunkRange::new(64, 63 + count).unwrap();
            for chunk in chunks.chunks() {
                let holders = (0..of).filter(|&index| Part { index, of }.contains(chunk, chunks));
                assert_eq!(holders.count(), 1, "{chunk} of {count}");
                assert!(Part::WHOLE.contains(chunk, chunks));
            }
        }
    }

    /// Those who learn early are one in [`EARLY`]; at most half of them fetch, whatever the size of the swarm.
    #[test]
    fn there_are_enough_for_all_parts() {
        for members in [100, 200, 1000, 3000, 10_000, 1_000_000] {
            let (first, strangers) = (first_wave(members), f64::from(members));
            let turns = first * f64::from(parts(strangers, first)) * EARLY_WEIGHT;
            assert!(turns <= strangers / 2.0, "{turns} of {members}");
        }
    }

    proptest::proptest! {
        /// Against the naive way: chunk by chunk, as many to each as divide up, in order.
        #[test]
        fn parts_are_runs_of_like_length(first in proptest::num::u32::ANY, count in 1u32..200) {
            let chunks = ChunkRange::new(first.min(u32::MAX - 199), first.min(u32::MAX - 199) + (count - 1)).unwrap();
            let places: Vec<u32> = chunks
                .chunks()
                .map(|chunk| (0..4).find(|&index| Part { index, of: 4 }.contains(chunk, chunks)).unwrap())
                .collect();
            proptest::prop_assert!(places.is_sorted());
            for index in 0..4 {
                let length = places.iter().filter(|place| **place == index).count() as u32;
                proptest::prop_assert!(length == count / 4 || length == count.div_ceil(4));
            }
            let all = ChunkRange::new(0, u32::MAX).unwrap();
            let quarter = Part { index: first >> 30, of: 4 };
            proptest::prop_assert!(quarter.contains(first, all));
        }
    }

    #[test]
    fn who_knows_all_goes_by_rank() {
        for members in [4, 0] {
            let after = |waited| Turn {
                rank: 2,
                known: 3,
                ..turn(members, LATE, waited)
            };
            assert_eq!(after(DURATION * 2).part(&PeerId([3; 32])), None);
            assert_eq!(after(DURATION * 5 / 2).part(&PeerId([3; 32])), Some(Part::WHOLE));
        }
    }
}
