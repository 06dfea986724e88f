//! Swarms and peers, in memory. No I/O: requests of proven sessions come in, frames for sessions go out.

mod departed;
mod elsewhere;
mod entry;
mod explanation;
mod lists;
mod location;
#[cfg(test)]
mod tests;
mod view;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::IpAddr;
use std::sync::Arc;

use rand::rngs::StdRng;
use tracker_protocol::server::{Changes, Face, Peer, PeerConfig, PeerState, Timestamp, Verdict};
use tracker_protocol::{
    Action, Bye, ErrorCode, Event, IssuedCertificate, Kind, MAX_PEERS, PeerMode, PeerStatus, Request,
    RequestBody, Response, SUPPORTS_SIGNAL, Signal, SwarmResult,
};

use crate::cluster::Cluster;
use crate::cost_map::CostMap;
use crate::envelope::Envelope;
use crate::event_log::{EventLog, What};
use crate::fast_map::FastMap;
use crate::limits::{Bucket, Limit, Rate};
use crate::relay;
use crate::reports::Report;
use crate::swarm::Swarm;
use departed::Departed;
use entry::Entry;
pub(crate) use explanation::Drawn;
use location::{Costs, Location};
pub(crate) use view::PeerView;

/// Names a socket, never reused.
pub type SessionId = u64;

/// How a response begins that says that all is well, up to its transaction ID.
const OK: &str = r#"{"PPSPTrackerProtocol":{"version":1,"response_type":0,"error_code":0,"transaction_id":""#;
/// Most peers in all lists of one response, so that it fits a frame.
const MAX_LISTED: usize = 3 * MAX_PEERS as usize;
/// Timers that may ring for nothing, before they are looked for.
const SPARE_TIMERS: usize = 1024;

/// Settings of a [`Registry`].
#[derive(Clone, Copy, Debug)]
pub struct RegistryConfig {
    /// Timers and limits per peer.
    pub peer: PeerConfig,
    /// Seconds between reports, told to peers.
    pub interval: u64,
    /// Most registered peers.
    pub max_peers: usize,
    /// Requests a peer may make without a socket.
    pub requests: Rate,
    /// Requests of all peers that may concern one swarm: its joins, FIND and SIGNAL.
    pub swarm_requests: Rate,
}

/// What to do with a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Send this text frame.
    Frame(String),
    /// Send this text frame, with the next one if that comes within a second.
    Late(String),
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

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it was answered.
    pub code: ErrorCode,
    /// Seconds to wait before asking again (with 05).
    pub retry_after: Option<u64>,
    /// Which limit it was refused for.
    pub limit: Option<Limit>,
    /// The answer as text.
    pub frame: String,
}

impl Answer {
    /// This response, written.
    pub(crate) fn of(response: &Response) -> Self {
        Self {
            code: response.code,
            retry_after: response.ext.retry_after,
            limit: None,
            frame: encode(response),
        }
    }

    /// The same answer as before, to a repetition.
    pub(crate) fn again(frame: String) -> Self {
        Self {
            code: ErrorCode::NoError,
            retry_after: None,
            limit: None,
            frame,
        }
    }

    /// The answer 05 to a request that is refused for a limit; `nonce` goes into it.
    pub(crate) fn limited(transaction_id: &str, nonce: Option<&str>, limit: Limit) -> Self {
        let (reason, retry_after) = match limit {
            Limit::Peers => ("tracker-full", 30),
            Limit::Swarm => ("swarm-busy", 1),
            Limit::Receivers => ("too-many-receivers", 10),
            _ => ("too-many-requests", 1),
        };
        let mut response = Response::failed(transaction_id, ErrorCode::Unavailable, reason);
        response.ext.retry_after = Some(retry_after);
        response.ext.nonce = nonce.map(str::to_owned);
        Self {
            limit: Some(limit),
            ..Self::of(&response)
        }
    }
}

/// A request, as it is and as it was written.
#[derive(Clone, Copy)]
struct Asked<'a> {
    request: &'a Request,
    frame: &'a str,
    /// With all of a signal that is not in the request.
    envelope: Option<Envelope<'a>>,
}

