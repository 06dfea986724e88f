//! Ranges being fetched from the origin over HTTP.

use bytes::Bytes;
use core::time::Duration;

use crate::digest::Digests;
use crate::rate::{RateMeter, RoundTrip};
use crate::sorted_map::SortedMap;
use crate::{ChunkMap, ChunkRange, FetchId, Hash, Segments, Timestamp, seconds};

/// How long a fetch takes as far as nothing is known.
pub(crate) const USUAL_FETCH: Duration = Duration::from_millis(700);
/// After so many seconds, what was measured beyond that counts half.
const REMEMBERED: f64 = 30.0;

/// One HTTP request for chunks of one segment.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) segment: u32,
    pub(crate) chunks: ChunkRange,
    /// The next chunk to cut off the body; past the end when all are there.
    next: u32,
    /// The beginning of that chunk.
    partial: Vec<u8>,
    started: Timestamp,
    last_data: Option<Timestamp>,
}

impl Fetch {
    /// How long nothing has come.
    pub(crate) fn silence(&self, now: Timestamp) -> Duration {
        now.since(self.last_data.unwrap_or(self.started).max(self.started))
    }

    /// Time stood still for this process.
    pub(crate) fn forgive(&mut self, pause: Duration) {
        self.started += pause;
        if let Some(last) = &mut self.last_data {
            *last += pause;
        }
    }

    /// The chunks still to come.
    pub(crate) fn rest(&self) -> Option<ChunkRange> {
        ChunkRange::new(self.next, self.chunks.end())
    }
}

/// A chunk cut out of a body, hashed and not verified.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) hash: Hash,
    pub(crate) bytes: Bytes,
}

/// All fetches of a swarm, what they measured, and chunks that wait for their siblings to be verified.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    pub(crate) fetches: SortedMap<FetchId, Fetch>,
    issued: u32,
    meter: RateMeter,
    latency: RoundTrip,
    /// When it was last measured.
    measured: Timestamp,
    unverified: SortedMap<u32, Leaf>,
    waiting: ChunkMap,
    /// Live segments fetched whole before their munro was known: the last chunk of each, and since when.
    bodies: SortedMap<u32, (u32, Timestamp)>,
    /// Did it ignore that a part of a segment was asked for, the last time it was?
    pub(crate) ignores_ranges: bool,
}

impl Origin {
    /// Starts a fetch.
    pub(crate) fn start(&mut self, segment: u32, chunks: ChunkRange, now: Timestamp) -> FetchId {
        let id = FetchId(self.issued);
        self.issued += 1;
        let fetch = Fetch {
            segment,
            chunks,
            next: chunks.start(),
            partial: Vec::new(),
            started: now,
            last_data: None,
        };
        self.fetches.insert(id, fetch);
        id
    }

    /// Takes bytes of a body. Returns the fetch when its last chunk is there; bytes past it are ignored.
    pub(crate) fn receive(
        &mut self,
        segments: &Segments,
        digests: &Digests,
        id: FetchId,
        data: &Bytes,
        wanted: impl Fn(u32) -> bool,
        now: Timestamp,
    ) -> Received {
        let mut received = Received::default();
        let Some(fetch) = self.fetches.get_mut(id) else {
            received.discarded = data.len();
            return received;
        };
        if fetch.last_data.is_none() {
            self.latency.record(now.since(fetch.started));
        }
        let length = digests.length(data);
        self.meter
            .record(length, now.since(fetch.last_data.unwrap_or(fetch.started)));
        fetch.last_data = Some(now);
        self.measured = now;
        let end = segments
            .chunks_of(fetch.segment)
            .map_or(fetch.chunks.end(), |chunks| chunks.end().min(fetch.chunks.end()));
        let mut unverified = Unverified {
            leaves: &mut self.unverified,
            waiting: &mut self.waiting,
            digests,
        };
        let mut rest = &data[..];
        if length != data.len() {
            // A stub stands for a whole chunk.
            received.discarded += unverified.keep(fetch.next, data.clone(), &wanted);
            fetch.next += 1;
            rest = &[];
        }
        while fetch.next <= end {
            let chunk = fetch.next;
            // A last chunk of unknown length ends with the body, or is a full one.
            let length = segments.chunk_length(chunk) as usize;
            let missing = length.saturating_sub(fetch.partial.len());
            let (more, others) = rest.split_at(missing.min(rest.len()));
            rest = others;
            fetch.partial.reserve_exact(missing);
            fetch.partial.extend_from_slice(more);
            if more.len() < missing {
                return received;
            }
            // Meanwhile it may have turned out to be shorter than what was here already.
            let next = fetch.partial.split_off(length);
            let bytes = core::mem::replace(&mut fetch.partial, next).into();
            fetch.next += 1;
            received.discarded += unverified.keep(chunk, bytes, &wanted);
        }
        let segment = fetch.segment;
        self.fetches.remove(id);
        if segments.chunks_of(segment).is_none() {
            self.bodies.insert(segment, (end, now));
        }
        received.complete = true;
        received
    }

