//! Viewers, the tracker, and how connections come up and end.

use ppspp::swarm::Input;
use ppspp::{PeerId, Timestamp};
use tracker_protocol::client::{self, Output, Status};
use tracker_protocol::{Kind, Signal};

use super::{BROKEN_NOTICED, Event, World};
use crate::connection::{Connection, HIGH_WATER, Phase, key};
use crate::log::Entry;
use crate::peer::{Link, NEVER, NOT_EXPECTED};
use crate::tracker::Outgoing;

/// After the tracker answered, this long passes before a lack of connections means that there are no neighbours
/// (microseconds).
const DIALLING: u64 = 500_000;
/// The browser collects candidates and makes the description for this long (microseconds).
const GATHERING: u64 = 100_000;
/// From both descriptions being known to open channels, in round trips: ICE checks 1, DTLS 2, SCTP 1.
const SET_UP_ROUND_TRIPS: u64 = 4;
/// ICE gives up after this (microseconds).
const ICE_FAILS: u64 = 15_000_000;
/// An attempt that has not come up is given up after this (microseconds).
const OFFER_LIFETIME: u64 = 50_000_000;
/// What stands for a session description: nothing reads it.
const DESCRIPTION: &str = "v=0";

impl World {
    // ---- the client

    /// Tells a viewer's tracker client something and carries out what it answers.
    pub(super) fn client_input(&mut self, who: u32, input: client::Input) {
        let now = self.now.0;
        let Some(client) = &mut self.peers[who as usize].client else {
            return;
        };
        client.handle(now, input);
        while let Some(client) = &mut self.peers[who as usize].client
            && let Some(output) = client.poll_output()
        {
            self.client_output(who, output);
        }
        let peer = &mut self.peers[who as usize];
        peer.client_due = peer
            .client
            .as_ref()
            .and_then(client::Client::poll_timeout)
            .map_or(NEVER, Timestamp);
    }

    fn client_output(&mut self, who: u32, output: Output) {
        let latency = self.origin_latency(who);
        match output {
            Output::Open(_) => {
                self.peers[who as usize].socket += 1;
                let socket = self.peers[who as usize].socket;
                // A round trip each for TCP, TLS and the upgrade; a dead tracker's machine answers with a reset.
                let event = if self.tracker.is_dead() {
                    (2 * latency, Event::SocketClosed(who, socket))
                } else {
                    (6 * latency, Event::SocketOpen(who, socket))
                };
                self.queue.push(self.after(event.0), event.1);
            }
            Output::Close => {
                let peer = &mut self.peers[who as usize];
                let event = Event::Vanished(who, peer.socket);
                peer.socket += 1;
                self.queue.push(self.after(latency), event);
            }
            Output::Send(frame) => {
                let socket = self.peers[who as usize].socket;
                let event = Event::ToTracker {
                    viewer: who,
                    socket,
                    frame,
                };
                self.queue.push(self.after(latency), event);
            }
            Output::SignAuth { attempt, .. } => {
                let sig = vec![0; 64];
                if let Some(client) = &mut self.peers[who as usize].client {
                    client.handle(self.now.0, client::Input::AuthSigned { attempt, sig });
                }
            }
            Output::Peers { peers, .. } => {
                let ids = &self.ids;
                let found = peers
                    .iter()
                    .filter_map(|info| ids.get(&PeerId::from_hex(&info.peer_id)?).copied());
                let peer = &mut self.peers[who as usize];
                found.for_each(|other| peer.neighbours.found(other, self.now));
                self.fill(who);
            }
            Output::Signal(signal) => self.signalled(who, &signal),
            Output::SignalFailed { oid, .. } => {
                if let Ok(connection) = oid.parse() {
                    self.attempt_ended(connection, who);
                }
            }
            Output::Joined { .. } => {
                let expect = self.after(DIALLING);
                let peer = &mut self.peers[who as usize];
                peer.expect_until = expect;
                self.update_prospects(who);
                self.fill(who);
            }
            Output::Lost { .. } | Output::Refused { .. } => {
                self.peers[who as usize].expect_until = NOT_EXPECTED;
                self.update_prospects(who);
            }
            Output::OffersSent(_) => {}
        }
    }

    pub(super) fn socket_open(&mut self, who: u32, socket: u32) {
        let peer = &self.peers[who as usize];
        if !peer.here || peer.socket != socket {
            return;
        }
        if self.tracker.is_dead() {
            return self.socket_closed(who, socket);
        }
        self.client_input(who, client::Input::SocketOpen);
        let frame = self.tracker.hello(self.now);
        self.client_input(who, client::Input::Frame(frame));
        self.settle(who);
    }

