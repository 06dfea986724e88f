//! Who fetches a segment that nobody has, agreed on without a message.
//!
//! Every peer ranks itself and the neighbours that will want the segment too by rendezvous hashing: the same segment
//! gets the same winner wherever the same neighbours are known, and segments spread evenly over the peers.

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

/// How many of the others come before `me` for this segment: 0 = it is `me` who fetches.
pub(crate) fn rank<'a>(me: &PeerId, others: impl Iterator<Item = &'a PeerId>, segment: u32) -> u32 {
    let mine = (score(me, segment), me);
    others
        .filter(|other| (score(other, segment), *other) > mine)
        .count() as u32
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
            let ranks: Vec<u32> = peers
                .iter()
                .map(|me| rank(me, peers.iter().filter(|peer| *peer != me), segment))
                .collect();
            let mut sorted = ranks.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3], "everybody agrees on the order");
            wins[ranks.iter().position(|rank| *rank == 0).unwrap()] += 1;
        }
        assert!(wins.iter().all(|wins| (70..130).contains(wins)), "{wins:?}");
    }
}
