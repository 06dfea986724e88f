//! What a tracker keeps per peer ID (RFC 7846 §2.3, figure 5): registration, memberships, timers, and the answers it
//! may have to repeat.
//!
//! ```text
//! START ─CONNECT→ PEER REGISTERED ─valid action→ TRACKING ─last LEAVE, timer→ TERMINATE
//!                        └─ invalid action, init timer ────────────────────────↗
//! ```
//!
//! START is the moment before [`Peer::new`]. The machine decides; lists, relaying and sockets are the tracker's. Which
//! combinations of actions a CONNECT may have depends on the [`Face`] it came in by.

#[cfg(test)]
mod tests;
mod transactions;

use std::collections::{BTreeMap, BTreeSet};

use transactions::Known;
pub use transactions::Transactions;

use crate::error::ErrorCode;
use crate::peer::PeerMode;
use crate::request::{Action, Connect, Request, RequestBody, SwarmAction};
use crate::response::Response;

/// Microseconds, of any clock that never goes back.
pub type Timestamp = u64;

const SECOND: u64 = 1_000_000;

/// Timers and limits of a [`Peer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// From the first frame to the first accepted CONNECT, µs.
    pub init_timeout: u64,
    /// From an accepted request to the next, µs.
    pub track_timeout: u64,
    /// How long a peer without a socket stays registered, µs.
    pub lost_timeout: u64,
    /// Most swarms it may be in.
    pub max_swarms: usize,
}

impl Default for PeerConfig {
    /// 10 s, 95 s (three reports and 5 s), 15 s, 64 swarms.
    fn default() -> Self {
        Self {
            init_timeout: 10 * SECOND,
            track_timeout: 95 * SECOND,
            lost_timeout: 15 * SECOND,
            max_swarms: crate::MAX_SWARMS,
        }
    }
}

/// By which of the tracker's faces a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// WebSocket: a peer is in as many swarms as it likes, and says everything in one CONNECT.
    WebSocket,
    /// HTTPS POST: the combinations of RFC 7846's table 6 and no others, but a peer that is in one swarm may join
    /// another (PPSP.REQ-1) or become its SEEDER.
    Post,
}

/// State of a [`Peer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Known, but in no swarm yet.
    Registered,
    /// In at least one swarm.
    Tracking,
    /// To be destroyed.
    Terminated,
}

/// What a CONNECT changed, in the order to carry it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Swarms left.
    pub left: Vec<String>,
    /// Swarms joined, or kept, with the mode from now on.
    pub joined: Vec<(String, PeerMode)>,
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A repetition: send this answer again and do nothing else.
    Replay(String),
    /// Answer with this failure. Nothing has changed, unless the peer is terminated now.
    Refuse(Box<Response>),
    /// A CONNECT was accepted and these memberships changed.
    Connect(Changes),
    /// A FIND, a STAT_REPORT, a CERT, or a SIGNAL that may be relayed ([`Peer::touch`] when it was) is in order.
    Proceed,
}

/// One registered peer.
#[derive(Clone, Debug)]
pub struct Peer {
    config: PeerConfig,
    state: PeerState,
    swarms: BTreeMap<String, PeerMode>,
    deadline: Timestamp,
    lost_at: Option<Timestamp>,
    /// No CONNECT was accepted on this socket yet.
    fresh: bool,
    requests: Transactions,
    /// Apart, or a burst of candidates would push the answers worth repeating out.
    signals: Transactions,
}

impl Peer {
    /// A peer whose ID has just been proven; starts the init timer.
    pub fn new(now: Timestamp, config: PeerConfig) -> Self {
        Self {
            config,
            state: PeerState::Registered,
            swarms: BTreeMap::new(),
            deadline: now + config.init_timeout,
            lost_at: None,
            fresh: true,
            requests: Transactions::default(),
            signals: Transactions::default(),
        }
    }

