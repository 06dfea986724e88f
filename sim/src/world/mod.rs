//! The whole world of a run: viewers with the real machines, their links, the origin, the tracker, and what happens
//! next.

mod account;
mod connecting;
mod delivery;
mod exchange;
mod signalling;

use std::collections::BTreeMap;

use bytes::Bytes;
use core::time::Duration;
use ppspp::live::SIGNATURE_LENGTH;
use ppspp::message::Format;
use ppspp::metadata::MetadataError;
use ppspp::options::Addressing;
use ppspp::swarm::Input;
use ppspp::{Config, PeerId, Swarm, Timestamp};
use tracker_protocol::PeerMode;
use tracker_protocol::client::{self, Client, ClientConfig};

use crate::connection::Connection;
use crate::content::Content;
use crate::log::{Entry, Log};
use crate::origin::{Next, Origin};
use crate::peer::{Loader, NEVER, Peer};
use crate::plain::PlainLoader;
use crate::player::{Action, Player};
use crate::population::{self, Cheat, Viewer};
use crate::queue::Queue;
use crate::scenario::Scenario;
use crate::tracker::Tracker;
use signalling::{FIND_PAUSE, Relayed};

/// When every run begins: a round time, of which only differences matter.
pub const START: Timestamp = Timestamp(1_700_000_000_000_000);
/// The tracker's address; nobody connects to it.
const TRACKER_URL: &str = "wss://tracker.example/ppsp";
/// A connection that just broke is noticed after this: ICE disconnects, then the driver's patience.
const BROKEN_NOTICED: u64 = 15_000_000;
/// The tracker notices a viewer that vanished after its pings go unanswered.
const VANISHED_NOTICED: u64 = 60_000_000;

/// Whether viewers help each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Shoal: peers and the origin.
    Hybrid,
    /// The same players over plain HTTP.
    Plain,
    /// Plain HTTP from an origin without limits.
    Unlimited,
}

/// What happens.
#[derive(Debug)]
enum Event {
    Join(u32),
    Leave(u32),
    Seek(u32, u32),
    Change(u32, u32),
    /// The earliest of a viewer's timers.
    Wake(u32),
    /// A viewer's uplink has sent a message.
    Uplink(u32),
    /// A datagram reaches the downlink of an end.
    Arrives {
        connection: u32,
        side: u8,
        wire: u32,
        data: Bytes,
    },
    /// It is through.
    Datagram {
        connection: u32,
        side: u8,
        data: Bytes,
    },
    LinkDown {
        connection: u32,
        side: u8,
        broke: bool,
    },
    Connected(u32),
    DialFailed(u32),
    SocketOpen(u32, u32),
    SocketClosed(u32, u32),
    ToViewer {
        viewer: u32,
        socket: u32,
        frame: String,
    },
    ToTracker {
        viewer: u32,
        socket: u32,
        frame: String,
    },
    Vanished(u32, u32),
    Relayed(u32, Relayed),
    /// A viewer's request reaches the playlist.
    Playlist(u32),
    /// The answer: first segment listed, and the one after the last.
    Listed(u32, u32, u32),
    /// A viewer's request reaches a segment's proof.
    ProofAsked(u32, u32),
    Proof {
        viewer: u32,
        segment: u32,
        proof: Option<Bytes>,
    },
    /// Everybody has arrived.
    Settled,
    TrackerTimer,
    TrackerDies,
    TrackerRevives,
    Origin(Next),
    /// Bytes of a fetch are through the downlink.
    OriginData(u32, u32),
}

