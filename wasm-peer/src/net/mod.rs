//! Connectivity: who we are, the tracker's socket, signalling, and the connections. Knows peers and links,
//! never chunks.
//!
//! * [`identity`]: the key pair, signatures. [`socket`]: the WebSocket under the tracker client's state
//!   machine.
//! * [`signalling`]: signed envelopes in and out. [`replay`]: each of them counts once.
//! * [`link`]: one RTCPeerConnection. [`links`]: their table. Whom to connect with is the policy of
//!   [`ppspp::neighbourhood`].
//! * [`auxiliary`]: what neighbours tell each other beside the peer protocol. [`relay`]: whose envelopes are passed
//!   on.
//! * [`timer`]: the one `setTimeout`. [`lifecycle`]: leaving and coming back.
//!
//! Nothing here holds a `RefCell` borrow across a call into JS or into the handler of events.

mod auxiliary;
mod identity;
mod lifecycle;
mod link;
mod links;
mod relay;
mod replay;
mod signalling;
mod socket;
pub(crate) mod timer;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use bytes::Bytes;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{RtcConfiguration, RtcPeerConnection};

use ppspp::Queue;
use ppspp::neighbourhood::{Hints, Limits, Neighbourhood, Source};
pub use ppspp::{LinkId, PeerId, SwarmId};
pub use tracker_protocol::{PeerStatus, Stat};

use identity::Identity;
use link::{Link, LinkSink, Remains};
use relay::Relay;
use replay::ReplayWindow;
use signalling::{Incoming, Outgoing};
use socket::Tracker;
use timer::{Clock, Timer};

use crate::js::{Record, error, get, get_text};
use crate::page::Page;

/// What the network tells the engine.
pub enum NetEvent {
    /// Both channels to a peer are open.
    LinkUp {
        /// The connection.
        link: LinkId,
        /// Its proven peer ID.
        peer: PeerId,
    },
    /// A connection that had been up has ended.
    LinkDown {
        /// The connection.
        link: LinkId,
        /// Whose it was.
        peer: PeerId,
        /// Why, for people.
        reason: &'static str,
    },
    /// One datagram, 1 to 65,535 bytes.
    Datagram {
        /// Where it came from.
        link: LinkId,
        /// Its bytes.
        data: Bytes,
    },
    /// The bulk channel drained below its low-water mark: see [`Network::free`].
    Writable {
        /// The connection.
        link: LinkId,
    },
    /// The tracker's socket changed state.
    Tracker {
        /// The tracker.
        url: String,
        /// `connecting`, `joined` or `lost`.
        state: &'static str,
        /// Why it was lost.
        reason: Option<String>,
    },
    /// The number of connections being made changed: see [`Network::connecting`].
    Connecting,
    /// A neighbour says what it is and can give: what it leaves out is as it was told before.
    PeerStatus {
        /// The connection.
        link: LinkId,
        /// Its words.
        status: PeerStatus,
    },
    /// The key that the tracker signs certificates with, as key blob (algorithm 13, x, y). The certificates follow.
    TrackerKey(Vec<u8>),
    /// Our certificate of membership, new or renewed, as the tracker gave it.
    Certificate {
        /// The swarm.
        swarm: SwarmId,
        /// X.509 in DER.
        certificate: Bytes,
        /// Its last second, Unix time by the tracker's clock.
        expires: u64,
    },
    /// The tracker is to be told how it goes: [`Network::report`].
    ReportDue,
    /// How many members the tracker knows in a swarm.
    SwarmSize {
        /// The swarm.
        swarm: SwarmId,
        /// All of them, with us.
        members: u32,
    },
}

/// Which data channel a datagram takes (ARCHITECTURE.md, "Data channels per connection").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Ordered: everything but data.
    Control,
    /// Unordered: hashes and data.
    Bulk,
}

/// How to connect.
pub struct NetConfig {
    /// Tracker URLs (`wss:`), best first.
    pub trackers: Vec<String>,
    /// `RTCConfiguration.iceServers` as the page gave it; `undefined` for none (the default: no third party
    /// is contacted).
    pub ice_servers: JsValue,
    /// Connections at most, those being made included. Default 16.
    pub max_peers: usize,
    /// Connect through relays only, so that peers do not learn our address.
    pub relay_only: bool,
}