    pub(super) fn socket_closed(&mut self, who: u32, socket: u32) {
        let peer = &mut self.peers[who as usize];
        if !peer.here || peer.socket != socket {
            return;
        }
        peer.socket += 1;
        let reason = "connection lost".to_owned();
        self.client_input(who, client::Input::SocketClosed { reason });
        self.settle(who);
    }

    // ---- the tracker

    pub(super) fn frame_for_tracker(&mut self, who: u32, socket: u32, frame: &str) {
        if self.tracker.is_dead() {
            return;
        }
        self.log.record(self.now, Entry::Frame, who, frame.len() as u32);
        let mut out = Vec::new();
        // What a viewer says last comes from a socket it has closed by then: nothing is sent back.
        self.tracker.frame(who, frame, self.now, &mut out);
        self.tracker_says(out, Some((who, socket)));
    }

    fn tracker_says(&mut self, out: Vec<Outgoing>, asked: Option<(u32, u32)>) {
        for outgoing in out {
            let (Outgoing::Frame(viewer, _) | Outgoing::Close(viewer)) = outgoing;
            let socket = match asked {
                Some((who, socket)) if who == viewer => socket,
                _ => self.peers[viewer as usize].socket,
            };
            let at = self.after(self.origin_latency(viewer));
            let event = match outgoing {
                Outgoing::Frame(_, frame) => Event::ToViewer {
                    viewer,
                    socket,
                    frame,
                },
                Outgoing::Close(_) => Event::SocketClosed(viewer, socket),
            };
            self.queue.push(at, event);
        }
        if let Some(due) = self.tracker.poll_timeout()
            && due < self.tracker_timer
        {
            self.tracker_timer = due;
            self.queue.push(due.max(self.now), Event::TrackerTimer);
        }
    }

    pub(super) fn frame_for_viewer(&mut self, who: u32, socket: u32, frame: String) {
        let peer = &self.peers[who as usize];
        if !peer.here || peer.socket != socket {
            return;
        }
        self.log.record(self.now, Entry::Frame, who, frame.len() as u32);
        self.client_input(who, client::Input::Frame(frame));
        self.settle(who);
    }

    /// The tracker notices that a viewer's socket is gone.
    pub(super) fn vanished(&mut self, who: u32, socket: u32) {
        let peer = &self.peers[who as usize];
        if !self.tracker.is_dead() && peer.socket <= socket + 1 {
            self.tracker.detach(who, self.now);
            self.tracker_says(Vec::new(), None);
        }
    }

    pub(super) fn tracker_timeout(&mut self) {
        self.tracker_timer = NEVER;
        let mut out = Vec::new();
        self.tracker.handle_timeout(self.now, &mut out);
        self.tracker_says(out, None);
    }

    pub(super) fn tracker_dies(&mut self) {
        self.tracker.die();
        for who in 0..self.peers.len() as u32 {
            let peer = &self.peers[who as usize];
            if peer.here
                && peer
                    .client
                    .as_ref()
                    .is_some_and(|client| client.status() != Status::Reconnect)
            {
                let at = self.after(self.origin_latency(who));
                self.queue.push(at, Event::SocketClosed(who, peer.socket));
            }
        }
    }

    // ---- making connections

    /// Dials as many candidates as there are places for.
    pub(super) fn fill(&mut self, who: u32) {
        loop {
            let now = self.now;
            let connections = &self.connections;
            let peer = &mut self.peers[who as usize];
            let joined = peer
                .client
                .as_ref()
                .is_some_and(|client| client.status() == Status::Joined);
            if !peer.here || !joined {
                peer.dial_due = NEVER;
                return;
            }
            let places = peer.places();
            let (links, attempts) = (&peer.links, &peer.attempts);
            let busy = |other: u32| {
                let with = |connection: u32| {
                    connections[connection as usize]
                        .ends
                        .iter()
                        .any(|end| end.viewer == other)
                };
                links.iter().any(|link| with(link.connection))
                    || attempts.iter().any(|&connection| with(connection))
            };
            match peer.neighbours.dial(places, now, busy) {
                Some(other) => self.dial(who, other),
                None => {
                    let due = peer.neighbours.next_due(places, now, busy);
                    peer.dial_due = due.unwrap_or(NEVER);
                    return;
                }
            }
        }
    }

    fn dial(&mut self, who: u32, other: u32) {
        let (a, b) = (&self.viewers[who as usize], &self.viewers[other as usize]);
        let latency = a.latency + b.latency + a.region.latency(b.region);
        let connection = self.connections.len() as u32;
        self.connections.push(Connection::new(who, other, latency));
        let peer = &mut self.peers[who as usize];
        peer.attempts.push(connection);
        peer.dials += 1;
        self.queue
            .push(self.after(OFFER_LIFETIME), Event::DialFailed(connection));
        self.update_prospects(who);
        self.send_signal(who, other, connection, Kind::Offer);
    }

