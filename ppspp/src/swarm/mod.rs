//! One swarm as seen by one peer: the state machine a driver runs.
//!
//! * [`types`]: what it is told and what it says
//! * `handshake`, `receiving`, `serving`, `announcing`: the protocol (RFC 7574 §3)
//! * `fetching`: demands, the origin, and carrying out what the picker decides
//! * `live`: munros, proofs and the discard window (§6)
//! * `exchange`: peers that neighbours name (§3.10)

mod announcing;
mod exchange;
mod fetching;
#[cfg(test)]
mod fixture;
mod handshake;
mod live;
mod receiving;
mod serving;
pub mod types;

use std::collections::VecDeque;

use bytes::Bytes;
use core::time::Duration;

use crate::channel::{Channel, State};
use crate::checks::Checks;
use crate::choker::Choker;
use crate::datagram;
use crate::digest::Digests;
use crate::hash_tree::HashTree;
use crate::message::Message;
use crate::options::ProtocolOptions;
use crate::origin::Origin;
use crate::picker::{ChunkPicker, Scratch};
use crate::segments::Segments;
use crate::sorted_map::SortedMap;
use crate::store::ChunkStore;
use crate::{Bin, ChunkMap, ChunkRange, FetchId, Hash, LinkId, PeerId, SwarmMetadata, Timestamp};

use live::LiveState;
pub use types::*;

/// How often decisions are looked at again while something is wanted.
const TICK: Duration = Duration::from_millis(250);
/// Time-outs are looked for no more often than this.
const CHECK: Duration = Duration::from_millis(100);
/// A datagram is sent at least this often on an open channel (§12.3).
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A peer is dead when nothing came for this long and at least [`DEAD_AFTER_DATAGRAMS`] were sent (RFC 7574 §3.12).
const DEAD_AFTER: Duration = Duration::from_secs(180);
const DEAD_AFTER_DATAGRAMS: u32 = 3;
/// Longest pause between repeated first HANDSHAKEs.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
/// A peer that does not complete the handshake within this is forgotten (RFC 7574 §12.1.1).
const HALF_OPEN: Duration = Duration::from_secs(10);
/// A request that gets no answer is given up after this, or four round trips: static content, live.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
const LIVE_REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
/// A wake-up this late means that the whole process stood still: nobody else is to blame.
const PAUSED: Duration = Duration::from_millis(400);
/// How long far segments wait for the first neighbours.
const PROSPECTS_PATIENCE: Duration = Duration::from_secs(8);

/// See the module.
#[derive(Debug)]
pub struct Swarm {
    config: Config,
    metadata: SwarmMetadata,
    rng: fastrand::Rng,
    segments: Segments,
    digests: Digests,
    tree: HashTree,
    store: ChunkStore,
    channels: SortedMap<LinkId, Channel>,
    picker: ChunkPicker,
    origin: Origin,
    checks: Checks,
    live: LiveState,
    choker: Choker,
    upload: bool,
    /// Own membership certificate and when it ends.
    certificate: Option<(Bytes, Timestamp)>,
    /// Members by the tracker; 0 = unknown.
    members: u32,
    /// By how much the real time is ahead of the driver's clock, in microseconds.
    clock_offset: i64,
    late_chunks: u64,
    /// Wanted segments that were needed at once when they were asked for: the player waits for these, at the start and
    /// after a seek, however fast they come. They are not late.
    at_once: Vec<u32>,
    prospects_until: Option<Timestamp>,
    created: Option<Timestamp>,
    /// Neighbours that are told of new chunks at once, until they have been.
    eager: Vec<LinkId>,
    /// When one more neighbour may be told of new chunks of a live stream.
    tell_at: Option<Timestamp>,
    /// Something changed that a decision depends on.
    undecided: bool,
    decide_at: Option<Timestamp>,
    check_at: Timestamp,
    wake_at: Option<Timestamp>,
    outputs: VecDeque<Output>,
    /// Kept for its room: the hashes of the datagram being read.
    hashes: Vec<(Bin, Hash)>,
    /// The same: the picker's lists, and chunks asked for.
    scratch: Scratch,
    asked: Vec<(LinkId, u32)>,
}

