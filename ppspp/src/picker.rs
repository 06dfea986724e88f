//! The scheduler: which chunk is asked of whom, and when the origin is asked instead.
//!
//! Every demand (a segment the player wants) has a deadline. Far from it only peers are asked, the rarest segments
//! first and several peers in parallel; a segment that no neighbour has is fetched from the origin by one elected
//! peer ([`crate::election`]). Near the deadline the origin is asked for the chunk ranges that the peers would not
//! deliver in time. Nothing is asked for twice, but near the deadline, where a late chunk is asked for again. Live, a chunk
//! that waits at a slow peer is taken back for a fast one that has nothing to do.
//!
//! Inside a segment the chunks that fewest neighbours have come first, and each peer begins somewhere else: those that
//! download the same segment then have something to give each other.

use core::cmp::Ordering;
use core::time::Duration;

use crate::channel::Channel;
use crate::checks::Checks;
use crate::election::{self, Turn};
use crate::origin::Origin;
use crate::sorted_map::SortedMap;
use crate::{ChunkMap, ChunkRange, LinkId, PeerId, Segments, Timestamp};

/// Segments whose deadline is closer than this are taken in order of their deadlines, later ones by rarity.
const NEAR: Duration = Duration::from_secs(10);
/// A request is given up for the origin when its chunk is expected after a deadline closer than this.
const HEDGE: Duration = Duration::from_millis(1500);
/// How long a segment waits for each better-ranked peer to fetch it from the origin.
const PATIENCE: Duration = Duration::from_millis(2500);
/// A neighbour takes part in the election for a segment up to this many ahead of where it downloads.
const FOLLOWS: u32 = 3;
/// Fetches at a time while nothing is urgent: enough to keep the origin's pipe busy, few enough to stay in order.
const CALM_FETCHES: usize = 2;
/// Fetches at a time when deadlines are near.
const URGENT_FETCHES: usize = 4;
/// Slack on top of an estimated origin fetch: timers and slow machines.
const ORIGIN_SLACK: Duration = Duration::from_millis(1500);
/// The same where a player is only a few seconds behind the live edge: what is fetched sooner is fetched by many.
const LIVE_ORIGIN_SLACK: Duration = Duration::from_millis(500);
/// An origin fetch before anything was measured.
const UNKNOWN_FETCH: Duration = Duration::from_millis(700);
/// A neighbour that never answers rests this long after the first time-out, doubling.
const REST: Duration = Duration::from_secs(5);
/// Longest rest.
const LONGEST_REST: Duration = Duration::from_secs(120);
/// A live chunk is asked of nobody who would need longer for it, in seconds, than this or half of a segment's pace.
const LIVE_ANSWER: f64 = 3.0;
/// A live chunk that was asked for this long ago may be asked of another peer instead.
const PATIENT: Duration = Duration::from_millis(700);
/// How many segments ahead of a known one the time of another is reckoned.
const FORESEEABLE: u32 = 4;
/// Live segments taken from peers before the player asks for them.
const AHEAD: u32 = 2;
/// Pauses before a failed origin fetch is tried again.
const RETRY_ORIGIN: Duration = Duration::from_millis(500);
/// After this many failures a segment is given up: the player hears of it as of any failed HTTP request.
const MAX_FAILURES: u32 = 3;

/// A segment the player wants.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) deadline: Timestamp,
    pub(crate) since: Timestamp,
    pub(crate) p2p_bytes: u64,
    pub(crate) http_bytes: u64,
    pub(crate) sources: Vec<LinkId>,
    failures: u32,
    retry_at: Timestamp,
    /// Nobody has asked for it yet: a live segment that the player will want next, as far as peers have it.
    ahead: bool,
}

impl Demand {
    fn new(deadline: Timestamp, now: Timestamp) -> Self {
        Self {
            deadline,
            since: now,
            p2p_bytes: 0,
            http_bytes: 0,
            sources: Vec::new(),
            failures: 0,
            retry_at: now,
            ahead: false,
        }
    }

    /// How long a live segment of this length has to spread, at least its length: where players hold back for many short
    /// segments, a third of what there is from when it is known to when it is needed. How fast a swarm spreads media
    /// hardly depends on how they are cut.
    fn pace(&self, length: Duration) -> Duration {
        length.max(self.deadline.since(self.since) / 3)
    }

    /// Has the player asked for it?
    pub(crate) fn is_asked_for(&self) -> bool {
        !self.ahead
    }
}

