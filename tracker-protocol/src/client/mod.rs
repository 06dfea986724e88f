//! The peer's side of the tracker protocol: keeps one tracker informed, and goes on to the next when it fails.
//!
//! ```text
//! IDLE ─join→ OPENING ─HELLO, proof signed→ JOINING ─OK→ JOINED ─last swarm left→ IDLE
//!                ↑                             │           │
//!                └────────── RECONNECT ←───────┴─ failure ─┘
//! ```
//!
//! The driver calls [`Client::handle`] with whatever happened, then [`Client::poll_output`] until it is empty, then
//! arms one timer for [`Client::poll_timeout`] and calls `handle(now, Input::Timeout)` when it fires. After an
//! [`Output::Open`] or [`Output::Close`] nothing of an earlier socket may be handed in any more.
//!
//! Losing the tracker never touches connections between peers: they go on exchanging.

mod backoff;
mod by_swarm;
mod certificates;
mod connect;
mod peers;
mod reports;
mod requests;
mod signals;
#[cfg(test)]
mod tests;
mod token;
mod types;

use backoff::Backoff;
use by_swarm::BySwarm;
use certificates::Renewal;
use requests::{Pending, Requests, What};
pub use types::{ClientConfig, Input, Output, Status};

use crate::chunk_map::MapReport;
use crate::error::ErrorCode;
use crate::event::{Bye, Config, Event};
use crate::peer::PeerMode;
use crate::request::{Action, Request, RequestBody, RequestExt, SwarmAction};
use crate::response::{FromTracker, Response};
use crate::signal::Signal;
use crate::status::PeerStatus;
use crate::{MAX_SWARMS, is_swarm_id, peer_id_of};

/// Microseconds since the Unix epoch.
pub type Timestamp = u64;

pub(crate) const SECOND: u64 = 1_000_000;
/// Socket up and HELLO received within this.
const OPEN_TIMEOUT: u64 = 15 * SECOND;
/// The driver signs within this.
const SIGN_TIMEOUT: u64 = 15 * SECOND;
const DEFAULT_INTERVAL: u64 = 30;
const FIND_INTERVAL: u64 = 10 * SECOND;
/// After the first list that names nobody it asks again soon: others may have come in through another node.
const FIRST_FIND_INTERVAL: u64 = SECOND / 2;
const MAX_FIND_INTERVAL: u64 = 60 * SECOND;
/// A session that lived this long was a good one: the next attempt goes to the same tracker, at once.
const STABLE: u64 = 10 * SECOND;
const MAX_RETRY_AFTER: u64 = 300;
/// A signal is accepted this far from the tracker's time.
const SIGNAL_SKEW_MS: u64 = 60_000;
/// Batch offers older than this are not sent any more.
const OFFER_LIFETIME_MS: u64 = 50_000;
const MAX_SEEN_SIGNALS: usize = 512;
/// Most peers of one list that are passed on.
const MAX_LISTED: usize = 64;
const MAX_BAD_FRAMES: u32 = 3;

#[derive(Clone, Debug)]
enum State {
    Idle,
    Opening { deadline: Timestamp },
    Signing { deadline: Timestamp },
    Joining,
    Joined { since: Timestamp },
    Reconnect { at: Timestamp },
    Refused,
}

#[derive(Clone, Debug)]
struct Member {
    mode: PeerMode,
    neighbours: Vec<String>,
    next_find: Timestamp,
    find_interval: u64,
    finding: bool,
    /// The last list named nobody.
    alone: bool,
    /// The chunk that the player needs next.
    near: Option<u64>,
    /// What the tracker of this session has been told of our chunks, and when.
    map: Option<(Timestamp, MapReport)>,
    /// Members of the swarm, as last told.
    size: Option<u64>,
    certificate: Renewal,
}

#[derive(Clone, Debug)]
struct Tracker {
    url: String,
    proof_failures: u32,
    refused: bool,
}

/// The machine. See the module's documentation.
#[derive(Debug)]
pub struct Client {
    peer_id: String,
    config: ClientConfig,
    now: Timestamp,
    state: State,
    trackers: Vec<Tracker>,
    current: usize,
    backoff: Backoff,
    /// Swarms the driver wants to be in, and those the tracker of this session knows of.
    wanted: BySwarm<Member>,
    announced: BySwarm<PeerMode>,
    requests: Requests,
    connecting: bool,
    rejoins: u32,
    attempt: u32,
    nonce: Option<[u8; crate::NONCE_LEN]>,
    /// The token there is has been shown on this socket, or will be with the signature that is being made.
    token_shown: bool,
    time_offset_ms: i64,
    interval: u64,
    next_report: Timestamp,
    status: PeerStatus,
    /// The tracker of this session has not been told the newest status.
    status_changed: bool,
    /// The tracker of this session issues certificates.
    certifies: bool,
    tracker_key: Option<Vec<u8>>,
    offers: Vec<Signal>,
    seen: Vec<(String, String, u64)>,
    bad_frames: u32,
    outputs: Vec<Output>,
}

