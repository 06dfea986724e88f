//! Sequences of operations on two connected swarms, static or live: datagrams are delivered late, twice, changed or not
//! at all, the origin delivers in pieces or fails, signatures turn out good or bad, time jumps. Whatever happens, a
//! chunk that is held is the content's, nothing loops, and the outputs of one input are bounded.
#![no_main]

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ppspp::hash::SubtreeHasher;
use ppspp::live::{LiveKey, NtpTime, SignatureAlgorithm, chunk_signing_input, signing_input};
use ppspp::options::{Addressing, IntegrityMethod};
use ppspp::proof::{ProofSignature, SegmentProof};
use ppspp::segment_table::{Segment, segment_bits};
use ppspp::swarm::{Config, Event, Input, Member, Output};
use ppspp::{CheckId, FetchId, Hash, LinkId, Live, PeerId, SegmentTable, Swarm, SwarmMetadata, Timestamp};

const CHUNK: u32 = 100;
const SEGMENTS: u32 = 4;
const START: Timestamp = Timestamp(1_700_000_000_000_000);
/// More outputs of one input than anything honest makes.
const MOST_OUTPUTS: usize = 4096;

static CONTENT: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    (0..SEGMENTS)
        .map(|segment| {
            (0..450 + 77 * segment)
                .map(|at| (at * 7 + segment * 13 + (at >> 8)) as u8)
                .collect()
        })
        .collect()
});

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Kind {
    Static,
    Unified,
    SignAll,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Demand {
        who: bool,
        segment: u8,
        within: u8,
    },
    Withdraw {
        who: bool,
        segment: u8,
    },
    /// The oldest datagram on its way.
    Deliver {
        to: bool,
        change: Option<(u8, u8)>,
        twice: bool,
    },
    Lose {
        to: bool,
    },
    /// Something made up.
    Noise {
        to: bool,
        bytes: Vec<u8>,
    },
    Wait {
        tenths: u8,
    },
    Writable {
        who: bool,
        kilobytes: u8,
    },
    Origin {
        who: bool,
        pieces: u8,
        corrupt: bool,
    },
    OriginEnds {
        who: bool,
        well: bool,
        range_ignored: Option<bool>,
    },
    Proof {
        who: bool,
        there: bool,
    },
    Check {
        who: bool,
        honestly: bool,
    },
    Upload {
        who: bool,
        on: bool,
    },
    Evict {
        who: bool,
        bytes: u16,
    },
    Reconnect,
    Certificate {
        who: bool,
    },
    FindPeers {
        who: bool,
    },
    Members {
        who: bool,
        count: u16,
    },
}

struct Node {
    swarm: Swarm,
    inbox: VecDeque<Bytes>,
    fetches: VecDeque<(FetchId, u32, u64, u64)>,
    proofs: VecDeque<u32>,
    checks: VecDeque<(CheckId, bool)>,
    certificates: VecDeque<(CheckId, Bytes)>,
    link: LinkId,
}

struct World {
    kind: Kind,
    now: Timestamp,
    nodes: [Node; 2],
    links: u32,
}

fn sign(message: &[u8]) -> [u8; 64] {
    let half = Hash::of_chunk(message);
    core::array::from_fn(|at| half.as_bytes()[at % 32])
}

fn bits() -> u8 {
    segment_bits(CONTENT.iter().map(|segment| segment.len() as u64), CHUNK).expect("small")
}

fn hashed(segment: u32, bits: u8) -> (u64, Hash) {
    let mut hasher = SubtreeHasher::new(CHUNK, bits);
    hasher.update(&CONTENT[segment as usize]);
    hasher.finish()
}

fn metadata(kind: Kind) -> SwarmMetadata {
    let bits = bits();
    let integrity = match kind {
        Kind::Static => {
            let segments = (0..SEGMENTS)
                .map(|segment| {
                    let (size, root) = hashed(segment, bits);
                    Segment { size, root }
                })
                .collect();
            let table = SegmentTable { segments };
            return SwarmMetadata::new(table.swarm_id(), CHUNK, bits, table).expect("fits");
        }
        Kind::Unified => IntegrityMethod::UnifiedMerkleTree,
        Kind::SignAll => IntegrityMethod::SignAll,
    };
    let key = LiveKey::new(SignatureAlgorithm::Ed25519, &[7; 32]).expect("32 bytes");
    let live = Live {
        integrity,
        discard_window: 3,
        segment_duration: Duration::from_secs(2),
    };
    SwarmMetadata::live(key, CHUNK, bits, live).expect("fits")
}

