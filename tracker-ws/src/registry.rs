//! Swarms and peers, in memory. No I/O: requests of proven sessions come in, frames for sessions go out.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use rand::rngs::StdRng;
use tracker_protocol::server::{Changes, Face, Peer, PeerConfig, PeerState, Timestamp, Verdict};
use tracker_protocol::{
    Bye, DEFAULT_PEERS, ErrorCode, Event, IssuedCertificate, Kind, MAX_PEERS, PeerAddr, PeerGroup, PeerInfo,
    PeerInfoExt, PeerMode, PeerNum, PeerStatus, Request, RequestBody, Response, SUPPORTS_SIGNAL, Signal,
    SwarmResult,
};

use crate::relay::Offers;
use crate::swarm::Swarm;

/// Names a socket, never reused.
pub type SessionId = u64;

/// Most peers in all lists of one response, so that it fits a frame.
const MAX_LISTED: usize = 3 * MAX_PEERS as usize;

/// Settings of a [`Registry`].
#[derive(Clone, Copy, Debug)]
pub struct RegistryConfig {
    /// Timers and limits per peer.
    pub peer: PeerConfig,
    /// Seconds between reports, told to peers.
    pub interval: u64,
    /// Most registered peers.
    pub max_peers: usize,
}

/// What to do with a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Send this text frame.
    Frame(String),
    /// Send what waits, then close with this code and reason.
    Close(u16, &'static str),
}

/// Something for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The session.
    pub to: SessionId,
    /// What for it.
    pub what: Delivery,
}

#[derive(Debug)]
struct Entry {
    machine: Peer,
    takes_signals: bool,
    /// As last told. Others learn its role and nothing else of it.
    status: PeerStatus,
    offers: Offers,
    /// Its next place in the queue of timers.
    scheduled: Timestamp,
}

/// All swarms and peers of a tracker.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    rng: StdRng,
    peers: HashMap<Arc<str>, Entry>,
    swarms: HashMap<String, Swarm>,
    /// Sockets that have proven who they are, both ways.
    proven: HashMap<SessionId, Arc<str>>,
    sessions: HashMap<Arc<str>, SessionId>,
    timers: BinaryHeap<Reverse<(Timestamp, Arc<str>)>>,
}

impl Registry {
    /// An empty registry, which draws from `rng`.
    pub fn new(config: RegistryConfig, rng: StdRng) -> Self {
        Self {
            config,
            rng,
            peers: HashMap::new(),
            swarms: HashMap::new(),
            proven: HashMap::new(),
            sessions: HashMap::new(),
            timers: BinaryHeap::new(),
        }
    }

    /// Registered peers.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Swarms with reachable members.
    pub fn swarm_count(&self) -> usize {
        self.swarms.len()
    }

    /// Is the session's peer registered?
    pub fn is_registered(&self, session: SessionId) -> bool {
        self.proven
            .get(&session)
            .is_some_and(|peer| self.peers.contains_key(peer))
    }

    /// Is the session's peer registered in this swarm?
    pub fn is_member(&self, session: SessionId, swarm: &str) -> bool {
        let peer = self.proven.get(&session);
        let entry = peer.and_then(|peer| self.peers.get(peer));
        entry.is_some_and(|entry| entry.machine.swarms().contains_key(swarm))
    }

