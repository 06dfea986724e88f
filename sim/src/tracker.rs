//! The tracker: what the real one does with requests, on the same per-peer machine ([`tracker_protocol::server`]),
//! for one swarm and without sockets. Signatures are taken for granted.

use std::collections::{BTreeMap, BTreeSet};

use ppspp::{PeerId, Timestamp, random};
use tracker_protocol::server::{Changes, Face, Peer, PeerConfig, PeerState, Verdict};
use tracker_protocol::{
    Bye, DEFAULT_PEERS, ErrorCode, Event, Hello, IssuedCertificate, KEY_BLOB_LEN, Limits, MAX_FRAME,
    MAX_OFFERS, MAX_PEERS, MAX_SDP, NONCE_LEN, PeerAddr, PeerGroup, PeerInfo, PeerInfoExt, PeerMode, PeerNum,
    Request, RequestBody, Response, ResponseExt, SUPPORTS_CERT, SUPPORTS_OFFERS, SUPPORTS_SIGNAL, Signal,
    SwarmResult, SwarmResultExt, encode_base64url,
};

use crate::membership;

/// The key that certificates are signed with, as far as anybody looks.
const KEY: [u8; KEY_BLOB_LEN] = {
    let mut key = [0; KEY_BLOB_LEN];
    key[0] = 13;
    key
};
/// Seconds between reports, told to peers: the default of the real tracker.
const REPORT_INTERVAL: u64 = 30;

/// Something for a viewer's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Send this text frame.
    Frame(u32, String),
    /// Close the socket.
    Close(u32),
}

#[derive(Debug)]
struct Entry {
    machine: Peer,
    id: String,
    /// Its place among the members that may be named to others.
    place: Option<usize>,
    takes_signals: bool,
    has_socket: bool,
    scheduled: Timestamp,
}

/// See the module. Viewers are named by their index.
#[derive(Debug)]
pub struct Tracker {
    swarm: String,
    rng: fastrand::Rng,
    config: PeerConfig,
    entries: BTreeMap<u32, Entry>,
    ids: BTreeMap<String, u32>,
    members: Vec<u32>,
    timers: BTreeSet<(Timestamp, u32)>,
    dead: bool,
}

impl Tracker {
    /// A tracker that knows one swarm, by its ID in hex.
    pub fn new(swarm: String, rng: fastrand::Rng) -> Self {
        Self {
            swarm,
            rng,
            config: PeerConfig::default(),
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            members: Vec::new(),
            timers: BTreeSet::new(),
            dead: false,
        }
    }

    /// Is it out of order?
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// It stops, and forgets everybody.
    pub fn die(&mut self) {
        self.dead = true;
        self.entries.clear();
        self.ids.clear();
        self.members.clear();
        self.timers.clear();
    }

    /// It works again.
    pub fn revive(&mut self) {
        self.dead = false;
    }

    /// Members that may be named to others.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// The first frame on every socket.
    pub fn hello(&mut self, now: Timestamp) -> String {
        let mut nonce = [0; NONCE_LEN];
        self.rng.fill(&mut nonce);
        let hello = Hello {
            nonce: encode_base64url(&nonce),
            time: now.0 / 1000,
            supports: [SUPPORTS_SIGNAL, SUPPORTS_OFFERS, SUPPORTS_CERT]
                .map(str::to_owned)
                .into(),
            limits: Limits {
                frame: MAX_FRAME as u64,
                offers: MAX_OFFERS as u64,
                peers: MAX_PEERS,
                sdp: MAX_SDP as u64,
            },
            tracker_key: Some(encode_base64url(&KEY)),
        };
        Event::Hello(hello).encode().unwrap_or_default()
    }

