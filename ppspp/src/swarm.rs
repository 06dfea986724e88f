//! One swarm as seen by one peer: the state machine a driver runs.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use core::ops::Range;
use core::time::Duration;

use crate::channel::{self, Channel, Request, State};
use crate::datagram::{self, Messages};
use crate::hash_tree::{HashTree, Verdict};
use crate::message::{Message, encode_data, encode_integrity};
use crate::options::ProtocolOptions;
use crate::origin::Origin;
use crate::picker::{ChunkPicker, Decision, View};
use crate::store::ChunkStore;
use crate::{Bin, ChunkMap, ChunkRange, FetchId, Hash, LinkId, PeerId, SwarmMetadata, Timestamp};

/// Availability is announced this long after it changed, so that one HAVE speaks for many chunks (profile §12.4).
const HAVE_DELAY: Duration = Duration::from_millis(100);
/// How often decisions are looked at again while something is wanted.
const TICK: Duration = Duration::from_millis(250);
/// A datagram is sent at least this often on an open channel (§12.3).
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A peer is dead when nothing came for this long and at least [`DEAD_AFTER_DATAGRAMS`] were sent (RFC 7574 §3.12).
const DEAD_AFTER: Duration = Duration::from_secs(180);
const DEAD_AFTER_DATAGRAMS: u32 = 3;
/// Longest pause between repeated first HANDSHAKEs.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
/// Two first HANDSHAKEs sent within this time of each other have crossed: both arrive.
const CROSSED: Duration = Duration::from_secs(1);
/// HAVEs allowed beside an unfinished handshake.
const EARLY_HAVES: usize = 16;
/// A request that gets no answer is given up after this, or four round trips.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// An origin fetch that brings nothing for this long is aborted: as long as players wait for a first byte.
const ORIGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// A wake-up this late means that the whole process stood still: nobody else is to blame.
const PAUSED: Duration = Duration::from_millis(400);
/// How long far segments wait for the first neighbours.
const PROSPECTS_PATIENCE: Duration = Duration::from_secs(8);
/// Most bytes of a datagram with DATA beside the chunk: channel ID, header, and up to 32 peaks or uncles.
const MESSAGE_OVERHEAD: usize = 4 + 17 + 64 * 41;
/// DATA without the hashes to verify it may come this often before the sender is left.
const MAX_INCOMPLETE: u32 = 64;

/// What a swarm is told at its construction.
#[derive(Clone, Debug)]
pub struct Config {
    /// This peer's ID: takes part in electing who fetches from the origin.
    pub peer_id: PeerId,
    /// Seed of the swarm's random numbers (channel IDs).
    pub seed: u64,
    /// Closest to a deadline that a segment may stay without an origin fetch under way.
    pub urgent_window: Duration,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection to a peer is open.
    LinkUp {
        /// Its number.
        link: LinkId,
        /// Who is at the other end, proven.
        peer: PeerId,
    },
    /// A connection is gone.
    LinkDown {
        /// Its number.
        link: LinkId,
    },
    /// A datagram came.
    Datagram {
        /// From where.
        link: LinkId,
        /// The bytes.
        data: Bytes,
    },
    /// This many bytes may be queued on the bulk lane now.
    Writable {
        /// Of which connection.
        link: LinkId,
        /// Bytes.
        free: usize,
    },
    /// The player wants a segment, or wants it at another time.
    Demand {
        /// Its number.
        segment: u32,
        /// When it has to be complete.
        deadline: Timestamp,
    },
    /// The player no longer wants a segment.
    Withdraw {
        /// Its number.
        segment: u32,
    },
    /// Bytes of an origin fetch, in order.
    OriginData {
        /// Which fetch.
        fetch: FetchId,
        /// The bytes.
        data: Bytes,
    },
    /// An origin fetch ended without all its bytes.
    OriginFailed {
        /// Which fetch.
        fetch: FetchId,
    },
    /// Whether chunks are served to others (on at the start).
    Upload(bool),
    /// Whether connections to peers are on their way, so that waiting for them is worth a little.
    Prospects(bool),
    /// Nothing but that time has passed.
    Timeout,
}

/// Which data channel of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Ordered: everything but chunks.
    Control,
    /// Unordered: chunks with their hashes.
    Bulk,
}

