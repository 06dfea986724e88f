//! The table of links: whom to dial, whom to let in, and when a link has ended.

use std::rc::Rc;

use bytes::Bytes;
use ppspp::{LinkId, PeerId};
use tracker_protocol::{Kind, encode_base64url};
use wasm_bindgen::JsValue;

use super::link::{Health, Link, LinkEvent, LinkSpec, Phase};
use super::signalling::Outgoing;
use super::{Inner, NetEvent, identity};

/// Dials under way at a time.
const MAX_DIALS: usize = 8;
/// An attempt that has not come up is given up after this, milliseconds (tracker-protocol §5, offer
/// lifetime).
const OFFER_LIFETIME: f64 = 50_000.0;
/// The local description waits this long for candidates, so that most attempts need one signal each way.
const GATHERING_GRACE: f64 = 100.0;
/// A path that is gone is given up after this, milliseconds.
const DISCONNECTED_GRACE: f64 = 10_000.0;
/// Own candidates signalled for one link at most.
const MAX_OWN_CANDIDATES: u64 = 24;
/// Dials that may be started at once, and refilled a second: browsers fail beyond some hundred connection
/// objects that have not been collected yet.
const DIAL_BURST: f64 = 16.0;
const DIAL_RATE: f64 = 0.5;

/// Limits how fast connection objects are made for dials.
pub(super) struct DialBudget {
    left: f64,
    refilled: f64,
}

impl DialBudget {
    pub(super) fn new(now: f64) -> DialBudget {
        DialBudget {
            left: DIAL_BURST,
            refilled: now,
        }
    }

    /// Takes one dial; else says when there will be one.
    fn take(&mut self, now: f64) -> Result<(), f64> {
        self.left = (self.left + (now - self.refilled) / 1000.0 * DIAL_RATE).min(DIAL_BURST);
        self.refilled = now;
        if self.left < 1.0 {
            return Err(now + (1.0 - self.left) / DIAL_RATE * 1000.0);
        }
        self.left -= 1.0;
        Ok(())
    }
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

    fn count(&self, which: impl Fn(&Link) -> bool) -> usize {
        self.links.borrow().iter().filter(|link| which(link)).count()
    }

    pub(super) fn connecting(&self) -> usize {
        self.count(|link| link.phase.get() == Phase::Connecting)
    }

    /// Dials as many candidates as the caps allow. Own dials leave room for others to come in, and take up at
    /// most half of the places: then the places of a swarm are never all filled by dials.
    pub(super) fn fill(&self) {
        loop {
            let max_peers = self.max_peers.get();
            let outgoing = self.count(|link| link.outgoing);
            let dials = self.count(|link| link.outgoing && link.phase.get() == Phase::Connecting);
            if self.destroyed.get()
                || !self.can_signal()
                || dials >= MAX_DIALS
                || outgoing >= max_peers.div_ceil(2)
                || self.links.borrow().len() >= max_peers
            {
                return;
            }
            let now = self.clock.now();
            let next = {
                let links = self.links.borrow();
                self.peers
                    .borrow()
                    .next(now, |peer| links.iter().any(|link| link.peer == *peer))
            };
            let Some((peer, swarm)) = next else {
                self.timer.arm(now, self.peers.borrow().next_due(now));
                return;
            };
            if let Err(due) = self.dial_budget.borrow_mut().take(now) {
                self.timer.arm(now, due);
                return;
            }
            self.dial(peer, swarm);
        }
    }

    fn dial(&self, peer: PeerId, swarm: [u8; 32]) {
        let offer_id = encode_base64url(&identity::random_id());
        let Some(link) = self.add_link(peer, swarm, offer_id, true) else {
            self.peers.borrow_mut().failed(&peer, self.clock.now());
            return;
        };
        self.negotiate(link, async |link| link.offer().await);
    }