/// What the picker wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Ask a peer for a chunk.
    Request(LinkId, u32),
    /// Tell a peer that a chunk is no longer wanted of it.
    Cancel(LinkId, u32),
    /// Fetch chunks of one segment from the origin.
    Fetch(u32, ChunkRange),
}

/// What the picker looks at.
pub(crate) struct View<'a> {
    pub(crate) segments: &'a Segments,
    pub(crate) has: &'a ChunkMap,
    pub(crate) channels: &'a SortedMap<LinkId, Channel>,
    pub(crate) origin: &'a Origin,
    pub(crate) me: &'a PeerId,
    /// May the origin be asked at all, and how close to the deadline at the latest?
    pub(crate) urgent_window: Duration,
    /// Neighbours are being connected: worth waiting a little for.
    pub(crate) prospects: bool,
    /// How long a live segment is; `None` for static content.
    pub(crate) live: Option<Duration>,
    /// Chunks whose signatures are being checked are on their way.
    pub(crate) checks: &'a Checks,
    /// Peers show the extent of live segments; else it comes from the origin, and before that there is nothing to ask
    /// them for.
    pub(crate) shown_by_peers: bool,
    /// Members of the swarm by the tracker; 0 = unknown.
    pub(crate) members: u32,
    /// The real time.
    pub(crate) wall: Timestamp,
}

/// A peer that can be asked now.
struct Lane<'a> {
    link: LinkId,
    has: &'a ChunkMap,
    room: usize,
    queued: f64,
    rate: f64,
    round_trip: f64,
    reluctance: f64,
}

impl Lane<'_> {
    /// Seconds until `bytes` more would be here.
    fn completion(&self, bytes: f64) -> f64 {
        (self.queued + bytes) / self.rate + self.round_trip
    }

    /// The lower, the sooner this peer is asked.
    fn cost(&self, bytes: f64) -> f64 {
        self.completion(bytes) * self.reluctance
    }
}

/// The demands of one swarm, and the rules.
#[derive(Debug, Default)]
pub(crate) struct ChunkPicker {
    demands: SortedMap<u32, Demand>,
    /// The newest segment that the player wanted, and when it needs it.
    newest: Option<(u32, Timestamp)>,
}

impl ChunkPicker {
    /// Wants a segment, or moves its deadline; `true` when it was not wanted before.
    pub(crate) fn demand(&mut self, segment: u32, deadline: Timestamp, now: Timestamp) -> bool {
        let known = self.demands.get(segment);
        let fresh = known.is_none_or(|demand| demand.ahead);
        if self.newest.is_none_or(|(newest, _)| newest <= segment) {
            self.newest = Some((segment, deadline));
        }
        let demand = self
            .demands
            .get_or_insert_with(segment, || Demand::new(deadline, now));
        demand.deadline = deadline;
        if core::mem::take(&mut demand.ahead) {
            demand.since = now;
        }
        fresh
    }

    /// A neighbour has chunks of a live segment. One that the player will want next is taken from peers before it
    /// is asked for, so that it spreads while other viewers' players do not know of it yet; `true` when it is.
    pub(crate) fn foresee(&mut self, segment: u32, length: Duration, now: Timestamp) -> bool {
        let Some((newest, needed)) = self.newest else {
            return false;
        };
        if segment <= newest || segment - newest > AHEAD || self.demands.contains_key(segment) {
            return false;
        }
        let deadline = needed + length * (segment - newest);
        let demand = Demand {
            ahead: true,
            ..Demand::new(deadline, now)
        };
        self.demands.insert(segment, demand);
        true
    }

    /// Forgets segments that were foreseen and never wanted.
    pub(crate) fn forget_before(&mut self, segment: u32) {
        let old: Vec<u32> = self
            .demands
            .before(segment)
            .filter(|(_, demand)| demand.ahead)
            .map(|(segment, _)| segment)
            .collect();
        old.into_iter().for_each(|segment| {
            self.demands.remove(segment);
        });
    }

    /// No longer wants a segment.
    pub(crate) fn withdraw(&mut self, segment: u32) -> Option<Demand> {
        self.demands.remove(segment)
    }

    /// Is this segment wanted?
    pub(crate) fn wants(&self, segment: u32) -> bool {
        self.demands.contains_key(segment)
    }