/// Why a connection should be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It sent a chunk or hashes that are not the content's. Ban the peer.
    Forged,
    /// It broke the protocol.
    Protocol,
    /// Nothing came for too long.
    Dead,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a datagram.
    Transmit {
        /// Over which connection.
        link: LinkId,
        /// On which channel.
        lane: Lane,
        /// The bytes.
        datagram: Bytes,
    },
    /// Fetch bytes of a segment from the origin and report them as [`Input::OriginData`].
    FetchOrigin {
        /// The number to report with.
        fetch: FetchId,
        /// The segment.
        segment: u32,
        /// Bytes inside the segment.
        bytes: Range<u64>,
    },
    /// Abort a fetch; nothing more of it will be looked at.
    CancelOrigin {
        /// Its number.
        fetch: FetchId,
    },
    /// Close a connection.
    Disconnect {
        /// Which.
        link: LinkId,
        /// Why.
        reason: Reason,
    },
    /// Something worth telling.
    Event(Event),
}

/// Where a chunk came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A peer.
    Peer(LinkId),
    /// The origin.
    Origin,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A chunk was verified.
    Chunk {
        /// Its number.
        chunk: u32,
        /// Its length.
        bytes: u32,
        /// Where it came from.
        source: Source,
    },
    /// A wanted segment is complete; read it with [`Swarm::read_segment`].
    Segment {
        /// Its number.
        segment: u32,
        /// Bytes from peers since it was wanted.
        p2p_bytes: u64,
        /// Bytes from the origin since it was wanted.
        http_bytes: u64,
        /// The peers.
        peers: Vec<LinkId>,
        /// Time since it was wanted.
        elapsed: Duration,
    },
    /// The origin failed too often for a segment; it is no longer wanted.
    SegmentFailed {
        /// Its number.
        segment: u32,
    },
    /// The origin's bytes are not what the metadata promise; the segment is no longer wanted.
    OriginMismatch {
        /// Its number.
        segment: u32,
    },
    /// Payload that was received and thrown away.
    Discarded {
        /// Bytes.
        bytes: usize,
        /// Who sent it; `None` = the origin.
        link: Option<LinkId>,
    },
    /// A peer sent a chunk or hashes that are not the content's.
    BadChunk {
        /// Who.
        link: LinkId,
        /// Which chunk.
        chunk: u32,
    },
    /// A chunk was sent to a peer.
    Uploaded {
        /// To whom.
        link: LinkId,
        /// Payload bytes.
        bytes: u32,
    },
}

/// How a chunk stands, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkState {
    /// Neither here nor asked for.
    Missing,
    /// Asked of a peer or the origin.
    InFlight,
    /// Verified and kept.
    Held,
}

/// See the module.
#[derive(Debug)]
pub struct Swarm {
    config: Config,
    metadata: SwarmMetadata,
    rng: fastrand::Rng,
    tree: HashTree,
    store: ChunkStore,
    channels: BTreeMap<LinkId, Channel>,
    picker: ChunkPicker,
    origin: Origin,
    upload: bool,
    prospects_until: Option<Timestamp>,
    created: Option<Timestamp>,
    /// Chunks verified and not yet announced.
    fresh: ChunkMap,
    announce_at: Option<Timestamp>,
    wake_at: Option<Timestamp>,
    outputs: VecDeque<Output>,
}

impl Swarm {
    /// A swarm with no links, nothing wanted and nothing held.
    pub fn new(config: Config, metadata: SwarmMetadata) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(config.seed),
            config,
            metadata,
            tree: HashTree::new(),
            store: ChunkStore::default(),
            channels: BTreeMap::new(),
            picker: ChunkPicker::default(),
            origin: Origin::default(),
            upload: true,
            prospects_until: None,
            created: None,
            fresh: ChunkMap::new(),
            announce_at: None,
            wake_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// This peer's ID, for a driver that makes it only when it connects. To be said before the first link.
    pub fn set_peer_id(&mut self, peer_id: PeerId) {
        self.config.peer_id = peer_id;
    }

    /// The swarm's metadata.
    pub fn metadata(&self) -> &SwarmMetadata {
        &self.metadata
    }

    /// The verified chunks held.
    pub fn has(&self) -> &ChunkMap {
        self.store.has()
    }

    /// Bytes of verified chunks held.
    pub fn stored_bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Measured origin rate in bytes per second.
    pub fn origin_rate(&self) -> Option<f64> {
        self.origin.rate()
    }

    /// Sum of the measured rates of all open channels, in bytes per second.
    pub fn peer_rate(&self) -> f64 {
        self.channels
            .values()
            .filter(|channel| channel.is_open())
            .filter_map(|channel| channel.meter.rate())
            .sum()
    }

    /// Does a datagram that came over `link` belong to this swarm? Channel IDs are ours; a datagram that opens a
    /// channel names the swarm.
    pub fn claims(&self, link: LinkId, data: &Bytes) -> bool {
        match datagram::destination(data) {
            None => false,
            Some(0) => datagram::opening(data)
                .and_then(|options| options.swarm_id)
                .is_some_and(|id| id == self.metadata.swarm_id().as_ref()),
            Some(id) => self
                .channels
                .get(&link)
                .is_some_and(|channel| channel.local == id),
        }
    }

