//! Ranges being fetched from the origin over HTTP.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use core::time::Duration;

use crate::rate::{RateMeter, RoundTrip};
use crate::{ChunkMap, ChunkRange, FetchId, Hash, SwarmMetadata, Timestamp};

/// One HTTP request for chunks of one segment.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) segment: u32,
    pub(crate) chunks: ChunkRange,
    /// The next chunk to cut off the body; past the end when all are there.
    next: u32,
    partial: BytesMut,
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
    pub(crate) fetches: BTreeMap<FetchId, Fetch>,
    issued: u32,
    meter: RateMeter,
    latency: RoundTrip,
    unverified: BTreeMap<u32, Leaf>,
    waiting: ChunkMap,
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
            partial: BytesMut::new(),
            started: now,
            last_data: None,
        };
        self.fetches.insert(id, fetch);
        id
    }

    /// Takes bytes of a body. Returns the fetch when its last chunk is there; bytes past it are ignored.
    pub(crate) fn receive(
        &mut self,
        metadata: &SwarmMetadata,
        id: FetchId,
        data: &[u8],
        wanted: impl Fn(u32) -> bool,
        now: Timestamp,
    ) -> Received {
        let mut received = Received::default();
        let Some(fetch) = self.fetches.get_mut(&id) else {
            received.discarded = data.len();
            return received;
        };
        if fetch.last_data.is_none() {
            self.latency.record(now.since(fetch.started));
        }
        self.meter
            .record(data.len(), now.since(fetch.last_data.unwrap_or(fetch.started)));
        fetch.last_data = Some(now);
        fetch.partial.extend_from_slice(data);
        while let Some(rest) = fetch.rest() {
            let chunk = rest.start();
            let length = metadata.chunk_length(chunk) as usize;
            if fetch.partial.len() < length {
                return received;
            }
            let bytes = fetch.partial.split_to(length).freeze();
            fetch.next += 1;
            if wanted(chunk) && !self.waiting.contains(chunk) {
                self.unverified.insert(
                    chunk,
                    Leaf {
                        hash: Hash::of_chunk(&bytes),
                        bytes,
                    },
                );
                self.waiting.insert(ChunkRange::one(chunk));
            } else {
                received.discarded += length;
            }
        }
        received.complete = true;
        self.fetches.remove(&id);
        received
    }

    /// Chunks that are here but not verified.
    pub(crate) fn waiting(&self) -> &ChunkMap {
        &self.waiting
    }

    /// The unverified leaves of a segment.
    pub(crate) fn leaves(&self, chunks: ChunkRange) -> Vec<(u32, Hash)> {
        self.unverified
            .range(chunks.chunks())
            .map(|(&chunk, leaf)| (chunk, leaf.hash))
            .collect()
    }

    /// Takes an unverified chunk out, because it was verified, turned out forged, or came from a peer meanwhile.
    pub(crate) fn take(&mut self, chunk: u32) -> Option<Bytes> {
        self.waiting.remove(ChunkRange::one(chunk));
        self.unverified.remove(&chunk).map(|leaf| leaf.bytes)
    }

    /// How long a fetch of so many bytes takes, by what was measured; `None` before the first.
    pub(crate) fn estimate(&self, bytes: u64) -> Option<Duration> {
        let rate = self.meter.rate()?;
        Some(self.latency.or(Duration::ZERO) + Duration::from_secs_f64((bytes as f64 / rate).min(3600.0)))
    }

    /// Bytes per second, measured.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.meter.rate()
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