fn proof(kind: Kind, segment: u32) -> Bytes {
    let bits = bits();
    let (size, root) = hashed(segment, bits);
    let time = NtpTime::from_unix(START);
    let mut proof = SegmentProof {
        integrity: IntegrityMethod::UnifiedMerkleTree,
        segment_bits: bits,
        segment,
        size,
        root,
        signatures: Vec::new(),
        leaves: Vec::new(),
    };
    let range = proof.munro().range();
    if !matches!(kind, Kind::SignAll) {
        let chunks = CONTENT[segment as usize].chunks(CHUNK as usize);
        proof.leaves = chunks.map(Hash::of_chunk).collect();
    }
    proof.signatures = if matches!(kind, Kind::SignAll) {
        proof.integrity = IntegrityMethod::SignAll;
        let chunks = CONTENT[segment as usize].chunks(CHUNK as usize);
        (range.start()..)
            .zip(chunks)
            .map(|(chunk, bytes)| ProofSignature {
                time,
                signature: sign(&chunk_signing_input(chunk, time, bytes)),
            })
            .collect()
    } else {
        vec![ProofSignature {
            time,
            signature: sign(&signing_input(range, time, &root)),
        }]
    };
    proof.encode().into()
}

impl World {
    fn new(kind: Kind, bins: bool) -> Self {
        let node = |number: u8| {
            let mut config = Config::new(PeerId([number; 32]), u64::from(number));
            if bins && number == 1 {
                config.addressing = Addressing::Bins32;
            }
            Node {
                swarm: Swarm::new(config, metadata(kind)),
                inbox: VecDeque::new(),
                fetches: VecDeque::new(),
                proofs: VecDeque::new(),
                checks: VecDeque::new(),
                certificates: VecDeque::new(),
                link: LinkId(0),
            }
        };
        Self {
            kind,
            now: START,
            nodes: [node(1), node(2)],
            links: 0,
        }
    }

    fn connect(&mut self) {
        self.links += 1;
        for who in 0..2 {
            self.nodes[who].inbox.clear();
            let old = self.nodes[who].link;
            self.input(who, Input::LinkDown { link: old });
            let link = LinkId(self.links);
            self.nodes[who].link = link;
            let peer = PeerId([2 - who as u8; 32]);
            self.input(who, Input::LinkUp { link, peer });
            self.input(who, Input::Writable { link, free: 1 << 16 });
        }
    }

    fn input(&mut self, who: usize, input: Input) {
        let now = self.now;
        self.nodes[who].swarm.handle(now, input);
        let mut outputs = 0;
        while let Some(output) = self.nodes[who].swarm.poll_output() {
            outputs += 1;
            assert!(outputs < MOST_OUTPUTS, "one input, {outputs} outputs");
            self.output(who, output);
        }
        // Waking it when it asks to be woken gets it on: no busy loop.
        let mut wakes = 0;
        while self.nodes[who].swarm.poll_timeout().is_some_and(|due| due <= now) {
            wakes += 1;
            assert!(wakes < 100, "wants to be woken at once, for ever");
            self.nodes[who].swarm.handle(now, Input::Timeout);
            while let Some(output) = self.nodes[who].swarm.poll_output() {
                self.output(who, output);
            }
        }
    }