impl Default for NetConfig {
    fn default() -> Self {
        NetConfig {
            trackers: Vec::new(),
            ice_servers: JsValue::UNDEFINED,
            max_peers: 16,
            relay_only: false,
        }
    }
}

/// A page's connections. A cheap handle: clones are the same network.
///
/// Events are never delivered inside a call of these functions: the caller may hold what its handler needs.
#[derive(Clone)]
pub struct Network {
    inner: Rc<Inner>,
}

/// Receives the events; may call the network.
type Handler = Rc<dyn Fn(NetEvent)>;

struct Inner {
    this: Weak<Inner>,
    identity: Identity,
    clock: Clock,
    timer: Timer,
    on_event: Handler,
    events: RefCell<Queue<NetEvent>>,
    delivering: Cell<bool>,
    delivery_due: Cell<bool>,

    links: RefCell<Vec<Rc<Link>>>,
    /// Connections that did not come up.
    failed: Cell<u32>,
    next_link: Cell<u32>,
    /// Receives the events of all links.
    sink: LinkSink,
    /// Closures of closed links, dropped on the next turn of the event loop.
    remains: RefCell<Vec<Remains>>,
    neighbourhood: RefCell<Neighbourhood>,
    relay: RefCell<Relay>,
    status: RefCell<PeerStatus>,
    rtc_configuration: RtcConfiguration,

    outbox: RefCell<Queue<Outgoing>>,
    signing: Cell<bool>,
    inbox: RefCell<Queue<Incoming>>,
    checking: Cell<bool>,
    replay: RefCell<ReplayWindow>,

    tracker: Tracker,
    lifecycle: RefCell<Option<lifecycle::Listeners>>,
    destroyed: Cell<bool>,
}

impl Network {
    /// Makes the key pair. Connects to nothing before the first [`Network::join`].
    ///
    /// # Errors
    /// An `Error` named `webrtc-missing` or `crypto-missing` when the browser or its policy lacks what is
    /// needed.
    pub async fn new(
        config: NetConfig,
        page: Page,
        on_event: Rc<dyn Fn(NetEvent)>,
    ) -> Result<Network, JsValue> {
        let rtc_configuration = checked_configuration(&config)?;
        let identity = Identity::generate(page).await?;
        let tracker = Tracker::new(&config, &identity);
        let limits = Limits::up_to(config.max_peers);
        let neighbourhood = Neighbourhood::new(identity.peer_id(), limits, identity.random_seed());
        let inner = Rc::new_cyclic(|this: &Weak<Inner>| {
            let (for_timer, for_links) = (this.clone(), this.clone());
            Inner {
                this: this.clone(),
                identity,
                clock: Clock::new(),
                timer: Timer::new(move || {
                    if let Some(inner) = for_timer.upgrade() {
                        inner.timer_fired();
                    }
                }),
                on_event,
                events: RefCell::default(),
                delivering: Cell::new(false),
                delivery_due: Cell::new(false),
                links: RefCell::default(),
                failed: Cell::new(0),
                next_link: Cell::new(1),
                sink: Rc::new(move |link, event| {
                    if let Some(inner) = for_links.upgrade() {
                        inner.link_event(link, event);
                    }
                }),
                remains: RefCell::default(),
                neighbourhood: RefCell::new(neighbourhood),
                relay: RefCell::default(),
                status: RefCell::default(),
                rtc_configuration,
                outbox: RefCell::default(),
                signing: Cell::new(false),
                inbox: RefCell::default(),
                checking: Cell::new(false),
                replay: RefCell::default(),
                tracker,
                lifecycle: RefCell::default(),
                destroyed: Cell::new(false),
            }
        });
        let listeners = lifecycle::Listeners::new(&inner.this);
        inner.lifecycle.replace(Some(listeners));
        Ok(Network { inner })
    }

    /// This page's peer ID.
    pub fn peer_id(&self) -> PeerId {
        self.inner.identity.peer_id()
    }

    /// Registers with the tracker as a member of a swarm; again with `seeder` set once everything is here.
    pub fn join(&self, swarm_id: &SwarmId, seeder: bool) {
        self.inner.join(swarm_id, seeder);
        self.inner.deliver_later();
    }