impl Client {
    /// A client in no swarm.
    pub fn new(config: ClientConfig) -> Self {
        let mut backoff = Backoff::new(config.seed);
        let mut trackers = Vec::new();
        for tier in &config.tiers {
            let first = trackers.len();
            for url in tier {
                let at = first + backoff.below((trackers.len() - first + 1) as u64) as usize;
                trackers.insert(
                    at,
                    Tracker {
                        url: url.clone(),
                        proof_failures: 0,
                        refused: false,
                    },
                );
            }
        }
        Self {
            peer_id: peer_id_of(&config.key_blob),
            config,
            now: 0,
            state: State::Idle,
            trackers,
            current: 0,
            backoff,
            wanted: BySwarm::new(),
            announced: BySwarm::new(),
            requests: Requests::default(),
            connecting: false,
            rejoins: 0,
            attempt: 0,
            nonce: None,
            token_shown: false,
            time_offset_ms: 0,
            interval: DEFAULT_INTERVAL,
            next_report: 0,
            status: PeerStatus::default(),
            status_changed: false,
            certifies: false,
            tracker_key: None,
            offers: Vec::new(),
            seen: Vec::new(),
            bad_frames: 0,
            outputs: Vec::new(),
        }
    }

    /// Own peer ID.
    pub fn peer_id(&self) -> &str {
        &self.peer_id
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        match self.state {
            State::Idle => Status::Idle,
            State::Opening { .. } | State::Signing { .. } => Status::Opening,
            State::Joining => Status::Joining,
            State::Joined { .. } => Status::Joined,
            State::Reconnect { .. } => Status::Reconnect,
            State::Refused => Status::Refused,
        }
    }

    /// The tracker in use, or tried next; empty when none is configured.
    pub fn url(&self) -> &str {
        self.trackers.get(self.current).map_or("", |tracker| &tracker.url)
    }

    /// Unix ms by the tracker's clock, for [`Signal::ts`]: peers with wrong clocks still understand each other.
    pub fn time_ms(&self, now: Timestamp) -> u64 {
        (now / 1000).saturating_add_signed(self.time_offset_ms)
    }

