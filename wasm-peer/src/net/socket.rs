//! The tracker's socket: drives the tracker client's state machine over a WebSocket.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::JsString;
use ppspp::neighbourhood::{Hints, Source};
use ppspp::{PeerId, SwarmId};
use tracker_protocol::client::{Client, ClientConfig, Input, Output, Status};
use tracker_protocol::{CandidateTypes, MAX_FRAME, PeerMode, Role, SUBPROTOCOL, Signal, Stat, to_hex};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, WebSocket};

use super::identity::Identity;
use super::link::{Link, Phase, Remains};
use super::timer::Clock;
use super::{Inner, NetConfig, NetEvent};
use crate::js::{JsClosure, get_text};

/// Longest reason of a lost tracker that is passed on, bytes.
const MAX_REASON: usize = 200;

/// The client's machine and the socket it has open.
pub(super) struct Tracker {
    client: RefCell<Client>,
    socket: RefCell<Option<Socket>>,
    /// Number of the socket in use: events of earlier ones are dropped.
    generation: Cell<u32>,
    /// Swarms the engine wants to be in, and whether as a seeder.
    swarms: RefCell<Vec<(SwarmId, bool)>>,
    /// The page is hidden for good, or until it comes back.
    suspended: Cell<bool>,
}

impl Tracker {
    pub(super) fn new(config: &NetConfig, identity: &Identity) -> Tracker {
        let tiers = config.trackers.iter().map(|url| vec![url.clone()]).collect();
        let seed = identity.random_seed();
        let settings = ClientConfig::new(tiers, identity.key_blob().to_vec(), seed);
        Tracker {
            client: RefCell::new(Client::new(settings)),
            socket: RefCell::default(),
            generation: Cell::new(0),
            swarms: RefCell::default(),
            suspended: Cell::new(false),
        }
    }

    /// Unix milliseconds by the tracker's clock, so that peers with wrong clocks understand each other.
    pub(super) fn time_ms(&self, clock: &Clock) -> u64 {
        self.client.borrow().time_ms(clock.unix_us())
    }
}

/// What a socket says.
enum SocketEvent {
    Open,
    Frame(String),
    Closed(String),
}

/// One WebSocket with its closures.
struct Socket {
    socket: WebSocket,
    closures: Vec<JsClosure>,
}

impl Socket {
    fn open(url: &str, generation: u32, inner: &Weak<Inner>) -> Result<Socket, JsValue> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        let closure = |make: fn(JsValue) -> SocketEvent| -> JsClosure {
            let inner = inner.clone();
            Closure::new(move |event| {
                if let Some(inner) = inner.upgrade()
                    && inner.tracker.generation.get() == generation
                {
                    inner.socket_event(make(event));
                }
            })
        };
        let opened = closure(|_| SocketEvent::Open);
        let message = closure(|event| {
            // An over-long or binary frame reaches the machine as an empty one, which counts as malformed.
            let text = event
                .unchecked_into::<MessageEvent>()
                .data()
                .dyn_into::<JsString>()
                .ok();
            let text = text.filter(|text| text.length() as usize <= MAX_FRAME);
            SocketEvent::Frame(text.map(String::from).unwrap_or_default())
        });
        let closed = closure(|event| {
            let reason = get_text(&event, "reason").filter(|reason| !reason.is_empty());
            SocketEvent::Closed(reason.unwrap_or_else(|| "socket closed".to_owned()))
        });
        socket.set_onopen(Some(opened.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(closed.as_ref().unchecked_ref()));
        Ok(Socket {
            socket,
            closures: vec![opened, message, closed],
        })
    }

    fn close(self) -> Remains {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close_with_code(1000);
        Remains::new(self.closures)
    }
}

impl Inner {
    pub(super) fn join(&self, swarm_id: &SwarmId, seeder: bool) {
        {
            let mut swarms = self.tracker.swarms.borrow_mut();
            swarms.retain(|(swarm, _)| swarm != swarm_id);
            swarms.push((swarm_id.clone(), seeder));
        }
        if !self.tracker.suspended.get() && !self.destroyed.get() {
            self.tell_tracker(join_input(swarm_id, seeder));
        }
    }

    pub(super) fn leave(&self, swarm_id: &SwarmId) {
        self.tracker
            .swarms
            .borrow_mut()
            .retain(|(swarm, _)| swarm != swarm_id);
        self.neighbourhood.borrow_mut().leave(swarm_id);
        self.tell_tracker(Input::Leave {
            swarm: to_hex(swarm_id.as_ref()),
        });
    }

    /// Leaves everything at once and closes the socket.
    pub(super) fn leave_all(&self) {
        self.tracker.swarms.take();
        self.tell_tracker(Input::Close);
    }

    pub(super) fn suspend_tracker(&self) {
        self.tracker.suspended.set(true);
        self.tell_tracker(Input::Close);
    }