    fn send_signal(&mut self, who: u32, to: u32, connection: u32, kind: Kind) {
        let (from, to) = (self.peers[who as usize].id, self.peers[to as usize].id);
        let Some(client) = &self.peers[who as usize].client else {
            return;
        };
        let time = client.time_ms(self.now.0);
        let oid = connection.to_string();
        let mut signal = Signal::new(
            kind,
            &self.swarm_hex,
            &from.to_string(),
            &to.to_string(),
            &oid,
            0,
            time,
        );
        if matches!(kind, Kind::Offer | Kind::Answer) {
            signal.sdp = Some(DESCRIPTION.to_owned());
        }
        // Not through `client_input`: that is where this comes from, and it carries out what is said here, too.
        if let Some(client) = &mut self.peers[who as usize].client {
            client.handle(self.now.0, client::Input::SendSignal(Box::new(signal)));
        }
        let waits = self.peers[who as usize].client_due;
        self.peers[who as usize].client_due = waits.min(self.now);
    }

    fn signalled(&mut self, who: u32, signal: &Signal) {
        let Ok(connection) = signal.oid.parse::<u32>() else {
            return;
        };
        let Some(known) = self.connections.get(connection as usize) else {
            return;
        };
        if known.phase != Phase::Connecting {
            return;
        }
        let (caller, callee) = (known.ends[0].viewer, known.ends[1].viewer);
        match signal.kind {
            Kind::Offer if who == callee => self.offered(who, caller, connection),
            Kind::Answer if who == caller => {
                let connects = self.viewers[caller as usize]
                    .nat
                    .connects(self.viewers[callee as usize].nat);
                let (after, event) = if connects {
                    let trips = 2 * known.latency * SET_UP_ROUND_TRIPS;
                    (trips, Event::Connected(connection))
                } else {
                    (ICE_FAILS, Event::DialFailed(connection))
                };
                self.queue.push(self.after(after + GATHERING), event);
            }
            Kind::Bye => self.attempt_ended(connection, who),
            _ => {}
        }
    }

    fn offered(&mut self, who: u32, caller: u32, connection: u32) {
        let peer = &self.peers[who as usize];
        let with = |other: &Connection| other.ends.iter().any(|end| end.viewer == caller);
        let linked = peer
            .links
            .iter()
            .any(|link| with(&self.connections[link.connection as usize]));
        let attempt = peer
            .attempts
            .iter()
            .copied()
            .find(|&other| with(&self.connections[other as usize]));
        // Glare: of two offers that crossed, that of the lower ID counts.
        let ours_wins = attempt.is_some() && peer.id < self.peers[caller as usize].id;
        if let Some(attempt) = attempt.filter(|_| !ours_wins) {
            self.end_attempt(attempt);
        }
        let peer = &self.peers[who as usize];
        if linked || ours_wins || !peer.neighbours.admits(caller, peer.places()) {
            if !ours_wins {
                self.send_signal(who, caller, connection, Kind::Bye);
            }
            return;
        }
        self.peers[who as usize].attempts.push(connection);
        self.update_prospects(who);
        self.send_signal(who, caller, connection, Kind::Answer);
    }

    /// Takes an attempt off both sides' lists.
    fn end_attempt(&mut self, connection: u32) {
        self.connections[connection as usize].phase = Phase::Failed;
        for side in 0..2 {
            let who = self.connections[connection as usize].ends[side].viewer;
            let peer = &mut self.peers[who as usize];
            let before = peer.attempts.len();
            peer.attempts.retain(|&other| other != connection);
            if peer.attempts.len() < before {
                peer.dials -= usize::from(side == 0);
                self.update_prospects(who);
            }
        }
    }

    /// A side hears that an attempt came to nothing.
    fn attempt_ended(&mut self, connection: u32, who: u32) {
        let Some(known) = self.connections.get(connection as usize) else {
            return;
        };
        if known.phase != Phase::Connecting {
            return;
        }
        let (caller, callee) = (known.ends[0].viewer, known.ends[1].viewer);
        self.end_attempt(connection);
        if who == caller {
            let peer = &mut self.peers[caller as usize];
            peer.account.dials_failed += 1;
            peer.neighbours.failed(callee, self.now);
        }
        self.fill(who);
    }

    pub(super) fn dial_failed(&mut self, connection: u32) {
        let caller = self.connections[connection as usize].ends[0].viewer;
        self.attempt_ended(connection, caller);
        self.settle(caller);
    }

