//! A small deterministic network for whole swarms: links with latency and a shared uplink, an origin, players. Time
//! is virtual; the seed decides everything else.

#![allow(dead_code, missing_docs)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use bytes::Bytes;
use ppspp::datagram::Messages;
use ppspp::hash::SubtreeHasher;
use ppspp::live::{LiveKey, NtpTime, SignatureAlgorithm, chunk_signing_input, signing_input};
use ppspp::message::{Format, Message};
use ppspp::options::{Addressing, IntegrityMethod};
use ppspp::proof::{ProofSignature, SegmentProof};
use ppspp::segment_table::{Segment, segment_bits};
use ppspp::swarm::{Config, Event, Input, Lane, Member, Output, Reason};
use ppspp::{ChunkRange, FetchId, Hash, LinkId, Live, PeerId, SegmentTable, Swarm, SwarmMetadata, Timestamp};

pub const CHUNK: u32 = 8192;

/// How messages look in static swarms.
pub const RANGES: Format = Format {
    chunk_size: CHUNK,
    signature_length: None,
    addressing: Addressing::ChunkRanges32,
};

/// Noise that differs in every segment.
pub fn content(segments: usize, size: usize) -> Vec<Vec<u8>> {
    let mut rng = fastrand::Rng::with_seed(7);
    (0..segments)
        .map(|n| (0..size + n % 3 * 100).map(|_| rng.u8(..)).collect())
        .collect()
}

pub fn metadata(content: &[Vec<u8>]) -> SwarmMetadata {
    let bits = segment_bits(content.iter().map(|segment| segment.len() as u64), CHUNK).unwrap();
    let segments = content
        .iter()
        .map(|bytes| {
            let mut hasher = SubtreeHasher::new(CHUNK, bits);
            hasher.update(bytes);
            let (size, root) = hasher.finish();
            Segment { size, root }
        })
        .collect();
    let table = SegmentTable { segments };
    SwarmMetadata::new(table.swarm_id(), CHUNK, bits, table).unwrap()
}

/// Something that happens later.
#[derive(Debug)]
enum Pending {
    Datagram {
        to: usize,
        link: LinkId,
        lane: Lane,
        data: Bytes,
    },
    Writable {
        to: usize,
        link: LinkId,
        sent: usize,
    },
    OriginData {
        to: usize,
        fetch: FetchId,
        data: Bytes,
    },
    OriginEnd {
        to: usize,
        fetch: FetchId,
    },
    OriginFailed {
        to: usize,
        fetch: FetchId,
    },
    Proof {
        to: usize,
        segment: u32,
    },
    LinkDown {
        to: usize,
        link: LinkId,
    },
    Play {
        who: usize,
    },
    Wake {
        who: usize,
    },
}

struct Scheduled {
    at: Timestamp,
    order: u64,
    what: Pending,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// One end of a link.
pub struct End {
    pub to: usize,
    pub remote: LinkId,
    /// Bytes on their way that count against the window.
    queued: usize,
}

/// A viewer: a swarm, its links, a player that wants `window` segments ahead.
pub struct Node {
    pub id: PeerId,
    pub swarm: Swarm,
    pub links: BTreeMap<LinkId, End>,
    pub uplink: f64,
    uplink_free_at: Timestamp,
    origin_free_at: Timestamp,
    pub events: Vec<(Timestamp, Event)>,
    pub disconnected: Vec<(LinkId, Reason)>,
    pub fetched: u64,
    pub alive: bool,
    /// Our channel IDs, as the others put them in front of their datagrams.
    channels: BTreeMap<LinkId, u32>,
    /// Changes a datagram before it leaves: a liar's hook.
    pub forge: Option<fn(Lane, &Bytes) -> Option<Bytes>>,
    pub origin_works: bool,
    pub origin_hangs: bool,
    playing: bool,
    /// Media seconds, at `speed` of real time.
    pub position: f64,
    pub wanted_to: u32,
    pub window: u32,
    pub stalls: Duration,
    aborted: Vec<FetchId>,
    /// Members named by neighbours: who, through which link.
    pub candidates: Vec<(PeerId, LinkId)>,
    /// Whole live segments the player got unproven.
    pub unproven: Vec<u32>,
    /// Segments whose proofs were asked for.
    pub proofs: Vec<u32>,
    /// What was asked of whom, in swarms that address by ranges.
    pub asked: Vec<(Timestamp, LinkId, ChunkRange)>,
}

/// A stream that is being published: segment n is there from (n + 1) × its length after the start on.
#[derive(Clone, Copy)]
pub struct Broadcast {
    pub start: Timestamp,
    pub integrity: IntegrityMethod,
    /// What the origin has for proofs.
    pub proofs: Proofs,
    /// How long it takes to answer with one.
    pub proof_latency: Duration,
}

/// Proofs of a live origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proofs {
    Good,
    Missing,
    /// Not the publisher's signature.
    Forged,
    /// Nor of the segment's bytes.
    OfOther,
    /// Signed, with no hashes of chunks or with such that do not make the munro.
    Leafless,
    OtherLeaves,
    /// Of a chunk less than there is: the size is not signed.
    OtherSize,
}