/// See the module.
#[derive(Debug)]
pub struct World {
    mode: Mode,
    now: Timestamp,
    until: Timestamp,
    scenario: Scenario,
    content: Content,
    viewers: Vec<Viewer>,
    peers: Vec<Peer>,
    ids: BTreeMap<PeerId, u32>,
    connections: Vec<Connection>,
    origin: Origin,
    tracker: Tracker,
    tracker_timer: Timestamp,
    swarm_hex: String,
    /// How messages look between viewers.
    format: Format,
    queue: Queue<Event>,
    rng: fastrand::Rng,
    log: Log,
    events: u64,
    /// Spare lists, so that events allocate none.
    actions: Vec<Action>,
    nexts: Vec<Next>,
    /// Honest viewers that were banned by somebody.
    honest_banned: u32,
    /// What had been signalled when everybody had arrived.
    settled: Option<account::Signalled>,
}

impl World {
    /// A scenario before anything has happened.
    ///
    /// # Errors
    /// Its content cannot be addressed in chunks.
    pub fn new(scenario: Scenario, seed: u64, mode: Mode) -> Result<Self, MetadataError> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let content = Content::new(&scenario.content, START, &mut rng)?;
        let viewers = population::draw(&scenario, &mut rng);
        let swarm_hex = content.metadata().swarm_id().to_string();
        let format = Format {
            chunk_size: content.chunk_size(),
            signature_length: content.is_live().then_some(SIGNATURE_LENGTH as u8),
            addressing: Addressing::ChunkRanges32,
        };
        let tracker = Tracker::new(swarm_hex.clone(), rng.fork());
        let capacity = scenario
            .origin
            .capacity_kbps
            .filter(|_| mode != Mode::Unlimited)
            .map(|kbps| kbps * 125.0);
        let origin = Origin::new(
            capacity,
            scenario.origin.connection_kbps * 125.0,
            content.chunk_size(),
            content.segments(),
        );
        let mut peers = Vec::with_capacity(viewers.len());
        let mut ids = BTreeMap::new();
        for (index, viewer) in viewers.iter().enumerate() {
            let hex = tracker_protocol::peer_id_of(&viewer.key);
            let id = PeerId::from_hex(&hex).unwrap_or(PeerId([0; 32]));
            ids.insert(id, index as u32);
            let max_peers = scenario.viewers.max_peers as usize;
            peers.push(Peer::new(id, viewer.up, viewer.down, max_peers, viewer.seed));
        }
        let mut queue = Queue::default();
        for (index, viewer) in viewers.iter().enumerate() {
            queue.push(Timestamp(START.0 + viewer.arrives), Event::Join(index as u32));
        }
        for outage in &scenario.tracker.outages {
            let at = |seconds: f64| START + Duration::from_secs_f64(seconds);
            queue.push(at(outage.from_s), Event::TrackerDies);
            queue.push(at(outage.to_s), Event::TrackerRevives);
        }
        Ok(Self {
            mode,
            now: START,
            until: START + Duration::from_secs_f64(scenario.duration_s),
            scenario,
            content,
            viewers,
            peers,
            ids,
            connections: Vec::new(),
            origin,
            tracker,
            tracker_timer: NEVER,
            swarm_hex,
            format,
            queue,
            rng,
            log: Log::default(),
            events: 0,
            actions: Vec::new(),
            nexts: Vec::new(),
            honest_banned: 0,
            settled: None,
        })
    }

    /// Runs to the scenario's end, or until nothing is left to happen. `progress` is told the time that has passed
    /// now and then.
    pub fn run(&mut self, mut progress: impl FnMut(Duration)) {
        self.queue.push(self.settled_at(), Event::Settled);
        let mut told = START;
        while let Some((now, event)) = self.queue.pop(self.until) {
            self.now = now;
            self.events += 1;
            self.handle(event);
            if now.since(told) >= Duration::from_secs(1) {
                told = now;
                progress(now.since(START));
            }
        }
        self.now = self.until;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Join(viewer) => self.join(viewer),
            Event::Leave(viewer) => self.leave(viewer),
            Event::Seek(viewer, index) => self.seek(viewer, index),
            Event::Change(viewer, index) => self.change(viewer, index),
            Event::Wake(viewer) => self.wake(viewer),
            Event::Uplink(viewer) => self.uplink(viewer),
            Event::Arrives {
                connection,
                side,
                wire,
                data,
            } => self.arrives(connection, side, wire, data),
            Event::Datagram {
                connection,
                side,
                data,
            } => self.datagram(connection, side, data),
            Event::LinkDown {
                connection,
                side,
                broke,
            } => self.link_down(connection, side, broke),
            Event::Connected(connection) => self.connected(connection),
            Event::DialFailed(connection) => self.dial_failed(connection),
            Event::SocketOpen(viewer, socket) => self.socket_open(viewer, socket),
            Event::SocketClosed(viewer, socket) => self.socket_closed(viewer, socket),
            Event::ToViewer {
                viewer,
                socket,
                frame,
            } => self.frame_for_viewer(viewer, socket, frame),
            Event::ToTracker {
                viewer,
                socket,
                frame,
            } => self.frame_for_tracker(viewer, socket, &frame),
            Event::Vanished(viewer, socket) => self.vanished(viewer, socket),
            Event::Relayed(viewer, relayed) => self.relayed(viewer, relayed),
            Event::Playlist(viewer) => self.playlist_asked(viewer),
            Event::Listed(viewer, first, next) => self.listed(viewer, first, next),
            Event::ProofAsked(viewer, segment) => self.proof_asked(viewer, segment),
            Event::Proof {
                viewer,
                segment,
                proof,
            } => {
                self.swarm_input(viewer, Input::Proof { segment, proof });
                self.settle(viewer);
            }
            Event::Settled => self.settled = Some(self.signalled_so_far()),
            Event::TrackerTimer => self.tracker_timeout(),
            Event::TrackerDies => self.tracker_dies(),
            Event::TrackerRevives => self.tracker.revive(),
            Event::Origin(next) => self.origin_event(next),
            Event::OriginData(slot, length) => self.origin_data(slot, length),
        }
    }

    fn after(&self, micros: u64) -> Timestamp {
        Timestamp(self.now.0 + micros)
    }

    fn join(&mut self, who: u32) {
        let now = self.now;
        self.log.record(now, Entry::Joined, who, 0);
        let viewer = &self.viewers[who as usize];
        for (index, seek) in viewer.seeks.iter().enumerate() {
            self.queue
                .push(Timestamp(now.0 + seek.after), Event::Seek(who, index as u32));
        }
        for (index, change) in viewer.changes.iter().enumerate() {
            self.queue
                .push(Timestamp(now.0 + change.after), Event::Change(who, index as u32));
        }
        if let Some(leaves) = viewer.leaves {
            self.queue.push(Timestamp(now.0 + leaves), Event::Leave(who));
        }
        let goal = (self.scenario.viewers.buffer_s * 1e6) as u64;
        let (segments, segment_us) = (self.content.segments(), self.content.segment_us());
        let peer = &mut self.peers[who as usize];
        peer.here = true;
        peer.player = Some(if let Some(live) = &self.scenario.content.live {
            peer.playlist_due = now;
            Player::live(segments, segment_us, goal, live.hold_back, now)
        } else {
            Player::new(segments, segment_us, goal, viewer.start, now)
        });
        peer.play = true;
        if self.mode == Mode::Hybrid {
            let config = Config {
                urgent_window: Duration::from_secs_f64(self.scenario.viewers.urgent_window_s),
                ..Config::new(peer.id, viewer.seed)
            };
            let mut swarm = Swarm::new(config, self.content.metadata().clone());
            if let Some(digests) = self.content.digests() {
                swarm.simulate(digests);
            }
            if viewer.cheat == Cheat::FreeRider {
                swarm.handle(now, Input::Upload(false));
            }
            peer.loader = Some(Loader::Swarm(Box::new(swarm)));
            let tiers = vec![vec![TRACKER_URL.to_owned()]];
            peer.client = Some(Client::new(ClientConfig::new(
                tiers,
                viewer.key.to_vec(),
                viewer.seed,
            )));
            peer.expect_until = NEVER;
            peer.find_due = Timestamp(now.0 + FIND_PAUSE);
            self.update_prospects(who);
            let swarm = self.swarm_hex.clone();
            let mode = PeerMode::Leech;
            self.client_input(who, client::Input::Join { swarm, mode });
        } else {
            peer.loader = Some(Loader::Plain(PlainLoader::default()));
        }
        self.settle(who);
    }

    /// A viewer goes, with or without a word.
    fn leave(&mut self, who: u32) {
        let now = self.now;
        let abrupt = self.viewers[who as usize].abrupt && self.peers[who as usize].goes_at == NEVER;
        if !self.peers[who as usize].here {
            return;
        }
        self.log.record(now, Entry::Left, who, u32::from(abrupt));
        if !abrupt {
            if let Some(swarm) = self.peers[who as usize].swarm() {
                swarm.close(now);
            }
            self.drain_swarm(who);
            self.client_input(who, client::Input::Close);
        }
        self.end_links(who, abrupt);
        let peer = &mut self.peers[who as usize];
        if abrupt {
            let event = Event::Vanished(who, peer.socket);
            self.queue.push(Timestamp(now.0 + VANISHED_NOTICED), event);
        }
        for (_, slot) in core::mem::take(&mut peer.fetches) {
            self.origin.abort(slot);
        }
        peer.here = false;
        peer.gone_at = Some(now);
        peer.experience = peer
            .player
            .take()
            .map(|player| player.experience(now))
            .unwrap_or_default();
        peer.loader = None;
        peer.client = None;
        peer.socket += 1;
        peer.wake_at = NEVER;
    }

    fn change(&mut self, who: u32, index: u32) {
        let viewer = &self.viewers[who as usize];
        let change = viewer.changes[index as usize];
        let peer = &mut self.peers[who as usize];
        if !peer.here {
            return;
        }
        peer.uplink.set_rate(viewer.up * change.factor, self.now);
        peer.downlink.set_rate(viewer.down * change.factor);
        if change.outage > 0 {
            let end = Timestamp(self.now.0 + change.outage);
            peer.uplink.pause(end, self.now);
            peer.downlink.pause(end);
        }
        self.arm_uplink(who);
    }

    /// A viewer's timers.
    fn wake(&mut self, who: u32) {
        let now = self.now;
        let peer = &mut self.peers[who as usize];
        // Timers that were moved leave their old events behind.
        if peer.wake_at != now || !peer.here {
            return;
        }
        peer.wake_at = NEVER;
        if peer.goes_at <= now {
            return self.leave(who);
        }
        if peer.player_due <= now {
            peer.play = true;
        }
        let due = peer
            .swarm()
            .and_then(|swarm| swarm.poll_timeout())
            .is_some_and(|at| at <= now);
        if due {
            self.swarm_input(who, Input::Timeout);
        }
        if self.peers[who as usize].client_due <= now {
            self.client_input(who, client::Input::Timeout);
        }
        if self.peers[who as usize].find_due <= now {
            self.look_for_peers(who);
        } else if self.peers[who as usize].dial_due <= now {
            self.fill(who);
        }
        if self.peers[who as usize].playlist_due <= now {
            self.ask_for_playlist(who);
        }
        self.update_prospects(who);
        self.settle(who);
    }

    /// After something happened to a viewer: the player looks at it, and the next timer is set.
    fn settle(&mut self, who: u32) {
        if self.peers[who as usize].play {
            self.play(who);
        }
        let peer = &mut self.peers[who as usize];
        let due = peer.next_due();
        if peer.here && due < peer.wake_at {
            // Never at this very moment again: a machine that wants to be woken at once must not stop the world.
            peer.wake_at = due.max(Timestamp(self.now.0 + 100));
            self.queue.push(peer.wake_at, Event::Wake(who));
        }
    }
}
