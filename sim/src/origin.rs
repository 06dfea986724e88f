//! The origin: HTTP with ranges over links of finite capacity, shared fairly among the fetches under way.

use std::collections::VecDeque;

use core::ops::Range;

use ppspp::Timestamp;

use crate::access::transmission;

/// Pieces of one fetch on their way at a time: the window of its TCP connection.
const WINDOW: u8 = 16;

/// A request under way.
#[derive(Debug)]
pub struct Fetch {
    /// Whose.
    pub viewer: u32,
    /// Its number there.
    pub number: u32,
    /// The segment.
    pub segment: u32,
    /// Next byte to send.
    next: u64,
    /// Next byte to be handed to the viewer.
    pub delivered: u64,
    /// The end of the range.
    pub end: u64,
    /// One-way latency between origin and viewer, microseconds.
    pub latency: u64,
    /// When its connection may carry the next piece.
    ready: Timestamp,
    in_flight: u8,
    /// Waits for an acknowledgement.
    full: bool,
    /// The viewer does not want it any more.
    pub aborted: bool,
}

/// What the origin does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call [`Origin::ready`] for this fetch at that time.
    Ready(Timestamp, u32),
    /// Call [`Origin::served`] at that time.
    Served(Timestamp),
    /// So many bytes of a fetch arrive at the viewer's downlink at that time.
    Arrives(Timestamp, u32, u32),
}

/// See the module.
#[derive(Debug)]
pub struct Origin {
    /// Bytes per second in all; `None` = no limit.
    capacity: Option<f64>,
    connection: f64,
    /// What is sent in one go, bytes: a chunk.
    piece: u64,
    fetches: Vec<Option<Fetch>>,
    free: Vec<u32>,
    queue: VecDeque<u32>,
    /// The fetch whose piece is being sent, and its length.
    sending: Option<(u32, u64)>,
    /// Bytes sent of every segment.
    sent: Vec<u64>,
}

impl Origin {
    /// An origin of `segments` segments, sent `piece` bytes at a time; rates in bytes per second.
    pub fn new(capacity: Option<f64>, connection: f64, piece: u32, segments: u32) -> Self {
        Self {
            capacity,
            connection,
            piece: u64::from(piece),
            fetches: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            sending: None,
            sent: vec![0; segments as usize],
        }
    }

    /// Bytes sent of every segment.
    pub fn sent(&self) -> &[u64] {
        &self.sent
    }

    /// A viewer asks for a range of a segment. Its slot; the request is to be handed to [`Self::ready`] when it has
    /// arrived and been worked on.
    pub fn request(
        &mut self,
        viewer: u32,
        number: u32,
        segment: u32,
        range: Range<u64>,
        latency: u64,
    ) -> u32 {
        let fetch = Fetch {
            viewer,
            number,
            segment,
            next: range.start,
            delivered: range.start,
            end: range.end,
            latency,
            ready: Timestamp(0),
            in_flight: 0,
            full: false,
            aborted: false,
        };
        match self.free.pop() {
            Some(slot) => {
                self.fetches[slot as usize] = Some(fetch);
                slot
            }
            None => {
                self.fetches.push(Some(fetch));
                (self.fetches.len() - 1) as u32
            }
        }
    }

    /// A fetch under way.
    pub fn get(&self, slot: u32) -> Option<&Fetch> {
        self.fetches[slot as usize].as_ref()
    }

    /// The viewer's fetch with this number is aborted: what is on its way still comes to its door.
    pub fn abort(&mut self, slot: u32) {
        if let Some(fetch) = &mut self.fetches[slot as usize] {
            fetch.aborted = true;
        }
    }

    /// A fetch may send its next piece.
    pub fn ready(&mut self, slot: u32, now: Timestamp, out: &mut Vec<Next>) {
        let Some(fetch) = &self.fetches[slot as usize] else {
            return;
        };
        if fetch.aborted && fetch.in_flight == 0 {
            return self.forget(slot);
        }
        self.queue.push_back(slot);
        self.serve(now, out);
    }

    fn serve(&mut self, now: Timestamp, out: &mut Vec<Next>) {
        while self.sending.is_none()
            && let Some(slot) = self.queue.pop_front()
        {
            let Some(fetch) = &self.fetches[slot as usize] else {
                continue;
            };
            if fetch.aborted {
                if fetch.in_flight == 0 {
                    self.forget(slot);
                }
                continue;
            }
            let length = self.piece.min(fetch.end - fetch.next);
            self.sending = Some((slot, length));
            match self.capacity {
                Some(capacity) => out.push(Next::Served(now + transmission(length as f64, capacity))),
                None => self.sent_piece(now, out),
            }
        }
    }

