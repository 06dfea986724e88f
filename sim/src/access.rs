//! A viewer's access link: an uplink that its connections share fairly, a downlink that takes what comes.

use core::time::Duration;

use ppspp::Timestamp;

/// Payload of one packet, in bytes: what data channels put into a UDP datagram on a path of 1,280 bytes.
const PACKET: usize = 1150;
/// Bytes around the payload of a packet: IPv4 20, UDP 8, DTLS 37, SCTP 28.
const PACKET_OVERHEAD: usize = 93;

/// Bytes on the wire for a message of so many bytes over a data channel.
pub fn wire_bytes(message: usize) -> usize {
    message + message.div_ceil(PACKET).max(1) * PACKET_OVERHEAD
}

/// Packets of a message of so many bytes.
pub fn packets(message: usize) -> usize {
    message.div_ceil(PACKET).max(1)
}

/// Time that `bytes` take at `rate` bytes per second, rounded up to a microsecond.
pub fn transmission(bytes: f64, rate: f64) -> Duration {
    Duration::from_micros((bytes * 1e6 / rate).ceil() as u64)
}

/// The message at the head of one connection's queue.
#[derive(Clone, Copy, Debug)]
struct Head {
    key: u64,
    /// Value of the fair clock at which its last byte is sent.
    finish: f64,
}

/// An uplink that serves its connections byte by byte in turn (generalised processor sharing): a message of 16 KiB
/// for one never keeps the others waiting for its whole length. Control messages are short and go first.
#[derive(Debug)]
pub struct Uplink {
    rate: f64,
    /// Bytes that every waiting connection has been served since the beginning.
    fair: f64,
    updated: Timestamp,
    heads: Vec<Head>,
}

impl Uplink {
    /// An idle uplink of `rate` bytes per second.
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            fair: 0.0,
            updated: Timestamp(0),
            heads: Vec::new(),
        }
    }

    fn advance(&mut self, now: Timestamp) {
        if self.updated >= now {
            return;
        }
        if !self.heads.is_empty() {
            let elapsed = (now.0 - self.updated.0) as f64 / 1e6;
            self.fair += elapsed * self.rate / self.heads.len() as f64;
        }
        self.updated = now;
    }

    /// Changes the rate, in bytes per second.
    pub fn set_rate(&mut self, rate: f64, now: Timestamp) {
        self.advance(now);
        self.rate = rate;
    }

    /// Nothing is sent before `until`.
    pub fn pause(&mut self, until: Timestamp, now: Timestamp) {
        self.advance(now);
        self.updated = self.updated.max(until);
    }

    /// Sends a control message of so many bytes on the wire at once; returns when it has left.
    pub fn control(&mut self, bytes: usize, now: Timestamp) -> Timestamp {
        self.advance(now);
        self.updated += transmission(bytes as f64, self.rate);
        self.updated
    }

    /// Connection `key`, which had nothing to send, has a message of so many bytes now.
    pub fn enqueue(&mut self, key: u64, bytes: usize, now: Timestamp) {
        self.advance(now);
        self.heads.push(Head {
            key,
            finish: self.fair + bytes as f64,
        });
    }

    /// Connection `key` is gone with all that it had to send.
    pub fn remove(&mut self, key: u64, now: Timestamp) {
        self.advance(now);
        self.heads.retain(|head| head.key != key);
    }

    /// A connection whose message has been sent by now. `next` names the length of its next message, if it has one.
    pub fn sent(&mut self, now: Timestamp, next: impl FnOnce(u64) -> Option<usize>) -> Option<u64> {
        self.advance(now);
        let first = self.first()?;
        let head = &mut self.heads[first];
        // Times are whole microseconds: a byte is far more than the rounding.
        if self.updated > now || head.finish > self.fair + 0.01 {
            return None;
        }
        let key = head.key;
        match next(key) {
            Some(bytes) => head.finish += bytes as f64,
            None => drop(self.heads.swap_remove(first)),
        }
        Some(key)
    }

    fn first(&self) -> Option<usize> {
        (0..self.heads.len()).min_by(|&a, &b| {
            let (a, b) = (&self.heads[a], &self.heads[b]);
            a.finish.total_cmp(&b.finish).then(a.key.cmp(&b.key))
        })
    }

    /// When the next message will have been sent, if nothing changes.
    pub fn next(&self) -> Option<Timestamp> {
        let head = &self.heads[self.first()?];
        let bytes = (head.finish - self.fair).max(0.0) * self.heads.len() as f64;
        Some(self.updated + transmission(bytes, self.rate))
    }
}