    /// The viewer's socket is gone.
    pub fn detach(&mut self, viewer: u32, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&viewer) else {
            return;
        };
        entry.has_socket = false;
        entry.machine.socket_lost(now.0);
        self.leave(viewer);
        self.settle(viewer);
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Forgets viewers whose timers have expired.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Outgoing>) {
        while let Some(&(at, viewer)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            let Some(entry) = self.entries.get_mut(&viewer) else {
                continue;
            };
            entry.scheduled = Timestamp(u64::MAX);
            if entry.machine.handle_timeout(now.0) && entry.has_socket {
                let bye = Bye {
                    code: ErrorCode::NoError,
                    retry_after: None,
                    reason: Some("track-timeout".to_owned()),
                };
                out.push(Outgoing::Frame(
                    viewer,
                    Event::Bye(bye).encode().unwrap_or_default(),
                ));
                out.push(Outgoing::Close(viewer));
            }
            self.settle(viewer);
        }
    }

    /// A frame came over the viewer's socket.
    pub fn frame(&mut self, viewer: u32, frame: &str, now: Timestamp, out: &mut Vec<Outgoing>) {
        let request = match Request::decode(frame) {
            Ok(request) => request,
            Err(refused) => return out.push(Outgoing::Frame(viewer, encode(&refused.response()))),
        };
        let attaches = self.entries.get(&viewer).is_none_or(|entry| !entry.has_socket);
        if attaches {
            if request.ext.auth.is_none() {
                let id = &request.transaction_id;
                let response = Response::failed(id, ErrorCode::AuthenticationRequired, "auth-missing");
                return out.push(Outgoing::Frame(viewer, encode(&response)));
            }
            self.attach(viewer, &request.peer_id, now);
        }
        let Some(entry) = self.entries.get_mut(&viewer) else {
            return;
        };
        let response = match entry.machine.request(now.0, Face::WebSocket, &request, frame) {
            Verdict::Replay(answer) => return out.push(Outgoing::Frame(viewer, answer)),
            Verdict::Refuse(response) => *response,
            Verdict::Connect(changes) => self.connected(viewer, &request, &changes, now),
            Verdict::Proceed => match &request.body {
                RequestBody::Connect(_) => Response::ok(&request.transaction_id),
                RequestBody::StatReport(stats) => {
                    let mut response = Response::ok(&request.transaction_id);
                    response.swarm_result = stats
                        .iter()
                        .map(|stat| self.counted(&stat.swarm_id, None))
                        .collect();
                    response
                }
                RequestBody::Cert(swarm) => Response {
                    ext: self.certificate(viewer, swarm, now),
                    ..Response::ok(&request.transaction_id)
                },
                RequestBody::Find(find) => {
                    let group = self.list(viewer, find.peer_num.as_ref(), &request.ext.exclude);
                    Response {
                        swarm_result: vec![self.counted(&find.swarm_id, Some(group))],
                        ..Response::ok(&request.transaction_id)
                    }
                }
                RequestBody::Signal(signal) => match self.relay(viewer, signal, now, out) {
                    Ok(()) => Response::ok(&request.transaction_id),
                    Err(reason) => Response::failed(&request.transaction_id, ErrorCode::Forbidden, reason),
                },
            },
        };
        let answer = encode(&response);
        if let Some(entry) = self.entries.get_mut(&viewer) {
            entry.machine.remember(now.0, &request, frame, &answer);
        }
        out.push(Outgoing::Frame(viewer, answer));
        self.settle(viewer);
    }

    fn attach(&mut self, viewer: u32, id: &str, now: Timestamp) {
        self.ids.insert(id.to_owned(), viewer);
        let config = self.config;
        let entry = self.entries.entry(viewer).or_insert_with(|| Entry {
            machine: Peer::new(now.0, config),
            id: id.to_owned(),
            place: None,
            takes_signals: false,
            has_socket: true,
            scheduled: Timestamp(u64::MAX),
        });
        if !entry.has_socket {
            entry.has_socket = true;
            entry.machine.socket_attached(now.0);
        }
    }

    fn connected(&mut self, viewer: u32, request: &Request, changes: &Changes, now: Timestamp) -> Response {
        let mut response = Response::ok(&request.transaction_id);
        let RequestBody::Connect(connect) = &request.body else {
            return response;
        };
        for swarm in &changes.left {
            if *swarm == self.swarm {
                self.leave(viewer);
            }
            response.swarm_result.push(SwarmResult::ok(swarm));
        }
        for (swarm, mode) in &changes.joined {
            if *swarm != self.swarm {
                let refused = SwarmResult {
                    result: 1,
                    ..SwarmResult::ok(swarm)
                };
                response.swarm_result.push(refused);
                continue;
            }
            self.join(viewer, &request.ext.supports);
            let asks = *mode == PeerMode::Leech || connect.peer_num.is_some();
            let group = asks.then(|| self.list(viewer, connect.peer_num.as_ref(), &request.ext.exclude));
            response.swarm_result.push(self.counted(swarm, group));
            if !request.ext.want.is_empty() {
                response.ext = self.certificate(viewer, swarm, now);
            }
        }
        response.ext.interval = Some(REPORT_INTERVAL);
        response.ext.track_timeout = Some(self.config.track_timeout / 1_000_000);
        response
    }

    /// A swarm's result, with the number of its members.
    fn counted(&self, swarm: &str, peer_group: Option<PeerGroup>) -> SwarmResult {
        SwarmResult {
            peer_group,
            ext: SwarmResultExt {
                members: Some(self.members.len() as u64),
            },
            ..SwarmResult::ok(swarm)
        }
    }

    fn certificate(&self, viewer: u32, swarm: &str, now: Timestamp) -> ResponseExt {
        let peer = self
            .entries
            .get(&viewer)
            .and_then(|entry| PeerId::from_hex(&entry.id));
        let expires = now.0 / 1_000_000 + membership::LIFETIME;
        let certs = peer.map(|peer| IssuedCertificate {
            swarm_id: swarm.to_owned(),
            cert: encode_base64url(&membership::issue(&peer, expires)),
            expires,
        });
        ResponseExt {
            certs: certs.into_iter().collect(),
            ..ResponseExt::default()
        }
    }

    fn join(&mut self, viewer: u32, supports: &[String]) {
        let Some(entry) = self.entries.get_mut(&viewer) else {
            return;
        };
        if !supports.is_empty() {
            entry.takes_signals = supports.iter().any(|extension| extension == SUPPORTS_SIGNAL);
        }
        if entry.place.is_none() {
            entry.place = Some(self.members.len());
            self.members.push(viewer);
        }
    }

    fn leave(&mut self, viewer: u32) {
        let place = self.entries.get_mut(&viewer).and_then(|entry| entry.place.take());
        let Some(place) = place else { return };
        self.members.swap_remove(place);
        if let Some(moved) = self.members.get(place)
            && let Some(entry) = self.entries.get_mut(moved)
        {
            entry.place = Some(place);
        }
    }

    /// After a viewer's machine has changed: forget it, or see that its timer rings in time.
    fn settle(&mut self, viewer: u32) {
        let Some(entry) = self.entries.get_mut(&viewer) else {
            return;
        };
        if entry.machine.state() == PeerState::Terminated {
            self.leave(viewer);
            if let Some(entry) = self.entries.remove(&viewer) {
                self.timers.remove(&(entry.scheduled, viewer));
                self.ids.remove(&entry.id);
            }
            return;
        }
        let due = Timestamp(entry.machine.poll_timeout());
        if due < entry.scheduled {
            self.timers.remove(&(entry.scheduled, viewer));
            entry.scheduled = due;
            self.timers.insert((due, viewer));
        }
    }

    /// A random list of members; every one is as likely as the next.
    fn list(&mut self, requester: u32, wish: Option<&PeerNum>, exclude: &[String]) -> PeerGroup {
        let wanted = wish.and_then(|wish| wish.peer_count).unwrap_or(DEFAULT_PEERS);
        let wanted = wanted.clamp(1, MAX_PEERS) as usize;
        let excluded: Vec<u32> = exclude
            .iter()
            .filter_map(|id| self.ids.get(id).copied())
            .chain([requester])
            .collect();
        let draw = (wanted + excluded.len()).min(self.members.len());
        // Floyd's way to draw without replacement.
        let mut drawn: Vec<usize> = Vec::with_capacity(draw);
        for last in self.members.len() - draw..self.members.len() {
            let at = random::index(&mut self.rng, last + 1);
            drawn.push(if drawn.contains(&at) { last } else { at });
        }
        random::shuffle(&mut self.rng, &mut drawn);
        let peer_info = drawn
            .into_iter()
            .map(|at| self.members[at])
            .filter(|member| !excluded.contains(member))
            .take(wanted)
            .filter_map(|member| {
                let entry = self.entries.get(&member)?;
                let via = if entry.takes_signals {
                    vec!["signal".to_owned()]
                } else {
                    Vec::new()
                };
                let mode = entry.machine.swarms().get(&self.swarm).copied();
                Some(PeerInfo {
                    peer_id: entry.id.clone(),
                    peer_addr: PeerAddr::private(),
                    ext: PeerInfoExt {
                        mode,
                        role: None,
                        via,
                    },
                })
            })
            .collect();
        PeerGroup { peer_info }
    }

    fn relay(
        &mut self,
        from: u32,
        signal: &Signal,
        now: Timestamp,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), &'static str> {
        let target = self.ids.get(&signal.to).copied();
        let target = target.filter(|target| {
            self.entries.get(target).is_some_and(|entry| {
                entry.takes_signals && entry.has_socket && entry.machine.is_reachable() && *target != from
            })
        });
        let target = target.ok_or("no-such-peer")?;
        if let Some(entry) = self.entries.get_mut(&from) {
            entry.machine.touch(now.0);
        }
        let push = Event::Signal(Box::new(signal.clone()));
        out.push(Outgoing::Frame(target, push.encode().unwrap_or_default()));
        Ok(())
    }
}

