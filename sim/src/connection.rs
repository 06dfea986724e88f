//! Connections between two viewers, from the offer to the end.

use std::collections::VecDeque;

use bytes::Bytes;
use ppspp::{LinkId, Timestamp};

/// Most bytes in a data channel's buffer, as the browser driver has it.
pub const HIGH_WATER: usize = 256 * 1024;
/// The buffer counts as drained when it falls to this.
pub const LOW_WATER: usize = 8 * 1024;

/// One end.
#[derive(Debug)]
pub struct End {
    /// Whose.
    pub viewer: u32,
    /// Its number for the viewer's swarm.
    pub link: LinkId,
    /// May datagrams come and go?
    pub up: bool,
    /// Bulk datagrams that wait for the uplink, and their lengths: those of the chunks themselves, where stubs stand
    /// for them.
    pub queue: VecDeque<(Bytes, usize)>,
    /// Their bytes.
    pub queued: usize,
    /// Room in the buffer as the swarm believes.
    pub told: usize,
    /// When the latest control datagram arrives at the other end: they stay in order.
    pub control_at: Timestamp,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The offer is on its way, or the path is being looked for.
    Connecting,
    /// It has been up; each end knows for itself whether it still is.
    Up,
    /// It never came up.
    Failed,
}

/// A connection. End 0 is the one who dialled.
#[derive(Debug)]
pub struct Connection {
    /// Both ends.
    pub ends: [End; 2],
    /// Where it stands.
    pub phase: Phase,
    /// One-way latency, microseconds.
    pub latency: u64,
    /// The neighbour of both that relays the signals; `None`: the tracker.
    pub via: Option<u32>,
}

impl Connection {
    /// A connection that `from` begins to make.
    pub fn new(from: u32, to: u32, latency: u64, via: Option<u32>) -> Self {
        let end = |viewer| End {
            viewer,
            link: LinkId(0),
            up: false,
            queue: VecDeque::new(),
            queued: 0,
            told: 0,
            control_at: Timestamp(0),
        };
        Self {
            ends: [end(from), end(to)],
            phase: Phase::Connecting,
            latency,
            via,
        }
    }
}

/// Name of one end for the uplink.
pub fn key(connection: u32, side: u8) -> u64 {
    u64::from(connection) << 1 | u64::from(side)
}

/// The end with this name.
pub fn end_of(key: u64) -> (u32, u8) {
    ((key >> 1) as u32, (key & 1) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_found_by_its_name() {
        assert_eq!(end_of(key(77, 1)), (77, 1));
    }
}