    /// Takes in what happened at `now`, which never goes back.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Join { swarm, mode } => self.join(swarm, mode),
            Input::Leave { swarm } => {
                self.wanted.remove(&swarm);
            }
            Input::SocketOpen => {}
            Input::SocketClosed { reason } => {
                if self.has_socket() {
                    self.lose(&reason, 0, false);
                }
            }
            Input::Frame(frame) => {
                if self.has_socket() {
                    self.frame(&frame);
                }
            }
            Input::AuthSigned { attempt, sig } => self.signed(attempt, &sig),
            Input::SendSignal(signal) => self.send_signal(signal),
            Input::Neighbours { swarm, mut peers } => {
                if let Some(member) = self.wanted.get_mut(&swarm) {
                    if peers.len() < member.neighbours.len() {
                        member.find_interval = FIND_INTERVAL;
                    }
                    peers.truncate(crate::MAX_SWARMS);
                    member.neighbours = peers;
                }
            }
            Input::Stats(stats) => self.report(stats),
            Input::Near { swarm, chunk } => {
                if let Some(member) = self.wanted.get_mut(&swarm) {
                    member.near = Some(chunk);
                }
            }
            Input::Token(token) => self.take_token(token),
            Input::Status(status) => {
                self.status_changed |= status != self.status;
                self.status = status;
            }
            Input::Close => self.close(),
            Input::Timeout => {}
        }
        self.timers();
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            // Only now, so that a LEAVE and a JOIN handed in together travel in one CONNECT.
            self.reconcile();
        }
        (!self.outputs.is_empty()).then(|| self.outputs.remove(0))
    }

    /// When to call `handle(now, Input::Timeout)`, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let state = match self.state {
            State::Idle | State::Refused | State::Joining => None,
            State::Opening { deadline } | State::Signing { deadline } => Some(deadline),
            State::Reconnect { at } => Some(at),
            State::Joined { .. } => Some(self.next_report),
        };
        let find = self.finds_due().map(|(_, at)| at).min();
        let renewal = self.renewals_due().map(|(_, at)| at).min();
        [state, find, renewal, self.requests.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn has_socket(&self) -> bool {
        matches!(
            self.state,
            State::Opening { .. } | State::Signing { .. } | State::Joining | State::Joined { .. }
        )
    }

    fn join(&mut self, swarm: String, mode: PeerMode) {
        if let Some(member) = self.wanted.get_mut(&swarm) {
            member.mode = mode;
            return;
        }
        if self.wanted.len() >= MAX_SWARMS || !is_swarm_id(&swarm) || self.trackers.is_empty() {
            let reason = match () {
                () if self.trackers.is_empty() => "no tracker configured",
                () if is_swarm_id(&swarm) => "more than 64 swarms",
                () => "not a swarm ID",
            };
            self.outputs.push(Output::Refused {
                url: self.url().to_owned(),
                swarm: Some(swarm),
                code: ErrorCode::Forbidden,
                reason: reason.to_owned(),
            });
            return;
        }
        let next_find = self.now + FIND_INTERVAL;
        let member = Member {
            mode,
            neighbours: Vec::new(),
            next_find,
            find_interval: FIRST_FIND_INTERVAL,
            finding: false,
            alone: false,
            near: None,
            map: None,
            size: None,
            certificate: Renewal::Never,
        };
        self.wanted.insert(swarm, member);
    }

    fn open(&mut self) {
        self.state = State::Opening {
            deadline: self.now + OPEN_TIMEOUT,
        };
        self.bad_frames = 0;
        let url = self.url().to_owned();
        self.outputs.push(Output::Open(url));
    }

    /// Forgets everything that belongs to one socket.
    fn end_session(&mut self) {
        self.announced.clear();
        self.connecting = false;
        self.rejoins = 0;
        self.nonce = None;
        self.certifies = false;
        self.tracker_key = None;
        for member in self.wanted.values_mut() {
            member.finding = false;
            member.map = None;
            // The next tracker may have another key.
            member.certificate = Renewal::Never;
        }
        for pending in self.requests.drain() {
            if let What::Signal { to, oid } = pending.what {
                let reason = "tracker lost".to_owned();
                self.outputs.push(Output::SignalFailed { to, oid, reason });
            }
        }
    }

    fn close(&mut self) {
        self.wanted.clear();
        if matches!(self.state, State::Joined { .. }) {
            let actions = self.actions();
            if !actions.is_empty() {
                self.send_connect(actions);
            }
        }
        self.go_idle();
    }

    fn go_idle(&mut self) {
        if self.has_socket() {
            self.outputs.push(Output::Close);
        }
        self.end_session();
        self.offers.clear();
        self.backoff.reset();
        self.trackers
            .iter_mut()
            .for_each(|tracker| (tracker.refused, tracker.proof_failures) = (false, 0));
        self.state = State::Idle;
    }

    /// The session failed: report it, and try the next tracker after a while (at least `delay` µs).
    fn lose(&mut self, reason: &str, delay: u64, close: bool) {
        if close {
            self.outputs.push(Output::Close);
        }
        self.outputs.push(Output::Lost {
            url: self.url().to_owned(),
            reason: reason.to_owned(),
        });
        self.end_session();
        let stable = matches!(self.state, State::Joined { since } if self.now >= since + STABLE);
        if stable {
            self.backoff.reset();
        } else {
            self.next_tracker();
        }
        self.retry(delay);
    }

    fn retry(&mut self, delay: u64) {
        if self.trackers.iter().all(|tracker| tracker.refused) {
            self.state = State::Refused;
            return;
        }
        if self.trackers[self.current].refused {
            self.next_tracker();
        }
        let at = self.now + delay + self.backoff.next();
        self.state = State::Reconnect { at };
    }

    fn next_tracker(&mut self) {
        for _ in 0..self.trackers.len() {
            self.current = (self.current + 1) % self.trackers.len();
            if !self.trackers[self.current].refused {
                break;
            }
        }
    }

    fn frame(&mut self, frame: &str) {
        match FromTracker::decode(frame) {
            Ok(FromTracker::Event(event)) => self.event(event),
            Ok(FromTracker::Response(response)) => self.response(response),
            Err(error) => {
                self.bad_frames += 1;
                if self.bad_frames >= MAX_BAD_FRAMES {
                    self.lose(&format!("tracker sends malformed frames: {error}"), 0, true);
                }
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Hello(hello) => self.hello(hello),
            Event::Signal(signal) => self.signal(signal),
            Event::Config(config) => self.configured(config),
            Event::Bye(Bye {
                code,
                retry_after,
                reason,
            }) => {
                let delay = retry_after.unwrap_or(0).min(MAX_RETRY_AFTER) * SECOND;
                let reason = reason.unwrap_or_else(|| code.to_string());
                self.lose(&format!("tracker says goodbye: {reason}"), delay, true);
            }
            Event::Other(_) => {}
        }
    }

    fn configured(&mut self, config: Config) {
        if let Some(interval) = config.interval {
            self.set_interval(interval);
        }
        let Some(url) = config.reconnect else { return };
        self.lose("tracker drains", 0, true);
        // Only a tracker that the page named: a compromised one must not send its peers anywhere.
        if let Some(at) = self
            .trackers
            .iter()
            .position(|tracker| tracker.url == url && !tracker.refused)
        {
            self.current = at;
        }
    }

    fn set_interval(&mut self, interval: u64) {
        self.interval = interval.clamp(10, 300);
        let next = self.now + self.jittered_interval();
        self.next_report = self.next_report.min(next);
    }

    fn jittered_interval(&mut self) -> u64 {
        let interval = self.interval * SECOND;
        interval * 4 / 5 + self.backoff.below(interval * 2 / 5)
    }

    /// Sends a request and remembers it until it is answered.
    fn send(&mut self, body: RequestBody, ext: RequestExt, what: What) -> Result<(), String> {
        let id = self.requests.next_id();
        let request = Request {
            transaction_id: id.to_string(),
            peer_id: self.peer_id.clone(),
            body,
            ext,
        };
        let frame = request.encode().map_err(|error| error.to_string())?;
        self.requests
            .insert(id, Pending::new(self.now, frame.clone(), what));
        self.outputs.push(Output::Send(frame));
        Ok(())
    }

    fn response(&mut self, response: Response) {
        let Some(pending) = self.requests.take(&response.transaction_id) else {
            return;
        };
        match pending.what {
            What::Connect(actions) => self.connected(actions, response),
            What::Find(swarm) => self.found(swarm, response),
            What::Certificate(swarm) => self.certified(swarm, response),
            What::Report => match response.code {
                ErrorCode::NoError => {
                    self.rejoins = 0;
                    self.take_sizes(&response);
                }
                ErrorCode::Forbidden => self.rejoin(None),
                ErrorCode::Unavailable => {}
                code => self.lose(&describe(code, &response), 0, true),
            },
            What::Signal { to, oid } => {
                if response.code != ErrorCode::NoError {
                    let reason = describe(response.code, &response);
                    self.outputs.push(Output::SignalFailed { to, oid, reason });
                }
            }
        }
    }

    /// The tracker has forgotten us (a suspended tab outlives its timer): tell it again, on the same socket.
    fn rejoin(&mut self, swarm: Option<&str>) {
        self.rejoins += 1;
        if self.rejoins > 2 {
            self.lose("tracker forgets us again and again", 0, true);
            return;
        }
        match swarm {
            Some(swarm) => {
                self.announced.remove(swarm);
            }
            None => self.announced.clear(),
        }
    }

    fn timers(&mut self) {
        match self.state {
            State::Opening { deadline } if self.now >= deadline => self.lose("no answer in time", 0, true),
            State::Signing { deadline } if self.now >= deadline => {
                self.lose("signing took too long", 0, true)
            }
            State::Reconnect { at } if self.now >= at => self.open(),
            State::Joined { .. } => {
                if self.now >= self.next_report {
                    self.next_report = self.now + self.jittered_interval();
                    self.outputs.push(Output::ReportDue);
                }
                let now = self.now;
                let due: Vec<String> = self
                    .finds_due()
                    .filter(|&(_, at)| at <= now)
                    .map(|(swarm, _)| swarm.clone())
                    .collect();
                due.into_iter().for_each(|swarm| self.find(swarm));
                self.renew();
            }
            _ => {}
        }
        if !self.has_socket() {
            return;
        }
        match self.requests.overdue(self.now) {
            Ok(frames) => self.outputs.extend(frames.into_iter().map(Output::Send)),
            Err(()) => self.lose("request not answered", 0, true),
        }
    }
}

fn describe(code: ErrorCode, response: &Response) -> String {
    match &response.ext.reason {
        Some(reason) => format!("{code}: {}", reason.chars().take(200).collect::<String>()),
        None => code.to_string(),
    }
}

/// Actions that bring what the tracker knows to what is wanted; LEAVE first.
fn difference(announced: &BySwarm<PeerMode>, wanted: &BySwarm<Member>) -> Vec<SwarmAction> {
    let leave = announced.iter().filter(|(swarm, _)| !wanted.contains_key(swarm));
    let leave = leave.map(|(swarm, mode)| crate::connect_action(swarm, Action::Leave, *mode));
    let join = wanted
        .iter()
        .filter(|(swarm, member)| announced.get(swarm) != Some(&member.mode));
    let join = join.map(|(swarm, member)| crate::connect_action(swarm, Action::Join, member.mode));
    leave.chain(join).collect()
}