    /// Leaves a swarm. Connections stay: other swarms may use them.
    pub fn leave(&self, swarm_id: &SwarmId) {
        self.inner.leave(swarm_id);
        self.inner.deliver_later();
    }

    /// Unix milliseconds by the tracker's clock, so that peers with wrong clocks understand each other.
    pub fn unix_ms(&self) -> u64 {
        self.inner.tracker.time_ms(&self.inner.clock)
    }

    /// Queues one datagram. False when the link is not up, the datagram is empty or larger than
    /// the remote takes (65,535 bytes in any case), or the channel is full.
    pub fn send(&self, link: LinkId, lane: Lane, datagram: &[u8]) -> bool {
        let Some(link) = self.inner.find_link(link) else {
            return false;
        };
        link.send(lane, datagram).unwrap_or_else(|_| {
            self.inner.close_link(&link, "send-failed", None);
            self.inner.deliver_later();
            false
        })
    }

    /// Bytes that the bulk channel takes below its high-water mark of 256 KiB; 0 when the link is not up.
    pub fn free(&self, link: LinkId) -> usize {
        self.inner.find_link(link).map_or(0, |link| link.free())
    }

    /// Ends a link. [`NetEvent::LinkDown`] follows with the same reason.
    pub fn disconnect(&self, link: LinkId, reason: &'static str) {
        if let Some(link) = self.inner.find_link(link) {
            self.inner.close_link(&link, reason, Some(reason));
            self.inner.deliver_later();
        }
    }

    /// Ends every link to `peer` and refuses this peer ID for the rest of the page's life.
    pub fn ban(&self, peer: PeerId, reason: &'static str) {
        self.inner.neighbourhood.borrow_mut().ban(peer);
        if let Some(link) = self.inner.link_of(&peer) {
            self.inner.close_link(&link, reason, None);
        }
        self.inner.deliver_later();
    }

    /// `peer` is a member of `swarm`, says the neighbour `via`, whose certificate of it was found to be genuine. It is
    /// dialled by way of this neighbour, if the neighbourhood wants more peers.
    pub fn candidate(&self, peer: PeerId, swarm: &SwarmId, via: LinkId) {
        if let Some(link) = self.inner.find_link(via) {
            let source = Source::Pex { via: link.peer };
            let now = self.inner.clock.timestamp();
            self.inner
                .neighbourhood
                .borrow_mut()
                .found(now, swarm, peer, source, Hints::default());
            self.inner.fill();
            self.inner.deliver_later();
        }
    }

    /// What this peer is and can give: told to the tracker and to all neighbours, again whenever it changes.
    pub fn set_status(&self, status: PeerStatus) {
        self.inner.set_status(status);
        self.inner.deliver_later();
    }

    /// Payload bytes went over a link: useless neighbours make room for others.
    pub fn exchanged(&self, link: LinkId, down: u64, up: u64) {
        if let Some(link) = self.inner.find_link(link) {
            let now = self.inner.clock.timestamp();
            self.inner
                .neighbourhood
                .borrow_mut()
                .exchanged(now, &link.peer, down, up);
        }
    }

    /// The neighbours had something, but the origin had to help with it.
    pub fn fell_short(&self) {
        let now = self.inner.clock.timestamp();
        self.inner.neighbourhood.borrow_mut().fell_short(now);
        self.inner.fill();
        self.inner.deliver_later();
    }

    /// Envelopes of neighbours that were not passed on, since the network was made.
    pub fn relays_refused(&self) -> u32 {
        self.inner.relay.borrow().refused()
    }

    /// Connections that did not come up, since the network was made.
    pub fn failed(&self) -> u32 {
        self.inner.failed.get()
    }

    /// Answers [`NetEvent::ReportDue`]: what this peer has done in its swarms since it joined. Their IDs and the number of
    /// neighbours are put into the statistics here.
    pub fn report(&self, stats: Vec<(SwarmId, Stat)>) {
        self.inner.report(stats);
        self.inner.deliver_later();
    }

    /// The player needs this chunk of a swarm next.
    pub fn near(&self, swarm_id: &SwarmId, chunk: u64) {
        self.inner.near(swarm_id, chunk);
    }

    /// The token for closed swarms, in place of the one before.
    pub fn set_token(&self, token: String) {
        self.inner.set_token(token);
        self.inner.deliver_later();
    }