    /// The piece that was being sent has left.
    pub fn served(&mut self, now: Timestamp, out: &mut Vec<Next>) {
        self.sent_piece(now, out);
        self.serve(now, out);
    }

    fn sent_piece(&mut self, now: Timestamp, out: &mut Vec<Next>) {
        let Some((slot, length)) = self.sending.take() else {
            return;
        };
        let Some(fetch) = &mut self.fetches[slot as usize] else {
            return;
        };
        self.sent[fetch.segment as usize] += length;
        fetch.next += length;
        fetch.in_flight += 1;
        fetch.ready = fetch.ready.max(now) + transmission(length as f64, self.connection);
        out.push(Next::Arrives(
            Timestamp(fetch.ready.0 + fetch.latency),
            slot,
            length as u32,
        ));
        if fetch.next == fetch.end {
            return;
        }
        if fetch.in_flight < WINDOW {
            out.push(Next::Ready(fetch.ready, slot));
        } else {
            fetch.full = true;
        }
    }

    /// The viewer has taken so many bytes. Returns where they start in the segment, unless it does not want them any
    /// more.
    pub fn taken(&mut self, slot: u32, length: u32, now: Timestamp, out: &mut Vec<Next>) -> Option<u64> {
        let fetch = self.fetches[slot as usize].as_mut()?;
        let start = fetch.delivered;
        fetch.delivered += u64::from(length);
        fetch.in_flight -= 1;
        let wanted = (!fetch.aborted).then_some(start);
        if fetch.full {
            fetch.full = false;
            out.push(Next::Ready(Timestamp(now.0 + fetch.latency), slot));
        } else if fetch.in_flight == 0 && fetch.next == fetch.end {
            self.forget(slot);
        }
        wanted
    }

    fn forget(&mut self, slot: u32) {
        if self.fetches[slot as usize].take().is_some() {
            self.free.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queue;

    /// Runs until nothing is left; returns when each fetch had its last byte.
    fn run(origin: &mut Origin, start: &[(u64, u32)]) -> Vec<(u32, u64)> {
        let mut queue = Queue::default();
        for &(at, slot) in start {
            queue.push(Timestamp(at), Next::Ready(Timestamp(at), slot));
        }
        let mut done = Vec::new();
        while let Some((now, next)) = queue.pop(Timestamp(u64::MAX)) {
            let mut out = Vec::new();
            match next {
                Next::Ready(_, slot) => origin.ready(slot, now, &mut out),
                Next::Served(_) => origin.served(now, &mut out),
                Next::Arrives(_, slot, length) => {
                    let (end, number) = origin.get(slot).map_or((0, 0), |fetch| (fetch.end, fetch.number));
                    if let Some(start) = origin.taken(slot, length, now, &mut out)
                        && start + u64::from(length) == end
                    {
                        done.push((number, now.0));
                    }
                }
            }
            for next in out {
                let (Next::Ready(at, _) | Next::Served(at) | Next::Arrives(at, ..)) = next;
                queue.push(at, next);
            }
        }
        done
    }

    #[test]
    fn capacity_is_shared() {
        let mut origin = Origin::new(Some(1e6), 1e9, 16_384, 1);
        let slots = [0, 1].map(|number| origin.request(0, number, 0, 0..1_000_000, 10_000));
        let done = run(&mut origin, &[(0, slots[0]), (0, slots[1])]);
        assert_eq!(done.len(), 2);
        for (_, at) in done {
            assert!(
                (1_950_000..2_050_000).contains(&at),
                "both take twice as long: {at}"
            );
        }
        assert_eq!(origin.sent(), [2_000_000]);
        assert_eq!(origin.free.len(), 2, "slots are free again");
    }

    #[test]
    fn a_connection_has_its_own_limit() {
        let mut origin = Origin::new(None, 1e6, 16_384, 1);
        let slot = origin.request(0, 7, 0, 100..1_000_100, 10_000);
        let done = run(&mut origin, &[(0, slot)]);
        assert_eq!(done[0].0, 7);
        assert!((1_000_000..1_050_000).contains(&done[0].1), "{done:?}");
    }

    #[test]
    fn aborted_fetches_stop_costing() {
        let mut origin = Origin::new(Some(1e6), 1e9, 16_384, 1);
        let slots = [0, 1].map(|number| origin.request(0, number, 0, 0..1_000_000, 10_000));
        origin.abort(slots[0]);
        let done = run(&mut origin, &[(0, slots[0]), (0, slots[1])]);
        assert_eq!(done.len(), 1);
        assert!(done[0].1 < 1_100_000);
        assert_eq!(origin.sent(), [1_000_000]);
        assert_eq!(origin.free.len(), 2);
    }
}