impl Asked<'_> {
    /// The request with all of its signal, where it has not got it.
    fn whole(&self) -> Option<Request> {
        self.envelope.and_then(|_| Request::decode(self.frame).ok())
    }
}

/// Who is on a socket.
#[derive(Clone, Debug)]
struct Proven {
    peer: Arc<str>,
    /// Where its connection comes from.
    address: IpAddr,
}

/// All swarms and peers of a tracker.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    rng: StdRng,
    peers: FastMap<Arc<str>, Entry>,
    /// The IDs of all peers, in order: so that they can be looked through a few at a time.
    roll: BTreeSet<Arc<str>>,
    swarms: BTreeMap<String, Swarm>,
    /// Is told who comes and goes.
    log: Option<Arc<EventLog>>,
    /// Sockets that have proven who they are, both ways.
    proven: FastMap<SessionId, Proven>,
    sessions: FastMap<Arc<str>, SessionId>,
    departed: Departed,
    costs: Costs,
    /// Other nodes, where there are any.
    cluster: Option<Cluster>,
    timers: BinaryHeap<Reverse<(Timestamp, Arc<str>)>>,
}

impl Registry {
    /// An empty registry, which draws from `rng`.
    pub fn new(config: RegistryConfig, rng: StdRng) -> Self {
        Self {
            config,
            rng,
            peers: FastMap::default(),
            roll: BTreeSet::new(),
            swarms: BTreeMap::new(),
            log: None,
            proven: FastMap::default(),
            sessions: FastMap::default(),
            departed: Departed::default(),
            costs: Costs::default(),
            cluster: None,
            timers: BinaryHeap::new(),
        }
    }

    /// From now on these settings apply; to timers of peers that are registered already, the former ones.
    pub fn configure(&mut self, config: RegistryConfig) {
        self.config = config;
    }

    /// From now on, near peers are preferred by this map; without one, all are equally near. Takes no time, however many
    /// peers there are. Returns the former map, which may be large: better dropped when nobody waits for the registry.
    pub fn set_cost_map(&mut self, costs: Option<Arc<CostMap>>) -> Option<Arc<CostMap>> {
        self.costs.replace(costs)
    }

    /// From now on, who comes and goes is told to this log.
    pub(crate) fn set_log(&mut self, log: Arc<EventLog>) {
        self.log = Some(log);
    }

    fn tell_log(&self, what: impl FnOnce() -> What) {
        if let Some(log) = &self.log {
            log.publish(what());
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
            .is_some_and(|proven| self.peers.contains_key(&proven.peer))
    }

    /// Is the peer registered in this swarm?
    pub fn is_member(&self, peer_id: &str, swarm_id: &str) -> bool {
        let entry = self.peers.get(peer_id);
        entry.is_some_and(|entry| entry.machine.swarms().contains_key(swarm_id))
    }

    /// What a peer has last told of itself in `ext.status`.
    pub fn status(&self, peer_id: &str) -> Option<&PeerStatus> {
        self.peers.get(peer_id).map(|entry| &entry.status)
    }

    /// What a peer has last reported of one of its swarms.
    pub fn report(&self, peer_id: &str, swarm_id: &str) -> Option<&Report> {
        self.peers.get(peer_id)?.reports.get(swarm_id)
    }

    /// When [`Registry::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// The session has proven to be this peer. An older session of the same peer is closed; a registration that lost
    /// its socket is resumed. `address` is where the connection comes from: it counts when peers are chosen, and nobody is
    /// told it.
    pub fn attach(
        &mut self,
        now: Timestamp,
        session: SessionId,
        address: IpAddr,
        peer_id: &str,
        out: &mut Vec<Outgoing>,
    ) {
        let peer: Arc<str> = peer_id.into();
        if let Some(older) = self.sessions.insert(peer.clone(), session) {
            self.proven.remove(&older);
            // A page with the same key elsewhere must not fight over the registration.
            goodbye(older, ErrorCode::Forbidden, "replaced", Some(60), out);
        }
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.machine.socket_attached(now);
        }
        // A new page counts its transactions anew.
        self.departed.take(&peer);
        self.proven.insert(session, Proven { peer, address });
    }