    /// The links that are up.
    pub fn links(&self) -> Vec<(LinkId, PeerId)> {
        let links = self.inner.links.borrow();
        links
            .iter()
            .filter(|link| link.phase.get() == link::Phase::Up)
            .map(|link| (link.id, link.peer))
            .collect()
    }

    /// Connections being made.
    pub fn connecting(&self) -> usize {
        self.inner.connecting()
    }

    /// Changes the number of connections at most. Those beyond a lower number are ended, the youngest first.
    pub fn set_max_peers(&self, max_peers: usize) {
        let limits = Limits::up_to(max_peers);
        let surplus = self.inner.neighbourhood.borrow_mut().set_limits(limits);
        for link in surplus.iter().filter_map(|peer| self.inner.link_of(peer)) {
            self.inner.close_link(&link, "max-peers", Some("max-peers"));
        }
        self.inner.fill();
        self.inner.deliver_later();
    }

    /// Leaves all swarms, ends all links and forgets the handler: no event follows. To be called before the
    /// last handle is dropped.
    pub fn destroy(&self) {
        let inner = Rc::clone(&self.inner);
        if inner.destroyed.replace(true) {
            return;
        }
        inner.close_all("destroyed");
        inner.leave_all();
        inner.events.take();
        inner.outbox.take();
        inner.inbox.take();
        inner.timer.stop();
        let listeners = inner.lifecycle.take();
        // This may run inside one of the closures that are to be dropped: they live until JS is back in its
        // event loop.
        crate::js::spawn(async move {
            drop(listeners);
            inner.remains.take();
            drop(inner);
        });
    }
}

impl Inner {
    /// Puts an event behind those that wait; [`Inner::deliver`] hands it over.
    fn emit(&self, event: NetEvent) {
        if !self.destroyed.get() {
            self.events.borrow_mut().push(event);
        }
    }

    /// Hands the waiting events over. To be called last in whatever JS calls. A handler that calls back into
    /// the network gets what follows from it after it has returned.
    fn deliver(&self) {
        if self.delivering.replace(true) {
            return;
        }
        loop {
            let next = self.events.borrow_mut().pop();
            let Some(event) = next else { break };
            (self.on_event)(event);
        }
        self.delivering.set(false);
    }

    /// Hands the waiting events over once the caller has returned to the event loop.
    fn deliver_later(&self) {
        if self.events.borrow().is_empty() || self.delivering.get() || self.delivery_due.replace(true) {
            return;
        }
        if let Some(inner) = self.this.upgrade() {
            crate::js::spawn(async move {
                inner.delivery_due.set(false);
                inner.deliver();
            });
        }
    }

    fn timer_fired(&self) {
        self.timer.fired();
        let remains = self.remains.take();
        drop(remains);
        if self.destroyed.get() {
            return;
        }
        self.tracker_due();
        let due = self.links_due();
        self.fill();
        self.timer.arm(self.clock.now(), due);
        self.deliver();
    }
}

/// The `RTCConfiguration` of all links, shown to work: a policy or an extension may let the constructor throw.
fn checked_configuration(config: &NetConfig) -> Result<RtcConfiguration, JsValue> {
    let constructor = get(&js_sys::global(), "RTCPeerConnection");
    if !constructor.is_function() {
        return Err(named_error(
            "webrtc-missing",
            "RTCPeerConnection is not available",
        ));
    }
    let configuration = RtcConfiguration::new();
    if !config.ice_servers.is_null() && !config.ice_servers.is_undefined() {
        configuration.set_ice_servers(&config.ice_servers);
    }
    if config.relay_only {
        let configuration: &Record = configuration.unchecked_ref();
        configuration.text("iceTransportPolicy", "relay");
    }
    match RtcPeerConnection::new_with_configuration(&configuration) {
        Ok(connection) => connection.close(),
        Err(error) => {
            let message = get_text(&error, "message");
            let message = message.as_deref().unwrap_or("RTCPeerConnection throws");
            return Err(named_error("webrtc-missing", message));
        }
    }
    Ok(configuration)
}

/// An `Error` whose `name` says which fallback it means (ARCHITECTURE.md, `Peer.open`).
fn named_error(name: &str, message: &str) -> JsValue {
    error(name, message).into()
}
