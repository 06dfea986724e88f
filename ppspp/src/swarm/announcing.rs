//! Telling peers what is here (HAVE, RFC 7574 §3.2), often enough for chunks to spread and seldom enough to cost
//! nothing: under 1 KB a minute and neighbour, whatever the length of the content.
//!
//! A new chunk is told at once to a few neighbours only: as many as this peer could serve anyway. A HAVE names the whole
//! interval around its chunk, so that what came meanwhile needs none of its own.
//!
//! * Static content, and live streams where there are only a few neighbours: at once to a few of those that might ask,
//!   the next chunks to others; to the rest after a while, or when the segment is complete. Who has a chunk is not told
//!   of it, but for the end of each segment: neighbours know by it where this peer is, and leave segments to it that it
//!   is to fetch from the origin ([`crate::election`]).
//! * Live streams: each chunk at once to a few of those that lack it, drawn anew, rather those that gave much; to the
//!   rest one by one while the uplink has little to do, or after a while. The end of a segment is nothing special:
//!   everybody is at the same place, and who has a chunk by now is never told of it.

use core::time::Duration;

use super::{Lane, Output, Swarm};
use crate::channel::Channel;
use crate::message::Message;
use crate::{ChunkMap, ChunkRange, LinkId, Timestamp, random};

/// Neighbours told at once.
const EAGER: usize = 3;
/// What is told at once waits this long for more (profile §12.4); static content, live.
const HAVE_DELAY: Duration = Duration::from_millis(100);
const LIVE_HAVE_DELAY: Duration = Duration::from_millis(30);
/// Shortest time between two HAVEs to the same neighbour while a segment comes; static content, live.
const HAVE_GAP: Duration = Duration::from_millis(500);
const LIVE_HAVE_GAP: Duration = Duration::from_millis(150);
/// Neighbours that hear of a chunk of a live segment before the others, where there are more than that.
const FANOUT: usize = 3;
/// The others hear of it after this.
const LIVE_LAZY_DELAY: Duration = Duration::from_millis(1500);
/// While the uplink has little to do, one more neighbour hears of everything this often.
const LIVE_PACE: Duration = Duration::from_millis(50);
/// The others hear of a new chunk after this at the latest.
const LAZY_DELAY: Duration = Duration::from_secs(2);

impl Channel {
    /// HAVE for these chunks, unless it has them: each with the largest complete interval around it (RFC 7574 §8.7), which
    /// spares a HAVE for the others of that interval later. `position`: the last even if it has them.
    fn tell(&mut self, chunks: &ChunkMap, position: bool, ours: &ChunkMap) {
        let mut told: Option<ChunkRange> = None;
        for run in chunks.runs() {
            let Some(interval) = ours.run_around(run.start()) else {
                continue;
            };
            let known = self.has.contains_range(*run) && !(position && chunks.runs().last() == Some(run));
            // Runs with a hole that has been filled since are one interval now.
            if told != Some(interval) && !known {
                self.queue(&Message::Have(interval));
                self.unannounced.remove(interval);
                told = Some(interval);
            }
        }
    }
}

impl Swarm {
    /// HAVE for everything that the HANDSHAKE has not told, run by run.
    pub(super) fn announce_all(&mut self, link: LinkId) {
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        if !self.upload {
            return;
        }
        let told = core::mem::take(&mut channel.told);
        for run in self.store.has().runs() {
            if !told.contains_range(*run) {
                channel.queue(&Message::Have(*run));
            }
        }
        channel.unannounced = ChunkMap::new();
        channel.announce_at = None;
    }

