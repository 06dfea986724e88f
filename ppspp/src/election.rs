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
//! come, so most of those are left to the few who learn of it early ([`Turn::is_early`]).

use core::cmp::Ordering;
use core::time::Duration;

use crate::PeerId;

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

/// Peers that fetch a live segment at once in a swarm too large to know: three for every four binary digits of the
/// number of members, so that some will do so early; at least three.
fn first_wave(members: u32) -> f64 {
    (f64::from(32 - members.leading_zeros()) * 0.75).max(3.0)
}

/// Steps that each wave gets: what the first ones fetched has to spread meanwhile.
const WAVE_STEPS: u32 = 2;
/// Who learns of a segment in this part of its duration learns of it early.
const EARLY: u32 = 6;
/// Of those who learn early, this many times as many fetch at once as of the others: together they are the first wave.
const EARLY_WEIGHT: f64 = EARLY as f64;

/// A live segment that no neighbour has, and what this peer knows of its place among those who may fetch it.
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
    /// How long after the segment was published this peer learnt of it, if it can tell.
    pub(crate) learnt: Option<Duration>,
}

impl Turn {
    /// Does this peer not know most of the others?
    pub(crate) fn has_strangers(&self) -> bool {
        f64::from(self.members) - 1.0 > self.known as f64
    }

    /// Was this peer among the first to learn of the segment?
    pub(crate) fn is_early(&self) -> bool {
        self.learnt.is_some_and(|learnt| learnt <= self.duration / EARLY)
    }

    /// How long this peer leaves the segment to those before it, from when it learnt of it.
    ///
    /// Viewers learn of a segment up to a duration apart: who has to be the first gets that long.
    pub(crate) fn patience(&self, me: &PeerId) -> Duration {
        if !self.has_strangers() {
            return self.duration * 5 / 4 * self.rank;
        }
        let step = self.duration / 2;
        let strangers = f64::from(self.members) - 1.0 - self.known as f64;
        // Scores are uniform: this share of all peers comes before me.
        let before = (u64::MAX - score(me, self.segment)) as f64 / u64::MAX as f64;
        let ahead = f64::from(self.rank) + before * strangers;
        let first = first_wave(self.members);
        if self.is_early() && ahead < first * EARLY_WEIGHT {
            return Duration::ZERO;
        }
        let mut waves = 0;
        let mut reached = first;
        while reached <= ahead && waves < 32 {
            reached *= 2.0;
            waves += 1;
        }
        step * WAVE_STEPS * waves
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

    const DURATION: Duration = Duration::from_secs(2);

    fn turn(segment: u32, rank: u32, known: usize, members: u32, learnt: Option<Duration>) -> Turn {
        Turn {
            segment,
            duration: DURATION,
            rank,
            known,
            members,
            learnt,
        }
    }

    #[test]
    fn copies_grow_with_the_logarithm_of_the_swarm() {
        for members in [100_u32, 1000, 10_000] {
            let mut waves = [0_u32; 32];
            for n in 0..members {
                let mut rng = fastrand::Rng::with_seed(u64::from(n));
                let me = PeerId(core::array::from_fn(|_| rng.u8(..)));
                for segment in 0..20 {
                    let wait = turn(segment, 0, 12, members, None).patience(&me);
                    waves[wait.as_secs() as usize] += 1;
                }
            }
            // A few at once, then as many, twice, … more, on the average of twenty segments.
            let first = 20.0 * first_wave(members);
            for (wave, expected) in [(0, first), (2, first), (4, first * 2.0)] {
                assert!(
                    (expected / 2.0..expected * 2.0).contains(&f64::from(waves[wave])),
                    "{members}: {waves:?}"
                );
            }
        }
        let me = PeerId([3; 32]);
        assert_eq!(
            turn(7, 2, 3, 4, None).patience(&me),
            DURATION * 5 / 2,
            "who knows all goes by rank"
        );
        assert_eq!(
            turn(7, 2, 3, 0, None).patience(&me),
            DURATION * 5 / 2,
            "and so does who knows no number"
        );
    }

    #[test]
    fn who_learns_early_goes_first() {
        let at_once = |learnt| {
            let peers = (0..1000_u32).map(|n| {
                let mut rng = fastrand::Rng::with_seed(u64::from(n));
                PeerId(core::array::from_fn(|_| rng.u8(..)))
            });
            let waits = peers.map(|me| turn(7, 0, 12, 1000, learnt).patience(&me));
            waits.filter(Duration::is_zero).count()
        };
        let late = at_once(Some(DURATION / 5));
        let early = at_once(Some(DURATION / 7));
        assert_eq!(late, at_once(None));
        assert!(early > late * 3 && early < late * 12, "{early} and {late}");
    }
}