    /// An offer whose signature was right.
    pub(super) fn offered(&self, from: PeerId, swarm: [u8; 32], offer_id: String, sdp: String) {
        if !self.is_joined(&swarm) {
            return;
        }
        let refuse = |reason: &str| {
            self.signal(Outgoing {
                kind: Kind::Bye,
                swarm,
                to: from,
                offer_id: offer_id.clone(),
                counter: 0,
                payload: Some(reason.to_owned()),
            });
        };
        let existing = self.links.borrow().iter().find(|link| link.peer == from).cloned();
        if let Some(link) = &existing {
            let ours_wins = self.identity.peer_id() < from;
            if link.phase.get() == Phase::Connecting && link.outgoing && ours_wins {
                // Glare: the remote drops its offer when it sees ours.
                return;
            }
        }
        let replaced = |link: &Link| existing.as_ref().is_some_and(|existing| existing.id == link.id);
        let max_peers = self.max_peers.get();
        if self.count(|link| !replaced(link)) >= max_peers
            || self.count(|link| !link.outgoing && !replaced(link)) >= (max_peers * 3 / 4).max(1)
        {
            refuse("full");
            return;
        }
        if let Some(link) = &existing {
            // Whoever offers anew has lost the old connection, or never had it.
            self.end_link(link, "replaced", None);
        }
        let Some(link) = self.add_link(from, swarm, offer_id.clone(), false) else {
            refuse("failed");
            return;
        };
        self.negotiate(link, async move |link| link.accept(&sdp).await);
    }

    /// An answer whose signature was right.
    pub(super) fn answered(&self, link: Rc<Link>, sdp: String) {
        if !link.outgoing || link.answered.replace(true) {
            return;
        }
        let Some(inner) = self.this.upgrade() else { return };
        wasm_bindgen_futures::spawn_local(async move {
            if link.take_answer(&sdp).await.is_err() {
                inner.close_link(&link, "bad-answer", Some("bad-answer"));
                inner.deliver();
            }
        });
    }

    fn add_link(&self, peer: PeerId, swarm: [u8; 32], offer_id: String, outgoing: bool) -> Option<Rc<Link>> {
        let id = LinkId(self.next_link.get());
        self.next_link.set(id.0.checked_add(1)?);
        let now = self.clock.now();
        let expires = now + OFFER_LIFETIME;
        let spec = LinkSpec {
            id,
            peer,
            swarm,
            offer_id,
            outgoing,
            expires,
        };
        let link = Rc::new(Link::new(spec, &self.rtc_configuration, &self.sink).ok()?);
        self.links.borrow_mut().push(Rc::clone(&link));
        self.timer.arm(now, expires);
        self.emit(NetEvent::Connecting);
        Some(link)
    }

    /// Runs the asynchronous part of making the local description, then sends it.
    fn negotiate(&self, link: Rc<Link>, describe: impl AsyncFnOnce(&Link) -> Result<(), JsValue> + 'static) {
        let Some(inner) = self.this.upgrade() else { return };
        wasm_bindgen_futures::spawn_local(async move {
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
                link.describe_at.set(Some(now + GATHERING_GRACE));
                inner.timer.arm(now, now + GATHERING_GRACE);
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
            swarm: link.swarm,
            to: link.peer,
            offer_id: link.offer_id.clone(),
            counter,
            payload,
        });
    }

    pub(super) fn link_event(&self, id: LinkId, event: LinkEvent) {
        let Some(link) = self.find_link(id) else { return };
        match event {
            LinkEvent::Candidate(Some(candidate)) => {
                // Before the description is sent, it collects the candidates itself.
                if link.described.get() && link.signals.get() < MAX_OWN_CANDIDATES {
                    self.signal_for(&link, Kind::Candidate, Some(candidate));
                }
            }
            LinkEvent::Candidate(None) => {
                link.gathered.set(true);
                if link.described.get() {
                    self.signal_for(&link, Kind::End, None);
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
        self.peers.borrow_mut().succeeded(&link.peer);
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
        if was == Phase::Up {
            match reason {
                "ice-failed" | "disconnected" | "channel-closed" => {
                    self.peers.borrow_mut().broke(&link.peer, now);
                }
                _ => self.peers.borrow_mut().failed(&link.peer, now),
            }
            self.emit(NetEvent::LinkDown {
                link: link.id,
                peer: link.peer,
                reason,
            });
            self.neighbours_changed();
        } else {
            if link.outgoing && reason != "replaced" {
                self.peers.borrow_mut().failed(&link.peer, now);
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
            if link.phase.get() == Phase::Connecting && link.expires <= now {
                self.close_link(&link, "timeout", Some("timeout"));
            }
        }
        let mut due = f64::INFINITY;
        for link in self.links.borrow().iter() {
            let expires = (link.phase.get() == Phase::Connecting).then(|| link.expires);
            for time in [expires, link.describe_at.get(), link.disconnected_until.get()]
                .into_iter()
                .flatten()
            {
                due = due.min(time);
            }
        }
        due
    }
}
