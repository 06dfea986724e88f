//! Whom to be connected with: the policy of a peer's connections, for a browser, a native node and a simulator alike.
//!
//! A [`Neighbourhood`] is told who was found, what became of each connection and what it exchanged; it says whom to
//! dial ([`Neighbourhood::next_dial`]), whom to let in ([`Neighbourhood::admit_offer`]) and whom to give up for
//! somebody new ([`Neighbourhood::replace`]). No I/O, no clock: the driver tells the time, and the seed.
//!
//! How many, and which (RFC 7574 §12):
//!
//! * We dial up to half of the *target*, so the mean of incoming connections in a swarm is at most that, and below
//!   the half of the *maximum* that is open to them: somebody always has room for a newcomer. Where everybody fits
//!   (no more members than places), dials may take half of the maximum. A peer whose neighbours do not suffice dials one
//!   more at a time, up to the target: who came last is dialled by nobody.
//! * Half of the maximum is kept for connections that we start, as long as there is somebody to be dialled; a quarter
//!   always. Who offers to a peer that is dialling it at that moment is let in at any rate: in a small swarm
//!   every two peers connect.
//! * Eclipse: at most a quarter of the places goes to peers that one neighbour named; a quarter is kept for peers
//!   that the tracker named, as long as it names any. A limit for each address prefix would belong here too, but
//!   neither the tracker's lists nor certificates tell addresses of peers that are reached by signalling.

mod candidates;
mod pace;
#[cfg(test)]
mod tests;

use candidates::{Bans, Candidate, Candidates};
pub use pace::{Bucket, Pace};

use crate::{PeerId, SwarmId, Timestamp};

const SECOND: u64 = 1_000_000;
/// Peers remembered at most, unless there are more places than a quarter of it.
const MAX_KNOWN: usize = 256;
/// Swarms whose size is remembered at most.
const MAX_SIZES: usize = 64;
/// Dials under way at a time.
const MAX_DIALS: usize = 8;
/// Browsers fail beyond some hundred connection objects that have not been collected yet.
const DIALS: Pace = Pace {
    burst: 16,
    period: 2 * SECOND,
};
/// Offers taken from all peers.
const OFFERS: Pace = Pace {
    burst: 16,
    period: SECOND / 2,
};
/// Offers taken from one peer.
const OFFERS_OF_ONE: Pace = Pace {
    burst: 4,
    period: 15 * SECOND,
};
/// Wait after a failed dial; doubled by each further one.
const BACK_OFF: u64 = 30 * SECOND;
/// A peer that could not be reached this many times in a row is forgotten until it is named again.
const MAX_FAILURES: u32 = 5;
/// Wait after a connection that had worked broke: the path may have changed, so both sides try again soon.
const RETRY: u64 = 3 * SECOND;
/// A new neighbour has this long to become useful.
const GRACE: u64 = 60 * SECOND;
/// What a neighbour did counts half as much after this.
const HALF_LIFE: u64 = 60 * SECOND;
/// Bytes received count as many times as much as bytes given.
const DOWN_WEIGHT: u64 = 2;
/// A neighbour that does less than this part of what the best one does may have to go.
const USELESS: u64 = 8;
/// At most one neighbour is replaced in this time,
const REPLACEMENT: u64 = 30 * SECOND;
/// or in this, where nobody exchanges anything (a viewer who pauses): no neighbour is better than another.
const IDLE_REPLACEMENT: u64 = 300 * SECOND;
/// Wait after a neighbour was of no use; doubled each time.
const USELESS_WAIT: u64 = 600 * SECOND;
/// A peer that is new has this long until everything it needs can come from its neighbours.
const SETTLING: u64 = 10 * SECOND;
/// Neighbours that do not suffice are added to at most this often.
const ADDITION: u64 = 5 * SECOND;
/// Fewer neighbours than this make the swarm a small one: strong peers are preferred.
const SMALL: usize = 5;

/// How many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// No dials beyond this many.
    pub target: usize,
    /// No connections beyond this many, those being made included. At least the target.
    pub maximum: usize,
}

impl Limits {
    /// The usual target for a maximum: three quarters of it. A browser's are 12 and 16.
    pub fn up_to(maximum: usize) -> Self {
        Self {
            target: maximum - maximum / 4,
            maximum,
        }
    }
}