/// The whole world.
pub struct World {
    pub now: Timestamp,
    pub nodes: Vec<Node>,
    pub content: Vec<Vec<u8>>,
    pub metadata: SwarmMetadata,
    pub latency: Duration,
    /// Seconds of media in a segment.
    pub segment_seconds: f64,
    pub origin_rate: f64,
    /// The origin serves other bytes than the metadata promise.
    pub origin_corrupt: bool,
    /// It sends all of a segment whatever range is asked for; the driver passes on what was.
    pub ignores_ranges: bool,
    pub control_bytes: u64,
    pub live: Option<Broadcast>,
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    next_link: u32,
}

/// Stands for the publisher's signature: the core never looks into one. `key` 0 is the publisher's.
pub fn sign(key: u8, message: &[u8]) -> [u8; 64] {
    let half = Hash::of_chunk(&[&[key], message].concat());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(half.as_ref());
    signature[32..].copy_from_slice(half.as_ref());
    signature
}

/// Stands for a membership certificate of `peer` until `expires`; `good`: by the tracker, for this swarm.
pub fn certificate(peer: PeerId, expires: Timestamp, good: bool) -> Bytes {
    [&[u8::from(good)], &peer.0[..], &expires.0.to_be_bytes()]
        .concat()
        .into()
}

pub fn member(certificate: &[u8]) -> Option<Member> {
    let (good, rest) = certificate.split_first()?;
    let (peer, expires) = rest.split_first_chunk::<32>()?;
    (*good == 1).then_some(Member {
        peer: PeerId(*peer),
        expires: Timestamp(u64::from_be_bytes(expires.try_into().ok()?)),
    })
}

const WINDOW_BYTES: usize = 256 * 1024;
const STEP: Duration = Duration::from_millis(100);

impl World {
    pub fn new(segments: usize, segment_bytes: usize) -> Self {
        let content = content(segments, segment_bytes);
        Self {
            now: Timestamp(1_700_000_000_000_000),
            nodes: Vec::new(),
            metadata: metadata(&content),
            content,
            latency: Duration::from_millis(20),
            segment_seconds: 2.0,
            origin_rate: 2e6,
            origin_corrupt: false,
            ignores_ranges: false,
            control_bytes: 0,
            live: None,
            queue: BinaryHeap::new(),
            order: 0,
            next_link: 1,
        }
    }

    /// A live stream of the same segments, of which so many have been published.
    pub fn live(segments: usize, segment_bytes: usize, published: u32, integrity: IntegrityMethod) -> Self {
        let mut world = Self::new(segments, segment_bytes);
        let key = LiveKey::new(SignatureAlgorithm::EcdsaP256Sha256, &[7; 64]).unwrap();
        let live = Live {
            integrity,
            discard_window: 10,
            segment_duration: Duration::from_secs_f64(world.segment_seconds),
        };
        let bits = segment_bits(world.content.iter().map(|segment| segment.len() as u64), CHUNK).unwrap();
        world.metadata = SwarmMetadata::live(key, CHUNK, bits + 1, live).unwrap();
        let before = f64::from(published) * world.segment_seconds;
        world.live = Some(Broadcast {
            start: Timestamp(world.now.0 - (before * 1e6) as u64),
            integrity,
            proofs: Proofs::Good,
            proof_latency: Duration::from_millis(50),
        });
        world
    }

