//! The table of links: dials and offers as the [neighbourhood](ppspp::neighbourhood) wants them, and when a link
//! has ended.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use ppspp::neighbourhood::{Admission, Dial, Outcome};
use ppspp::{LinkId, PeerId, SwarmId};
use tracker_protocol::{Kind, encode_base64url};
use wasm_bindgen::JsValue;

use super::link::{Health, Link, LinkEvent, LinkSpec, Phase};
use super::signalling::Outgoing;
use super::{Inner, NetEvent};

/// An attempt that has not come up is given up after this, milliseconds (tracker-protocol §5, offer
/// lifetime).
const OFFER_LIFETIME: f64 = 50_000.0;
/// The local description waits this long for candidates, so that most attempts need one signal each way.
const GATHERING_GRACE: f64 = 100.0;
/// As long where a neighbour relays: there the description is all that is sent.
const RELAYED_GRACE: f64 = 1_500.0;
/// A path that is gone is given up after this, milliseconds.
const DISCONNECTED_GRACE: f64 = 10_000.0;
/// Why a link ends whose place the neighbourhood has already given to another.
const REPLACED: &str = "replaced";
/// Own candidates signalled for one link at most.
const MAX_OWN_CANDIDATES: u64 = 24;
/// An offer whose signature was right.
pub(super) struct Offered {
    pub(super) from: PeerId,
    /// The neighbour that relayed it; else the tracker did.
    pub(super) via: Option<PeerId>,
    pub(super) swarm: SwarmId,
    pub(super) offer_id: String,
    pub(super) sdp: String,
    /// Has the remote an auxiliary channel?
    pub(super) aux: bool,
}

impl Inner {
    pub(super) fn find_link(&self, id: LinkId) -> Option<Rc<Link>> {
        self.links.borrow().iter().find(|link| link.id == id).cloned()
    }

    pub(super) fn find_attempt(&self, peer: &PeerId, offer_id: &str) -> Option<Rc<Link>> {
        self.links
            .borrow()
            .iter()
            .find(|link| link.peer == *peer && link.offer_id == offer_id)
            .cloned()
    }

    /// The connection with a peer, or the attempt at one.
    pub(super) fn link_of(&self, peer: &PeerId) -> Option<Rc<Link>> {
        self.links
            .borrow()
            .iter()
            .find(|link| link.peer == *peer)
            .cloned()
    }

    pub(super) fn connecting(&self) -> usize {
        let links = self.links.borrow();
        let connecting = links.iter().filter(|link| link.phase.get() == Phase::Connecting);
        connecting.count()
    }

    /// Dials whom the neighbourhood wants, and gives up whom it does not want any more.
    pub(super) fn fill(&self) {
        if self.destroyed.get() || self.is_suspended() {
            return;
        }
        let joined = self.can_signal();
        let now = self.clock.timestamp();
        let given_up = {
            let mut neighbourhood = self.neighbourhood.borrow_mut();
            neighbourhood.set_tracker(joined);
            neighbourhood.replace(now)
        };
        if let Some(peer) = given_up {
            self.end_replaced(&peer);
        }
        loop {
            let next = self.neighbourhood.borrow_mut().next_dial(now);
            let Some(dial) = next else { break };
            self.dial(dial);
        }
        let due = self.neighbourhood.borrow().poll_timeout(now);
        if let Some(due) = due {
            self.timer.arm(self.clock.now(), due.0 as f64 / 1000.0);
        }
    }

    fn dial(&self, dial: Dial) {
        let offer_id = encode_base64url(&self.identity.random_id());
        let peer = dial.peer;
        if let Some(link) = self.add_link(peer, dial.swarm, dial.via, offer_id, true) {
            self.negotiate(link, async |link| link.offer().await);
        }
    }

    /// Takes an offer, if there is a place for its sender.
    pub(super) fn offered(&self, offer: Offered) {
        if !self.is_joined(&offer.swarm) {
            return;
        }
        let Offered {
            from,
            via,
            swarm,
            offer_id,
            ..
        } = offer;
        let now = self.clock.timestamp();
        let admission = self.neighbourhood.borrow_mut().admit_offer(now, from);
        let link = match admission {
            Admission::Ignore => return,
            Admission::Refuse => None,
            Admission::Accept => self.add_link(from, swarm.clone(), via, offer_id.clone(), false),
            Admission::AcceptReplacing(peer) => {
                self.end_replaced(&peer);
                self.add_link(from, swarm.clone(), via, offer_id.clone(), false)
            }
        };
        let Some(link) = link else {
            return self.signal(Outgoing {
                kind: Kind::Bye,
                swarm,
                to: from,
                via,
                offer_id,
                counter: 0,
                payload: Some("full".to_owned()),
            });
        };
        if offer.aux {
            link.open_aux();
        }
        let sdp = offer.sdp;
        self.negotiate(link, async move |link| link.accept(&sdp).await);
    }