/// A downlink: what arrives while it is busy waits.
#[derive(Debug)]
pub struct Downlink {
    rate: f64,
    free_at: Timestamp,
}

impl Downlink {
    /// An idle downlink of `rate` bytes per second.
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            free_at: Timestamp(0),
        }
    }

    /// Changes the rate, in bytes per second.
    pub fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// Nothing gets through before `until`.
    pub fn pause(&mut self, until: Timestamp) {
        self.free_at = self.free_at.max(until);
    }

    /// The last of so many bytes has arrived at the link at `now`; returns when it is through. A downlink that was
    /// idle has passed on the first bytes while the last were still on their way.
    pub fn receive(&mut self, bytes: usize, now: Timestamp) -> Timestamp {
        self.free_at = (self.free_at + transmission(bytes as f64, self.rate)).max(now);
        self.free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends all, one message for each connection; returns who was done when.
    fn drain(uplink: &mut Uplink) -> Vec<(u64, u64)> {
        let mut done = Vec::new();
        while let Some(at) = uplink.next() {
            while let Some(key) = uplink.sent(at, |_| None) {
                done.push((key, at.0));
            }
        }
        done
    }

    #[test]
    fn connections_share_the_uplink() {
        let mut uplink = Uplink::new(1000.0);
        uplink.enqueue(1, 1000, Timestamp(0));
        uplink.enqueue(2, 100, Timestamp(500_000));
        // The first is half sent when the second comes; then both get half the rate.
        assert_eq!(drain(&mut uplink), [(2, 700_000), (1, 1_100_000)]);
    }

    #[test]
    fn a_connection_goes_on_with_its_next_message() {
        let mut uplink = Uplink::new(1000.0);
        uplink.enqueue(1, 500, Timestamp(0));
        let at = uplink.next().unwrap();
        assert_eq!(uplink.sent(at, |_| Some(250)), Some(1));
        assert_eq!(uplink.sent(at, |_| Some(250)), None);
        assert_eq!(uplink.next(), Some(Timestamp(750_000)));
    }

    #[test]
    fn control_goes_first_and_costs() {
        let mut uplink = Uplink::new(1000.0);
        uplink.enqueue(1, 1000, Timestamp(0));
        assert_eq!(uplink.control(100, Timestamp(500_000)), Timestamp(600_000));
        assert_eq!(drain(&mut uplink), [(1, 1_100_000)]);
    }

    #[test]
    fn a_pause_delays_and_a_rate_changes() {
        let mut uplink = Uplink::new(1000.0);
        uplink.enqueue(1, 1000, Timestamp(0));
        uplink.pause(Timestamp(1_000_000), Timestamp(500_000));
        assert_eq!(uplink.sent(Timestamp(700_000), |_| None), None);
        uplink.set_rate(500.0, Timestamp(700_000));
        assert_eq!(drain(&mut uplink), [(1, 2_000_000)]);
    }

    #[test]
    fn a_busy_downlink_delays() {
        let mut downlink = Downlink::new(1000.0);
        assert_eq!(downlink.receive(100, Timestamp(1_000_000)), Timestamp(1_000_000));
        assert_eq!(downlink.receive(100, Timestamp(1_000_000)), Timestamp(1_100_000));
        downlink.pause(Timestamp(2_000_000));
        assert_eq!(downlink.receive(100, Timestamp(1_500_000)), Timestamp(2_100_000));
    }

    #[test]
    fn messages_cost_their_packets() {
        assert_eq!(wire_bytes(0), 93);
        assert_eq!(wire_bytes(1150), 1150 + 93);
        assert_eq!(wire_bytes(16_384), 16_384 + 15 * 93);
    }
}
