//! What comes from peers: datagrams, their messages, chunks.

use bytes::Bytes;

use super::{Event, Output, Reason, Source, Swarm};
use crate::channel::State;
use crate::datagram::{self, Messages};
use crate::hash_tree::Verdict;
use crate::message::Message;
use crate::{Bin, ChunkRange, Hash, LinkId, Timestamp};

/// DATA without the hashes to verify it may come this often before the sender is left.
const MAX_INCOMPLETE: u32 = 64;
/// Hashes in one datagram at most: the uncles of a chunk, and what shows a live segment's extent, with room to spare.
const MAX_HASHES: usize = 256;
/// Runs of chunks that a peer's availability may have beside one or two for each segment.
const MAX_RUNS: usize = 4096;

impl Swarm {
    pub(super) fn datagram(&mut self, link: LinkId, data: Bytes, now: Timestamp) {
        let Some(destination) = datagram::destination(&data) else {
            return;
        };
        if destination == 0 {
            return self.opened(link, data, now);
        }
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        if channel.local != destination {
            return;
        }
        let mut messages = Messages::new(data, channel.format);
        channel.last_received = now;
        channel.sent_since_received = 0;
        match channel.state {
            State::Opening { .. } => match messages.next() {
                Some(Ok(Message::Handshake { source: 0, .. })) | None => return,
                Some(Ok(first)) => {
                    if !self.answered(link, first, now) {
                        return self.disconnect(link, Reason::Protocol);
                    }
                    self.messages(link, messages, now);
                    return self.note_what_it_had(link);
                }
                Some(Err(_)) => return self.disconnect(link, Reason::Protocol),
            },
            State::Waiting => self.established(link),
            State::Open => {}
        }
        self.messages(link, messages, now);
    }

    /// The messages of one datagram, in order.
    pub(super) fn messages(&mut self, link: LinkId, messages: Messages, now: Timestamp) {
        let mut hashes = core::mem::take(&mut self.hashes);
        hashes.clear();
        self.read(link, messages, &mut hashes, now);
        self.hashes = hashes;
    }

    fn read(&mut self, link: LinkId, messages: Messages, hashes: &mut Vec<(Bin, Hash)>, now: Timestamp) {
        for message in messages {
            let Ok(message) = message else {
                return self.disconnect(link, Reason::Protocol);
            };
            let Some(channel) = self.channels.get_mut(link) else {
                return;
            };
            match message {
                // Closing: the peer left the swarm and may come back by opening a channel.
                Message::Handshake { source: 0, .. } => return self.reopen(link, now),
                Message::Handshake { source, .. } => {
                    if channel.remote != Some(source) {
                        return self.disconnect(link, Reason::Protocol);
                    }
                    self.announce_all(link);
                }
                Message::Have(range) => self.have(link, range, now),
                Message::Integrity { bin, hash } => {
                    if hashes.len() >= MAX_HASHES {
                        return self.disconnect(link, Reason::Protocol);
                    }
                    hashes.push((bin, hash));
                }
                Message::SignedIntegrity { bin, time, signature } => {
                    if !self.signed(link, bin, time, &signature, hashes, now) {
                        return;
                    }
                }
                Message::Data { chunk, bytes, .. } => {
                    if !self.data(link, chunk, bytes, hashes, now) {
                        return;
                    }
                }
                Message::Request(range) => self.requested(link, range, now),
                Message::Cancel(range) => channel.cancel_upload(range),
                Message::Choke => {
                    channel.choked = true;
                    channel.requests.clear();
                    self.undecided = true;
                }
                Message::Unchoke => {
                    channel.choked = false;
                    self.undecided = true;
                }
                Message::PexReq => self.asked_for_peers(link, now),
                Message::PexResCert(certificate) => self.peer_named(link, certificate),
                // Reliable channels need no ACK, and addresses are for private networks (RFC 7574 §8.13).
                Message::Ack { .. } | Message::PexResV4(..) | Message::PexResV6(..) => {}
            }
        }
    }

    fn have(&mut self, link: LinkId, range: ChunkRange, now: Timestamp) {
        let last = self.segments.count().map_or(u32::MAX, |count| {
            self.segments
                .chunks_of(count - 1)
                .map_or(0, |chunks| chunks.end())
        });
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        let Some(range) = ChunkRange::new(range.start(), range.end().min(last)) else {
            return self.disconnect(link, Reason::Protocol);
        };
        channel.has.insert(range);
        if let Some(window) = channel.discard_window
            && let Some(newest) = channel.has.runs().last().map(|run| run.end())
            && let Some(old) = newest.checked_sub(window).and_then(|old| ChunkRange::new(0, old))
        {
            channel.has.remove(old);
        }
        let segment = self.segments.segment_of(range.end());
        channel.position = Some(segment);
        // An honest map has a run for each segment and a few for the ones in work.
        let most = 2 * self.segments.count().unwrap_or(0) as usize + MAX_RUNS;
        if channel.has.runs().len() > most {
            return self.disconnect(link, Reason::Protocol);
        }
        channel.cancel_upload(range);
        if let Some(live) = self.metadata.live_settings() {
            // What it has by now need not be announced to it, but where we are.
            if !channel.announce_position {
                channel.needs_no_have(range);
            }
            let complete = self
                .segments
                .chunks_of(segment)
                .is_some_and(|chunks| self.store.has().contains_range(chunks));
            if !complete {
                self.undecided |= self.picker.foresee(segment, live.segment_duration, now);
            }
        }
        self.undecided |= self.picker.wants_any(
            self.segments.segment_of(range.start()),
            self.segments.segment_of(range.end()),
        );
    }

