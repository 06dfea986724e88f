//! What is going to happen, in the order in which it will.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ppspp::Timestamp;

/// Events by time; of two at the same time the one that was scheduled first comes first, so that a run depends on
/// nothing but its inputs.
#[derive(Debug)]
pub struct Queue<T> {
    /// Time, sequence number, slot: the events themselves stay where they are while the heap sorts.
    heap: BinaryHeap<Reverse<(Timestamp, u64, u32)>>,
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Schedules an event.
    pub fn push(&mut self, at: Timestamp, event: T) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[slot as usize] = Some(event);
        self.heap.push(Reverse((at, self.sequence, slot)));
        self.sequence += 1;
    }

    /// The next event, if it happens at `until` at the latest.
    pub fn pop(&mut self, until: Timestamp) -> Option<(Timestamp, T)> {
        if self.heap.peek().is_none_or(|Reverse((at, ..))| *at > until) {
            return None;
        }
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.slots[slot as usize].take().map(|event| (at, event))
    }

    /// Events that are still to happen.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Is nothing left to happen?
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_then_by_order() {
        let mut queue = Queue::default();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (9, 'e'), (1, 'b')] {
            queue.push(Timestamp(at), event);
        }
        let mut order = String::new();
        while let Some((_, event)) = queue.pop(Timestamp(8)) {
            order.push(event);
        }
        assert_eq!(order, "abcd");
        assert_eq!(queue.len(), 1);
        queue.push(Timestamp(9), 'f');
        assert_eq!(queue.pop(Timestamp(9)), Some((Timestamp(9), 'e')));
        assert_eq!(queue.pop(Timestamp(9)), Some((Timestamp(9), 'f')));
        assert!(queue.is_empty());
        assert_eq!(queue.slots.len(), 5, "slots are used again");
    }
}
