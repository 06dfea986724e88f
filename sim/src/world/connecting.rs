//! How connections come up and end, as the neighbourhood wants them.

use ppspp::neighbourhood::{Admission, Outcome};
use ppspp::swarm::Input;
use ppspp::{LinkId, PeerId, Timestamp};
use tracker_protocol::{Kind, client};

use super::{BROKEN_NOTICED, Event, World};
use crate::connection::{Connection, HIGH_WATER, Phase, key};
use crate::log::Entry;
use crate::peer::{Link, NEVER, NOT_EXPECTED};

/// The browser collects candidates and makes the description for this long (microseconds).
const GATHERING: u64 = 100_000;
/// As long where a neighbour relays: there the description has to be complete.
const RELAYED_GATHERING: u64 = 500_000;
/// From both descriptions being known to open channels, in round trips: ICE checks 1, DTLS 2, SCTP 1.
const SET_UP_ROUND_TRIPS: u64 = 4;
/// ICE gives up after this (microseconds).
const ICE_FAILS: u64 = 15_000_000;
/// An attempt that has not come up is given up after this (microseconds).
const OFFER_LIFETIME: u64 = 50_000_000;

impl World {
    /// The other side of a connection.
    fn other(&self, connection: u32, who: u32) -> u32 {
        let ends = &self.connections[connection as usize].ends;
        ends[usize::from(ends[0].viewer == who)].viewer
    }

    /// The connection between two viewers that is up for the first.
    pub(super) fn link_between(&self, who: u32, other: u32) -> Option<u32> {
        let links = self.peers[who as usize].links.iter();
        let mut with = links.map(|link| link.connection);
        with.find(|&connection| self.other(connection, who) == other)
    }

    // ---- making connections

    /// Dials as many candidates as there are places for.
    pub(super) fn fill(&mut self, who: u32) {
        if !self.peers[who as usize].here {
            self.peers[who as usize].dial_due = NEVER;
            return;
        }
        loop {
            let neighbours = &mut self.peers[who as usize].neighbours;
            if let Some(dial) = neighbours.next_dial(self.now) {
                let via = dial.via.and_then(|via| self.ids.get(&via).copied());
                match self.ids.get(&dial.peer).copied() {
                    Some(other) => self.dial(who, other, via),
                    None => self.peers[who as usize].neighbours.ban(dial.peer),
                }
            } else if let Some(victim) = neighbours.replace(self.now) {
                self.end_replaced(who, &victim);
            } else {
                break;
            }
        }
        let peer = &mut self.peers[who as usize];
        peer.dial_due = peer.neighbours.poll_timeout(self.now).unwrap_or(NEVER);
    }

    fn dial(&mut self, who: u32, other: u32, via: Option<u32>) {
        let (a, b) = (&self.viewers[who as usize], &self.viewers[other as usize]);
        let latency = a.latency + b.latency + a.region.latency(b.region);
        let connection = self.connections.len() as u32;
        self.connections.push(Connection::new(who, other, latency, via));
        self.peers[who as usize].attempts.push(connection);
        self.queue
            .push(self.after(OFFER_LIFETIME), Event::DialFailed(connection));
        self.update_prospects(who);
        self.send_signal(who, other, connection, Kind::Offer);
    }

