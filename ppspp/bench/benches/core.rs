//! What a viewer's machine spends its time on: `cargo bench --package ppspp-bench`.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use ppspp::datagram::Messages;
use ppspp::hash::SubtreeHasher;
use ppspp::message::{Format, Message};
use ppspp::options::{Addressing, HashFunction, IntegrityMethod, ProtocolOptions};
use ppspp::segment_table::{Segment, segment_bits};
use ppspp::swarm::{Config, Input, Output};
use ppspp::{Bin, ChunkMap, ChunkRange, Hash, LinkId, PeerId, SegmentTable, Swarm, SwarmMetadata, Timestamp};

const CHUNK: u32 = 16 * 1024;
const FORMAT: Format = Format {
    chunk_size: CHUNK,
    signature_length: None,
    addressing: Addressing::ChunkRanges32,
};
const NEIGHBOURS: u32 = 50;
const SEGMENTS: u32 = 10_000;
const SEGMENT: u64 = 16 * CHUNK as u64;

fn decode(criterion: &mut Criterion) {
    let mut datagram = vec![0, 0, 0, 7];
    let hash = Hash::of_chunk(b"uncle");
    (0..4).for_each(|layer| {
        let bin = Bin::new(layer, 1);
        Message::Integrity { bin, hash }.encode(&FORMAT, &mut datagram);
    });
    let bytes = Bytes::from(vec![7; CHUNK as usize]);
    let data = Message::Data {
        chunk: 0,
        timestamp: 1,
        bytes,
    };
    data.encode(&FORMAT, &mut datagram);
    let datagram = Bytes::from(datagram);
    criterion.bench_function("decode a chunk with four hashes", |bencher| {
        bencher.iter(|| Messages::new(black_box(datagram.clone()), FORMAT).count());
    });
}

fn verify(criterion: &mut Criterion) {
    let segment = vec![7; SEGMENT as usize];
    criterion.bench_function("hash a segment of 16 chunks of 16 KiB", |bencher| {
        bencher.iter(|| {
            let mut hasher = SubtreeHasher::new(CHUNK, 4);
            hasher.update(black_box(&segment));
            hasher.finish()
        });
    });
}

fn metadata() -> SwarmMetadata {
    let segments = (0..SEGMENTS).map(|n| Segment {
        size: SEGMENT,
        root: Hash::of_chunk(&n.to_be_bytes()),
    });
    let table = SegmentTable {
        segments: segments.collect(),
    };
    let bits = segment_bits([SEGMENT], CHUNK).expect("sixteen chunks have numbers");
    SwarmMetadata::new(table.swarm_id(), CHUNK, bits, table).expect("the table is its own")
}

/// A viewer with neighbours that have everything, made by hand.
fn viewer(metadata: &SwarmMetadata, now: Timestamp) -> Swarm {
    let mut swarm = Swarm::new(Config::new(PeerId([1; 32]), 1), metadata.clone());
    for n in 0..NEIGHBOURS {
        let (link, mut id) = (LinkId(n + 1), [2; 32]);
        id[..4].copy_from_slice(&n.to_be_bytes());
        let peer = PeerId(id);
        swarm.handle(now, Input::LinkUp { link, peer });
        let options = ProtocolOptions {
            version: Some(1),
            minimum_version: Some(1),
            swarm_id: Some(metadata.swarm_id().bytes().clone()),
            integrity: Some(IntegrityMethod::MerkleHashTree),
            hash_function: Some(HashFunction::Sha256),
            addressing: Some(Addressing::ChunkRanges32),
            chunk_size: Some(CHUNK),
            ..ProtocolOptions::default()
        };
        let mut opening = vec![0; 4];
        Message::Handshake {
            source: n + 1,
            options,
        }
        .encode(&FORMAT, &mut opening);
        swarm.handle(
            now,
            Input::Datagram {
                link,
                data: opening.into(),
            },
        );
        let mut channel = None;
        while let Some(output) = swarm.poll_output() {
            if let Output::Transmit { datagram, .. } = output
                && let Some(Ok(Message::Handshake { source, .. })) = Messages::new(datagram, FORMAT).next()
            {
                channel = Some(source);
            }
        }
        let mut have = channel.expect("it answers").to_be_bytes().to_vec();
        // Every second neighbour has a map of many runs.
        let step = if n % 2 == 0 { SEGMENTS * 16 } else { 640 };
        for start in (0..SEGMENTS * 16).step_by(step as usize) {
            let range = ChunkRange::new(start, start + step - 1 - step / 20).expect("in order");
            Message::Have(range).encode(&FORMAT, &mut have);
        }
        swarm.handle(
            now,
            Input::Datagram {
                link,
                data: have.into(),
            },
        );
    }
    swarm
}

fn pick(criterion: &mut Criterion) {
    let metadata = metadata();
    let now = Timestamp(1_700_000_000_000_000);
    criterion.bench_function("pick with 50 neighbours and 10,000 segments", |bencher| {
        bencher.iter_batched(
            || viewer(&metadata, now),
            |mut swarm| {
                for segment in 5000..5012 {
                    let deadline = now + Duration::from_secs(u64::from(segment - 4990));
                    swarm.handle(now, Input::Demand { segment, deadline });
                }
                swarm
            },
            criterion::BatchSize::LargeInput,
        );
    });
}

fn coalesce(criterion: &mut Criterion) {
    let mut chunks: Vec<u32> = (0..10_000).collect();
    ppspp::random::shuffle(&mut fastrand::Rng::with_seed(1), &mut chunks);
    criterion.bench_function("coalesce 10,000 chunks in random order", |bencher| {
        bencher.iter(|| {
            let mut map = ChunkMap::new();
            for &chunk in &chunks {
                map.insert(ChunkRange::one(chunk));
            }
            map.runs().len()
        });
    });
}

criterion_group!(benches, decode, verify, pick, coalesce);
criterion_main!(benches);