    /// Is any segment from `first` to `last` wanted?
    pub(crate) fn wants_any(&self, first: u32, last: u32) -> bool {
        self.demands
            .from(first)
            .next()
            .is_some_and(|(segment, _)| segment <= last)
    }

    /// When a segment is needed, if it is wanted.
    pub(crate) fn deadline(&self, segment: u32) -> Option<Timestamp> {
        self.demands.get(segment).map(|demand| demand.deadline)
    }

    /// Is nothing wanted?
    pub(crate) fn is_idle(&self) -> bool {
        self.demands.is_empty()
    }

    /// The demand for a segment, for its accounts.
    pub(crate) fn get_mut(&mut self, segment: u32) -> Option<&mut Demand> {
        self.demands.get_mut(segment)
    }

    /// Time stood still for this process.
    pub(crate) fn forgive(&mut self, pause: Duration) {
        self.demands.values_mut().for_each(|demand| demand.since += pause);
    }

    /// An origin fetch for this segment failed. `true` = give it up.
    pub(crate) fn origin_failed(&mut self, segment: u32, now: Timestamp) -> bool {
        let Some(demand) = self.demands.get_mut(segment) else {
            return false;
        };
        demand.failures += 1;
        demand.retry_at = now + RETRY_ORIGIN * (1 << demand.failures.min(8));
        demand.failures >= MAX_FAILURES
    }

    /// How long a peer that stayed silent `times` times in a row is left alone.
    pub(crate) fn rest(times: u32) -> Duration {
        (REST * (1 << times.clamp(1, 6) >> 1)).min(LONGEST_REST)
    }

    /// Decides what to do now: [`Scratch::decisions`].
    pub(crate) fn plan(&self, now: Timestamp, view: &View<'_>, scratch: &mut Scratch) {
        let mut order = core::mem::take(&mut scratch.order);
        self.in_order(now, view, &mut order);
        let mut plan = Plan::new(now, view, scratch);
        for (.., segment) in &order {
            if let Some(demand) = self.demands.get(*segment) {
                plan.segment(*segment, demand);
            }
        }
        scratch.order = order;
    }

    /// Near demands by deadline, then far ones by how few neighbours have anything of them.
    fn in_order(&self, now: Timestamp, view: &View<'_>, order: &mut Vec<(usize, u64, u32)>) {
        order.clear();
        let keys = self.demands.iter().map(|(segment, demand)| {
            let near = view.live.map_or(NEAR, |length| demand.pace(length).min(NEAR));
            let rarity = if demand.deadline.since(now) <= near {
                0
            } else {
                let chunks = view.segments.span(segment);
                let holders = view
                    .channels
                    .values()
                    .filter(|channel| has_any(&channel.has, chunks));
                // What nobody has can only come from the origin: after what peers have, and in order.
                match holders.count() {
                    0 => usize::MAX,
                    count => count,
                }
            };
            (rarity, demand.deadline.0, segment)
        });
        order.extend(keys);
        order.sort_unstable();
    }
}

fn has_any(map: &ChunkMap, chunks: ChunkRange) -> bool {
    map.present_in(chunks).next().is_some()
}

/// A chunk that was asked of a peer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    link: LinkId,
    sent: Timestamp,
    /// When it should be here, in seconds from now.
    expected: f64,
}

/// Lists that the picker fills, kept for their room: a decision allocates nothing once they have grown.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// What is to be done.
    pub(crate) decisions: Vec<Decision>,
    order: Vec<(usize, u64, u32)>,
    /// Chunks asked of peers.
    asked: SortedMap<u32, Asked>,
    missing: Vec<u32>,
    by_rarity: Vec<(usize, u64, u32)>,
}

/// One run of the picker.
struct Plan<'a> {
    now: Timestamp,
    view: &'a View<'a>,
    lanes: Vec<Lane<'a>>,
    scratch: &'a mut Scratch,
    fetches: usize,
}