    /// When a live segment was signed.
    pub fn signed_at(&self, segment: u32) -> Timestamp {
        let live = self.live.unwrap();
        live.start + Duration::from_secs_f64(f64::from(segment + 1) * self.segment_seconds)
    }

    /// Live segments that are there by now.
    pub fn published(&self) -> u32 {
        match self.live {
            None => self.content.len() as u32,
            Some(live) => {
                let count = self.now.since(live.start).as_secs_f64() / self.segment_seconds;
                (count as u32).min(self.content.len() as u32)
            }
        }
    }

    /// What the origin has beside a live segment.
    pub fn proof(&self, segment: u32) -> SegmentProof {
        let live = self.live.unwrap();
        let bits = self.metadata.segment_bits();
        let mut bytes = self.content[segment as usize].clone();
        if live.proofs == Proofs::OfOther {
            bytes.iter_mut().for_each(|byte| *byte ^= 1);
        }
        let mut hasher = SubtreeHasher::new(CHUNK, bits);
        hasher.update(&bytes);
        let (size, root) = hasher.finish();
        let time = NtpTime::from_unix(self.signed_at(segment));
        let mut proof = SegmentProof {
            integrity: live.integrity,
            segment_bits: bits,
            segment,
            size,
            root,
            signatures: Vec::new(),
            leaves: Vec::new(),
        };
        if live.integrity != IntegrityMethod::SignAll && live.proofs != Proofs::Leafless {
            proof.leaves = bytes.chunks(CHUNK as usize).map(Hash::of_chunk).collect();
        }
        let range = proof.munro().range();
        if live.proofs == Proofs::OtherLeaves {
            proof.leaves[0] = Hash::of_chunk(b"other");
        }
        if live.proofs == Proofs::OtherSize {
            proof.size -= u64::from(CHUNK);
        }
        let key = u8::from(matches!(live.proofs, Proofs::Forged | Proofs::OfOther));
        proof.signatures = match live.integrity {
            IntegrityMethod::SignAll => (range.start()..)
                .zip(bytes.chunks(CHUNK as usize))
                .map(|(chunk, bytes)| ProofSignature {
                    time,
                    signature: sign(key, &chunk_signing_input(chunk, time, bytes)),
                })
                .collect(),
            _ => vec![ProofSignature {
                time,
                signature: sign(key, &signing_input(range, time, &root)),
            }],
        };
        proof
    }

    pub fn size(&self) -> u64 {
        self.content.iter().map(|segment| segment.len() as u64).sum()
    }

    pub fn chunks_of(&self, segment: u32) -> ppspp::ChunkRange {
        ppspp::Segments::new(&self.metadata).chunks_of(segment).unwrap()
    }

    pub fn fetched(&self) -> u64 {
        self.nodes.iter().map(|node| node.fetched).sum()
    }

    pub fn join(&mut self) -> usize {
        self.join_with(|_| {})
    }

    pub fn join_with(&mut self, configure: impl FnOnce(&mut Config)) -> usize {
        let seed = self.nodes.len() as u64 + 1;
        let mut rng = fastrand::Rng::with_seed(seed * 1000);
        let id = PeerId(std::array::from_fn(|_| rng.u8(..)));
        let mut config = Config::new(id, seed);
        configure(&mut config);
        self.nodes.push(Node {
            id,
            swarm: Swarm::new(config, self.metadata.clone()),
            links: BTreeMap::new(),
            uplink: 1e6,
            uplink_free_at: self.now,
            origin_free_at: self.now,
            events: Vec::new(),
            disconnected: Vec::new(),
            fetched: 0,
            alive: true,
            channels: BTreeMap::new(),
            forge: None,
            origin_works: true,
            origin_hangs: false,
            playing: false,
            position: 0.0,
            wanted_to: 0,
            window: 15,
            stalls: Duration::ZERO,
            aborted: Vec::new(),
            candidates: Vec::new(),
            unproven: Vec::new(),
            proofs: Vec::new(),
            asked: Vec::new(),
        });
        self.nodes.len() - 1
    }