    /// A chunk is new here; `complete`: so is its segment.
    pub(super) fn announce(&mut self, chunk: u32, complete: bool, now: Timestamp) {
        if !self.upload {
            return;
        }
        let live = self.metadata.live_key().is_some();
        // So few can be told at once, each of many chunks in one go.
        if live && self.channels.len() > EAGER {
            return self.announce_live(chunk, now);
        }
        let (delay, gap) = if live {
            (LIVE_HAVE_DELAY, LIVE_HAVE_GAP)
        } else {
            (HAVE_DELAY, HAVE_GAP)
        };
        if self.eager.is_empty() {
            self.choose_eager();
        }
        for (link, channel) in self.channels.iter_mut() {
            if !channel.is_open() {
                continue;
            }
            if complete || !channel.has.contains(chunk) {
                channel.unannounced.insert(ChunkRange::one(chunk));
            }
            if channel.unannounced.is_empty() {
                continue;
            }
            channel.announce_position |= complete;
            let due = if complete {
                now + delay
            } else if self.eager.contains(&link) {
                (now + delay).max(channel.last_announced + gap)
            } else {
                now + LAZY_DELAY
            };
            channel.announce_at = Some(channel.announce_at.map_or(due, |earlier| earlier.min(due)));
        }
    }

    /// A chunk of a live segment is new here.
    fn announce_live(&mut self, chunk: u32, now: Timestamp) {
        let lacking: Vec<LinkId> = self
            .channels
            .iter_mut()
            .filter(|(_, channel)| channel.is_open() && !channel.has.contains(chunk))
            .map(|(link, channel)| {
                channel.unannounced.insert(ChunkRange::one(chunk));
                channel.announce_at.get_or_insert(now + LIVE_LAZY_DELAY);
                link
            })
            .collect();
        self.tell_at.get_or_insert(now + LIVE_PACE);
        for _ in 0..FANOUT.min(lacking.len()) {
            // Of two drawn at random the one that gave more lately, so that chunks go first to where they spread.
            let gave = |at: usize| {
                self.channels
                    .get(lacking[at])
                    .map_or(0, |channel| channel.received_bytes)
            };
            let [a, b] = [(); 2].map(|()| random::index(&mut self.rng, lacking.len()));
            let at = if gave(a) >= gave(b) { a } else { b };
            if let Some(channel) = self.channels.get_mut(lacking[at]) {
                channel.soon.insert(ChunkRange::one(chunk));
                channel.soon_at.get_or_insert(now + LIVE_HAVE_DELAY);
            }
        }
    }

    /// Tells one more neighbour of everything, if the uplink has little to do.
    pub(super) fn tell_next(&mut self, now: Timestamp) {
        if self.tell_at.is_none_or(|due| due > now) {
            return;
        }
        let busy: usize = self.channels.values().map(|channel| channel.backlog(now)).sum();
        let mut waiting: Vec<(u64, LinkId)> = self
            .channels
            .values()
            .filter(|channel| channel.is_open() && !channel.unannounced.is_empty())
            .map(|channel| (channel.received_bytes, channel.link))
            .collect();
        self.tell_at = (!waiting.is_empty()).then(|| now + LIVE_PACE);
        if waiting.is_empty() || busy > self.segments.chunk_size() as usize {
            return;
        }
        random::shuffle(&mut self.rng, &mut waiting);
        waiting.truncate(2);
        if let Some((_, link)) = waiting.into_iter().max() {
            self.announce_fresh(link, now);
        }
    }

    /// HAVE for what is told to one neighbour before others.
    fn announce_soon(&mut self, link: LinkId) {
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        channel.soon_at = None;
        let soon = core::mem::take(&mut channel.soon);
        channel.tell(&soon, false, self.store.has());
        if channel.unannounced.is_empty() {
            channel.announce_at = None;
        }
    }

    /// Whom to tell at once: others each time, of those that might ask.
    fn choose_eager(&mut self) {
        self.eager.extend(
            self.channels
                .values()
                .filter(|channel| channel.is_open() && !channel.choking)
                .map(|channel| channel.link),
        );
        if self.eager.len() > EAGER + 1 {
            random::shuffle_first(&mut self.rng, &mut self.eager, EAGER);
            self.eager.truncate(EAGER);
        }
    }

