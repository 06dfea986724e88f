//! Viewers and the tracker: lists, certificates, and the signals that go through it or through a neighbour.

use ppspp::neighbourhood::{Bucket, Hints, Pace, Source};
use ppspp::swarm::Input;
use ppspp::{PeerId, Timestamp};
use tracker_protocol::client::{self, Output, Status};
use tracker_protocol::{Kind, Signal, Stat};

use super::{Event, World};
use crate::access::wire_bytes;
use crate::log::Entry;
use crate::peer::{NEVER, NOT_EXPECTED};
use crate::tracker::Outgoing;

/// After the tracker answered, this long passes before a lack of connections means that there are no neighbours
/// (microseconds).
const DIALLING: u64 = 500_000;
/// How often it is looked whether there are enough neighbours (microseconds).
pub(super) const FIND_PAUSE: u64 = 5_000_000;
/// Neighbours are asked for peers when there are fewer of them: with a tracker, and without one.
const FEW_NEIGHBOURS: usize = 3;
const ENOUGH_NEIGHBOURS: usize = 10;
/// What stands for a session description: nothing reads it.
const DESCRIPTION: &str = "v=0";
/// Bytes of a relayed envelope: a description with all its candidates.
const RELAYED: usize = 3000;
/// What a neighbour passes on for one sender, as the browser driver has it.
const RELAYS: Pace = Pace {
    burst: 5,
    period: 12_000_000,
};
/// Senders whose relayed signals are counted at most.
const MAX_SENDERS: usize = 64;

/// A signal on its way through a neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relayed {
    from: u32,
    to: u32,
    connection: u32,
    kind: Kind,
}

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
                let swarm = self.content.metadata().swarm_id();
                let neighbours = &mut self.peers[who as usize].neighbours;
                for peer in peers.iter().filter_map(|info| PeerId::from_hex(&info.peer_id)) {
                    neighbours.found(self.now, swarm, peer, Source::Tracker, Hints::default());
                }
                self.fill(who);
            }
            Output::Signal(signal) => {
                if let Ok(connection) = signal.oid.parse() {
                    self.signalled(who, connection, signal.kind);
                }
            }
            Output::SwarmSize { members, .. } => {
                let members = members as u32;
                let swarm = self.content.metadata().swarm_id();
                self.peers[who as usize].neighbours.set_size(swarm, members);
                self.swarm_input(who, Input::SwarmSize(members));
            }
            Output::Certificate {
                certificate, expires, ..
            } => {
                let input = Input::Certificate {
                    certificate: certificate.into(),
                    expires: Timestamp(expires * 1_000_000),
                };
                self.swarm_input(who, input);
            }
            Output::SignalFailed { oid, .. } => {
                if let Ok(connection) = oid.parse() {
                    self.attempt_ended(connection, who);
                }
            }
            Output::Joined { .. } => {
                let expect = self.after(DIALLING);
                let peer = &mut self.peers[who as usize];
                peer.neighbours.set_tracker(true);
                peer.expect_until = expect;
                self.update_prospects(who);
                self.fill(who);
            }
            Output::Lost { .. } | Output::Refused { .. } => {
                let peer = &mut self.peers[who as usize];
                peer.neighbours.set_tracker(false);
                peer.expect_until = NOT_EXPECTED;
                self.update_prospects(who);
            }
            Output::ReportDue => self.report_to_tracker(who),
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

    /// What the client's report says.
    fn report_to_tracker(&mut self, who: u32) {
        let peer = &self.peers[who as usize];
        let stat = Stat {
            swarm_id: self.swarm_hex.clone(),
            uploaded_bytes: peer.account.uploaded,
            downloaded_bytes: peer.account.from_peers + peer.account.from_origin,
            concurrent_links: peer.links.len() as u64,
            ..Stat::default()
        };
        self.client_input(who, client::Input::Stats(vec![stat]));
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

    // ---- signals

    /// Sends an offer, an answer or a refusal, the way the connection's offer goes.
    pub(super) fn send_signal(&mut self, who: u32, to: u32, connection: u32, kind: Kind) {
        if let Some(via) = self.connections[connection as usize].via {
            let relayed = Relayed {
                from: who,
                to,
                connection,
                kind,
            };
            return self.relay_hop(who, via, relayed);
        }
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

    /// One of the two hops of a relayed signal; a connection that is not up loses it.
    fn relay_hop(&mut self, from: u32, to: u32, relayed: Relayed) {
        let Some(connection) = self.link_between(from, to) else {
            return;
        };
        let sent = self.peers[from as usize]
            .uplink
            .control(wire_bytes(RELAYED), self.now);
        let at = Timestamp(sent.0 + self.connections[connection as usize].latency);
        self.queue.push(at, Event::Relayed(to, relayed));
    }

    /// A relayed signal has reached the neighbour, or the one it is for.
    pub(super) fn relayed(&mut self, at: u32, relayed: Relayed) {
        if !self.peers[at as usize].here {
            return;
        }
        self.log
            .record(self.now, Entry::Relayed, relayed.from, relayed.to);
        if at == relayed.to {
            self.signalled(at, relayed.connection, relayed.kind);
            return self.settle(at);
        }
        let senders = &mut self.peers[at as usize].relayed;
        let known = senders.iter().position(|(sender, _)| *sender == relayed.from);
        let mut bucket = known.map_or_else(Bucket::default, |at| senders.remove(at).1);
        let may = RELAYS.take(&mut bucket, self.now);
        if senders.len() >= MAX_SENDERS {
            senders.remove(0);
        }
        senders.push((relayed.from, bucket));
        if may {
            self.relay_hop(at, relayed.to, relayed);
        }
    }

    /// A neighbour named somebody, and the certificate was good.
    pub(super) fn named(&mut self, who: u32, peer: PeerId, via: PeerId) {
        let swarm = self.content.metadata().swarm_id();
        let neighbours = &mut self.peers[who as usize].neighbours;
        neighbours.found(self.now, swarm, peer, Source::Pex { via }, Hints::default());
        self.fill(who);
    }

    /// Looks whether there are enough neighbours, as the browser driver does.
    pub(super) fn look_for_peers(&mut self, who: u32) {
        let joined = self.peers[who as usize]
            .client
            .as_ref()
            .is_some_and(|client| client.status() == Status::Joined);
        let enough = if joined { FEW_NEIGHBOURS } else { ENOUGH_NEIGHBOURS };
        let few = self.peers[who as usize].links.len() < enough;
        self.peers[who as usize].find_due = self.after(FIND_PAUSE);
        self.tell_exchanged(who);
        if few {
            self.swarm_input(who, Input::FindPeers);
        }
        self.fill(who);
    }
}