    pub fn connect(&mut self, a: usize, b: usize) {
        let (at_a, at_b) = (LinkId(self.next_link), LinkId(self.next_link + 1));
        self.next_link += 2;
        self.nodes[a].links.insert(
            at_a,
            End {
                to: b,
                remote: at_b,
                queued: 0,
            },
        );
        self.nodes[b].links.insert(
            at_b,
            End {
                to: a,
                remote: at_a,
                queued: 0,
            },
        );
        for (who, link, peer) in [(a, at_a, self.nodes[b].id), (b, at_b, self.nodes[a].id)] {
            self.input(who, Input::LinkUp { link, peer });
            self.input(
                who,
                Input::Writable {
                    link,
                    free: WINDOW_BYTES,
                },
            );
        }
    }

    pub fn connect_all(&mut self, who: usize) {
        (0..who)
            .filter(|other| self.nodes[*other].alive)
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|other| {
                self.connect(who, other);
            });
    }

    pub fn play(&mut self, who: usize) {
        self.nodes[who].playing = true;
        if self.live.is_some() {
            let edge = self.published().saturating_sub(3);
            self.nodes[who].position = f64::from(edge) * self.segment_seconds;
        }
        self.schedule(Duration::ZERO, Pending::Play { who });
    }

    /// The ID of the channel over a link, once a datagram has come by it.
    pub fn channel(&self, who: usize, link: LinkId) -> u32 {
        self.nodes[who].channels[&link]
    }

    /// Gone without a word; the others notice after `noticed`.
    pub fn kill(&mut self, who: usize, noticed: Duration) {
        self.nodes[who].alive = false;
        let ends: Vec<(usize, LinkId)> = self.nodes[who]
            .links
            .values()
            .map(|end| (end.to, end.remote))
            .collect();
        for (to, link) in ends {
            self.schedule(noticed, Pending::LinkDown { to, link });
        }
    }

    fn schedule(&mut self, after: Duration, what: Pending) {
        self.schedule_at(self.now + after, what);
    }

    fn schedule_at(&mut self, at: Timestamp, what: Pending) {
        self.order += 1;
        self.queue.push(Reverse(Scheduled {
            at,
            order: self.order,
            what,
        }));
    }

    pub fn input(&mut self, who: usize, input: Input) {
        if !self.nodes[who].alive {
            return;
        }
        self.nodes[who].swarm.handle(self.now, input);
        while let Some(output) = self.nodes[who].swarm.poll_output() {
            self.output(who, output);
        }
        if let Some(at) = self.nodes[who].swarm.poll_timeout() {
            self.schedule_at(at.max(self.now), Pending::Wake { who });
        }
    }

    fn output(&mut self, who: usize, output: Output) {
        match output {
            Output::Transmit { link, lane, datagram } => self.transmit(who, link, lane, datagram),
            Output::FetchOrigin {
                fetch,
                segment,
                bytes,
            } => self.fetch(who, fetch, segment, bytes),
            Output::CancelOrigin { fetch } => self.nodes[who].aborted.push(fetch),
            Output::Disconnect { link, reason } => {
                self.nodes[who].disconnected.push((link, reason));
                if let Some(end) = self.nodes[who].links.remove(&link) {
                    self.schedule(
                        self.latency,
                        Pending::LinkDown {
                            to: end.to,
                            link: end.remote,
                        },
                    );
                }
            }
            Output::FetchProof { segment } => {
                self.nodes[who].proofs.push(segment);
                let latency = self.live.map_or(Duration::ZERO, |live| live.proof_latency);
                self.schedule(latency, Pending::Proof { to: who, segment });
            }
            Output::CheckSignature {
                check,
                message,
                signature,
            } => {
                let valid = signature == sign(0, &message);
                self.input(who, Input::SignatureChecked { check, valid });
            }
            Output::CheckCertificate { check, certificate } => {
                let member = member(&certificate);
                self.input(who, Input::CertificateChecked { check, member });
            }
            Output::Candidate { peer, via, .. } => self.nodes[who].candidates.push((peer, via)),
            Output::Event(event) => {
                if let Event::Unproven { segment, chunks } = &event {
                    assert_eq!(chunks.concat(), self.content[*segment as usize]);
                    self.nodes[who].unproven.push(*segment);
                }
                self.nodes[who].events.push((self.now, event));
            }
        }
    }

    fn transmit(&mut self, who: usize, link: LinkId, lane: Lane, datagram: Bytes) {
        let forged = self.nodes[who]
            .forge
            .map_or(Some(datagram.clone()), |forge| forge(lane, &datagram));
        let Some(datagram) = forged else { return };
        if lane == Lane::Control {
            self.control_bytes += datagram.len() as u64;
        }
        let now = self.now;
        let node = &mut self.nodes[who];
        let Some(end) = node.links.get_mut(&link) else {
            return;
        };
        if lane == Lane::Control {
            let requests =
                Messages::new(datagram.clone(), RANGES).filter_map(|message| match message.ok()? {
                    Message::Request(range) => Some((now, link, range)),
                    _ => None,
                });
            node.asked.extend(requests);
        }
        let (to, remote) = (end.to, end.remote);
        let start = node.uplink_free_at.max(now);
        let sent = start + Duration::from_secs_f64(datagram.len() as f64 / node.uplink);
        node.uplink_free_at = sent;
        if lane == Lane::Bulk {
            let sent_bytes = datagram.len();
            end.queued += sent_bytes;
            assert!(
                end.queued <= WINDOW_BYTES,
                "a full data channel loses what it is given"
            );
            self.schedule_at(
                sent,
                Pending::Writable {
                    to: who,
                    link,
                    sent: sent_bytes,
                },
            );
        }
        self.schedule_at(
            sent + self.latency,
            Pending::Datagram {
                to,
                link: remote,
                lane,
                data: datagram,
            },
        );
    }

    fn fetch(&mut self, who: usize, fetch: FetchId, segment: u32, bytes: std::ops::Range<u64>) {
        if self.nodes[who].origin_hangs {
            return;
        }
        let latency = Duration::from_millis(50);
        if !self.nodes[who].origin_works {
            return self.schedule(latency, Pending::OriginFailed { to: who, fetch });
        }
        if segment >= self.published() {
            return self.schedule(latency, Pending::OriginFailed { to: who, fetch });
        }
        let end = bytes.end.min(self.content[segment as usize].len() as u64);
        let mut body = self.content[segment as usize][bytes.start as usize..end as usize].to_vec();
        if self.origin_corrupt {
            body[0] ^= 1;
        }
        let mut at = self.nodes[who].origin_free_at.max(self.now + latency);
        for piece in body.chunks(8000) {
            at += Duration::from_secs_f64(piece.len() as f64 / self.origin_rate);
            let data = Bytes::copy_from_slice(piece);
            self.schedule_at(at, Pending::OriginData { to: who, fetch, data });
        }
        self.schedule_at(at, Pending::OriginEnd { to: who, fetch });
        self.nodes[who].origin_free_at = at;
    }

    /// One step of a player: wants what is ahead, plays when the current segment is here.
    fn step_player(&mut self, who: usize) {
        let segments = self.content.len() as u32;
        let published = self.published();
        let seconds = self.segment_seconds;
        let node = &mut self.nodes[who];
        let current = (node.position / seconds) as u32;
        if current >= segments {
            node.playing = false;
            return;
        }
        let there =
            |segment: u32| node.swarm.read_segment(segment).is_some() || node.unproven.contains(&segment);
        let played = there(current);
        let to = published.min(current + node.window);
        let wanted: Vec<u32> = (current..to).filter(|segment| !there(*segment)).collect();
        if played {
            node.position += STEP.as_secs_f64();
        } else {
            node.stalls += STEP;
        }
        let position = node.position;
        node.wanted_to = node.wanted_to.max(to);
        for segment in wanted {
            let ahead = (f64::from(segment) * seconds - position).max(0.0);
            let deadline = self.now + Duration::from_secs_f64(ahead);
            self.input(who, Input::Demand { segment, deadline });
        }
        self.schedule(STEP, Pending::Play { who });
    }

    /// Runs until `until`; `false` when nothing is left to happen.
    pub fn run_until(&mut self, until: Timestamp) -> bool {
        while let Some(Reverse(next)) = self.queue.peek() {
            if next.at > until {
                self.now = until;
                return true;
            }
            let Some(Reverse(Scheduled { at, what, .. })) = self.queue.pop() else {
                break;
            };
            self.now = at;
            match what {
                Pending::Datagram { to, link, data, .. } => {
                    if let Some(channel) = ppspp::datagram::destination(&data).filter(|id| *id != 0) {
                        self.nodes[to].channels.insert(link, channel);
                    }
                    if self.nodes[to].links.contains_key(&link) {
                        self.input(to, Input::Datagram { link, data });
                    }
                }
                Pending::Writable { to, link, sent } => {
                    let Some(end) = self.nodes[to].links.get_mut(&link) else {
                        continue;
                    };
                    end.queued -= sent;
                    let free = WINDOW_BYTES - end.queued;
                    self.input(to, Input::Writable { link, free });
                }
                Pending::OriginData { to, fetch, data } => {
                    if !self.nodes[to].aborted.contains(&fetch) {
                        self.nodes[to].fetched += data.len() as u64;
                        self.input(to, Input::OriginData { fetch, data });
                    }
                }
                Pending::OriginEnd { to, fetch } => {
                    if !self.nodes[to].aborted.contains(&fetch) {
                        self.input(
                            to,
                            Input::OriginEnd {
                                fetch,
                                range_ignored: Some(self.ignores_ranges),
                            },
                        );
                    }
                }
                Pending::Proof { to, segment } => {
                    let there = self.live.is_some_and(|live| live.proofs != Proofs::Missing)
                        && segment < self.published();
                    let proof = there.then(|| self.proof(segment).encode().into());
                    self.input(to, Input::Proof { segment, proof });
                }
                Pending::OriginFailed { to, fetch } => self.input(to, Input::OriginFailed { fetch }),
                Pending::LinkDown { to, link } => {
                    self.nodes[to].links.remove(&link);
                    self.input(to, Input::LinkDown { link });
                }
                Pending::Play { who } => {
                    if self.nodes[who].alive {
                        self.step_player(who);
                    }
                }
                Pending::Wake { who } => {
                    // Outdated wake-ups stay in the queue: only the one that is due counts.
                    if self.nodes[who]
                        .swarm
                        .poll_timeout()
                        .is_some_and(|due| due <= self.now)
                    {
                        self.input(who, Input::Timeout);
                    }
                }
            }
        }
        false
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Runs until every living player has played to the end.
    pub fn run_to_end(&mut self) {
        let limit = self.now + Duration::from_secs(3600);
        while self.nodes.iter().any(|node| node.playing && node.alive) {
            assert!(self.now < limit, "the players do not get to the end");
            self.run_for(Duration::from_secs(1));
        }
    }

    /// Everything held is the content, byte for byte.
    pub fn check_bytes(&self, who: usize) {
        for (segment, bytes) in self.content.iter().enumerate() {
            if let Some(chunks) = self.nodes[who].swarm.read_segment(segment as u32) {
                assert_eq!(&chunks.concat(), bytes, "segment {segment}");
            }
        }
    }
}

impl Node {
    pub fn bytes_from_peers(&self) -> u64 {
        self.bytes(|source| matches!(source, ppspp::Source::Peer(_)))
    }

    pub fn bytes_from_origin(&self) -> u64 {
        self.bytes(|source| source == ppspp::Source::Origin)
    }

    fn bytes(&self, of: impl Fn(ppspp::Source) -> bool) -> u64 {
        self.events
            .iter()
            .map(|(_, event)| match event {
                Event::Chunk { bytes, source, .. } if of(*source) => u64::from(*bytes),
                _ => 0,
            })
            .sum()
    }

    pub fn discarded(&self) -> u64 {
        self.events
            .iter()
            .map(|(_, event)| {
                if let Event::Discarded { bytes, .. } = event {
                    *bytes as u64
                } else {
                    0
                }
            })
            .sum()
    }
}