    /// Is the channel over `link` open, and how many bytes per second does it measure?
    pub fn link_rate(&self, link: LinkId) -> Option<f64> {
        self.channels
            .get(&link)
            .filter(|channel| channel.is_open())
            .map(|channel| channel.meter.rate().unwrap_or(0.0))
    }

    /// The verified chunks of a complete segment, in order; `None` while one is missing.
    pub fn read_segment(&self, segment: u32) -> Option<Vec<Bytes>> {
        if segment >= self.metadata.segments() {
            return None;
        }
        self.metadata
            .chunks_of(segment)
            .chunks()
            .map(|chunk| self.store.get(chunk).cloned())
            .collect()
    }

    /// How a chunk stands.
    pub fn chunk_state(&self, chunk: u32) -> ChunkState {
        let fetched = || {
            self.origin.waiting().contains(chunk)
                || self
                    .origin
                    .fetches
                    .values()
                    .any(|fetch| fetch.rest().is_some_and(|rest| rest.contains(chunk)))
        };
        let asked = || {
            self.channels
                .values()
                .any(|channel| channel.requests.iter().any(|request| request.chunk == chunk))
        };
        if self.store.has().contains(chunk) {
            ChunkState::Held
        } else if fetched() || asked() {
            ChunkState::InFlight
        } else {
            ChunkState::Missing
        }
    }

    /// Forgets the segments unused for longest until `bytes` are free, but none that is wanted. Returns what was
    /// freed.
    pub fn evict(&mut self, bytes: usize) -> usize {
        let picker = &self.picker;
        let freed = self
            .store
            .evict(&self.metadata, bytes, |segment| picker.wants(segment));
        // Chunks that went before they were announced are not to be announced.
        let gone: Vec<ChunkRange> = self
            .fresh
            .runs()
            .iter()
            .flat_map(|run| self.store.has().missing_in(*run))
            .collect();
        gone.into_iter().for_each(|run| self.fresh.remove(run));
        freed
    }