impl Swarm {
    /// A swarm with no links, nothing wanted and nothing held.
    pub fn new(config: Config, metadata: SwarmMetadata) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(config.seed),
            choker: Choker::new(config.upload_slots),
            config,
            segments: Segments::new(&metadata),
            metadata,
            digests: crate::digest::none(),
            tree: HashTree::new(),
            store: ChunkStore::default(),
            channels: SortedMap::new(),
            picker: ChunkPicker::default(),
            origin: Origin::default(),
            checks: Checks::default(),
            live: LiveState::default(),
            upload: true,
            certificate: None,
            members: 0,
            clock_offset: 0,
            late_chunks: 0,
            at_once: Vec::new(),
            prospects_until: None,
            created: None,
            eager: Vec::new(),
            tell_at: None,
            undecided: false,
            decide_at: None,
            check_at: Timestamp::default(),
            wake_at: None,
            outputs: VecDeque::new(),
            hashes: Vec::new(),
            scratch: Scratch::default(),
            asked: Vec::new(),
        }
    }

    /// Chunks are stubs from now on; see [`crate::digest`].
    #[cfg(feature = "simulation")]
    pub fn simulate(&mut self, digests: Digests) {
        self.digests = digests;
    }

    /// This peer's ID, for a driver that makes it only when it connects. To be said before the first link.
    pub fn set_peer_id(&mut self, peer_id: PeerId) {
        self.config.peer_id = peer_id;
    }

    /// The swarm's metadata.
    pub fn metadata(&self) -> &SwarmMetadata {
        &self.metadata
    }

    /// What is known of the segments.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// The verified chunks held.
    pub fn has(&self) -> &ChunkMap {
        self.store.has()
    }

    /// Bytes of verified chunks held.
    pub fn stored_bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Chunks that came after the player needed their segment, from wherever: of segments that were wanted before that.
    pub fn late_chunks(&self) -> u64 {
        self.late_chunks
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
                .is_some_and(|id| id == self.metadata.swarm_id().bytes()),
            Some(id) => self.channels.get(link).is_some_and(|channel| channel.local == id),
        }
    }

    /// Is the channel over `link` open, and how many bytes per second does it measure?
    pub fn link_rate(&self, link: LinkId) -> Option<f64> {
        self.channels
            .get(link)
            .filter(|channel| channel.is_open())
            .map(|channel| channel.meter.rate().unwrap_or(0.0))
    }

    /// Media bytes received over `link` and sent over it, verified and asked for.
    pub fn exchanged(&self, link: LinkId) -> Option<(u64, u64)> {
        self.channels
            .get(link)
            .map(|channel| (channel.received_bytes, channel.sent_bytes))
    }

    /// The verified chunks of a complete segment, in order; `None` while one is missing.
    pub fn read_segment(&self, segment: u32) -> Option<Vec<Bytes>> {
        self.segments
            .chunks_of(segment)?
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
            .evict(&self.segments, bytes, |segment| picker.wants(segment));
        self.forget_unannounced();
        freed
    }

    /// Tells the swarm what happened. `now` must not run backwards.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.created.get_or_insert(now);
        self.forgive_pause(now);
        match input {
            Input::LinkUp { link, peer } => self.link_up(link, peer, now),
            Input::LinkDown { link } => self.forget_link(link),
            Input::Datagram { link, data } => self.datagram(link, data, now),
            Input::Writable { link, free } => {
                if let Some(channel) = self.channels.get_mut(link) {
                    channel.set_free(free, now);
                }
                self.serve(link, now);
            }
            Input::Demand { segment, deadline } => self.demand(segment, deadline, now),
            Input::Withdraw { segment } => self.withdraw(segment),
            Input::OriginData { fetch, data } => self.origin_data(fetch, &data, now),
            Input::OriginEnd { fetch, range_ignored } => self.origin_end(fetch, range_ignored, now),
            Input::OriginFailed { fetch } => self.origin_failed(fetch, now),
            Input::Proof { segment, proof } => self.proof(segment, proof, now),
            Input::SignatureChecked { check, valid } => self.signature_checked(check, valid, now),
            Input::Clock { unix } => self.clock_offset = unix.0 as i64 - now.0 as i64,
            Input::SwarmSize(members) => self.members = members,
            Input::Certificate { certificate, expires } => self.certified(certificate, expires),
            Input::FindPeers => self.find_peers(now),
            Input::CertificateChecked { check, member } => self.certificate_checked(check, member, now),
            Input::PeerStatus { link, status } => {
                if let Some(channel) = self.channels.get_mut(link) {
                    channel.status = status;
                }
            }
            Input::Upload(upload) => self.set_upload(upload, now),
            Input::Prospects(true) => {
                let patience = self.created.unwrap_or(now) + PROSPECTS_PATIENCE;
                self.prospects_until = Some(patience);
            }
            Input::Prospects(false) => {
                self.prospects_until = None;
                self.undecided = true;
            }
            Input::Timeout => {}
        }
        if self.metadata.live_key().is_some() {
            self.serve_next(now);
        }
        if now >= self.check_at {
            self.check_at = now + CHECK;
            self.timeouts(now);
        }
        if self.undecided || self.decide_at.is_some_and(|due| due <= now) {
            self.undecided = false;
            self.decide_at = Some(now + TICK);
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
        let fetches: Vec<FetchId> = self.origin.fetches.keys().collect();
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

    fn discarded(&mut self, payload: &[u8], link: Option<LinkId>) {
        let bytes = self.digests.length(payload);
        self.event(Event::Discarded { bytes, link });
    }

    fn disconnect(&mut self, link: LinkId, reason: Reason) {
        self.forget_link(link);
        self.outputs.push_back(Output::Disconnect { link, reason });
    }

    fn forget_link(&mut self, link: LinkId) {
        if self.channels.remove(link).is_some() {
            self.checks.forget_link(link);
            self.undecided = true;
        }
    }

    // ---- time

    /// The real time, as far as the driver told.
    fn wall(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add_signed(self.clock_offset))
    }

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
        self.origin_timeouts(now);
        self.live_timeouts(now);
        let links: Vec<LinkId> = self.channels.keys().collect();
        for link in links {
            self.time_out_requests(link, now);
            let Some(channel) = self.channels.get_mut(link) else {
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
                State::Waiting if now.since(channel.last_received) >= HALF_OPEN => self.reopen(link, now),
                State::Opening { .. } | State::Waiting => {}
            }
        }
        self.rechoke(now);
    }

    /// Requests that will not be answered are taken back and may go elsewhere.
    fn time_out_requests(&mut self, link: LinkId, now: Timestamp) {
        let least = if self.metadata.live_key().is_some() {
            LIVE_REQUEST_TIMEOUT
        } else {
            REQUEST_TIMEOUT
        };
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        let limit = least.max(channel.round_trip() * 4);
        if channel.silence(now) > limit {
            // Nothing at all came: the peer or the path is in trouble.
            channel.silences += 1;
            channel.resting_until = now + ChunkPicker::rest(channel.silences);
            for request in core::mem::take(&mut channel.requests) {
                channel.queue(&Message::Cancel(ChunkRange::one(request.chunk)));
            }
            self.undecided = true;
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
            self.undecided = true;
        }
    }

    fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let channels = || self.channels.values();
        let timers = channels().map(|channel| match channel.state {
            State::Opening { repeat_at, .. } => repeat_at,
            State::Waiting => channel.last_received + HALF_OPEN,
            State::Open => channel.last_sent + KEEP_ALIVE,
        });
        let chokes = self.upload && self.metadata.live_key().is_none();
        let serving = || channels().any(|channel| channel.choking || channel.waiting_since().is_some());
        let choker = (chokes && serving()).then(|| self.choker.next());
        // Looked for no more often than that.
        let checked = timers.chain(choker).min().map(|due| due.max(self.check_at));
        let announcing = channels()
            .filter(|channel| channel.is_open())
            .flat_map(|channel| [channel.announce_at, channel.soon_at])
            .flatten()
            .min();
        let tick = if self.picker.is_idle() {
            None
        } else {
            self.decide_at.or(Some(now + TICK))
        };
        [checked, announcing, self.tell_at, tick]
            .into_iter()
            .flatten()
            .min()
    }
}
