//! A queue in a `Vec`: for the few to some thousand entries that wait somewhere.
//!
//! In place of `std`'s `VecDeque` because of what that costs in the browser's bundle: every access to a ring is to two
//! slices. Here the entries behind the first move up when it is taken out.

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue<T> {
    entries: Vec<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T> Queue<T> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is there no entry?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts an entry in, behind all others.
    pub fn push(&mut self, entry: T) {
        self.entries.push(entry);
    }

    /// Takes the first entry out.
    pub fn pop(&mut self) -> Option<T> {
        (!self.is_empty()).then(|| self.entries.remove(0))
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter()
    }

    /// Takes all entries out.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out() {
        let mut queue = Queue::default();
        assert_eq!(queue.pop(), None);
        (1..=3).for_each(|entry| queue.push(entry));
        assert_eq!((queue.pop(), queue.len()), (Some(1), 2));
        queue.push(4);
        assert!(queue.iter().eq(&[2, 3, 4]));
        queue.clear();
        assert!(queue.is_empty());
    }
}
