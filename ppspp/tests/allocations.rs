//! What datagrams cost in allocations: reading one costs none, and a chunk's whole way little beside its buffer.

mod harness;

use std::collections::VecDeque;
use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use harness::{CHUNK, RANGES, content, metadata};
use ppspp::datagram::Messages;
use ppspp::message::Message;
use ppspp::swarm::{Config, Input, Output};
use ppspp::{Bin, ChunkRange, Hash, LinkId, PeerId, Swarm, Timestamp};

const SEGMENTS: usize = 40;
const SEGMENT_BYTES: usize = 40 * CHUNK as usize;
const LINK: LinkId = LinkId(1);
const ROOM: usize = 256 * 1024;

fn encode(messages: &[Message]) -> Bytes {
    let mut datagram = 7u32.to_be_bytes().to_vec();
    messages
        .iter()
        .for_each(|message| message.encode(&RANGES, &mut datagram));
    datagram.into()
}

#[test]
fn decoding_allocates_nothing() {
    let range = |n: u32| ChunkRange::new(n, n + 9).unwrap();
    let messages: Vec<Message> = (0..50)
        .flat_map(|n| {
            [
                Message::Have(range(n)),
                Message::Request(range(n)),
                Message::Cancel(range(n)),
                Message::Integrity {
                    bin: Bin::leaf(n),
                    hash: Hash::of_chunk(b"chunk"),
                },
                Message::Unchoke,
            ]
        })
        .chain([Message::Data {
            chunk: 3,
            timestamp: 0,
            bytes: Bytes::from(vec![1; CHUNK as usize]),
        }])
        .collect();
    // DATA keeps a part of the buffer, for which it is counted from the first clone on.
    let datagram = encode(&messages);
    let _counted = datagram.clone();
    let mut count = 0;
    let info = measure(|| {
        count = Messages::new(datagram, RANGES)
            .map(Result::unwrap)
            .map(std::hint::black_box)
            .count();
    });
    assert_eq!((count, info.count_total), (messages.len(), 0));
}

/// One end of a connection whose other end is the other `Side`.
struct Side {
    swarm: Swarm,
    inbox: VecDeque<Bytes>,
    /// Allocations made while something was handled.
    allocations: u64,
    /// Datagrams with a chunk that were handled without one.
    free_chunks: u64,
}

impl Side {
    fn new(number: u8, content: &[Vec<u8>]) -> Self {
        let config = Config::new(PeerId([number; 32]), u64::from(number));
        Self {
            swarm: Swarm::new(config, metadata(content)),
            inbox: VecDeque::new(),
            allocations: 0,
            free_chunks: 0,
        }
    }

    /// Handles an input and gives what it sent, and what it wants of the origin.
    fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let is_chunk = matches!(&input, Input::Datagram { data, .. } if data.len() > CHUNK as usize);
        let mut outputs = Vec::with_capacity(1024);
        let info = measure(|| {
            self.swarm.handle(now, input);
            outputs.extend(std::iter::from_fn(|| self.swarm.poll_output()));
        });
        self.allocations += info.count_total;
        self.free_chunks += u64::from(is_chunk && info.count_total == 0);
        outputs
    }

    fn fetch_all(&mut self, now: Timestamp, content: &[Vec<u8>]) {
        for (segment, bytes) in (0..).zip(content) {
            for output in self.handle(
                now,
                Input::Demand {
                    segment,
                    deadline: now,
                },
            ) {
                if let Output::FetchOrigin {
                    fetch, bytes: range, ..
                } = output
                {
                    let end = (range.end as usize).min(bytes.len());
                    let data = Bytes::copy_from_slice(&bytes[range.start as usize..end]);
                    self.handle(now, Input::OriginData { fetch, data });
                    self.handle(
                        now,
                        Input::OriginEnd {
                            fetch,
                            range_ignored: None,
                        },
                    );
                }
            }
        }
        let chunks = content
            .iter()
            .map(|segment| segment.len().div_ceil(CHUNK as usize))
            .sum::<usize>();
        assert_eq!(self.swarm.has().count(), chunks as u64);
    }
}

#[test]
fn a_chunk_costs_its_sender_a_buffer_and_its_receiver_next_to_nothing() {
    let content: Vec<Vec<u8>> = content(SEGMENTS, SEGMENT_BYTES)
        .into_iter()
        .map(|mut segment| {
            segment.truncate(SEGMENT_BYTES);
            segment
        })
        .collect();
    let mut now = Timestamp(1_700_000_000_000_000);
    let mut sides = [Side::new(1, &content), Side::new(2, &content)];
    sides[0].fetch_all(now, &content);
    let chunks = sides[0].swarm.has().count();

    let step = |sides: &mut [Side; 2], who: usize, now, input| {
        for output in sides[who].handle(now, input) {
            if let Output::Transmit { datagram, .. } = output {
                sides[1 - who].inbox.push_back(datagram);
            }
        }
    };
    for who in 0..2 {
        let peer = PeerId([2 - who as u8; 32]);
        step(&mut sides, who, now, Input::LinkUp { link: LINK, peer });
        step(
            &mut sides,
            who,
            now,
            Input::Writable {
                link: LINK,
                free: ROOM,
            },
        );
    }
    for segment in 0..SEGMENTS as u32 {
        let deadline = now + Duration::from_secs(60 + u64::from(segment));
        step(&mut sides, 1, now, Input::Demand { segment, deadline });
    }
    sides.iter_mut().for_each(|side| side.allocations = 0);
    while sides[1].swarm.has().count() < chunks {
        now += Duration::from_millis(1);
        for who in 0..2 {
            while let Some(data) = sides[who].inbox.pop_front() {
                step(&mut sides, who, now, Input::Datagram { link: LINK, data });
            }
            step(
                &mut sides,
                who,
                now,
                Input::Writable {
                    link: LINK,
                    free: ROOM,
                },
            );
            step(&mut sides, who, now, Input::Timeout);
        }
        assert!(
            now.0 < 1_700_000_030_000_000,
            "{} of {chunks} chunks",
            sides[1].swarm.has().count()
        );
    }
    let per_chunk = |side: &Side| side.allocations as f64 / chunks as f64;
    // The datagram, and the count of who holds it.
    assert!(per_chunk(&sides[0]) < 2.2, "sender: {}", per_chunk(&sides[0]));
    // The chunk stays in the datagram it came in. Now and then there is a segment's tree to make, or there are requests,
    // because there is room for more.
    let free = sides[1].free_chunks as f64 / chunks as f64;
    assert!(free > 0.75, "{free} of the chunks cost the receiver nothing");
    assert!(per_chunk(&sides[1]) < 1.0, "receiver: {}", per_chunk(&sides[1]));
}