    pub(super) fn connected(&mut self, connection: u32) {
        let known = &mut self.connections[connection as usize];
        let both = [known.ends[0].viewer, known.ends[1].viewer];
        let here = both
            .iter()
            .all(|&who| self.peers[who as usize].attempts.contains(&connection));
        if known.phase != Phase::Connecting || !here {
            return;
        }
        known.phase = Phase::Up;
        self.log.record(self.now, Entry::Connected, both[0], both[1]);
        for (side, who) in both.into_iter().enumerate() {
            let since = self.now;
            let peer = &mut self.peers[who as usize];
            peer.attempts.retain(|&other| other != connection);
            let id = peer.new_link();
            peer.links.push(Link {
                id,
                connection,
                side: side as u8,
                since,
            });
            peer.account.links += 1;
            if side == 0 {
                peer.dials -= 1;
                peer.outgoing += 1;
                peer.neighbours.succeeded(both[1]);
            }
            let end = &mut self.connections[connection as usize].ends[side];
            end.link = id;
            end.up = true;
        }
        for (side, who) in both.into_iter().enumerate() {
            let end = &mut self.connections[connection as usize].ends[side];
            end.told = HIGH_WATER;
            let link = end.link;
            let peer = self.peers[both[1 - side] as usize].id;
            self.swarm_input(who, Input::LinkUp { link, peer });
            let free = HIGH_WATER;
            self.swarm_input(who, Input::Writable { link, free });
            self.update_prospects(who);
            self.neighbours_changed(who);
            self.settle(who);
        }
    }

    // ---- ending connections

    /// One end is closed: what waits there is lost.
    pub(super) fn close_end(&mut self, connection: u32, side: u8) {
        let end = &mut self.connections[connection as usize].ends[usize::from(side)];
        end.up = false;
        end.queue = std::collections::VecDeque::new();
        end.queued = 0;
        let peer = &mut self.peers[end.viewer as usize];
        peer.uplink.remove(key(connection, side), self.now);
        if let Some(at) = peer.links.iter().position(|link| link.connection == connection) {
            let link = peer.links.remove(at);
            peer.outgoing -= usize::from(side == 0);
            peer.account.neighbour_us += self.now.since(link.since).as_micros() as u64;
        }
    }

    /// The other end has closed, or the path has broken.
    pub(super) fn link_down(&mut self, connection: u32, side: u8, broke: bool) {
        let known = &self.connections[connection as usize];
        let end = &known.ends[usize::from(side)];
        if !end.up {
            return;
        }
        let (who, link) = (end.viewer, end.link);
        let other = known.ends[usize::from(1 - side)].viewer;
        self.close_end(connection, side);
        self.swarm_input(who, Input::LinkDown { link });
        let peer = &mut self.peers[who as usize];
        if broke {
            peer.neighbours.broke(other, self.now);
        } else {
            peer.neighbours.failed(other, self.now);
        }
        self.neighbours_changed(who);
        self.settle(who);
    }

    /// A viewer that goes ends its connections; `broke`: the others have to find out.
    pub(super) fn end_links(&mut self, who: u32, broke: bool) {
        // The other sides keep theirs until they have expired: nobody tells them.
        let peer = &mut self.peers[who as usize];
        peer.attempts.clear();
        peer.dials = 0;
        for link in self.peers[who as usize].links.clone() {
            self.close_end(link.connection, link.side);
            let known = &self.connections[link.connection as usize];
            // The goodbyes just sent come first.
            let at = if broke {
                self.after(BROKEN_NOTICED)
            } else {
                let latest = known.ends[usize::from(link.side)].control_at;
                Timestamp(latest.max(self.now).0 + known.latency)
            };
            let event = Event::LinkDown {
                connection: link.connection,
                side: 1 - link.side,
                broke,
            };
            self.queue.push(at, event);
        }
    }

    /// Tells the tracker's client who is connected, and looks for more.
    pub(super) fn neighbours_changed(&mut self, who: u32) {
        let peer = &self.peers[who as usize];
        let peers = peer
            .links
            .iter()
            .map(|link| {
                let known = &self.connections[link.connection as usize];
                let other = known.ends[usize::from(1 - link.side)].viewer;
                self.peers[other as usize].id.to_string()
            })
            .collect();
        let swarm = self.swarm_hex.clone();
        self.client_input(who, client::Input::Neighbours { swarm, peers });
        self.fill(who);
    }

    /// Tells the swarm whether connections are on their way, when that changes.
    pub(super) fn update_prospects(&mut self, who: u32) {
        let peer = &mut self.peers[who as usize];
        if peer.expect_until <= self.now {
            peer.expect_until = NOT_EXPECTED;
        }
        let prospects = !peer.attempts.is_empty() || peer.expect_until != NOT_EXPECTED;
        if peer.prospects != prospects {
            peer.prospects = prospects;
            self.swarm_input(who, Input::Prospects(prospects));
        }
    }
}