    /// The body of a fetch is at its end, as HTTP says it should be. What is left of it is the segment's last chunk,
    /// where its length was not known. `None` when that makes no segment: the body was too short.
    pub(crate) fn end(
        &mut self,
        segments: &Segments,
        digests: &Digests,
        id: FetchId,
        wanted: impl Fn(u32) -> bool,
        now: Timestamp,
    ) -> Option<u32> {
        let fetch = self.fetches.get_mut(id)?;
        let (segment, last) = (fetch.segment, fetch.next);
        let known = segments.chunks_of(segment);
        let open_ended = known.is_none();
        let is_last = known.is_none_or(|chunks| chunks.end() == last);
        let nothing = fetch.partial.is_empty();
        let first = segments.span(segment).start();
        // It may have become known since.
        let other_length = segments
            .exact_length(last)
            .is_some_and(|length| length as usize != fetch.partial.len());
        if !is_last || other_length || (nothing && (!open_ended || last == first)) {
            return None;
        }
        let rest = core::mem::take(&mut fetch.partial).into();
        self.fetches.remove(id);
        let end = if nothing { last - 1 } else { last };
        if !nothing {
            let mut unverified = Unverified {
                leaves: &mut self.unverified,
                waiting: &mut self.waiting,
                digests,
            };
            unverified.keep(last, rest, &wanted);
        }
        if open_ended {
            self.bodies.insert(segment, (end, now));
        }
        Some(segment)
    }

    /// The last chunk of a live segment that is here whole, unverified and as the origin sent it.
    pub(crate) fn body(&self, segment: u32) -> Option<u32> {
        self.bodies.get(segment).map(|(last, _)| *last)
    }

    /// Live segments that are here whole and unverified, and since when.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        self.bodies.iter().map(|(segment, (_, since))| (segment, *since))
    }

    /// A whole unverified segment is no longer waited for.
    pub(crate) fn forget_body(&mut self, segment: u32) {
        self.bodies.remove(segment);
    }

    /// Is a fetch for this segment under way?
    pub(crate) fn is_fetching(&self, segment: u32) -> bool {
        self.fetches.values().any(|fetch| fetch.segment == segment)
    }

    /// Chunks that are here but not verified.
    pub(crate) fn waiting(&self) -> &ChunkMap {
        &self.waiting
    }

    /// The unverified leaves of a segment.
    pub(crate) fn leaves(&self, chunks: ChunkRange) -> Vec<(u32, Hash)> {
        self.unverified
            .from(chunks.start())
            .take_while(|(chunk, _)| *chunk <= chunks.end())
            .map(|(chunk, leaf)| (chunk, leaf.hash))
            .collect()
    }

    /// An unverified chunk.
    pub(crate) fn peek(&self, chunk: u32) -> Option<&Bytes> {
        self.unverified.get(chunk).map(|leaf| &leaf.bytes)
    }

    /// Takes an unverified chunk out, because it was verified, turned out forged, or came from a peer meanwhile.
    pub(crate) fn take(&mut self, chunk: u32) -> Option<Bytes> {
        self.waiting.remove(ChunkRange::one(chunk));
        self.unverified.remove(chunk).map(|leaf| leaf.bytes)
    }

    /// How long a fetch of so many bytes takes, by what was measured; `None` before the first. An origin that was slow
    /// long ago, as in the crowd at the beginning of a stream, may no longer be: the older that is, the less it counts.
    pub(crate) fn estimate(&self, bytes: u64, now: Timestamp) -> Option<Duration> {
        let rate = self.meter.rate()?;
        let measured = self.latency.or(Duration::ZERO) + seconds((bytes as f64 / rate).min(3600.0));
        let Some(more) = measured.checked_sub(USUAL_FETCH) else {
            return Some(measured);
        };
        let counts = REMEMBERED / (REMEMBERED + now.since(self.measured).as_secs_f64());
        Some(USUAL_FETCH + seconds(more.as_secs_f64() * counts))
    }

    /// As if it gave so many bytes a second.
    #[cfg(test)]
    pub(crate) fn measure(&mut self, rate: u32, now: Timestamp) {
        self.meter.record(rate as usize, Duration::from_secs(1));
        self.measured = now;
    }

    /// Bytes per second, measured.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.meter.rate()
    }
}

