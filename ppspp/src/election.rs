//! Who fetches a segment that nobody has, agreed on without a message.
//!
//! Every peer ranks itself and the neighbours that will want the segment too by rendezvous hashing: the same segment
//! gets the same winner wherever the same neighbours are known, and segments spread evenly over the peers.
//!
//! In a live swarm of which only a small part is known everybody wants the same segment at the same time, and every
//! neighbourhood would have a winner of its own. There a peer reckons from its score and the swarm's size how many
//! peers come before it: the first few fetch at once, then with every step of time twice as many may, so that the
//! copies fetched grow with the logarithm of the swarm however slowly the segment spreads.

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

/// Peers that fetch a live segment at once in a swarm too large to know: half as many as the number of members has
/// binary digits, for the first of them to hear of the segment soon; at least three.
fn first_wave(members: u32) -> f64 {
    (f64::from(32 - members.leading_zeros()) / 2.0).max(3.0)
}

/// Steps that each wave gets: what the first ones fetched has to spread meanwhile.
const WAVE_STEPS: u32 = 2;

/// How long this peer leaves a live segment to those before it in a swarm of `members` of which it knows `known`
/// beside itself, `rank` of them before it. `duration`: of a segment.
///
/// Viewers learn of a segment at different times, up to a duration apart: who has to be the first gets that long.
pub(crate) fn patience(
    me: &PeerId,
    segment: u32,
    rank: u32,
    known: usize,
    members: u32,
    duration: Duration,
) -> Duration {
    let strangers = f64::from(members) - 1.0 - known as f64;
    if strangers <= 0.0 {
        return duration * 5 / 4 * rank;
    }
    let step = duration / 2;
    // Scores are uniform: this share of all peers comes before me.
    let before = (u64::MAX - score(me, segment)) as f64 / u64::MAX as f64;
    let ahead = f64::from(rank) + before * strangers;
    let mut waves = 0;
    let mut reached = first_wave(members);
    while reached <= ahead && waves < 32 {
        reached *= 2.0;
        waves += 1;
    }
    step * WAVE_STEPS * waves
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

    #[test]
    fn copies_grow_with_the_logarithm_of_the_swarm() {
        let duration = Duration::from_secs(2);
        for members in [100_u32, 1000, 10_000] {
            let mut waves = [0_u32; 32];
            for n in 0..members {
                let mut rng = fastrand::Rng::with_seed(u64::from(n));
                let me = PeerId(core::array::from_fn(|_| rng.u8(..)));
                for segment in 0..20 {
                    let wait = patience(&me, segment, 0, 12, members, duration);
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
            patience(&me, 7, 2, 3, 4, duration),
            duration * 5 / 2,
            "who knows all goes by rank"
        );
        assert_eq!(
            patience(&me, 7, 2, 3, 0, duration),
            duration * 5 / 2,
            "and so does who knows no number"
        );
    }
}