    /// The session's socket is gone.
    pub fn detach(&mut self, now: Timestamp, session: SessionId) {
        let Some(Proven { peer, .. }) = self.proven.remove(&session) else {
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
    /// it asks them for: those of swarms it is a member of by then go into the answer. Returns how it was answered, and
    /// which limit it was refused for.
    pub fn request(
        &mut self,
        now: Timestamp,
        session: SessionId,
        request: &Request,
        frame: &str,
        certificates: Vec<IssuedCertificate>,
        out: &mut Vec<Outgoing>,
    ) -> (ErrorCode, Option<Limit>) {
        let asked = Asked {
            request,
            frame,
            envelope: None,
        };
        self.carry_out(now, session, asked, certificates, out)
    }

    /// Carries out a SIGNAL of a proven session, that was read without what does not matter on its way.
    pub(crate) fn pass_on(
        &mut self,
        now: Timestamp,
        session: SessionId,
        request: &Request,
        frame: &str,
        envelope: Envelope<'_>,
        out: &mut Vec<Outgoing>,
    ) -> (ErrorCode, Option<Limit>) {
        let asked = Asked {
            request,
            frame,
            envelope: Some(envelope),
        };
        self.carry_out(now, session, asked, Vec::new(), out)
    }

    fn carry_out(
        &mut self,
        now: Timestamp,
        session: SessionId,
        asked: Asked<'_>,
        certificates: Vec<IssuedCertificate>,
        out: &mut Vec<Outgoing>,
    ) -> (ErrorCode, Option<Limit>) {
        let request = asked.request;
        let id = &request.transaction_id;
        let refuse = |code, reason| Response::failed(id, code, reason);
        let Some(Proven { peer, address }) = self.proven.get(&session).cloned() else {
            let response = refuse(ErrorCode::AuthenticationRequired, "auth-missing");
            return (tell(session, &response, out), None);
        };
        let foreign_offer = request
            .ext
            .offers
            .iter()
            .any(|offer| *offer.from != *peer || !offer.to.is_empty());
        if *request.peer_id != *peer || foreign_offer {
            let response = refuse(ErrorCode::Forbidden, "not-this-socket's-peer");
            return (tell(session, &response, out), None);
        }
        let answer = self.answer(
            now,
            Face::WebSocket,
            address,
            &peer,
            asked,
            None,
            certificates,
            out,
        );
        let what = match &request.body {
            // Nobody waits to be told that it went its way: what comes of it comes from its receiver.
            RequestBody::Signal(signal)
                if signal.kind != Kind::Offer && answer.code == ErrorCode::NoError =>
            {
                Delivery::Late(answer.frame)
            }
            _ => Delivery::Frame(answer.frame),
        };
        out.push(Outgoing { to: session, what });
        (answer.code, answer.limit)
    }

    /// The answer to a request that was posted, if it was carried out before: its proof is used up, but who repeats it
    /// byte for byte has it. So there must be one: frames of a socket have none that a stranger could not guess.
    pub fn repeated(&mut self, now: Timestamp, request: &Request, frame: &str) -> Option<String> {
        request.ext.auth.as_ref()?.nonce.as_ref()?;
        match self.peers.get_mut(&*request.peer_id) {
            Some(entry) => entry.machine.answer_to(now, request, frame),
            None => self.departed.answer_to(now, request, frame),
        }
    }

    /// Carries out a request that was posted by its peer, without a session: there is one answer, and nothing is ever
    /// pushed. `address` is where the connection comes from, as for [`Registry::attach`]; `nonce` goes into the answer.
    pub fn post(
        &mut self,
        now: Timestamp,
        address: IpAddr,
        request: &Request,
        frame: &str,
        nonce: &str,
        certificates: Vec<IssuedCertificate>,
    ) -> Answer {
        let peer = match self.peers.get_key_value(&*request.peer_id) {
            Some((peer, _)) => peer.clone(),
            None => Arc::from(&*request.peer_id),
        };
        let mut out = Vec::new();
        let answered = self.answer(
            now,
            Face::Post,
            address,
            &peer,
            Asked {
                request,
                frame,
                envelope: None,
            },
            Some(nonce),
            certificates,
            &mut out,
        );
        debug_assert!(out.is_empty(), "pushes of a posted request");
        answered
    }

    /// Carries out a request of its proven peer. Pushes to others go to `out`.
    #[expect(
        clippy::too_many_arguments,
        reason = "the two faces hand on all that they know"
    )]
    fn answer(
        &mut self,
        now: Timestamp,
        face: Face,
        address: IpAddr,
        peer: &Arc<str>,
        asked: Asked<'_>,
        nonce: Option<&str>,
        certificates: Vec<IssuedCertificate>,
        out: &mut Vec<Outgoing>,
    ) -> Answer {
        let Asked { request, frame, .. } = asked;
        let finish = |mut response: Response| {
            response.ext.nonce = nonce.map(str::to_owned);
            Answer::of(&response)
        };
        let limited = |limit| Answer::limited(&request.transaction_id, nonce, limit);
        if !self.peers.contains_key(peer) {
            if let Some(answer) = self.departed.answer_to(now, request, frame) {
                return Answer::again(answer);
            }
            if self.peers.len() >= self.config.max_peers {
                return limited(Limit::Peers);
            }
        }
        if !self.swarms_admit(now, request) {
            return limited(Limit::Swarm);
        }
        let entry = self.peers.entry(peer.clone()).or_insert_with(|| {
            self.roll.insert(peer.clone());
            let answers = self.departed.take(peer).unwrap_or_default();
            let machine = Peer::with_answers(now, self.config.peer, answers);
            Entry::new(now, machine, Location::new(address))
        });
        if entry.location.address != address {
            entry.location = Location::new(address);
        }
        if face == Face::Post {
            let rate = self.config.requests;
            let pace = entry.pace.get_or_insert_with(|| Bucket::new(now, rate));
            if !pace.take(now, rate, 1) {
                self.settle(peer);
                return limited(Limit::Requests);
            }
        }
        let mut limit = None;
        let response = match entry.machine.request(now, face, request, frame) {
            Verdict::Replay(answer) => return Answer::again(answer),
            Verdict::Refuse(response) => {
                let exceeds = response.ext.reason.as_deref() == Some("too-many-swarms");
                limit = exceeds.then_some(Limit::Memberships);
                *response
            }
            Verdict::Connect(changes) => {
                let mut response = self.connected(now, face, peer, request, &changes, out);
                response.ext.certs = certificates;
                let joined = |swarm: &String| changes.joined.iter().any(|(joined, _)| joined == swarm);
                response.ext.certs.retain(|issued| joined(&issued.swarm_id));
                response
            }
            Verdict::Proceed => self.proceed(now, face, peer, asked, certificates, out),
        };
        if face == Face::Post && response.code == ErrorCode::NoError {
            self.resume_without_socket(peer);
        }
        let answer = Answer {
            limit,
            ..finish(response)
        };
        let code = answer.code;
        if let Some(entry) = self.peers.get_mut(peer) {
            let has_left = entry.machine.state() == PeerState::Terminated;
            // A refusal for a reused transaction ID must not displace what that ID stood for, an internal error may
            // be none the next time, and the refusal of a peer that is not registered has changed nothing.
            if code == ErrorCode::NoError || (code == ErrorCode::Forbidden && !has_left) {
                entry.machine.remember(now, request, frame, &answer.frame);
            }
            if code == ErrorCode::NoError && has_left {
                self.departed.insert(now, peer, entry.machine.take_answers());
            }
        }
        self.settle(peer);
        answer
    }

