//! Giving chunks to peers.

use bytes::Bytes;

use super::{Event, Lane, Output, Swarm};
use crate::message::{Format, Message, encode_data, encode_integrity, encode_signed};
use crate::{Bin, ChunkRange, Hash, LinkId, Timestamp};

/// Most bytes of a datagram with DATA beside the chunk: channel ID, header, a signed munro, and up to 64 hashes.
const MESSAGE_OVERHEAD: usize = 4 + 17 + 81 + 64 * 41;

/// Of what a neighbour asked for, so much is looked at for every chunk that is sent: more than an honest one has waiting,
/// and a hostile one makes it cost no more.
const LOOKED_AT: usize = 32;

/// A chunk that no more neighbours than this have is rare.
const RARE: usize = 2;

impl Swarm {
    pub(super) fn requested(&mut self, link: LinkId, range: ChunkRange, now: Timestamp) {
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        channel.last_asked = Some(now);
        if channel.choking {
            channel.queue(&Message::Choke);
            return;
        }
        self.store
            .has()
            .present_in(range)
            .for_each(|run| channel.enqueue_upload(run, now));
        self.serve(link, now);
    }

    /// Live, one chunk after the other: what waits here can still be cancelled, and the most useful has its turn soon.
    pub(super) fn serve_next(&mut self, now: Timestamp) {
        loop {
            let backlog: usize = self.channels.values().map(|channel| channel.backlog(now)).sum();
            if backlog > self.segments.chunk_size() as usize / 2 {
                return;
            }
            let Some((link, at)) = self.next_in_turn(now) else {
                return;
            };
            if let Some(channel) = self.channels.get_mut(link) {
                channel.bring_forward(at);
            }
            if !self.serve_one(link, now) {
                return;
            }
        }
    }

    /// Whose request is served next, and its place among those of that neighbour.
    ///
    /// Chunks that hardly any neighbour has go first: they make a segment spread. Among those, and then among the others, it
    /// counts what a neighbour gave, how long it has been waiting, and how old the segment is: the older, the sooner it
    /// is played. Who gives nothing comes after everybody who gives, but for a rare chunk; so nobody needs to be choked.
    ///
    /// A rare chunk that goes to somebody who gives nothing does not spread, but leaving those out saves no copy: where a
    /// fifth of 1,000 viewers gave nothing, the origin sent 59 of a segment instead of 57.
    fn next_in_turn(&self, now: Timestamp) -> Option<(LinkId, usize)> {
        let given = self.channels.values().map(|channel| channel.gave_rate(0.0, now));
        let usual = given.sum::<f64>() / self.channels.len().max(1) as f64;
        let newest = self.segments.newest().map_or(0, |(newest, _)| newest);
        let is_rare = |chunk| {
            let holders = self.channels.values();
            holders
                .filter(|channel| channel.has.contains(chunk))
                .nth(RARE)
                .is_none()
        };
        let mut best: Option<((bool, f64), LinkId, usize)> = None;
        for channel in self.channels.values().filter(|channel| channel.is_open()) {
            let gave = channel.gave_rate(usual, now);
            for (at, (chunk, since)) in channel.waiting().enumerate().take(LOOKED_AT) {
                let waited = now.since(since).as_secs_f64();
                let behind = f64::from(newest.saturating_sub(self.segments.segment_of(chunk)));
                let score = (1.0 + gave) * (1.0 + waited * waited) * (1.0 + 2.0 * behind * behind);
                let turn = (is_rare(chunk), score);
                if best.is_none_or(|(first, ..)| turn > first) {
                    best = Some((turn, channel.link, at));
                }
            }
        }
        best.map(|(_, link, at)| (link, at))
    }

    /// Sends what is asked for while there is room: chunks are chosen only then, so that CANCEL works. Live, neighbours
    /// have their turns when all that came has been read ([`Self::serve_next`]).
    pub(super) fn serve(&mut self, link: LinkId, now: Timestamp) {
        if self.metadata.live_key().is_some() {
            return;
        }
        while self
            .channels
            .get(link)
            .is_some_and(|channel| channel.waiting_since().is_some())
            && self.serve_one(link, now)
        {}
    }