impl<'a> Plan<'a> {
    fn new(now: Timestamp, view: &'a View<'a>, scratch: &'a mut Scratch) -> Self {
        scratch.decisions.clear();
        scratch.asked.clear();
        let asked = &mut scratch.asked;
        let mut lanes = Vec::new();
        for channel in view.channels.values().filter(|channel| channel.is_open()) {
            let rate = channel.rate(now);
            let mut ahead = 0.0;
            for request in &channel.requests {
                ahead += f64::from(request.bytes);
                let expected = ahead / rate
                    + channel
                        .round_trip()
                        .saturating_sub(now.since(request.sent))
                        .as_secs_f64();
                let (link, sent) = (channel.link, request.sent);
                asked.insert(request.chunk, Asked { link, sent, expected });
            }
            if channel.choked || channel.resting_until > now {
                continue;
            }
            let outstanding = channel.outstanding();
            lanes.push(Lane {
                link: channel.link,
                has: &channel.has,
                room: channel
                    .pipeline(view.segments.chunk_size())
                    .saturating_sub(outstanding),
                queued: outstanding as f64,
                rate,
                round_trip: channel.round_trip().as_secs_f64(),
                reluctance: channel.status.reluctance(),
            });
        }
        Self {
            now,
            view,
            lanes,
            scratch,
            fetches: view.origin.fetches.len(),
        }
    }

    /// The chunks of a segment that are neither here nor coming from the origin. While a live segment's extent is not
    /// known, those that some neighbour says it has.
    fn missing(&self, segment: u32, missing: &mut Vec<u32>) {
        missing.clear();
        let coming: Vec<ChunkRange> = self
            .view
            .origin
            .fetches
            .values()
            .filter(|fetch| fetch.segment == segment)
            .filter_map(|fetch| fetch.rest())
            .collect();
        let wanted = |chunk: &u32| {
            !self.view.origin.waiting().contains(*chunk)
                && !coming.iter().any(|rest| rest.contains(*chunk))
                && !self.view.checks.has_chunk(*chunk)
        };
        match self.view.segments.chunks_of(segment) {
            Some(chunks) => {
                let runs = self.view.has.missing_in(chunks);
                missing.extend(runs.flat_map(ChunkRange::chunks).filter(wanted));
            }
            None if !self.view.shown_by_peers => {}
            None => {
                let span = self.view.segments.span(segment);
                let mut claimed = ChunkMap::new();
                for lane in &self.lanes {
                    lane.has.present_in(span).for_each(|run| {
                        claimed.insert(run);
                    });
                }
                let chunks = claimed.runs().iter().copied().flat_map(ChunkRange::chunks);
                missing.extend(chunks.filter(wanted));
            }
        }
    }

    /// Rarest first, from a place of this peer's own on.
    fn by_rarity(&mut self, segment: u32, missing: &mut Vec<u32>) {
        if missing.len() < 2 || self.lanes.len() < 2 {
            return;
        }
        let turn = self.view.me.0[(segment % 32) as usize] as usize * missing.len() / 256;
        missing.rotate_left(turn);
        let lanes = &self.lanes;
        let holders = |chunk| lanes.iter().filter(|lane| lane.has.contains(chunk)).count();
        let keys = missing.iter().enumerate();
        let sorted = &mut self.scratch.by_rarity;
        sorted.clear();
        sorted.extend(keys.map(|(at, &chunk)| (holders(chunk), at as u64, chunk)));
        sorted.sort_unstable();
        missing.clear();
        missing.extend(sorted.iter().map(|(.., chunk)| *chunk));
    }

    fn segment(&mut self, segment: u32, demand: &Demand) {
        let mut missing = core::mem::take(&mut self.scratch.missing);
        self.missing_of(segment, demand, &mut missing);
        self.scratch.missing = missing;
    }

