//! Draws that are the same on every platform: a random `usize` takes another number of bits where it is narrower, and
//! so does everything drawn after it.

use core::ops::Range;

/// An index of `range`, which is not empty and no longer than 2³².
pub fn index(rng: &mut fastrand::Rng, range: Range<usize>) -> usize {
    range.start + rng.u32(0..range.len() as u32) as usize
}

/// Puts `items` into random order.
pub fn shuffle<T>(rng: &mut fastrand::Rng, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, index(rng, 0..at + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut orders = std::collections::BTreeMap::new();
        for _ in 0..600 {
            let mut items = [1, 2, 3];
            shuffle(&mut rng, &mut items);
            *orders.entry(items).or_insert(0) += 1;
        }
        assert_eq!(orders.len(), 6);
        assert!(
            orders.values().all(|count| (60..140).contains(count)),
            "{orders:?}"
        );
        assert!((0..100).all(|_| (3..5).contains(&index(&mut rng, 3..5))));
        shuffle::<u8>(&mut rng, &mut []);
    }
}