    fn output(&mut self, who: usize, output: Output) {
        match output {
            Output::Transmit { link, datagram, .. } => {
                let there = &mut self.nodes[1 - who];
                if link == there.link && there.inbox.len() < 64 {
                    there.inbox.push_back(datagram);
                }
            }
            Output::FetchOrigin {
                fetch,
                segment,
                bytes,
            } => {
                let size = CONTENT[segment as usize % CONTENT.len()].len() as u64;
                let end = bytes.end.min(size);
                assert!(bytes.start < bytes.end);
                self.nodes[who]
                    .fetches
                    .push_back((fetch, segment, bytes.start, end));
            }
            Output::CancelOrigin { fetch } => self.nodes[who].fetches.retain(|(other, ..)| *other != fetch),
            Output::FetchProof { segment } => self.nodes[who].proofs.push_back(segment),
            Output::CheckSignature {
                check,
                message,
                signature,
            } => self.nodes[who]
                .checks
                .push_back((check, sign(&message) == signature)),
            Output::CheckCertificate { check, certificate } => {
                self.nodes[who].certificates.push_back((check, certificate));
            }
            Output::Event(Event::Unproven { segment, chunks }) => {
                let _ = (segment, chunks);
            }
            Output::Disconnect { .. } | Output::Candidate { .. } | Output::Event(_) => {}
        }
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Demand { who, segment, within } => {
                let deadline = self.now + Duration::from_millis(100 * u64::from(within));
                let segment = u32::from(segment) % SEGMENTS;
                self.input(who.into(), Input::Demand { segment, deadline });
            }
            Operation::Withdraw { who, segment } => {
                let segment = u32::from(segment) % SEGMENTS;
                self.input(who.into(), Input::Withdraw { segment });
            }
            Operation::Deliver { to, change, twice } => {
                let to = usize::from(to);
                let Some(data) = self.nodes[to].inbox.pop_front() else {
                    return;
                };
                let data = match change {
                    Some((at, byte)) if !data.is_empty() => {
                        let mut changed = data.to_vec();
                        let at = usize::from(at) % changed.len();
                        changed[at] ^= byte;
                        changed.into()
                    }
                    _ => data,
                };
                let link = self.nodes[to].link;
                for _ in 0..=u8::from(twice) {
                    let data = data.clone();
                    self.input(to, Input::Datagram { link, data });
                }
            }
            Operation::Lose { to } => drop(self.nodes[usize::from(to)].inbox.pop_front()),
            Operation::Noise { to, bytes } => {
                let to = usize::from(to);
                let link = self.nodes[to].link;
                self.input(
                    to,
                    Input::Datagram {
                        link,
                        data: bytes.into(),
                    },
                );
            }
            Operation::Wait { tenths } => {
                self.now += Duration::from_millis(100 * u64::from(tenths));
                for who in 0..2 {
                    self.input(who, Input::Timeout);
                }
            }
            Operation::Writable { who, kilobytes } => {
                let who = usize::from(who);
                let link = self.nodes[who].link;
                let free = 1024 * usize::from(kilobytes);
                self.input(who, Input::Writable { link, free });
            }
            Operation::Origin { who, pieces, corrupt } => {
                let who = usize::from(who);
                let Some((fetch, segment, start, end)) = self.nodes[who].fetches.front_mut() else {
                    return;
                };
                let upto = (*start + 1 + u64::from(pieces)).min(*end);
                if *start >= upto {
                    return;
                }
                let body = &CONTENT[*segment as usize % CONTENT.len()];
                let mut data = body[*start as usize..upto as usize].to_vec();
                if corrupt {
                    data[0] ^= 1;
                }
                *start = upto;
                let (fetch, data) = (*fetch, data.into());
                self.input(who, Input::OriginData { fetch, data });
            }
            Operation::OriginEnds { who, well, range_ignored } => {
                let who = usize::from(who);
                let Some((fetch, _, start, end)) = self.nodes[who].fetches.pop_front() else {
                    return;
                };
                let input = if well && start == end {
                    Input::OriginEnd { fetch, range_ignored }
                } else {
                    Input::OriginFailed { fetch }
                };
                self.input(who, input);
            }
            Operation::Proof { who, there } => {
                let who = usize::from(who);
                let Some(segment) = self.nodes[who].proofs.pop_front() else {
                    return;
                };
                let proof = (there && segment < SEGMENTS).then(|| proof(self.kind, segment));
                self.input(who, Input::Proof { segment, proof });
            }
            Operation::Check { who, honestly } => {
                let who = usize::from(who);
                if let Some((check, valid)) = self.nodes[who].checks.pop_front() {
                    // A check may also fail for want of WebCrypto; it never succeeds wrongly.
                    let valid = valid && honestly;
                    self.input(who, Input::SignatureChecked { check, valid });
                }
                if let Some((check, certificate)) = self.nodes[who].certificates.pop_front() {
                    let member = certificate.first().map(|number| Member {
                        peer: PeerId([*number; 32]),
                        expires: self.now + Duration::from_secs(60),
                    });
                    let member = member.filter(|_| honestly);
                    self.input(who, Input::CertificateChecked { check, member });
                }
            }
            Operation::Upload { who, on } => self.input(who.into(), Input::Upload(on)),
            Operation::Evict { who, bytes } => {
                self.nodes[usize::from(who)].swarm.evict(bytes.into());
            }
            Operation::Reconnect => self.connect(),
            Operation::Certificate { who } => {
                let who = usize::from(who);
                let certificate = Bytes::from(vec![1 + who as u8; 40]);
                let expires = self.now + Duration::from_secs(60);
                self.input(who, Input::Certificate { certificate, expires });
            }
            Operation::FindPeers { who } => self.input(who.into(), Input::FindPeers),
            Operation::Members { who, count } => self.input(who.into(), Input::SwarmSize(count.into())),
        }
    }

    fn check(&self) {
        for node in &self.nodes {
            let mut held = 0;
            for segment in 0..SEGMENTS {
                if let Some(chunks) = node.swarm.read_segment(segment) {
                    assert_eq!(chunks.concat(), CONTENT[segment as usize], "segment {segment}");
                }
            }
            for run in node.swarm.has().runs() {
                for chunk in run.chunks() {
                    let segments = node.swarm.segments();
                    assert!(segments.exists(chunk), "chunk {chunk} does not exist");
                    held += segments.chunk_length(chunk) as usize;
                }
            }
            assert!(
                node.swarm.stored_bytes() <= held,
                "{} > {held}",
                node.swarm.stored_bytes()
            );
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let Ok((kind, bins)) = input.arbitrary::<(Kind, bool)>() else {
        return;
    };
    let mut world = World::new(kind, bins);
    world.connect();
    let mut steps = 0;
    while let Ok(operation) = input.arbitrary::<Operation>() {
        steps += 1;
        if input.is_empty() || steps > 400 {
            break;
        }
        world.run(operation);
    }
    world.check();
});
