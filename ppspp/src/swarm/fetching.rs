//! What the player wants, the origin, and carrying out what the picker decides.

use bytes::Bytes;
use core::time::Duration;

use super::{Event, Output, Source, Swarm};
use crate::channel::{Channel, Request};
use crate::hash_tree::Verdict;
use crate::message::Message;
use crate::picker::{Decision, View};
use crate::{ChunkRange, FetchId, Timestamp};

/// An origin fetch that brings nothing for this long is aborted: as long as players wait for a first byte.
const ORIGIN_TIMEOUT: Duration = Duration::from_secs(10);

impl Swarm {
    pub(super) fn demand(&mut self, segment: u32, deadline: Timestamp, now: Timestamp) {
        if !self.segments.is_number(segment) {
            return self.event(Event::SegmentFailed { segment });
        }
        if self.picker.demand(segment, deadline, now) {
            self.undecided = true;
            self.at_once
                .retain(|other| *other != segment && self.picker.wants(*other));
            if deadline <= now {
                self.at_once.push(segment);
            }
        }
        if !self.complete(segment, now) && self.is_sign_all() {
            self.want_proof(segment);
        }
    }

    pub(super) fn withdraw(&mut self, segment: u32) {
        if self.picker.withdraw(segment).is_none() {
            return;
        }
        let fetches: Vec<FetchId> = self
            .origin
            .fetches
            .iter()
            .filter(|(_, fetch)| fetch.segment == segment)
            .map(|(id, _)| id)
            .collect();
        fetches.into_iter().for_each(|fetch| self.cancel_fetch(fetch));
        let chunks = self.segments.span(segment);
        for channel in self.channels.values_mut() {
            let count = channel.requests.len();
            channel.requests.retain(|request| !chunks.contains(request.chunk));
            if channel.requests.len() < count {
                channel.queue(&Message::Cancel(chunks));
            }
        }
        self.origin.forget_body(segment);
        self.undecided = true;
        // Unverified bytes of a segment nobody waits for would stay for ever.
        for (chunk, _) in self.origin.leaves(chunks) {
            if let Some(bytes) = self.origin.take(chunk) {
                self.discarded(&bytes, None);
            }
        }
    }

    pub(super) fn cancel_fetch(&mut self, fetch: FetchId) {
        self.origin.fetches.remove(fetch);
        self.outputs.push_back(Output::CancelOrigin { fetch });
    }

    pub(super) fn origin_timeouts(&mut self, now: Timestamp) {
        let hanging: Vec<FetchId> = self
            .origin
            .fetches
            .iter()
            .filter(|(_, fetch)| fetch.silence(now) > ORIGIN_TIMEOUT)
            .map(|(id, _)| id)
            .collect();
        for fetch in hanging {
            self.outputs.push_back(Output::CancelOrigin { fetch });
            self.origin_failed(fetch, now);
        }
    }

    pub(super) fn origin_data(&mut self, fetch: FetchId, data: &Bytes, now: Timestamp) {
        let Some(segment) = self.origin.fetches.get(fetch).map(|fetch| fetch.segment) else {
            return self.discarded(data, None);
        };
        let has = self.store.has();
        let wanted = |chunk| !has.contains(chunk);
        let received = self
            .origin
            .receive(&self.segments, &self.digests, fetch, data, wanted, now);
        if received.discarded > 0 {
            self.event(Event::Discarded {
                bytes: received.discarded,
                link: None,
            });
        }
        if received.complete {
            self.undecided = true;
            self.verify_origin(segment, now);
        }
    }

    pub(super) fn origin_end(&mut self, fetch: FetchId, range_ignored: Option<bool>, now: Timestamp) {
        if let Some(ignored) = range_ignored {
            self.origin.ignores_ranges = ignored;
        }
        let has = self.store.has();
        let wanted = |chunk| !has.contains(chunk);
        match self.origin.end(&self.segments, &self.digests, fetch, wanted, now) {
            Some(segment) => {
                self.undecided = true;
                self.verify_origin(segment, now);
            }
            None => self.origin_failed(fetch, now),
        }
    }