    /// Tells the swarm what happened. `now` must not run backwards.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.created.get_or_insert(now);
        self.forgive_pause(now);
        // What cannot change a decision, or only as much as the next tick may, leads to none.
        let mut decide = !matches!(input, Input::Writable { .. } | Input::OriginData { .. });
        match input {
            Input::LinkUp { link, peer } => self.link_up(link, peer, now),
            Input::LinkDown { link } => drop(self.channels.remove(&link)),
            Input::Datagram { link, data } => {
                self.datagram(link, data, now);
                decide = self.channels.get(&link).is_none_or(|channel| {
                    channel.outstanding() * 4 <= channel.pipeline(self.metadata.chunk_size()) * 3
                });
            }
            Input::Writable { link, free } => {
                if let Some(channel) = self.channels.get_mut(&link) {
                    channel.free = free;
                }
                self.serve(link, now);
            }
            Input::Demand { segment, deadline } => self.demand(segment, deadline, now),
            Input::Withdraw { segment } => self.withdraw(segment),
            Input::OriginData { fetch, data } => {
                self.origin_data(fetch, &data, now);
                decide = !self.origin.fetches.contains_key(&fetch);
            }
            Input::OriginFailed { fetch } => self.origin_failed(fetch, now),
            Input::Upload(upload) => self.set_upload(upload),
            Input::Prospects(true) => {
                let patience = self.created.unwrap_or(now) + PROSPECTS_PATIENCE;
                self.prospects_until = Some(patience);
            }
            Input::Prospects(false) => self.prospects_until = None,
            Input::Timeout => {}
        }
        self.timeouts(now);
        if decide {
            self.schedule(now);
        }
        self.flush(now);
        self.wake_at = self.next_wake(now);
    }

    /// The next thing to do; call until `None` after every [`Self::handle`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// Leaves the swarm: a closing HANDSHAKE to everybody (RFC 7574 §8.4). The swarm is of no use afterwards.
    pub fn close(&mut self, now: Timestamp) {
        let fetches: Vec<FetchId> = self.origin.fetches.keys().copied().collect();
        fetches.into_iter().for_each(|fetch| self.cancel_fetch(fetch));
        for channel in self.channels.values_mut() {
            channel.clear_control();
            let options = ProtocolOptions {
                version: Some(1),
                ..Default::default()
            };
            channel.queue(&Message::Handshake { source: 0, options });
            while let Some(datagram) = channel.take_control(now) {
                self.outputs.push_back(Output::Transmit {
                    link: channel.link,
                    lane: Lane::Control,
                    datagram,
                });
            }
        }
        self.channels.clear();
        self.wake_at = None;
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn disconnect(&mut self, link: LinkId, reason: Reason) {
        self.channels.remove(&link);
        self.outputs.push_back(Output::Disconnect { link, reason });
    }

    // ---- time

    /// A process that stood still sees its own timers late and everybody's answers waiting behind them.
    fn forgive_pause(&mut self, now: Timestamp) {
        let late = self.wake_at.map_or(Duration::ZERO, |due| now.since(due));
        if late > PAUSED {
            self.channels
                .values_mut()
                .for_each(|channel| channel.forgive(late));
            self.picker.forgive(late);
            self.origin
                .fetches
                .values_mut()
                .for_each(|fetch| fetch.forgive(late));
        }
    }

    fn timeouts(&mut self, now: Timestamp) {
        let hanging: Vec<FetchId> = self
            .origin
            .fetches
            .iter()
            .filter(|(_, fetch)| fetch.silence(now) > ORIGIN_TIMEOUT)
            .map(|(id, _)| *id)
            .collect();
        for fetch in hanging {
            self.outputs.push_back(Output::CancelOrigin { fetch });
            self.origin_failed(fetch, now);
        }
        let links: Vec<LinkId> = self.channels.keys().copied().collect();
        for link in links {
            self.time_out_requests(link, now);
            let Some(channel) = self.channels.get_mut(&link) else {
                continue;
            };
            match channel.state {
                State::Opening { repeat_at, back_off } if repeat_at <= now => {
                    channel.state = State::Opening {
                        repeat_at: now + back_off,
                        back_off: (back_off * 2).min(LONGEST_BACK_OFF),
                    };
                    self.send_handshake(link, 0, true, now);
                }
                State::Open => {
                    let dead = now.since(channel.last_received) >= DEAD_AFTER
                        && channel.sent_since_received >= DEAD_AFTER_DATAGRAMS;
                    if dead {
                        self.disconnect(link, Reason::Dead);
                    } else if now.since(channel.last_sent) >= KEEP_ALIVE
                        && let Some(datagram) = channel.keep_alive(now)
                    {
                        self.outputs.push_back(Output::Transmit {
                            link,
                            lane: Lane::Control,
                            datagram,
                        });
                    }
                }
                State::Opening { .. } | State::Waiting => {}
            }
        }
    }

    /// Requests that will not be answered are taken back and may go elsewhere.
    fn time_out_requests(&mut self, link: LinkId, now: Timestamp) {
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        let limit = REQUEST_TIMEOUT.max(channel.round_trip() * 4);
        if channel.silence(now) > limit {
            // Nothing at all came: the peer or the path is in trouble.
            channel.silences += 1;
            channel.resting_until = now + ChunkPicker::rest(channel.silences);
            for request in core::mem::take(&mut channel.requests) {
                channel.queue(&Message::Cancel(ChunkRange::one(request.chunk)));
            }
            return;
        }
        // What was asked for later has been answered, this not: the peer does not have it any more.
        let refused: Vec<u32> = channel
            .requests
            .iter()
            .filter(|request| now.since(request.sent) > limit && request.sent < channel.answered_until)
            .map(|request| request.chunk)
            .collect();
        for chunk in refused {
            channel.forget_request(chunk);
            channel.has.remove(ChunkRange::one(chunk));
            channel.queue(&Message::Cancel(ChunkRange::one(chunk)));
        }
    }

    fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let channels = self.channels.values().filter_map(|channel| match channel.state {
            State::Opening { repeat_at, .. } => Some(repeat_at),
            State::Waiting => None,
            State::Open => Some(channel.last_sent + KEEP_ALIVE),
        });
        let tick = (!self.picker.is_idle()).then(|| now + TICK);
        channels.chain(self.announce_at).chain(tick).min()
    }

    // ---- handshake

    fn random_channel_id(&mut self) -> u32 {
        loop {
            let id = self.rng.u32(1..);
            if self.channels.values().all(|channel| channel.local != id) {
                return id;
            }
        }
    }

    fn link_up(&mut self, link: LinkId, peer: PeerId, now: Timestamp) {
        let local = self.random_channel_id();
        // Its first HANDSHAKE is due at once.
        self.channels.insert(link, Channel::new(link, peer, local, now));
    }

    /// A HANDSHAKE with a few HAVEs: allowed as minor payload before it is complete (RFC 7574 §3.1.1).
    fn send_handshake(&mut self, link: LinkId, destination: u32, initiator: bool, now: Timestamp) {
        let runs: &[ChunkRange] = if self.upload { self.store.has().runs() } else { &[] };
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        let mut datagram = destination.to_be_bytes().to_vec();
        let options = channel::our_options(&self.metadata, initiator);
        Message::Handshake {
            source: channel.local,
            options,
        }
        .encode(&mut datagram);
        for run in runs.iter().take(EARLY_HAVES) {
            Message::Have(*run).encode(&mut datagram);
        }
        channel.note_sent(now);
        let datagram = datagram.into();
        self.outputs.push_back(Output::Transmit {
            link,
            lane: Lane::Control,
            datagram,
        });
    }

    /// A datagram to channel 0: somebody opens a channel. Whatever is wrong with it is answered by silence.
    fn opened(&mut self, link: LinkId, data: Bytes, now: Timestamp) {
        let mut messages = Messages::new(data, channel::format(&self.metadata));
        let Some(Ok(Message::Handshake { source, options })) = messages.next() else {
            return;
        };
        if source == 0 || !channel::compatible(&self.metadata, &options, true) {
            return;
        }
        let fresh_id = self.random_channel_id();
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        match channel.state {
            // Both sides opened at once: the lower channel ID stays the initiator's. The other side needs our
            // HANDSHAKE again if it joined the swarm only after the first.
            State::Opening { .. } if source > channel.local => {
                if now.since(channel.last_sent) > CROSSED {
                    self.send_handshake(link, 0, true, now);
                }
                return;
            }
            State::Opening { .. } => {}
            State::Waiting | State::Open if channel.remote == Some(source) => {
                // A repetition: the answer got lost, or the peer wants our availability again.
                self.send_handshake(link, source, false, now);
                return self.announce_all(link);
            }
            // The peer left the swarm and came back.
            State::Waiting | State::Open => *channel = Channel::new(link, channel.peer, fresh_id, now),
        }
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        channel.remote = Some(source);
        channel.state = State::Waiting;
        channel.last_received = now;
        self.send_handshake(link, source, false, now);
        self.messages(link, messages, now);
    }

    /// The handshake is complete: say all that was held back.
    fn established(&mut self, link: LinkId) {
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        channel.state = State::Open;
        if self.upload {
            self.announce_all(link);
        } else {
            channel.choking = true;
            channel.queue(&Message::Choke);
        }
    }

    // ---- datagrams

    fn datagram(&mut self, link: LinkId, data: Bytes, now: Timestamp) {
        let Some(destination) = datagram::destination(&data) else {
            return;
        };
        if destination == 0 {
            return self.opened(link, data, now);
        }
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        if channel.local != destination {
            return;
        }
        let mut messages = Messages::new(data, channel::format(&self.metadata));
        channel.last_received = now;
        channel.sent_since_received = 0;
        match channel.state {
            State::Opening { .. } => match messages.next() {
                Some(Ok(Message::Handshake { source: 0, .. })) | None => return,
                Some(Ok(Message::Handshake { source, options }))
                    if channel::compatible(&self.metadata, &options, false) =>
                {
                    channel.remote = Some(source);
                    self.established(link);
                    // The other side holds state until it hears from us on its channel: speak at once.
                    let channel = self.channels.get_mut(&link);
                    let datagram = channel
                        .and_then(|channel| channel.take_control(now).or_else(|| channel.keep_alive(now)));
                    if let Some(datagram) = datagram {
                        self.outputs.push_back(Output::Transmit {
                            link,
                            lane: Lane::Control,
                            datagram,
                        });
                    }
                }
                _ => return self.disconnect(link, Reason::Protocol),
            },
            State::Waiting => self.established(link),
            State::Open => {}
        }
        self.messages(link, messages, now);
    }

    /// The messages of one datagram, in order.
    fn messages(&mut self, link: LinkId, messages: Messages, now: Timestamp) {
        let mut hashes: Vec<(Bin, Hash)> = Vec::new();
        for message in messages {
            let Ok(message) = message else {
                return self.disconnect(link, Reason::Protocol);
            };
            let Some(channel) = self.channels.get_mut(&link) else {
                return;
            };
            match message {
                Message::Handshake { source: 0, .. } => {
                    // Closing: the peer left the swarm and may come back by opening a channel.
                    let peer = channel.peer;
                    let local = self.random_channel_id();
                    let mut channel = Channel::new(link, peer, local, now);
                    channel.state = State::Opening {
                        repeat_at: now + LONGEST_BACK_OFF,
                        back_off: LONGEST_BACK_OFF,
                    };
                    self.channels.insert(link, channel);
                    return;
                }
                Message::Handshake { source, .. } => {
                    if channel.remote != Some(source) {
                        return self.disconnect(link, Reason::Protocol);
                    }
                    self.announce_all(link);
                }
                Message::Have(range) => self.have(link, range),
                Message::Integrity { bin, hash } => hashes.push((bin, hash)),
                Message::Data { chunk, bytes, .. } => {
                    if !self.data(link, chunk, bytes, &hashes, now) {
                        return;
                    }
                }
                Message::Request(range) => self.requested(link, range, now),
                Message::Cancel(range) => channel.cancel_upload(range),
                Message::Choke => {
                    channel.choked = true;
                    channel.requests.clear();
                }
                Message::Unchoke => channel.choked = false,
                // Nothing of static content over reliable channels needs these; they may come all the same.
                Message::Ack { .. }
                | Message::SignedIntegrity { .. }
                | Message::PexReq
                | Message::PexResV4(..)
                | Message::PexResV6(..)
                | Message::PexResCert(_) => {}
            }
        }
    }

    fn have(&mut self, link: LinkId, range: ChunkRange) {
        let last = self.metadata.chunks_of(self.metadata.segments() - 1).end();
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        let Some(range) = ChunkRange::new(range.start(), range.end().min(last)) else {
            return self.disconnect(link, Reason::Protocol);
        };
        channel.has.insert(range);
        channel.position = Some(self.metadata.segment_of(range.end()));
        // An honest map has a run for each segment and a few for the ones in work.
        if channel.has.runs().len() > 2 * self.metadata.segments() as usize + 4096 {
            return self.disconnect(link, Reason::Protocol);
        }
        channel.cancel_upload(range);
    }

    /// DATA: verified, it is kept; everything else is thrown away. `false` = the connection is over.
    fn data(
        &mut self,
        link: LinkId,
        chunk: u32,
        bytes: Bytes,
        hashes: &[(Bin, Hash)],
        now: Timestamp,
    ) -> bool {
        let length = bytes.len();
        let Some(channel) = self.channels.get_mut(&link) else {
            return false;
        };
        let asked = channel.answered(chunk, length, now);
        let segment = self.metadata.segment_of(chunk);
        // A chunk that comes after its request was given up is still good if nobody else has brought it.
        let useful = (asked || self.picker.wants(segment)) && !self.store.has().contains(chunk);
        if !self.metadata.exists(chunk) || !useful {
            self.event(Event::Discarded {
                bytes: length,
                link: Some(link),
            });
            return true;
        }
        let verdict = if length == self.metadata.chunk_length(chunk) as usize {
            self.tree
                .verify(&self.metadata, chunk, Hash::of_chunk(&bytes), hashes)
        } else {
            Verdict::Forged
        };
        match verdict {
            Verdict::Verified => {
                self.keep(chunk, bytes, Source::Peer(link), now);
                self.verify_origin(segment, now);
                true
            }
            Verdict::Forged => {
                self.event(Event::BadChunk { link, chunk });
                self.event(Event::Discarded {
                    bytes: length,
                    link: Some(link),
                });
                self.disconnect(link, Reason::Forged);
                false
            }
            Verdict::Incomplete => {
                self.event(Event::Discarded {
                    bytes: length,
                    link: Some(link),
                });
                let Some(channel) = self.channels.get_mut(&link) else {
                    return false;
                };
                // The sender believes that we have hashes which we do not: it cannot serve this chunk.
                channel.has.remove(ChunkRange::one(chunk));
                channel.incomplete += 1;
                if channel.incomplete > MAX_INCOMPLETE {
                    self.disconnect(link, Reason::Protocol);
                    return false;
                }
                true
            }
        }
    }

    /// Takes a verified chunk in.
    fn keep(&mut self, chunk: u32, bytes: Bytes, source: Source, now: Timestamp) {
        let segment = self.metadata.segment_of(chunk);
        let length = bytes.len() as u32;
        if self.origin.take(chunk).is_some() {
            self.event(Event::Discarded {
                bytes: length as usize,
                link: None,
            });
        }
        self.store.insert(chunk, bytes, segment, now);
        self.fresh.insert(ChunkRange::one(chunk));
        self.announce_at.get_or_insert(now + HAVE_DELAY);
        for channel in self.channels.values_mut() {
            if channel.forget_request(chunk) {
                channel.queue(&Message::Cancel(ChunkRange::one(chunk)));
            }
        }
        if let Some(demand) = self.picker.get_mut(segment) {
            match source {
                Source::Peer(link) => {
                    demand.p2p_bytes += u64::from(length);
                    demand.sources.insert(link);
                }
                Source::Origin => demand.http_bytes += u64::from(length),
            }
        }
        self.event(Event::Chunk {
            chunk,
            bytes: length,
            source,
        });
        self.complete(segment, now);
    }

    /// Tells of a wanted segment that is complete.
    fn complete(&mut self, segment: u32, now: Timestamp) {
        if !self.store.has().contains_range(self.metadata.chunks_of(segment)) {
            return;
        }
        if let Some(demand) = self.picker.withdraw(segment) {
            self.event(Event::Segment {
                segment,
                p2p_bytes: demand.p2p_bytes,
                http_bytes: demand.http_bytes,
                peers: demand.sources.into_iter().collect(),
                elapsed: now.since(demand.since),
            });
        }
    }

    // ---- serving

    fn requested(&mut self, link: LinkId, range: ChunkRange, now: Timestamp) {
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        if channel.choking {
            channel.queue(&Message::Choke);
            return;
        }
        self.store
            .has()
            .present_in(range)
            .for_each(|run| channel.enqueue_upload(run));
        self.serve(link, now);
    }

    /// Sends what is asked for while there is room: chunks are chosen only then, so that CANCEL works.
    fn serve(&mut self, link: LinkId, now: Timestamp) {
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        let (true, Some(remote)) = (channel.is_open(), channel.remote) else {
            return;
        };
        // Never more than there is room for: a full data channel loses what it is given.
        let longest = self.metadata.chunk_size() as usize + MESSAGE_OVERHEAD;
        while channel.free >= longest
            && let Some(chunk) = channel.next_upload()
        {
            let Some(bytes) = self.store.get(chunk) else {
                continue;
            };
            let mut datagram = Vec::with_capacity(bytes.len() + 1024);
            datagram.extend(remote.to_be_bytes());
            // Peaks come before the first chunk (RFC 7574 §5.6); a peer that has the metadata knows them.
            if channel.has.is_empty() {
                for (bin, hash) in self.tree.peaks(&self.metadata) {
                    encode_integrity(&mut datagram, bin, &hash);
                }
            }
            for (bin, hash) in self.tree.uncles(&self.metadata, chunk, &channel.has) {
                encode_integrity(&mut datagram, bin, &hash);
            }
            encode_data(&mut datagram, chunk, now.0, bytes);
            let length = bytes.len() as u32;
            channel.free = channel.free.saturating_sub(datagram.len());
            channel.note_sent(now);
            self.store.touch(self.metadata.segment_of(chunk), now);
            self.outputs.push_back(Output::Transmit {
                link,
                lane: Lane::Bulk,
                datagram: datagram.into(),
            });
            self.outputs
                .push_back(Output::Event(Event::Uploaded { link, bytes: length }));
        }
    }

    fn set_upload(&mut self, upload: bool) {
        if self.upload == upload {
            return;
        }
        self.upload = upload;
        let links: Vec<LinkId> = self
            .channels
            .values()
            .filter(|channel| channel.is_open())
            .map(|channel| channel.link)
            .collect();
        for link in links {
            let Some(channel) = self.channels.get_mut(&link) else {
                continue;
            };
            channel.choking = !upload;
            channel.uploads.clear();
            channel.queue(if upload {
                &Message::Unchoke
            } else {
                &Message::Choke
            });
            if upload {
                self.announce_all(link);
            }
        }
    }

    // ---- announcing

    /// HAVE for everything, run by run.
    fn announce_all(&mut self, link: LinkId) {
        let Some(channel) = self.channels.get_mut(&link) else {
            return;
        };
        if !self.upload {
            return;
        }
        for run in self.store.has().runs() {
            channel.queue(&Message::Have(*run));
        }
    }

    /// HAVE for what is new: the largest complete interval around it (RFC 7574 §8.7).
    fn announce_fresh(&mut self) {
        let fresh = core::mem::take(&mut self.fresh);
        self.announce_at = None;
        if !self.upload {
            return;
        }
        for run in fresh.runs() {
            let Some(interval) = self.store.has().run_around(run.start()) else {
                continue;
            };
            for channel in self.channels.values_mut().filter(|channel| channel.is_open()) {
                // Not to those who have it all themselves.
                if !channel.has.contains_range(interval) {
                    channel.queue(&Message::Have(interval));
                }
            }
        }
    }

    fn flush(&mut self, now: Timestamp) {
        if self.announce_at.is_some_and(|due| due <= now) {
            self.announce_fresh();
        }
        for channel in self.channels.values_mut() {
            while let Some(datagram) = channel.take_control(now) {
                self.outputs.push_back(Output::Transmit {
                    link: channel.link,
                    lane: Lane::Control,
                    datagram,
                });
            }
        }
    }

    // ---- wanting

    fn demand(&mut self, segment: u32, deadline: Timestamp, now: Timestamp) {
        if segment >= self.metadata.segments() {
            return self.event(Event::SegmentFailed { segment });
        }
        self.picker.demand(segment, deadline, now);
        self.complete(segment, now);
    }

    fn withdraw(&mut self, segment: u32) {
        if self.picker.withdraw(segment).is_none() {
            return;
        }
        let fetches: Vec<FetchId> = self
            .origin
            .fetches
            .iter()
            .filter(|(_, fetch)| fetch.segment == segment)
            .map(|(id, _)| *id)
            .collect();
        fetches.into_iter().for_each(|fetch| self.cancel_fetch(fetch));
        let chunks = self.metadata.chunks_of(segment);
        for channel in self.channels.values_mut() {
            let count = channel.requests.len();
            channel.requests.retain(|request| !chunks.contains(request.chunk));
            if channel.requests.len() < count {
                channel.queue(&Message::Cancel(chunks));
            }
        }
        // Unverified bytes of a segment nobody waits for would stay for ever.
        for (chunk, _) in self.origin.leaves(chunks) {
            if let Some(bytes) = self.origin.take(chunk) {
                self.event(Event::Discarded {
                    bytes: bytes.len(),
                    link: None,
                });
            }
        }
    }

    fn cancel_fetch(&mut self, fetch: FetchId) {
        self.origin.fetches.remove(&fetch);
        self.outputs.push_back(Output::CancelOrigin { fetch });
    }

    fn origin_data(&mut self, fetch: FetchId, data: &[u8], now: Timestamp) {
        let Some(segment) = self.origin.fetches.get(&fetch).map(|fetch| fetch.segment) else {
            return self.event(Event::Discarded {
                bytes: data.len(),
                link: None,
            });
        };
        let has = self.store.has();
        let received = self
            .origin
            .receive(&self.metadata, fetch, data, |chunk| !has.contains(chunk), now);
        if received.discarded > 0 {
            self.event(Event::Discarded {
                bytes: received.discarded,
                link: None,
            });
        }
        if received.complete {
            self.verify_origin(segment, now);
        }
    }

    /// Verifies what came from the origin, as far as the hashes known allow.
    fn verify_origin(&mut self, segment: u32, now: Timestamp) {
        let leaves = self.origin.leaves(self.metadata.chunks_of(segment));
        if leaves.is_empty() {
            return;
        }
        let verdicts = self.tree.verify_leaves(&self.metadata, &leaves);
        let forged = verdicts.contains(&Verdict::Forged);
        for ((chunk, _), verdict) in leaves.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Verified => {
                    if let Some(bytes) = self.origin.take(chunk) {
                        self.keep(chunk, bytes, Source::Origin, now);
                    }
                }
                Verdict::Forged => {
                    if let Some(bytes) = self.origin.take(chunk) {
                        self.event(Event::Discarded {
                            bytes: bytes.len(),
                            link: None,
                        });
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

    fn origin_failed(&mut self, fetch: FetchId, now: Timestamp) {
        let Some(fetch) = self.origin.fetches.remove(&fetch) else {
            return;
        };
        let segment = fetch.segment;
        let chunks = self.metadata.chunks_of(segment);
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

    fn schedule(&mut self, now: Timestamp) {
        if self.picker.is_idle() {
            return;
        }
        let decisions = self.picker.plan(
            now,
            &View {
                metadata: &self.metadata,
                has: self.store.has(),
                channels: &self.channels,
                origin: &self.origin,
                me: &self.config.peer_id,
                urgent_window: self.config.urgent_window,
                prospects: self.prospects_until.is_some_and(|until| now < until)
                    || self.channels.values().any(Channel::is_young),
            },
        );
        // Chunks asked of one peer in one go become runs: one REQUEST each.
        let mut asked: BTreeMap<LinkId, ChunkMap> = BTreeMap::new();
        for decision in decisions {
            match decision {
                Decision::Request(link, chunk) => {
                    let bytes = self.metadata.chunk_length(chunk);
                    if let Some(channel) = self.channels.get_mut(&link) {
                        channel.requests.push(Request {
                            chunk,
                            bytes,
                            sent: now,
                        });
                        asked.entry(link).or_default().insert(ChunkRange::one(chunk));
                    }
                }
                Decision::Cancel(link, chunk) => {
                    if let Some(channel) = self.channels.get_mut(&link) {
                        channel.forget_request(chunk);
                        channel.queue(&Message::Cancel(ChunkRange::one(chunk)));
                    }
                }
                Decision::Fetch(segment, chunks) => {
                    let bytes = self.metadata.bytes_in_segment(chunks);
                    let fetch = self.origin.start(segment, chunks, now);
                    self.outputs.push_back(Output::FetchOrigin {
                        fetch,
                        segment,
                        bytes,
                    });
                }
            }
        }
        for (link, chunks) in asked {
            if let Some(channel) = self.channels.get_mut(&link) {
                chunks
                    .runs()
                    .iter()
                    .for_each(|run| channel.queue(&Message::Request(*run)));
            }
        }
    }
}
