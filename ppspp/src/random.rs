//! Random choices that are the same for 32-bit and 64-bit builds: fastrand's own choices of a `usize` are not.

use fastrand::Rng;

/// A number below `end`, which is at least 1 and counts things in memory.
pub fn index(rng: &mut Rng, end: usize) -> usize {
    rng.u32(..u32::try_from(end).unwrap_or(u32::MAX)) as usize
}

/// Puts a list into a random order.
pub fn shuffle<T>(rng: &mut Rng, list: &mut [T]) {
    let most = list.len();
    shuffle_first(rng, list, most);
}

/// Puts so many random entries of a list first, in random order.
pub fn shuffle_first<T>(rng: &mut Rng, list: &mut [T], count: usize) {
    for at in 0..count.min(list.len()) {
        let other = at + index(rng, list.len() - at);
        list.swap(at, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_as_likely() {
        let mut rng = Rng::with_seed(1);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let mut list = [1, 2, 3];
            shuffle(&mut rng, &mut list);
            *counts.entry(list).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn some_first_and_nothing_lost() {
        let mut rng = Rng::with_seed(1);
        let mut list: Vec<u32> = (0..100).collect();
        shuffle_first(&mut rng, &mut list, 5);
        assert_ne!(list[..5], [0, 1, 2, 3, 4]);
        list.sort_unstable();
        assert_eq!(list, (0..100).collect::<Vec<_>>());
        shuffle_first(&mut rng, &mut list[..2], 9);
        shuffle::<u32>(&mut rng, &mut []);
    }
}