/// Who named a peer. A peer that nobody named, but that came to us by an offer, is only remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A tracker's list, or a static one.
    Tracker,
    /// A neighbour, by peer exchange: it also relays the signals.
    Pex {
        /// The neighbour.
        via: PeerId,
    },
}

/// What is known of a peer before it is met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// A super node, a cache or a CDN's surrogate: dialled first while the swarm is small.
    pub strong: bool,
    /// On a metered link, saving data, or on battery: dialled last.
    pub weak: bool,
}

/// A peer to be dialled. The place is taken: [`Neighbourhood::up`] or [`Neighbourhood::closed`] must follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Whom.
    pub peer: PeerId,
    /// A swarm both are in.
    pub swarm: SwarmId,
    /// The neighbour that relays the signals; `None`: the tracker.
    pub via: Option<PeerId>,
}

/// What to do with an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Answer it. The place is taken, as with a [`Dial`].
    Accept,
    /// As `Accept`, but first end the connection with this peer (the offering one itself, when it has lost or never
    /// had the connection we know). Its end must not be reported.
    AcceptReplacing(PeerId),
    /// No place: say so.
    Refuse,
    /// Say nothing: our own offer to this peer is the one that counts (the lower peer ID's), or it is banned.
    Ignore,
}

/// How a connection, or the attempt at one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The path broke.
    Broke,
    /// It never came up, or one side wanted it to end.
    Ended,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// We made an offer.
    Dialling,
    /// We answer one.
    Answering,
    Up,
}

/// A connection, or an attempt.
#[derive(Clone, Debug)]
struct Neighbour {
    peer: PeerId,
    /// Is its place one of those for connections that we start?
    outgoing: bool,
    /// Has the tracker named the peer?
    listed: bool,
    /// The neighbour that named it, if the tracker had not when we dialled.
    introducer: Option<PeerId>,
    state: State,
    /// When it came up first.
    since: Option<Timestamp>,
    /// Weighed bytes of late, as of `halved`.
    useful: u64,
    halved: Timestamp,
}

impl Neighbour {
    fn usefulness(&self, now: Timestamp) -> u64 {
        let halvings = now.0.saturating_sub(self.halved.0) / HALF_LIFE;
        self.useful.checked_shr(halvings as u32).unwrap_or(0)
    }
}

/// Places by who has them.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    total: usize,
    outgoing: usize,
    dialling: usize,
    listed: usize,
}

/// Candidates that could be dialled at once.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    named: usize,
    listed: usize,
}

/// How a candidate is reached.
struct Route<'a> {
    swarm: &'a SwarmId,
    via: Option<PeerId>,
    introducer: Option<PeerId>,
}

/// The policy. See the module's documentation.
#[derive(Debug)]
pub struct Neighbourhood {
    me: PeerId,
    limits: Limits,
    rng: fastrand::Rng,
    candidates: Candidates,
    bans: Bans,
    neighbours: Vec<Neighbour>,
    dials: Bucket,
    offers: Bucket,
    /// Is a tracker there to relay signals?
    tracker: bool,
    sizes: Vec<(SwarmId, u32)>,
    next_replacement: Timestamp,
    /// A neighbour was given up for a dial.
    replacing: bool,
    /// Places for connections that we start, beyond the usual ones.
    extra: usize,
    next_addition: Timestamp,
}

impl Neighbourhood {
    /// A peer without neighbours. No tracker is there yet: see [`Self::set_tracker`].
    pub fn new(me: PeerId, limits: Limits, seed: u64) -> Self {
        Self {
            me,
            limits,
            rng: fastrand::Rng::with_seed(seed),
            candidates: Candidates::default(),
            bans: Bans::default(),
            neighbours: Vec::new(),
            dials: Bucket::default(),
            offers: Bucket::default(),
            tracker: false,
            sizes: Vec::new(),
            next_replacement: Timestamp(0),
            replacing: false,
            extra: 0,
            next_addition: Timestamp(0),
        }
    }

    /// Is a tracker there to relay signals? Without one only peers that a neighbour named are dialled.
    pub fn set_tracker(&mut self, joined: bool) {
        self.tracker = joined;
    }