fn encode(response: &Response) -> String {
    // What this tracker answers is bounded far below a frame.
    response.encode().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracker_protocol::client::{Client, ClientConfig, Input, Output};

    fn swarm() -> String {
        "ab".repeat(32)
    }

    fn client(number: u8) -> Client {
        let mut client = Client::new(ClientConfig::new(
            vec![vec!["wss://tracker.example/ppsp".to_owned()]],
            vec![number; 65],
            u64::from(number),
        ));
        let join = Input::Join {
            swarm: swarm(),
            mode: PeerMode::Leech,
        };
        client.handle(0, join);
        client
    }

    /// Lets a client and the tracker talk until both are silent; returns what else the client said.
    fn talk(tracker: &mut Tracker, client: &mut Client, viewer: u32, now: u64) -> Vec<Output> {
        let mut said = Vec::new();
        while let Some(output) = client.poll_output() {
            match output {
                Output::Open(_) => {
                    client.handle(now, Input::SocketOpen);
                    let hello = tracker.hello(Timestamp(now));
                    client.handle(now, Input::Frame(hello));
                }
                Output::SignAuth { attempt, .. } => {
                    client.handle(
                        now,
                        Input::AuthSigned {
                            attempt,
                            sig: vec![0; 64],
                        },
                    );
                }
                Output::Send(frame) => {
                    let mut out = Vec::new();
                    tracker.frame(viewer, &frame, Timestamp(now), &mut out);
                    for outgoing in out {
                        if let Outgoing::Frame(to, frame) = outgoing
                            && to == viewer
                        {
                            client.handle(now, Input::Frame(frame));
                        }
                    }
                }
                other => said.push(other),
            }
        }
        said
    }

    fn names(said: &[Output]) -> usize {
        said.iter()
            .map(|output| match output {
                Output::Peers { peers, .. } => peers.len(),
                _ => 0,
            })
            .sum()
    }

    #[test]
    fn clients_join_are_listed_and_forgotten() {
        let mut tracker = Tracker::new(swarm(), fastrand::Rng::with_seed(1));
        let mut clients: Vec<Client> = (0..20).map(client).collect();
        for (viewer, client) in clients.iter_mut().enumerate() {
            let said = talk(&mut tracker, client, viewer as u32, 0);
            assert!(said.iter().any(|output| matches!(output, Output::Joined { .. })));
            assert_eq!(names(&said), viewer.min(DEFAULT_PEERS as usize));
        }
        assert_eq!(tracker.members(), 20);
        tracker.detach(3, Timestamp(0));
        assert_eq!(tracker.members(), 19);
        clients[4].handle(0, Input::Leave { swarm: swarm() });
        talk(&mut tracker, &mut clients[4], 4, 0);
        assert_eq!(tracker.members(), 18);
        let mut out = Vec::new();
        while let Some(at) = tracker.poll_timeout() {
            tracker.handle_timeout(at, &mut out);
        }
        assert_eq!(tracker.members(), 0);
        assert!(tracker.entries.is_empty() && tracker.ids.is_empty());
        assert_eq!(out.len(), 2 * 18, "the others are told");
    }

    #[test]
    fn envelopes_are_relayed_to_members_only() {
        let mut tracker = Tracker::new(swarm(), fastrand::Rng::with_seed(1));
        let (mut a, mut b) = (client(1), client(2));
        talk(&mut tracker, &mut a, 1, 0);
        talk(&mut tracker, &mut b, 2, 0);
        let send = |a: &mut Client, to: &str| {
            let from = a.peer_id().to_owned();
            let mut signal = Signal::new(tracker_protocol::Kind::Offer, &swarm(), &from, to, "oid", 0, 0);
            signal.sdp = Some("v=0".to_owned());
            a.handle(0, Input::SendSignal(Box::new(signal)));
        };
        send(&mut a, b.peer_id());
        let Some(Output::Send(frame)) = a.poll_output() else {
            panic!("no frame");
        };
        let mut out = Vec::new();
        tracker.frame(1, &frame, Timestamp(0), &mut out);
        assert!(matches!(&out[0], Outgoing::Frame(2, frame) if frame.contains("offer")));
        assert!(matches!(&out[1], Outgoing::Frame(1, _)));
        send(&mut a, &"0".repeat(64));
        let said = talk(&mut tracker, &mut a, 1, 0);
        assert!(matches!(&said[..], [Output::SignalFailed { .. }]), "{said:?}");
    }

    #[test]
    fn a_dead_tracker_forgets_everybody() {
        let mut tracker = Tracker::new(swarm(), fastrand::Rng::with_seed(1));
        let mut a = client(1);
        talk(&mut tracker, &mut a, 1, 0);
        tracker.die();
        assert!(tracker.is_dead() && tracker.members() == 0 && tracker.poll_timeout().is_none());
        tracker.revive();
        a.handle(
            0,
            Input::SocketClosed {
                reason: String::new(),
            },
        );
        while tracker.members() == 0 {
            let due = a.poll_timeout().expect("it tries again");
            a.handle(due, Input::Timeout);
            talk(&mut tracker, &mut a, 1, due);
        }
    }
}