/// Where chunks wait until they can be verified.
struct Unverified<'a> {
    leaves: &'a mut SortedMap<u32, Leaf>,
    waiting: &'a mut ChunkMap,
    digests: &'a Digests,
}

impl Unverified<'_> {
    /// Keeps a chunk; returns the bytes nobody needs.
    fn keep(&mut self, chunk: u32, bytes: Bytes, wanted: impl Fn(u32) -> bool) -> usize {
        if !wanted(chunk) || self.waiting.contains(chunk) {
            return self.digests.length(&bytes);
        }
        let hash = self.digests.leaf(&bytes);
        self.leaves.insert(chunk, Leaf { hash, bytes });
        self.waiting.insert(ChunkRange::one(chunk));
        0
    }
}

/// What came of a piece of a body.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The fetch is at its end.
    pub(crate) complete: bool,
    /// Bytes nobody needs any more.
    pub(crate) discarded: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment_table::Segment;
    use crate::segments::tests::{live, munro};
    use crate::{SegmentTable, SwarmMetadata};

    #[test]
    fn what_was_measured_just_now_counts_in_full() {
        let table = SegmentTable {
            segments: vec![Segment {
                size: 4000,
                root: Hash::of_chunk(b"x"),
            }],
        };
        let metadata = SwarmMetadata::new(table.swarm_id(), 1000, 2, table).unwrap();
        let segments = Segments::new(&metadata);
        let start = Timestamp(60_000_000);
        let now = start + Duration::from_secs(4);
        let mut origin = Origin::default();
        let id = origin.start(0, ChunkRange::new(0, 3).unwrap(), start);
        let body = Bytes::from(vec![0; 4000]);
        origin.receive(&segments, &crate::digest::none(), id, &body, |_| true, now);
        // Four seconds to the first byte, and as many for so many.
        assert_eq!(origin.estimate(4000, now), Some(Duration::from_secs(8)));
    }

    #[test]
    fn a_body_may_end_when_its_size_has_become_known() {
        // Chunks 44 and 45 of a live segment, of which the last has 400 bytes.
        for (size, good) in [(None, true), (Some(5400), true), (Some(5500), false)] {
            let mut segments = live();
            segments.learn(5, munro(6, 10));
            let now = Timestamp(1_000_000);
            let mut origin = Origin::default();
            let id = origin.start(5, ChunkRange::new(44, 45).unwrap(), now);
            let body = Bytes::from(vec![0; 1400]);
            origin.receive(&segments, &crate::digest::none(), id, &body, |_| true, now);
            if let Some(size) = size {
                segments.set_size(5, size);
            }
            let ended = origin.end(&segments, &crate::digest::none(), id, |_| true, now);
            assert_eq!(ended, good.then_some(5), "{size:?}");
        }
    }

    #[test]
    fn a_slow_origin_is_forgotten_and_a_fast_one_is_not() {
        let start = Timestamp(1_000_000);
        let mut origin = Origin::default();
        assert_eq!(origin.estimate(1000, start), None);
        origin.measure(1000, start);
        let slow = |seconds| {
            origin
                .estimate(4700, start + Duration::from_secs(seconds))
                .unwrap()
        };
        assert_eq!(slow(0), Duration::from_millis(4700));
        assert_eq!(slow(30), Duration::from_millis(2700));
        assert_eq!(slow(90), Duration::from_millis(1700));
        let fast = origin.estimate(500, start + Duration::from_secs(90));
        assert_eq!(fast, Some(Duration::from_millis(500)));
    }
}