    fn serve_one(&mut self, link: LinkId, now: Timestamp) -> bool {
        // Never more than there is room for: a full data channel loses what it is given.
        let longest = self.segments.chunk_size() as usize + MESSAGE_OVERHEAD;
        let Some(channel) = self.channels.get_mut(link) else {
            return false;
        };
        if !channel.is_open() || !channel.may_queue(longest) {
            return false;
        }
        let Some(chunk) = channel.next_upload() else {
            return true;
        };
        let Some((datagram, length, stub)) = self.chunk_datagram(link, chunk, now) else {
            return true;
        };
        if let Some(channel) = self.channels.get_mut(link) {
            channel.free = channel
                .free
                .saturating_sub(datagram.len() + length as usize - stub);
            channel.note_sent(now);
            channel.last_chunk_sent = now;
            channel.sent_bytes += u64::from(length);
            channel.recently_sent += u64::from(length);
        }
        self.store.touch(self.segments.segment_of(chunk), now);
        self.outputs.push_back(Output::Transmit {
            link,
            lane: Lane::Bulk,
            datagram,
        });
        self.event(Event::Uploaded { link, bytes: length });
        true
    }

    /// A chunk with what its receiver needs to verify it, the chunk's length, and how much of that is in the datagram
    /// (all, outside simulations); `None` when it is not here, or cannot be proven.
    fn chunk_datagram(&self, link: LinkId, chunk: u32, now: Timestamp) -> Option<(Bytes, u32, usize)> {
        let channel = self.channels.get(link)?;
        let bytes = self.store.get(chunk)?;
        let segment = self.segments.segment_of(chunk);
        let format = &channel.format;
        let mut datagram = Vec::with_capacity(bytes.len() + 1024);
        datagram.extend(channel.remote?.to_be_bytes());
        if self.is_sign_all() {
            let (time, signature) = self.live.chunk_signatures.get(chunk)?;
            encode_signed(&mut datagram, format, Bin::leaf(chunk), time.0, signature);
        } else {
            // Peaks come before the first chunk (RFC 7574 §5.6); a peer that has the metadata knows them.
            if channel.has.is_empty() {
                for (bin, hash) in self.tree.peaks(&self.segments) {
                    encode_integrity(&mut datagram, format, bin, &hash);
                }
            }
            let span = self.segments.span(segment);
            if channel.has.present_in(span).next().is_none()
                && !self.encode_munro(segment, format, &mut datagram)
            {
                return None;
            }
            let send = |bin, hash: Hash| encode_integrity(&mut datagram, format, bin, &hash);
            self.tree.uncles(&self.segments, chunk, &channel.has, send);
        }
        encode_data(&mut datagram, format, chunk, now.0, bytes);
        Some((datagram.into(), self.digests.length(bytes) as u32, bytes.len()))
    }

    /// A live segment's root with its signature, and what shows its extent. Static content needs nothing; `false`
    /// when this peer cannot prove the segment.
    pub(super) fn encode_munro(&self, segment: u32, format: &Format, datagram: &mut Vec<u8>) -> bool {
        let Some(munro) = self.segments.munro(segment) else {
            return true;
        };
        let Some(extent) = self.tree.extent(&self.segments, segment) else {
            return false;
        };
        let bin = Bin::new(self.segments.bits(), u64::from(segment));
        encode_integrity(datagram, format, bin, &munro.root);
        for (bin, hash) in extent.iter().filter(|(other, _)| *other != bin) {
            encode_integrity(datagram, format, *bin, hash);
        }
        encode_signed(datagram, format, bin, munro.time.0, &munro.signature);
        true
    }

    pub(super) fn set_upload(&mut self, upload: bool, now: Timestamp) {
        if self.upload == upload {
            return;
        }
        self.upload = upload;
        let links: Vec<LinkId> = self.channels.keys().collect();
        for link in links {
            self.choke(link, !upload);
            if upload {
                self.announce_all(link);
            }
        }
        self.check_at = now;
    }