    /// Ends the connection whose place the neighbourhood has given to another.
    fn end_replaced(&self, peer: &PeerId) {
        if let Some(link) = self.link_of(peer) {
            self.end_link(&link, REPLACED, None);
        }
    }

    /// An answer whose signature was right.
    pub(super) fn answered(&self, link: Rc<Link>, sdp: String, aux: bool) {
        if !link.outgoing || link.answered.replace(true) {
            return;
        }
        if aux {
            link.open_aux();
        }
        let Some(inner) = self.this.upgrade() else { return };
        crate::js::spawn(async move {
            if link.take_answer(&sdp).await.is_err() {
                inner.close_link(&link, "bad-answer", Some("bad-answer"));
                inner.deliver();
            }
        });
    }

    /// Makes a link in the place that was taken for it; gives the place back when the browser refuses.
    fn add_link(
        &self,
        peer: PeerId,
        swarm: SwarmId,
        via: Option<PeerId>,
        offer_id: String,
        outgoing: bool,
    ) -> Option<Rc<Link>> {
        let id = LinkId(self.next_link.get());
        self.next_link.set(id.0.wrapping_add(1));
        let now = self.clock.now();
        let expires = now + OFFER_LIFETIME;
        let spec = LinkSpec {
            id,
            peer,
            swarm,
            via,
            offer_id,
            outgoing,
            expires,
        };
        let Ok(link) = Link::new(spec, &self.rtc_configuration, &self.sink) else {
            let now = self.clock.timestamp();
            self.neighbourhood.borrow_mut().closed(now, &peer, Outcome::Ended);
            return None;
        };
        let link = Rc::new(link);
        self.links.borrow_mut().push(Rc::clone(&link));
        self.timer.arm(now, expires);
        self.emit(NetEvent::Connecting);
        Some(link)
    }

    /// Runs the asynchronous part of making the local description, then sends it.
    fn negotiate(&self, link: Rc<Link>, describe: impl AsyncFnOnce(&Link) -> Result<(), JsValue> + 'static) {
        let Some(inner) = self.this.upgrade() else { return };
        crate::js::spawn(async move {
            let made = describe(&link).await;
            if link.phase.get() == Phase::Closed {
                return;
            }
            if made.is_err() {
                inner.close_link(&link, "bad-description", Some("bad-description"));
            } else if link.gathered.get() {
                inner.describe(&link);
            } else {
                let now = inner.clock.now();
                let grace = link.via.map_or(GATHERING_GRACE, |_| RELAYED_GRACE);
                link.describe_at.set(Some(now + grace));
                inner.timer.arm(now, now + grace);
            }
            inner.deliver();
        });
    }

    /// Signals the local description, once.
    fn describe(&self, link: &Link) {
        link.describe_at.set(None);
        if link.described.replace(true) {
            return;
        }
        let kind = if link.outgoing { Kind::Offer } else { Kind::Answer };
        self.signal_for(link, kind, link.local_sdp());
    }

    fn signal_for(&self, link: &Link, kind: Kind, payload: Option<String>) {
        let counter = link.signals.get();
        link.signals.set(counter + 1);
        self.signal(Outgoing {
            kind,
            swarm: link.swarm.clone(),
            to: link.peer,
            via: link.via,
            offer_id: link.offer_id.clone(),
            counter,
            payload,
        });
    }

    pub(super) fn link_event(&self, id: LinkId, event: LinkEvent) {
        let Some(link) = self.find_link(id) else { return };
        match event {
            LinkEvent::Candidate(Some(candidate)) => {
                // Before the description is sent, it collects the candidates itself. A relay gets no more than that.
                if link.described.get() && link.via.is_none() && link.signals.get() < MAX_OWN_CANDIDATES {
                    self.signal_for(&link, Kind::Candidate, Some(candidate));
                }
            }
            LinkEvent::Candidate(None) => {
                link.gathered.set(true);
                if link.described.get() {
                    if link.via.is_none() {
                        self.signal_for(&link, Kind::End, None);
                    }
                } else if link.describe_at.get().is_some() {
                    self.describe(&link);
                }
            }
            LinkEvent::State => self.check_link(&link),
            LinkEvent::Datagram(data) => {
                if link.phase.get() == Phase::Connecting {
                    self.check_link(&link);
                }
                match link.phase.get() {
                    Phase::Up => self.emit(NetEvent::Datagram {
                        link: id,
                        data: Bytes::from(data),
                    }),
                    Phase::Connecting => link.keep_early(data),
                    Phase::Closed => {}
                }
            }
            LinkEvent::Malformed(reason) => self.close_link(&link, reason, Some(reason)),
            LinkEvent::AuxOpen => {
                if link.phase.get() == Phase::Up {
                    self.status_changed(&link);
                }
            }
            LinkEvent::Aux(frame) => {
                if link.phase.get() == Phase::Connecting {
                    self.check_link(&link);
                }
                match link.phase.get() {
                    Phase::Up => self.aux_arrived(&link, frame),
                    // Nobody has been told of the link yet.
                    Phase::Connecting => {
                        let mut early = link.early_aux.borrow_mut();
                        if early.is_none() {
                            *early = frame;
                        }
                    }
                    Phase::Closed => {}
                }
            }
            LinkEvent::Writable => {
                if link.phase.get() == Phase::Up {
                    self.emit(NetEvent::Writable { link: id });
                }
            }
        }
        self.deliver();
    }