    /// The same, of a peer that has been here before: what it repeats is answered as it was then.
    pub fn with_answers(now: Timestamp, config: PeerConfig, answers: Transactions) -> Self {
        Self {
            requests: answers,
            ..Self::new(now, config)
        }
    }

    /// The answers that it may still ask to be repeated.
    pub fn take_answers(&mut self) -> Transactions {
        std::mem::take(&mut self.requests)
    }

    /// The answer to this very request, if the peer repeats it.
    pub fn answer_to(&mut self, now: Timestamp, request: &Request, frame: &str) -> Option<String> {
        let transactions = self.transactions(&request.body);
        transactions.answer_to(now, &request.transaction_id, frame)
    }

    /// A request was accepted without a socket: the peer is one that has none, not one that has lost it. Returns
    /// whether it was taken for such a one.
    pub fn needs_no_socket(&mut self) -> bool {
        self.lost_at.take().is_some()
    }

    /// Its state.
    pub fn state(&self) -> PeerState {
        self.state
    }

    /// Its memberships.
    pub fn swarms(&self) -> &BTreeMap<String, PeerMode> {
        &self.swarms
    }

    /// May it be named to others?
    pub fn is_reachable(&self) -> bool {
        self.state == PeerState::Tracking && self.lost_at.is_none()
    }

    /// The socket is gone: unreachable at once, forgotten soon.
    pub fn socket_lost(&mut self, now: Timestamp) {
        self.lost_at = Some(now);
        if self.swarms.is_empty() {
            self.state = PeerState::Terminated;
        }
    }

    /// A new socket has proven to be this peer. What its first CONNECT joins replaces all memberships; answers of the
    /// old socket are not repeated on the new one.
    pub fn socket_attached(&mut self, now: Timestamp) {
        self.lost_at = None;
        self.fresh = true;
        self.requests = Transactions::default();
        self.signals = Transactions::default();
        self.deadline = self.deadline.max(now + self.config.init_timeout);
    }

    /// When to call [`Peer::handle_timeout`].
    pub fn poll_timeout(&self) -> Timestamp {
        let lost = self
            .lost_at
            .map_or(Timestamp::MAX, |at| at + self.config.lost_timeout);
        self.deadline.min(lost)
    }

    /// Terminates the peer when a timer has expired; returns whether it is terminated.
    pub fn handle_timeout(&mut self, now: Timestamp) -> bool {
        if now >= self.poll_timeout() {
            self.state = PeerState::Terminated;
        }
        self.state == PeerState::Terminated
    }

    /// Restarts the track timer.
    pub fn touch(&mut self, now: Timestamp) {
        self.deadline = now + self.config.track_timeout;
    }

    /// Decides about a request of this peer, which has proven to be it. `frame` is its text.
    pub fn request(&mut self, now: Timestamp, face: Face, request: &Request, frame: &str) -> Verdict {
        let id = &request.transaction_id;
        let transactions = self.transactions(&request.body);
        match transactions.find(now, id, frame) {
            Known::Same(answer) => return Verdict::Replay(answer),
            Known::Other => {
                let reason = "transaction_id: used for another request";
                return refuse(id, ErrorCode::BadRequest, reason);
            }
            Known::No => {}
        }
        let refused = match &request.body {
            RequestBody::Connect(connect) => match self.connect(now, face, connect) {
                Ok(changes) => return Verdict::Connect(changes),
                Err(reason) => Some(reason),
            },
            _ if self.state != PeerState::Tracking => Some("not-registered"),
            RequestBody::Find(find) => self.unless_member(&find.swarm_id),
            RequestBody::StatReport(stats) => {
                stats.iter().find_map(|stat| self.unless_member(&stat.swarm_id))
            }
            RequestBody::Cert(swarm) => self.unless_member(swarm),
            RequestBody::Signal(signal) => match self.unless_member(&signal.swarm) {
                None => return Verdict::Proceed,
                reason => reason,
            },
        };
        match refused {
            None => {
                self.touch(now);
                Verdict::Proceed
            }
            Some(reason) => {
                if self.state == PeerState::Registered {
                    self.state = PeerState::Terminated;
                }
                refuse(id, ErrorCode::Forbidden, reason)
            }
        }
    }