    /// Changes the limits. Returns the neighbours beyond the new maximum, the latest ones: to be ended (and reported as
    /// [`Outcome::Ended`]).
    pub fn set_limits(&mut self, limits: Limits) -> Vec<PeerId> {
        self.limits = limits;
        let surplus = self.neighbours.iter().skip(limits.maximum);
        surplus.map(|neighbour| neighbour.peer).collect()
    }

    /// How many members the tracker knows in a swarm.
    pub fn set_size(&mut self, swarm: &SwarmId, members: u32) {
        self.sizes.retain(|(other, _)| other != swarm);
        if self.sizes.len() < MAX_SIZES {
            self.sizes.push((swarm.clone(), members));
        }
    }

    /// `peer` is a member of `swarm`, says `source`. A peer named by PEX is to be handed in only after its certificate
    /// was checked.
    pub fn found(&mut self, now: Timestamp, swarm: &SwarmId, peer: PeerId, source: Source, hints: Hints) {
        if peer == self.me || self.bans.contains(&peer) {
            return;
        }
        if let Source::Pex { via } = source
            && (via == peer || !self.candidates.may_introduce(&via))
        {
            return;
        }
        let known = self.remember(now, peer);
        known.named(swarm, source);
        if hints != Hints::default() {
            known.hints = hints;
        }
        if source == Source::Tracker
            && let Some(neighbour) = self.neighbour_mut(&peer)
        {
            neighbour.listed = true;
        }
    }

    /// We left `swarm`: nobody is dialled for it any more.
    pub fn leave(&mut self, swarm: &SwarmId) {
        self.candidates.leave(swarm);
        self.sizes.retain(|(other, _)| other != swarm);
    }

    /// The tracker says that `peer` is not in `swarm`.
    pub fn gone(&mut self, peer: &PeerId, swarm: &SwarmId) {
        if let Some(known) = self.candidates.get_mut(peer) {
            known.listed.retain(|other| other != swarm);
        }
    }

    /// Has anybody named `peer` as a member of `swarm`?
    pub fn is_in(&self, peer: &PeerId, swarm: &SwarmId) -> bool {
        self.candidates.get(peer).is_some_and(|known| {
            known.listed.contains(swarm) || known.introduced.iter().any(|(_, other)| other == swarm)
        })
    }

    /// Refuses `peer` from now on. Its connection is the caller's to end.
    pub fn ban(&mut self, peer: PeerId) {
        self.candidates.remove(&peer);
        self.bans.insert(peer);
    }

    /// Is it refused?
    pub fn is_banned(&self, peer: &PeerId) -> bool {
        self.bans.contains(peer)
    }

    // ---- connecting

    /// The next peer to dial. To be asked until there is none, after anything has changed.
    pub fn next_dial(&mut self, now: Timestamp) -> Option<Dial> {
        let tally = self.tally(None);
        if !self.wants_dial(&tally) || tally.dialling >= MAX_DIALS || DIALS.ready(self.dials) > now {
            return None;
        }
        let waiting = self.waiting(now, &self.me);
        let due = self.candidates.iter().filter(|known| known.not_before <= now);
        let (known, route) = due
            .filter_map(|known| Some((known, self.route(known, &tally, &waiting)?)))
            .min_by_key(|(known, _)| self.preference(known))?;
        let dial = Dial {
            peer: known.peer,
            swarm: route.swarm.clone(),
            via: route.via,
        };
        let introducer = route.introducer;
        DIALS.take(&mut self.dials, now);
        self.replacing = false;
        self.connecting(now, dial.peer, true, introducer);
        Some(dial)
    }

    /// May an offer of `peer` be looked at? To be asked, once for each, before anything costly is done for it.
    pub fn knock(&mut self, now: Timestamp, peer: PeerId) -> bool {
        if peer == self.me || self.bans.contains(&peer) || OFFERS.ready(self.offers) > now {
            return false;
        }
        if !OFFERS_OF_ONE.take(&mut self.remember(now, peer).offers, now) {
            return false;
        }
        OFFERS.take(&mut self.offers, now)
    }