    /// When [`Registry::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// The session has proven to be this peer. An older session of the same peer is closed; a registration that lost
    /// its socket is resumed.
    pub fn attach(&mut self, now: Timestamp, session: SessionId, peer_id: &str, out: &mut Vec<Outgoing>) {
        let peer: Arc<str> = peer_id.into();
        if let Some(older) = self.sessions.insert(peer.clone(), session) {
            self.proven.remove(&older);
            // A page with the same key elsewhere must not fight over the registration.
            goodbye(older, ErrorCode::Forbidden, "replaced", Some(60), out);
        }
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.machine.socket_attached(now);
        }
        self.proven.insert(session, peer);
    }

    /// The session's socket is gone.
    pub fn detach(&mut self, now: Timestamp, session: SessionId) {
        let Some(peer) = self.proven.remove(&session) else {
            return;
        };
        self.sessions.remove(&peer);
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        entry.machine.socket_lost(now);
        for swarm in entry.machine.swarms().keys() {
            leave(&mut self.swarms, swarm, &peer);
        }
        self.settle(&peer);
    }

    /// Carries out a request of a proven session; `frame` is its text. `certificates` are the peer's, of the swarms
    /// it asks them for: those of swarms it is a member of by then go into the answer. Returns how it was answered.
    pub fn request(
        &mut self,
        now: Timestamp,
        session: SessionId,
        request: &Request,
        frame: &str,
        certificates: Vec<IssuedCertificate>,
        out: &mut Vec<Outgoing>,
    ) -> ErrorCode {
        let id = &request.transaction_id;
        let refuse = |code, reason| Response::failed(id, code, reason);
        let Some(peer) = self.proven.get(&session).cloned() else {
            return answer(
                session,
                &refuse(ErrorCode::AuthenticationRequired, "auth-missing"),
                out,
            );
        };
        let foreign_offer = request
            .ext
            .offers
            .iter()
            .any(|offer| *offer.from != *peer || !offer.to.is_empty());
        if *request.peer_id != *peer || foreign_offer {
            return answer(
                session,
                &refuse(ErrorCode::Forbidden, "not-this-socket's-peer"),
                out,
            );
        }
        if !self.peers.contains_key(&peer) && self.peers.len() >= self.config.max_peers {
            let mut full = refuse(ErrorCode::Unavailable, "tracker-full");
            full.ext.retry_after = Some(30);
            return answer(session, &full, out);
        }
        let entry = self.peers.entry(peer.clone()).or_insert_with(|| Entry {
            machine: Peer::new(now, self.config.peer),
            takes_signals: false,
            status: PeerStatus::default(),
            offers: Offers::default(),
            scheduled: Timestamp::MAX,
        });
        let response = match entry.machine.request(now, Face::WebSocket, request, frame) {
            Verdict::Replay(answer) => {
                out.push(Outgoing {
                    to: session,
                    what: Delivery::Frame(answer),
                });
                return ErrorCode::NoError;
            }
            Verdict::Refuse(response) => *response,
            Verdict::Connect(changes) => {
                let mut response = self.connected(now, &peer, request, &changes, out);
                response.ext.certs = certificates;
                let joined = |swarm: &String| changes.joined.iter().any(|(joined, _)| joined == swarm);
                response.ext.certs.retain(|issued| joined(&issued.swarm_id));
                response
            }
            Verdict::Proceed => match &request.body {
                RequestBody::Connect(_) | RequestBody::StatReport(_) => self.reported(&peer, request),
                RequestBody::Cert(swarm) => {
                    let mut response = Response::ok(id);
                    response.ext.certs = certificates;
                    response.ext.certs.retain(|issued| issued.swarm_id == *swarm);
                    match response.ext.certs.is_empty() {
                        true => refuse(ErrorCode::InternalError, "no-certificate"),
                        false => response,
                    }
                }
                RequestBody::Find(find) => {
                    let result =
                        self.list(&find.swarm_id, &peer, find.peer_num.as_ref(), request, MAX_LISTED);
                    let mut response = Response {
                        swarm_result: vec![result],
                        ..Response::ok(id)
                    };
                    response.ext.offers_sent = self.hand_out(now, &peer, request, out);
                    response
                }
                RequestBody::Signal(signal) => match self.relay(now, &peer, signal, out) {
                    Ok(()) => Response::ok(id),
                    Err(reason) => refuse(ErrorCode::Forbidden, reason),
                },
            },
        };
        let frame_out = encode(&response);
        if let Some(entry) = self.peers.get_mut(&peer) {
            // A refusal for a reused transaction ID must not displace what that ID stood for.
            if response.code != ErrorCode::BadRequest {
                entry.machine.remember(now, request, frame, &frame_out);
            }
        }
        out.push(Outgoing {
            to: session,
            what: Delivery::Frame(frame_out),
        });
        self.settle(&peer);
        response.code
    }

    /// Forgets peers whose timers have expired; what is left of their sockets is closed.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Outgoing>) {
        while let Some(Reverse((at, _))) = self.timers.peek()
            && *at <= now
        {
            let Some(Reverse((at, peer))) = self.timers.pop() else {
                return;
            };
            let Some(entry) = self.peers.get_mut(&peer) else {
                continue;
            };
            if entry.scheduled != at {
                continue;
            }
            entry.scheduled = Timestamp::MAX;
            if entry.machine.handle_timeout(now)
                && let Some(session) = self.sessions.get(&peer)
            {
                goodbye(*session, ErrorCode::NoError, "track-timeout", None, out);
            }
            self.settle(&peer);
        }
    }

    /// After the machine has changed: remove a terminated peer, or see that its timer rings in time.
    fn settle(&mut self, peer: &Arc<str>) {
        let Some(entry) = self.peers.get_mut(peer) else {
            return;
        };
        if entry.machine.state() == PeerState::Terminated {
            for swarm in entry.machine.swarms().keys() {
                leave(&mut self.swarms, swarm, peer);
            }
            self.peers.remove(peer);
            return;
        }
        let deadline = entry.machine.poll_timeout();
        if deadline < entry.scheduled {
            entry.scheduled = deadline;
            self.timers.push(Reverse((deadline, peer.clone())));
        }
    }

    fn connected(
        &mut self,
        now: Timestamp,
        peer: &Arc<str>,
        request: &Request,
        changes: &Changes,
        out: &mut Vec<Outgoing>,
    ) -> Response {
        let RequestBody::Connect(connect) = &request.body else {
            return Response::ok(&request.transaction_id);
        };
        self.take_status(peer, request);
        if let Some(entry) = self.peers.get_mut(peer)
            && !request.ext.supports.is_empty()
        {
            entry.takes_signals = request
                .ext
                .supports
                .iter()
                .any(|extension| extension == SUPPORTS_SIGNAL);
        }
        for swarm in &changes.left {
            leave(&mut self.swarms, swarm, peer);
        }
        let mut response = Response::ok(&request.transaction_id);
        let left = changes.left.iter().map(|swarm| SwarmResult::ok(swarm));
        response.swarm_result.extend(left);
        let room = MAX_LISTED / changes.joined.len().max(1);
        for (swarm, mode) in &changes.joined {
            self.swarms.entry(swarm.clone()).or_default().insert(peer);
            let result = match (mode, &connect.peer_num) {
                (PeerMode::Seeder, None) => self.counted(swarm),
                (_, peer_num) => self.list(swarm, peer, peer_num.as_ref(), request, room),
            };
            response.swarm_result.push(result);
        }
        response.ext.interval = Some(self.config.interval);
        response.ext.track_timeout = Some(self.config.peer.track_timeout / 1_000_000);
        response.ext.offers_sent = self.hand_out(now, peer, request, out);
        response
    }

    fn reported(&mut self, peer: &Arc<str>, request: &Request) -> Response {
        self.take_status(peer, request);
        let mut response = Response::ok(&request.transaction_id);
        if let RequestBody::StatReport(stats) = &request.body {
            let result = stats.iter().map(|stat| self.counted(&stat.swarm_id));
            response.swarm_result = result.collect();
        }
        response
    }

    fn take_status(&mut self, peer: &Arc<str>, request: &Request) {
        if let (Some(entry), Some(news)) = (self.peers.get_mut(peer), &request.ext.status) {
            entry.status.update(news.clone());
        }
    }

    /// A success that says how many members the swarm has.
    fn counted(&self, swarm_id: &str) -> SwarmResult {
        let mut result = SwarmResult::ok(swarm_id);
        result.ext.members = Some(self.swarms.get(swarm_id).map_or(0, Swarm::len) as u64);
        result
    }

    /// A random list of a swarm's members.
    fn list(
        &mut self,
        swarm_id: &str,
        requester: &Arc<str>,
        peer_num: Option<&PeerNum>,
        request: &Request,
        room: usize,
    ) -> SwarmResult {
        let wanted = peer_num
            .and_then(|peer_num| peer_num.peer_count)
            .unwrap_or(DEFAULT_PEERS);
        let count = (wanted.clamp(1, MAX_PEERS) as usize).min(room.max(1));
        let sample = self.swarms.get(swarm_id).map_or_else(Vec::new, |swarm| {
            swarm.sample(&mut self.rng, count, requester, &request.ext.exclude)
        });
        let describe = |peer: Arc<str>| {
            let entry = self.peers.get(&peer)?;
            let mode = entry.machine.swarms().get(swarm_id).copied();
            let via = if entry.takes_signals {
                vec!["signal".to_owned()]
            } else {
                Vec::new()
            };
            let role = entry.status.role;
            let ext = PeerInfoExt { mode, role, via };
            Some(PeerInfo {
                peer_id: peer.to_string(),
                peer_addr: PeerAddr::private(),
                ext,
            })
        };
        let peer_info = sample.into_iter().filter_map(describe).collect();
        SwarmResult {
            peer_group: Some(PeerGroup { peer_info }),
            ..self.counted(swarm_id)
        }
    }

    /// Gives each batch offer to another random member; returns how many found one.
    fn hand_out(
        &mut self,
        now: Timestamp,
        peer: &Arc<str>,
        request: &Request,
        out: &mut Vec<Outgoing>,
    ) -> Option<u64> {
        if request.ext.offers.is_empty() {
            return None;
        }
        let mut sent = 0;
        let mut given: Vec<String> = request.ext.exclude.clone();
        for offer in &request.ext.offers {
            let Some(own) = self.peers.get(peer) else { break };
            if !own.machine.swarms().contains_key(&offer.swarm) {
                continue;
            }
            let Some(swarm) = self.swarms.get(&offer.swarm) else {
                continue;
            };
            let candidates = swarm.sample(&mut self.rng, 8, peer, &given);
            let target = candidates
                .into_iter()
                .find(|target| self.takes_signals(target).is_some());
            let Some(target) = target else { continue };
            let Some(session) = self.takes_signals(&target) else {
                continue;
            };
            push(session, offer, out);
            given.push(target.to_string());
            if let Some(own) = self.peers.get_mut(peer) {
                own.offers.record(now, &target, &offer.oid);
            }
            sent += 1;
        }
        Some(sent)
    }

    /// The session to push to, for a peer that listed the extension and has a socket.
    fn takes_signals(&self, peer: &str) -> Option<SessionId> {
        let entry = self.peers.get(peer)?;
        let session = self.sessions.get(peer).copied();
        session.filter(|_| entry.takes_signals && entry.machine.is_reachable())
    }

    /// Forwards an envelope to its receiver.
    fn relay(
        &mut self,
        now: Timestamp,
        from: &Arc<str>,
        signal: &Signal,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), &'static str> {
        if *signal.from != **from {
            return Err("not-this-socket's-peer");
        }
        let target = self
            .peers
            .get(&*signal.to)
            .filter(|target| target.machine.swarms().contains_key(&signal.swarm));
        let (Some(target), Some(session)) = (target, self.takes_signals(&signal.to)) else {
            return Err("no-such-peer");
        };
        if *signal.to == **from {
            return Err("no-such-peer");
        }
        let asked = target.offers.made(now, from, &signal.oid);
        let Some(own) = self.peers.get_mut(from) else {
            return Err("not-registered");
        };
        let allowed = match signal.kind {
            Kind::Offer => true,
            Kind::Answer => asked,
            Kind::Candidate | Kind::End | Kind::Bye => asked || own.offers.made(now, &signal.to, &signal.oid),
        };
        if !allowed {
            return Err("no-such-offer");
        }
        if signal.kind == Kind::Offer {
            own.offers.record(now, &signal.to, &signal.oid);
        }
        own.machine.touch(now);
        push(session, signal, out);
        Ok(())
    }
}