    fn check_link(&self, link: &Link) {
        match link.health() {
            Health::Dead(reason) => self.close_link(link, reason, None),
            Health::Connecting => link.disconnected_until.set(None),
            Health::Disconnected => {
                if link.disconnected_until.get().is_none() {
                    let now = self.clock.now();
                    link.disconnected_until.set(Some(now + DISCONNECTED_GRACE));
                    self.timer.arm(now, now + DISCONNECTED_GRACE);
                }
            }
            Health::Open => {
                link.disconnected_until.set(None);
                if link.phase.get() == Phase::Connecting {
                    self.link_is_up(link);
                }
            }
        }
    }

    fn link_is_up(&self, link: &Link) {
        let Some(early) = link.set_up() else {
            self.close_link(link, "message-limit", Some("message-limit"));
            return;
        };
        let now = self.clock.timestamp();
        self.neighbourhood.borrow_mut().up(now, &link.peer);
        self.emit(NetEvent::LinkUp {
            link: link.id,
            peer: link.peer,
        });
        self.emit(NetEvent::Connecting);
        for data in early {
            self.emit(NetEvent::Datagram {
                link: link.id,
                data: Bytes::from(data),
            });
        }
        self.neighbours_changed();
        self.status_changed(link);
        let early = link.early_aux.take();
        if early.is_some() {
            self.aux_arrived(link, early);
        }
    }

    /// Ends a link and uses the place that became free. `bye` is what the remote is told by signal, where it
    /// would not notice at once by itself.
    pub(super) fn close_link(&self, link: &Link, reason: &'static str, bye: Option<&'static str>) {
        self.end_link(link, reason, bye);
        self.fill();
    }

    fn end_link(&self, link: &Link, reason: &'static str, bye: Option<&'static str>) {
        let was = link.phase.get();
        if was == Phase::Closed {
            return;
        }
        let now = self.clock.now();
        self.links.borrow_mut().retain(|other| other.id != link.id);
        let remains = link.close();
        self.remains.borrow_mut().push(remains);
        self.timer.arm(now, now);
        if let Some(bye) = bye
            && (link.described.get() || !link.outgoing)
        {
            self.signal_for(link, Kind::Bye, Some(bye.to_owned()));
        }
        let broke = matches!(reason, "ice-failed" | "disconnected" | "channel-closed");
        if reason != REPLACED {
            let outcome = if broke { Outcome::Broke } else { Outcome::Ended };
            let now = self.clock.timestamp();
            self.neighbourhood.borrow_mut().closed(now, &link.peer, outcome);
        }
        if was == Phase::Up {
            self.emit(NetEvent::LinkDown {
                link: link.id,
                peer: link.peer,
                reason,
            });
            self.neighbours_changed();
        } else {
            if broke || reason == "timeout" {
                self.failed.set(self.failed.get() + 1);
            }
            self.emit(NetEvent::Connecting);
        }
    }

    /// Ends all links without a word to the tracker: the remotes see their channels close.
    pub(super) fn close_all(&self, reason: &'static str) {
        let links = self.links.borrow().clone();
        for link in links {
            self.close_link(&link, reason, None);
        }
    }

    /// Does what is due for links; returns when something will be due next.
    pub(super) fn links_due(&self) -> f64 {
        let now = self.clock.now();
        let links = self.links.borrow().clone();
        for link in links {
            if link.describe_at.get().is_some_and(|due| due <= now) {
                self.describe(&link);
            }
            if link.disconnected_until.get().is_some_and(|due| due <= now) {
                // A page that was frozen may look only now.
                match link.health() {
                    Health::Disconnected => self.close_link(&link, "disconnected", None),
                    _ => self.check_link(&link),
                }
            }
            if link.status_due.get().is_some_and(|due| due <= now) {
                self.status_changed(&link);
            }
            if link.phase.get() == Phase::Connecting && link.expires <= now {
                self.close_link(&link, "timeout", Some("timeout"));
            }
        }
        let mut due = f64::INFINITY;
        for link in self.links.borrow().iter() {
            let expires = (link.phase.get() == Phase::Connecting).then(|| link.expires);
            let own = [&link.describe_at, &link.disconnected_until, &link.status_due];
            for time in own.map(Cell::get).into_iter().chain([expires]).flatten() {
                due = due.min(time);
            }
        }
        due
    }
}