    fn missing_of(&mut self, segment: u32, demand: &Demand, missing: &mut Vec<u32>) {
        let left = demand.deadline.since(self.now);
        let nothing_to_give = self.fetches >= CALM_FETCHES && self.lanes.iter().all(|lane| lane.room == 0);
        if nothing_to_give && left > self.view.urgent_window {
            return;
        }
        self.missing(segment, missing);
        let unknown = self.view.segments.chunks_of(segment).is_none();
        let offered = |channel: &Channel| has_any(&channel.has, self.view.segments.span(segment));
        let some_have_it = || self.view.channels.values().any(offered);
        let nobody = missing.is_empty() && !(unknown && some_have_it());
        let on_its_way = self.view.origin.is_fetching(segment) || self.view.origin.body(segment).is_some();
        if missing.is_empty() && (!unknown || on_its_way) {
            return;
        }
        let bytes: f64 = if unknown {
            self.view.segments.probable_size() as f64
        } else {
            missing
                .iter()
                .map(|&chunk| f64::from(self.view.segments.chunk_length(chunk)))
                .sum()
        };
        let fetch_time = self.view.origin.estimate(bytes as u64).unwrap_or(UNKNOWN_FETCH);
        let lead = match self.view.live {
            Some(_) => fetch_time * 3 / 2 + LIVE_ORIGIN_SLACK,
            None => fetch_time * 2 + ORIGIN_SLACK,
        };
        let near = !demand.ahead && left <= lead.min(self.view.urgent_window);
        let urgent = near && (!self.is_starved() || some_have_it());
        let origin_now = demand.retry_at <= self.now && self.fetches < URGENT_FETCHES;
        if urgent && origin_now && self.peers_too_slow(segment, missing, bytes, left.max(fetch_time)) {
            if left <= HEDGE || unknown {
                self.give_up_late(missing, left, unknown);
            }
            if unknown {
                return self.fetch_all(segment, demand, URGENT_FETCHES);
            }
            missing.retain(|chunk| !self.scratch.asked.contains_key(*chunk));
            self.fetch(segment, demand, missing, URGENT_FETCHES);
            return;
        }
        if self.view.live.is_some() {
            missing.iter().for_each(|chunk| self.move_over(*chunk));
        }
        missing.retain(|chunk| !self.scratch.asked.contains_key(*chunk));
        self.by_rarity(segment, missing);
        missing.retain(|&chunk| !self.ask(chunk, demand));
        // What some neighbour has will come from it when there is room.
        missing.retain(|&chunk| {
            !self
                .view
                .channels
                .values()
                .any(|channel| channel.has.contains(chunk))
        });
        if demand.ahead {
            return;
        }
        let at_most = if urgent { URGENT_FETCHES } else { CALM_FETCHES };
        if unknown {
            if nobody && (urgent || self.is_ours(segment, demand)) {
                self.fetch_all(segment, demand, at_most);
            }
        } else if !missing.is_empty() && (urgent || self.is_ours(segment, demand)) {
            self.fetch(segment, demand, missing, at_most);
        }
    }

    /// Does the origin give less than the stream needs, and are there peers who may be given it all the same? If
    /// everybody asked it for everything then, nobody would have anything in time for anybody else.
    fn is_starved(&self) -> bool {
        let open = |channel: &Channel| channel.is_open() && !channel.choked;
        // Fetches beside each other each get a part of what there is.
        let parts = (self.fetches as u32).max(1);
        self.view
            .live
            .is_some_and(|duration| self.segment_fetch() > duration * parts)
            && self.view.channels.values().any(open)
    }

    /// How long a segment of the usual size takes from the origin, as far as that is known.
    fn segment_fetch(&self) -> Duration {
        let bytes = self.view.segments.probable_size();
        self.view.origin.estimate(bytes).unwrap_or_default()
    }

    /// The whole of a segment of which nothing is known yet.
    fn fetch_all(&mut self, segment: u32, demand: &Demand, at_most: usize) {
        if demand.retry_at <= self.now && self.fetches < at_most {
            self.fetches += 1;
            let span = self.view.segments.span(segment);
            self.scratch.decisions.push(Decision::Fetch(segment, span));
        }
    }

    /// Would the peers who have these chunks need longer than `limit` for all of them, by what is measured?
    fn peers_too_slow(&self, segment: u32, missing: &[u32], bytes: f64, limit: Duration) -> bool {
        let chunks = self.view.segments.span(segment);
        let able = || self.lanes.iter().filter(|lane| has_any(lane.has, chunks));
        let rate: f64 = able().map(|lane| lane.rate).sum();
        if rate <= 0.0 {
            return true;
        }
        let others: f64 = able().map(|lane| lane.queued).sum::<f64>()
            - missing
                .iter()
                .filter(|chunk| self.scratch.asked.contains_key(**chunk))
                .map(|&chunk| f64::from(self.view.segments.chunk_length(chunk)))
                .sum::<f64>();
        let round_trip = able().map(|lane| lane.round_trip).fold(0.0, f64::max);
        let partly = missing.iter().any(|chunk| {
            !self.scratch.asked.contains_key(*chunk)
                && !self.lanes.iter().any(|lane| lane.has.contains(*chunk))
        });
        partly || (others.max(0.0) + bytes) / rate + round_trip > limit.as_secs_f64() * 0.7
    }