    /// Chunks that went before they were announced are not to be announced.
    pub(super) fn forget_unannounced(&mut self) {
        let has = self.store.has();
        for channel in self.channels.values_mut() {
            let gone: Vec<ChunkRange> = channel
                .unannounced
                .runs()
                .iter()
                .flat_map(|run| has.missing_in(*run))
                .collect();
            gone.into_iter().for_each(|run| channel.unannounced.remove(run));
        }
    }

    /// HAVE for all that is new to this peer.
    fn announce_fresh(&mut self, link: LinkId, now: Timestamp) {
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        channel.announce_at = None;
        channel.soon = ChunkMap::new();
        channel.soon_at = None;
        channel.last_announced = now;
        let fresh = core::mem::take(&mut channel.unannounced);
        let position = core::mem::take(&mut channel.announce_position);
        channel.tell(&fresh, position, self.store.has());
        // The next chunks are told to others at once.
        if let Some(at) = self.eager.iter().position(|eager| *eager == link) {
            self.eager.swap_remove(at);
        }
    }

    /// Sends what is due.
    pub(super) fn flush(&mut self, now: Timestamp) {
        self.tell_next(now);
        let mut next = self.channels.keys().next();
        while let Some(link) = next {
            let due = self
                .channels
                .get(link)
                .is_some_and(|channel| channel.announce_at.is_some_and(|due| due <= now));
            if due {
                self.announce_fresh(link, now);
            }
            let soon = self
                .channels
                .get(link)
                .is_some_and(|channel| channel.soon_at.is_some_and(|due| due <= now));
            if soon {
                self.announce_soon(link);
            }
            self.flush_channel(link, now);
            next = self
                .channels
                .from(LinkId(link.0.saturating_add(1)))
                .next()
                .map(|(link, _)| link);
            if link.0 == u32::MAX {
                break;
            }
        }
    }

    /// Sends the control datagrams of one channel.
    pub(super) fn flush_channel(&mut self, link: LinkId, now: Timestamp) {
        self.tune_in(link);
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        while let Some(datagram) = channel.take_control(now) {
            self.outputs.push_back(Output::Transmit {
                link,
                lane: Lane::Control,
                datagram,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datagram::Messages;
    use crate::{Hash, PeerId, SegmentTable, SwarmMetadata, segment_table::Segment};

    fn map(runs: &[(u32, u32)]) -> ChunkMap {
        let mut map = ChunkMap::new();
        for &(start, end) in runs {
            map.insert(ChunkRange::new(start, end).unwrap());
        }
        map
    }

    #[test]
    fn a_chunk_is_told_with_its_interval_once() {
        let segments = vec![Segment {
            size: 32_000,
            root: Hash::of_chunk(b"x"),
        }];
        let table = SegmentTable { segments };
        let metadata = SwarmMetadata::new(table.swarm_id(), 1000, 5, table).unwrap();
        let mut channel = Channel::new(&metadata, LinkId(1), PeerId([0; 32]), 7, Timestamp(0));
        channel.remote = Some(9);
        channel.has = map(&[(20, 20)]);
        channel.unannounced = map(&[(2, 6), (12, 12)]);
        // 4 and 6 are in one interval, 20 is there, 25 went.
        let chunks = map(&[(4, 4), (6, 6), (20, 20), (25, 25)]);
        channel.tell(&chunks, false, &map(&[(1, 7), (10, 12), (20, 21)]));
        let datagram = channel.take_control(Timestamp(0)).unwrap();
        let said: Vec<Message> = Messages::new(datagram, channel.format)
            .map(Result::unwrap)
            .collect();
        assert_eq!(said, [Message::Have(ChunkRange::new(1, 7).unwrap())]);
        assert_eq!(channel.unannounced, map(&[(12, 12)]));
        // Where it is told of our position, it is told what it has.
        channel.tell(&map(&[(20, 20)]), true, &map(&[(20, 21)]));
        assert!(channel.take_control(Timestamp(0)).is_some());
    }
}