    /// Do the swarms that a request concerns take it? Those that do not exist yet take everything.
    fn swarms_admit(&mut self, now: Timestamp, request: &Request) -> bool {
        let rate = self.config.swarm_requests;
        let mut admits = |swarm: &str| {
            let swarm = self.swarms.get_mut(swarm);
            swarm.is_none_or(|swarm| swarm.take(now, rate))
        };
        match &request.body {
            RequestBody::Connect(connect) => {
                let mut joins = connect
                    .swarm_action
                    .iter()
                    .filter(|action| action.action == Action::Join);
                joins.all(|action| admits(&action.swarm_id))
            }
            RequestBody::Find(find) => admits(&find.swarm_id),
            RequestBody::Signal(signal) => admits(&signal.swarm),
            RequestBody::StatReport(_) | RequestBody::Cert(_) => true,
        }
    }

    /// Carries out what the peer's machine has found in order.
    fn proceed(
        &mut self,
        now: Timestamp,
        face: Face,
        peer: &Arc<str>,
        asked: Asked<'_>,
        certificates: Vec<IssuedCertificate>,
        out: &mut Vec<Outgoing>,
    ) -> Response {
        let request = asked.request;
        let id = &request.transaction_id;
        let refuse = |code, reason| Response::failed(id, code, reason);
        match &request.body {
            RequestBody::Connect(_) => Response::ok(id),
            RequestBody::StatReport(_) => self.reported(now, peer, request),
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
                let (wanted, near) = (find.peer_num.as_ref(), request.ext.near);
                let result = self.list(
                    now,
                    &find.swarm_id,
                    peer,
                    wanted,
                    near,
                    &request.ext.exclude,
                    MAX_LISTED,
                );
                let mut response = Response {
                    swarm_result: vec![result],
                    ..Response::ok(id)
                };
                response.ext.offers_sent = self.hand_out(now, face, peer, request, out);
                response
            }
            // An answer could not be brought to it.
            RequestBody::Signal(_) if face == Face::Post => {
                refuse(ErrorCode::Forbidden, "signals-need-a-socket")
            }
            RequestBody::Signal(signal) => match self.relay(now, peer, signal, asked, out) {
                Ok(()) => Response::ok(id),
                Err(reason) => refuse(ErrorCode::Forbidden, reason),
            },
        }
    }

    /// A peer that was taken for one that has lost its socket goes on without one: it is a member again.
    fn resume_without_socket(&mut self, peer: &Arc<str>) {
        if self.sessions.contains_key(peer) {
            return;
        }
        if let Some(entry) = self.peers.get_mut(peer)
            && entry.machine.needs_no_socket()
        {
            entry.takes_signals = false;
            for swarm in entry.machine.swarms().keys() {
                self.swarms.entry(swarm.clone()).or_default().insert(peer);
            }
        }
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
            let silent = !entry.machine.swarms().is_empty();
            self.peers.remove(peer);
            self.roll.remove(peer);
            if silent {
                self.tell_log(|| What::Gone {
                    peer_id: peer.to_string(),
                });
            }
            return;
        }
        let deadline = entry.machine.poll_timeout();
        if deadline < entry.scheduled {
            entry.scheduled = deadline;
            self.timers.push(Reverse((deadline, peer.clone())));
            self.drop_stale_timers();
        }
    }

    /// Peers that come and go leave timers behind, which must not become more than a few per peer.
    fn drop_stale_timers(&mut self) {
        if self.timers.len() <= 2 * self.peers.len() + SPARE_TIMERS {
            return;
        }
        let peers = &self.peers;
        self.timers
            .retain(|Reverse((at, peer))| peers.get(peer).is_some_and(|entry| entry.scheduled == *at));
    }

    fn connected(
        &mut self,
        now: Timestamp,
        face: Face,
        peer: &Arc<str>,
        request: &Request,
        changes: &Changes,
        out: &mut Vec<Outgoing>,
    ) -> Response {
        let RequestBody::Connect(connect) = &request.body else {
            return Response::ok(&request.transaction_id);
        };
        self.take_status(peer, request);
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.take_addresses(connect);
            changes.left.iter().for_each(|swarm| entry.reports.forget(swarm));
            let supports = &request.ext.supports;
            if face == Face::WebSocket && !supports.is_empty() {
                entry.takes_signals = supports.iter().any(|extension| extension == SUPPORTS_SIGNAL);
            }
        }
        for swarm in &changes.left {
            leave(&mut self.swarms, swarm, peer);
            self.tell_log(|| What::Left {
                peer_id: peer.to_string(),
                swarm_id: swarm.clone(),
            });
        }
        let mut response = Response::ok(&request.transaction_id);
        let left = changes.left.iter().map(|swarm| SwarmResult::ok(swarm));
        response.swarm_result.extend(left);
        let room = MAX_LISTED / changes.joined.len().max(1);
        for (swarm, mode) in &changes.joined {
            self.tell_log(|| What::Joined {
                peer_id: peer.to_string(),
                swarm_id: swarm.clone(),
            });
            self.swarms.entry(swarm.clone()).or_default().insert(peer);
            let result = match (mode, &connect.peer_num) {
                (PeerMode::Seeder, None) => self.counted(now, swarm),
                (_, peer_num) => self.list(
                    now,
                    swarm,
                    peer,
                    peer_num.as_ref(),
                    None,
                    &request.ext.exclude,
                    room,
                ),
            };
            response.swarm_result.push(result);
        }
        response.ext.interval = Some(self.config.interval);
        response.ext.track_timeout = Some(self.config.peer.track_timeout / 1_000_000);
        response.ext.offers_sent = self.hand_out(now, face, peer, request, out);
        response
    }

    fn reported(&mut self, now: Timestamp, peer: &Arc<str>, request: &Request) -> Response {
        self.take_status(peer, request);
        let mut response = Response::ok(&request.transaction_id);
        if let RequestBody::StatReport(stats) = &request.body {
            if let Some(entry) = self.peers.get_mut(peer) {
                stats.iter().for_each(|stat| entry.reports.take(stat));
            }
            let result = stats.iter().map(|stat| self.counted(now, &stat.swarm_id));
            response.swarm_result = result.collect();
        }
        response
    }

    fn take_status(&mut self, peer: &Arc<str>, request: &Request) {
        if let (Some(entry), Some(news)) = (self.peers.get_mut(peer), &request.ext.status) {
            entry.status.update(news.clone());
        }
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
        asked: Asked<'_>,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), &'static str> {
        if *signal.from != **from {
            return Err("not-this-socket's-peer");
        }
        if self.cluster.is_some() && !self.peers.contains_key(&*signal.to) {
            return match asked.whole().as_ref().map(|whole| &whole.body) {
                Some(RequestBody::Signal(whole)) => self.relay_elsewhere(now, from, whole),
                _ => self.relay_elsewhere(now, from, signal),
            };
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
        let Some(own) = self.peers.get(from) else {
            return Err("not-registered");
        };
        let envelope = asked.envelope;
        let asked = || target.offers.made(now, from, &signal.oid);
        let made = || own.offers.made(now, &signal.to, &signal.oid);
        if !relay::allows(signal.kind, asked, made) {
            return Err("no-such-offer");
        }
        let Some(own) = self.peers.get_mut(from) else {
            return Err("not-registered");
        };
        if signal.kind == Kind::Offer {
            own.offers.record(now, &signal.to, &signal.oid);
        }
        own.machine.touch(now);
        match envelope {
            Some(envelope) => out.push(Outgoing {
                to: session,
                what: Delivery::Frame(envelope.push()),
            }),
            None => push(session, signal, out),
        }
        Ok(())
    }
}

fn leave(swarms: &mut BTreeMap<String, Swarm>, swarm_id: &str, peer: &str) {
    if let Some(swarm) = swarms.get_mut(swarm_id) {
        swarm.remove(peer);
        if swarm.is_empty() {
            swarms.remove(swarm_id);
        }
    }
}

fn encode(response: &Response) -> String {
    // Most say no more than this.
    let id = &response.transaction_id;
    if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) && *response == Response::ok(id) {
        return [OK, id, "\"}}"].concat();
    }
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

fn tell(session: SessionId, response: &Response, out: &mut Vec<Outgoing>) -> ErrorCode {
    out.push(Outgoing {
        to: session,
        what: Delivery::Frame(encode(response)),
    });
    response.code
}

fn push(session: SessionId, signal: &Signal, out: &mut Vec<Outgoing>) {
    // Its members are bounded far below a frame, so this never fails.
    if let Ok(frame) = Event::encode_signal(signal) {
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