    /// Near the deadline, chunks that would come late from the peer asked are taken away from it; `all` of them when
    /// the whole segment is fetched.
    fn give_up_late(&mut self, missing: &[u32], left: Duration, all: bool) {
        for chunk in missing {
            let late = self
                .scratch
                .asked
                .get(*chunk)
                .filter(|asked| all || asked.expected > left.as_secs_f64().max(0.5));
            if let Some(&Asked { link, .. }) = late {
                self.scratch.asked.remove(*chunk);
                self.scratch.decisions.push(Decision::Cancel(link, *chunk));
            }
        }
    }

    /// A live chunk that has been waiting at a peer with more to do for us is asked of one that has nothing to do, if
    /// that would bring it sooner: so fast peers help out slow ones.
    fn move_over(&mut self, chunk: u32) {
        let Some(asked) = self.scratch.asked.get_mut(chunk) else {
            return;
        };
        if self.now.since(asked.sent) < PATIENT {
            return;
        }
        let bytes = self.view.segments.chunk_length(chunk) as usize;
        // The only chunk that a peer is asked for is on its way by now.
        let busy = self.view.channels.get(asked.link);
        if busy.is_none_or(|busy| busy.outstanding() < 2 * bytes) {
            return;
        }
        let idle = self.lanes.iter_mut();
        let idle = idle.filter(|lane| lane.queued == 0.0 && lane.has.contains(chunk));
        let best = idle.min_by(|a, b| a.cost(bytes as f64).total_cmp(&b.cost(bytes as f64)));
        let Some(lane) = best.filter(|lane| lane.completion(bytes as f64) < asked.expected) else {
            return;
        };
        self.scratch.decisions.push(Decision::Cancel(asked.link, chunk));
        lane.room = lane.room.saturating_sub(bytes);
        lane.queued += bytes as f64;
        *asked = Asked {
            link: lane.link,
            sent: self.now,
            expected: lane.completion(0.0),
        };
        self.scratch.decisions.push(Decision::Request(lane.link, chunk));
    }

    /// Asks the peer that would have the chunk here first; `false` when nobody with room has it.
    fn ask(&mut self, chunk: u32, demand: &Demand) -> bool {
        let bytes = self.view.segments.chunk_length(chunk) as usize;
        let patience = self
            .view
            .live
            .map(|length| (demand.pace(length).as_secs_f64() / 2.0).min(LIVE_ANSWER));
        let best = self
            .lanes
            .iter_mut()
            .filter(|lane| lane.has.contains(chunk))
            .filter(|lane| match patience {
                Some(patience) => lane.queued == 0.0 || lane.completion(bytes as f64) <= patience,
                None => lane.room >= bytes,
            })
            .min_by(|a, b| a.cost(bytes as f64).total_cmp(&b.cost(bytes as f64)));
        let Some(lane) = best else { return false };
        lane.room = lane.room.saturating_sub(bytes);
        lane.queued += bytes as f64;
        let asked = Asked {
            link: lane.link,
            sent: self.now,
            expected: lane.completion(0.0),
        };
        self.scratch.asked.insert(chunk, asked);
        self.scratch.decisions.push(Decision::Request(lane.link, chunk));
        true
    }

    /// Is it up to this peer to fetch a segment that no neighbour has?
    fn is_ours(&self, segment: u32, demand: &Demand) -> bool {
        let waited = self.now.since(demand.since);
        let candidates: Vec<(Ordering, &PeerId)> = self
            .view
            .channels
            .values()
            .filter(|channel| {
                channel.is_open()
                    && !channel.choked
                    && channel
                        .position
                        .is_some_and(|position| position <= segment && segment - position <= FOLLOWS)
            })
            .map(|channel| (channel.seniority(), &channel.peer))
            .collect();
        if candidates.is_empty() && self.view.prospects {
            return false;
        }
        let known = candidates.len();
        let rank = election::rank(self.view.me, candidates.into_iter(), segment);
        let Some(duration) = self.view.live else {
            return waited >= PATIENCE * rank;
        };
        let span = self.view.segments.span(segment);
        let turn = Turn {
            segment,
            duration,
            rank,
            known,
            members: self.view.members,
            waited,
            pace: demand.pace(duration),
            age: self.age(segment, duration),
            fetch: self.segment_fetch(),
            spreads: self
                .view
                .channels
                .values()
                .any(|channel| has_any(&channel.has, span)),
        };
        turn.has_come(self.view.me)
    }

