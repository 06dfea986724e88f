//! Telling peers what is here (HAVE, RFC 7574 §3.2), often enough for chunks to spread and seldom enough to cost
//! nothing: under 1 KB a minute and neighbour, whatever the length of the content.
//!
//! A HAVE names the whole interval around its chunk, so that what came meanwhile needs none of its own.
//!
//! * Static content, and live streams where there are only a few neighbours: at once to a few of those that might ask,
//!   the next chunks to others; to the rest after a while, or when the segment is complete. Who has a chunk is not told
//!   of it, but for the end of each segment: neighbours know by it where this peer is, and leave segments to it that it
//!   is to fetch from the origin ([`crate::election`]).
//! * Live streams: at once to a few of those that lack the chunk, drawn anew, rather those that gave much, and to nobody
//!   if this peer has enough to do and others have it, too. The rest hear of it when they are sent something anyway, one
//!   by one while nothing is asked of this peer, or after a while; and of several intervals only of the one that has most
//!   of what they lack, for by the next time much of the rest has come to them from others. The end of a segment is
//!   nothing special: everybody is at the same place, and who has a chunk by now is never told of it.

#[cfg(test)]
mod tests;

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
/// Of a chunk of a live segment so many neighbours hear at once, where there are more than that: if none of them has it,
/// and else.
const FANOUT_FIRST: usize = 4;
const FANOUT: usize = 2;
/// A peer of whom so many runs of chunks are asked tells nobody at once of what others have, too.
const BUSY: usize = 3;
/// The others hear of it, or of an interval with more that they lack, after this at the latest.
const LIVE_LAZY_DELAY: Duration = Duration::from_secs(4);
/// While nothing is asked of this peer, one more neighbour hears of what it lacks this often.
const LIVE_PACE: Duration = Duration::from_millis(100);
/// The others hear of a new chunk after this at the latest.
const LAZY_DELAY: Duration = Duration::from_secs(2);

impl Channel {
    /// It has these chunks, or has been told of them: no HAVE is due for them.
    pub(super) fn needs_no_have(&mut self, chunks: ChunkRange) {
        self.unannounced.remove(chunks);
        self.soon.remove(chunks);
        if self.soon.is_empty() {
            self.soon_at = None;
        }
        if self.unannounced.is_empty() {
            self.announce_at = None;
        }
    }

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
                self.needs_no_have(interval);
                told = Some(interval);
            }
        }
    }

    /// HAVE for the interval that has most of what it has not been told of and lacks. Is there more?
    fn tell_most(&mut self, ours: &ChunkMap) -> bool {
        let mut most: Option<(u64, ChunkRange)> = None;
        let (mut last, mut lacks) = (None, 0);
        for run in self.unannounced.runs() {
            let Some(interval) = ours.run_around(run.start()) else {
                continue;
            };
            if last.replace(interval) != Some(interval) {
                lacks = 0;
            }
            lacks += run.count();
            if most.is_none_or(|(least, _)| lacks > least) {
                most = Some((lacks, interval));
            }
        }
        if let Some((_, interval)) = most {
            self.queue(&Message::Have(interval));
            self.needs_no_have(interval);
        }
        !self.unannounced.is_empty()
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
        if self.tells_few() {
            return self.announce_live(chunk, now);
        }
        let live = self.metadata.live_key().is_some();
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

    /// Are live chunks told to few at once? A few neighbours can all be told, each of many chunks in one go.
    fn tells_few(&self) -> bool {
        self.metadata.live_key().is_some() && self.channels.len() > EAGER
    }

    /// A chunk of a live segment is new here.
    fn announce_live(&mut self, chunk: u32, now: Timestamp) {
        let open = || self.channels.values().filter(|channel| channel.is_open());
        let is_first = !open().any(|channel| channel.has.contains(chunk));
        let asked: usize = open().map(|channel| channel.waiting().count()).sum();
        let fanout = match asked {
            _ if is_first => FANOUT_FIRST,
            BUSY.. => 0,
            _ => FANOUT,
        };
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
        for _ in 0..fanout.min(lacking.len()) {
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

    /// Tells one more neighbour of what it lacks, if nothing is asked of this peer.
    pub(super) fn tell_next(&mut self, now: Timestamp) {
        if self.tell_at.is_none_or(|due| due > now) {
            return;
        }
        let asked = self
            .channels
            .values()
            .any(|channel| channel.waiting_since().is_some());
        let backlog: usize = self.channels.values().map(|channel| channel.backlog(now)).sum();
        let mut waiting: Vec<(u64, LinkId)> = self
            .channels
            .values()
            .filter(|channel| channel.is_open() && !channel.unannounced.is_empty())
            .map(|channel| (channel.received_bytes, channel.link))
            .collect();
        self.tell_at = (!waiting.is_empty()).then(|| now + LIVE_PACE);
        if waiting.is_empty() || asked || backlog > self.segments.chunk_size() as usize {
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
            gone.into_iter().for_each(|run| channel.needs_no_have(run));
        }
    }

    /// HAVE for all that is new to this peer, or for most of it.
    fn announce_fresh(&mut self, link: LinkId, now: Timestamp) {
        let few = self.tells_few();
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        channel.last_announced = now;
        if few {
            channel.announce_position = false;
            let more = channel.tell_most(self.store.has());
            channel.announce_at = more.then(|| now + LIVE_LAZY_DELAY);
            return;
        }
        channel.announce_at = None;
        channel.soon = ChunkMap::new();
        channel.soon_at = None;
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
            let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
            if self
                .channels
                .get(link)
                .is_some_and(|channel| is_due(channel.soon_at))
            {
                self.announce_soon(link);
            }
            // What goes out anyway takes a HAVE along: it needs no datagram of its own then.
            let few = self.tells_few();
            let along = |channel: &Channel| few && channel.has_control() && !channel.unannounced.is_empty();
            let channel = self.channels.get(link);
            if channel.is_some_and(|channel| is_due(channel.announce_at) || along(channel)) {
                self.announce_fresh(link, now);
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