    /// Is there a place for `peer`, whose offer is genuine?
    pub fn admit_offer(&mut self, now: Timestamp, peer: PeerId) -> Admission {
        if peer == self.me || self.bans.contains(&peer) {
            return Admission::Ignore;
        }
        let me = self.me;
        if let Some(neighbour) = self.neighbour_mut(&peer) {
            if neighbour.state == State::Dialling && me < peer {
                return Admission::Ignore;
            }
            // The place stays what it was: we wanted this connection as well, or have had it.
            neighbour.state = State::Answering;
            return Admission::AcceptReplacing(peer);
        }
        let known = self.candidates.get(&peer);
        let listed = known.is_some_and(|known| !known.listed.is_empty());
        let unwanted = known.is_some_and(|known| known.useless > 0 && known.not_before > now);
        let waiting = self.waiting(now, &peer);
        let admission = if self.has_place(&self.tally(None), listed, &waiting) {
            Admission::Accept
        } else if unwanted || now < self.next_replacement {
            Admission::Refuse
        } else {
            let give_up = |tally: &Tally| self.has_place(tally, listed, &waiting);
            match self.least_useful(now, give_up) {
                Some((victim, best)) => {
                    self.give_up(now, &victim, best);
                    Admission::AcceptReplacing(victim)
                }
                None => Admission::Refuse,
            }
        };
        if admission != Admission::Refuse {
            self.remember(now, peer);
            self.connecting(now, peer, false, None);
        }
        admission
    }

    /// The connection with `peer` is open.
    pub fn up(&mut self, now: Timestamp, peer: &PeerId) {
        if let Some(neighbour) = self.neighbour_mut(peer) {
            neighbour.state = State::Up;
            neighbour.since.get_or_insert(now);
        }
        if let Some(known) = self.candidates.get_mut(peer) {
            known.failures = 0;
        }
    }

    /// The connection with `peer`, or the attempt, is over.
    pub fn closed(&mut self, now: Timestamp, peer: &PeerId, outcome: Outcome) {
        let Some(at) = self.neighbours.iter().position(|other| other.peer == *peer) else {
            return;
        };
        let neighbour = self.neighbours.remove(at);
        let Some(known) = self.candidates.get_mut(peer) else {
            return;
        };
        if neighbour.state == State::Answering {
            return;
        }
        if neighbour.state == State::Up && outcome == Outcome::Broke {
            known.not_before = known.not_before.max(Timestamp(now.0 + RETRY));
        } else {
            known.failures += 1;
            if known.failures >= MAX_FAILURES {
                known.forget_names();
            }
            let wait = BACK_OFF << (known.failures - 1).min(5);
            known.not_before = known.not_before.max(Timestamp(now.0 + wait));
        }
    }

    // ---- usefulness

    /// Payload bytes went between us and `peer`: `down` from it, `up` to it.
    pub fn exchanged(&mut self, now: Timestamp, peer: &PeerId, down: u64, up: u64) {
        if let Some(neighbour) = self.neighbour_mut(peer) {
            let kept = neighbour.usefulness(now);
            neighbour.useful = kept.saturating_add(down * DOWN_WEIGHT + up);
            let age = now.0.saturating_sub(neighbour.halved.0);
            neighbour.halved.0 += age - age % HALF_LIFE;
        }
    }

    /// The neighbours had something, but the origin had to help with it: they do not suffice. One more may be dialled.
    pub fn fell_short(&mut self, now: Timestamp) {
        let settled =
            |neighbour: &Neighbour| neighbour.since.is_some_and(|since| since.0 + SETTLING <= now.0);
        if now >= self.next_addition && self.neighbours.iter().any(settled) {
            self.next_addition = Timestamp(now.0 + ADDITION);
            self.extra = (self.tally(None).outgoing + 1).saturating_sub(self.usual_places());
        }
    }

    /// The neighbour to end for the sake of somebody new, when there are enough neighbours, one of them is of little
    /// use, and somebody fresh can be dialled: [`Self::next_dial`] does so. The end of this connection must not be
    /// reported.
    pub fn replace(&mut self, now: Timestamp) -> Option<PeerId> {
        let tally = self.tally(None);
        if now < self.next_replacement
            || self.wants_dial(&tally)
            || tally.dialling >= MAX_DIALS
            || DIALS.ready(self.dials) > now
            || self.fresh_at(now).is_none_or(|fresh| fresh > now)
        {
            return None;
        }
        self.next_replacement = Timestamp(now.0 + REPLACEMENT);
        let (victim, best) = self.least_useful(now, |tally| self.has_own_place(tally))?;
        self.give_up(now, &victim, best);
        self.replacing = true;
        Some(victim)
    }