    pub(super) fn resume_tracker(&self) {
        self.tracker.suspended.set(false);
        let swarms = self.tracker.swarms.borrow().clone();
        for (swarm_id, seeder) in swarms {
            self.hand_in(join_input(&swarm_id, seeder));
        }
        self.run_outputs();
    }

    /// Is the tracker there to relay signals?
    pub(super) fn can_signal(&self) -> bool {
        self.tracker.client.borrow().status() == Status::Joined
    }

    /// Is the page hidden for good, or until it comes back?
    pub(super) fn is_suspended(&self) -> bool {
        self.tracker.suspended.get()
    }

    pub(super) fn is_joined(&self, swarm_id: &SwarmId) -> bool {
        self.tracker
            .swarms
            .borrow()
            .iter()
            .any(|(swarm, _)| swarm == swarm_id)
    }

    pub(super) fn send_signal(&self, signal: Signal) {
        self.tell_tracker(Input::SendSignal(Box::new(signal)));
    }

    pub(super) fn report(&self, stats: Vec<(SwarmId, Stat)>) {
        let stats = stats.into_iter().map(|(swarm, mut stat)| {
            let neighbours = self.neighbours(&swarm);
            let mut kinds = [0; 4];
            for link in &neighbours {
                kinds[self.identity.candidate_type(&link.pc) & 3] += 1;
            }
            if let Some(qos) = &mut stat.ext.qos {
                let [_, host, srflx, relay] = kinds;
                qos.cand = CandidateTypes { host, srflx, relay };
            }
            stat.swarm_id = to_hex(swarm.as_ref());
            stat.concurrent_links = neighbours.len() as u64;
            stat
        });
        self.tell_tracker(Input::Stats(stats.collect()));
    }

    pub(super) fn near(&self, swarm: &SwarmId, chunk: u64) {
        let swarm = to_hex(swarm.as_ref());
        self.hand_in(Input::Near { swarm, chunk });
    }

    pub(super) fn set_token(&self, token: String) {
        self.tell_tracker(Input::Token(token));
    }

    /// The links that are up have changed.
    pub(super) fn neighbours_changed(&self) {
        let swarms = self.tracker.swarms.borrow().clone();
        for (swarm, _) in swarms {
            let neighbours = self.neighbours(&swarm);
            let peers = neighbours.iter().map(|link| to_hex(&link.peer.0)).collect();
            self.hand_in(Input::Neighbours {
                swarm: to_hex(swarm.as_ref()),
                peers,
            });
        }
        self.run_outputs();
    }

    /// Connected peers that are known to be in `swarm`.
    fn neighbours(&self, swarm: &SwarmId) -> Vec<Rc<Link>> {
        let (links, known) = (self.links.borrow(), self.neighbourhood.borrow());
        let up = links.iter().filter(|link| link.phase.get() == Phase::Up);
        up.filter(|link| link.swarm == *swarm || known.is_in(&link.peer, swarm))
            .cloned()
            .collect()
    }

    /// The timer has fired.
    pub(super) fn tracker_due(&self) {
        self.tell_tracker(Input::Timeout);
    }

    fn socket_event(&self, event: SocketEvent) {
        self.tell_tracker(match event {
            SocketEvent::Open => Input::SocketOpen,
            SocketEvent::Frame(frame) => Input::Frame(frame),
            SocketEvent::Closed(reason) => Input::SocketClosed { reason },
        });
        self.deliver();
    }

    pub(super) fn tell_tracker(&self, input: Input) {
        self.hand_in(input);
        self.run_outputs();
    }

    fn hand_in(&self, input: Input) {
        let now = self.clock.unix_us();
        self.tracker.client.borrow_mut().handle(now, input);
    }

    fn run_outputs(&self) {
        loop {
            // A statement of its own: the borrow ends before the output is carried out.
            let next = self.tracker.client.borrow_mut().poll_output();
            let Some(output) = next else { break };
            self.carry_out(output);
        }
        let timeout = self.tracker.client.borrow().poll_timeout();
        if let Some(timeout) = timeout {
            let now = self.clock.now();
            let delay = timeout.saturating_sub(self.clock.unix_us()) as f64 / 1000.0;
            self.timer.arm(now, now + delay);
        }
    }