    /// Verifies what came from the origin, as far as the hashes known allow.
    pub(super) fn verify_origin(&mut self, segment: u32, now: Timestamp) {
        let leaves = self.origin.leaves(self.segments.span(segment));
        if leaves.is_empty() || self.segments.root(segment).is_none() {
            return;
        }
        if self.is_sign_all() {
            return self.check_origin_chunks(segment, &leaves);
        }
        let body = self.origin.body(segment);
        self.origin.forget_body(segment);
        let verdicts = self.tree.verify_leaves(&self.segments, &leaves);
        // A body of another length is another body.
        let other_length = body.is_some_and(|last| {
            self.segments
                .chunks_of(segment)
                .is_some_and(|chunks| chunks.end() != last)
        });
        let forged = verdicts.contains(&Verdict::Forged) || other_length;
        for ((chunk, _), verdict) in leaves.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Verified => {
                    if let Some(bytes) = self.origin.take(chunk) {
                        self.keep(chunk, bytes, Source::Origin, now);
                    }
                }
                Verdict::Forged => {
                    if let Some(bytes) = self.origin.take(chunk) {
                        self.discarded(&bytes, None);
                    }
                }
                Verdict::Incomplete => {}
            }
        }
        if forged {
            self.withdraw(segment);
            self.event(Event::OriginMismatch { segment });
        }
    }

    pub(super) fn origin_failed(&mut self, fetch: FetchId, now: Timestamp) {
        let Some(fetch) = self.origin.fetches.remove(fetch) else {
            return;
        };
        self.undecided = true;
        let segment = fetch.segment;
        let chunks = self
            .segments
            .chunks_of(segment)
            .unwrap_or(ChunkRange::one(self.segments.span(segment).start()));
        // With neighbours that have it, the segment is not lost.
        let elsewhere = self
            .channels
            .values()
            .any(|channel| channel.is_open() && !channel.choked && channel.has.contains_range(chunks));
        if self.picker.origin_failed(segment, now) && !elsewhere {
            self.withdraw(segment);
            self.event(Event::SegmentFailed { segment });
        }
    }

    pub(super) fn schedule(&mut self, now: Timestamp) {
        if self.picker.is_idle() {
            return;
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        self.picker.plan(
            now,
            &View {
                segments: &self.segments,
                has: self.store.has(),
                channels: &self.channels,
                origin: &self.origin,
                me: &self.config.peer_id,
                urgent_window: self.config.urgent_window,
                prospects: self.prospects_until.is_some_and(|until| now < until)
                    || self.channels.values().any(Channel::is_young),
                live: self.metadata.live_settings().map(|live| live.segment_duration),
                checks: &self.checks,
                shown_by_peers: !self.is_sign_all(),
                members: self.members,
                wall: self.wall(now),
            },
            &mut scratch,
        );
        // Chunks asked of one peer in one go become runs: one REQUEST each.
        let mut asked = core::mem::take(&mut self.asked);
        for decision in &scratch.decisions {
            match *decision {
                Decision::Request(link, chunk) => {
                    let bytes = self.segments.chunk_length(chunk);
                    if let Some(channel) = self.channels.get_mut(link) {
                        channel.requests.push(Request {
                            chunk,
                            bytes,
                            sent: now,
                        });
                        asked.push((link, chunk));
                    }
                }
                Decision::Cancel(link, chunk) => {
                    if let Some(channel) = self.channels.get_mut(link) {
                        channel.forget_request(chunk);
                        channel.queue(&Message::Cancel(ChunkRange::one(chunk)));
                    }
                }
                Decision::Fetch(segment, chunks) => {
                    let bytes = self.segments.bytes_of(chunks);
                    let fetch = self.origin.start(segment, chunks, now);
                    self.outputs.push_back(Output::FetchOrigin {
                        fetch,
                        segment,
                        bytes,
                    });
                    self.want_proof(segment);
                }
                Decision::Prove(segment) => self.want_leaves(segment),
            }
        }
        asked.sort_unstable();
        for run in asked.chunk_by(|(a, before), (b, after)| a == b && before + 1 == *after) {
            let (link, first) = run[0];
            if let (Some(channel), Some(range)) = (
                self.channels.get_mut(link),
                ChunkRange::new(first, run[run.len() - 1].1),
            ) {
                channel.queue(&Message::Request(range));
            }
        }
        asked.clear();
        self.asked = asked;
        self.scratch = scratch;
    }
}