    /// When [`Self::next_dial`] or [`Self::replace`] may have something to say that they have not now, if nothing
    /// else happens. Looks at all candidates: to be asked after these have been, not after every datagram.
    pub fn poll_timeout(&self, now: Timestamp) -> Option<Timestamp> {
        let tally = self.tally(None);
        if tally.dialling >= MAX_DIALS {
            return None;
        }
        let ready = DIALS.ready(self.dials);
        if !self.wants_dial(&tally) {
            let due = self.next_replacement.max(ready);
            return self.fresh_at(now).map(|fresh| fresh.max(due));
        }
        let waiting = self.waiting(now, &self.me);
        let routed = |known: &&Candidate| self.route(known, &tally, &waiting).is_some();
        let due = self.candidates.iter().filter(routed);
        due.map(|known| known.not_before.max(ready)).min()
    }

    // ---- the rules

    fn neighbour(&self, peer: &PeerId) -> Option<&Neighbour> {
        self.neighbours.iter().find(|other| other.peer == *peer)
    }

    fn neighbour_mut(&mut self, peer: &PeerId) -> Option<&mut Neighbour> {
        self.neighbours.iter_mut().find(|other| other.peer == *peer)
    }

    fn remember(&mut self, now: Timestamp, peer: PeerId) -> &mut Candidate {
        let room = MAX_KNOWN.max(self.limits.maximum * 4);
        let neighbours = &self.neighbours;
        let kept = |known: &PeerId| neighbours.iter().any(|other| other.peer == *known);
        let rank = self.rng.u32(..);
        self.candidates.entry(now, peer, rank, room, kept)
    }

    fn connecting(&mut self, now: Timestamp, peer: PeerId, outgoing: bool, introducer: Option<PeerId>) {
        let known = self.candidates.get(&peer);
        let listed = known.is_some_and(|known| !known.listed.is_empty());
        self.neighbours.push(Neighbour {
            peer,
            outgoing,
            listed,
            introducer,
            state: if outgoing {
                State::Dialling
            } else {
                State::Answering
            },
            since: None,
            useful: 0,
            halved: now,
        });
    }

    fn tally(&self, without: Option<&PeerId>) -> Tally {
        let mut tally = Tally::default();
        let counted = self.neighbours.iter();
        for neighbour in counted.filter(|other| Some(&other.peer) != without) {
            tally.total += 1;
            tally.outgoing += usize::from(neighbour.outgoing);
            tally.dialling += usize::from(neighbour.state == State::Dialling);
            tally.listed += usize::from(neighbour.listed);
        }
        tally
    }

    /// Who could be dialled now, were there places; without `except`.
    fn waiting(&self, now: Timestamp, except: &PeerId) -> Waiting {
        let mut waiting = Waiting::default();
        for known in self.candidates.iter() {
            let reachable =
                known.is_named() && (self.tracker || known.introduced.iter().any(|(via, _)| self.is_up(via)));
            if reachable
                && known.not_before <= now
                && known.peer != *except
                && self.neighbour(&known.peer).is_none()
            {
                waiting.named += 1;
                waiting.listed += usize::from(!known.listed.is_empty());
            }
        }
        waiting
    }

    fn is_up(&self, peer: &PeerId) -> bool {
        self.neighbour(peer)
            .is_some_and(|neighbour| neighbour.state == State::Up)
    }

    /// Do all members of our swarms fit in? As far as we know.
    fn all_fit(&self) -> bool {
        let told = self.sizes.iter().map(|(_, members)| *members as usize).max();
        let known = || self.candidates.iter().filter(|known| known.is_named()).count();
        told.unwrap_or_else(known) <= self.limits.maximum
    }

    /// Places for connections that we start. Those added to the usual ones were counted when these may have been fewer.
    fn own_places(&self) -> usize {
        let most = self.limits.maximum.div_ceil(2).max(self.limits.target);
        most.min(self.usual_places() + self.extra)
    }

    fn usual_places(&self) -> usize {
        match self.all_fit() {
            true => self.limits.maximum.div_ceil(2),
            false => (self.limits.target / 2).max(1),
        }
    }

    fn has_own_place(&self, tally: &Tally) -> bool {
        tally.total < self.limits.maximum && tally.outgoing < self.own_places()
    }

    fn wants_dial(&self, tally: &Tally) -> bool {
        (tally.total < self.limits.target || self.replacing) && self.has_own_place(tally)
    }