    /// Stops serving a peer, or takes it up again.
    fn choke(&mut self, link: LinkId, choking: bool) {
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        if !channel.is_open() || channel.choking == choking {
            return;
        }
        channel.choking = choking;
        channel.clear_uploads();
        channel.queue(if choking {
            &Message::Choke
        } else {
            &Message::Unchoke
        });
    }

    /// Looks, when it is time, at who is served. Live, everybody is, in turn.
    pub(super) fn rechoke(&mut self, now: Timestamp) {
        if !self.upload || self.metadata.live_key().is_some() {
            return;
        }
        let served = self.choker.serve(now, &mut self.channels, &mut self.rng);
        let Some(served) = served else { return };
        let links: Vec<LinkId> = self.channels.keys().collect();
        for link in links {
            self.choke(link, !served.contains(&link));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    /// A neighbour that waits for a chunk.
    fn neighbour(swarm: &mut Swarm, gave: u64, has: Option<ChunkRange>, wants: u32, since: Timestamp) {
        fixture::neighbour(swarm, gave, has).enqueue_upload(ChunkRange::one(wants), since);
    }

    const NOW: Timestamp = Timestamp(100_000_000);

    fn ago(seconds: u64) -> Timestamp {
        Timestamp(NOW.0 - seconds * 1_000_000)
    }

    #[test]
    fn who_gave_most_is_served_first_and_the_others_in_time() {
        let mut swarm = fixture::live_swarm();
        let all = ChunkRange::new(0, 5);
        for (gave, waits) in [(100_000, 1), (900_000, 1), (0, 1), (50_000, 12)] {
            neighbour(&mut swarm, gave, all, 7, ago(waits));
        }
        let order: Vec<u32> = core::iter::from_fn(|| {
            let (link, _) = swarm.next_in_turn(NOW)?;
            swarm.channels.get_mut(link)?.clear_uploads();
            Some(link.0)
        })
        .collect();
        assert_eq!(order, [3, 1, 0, 2]);
    }

    #[test]
    fn a_chunk_that_hardly_anybody_has_goes_first() {
        let mut swarm = fixture::live_swarm();
        // Chunk 3 is common, chunk 8 nearly new.
        for _ in 0..4 {
            neighbour(&mut swarm, 900_000, ChunkRange::new(3, 3), 4, ago(9));
        }
        neighbour(&mut swarm, 900_000, ChunkRange::new(4, 8), 3, ago(9));
        for _ in 0..4 {
            neighbour(&mut swarm, 900_000, ChunkRange::new(4, 4), 3, ago(9));
        }
        neighbour(&mut swarm, 1000, None, 3, ago(1));
        let last = LinkId(swarm.channels.len() as u32 - 1);
        swarm
            .channels
            .get_mut(last)
            .unwrap()
            .enqueue_upload(ChunkRange::one(8), ago(0));
        assert_eq!(swarm.next_in_turn(NOW), Some((last, 1)));
    }

    #[test]
    fn of_a_flood_of_requests_only_the_first_count() {
        let mut swarm = fixture::live_swarm();
        let all = ChunkRange::new(0, 5);
        neighbour(&mut swarm, 900_000, all, 7, ago(1));
        neighbour(&mut swarm, 900_000, all, 7, ago(2));
        let flood = swarm.channels.get_mut(LinkId(0)).unwrap();
        (1..LOOKED_AT).for_each(|_| flood.enqueue_upload(ChunkRange::one(7), ago(1)));
        // It would be the first of all.
        flood.enqueue_upload(ChunkRange::one(7), ago(50));
        assert_eq!(swarm.next_in_turn(NOW), Some((LinkId(1), 0)));
    }

    #[test]
    fn nobody_waits_for_nothing() {
        assert_eq!(fixture::live_swarm().next_in_turn(NOW), None);
    }
}