    /// A signal about an attempt reaches one of its sides.
    pub(super) fn signalled(&mut self, who: u32, connection: u32, kind: Kind) {
        let Some(known) = self.connections.get(connection as usize) else {
            return;
        };
        if known.phase != Phase::Connecting {
            return;
        }
        let (caller, callee) = (known.ends[0].viewer, known.ends[1].viewer);
        match kind {
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
                let gathering = match known.via {
                    Some(_) => RELAYED_GATHERING,
                    None => GATHERING,
                };
                self.queue.push(self.after(after + gathering), event);
            }
            Kind::Bye => self.attempt_ended(connection, who),
            _ => {}
        }
    }

    fn offered(&mut self, who: u32, caller: u32, connection: u32) {
        let from = self.peers[caller as usize].id;
        let neighbours = &mut self.peers[who as usize].neighbours;
        if !neighbours.knock(self.now, from) {
            return;
        }
        match neighbours.admit_offer(self.now, from) {
            Admission::Ignore => return,
            Admission::Refuse => return self.send_signal(who, caller, connection, Kind::Bye),
            Admission::Accept => {}
            Admission::AcceptReplacing(victim) => self.end_replaced(who, &victim),
        }
        self.peers[who as usize].attempts.push(connection);
        self.update_prospects(who);
        self.send_signal(who, caller, connection, Kind::Answer);
    }

    /// Ends the connection, or the attempt, whose place the neighbourhood has given to another.
    fn end_replaced(&mut self, who: u32, victim: &PeerId) {
        let Some(&other) = self.ids.get(victim) else {
            return;
        };
        if let Some(connection) = self.link_between(who, other) {
            let side = u8::from(self.connections[connection as usize].ends[0].viewer != who);
            let link = self.connections[connection as usize].ends[usize::from(side)].link;
            self.hang_up(connection, side);
            self.swarm_input(who, Input::LinkDown { link });
            self.tell_neighbours(who);
        }
        let attempts = self.peers[who as usize].attempts.iter().copied();
        let attempts: Vec<u32> = attempts
            .filter(|&attempt| self.other(attempt, who) == other)
            .collect();
        for attempt in attempts {
            self.connections[attempt as usize].phase = Phase::Failed;
            self.take_attempt(who, attempt);
            // The place that it had on the other side is that of the connection which comes instead.
            self.take_attempt(other, attempt);
        }
    }

    fn take_attempt(&mut self, who: u32, connection: u32) -> bool {
        let attempts = &mut self.peers[who as usize].attempts;
        let before = attempts.len();
        attempts.retain(|&other| other != connection);
        let taken = attempts.len() < before;
        if taken {
            self.update_prospects(who);
        }
        taken
    }

    /// An attempt came to nothing: both sides know at once, which is when the slower one would.
    pub(super) fn attempt_ended(&mut self, connection: u32, who: u32) {
        let Some(known) = self.connections.get_mut(connection as usize) else {
            return;
        };
        if known.phase != Phase::Connecting {
            return;
        }
        known.phase = Phase::Failed;
        let (caller, callee) = (known.ends[0].viewer, known.ends[1].viewer);
        for (side, other) in [(caller, callee), (callee, caller)] {
            if self.take_attempt(side, connection) {
                let other = self.peers[other as usize].id;
                let peer = &mut self.peers[side as usize];
                peer.neighbours.closed(self.now, &other, Outcome::Ended);
                peer.account.dials_failed += u32::from(side == caller);
            }
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
            let other = self.peers[both[1 - side] as usize].id;
            let peer = &mut self.peers[who as usize];
            peer.attempts.retain(|&attempt| attempt != connection);
            peer.neighbours.up(self.now, &other);
            let id = peer.new_link();
            peer.links.push(Link {
                id,
                connection,
                side: side as u8,
                since: self.now,
                exchanged: (0, 0),
            });
            peer.account.links += 1;
            let end = &mut self.connections[connection as usize].ends[side];
            end.link = id;
            end.up = true;
            end.told = HIGH_WATER;
        }
        for (side, who) in both.into_iter().enumerate() {
            let link = self.connections[connection as usize].ends[side].link;
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
            peer.account.neighbour_us += self.now.since(link.since).as_micros() as u64;
        }
    }

    /// Closes an end on purpose: the other one notices.
    pub(super) fn hang_up(&mut self, connection: u32, side: u8) {
        self.close_end(connection, side);
        let latency = self.connections[connection as usize].latency;
        let event = Event::LinkDown {
            connection,
            side: 1 - side,
            broke: false,
        };
        self.queue.push(self.after(latency), event);
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
        self.closed(who, other, if broke { Outcome::Broke } else { Outcome::Ended });
        self.settle(who);
    }

    /// Tells of a connection that is gone.
    pub(super) fn closed(&mut self, who: u32, other: u32, outcome: Outcome) {
        let other = self.peers[other as usize].id;
        self.peers[who as usize]
            .neighbours
            .closed(self.now, &other, outcome);
        self.neighbours_changed(who);
    }

    /// A viewer that goes ends its connections; `broke`: the others have to find out.
    pub(super) fn end_links(&mut self, who: u32, broke: bool) {
        // The other sides keep theirs until they have expired: nobody tells them.
        self.peers[who as usize].attempts.clear();
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
        self.tell_neighbours(who);
        self.fill(who);
    }

    fn tell_neighbours(&mut self, who: u32) {
        let links = self.peers[who as usize].links.iter();
        let others = links.map(|link| self.other(link.connection, who));
        let peers = others
            .map(|other| self.peers[other as usize].id.to_string())
            .collect();
        let swarm = self.swarm_hex.clone();
        self.client_input(who, client::Input::Neighbours { swarm, peers });
    }

    /// Payload went over a link.
    pub(super) fn exchanged(&mut self, who: u32, link: LinkId, down: u32, up: u32) {
        if let Some(link) = self.peers[who as usize].link_mut(link) {
            link.exchanged.0 += u64::from(down);
            link.exchanged.1 += u64::from(up);
        }
    }

    /// Tells the neighbourhood what went over the links.
    pub(super) fn tell_exchanged(&mut self, who: u32) {
        for at in 0..self.peers[who as usize].links.len() {
            let link = self.peers[who as usize].links[at];
            let other = self.peers[self.other(link.connection, who) as usize].id;
            let peer = &mut self.peers[who as usize];
            let (down, up) = core::mem::take(&mut peer.links[at].exchanged);
            peer.neighbours.exchanged(self.now, &other, down, up);
        }
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
