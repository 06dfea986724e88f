//! The event log, folded into one number: two runs did the same exactly when their numbers are equal.

use ppspp::Timestamp;

/// What a log entry is about.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Entry {
    /// A viewer came: index.
    Joined = 1,
    /// A viewer went: index.
    Left,
    /// A datagram arrived: receiver, bytes.
    Datagram,
    /// Bytes of the origin arrived: receiver, bytes.
    Origin,
    /// A chunk was verified: viewer, chunk.
    Chunk,
    /// A segment was complete: viewer, segment.
    Segment,
    /// Two viewers were connected: caller, callee.
    Connected,
    /// A frame of or for the tracker: viewer, bytes.
    Frame,
    /// Playback stopped: viewer, position in ms.
    Stall,
    /// A peer was left for what it did: who left it, whom.
    Dropped,
    /// A signal came through a neighbour: who sent it, to whom.
    Relayed,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    hash: u64,
    entries: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            entries: 0,
        }
    }
}

impl Log {
    /// Adds an entry.
    pub fn record(&mut self, at: Timestamp, entry: Entry, a: u32, b: u32) {
        // Each step is a bijection of the state, so that a difference never gets lost.
        for word in [at.0, u64::from(a) << 32 | u64::from(b), entry as u64] {
            self.hash = (self.hash ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
        }
        self.entries += 1;
    }

    /// The number.
    pub fn hash(&self) -> u64 {
        self.hash ^ self.entries
    }

    /// How many entries it speaks for.
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_values_count() {
        let log = |entries: &[(u64, u32)]| {
            let mut log = Log::default();
            entries
                .iter()
                .for_each(|&(at, a)| log.record(Timestamp(at), Entry::Chunk, a, 0));
            log.hash()
        };
        assert_eq!(log(&[(1, 2), (3, 4)]), log(&[(1, 2), (3, 4)]));
        assert_ne!(log(&[(1, 2), (3, 4)]), log(&[(3, 4), (1, 2)]));
        assert_ne!(log(&[(1, 2)]), log(&[(1, 3)]));
        assert_ne!(log(&[(0, 0)]), log(&[]));
    }
}