    /// May one more peer take a place that the tracker has not named?
    fn has_unlisted_place(&self, tally: &Tally, waiting: &Waiting) -> bool {
        let kept = self.limits.maximum.div_ceil(4).min(tally.listed + waiting.listed);
        tally.total - tally.listed < (self.limits.maximum - kept).max(1)
    }

    /// May one more peer come in?
    fn has_place(&self, tally: &Tally, listed: bool, waiting: &Waiting) -> bool {
        let maximum = self.limits.maximum;
        let kept = (tally.outgoing + waiting.named)
            .min(maximum.div_ceil(2))
            .max(maximum / 4);
        tally.total < maximum
            && tally.total - tally.outgoing < (maximum - kept).max(1)
            && (listed || self.has_unlisted_place(tally, waiting))
    }

    /// How to reach a candidate, unless its place is another's.
    fn route<'a>(&self, known: &'a Candidate, tally: &Tally, waiting: &Waiting) -> Option<Route<'a>> {
        if !known.is_named() || self.neighbour(&known.peer).is_some() {
            return None;
        }
        let listed = known.listed.first();
        if self.tracker
            && let Some(swarm) = listed
        {
            return Some(Route {
                swarm,
                via: None,
                introducer: None,
            });
        }
        if listed.is_none() && !self.has_unlisted_place(tally, waiting) {
            return None;
        }
        for (introducer, swarm) in &known.introduced {
            let theirs = self.neighbours.iter();
            let theirs = theirs.filter(|other| other.introducer == Some(*introducer));
            if listed.is_none() && theirs.count() >= (self.limits.maximum / 4).max(1) {
                continue;
            }
            // The neighbour may have gone, or may not relay: then, and every other time, the tracker is asked.
            let relays = self.is_up(introducer);
            let by_tracker = self.tracker && (known.failures % 2 == 1 || !relays);
            if by_tracker || relays {
                return Some(Route {
                    swarm,
                    via: (!by_tracker).then_some(*introducer),
                    introducer: listed.is_none().then_some(*introducer),
                });
            }
        }
        None
    }

    /// The smallest is dialled first.
    fn preference(&self, known: &Candidate) -> (u32, bool, u32) {
        let small = self.neighbours.len() < SMALL;
        let later = if small {
            !known.hints.strong
        } else {
            known.hints.weak
        };
        (known.failures, later, known.rank)
    }

    /// When there is somebody to be dialled that has not disappointed us.
    fn fresh_at(&self, now: Timestamp) -> Option<Timestamp> {
        let (tally, waiting) = (self.tally(None), self.waiting(now, &self.me));
        let fresh = self
            .candidates
            .iter()
            .filter(|known| known.failures == 0 && self.route(known, &tally, &waiting).is_some());
        fresh.map(|known| known.not_before).min()
    }

    /// The neighbour that is of least use, if it is of so little that it may be given up, and if `helps` says so of the
    /// places without it; and how useful the best one is.
    fn least_useful(&self, now: Timestamp, helps: impl Fn(&Tally) -> bool) -> Option<(PeerId, u64)> {
        let up = || {
            let all = self.neighbours.iter();
            all.filter(|neighbour| neighbour.state == State::Up)
        };
        if up().count() <= (self.limits.target / 3).max(1) {
            return None;
        }
        let best = up().map(|neighbour| neighbour.usefulness(now)).max()?;
        let old = up().filter(|neighbour| neighbour.since.is_some_and(|since| since.0 + GRACE <= now.0));
        let least = old
            .filter(|neighbour| helps(&self.tally(Some(&neighbour.peer))))
            .min_by_key(|neighbour| neighbour.usefulness(now))?;
        (least.usefulness(now).saturating_mul(USELESS) <= best).then_some((least.peer, best))
    }

    fn give_up(&mut self, now: Timestamp, peer: &PeerId, best: u64) {
        let pause = if best == 0 { IDLE_REPLACEMENT } else { REPLACEMENT };
        self.next_replacement = Timestamp(now.0 + pause);
        self.neighbours.retain(|other| other.peer != *peer);
        if let Some(known) = self.candidates.get_mut(peer) {
            known.not_before = Timestamp(now.0 + (USELESS_WAIT << known.useless.min(5)));
            known.useless += 1;
        }
    }
}