    /// Keeps the answer, so that a repetition of the request has no second effect.
    pub fn remember(&mut self, now: Timestamp, request: &Request, frame: &str, answer: &str) {
        self.transactions(&request.body)
            .insert(now, &request.transaction_id, frame, answer);
    }

    fn transactions(&mut self, body: &RequestBody) -> &mut Transactions {
        match body {
            RequestBody::Signal(_) => &mut self.signals,
            _ => &mut self.requests,
        }
    }

    fn unless_member(&self, swarm: &str) -> Option<&'static str> {
        (!self.swarms.contains_key(swarm)).then_some("not-a-member")
    }

    /// All actions or none; LEAVE first.
    fn connect(&mut self, now: Timestamp, face: Face, connect: &Connect) -> Result<Changes, &'static str> {
        if face == Face::Post && !self.is_of_table_6(&connect.swarm_action) {
            return Err("combination-of-actions");
        }
        let mut swarms = self.swarms.clone();
        let mut changes = Changes::default();
        let mut seen = BTreeSet::new();
        for action in &connect.swarm_action {
            if !seen.insert((action.action == Action::Join, &action.swarm_id)) {
                return Err("swarm-named-twice");
            }
            if action.action == Action::Leave {
                swarms.remove(&action.swarm_id).ok_or("not-a-member")?;
                changes.left.push(action.swarm_id.clone());
            }
        }
        let joins = connect
            .swarm_action
            .iter()
            .filter(|action| action.action == Action::Join);
        let joins: Vec<_> = joins
            .map(|action| (action.swarm_id.clone(), action.peer_mode))
            .collect();
        if self.fresh {
            let dropped = swarms
                .keys()
                .filter(|swarm| !joins.iter().any(|(joined, _)| joined == *swarm));
            changes.left.extend(dropped.cloned());
            swarms.clear();
        }
        swarms.extend(joins.iter().cloned());
        if swarms.len() > self.config.max_swarms {
            return Err("too-many-swarms");
        }
        changes.joined = joins;
        self.swarms = swarms;
        self.fresh = false;
        self.touch(now);
        self.state = if self.swarms.is_empty() {
            PeerState::Terminated
        } else {
            PeerState::Tracking
        };
        Ok(changes)
    }
}

impl Peer {
    /// Is it one of the combinations that a peer in this state may ask for? Whether it is a member of what it leaves
    /// is another question.
    fn is_of_table_6(&self, actions: &[SwarmAction]) -> bool {
        // The mode that counts for a LEAVE is that of the membership: what the request says of it may be missing.
        let mode = |action: &SwarmAction| match action.action {
            Action::Leave => self.swarms.get(&action.swarm_id).copied(),
            Action::Join => None,
        };
        let is = |action: &SwarmAction, wanted| mode(action).unwrap_or(action.peer_mode) == wanted;
        let all = |wanted_action, wanted_mode| {
            let wanted = |action: &SwarmAction| action.action == wanted_action && is(action, wanted_mode);
            actions.iter().all(wanted)
        };
        let becomes_seeder = |action: &SwarmAction| {
            let before = self.swarms.get(&action.swarm_id);
            before == Some(&PeerMode::Leech)
        };
        match actions {
            [one] if is(one, PeerMode::Leech) => true,
            [one, other] if one.action != other.action => {
                is(one, PeerMode::Leech) && is(other, PeerMode::Leech)
            }
            _ if all(Action::Join, PeerMode::Seeder) => {
                self.state != PeerState::Tracking || actions.iter().all(becomes_seeder)
            }
            _ => all(Action::Leave, PeerMode::Seeder),
        }
    }
}

fn refuse(transaction_id: &str, code: ErrorCode, reason: &str) -> Verdict {
    Verdict::Refuse(Box::new(Response::failed(transaction_id, code, reason)))
}