fn leave(swarms: &mut HashMap<String, Swarm>, swarm_id: &str, peer: &str) {
    if let Some(swarm) = swarms.get_mut(swarm_id) {
        swarm.remove(peer);
        if swarm.is_empty() {
            swarms.remove(swarm_id);
        }
    }
}

fn encode(response: &Response) -> String {
    // A response that does not fit says so; that one always fits.
    response.encode().unwrap_or_else(|error| {
        let short = Response::failed(
            &response.transaction_id,
            ErrorCode::InternalError,
            &error.to_string(),
        );
        short.encode().unwrap_or_default()
    })
}

fn answer(session: SessionId, response: &Response, out: &mut Vec<Outgoing>) -> ErrorCode {
    out.push(Outgoing {
        to: session,
        what: Delivery::Frame(encode(response)),
    });
    response.code
}

fn push(session: SessionId, signal: &Signal, out: &mut Vec<Outgoing>) {
    // Its members are bounded far below a frame, so this never fails.
    if let Ok(frame) = Event::Signal(Box::new(signal.clone())).encode() {
        out.push(Outgoing {
            to: session,
            what: Delivery::Frame(frame),
        });
    }
}

fn goodbye(
    session: SessionId,
    code: ErrorCode,
    reason: &'static str,
    retry_after: Option<u64>,
    out: &mut Vec<Outgoing>,
) {
    let bye = Bye {
        code,
        retry_after,
        reason: Some(reason.to_owned()),
    };
    if let Ok(frame) = Event::Bye(bye).encode() {
        out.push(Outgoing {
            to: session,
            what: Delivery::Frame(frame),
        });
    }
    out.push(Outgoing {
        to: session,
        what: Delivery::Close(1000, reason),
    });
}