    /// DATA: verified, it is kept; everything else is thrown away. `false` = the connection is over.
    pub(super) fn data(
        &mut self,
        link: LinkId,
        chunk: u32,
        bytes: Bytes,
        hashes: &[(Bin, Hash)],
        now: Timestamp,
    ) -> bool {
        let length = self.digests.length(&bytes);
        let Some(channel) = self.channels.get_mut(link) else {
            return false;
        };
        let asked = channel.answered(chunk, length, now);
        // Room for the next requests is made use of before there is nothing on its way.
        let chunk_size = self.segments.chunk_size();
        self.undecided |= channel.outstanding() * 4 <= channel.pipeline(chunk_size) * 3;
        let segment = self.segments.segment_of(chunk);
        // A chunk that comes after its request was given up is still good if nobody else has brought it.
        let useful = (asked || self.picker.wants(segment)) && !self.store.has().contains(chunk);
        if !useful {
            self.discarded(&bytes, Some(link));
            return true;
        }
        if self.segments.root(segment).is_none() && self.segments.is_number(segment) {
            return self.unsigned_data(link, chunk, bytes, hashes);
        }
        if !self.segments.exists(chunk) {
            self.discarded(&bytes, Some(link));
            return true;
        }
        if self.is_sign_all() {
            return self.signed_data(link, chunk, bytes, now);
        }
        let verdict = if self.segments.fits(chunk, length) {
            self.tree
                .verify(&self.segments, chunk, self.digests.leaf(&bytes), hashes)
        } else {
            Verdict::Forged
        };
        match verdict {
            Verdict::Verified => {
                self.keep(chunk, bytes, Source::Peer(link), now);
                self.verify_origin(segment, now);
                true
            }
            // Two roots signed for one segment are the publisher's fault, not the sender's.
            Verdict::Forged if !self.has_other_root(segment, hashes) => {
                self.forged(link, chunk, &bytes);
                false
            }
            Verdict::Forged | Verdict::Incomplete => self.incomplete(link, chunk, &bytes),
        }
    }

    /// A chunk or hashes that are not the content's: the sender is banned.
    pub(super) fn forged(&mut self, link: LinkId, chunk: u32, bytes: &Bytes) {
        self.event(Event::BadChunk { link, chunk });
        self.discarded(bytes, Some(link));
        self.disconnect(link, Reason::Forged);
    }

    /// A chunk that cannot be verified: the sender believes that we have hashes which we do not. It cannot serve this
    /// chunk. `false` = the connection is over.
    pub(super) fn incomplete(&mut self, link: LinkId, chunk: u32, bytes: &Bytes) -> bool {
        self.discarded(bytes, Some(link));
        let Some(channel) = self.channels.get_mut(link) else {
            return false;
        };
        channel.has.remove(ChunkRange::one(chunk));
        channel.incomplete += 1;
        self.undecided = true;
        if channel.incomplete > MAX_INCOMPLETE {
            self.disconnect(link, Reason::Protocol);
            return false;
        }
        true
    }

    /// Takes a verified chunk in.
    pub(super) fn keep(&mut self, chunk: u32, bytes: Bytes, source: Source, now: Timestamp) {
        let segment = self.segments.segment_of(chunk);
        let length = self.digests.length(&bytes) as u32;
        if let Some(twice) = self.origin.take(chunk) {
            self.discarded(&twice, None);
        }
        if let Some(chunks) = self.segments.chunks_of(segment)
            && chunk == chunks.end()
        {
            let before = (chunks.count() - 1) * u64::from(self.segments.chunk_size());
            self.segments.set_size(segment, before + u64::from(length));
        }
        self.store.insert(chunk, bytes, length, segment, now);
        for channel in self.channels.values_mut() {
            if channel.forget_request(chunk) {
                channel.queue(&Message::Cancel(ChunkRange::one(chunk)));
            }
        }
        if let Source::Peer(link) = source
            && let Some(channel) = self.channels.get_mut(link)
        {
            channel.received_bytes += u64::from(length);
            channel.recently_received += u64::from(length);
        }
        if let Some(demand) = self.picker.get_mut(segment) {
            let overdue = demand.is_asked_for() && demand.deadline < now;
            self.late_chunks += u64::from(overdue && !self.at_once.contains(&segment));
            match source {
                Source::Peer(link) => {
                    demand.p2p_bytes += u64::from(length);
                    if !demand.sources.contains(&link) {
                        demand.sources.push(link);
                    }
                }
                Source::Origin => demand.http_bytes += u64::from(length),
            }
        }
        self.event(Event::Chunk {
            chunk,
            bytes: length,
            source,
        });
        let complete = self.complete(segment, now);
        self.announce(chunk, complete, now);
    }

    /// Is a segment here whole? If it is wanted, this tells of it.
    pub(super) fn complete(&mut self, segment: u32, now: Timestamp) -> bool {
        let complete = self
            .segments
            .chunks_of(segment)
            .is_some_and(|chunks| self.store.has().contains_range(chunks));
        if complete
            && let Some(demand) = self.picker.withdraw(segment)
            && demand.is_asked_for()
        {
            self.outputs.push_back(Output::Event(Event::Segment {
                segment,
                p2p_bytes: demand.p2p_bytes,
                http_bytes: demand.http_bytes,
                peers: demand.sources,
                elapsed: now.since(demand.since),
            }));
        }
        complete
    }
}