    fn carry_out(&self, output: Output) {
        match output {
            Output::Open(url) => self.open_socket(url),
            Output::Close => self.close_socket(),
            Output::Send(frame) => {
                let socket = self
                    .tracker
                    .socket
                    .borrow()
                    .as_ref()
                    .map(|socket| socket.socket.clone());
                if let Some(socket) = socket {
                    // A broken socket says so by its close event.
                    let _ = socket.send_with_str(&frame);
                }
            }
            Output::SignAuth { attempt, bytes } => {
                let Some(inner) = self.this.upgrade() else { return };
                crate::js::spawn(async move {
                    if let Ok(sig) = inner.identity.sign(&bytes).await {
                        inner.tell_tracker(Input::AuthSigned { attempt, sig });
                        inner.deliver();
                    }
                });
            }
            Output::ReportDue => self.emit(NetEvent::ReportDue),
            Output::Peers { swarm, peers } => {
                let Some(swarm) = SwarmId::from_hex(&swarm) else {
                    return;
                };
                let now = self.clock.timestamp();
                let reachable = peers
                    .into_iter()
                    .filter(|peer| peer.ext.via.is_empty() || peer.ext.via.iter().any(|way| way == "signal"));
                for peer in reachable {
                    let hints = Hints {
                        strong: matches!(peer.ext.role, Some(Role::Super | Role::Cache | Role::Cdn)),
                        weak: false,
                    };
                    if let Some(peer) = PeerId::from_hex(&peer.peer_id) {
                        let mut neighbourhood = self.neighbourhood.borrow_mut();
                        neighbourhood.found(now, &swarm, peer, Source::Tracker, hints);
                    }
                }
                self.fill();
            }
            Output::OffersSent(_) => {}
            Output::SwarmSize { swarm, members } => {
                if let Some(swarm) = SwarmId::from_hex(&swarm) {
                    let members = u32::try_from(members).unwrap_or(u32::MAX);
                    self.neighbourhood.borrow_mut().set_size(&swarm, members);
                    self.emit(NetEvent::SwarmSize { swarm, members });
                }
            }
            Output::Certificate {
                swarm,
                certificate,
                expires,
            } => {
                if let Some(swarm) = SwarmId::from_hex(&swarm) {
                    self.emit(NetEvent::Certificate {
                        swarm,
                        certificate: certificate.into(),
                        expires,
                    });
                }
            }
            Output::Signal(signal) => self.signal_arrived(*signal, None),
            Output::SignalFailed { to, oid, reason } => self.signal_failed(&to, &oid, &reason),
            Output::Joined { url, tracker_key } => {
                if let Some(key) = tracker_key {
                    self.emit(NetEvent::TrackerKey(key));
                }
                self.emit(NetEvent::Tracker {
                    url,
                    state: "joined",
                    reason: None,
                });
                self.fill();
            }
            Output::Lost { url, reason } => {
                self.close_socket();
                self.emit(NetEvent::Tracker {
                    url,
                    state: "lost",
                    reason: Some(bounded(reason)),
                });
                // Neighbours stay, and those they know can still be reached.
                self.fill();
            }
            Output::Refused {
                url,
                swarm,
                code: _,
                reason,
            } => {
                let state = if swarm.is_some() && self.can_signal() {
                    "joined"
                } else {
                    "lost"
                };
                self.emit(NetEvent::Tracker {
                    url,
                    state,
                    reason: Some(bounded(reason)),
                });
            }
        }
    }

    fn open_socket(&self, url: String) {
        self.close_socket();
        let generation = self.tracker.generation.get().wrapping_add(1);
        self.tracker.generation.set(generation);
        self.emit(NetEvent::Tracker {
            url: url.clone(),
            state: "connecting",
            reason: None,
        });
        match Socket::open(&url, generation, &self.this) {
            Ok(socket) => {
                self.tracker.socket.replace(Some(socket));
            }
            Err(error) => {
                let reason = get_text(&error, "message");
                let reason = reason.unwrap_or_else(|| "the browser refuses the URL".to_owned());
                self.hand_in(Input::SocketClosed { reason });
            }
        }
    }

    fn close_socket(&self) {
        let socket = self.tracker.socket.take();
        if let Some(socket) = socket {
            let remains = socket.close();
            self.remains.borrow_mut().push(remains);
            let now = self.clock.now();
            self.timer.arm(now, now);
        }
    }

    /// A signal did not reach its receiver: an attempt that still waits for the first word of the remote is
    /// over.
    fn signal_failed(&self, to: &str, offer_id: &str, reason: &str) {
        let Some(peer) = PeerId::from_hex(to) else { return };
        let Some(link) = self.find_attempt(&peer, offer_id) else {
            return;
        };
        let unknown_peer = reason.ends_with("no-such-peer");
        if unknown_peer {
            self.neighbourhood.borrow_mut().gone(&peer, &link.swarm);
        }
        if link.phase.get() == Phase::Connecting && (unknown_peer || link.outgoing && !link.answered.get()) {
            self.close_link(&link, "signal-failed", None);
        }
    }
}

fn join_input(swarm_id: &SwarmId, seeder: bool) -> Input {
    let mode = if seeder { PeerMode::Seeder } else { PeerMode::Leech };
    Input::Join {
        swarm: to_hex(swarm_id.as_ref()),
        mode,
    }
}

fn bounded(mut reason: String) -> String {
    let mut end = MAX_REASON;
    while !reason.is_char_boundary(end.min(reason.len())) {
        end -= 1;
    }
    reason.truncate(end);
    reason
}