    /// How long ago a live segment was published, reckoned from the newest that is known.
    fn age(&self, segment: u32, duration: Duration) -> Option<Duration> {
        let newest = self.view.segments.newest().map(|(newest, _)| newest)?;
        let newest = newest.min(segment);
        let munro = self.view.segments.munro(newest)?;
        let ahead = segment
            .checked_sub(newest)
            .filter(|ahead| *ahead <= FORESEEABLE)?;
        let published = munro.time.to_unix(self.view.wall) + duration * ahead;
        Some(self.view.wall.since(published))
    }

    /// Fetches runs of chunks from the origin, as far as the number of fetches allows.
    fn fetch(&mut self, segment: u32, demand: &Demand, chunks: &[u32], at_most: usize) {
        if demand.retry_at > self.now {
            return;
        }
        let mut runs = ChunkMap::new();
        chunks.iter().for_each(|&chunk| {
            runs.insert(ChunkRange::one(chunk));
        });
        for &run in runs.runs() {
            if self.fetches >= at_most {
                return;
            }
            self.fetches += 1;
            self.scratch.decisions.push(Decision::Fetch(segment, run));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Request, State};
    use crate::segment_table::Segment;
    use crate::{Hash, SegmentTable, SwarmMetadata};

    const NOW: Timestamp = Timestamp(60_000_000);
    const CHUNK: u32 = 1000;
    const ME: PeerId = PeerId([9; 32]);

    fn ago(time: Duration) -> Timestamp {
        Timestamp(NOW.0 - time.as_micros() as u64)
    }

    /// Chunks 0 to 31 are the one segment.
    fn metadata() -> SwarmMetadata {
        let segments = vec![Segment {
            size: 32 * u64::from(CHUNK),
            root: Hash::of_chunk(b"x"),
        }];
        let table = SegmentTable { segments };
        SwarmMetadata::new(table.swarm_id(), CHUNK, 5, table).unwrap()
    }

    /// Neighbours that have chunks 0 to 3: how many bytes a second each brings, and what it was asked for when.
    fn neighbours(of: &[(u32, &[u32], Duration)]) -> SortedMap<LinkId, Channel> {
        let metadata = metadata();
        let mut channels = SortedMap::new();
        for (link, (rate, asked, since)) in (0..).map(LinkId).zip(of) {
            let mut channel = Channel::new(&metadata, link, PeerId([link.0 as u8; 32]), 7, Timestamp(0));
            channel.state = State::Open;
            channel.has.insert(ChunkRange::new(0, 3).unwrap());
            channel.meter.record(*rate as usize, Duration::from_secs(1));
            channel.round_trip.record(Duration::from_millis(50));
            channel.requests.extend(asked.iter().map(|&chunk| Request {
                chunk,
                bytes: CHUNK,
                sent: ago(*since),
            }));
            channels.insert(link, channel);
        }
        channels
    }

    /// Plans, live, with these neighbours and this origin.
    fn planned(
        channels: &SortedMap<LinkId, Channel>,
        origin: &Origin,
        members: u32,
        plan: impl FnOnce(&mut Plan<'_>),
    ) -> Scratch {
        let segments = Segments::new(&metadata());
        let (has, checks) = (ChunkMap::new(), Checks::default());
        let view = View {
            segments: &segments,
            has: &has,
            channels,
            origin,
            me: &ME,
            urgent_window: Duration::from_secs(6),
            prospects: false,
            live: Some(Duration::from_secs(2)),
            checks: &checks,
            shown_by_peers: true,
            members,
            wall: NOW,
        };
        let mut scratch = Scratch::default();
        plan(&mut Plan::new(NOW, &view, &mut scratch));
        scratch
    }

    /// What becomes of chunk 1 that one neighbour was asked for.
    fn moved_over(channels: &SortedMap<LinkId, Channel>) -> (Vec<Decision>, LinkId) {
        let scratch = planned(channels, &Origin::default(), 0, |plan| {
            plan.move_over(1);
            // Twice in one go nothing moves: it has just been asked for.
            plan.move_over(1);
        });
        let asked = scratch.asked.get(1).unwrap().link;
        (scratch.decisions, asked)
    }

    const SLOW: u32 = 1000;
    const FAST: u32 = 50_000;
    const LONG: Duration = Duration::from_secs(1);
    /// Not yet as long as [`PATIENT`].
    const SHORT: Duration = Duration::from_millis(600);
    const JUST_NOW: Duration = Duration::from_millis(10);
    const STAYS: (Vec<Decision>, LinkId) = (Vec::new(), LinkId(0));

    #[test]
    fn what_waits_at_a_slow_peer_moves_to_the_fastest_that_is_idle() {
        let channels = neighbours(&[
            (SLOW, &[0, 1], LONG),
            (FAST / 2, &[], LONG),
            (FAST, &[], LONG),
            // The fastest of all has something to do.
            (4 * FAST, &[2], JUST_NOW),
        ]);
        let (slow, fast) = (LinkId(0), LinkId(2));
        let decisions = vec![Decision::Cancel(slow, 1), Decision::Request(fast, 1)];
        assert_eq!(moved_over(&channels), (decisions, fast));
    }

    /// Is the origin, which gives so many bytes a second, asked for a segment that is needed in a second?
    fn asks_origin(rate: u32, neighbours: &SortedMap<LinkId, Channel>, members: u32) -> bool {
        let mut origin = Origin::default();
        origin.measured(rate);
        let demand = Demand::new(Timestamp(NOW.0 + 1_000_000), NOW);
        let scratch = planned(neighbours, &origin, members, |plan| plan.segment(0, &demand));
        let fetches = |decision: &Decision| matches!(decision, Decision::Fetch(0, _));
        scratch.decisions.iter().any(fetches)
    }

    #[test]
    fn an_overloaded_origin_is_asked_by_a_few() {
        let mut some = neighbours(&[(FAST, &[], LONG)]);
        some.get_mut(LinkId(0)).unwrap().has = ChunkMap::new();
        // A segment of the usual size, 16 kB, lasts two seconds.
        assert!(asks_origin(20_000, &some, 10_000));
        assert!(!asks_origin(5000, &some, 10_000));
        // Somebody has to ask it: all of a swarm this small.
        assert!(asks_origin(5000, &some, 4));
        // Nobody else might bring it.
        assert!(asks_origin(5000, &SortedMap::new(), 10_000));
        some.get_mut(LinkId(0)).unwrap().choked = true;
        assert!(asks_origin(5000, &some, 10_000));
        // What neighbours have a part of is on its way: what is missing is fetched in time.
        assert!(asks_origin(5000, &neighbours(&[(SLOW, &[], LONG)]), 10_000));
    }

    #[test]
    fn a_slow_peer_with_nothing_to_do_is_asked_for_one_chunk() {
        // So that it may show that it has become faster.
        let demand = Demand::new(Timestamp(NOW.0 + 2_000_000), NOW);
        let asked = |plan: &mut Plan<'_>| [1, 2].map(|chunk| plan.ask(chunk, &demand));
        let slower = neighbours(&[(SLOW / 10, &[], LONG)]);
        planned(&slower, &Origin::default(), 0, |plan| {
            assert_eq!(asked(plan), [true, false])
        });
        let busy = neighbours(&[(SLOW / 10, &[3], LONG)]);
        planned(&busy, &Origin::default(), 0, |plan| {
            assert_eq!(asked(plan), [false, false])
        });
    }

    #[test]
    fn who_holds_back_for_many_short_segments_has_time() {
        let length = Duration::from_secs(2);
        let needed_in = |seconds| Demand::new(NOW + Duration::from_secs(seconds), NOW).pace(length);
        assert_eq!(
            [0, 6, 18, 30].map(needed_in),
            [2, 2, 6, 10].map(Duration::from_secs)
        );
    }

    #[test]
    fn a_chunk_stays_where_moving_it_brings_nothing() {
        let idle = (FAST, &[][..], LONG);
        // It has hardly been asked for.
        assert_eq!(moved_over(&neighbours(&[(SLOW, &[0, 1], SHORT), idle])), STAYS);
        // It is the only one there: on its way by now.
        assert_eq!(moved_over(&neighbours(&[(SLOW, &[1], LONG), idle])), STAYS);
        // Nobody is idle.
        let busy = (FAST, &[2][..], JUST_NOW);
        assert_eq!(moved_over(&neighbours(&[(SLOW, &[0, 1], LONG), busy])), STAYS);
        // Who is idle is slower still.
        let slower = (SLOW / 10, &[][..], LONG);
        assert_eq!(moved_over(&neighbours(&[(SLOW, &[0, 1], LONG), slower])), STAYS);
        // Who is idle does not have it.
        let mut channels = neighbours(&[(SLOW, &[0, 1], LONG), idle]);
        let has = &mut channels.get_mut(LinkId(1)).unwrap().has;
        has.remove(ChunkRange::one(1));
        assert_eq!(moved_over(&channels), STAYS);
    }
}
