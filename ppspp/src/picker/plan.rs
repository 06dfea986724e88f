//! One run of the picker.

use core::cmp::Ordering;
use core::time::Duration;

use super::demand::Demand;
use super::{Decision, Scratch, View, has_any};
use crate::channel::Channel;
use crate::election::{self, Part, Turn};
use crate::origin::USUAL_FETCH;
use crate::proof::MAX_LEAVES;
use crate::{ChunkMap, ChunkRange, LinkId, PeerId, Timestamp};

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
/// A live chunk is asked of nobody who would need longer for it than this or half of a segment's pace.
const LIVE_ANSWER: Duration = Duration::from_secs(3);
/// How many segments ahead of a known one the time of another is reckoned.
const FORESEEABLE: u32 = 4;

/// A peer that can be asked now.
pub(super) struct Lane<'a> {
    pub(super) link: LinkId,
    pub(super) has: &'a ChunkMap,
    pub(super) room: usize,
    pub(super) queued: f64,
    pub(super) rate: f64,
    pub(super) round_trip: f64,
    pub(super) reluctance: f64,
}

impl Lane<'_> {
    /// Seconds until `bytes` more would be here.
    pub(super) fn completion(&self, bytes: f64) -> f64 {
        (self.queued + bytes) / self.rate + self.round_trip
    }

    /// It is asked for so many bytes more.
    pub(super) fn take(&mut self, bytes: usize, now: Timestamp) -> Asked {
        self.room = self.room.saturating_sub(bytes);
        self.queued += bytes as f64;
        Asked {
            link: self.link,
            sent: now,
            expected: self.completion(0.0),
            again: false,
        }
    }

    /// The lower, the sooner this peer is asked.
    pub(super) fn cost(&self, bytes: f64) -> f64 {
        self.completion(bytes) * self.reluctance
    }
}

/// A chunk that was asked of a peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) link: LinkId,
    pub(super) sent: Timestamp,
    /// When it should be here, in seconds from now.
    pub(super) expected: f64,
    /// Of more than one.
    pub(super) again: bool,
}

/// Of those that have a chunk and fit, the peer that is to be asked first.
pub(super) fn best<'a, 'b>(
    lanes: &'a mut [Lane<'b>],
    chunk: u32,
    bytes: usize,
    fits: &dyn Fn(&Lane<'b>) -> bool,
) -> Option<&'a mut Lane<'b>> {
    let lanes = lanes.iter_mut();
    lanes
        .filter(|lane| lane.has.contains(chunk) && fits(lane))
        .min_by(|a, b| a.cost(bytes as f64).total_cmp(&b.cost(bytes as f64)))
}

impl Asked {
    /// Two peers were asked for a chunk: the one who brings it first counts, and the latest request.
    pub(super) fn beside(self, other: Self) -> Self {
        let first = if other.expected < self.expected {
            other
        } else {
            self
        };
        Self {
            sent: self.sent.max(other.sent),
            again: true,
            ..first
        }
    }
}

/// One run of the picker.
pub(super) struct Plan<'a> {
    pub(super) now: Timestamp,
    pub(super) view: &'a View<'a>,
    pub(super) lanes: Vec<Lane<'a>>,
    pub(super) scratch: &'a mut Scratch,
    pub(super) fetches: usize,
}

impl<'a> Plan<'a> {
    pub(super) fn new(now: Timestamp, view: &'a View<'a>, scratch: &'a mut Scratch) -> Self {
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
                let new = Asked {
                    link,
                    sent,
                    expected,
                    again: false,
                };
                let all = match asked.get(request.chunk) {
                    Some(other) => new.beside(*other),
                    None => new,
                };
                asked.insert(request.chunk, all);
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
    pub(super) fn missing(&self, segment: u32, missing: &mut Vec<u32>) {
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

    pub(super) fn segment(&mut self, segment: u32, demand: &Demand) {
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
        let fetch_time = self
            .view
            .origin
            .estimate(bytes as u64, self.now)
            .unwrap_or(USUAL_FETCH);
        let lead = match self.view.live {
            Some(_) => fetch_time * 3 / 2 + LIVE_ORIGIN_SLACK,
            None => fetch_time * 2 + ORIGIN_SLACK,
        };
        let near = !demand.ahead && left <= lead.min(self.view.urgent_window);
        let urgent = near && (!self.is_starved() || some_have_it());
        let origin_now = demand.retry_at <= self.now && self.fetches < self.at_most(URGENT_FETCHES, segment);
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
        if let Some(patience) = self.patience(demand) {
            let late = (left <= patience && !demand.ahead).then_some(left);
            missing.iter().for_each(|chunk| self.help_out(*chunk, late));
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
        // What is urgent is either fetched above or left to the peers.
        if demand.ahead || urgent {
            return;
        }
        if missing.is_empty() && !(unknown && nobody) {
            return;
        }
        let Some(part) = self.ours(segment, demand) else {
            return;
        };
        let chunks = self.view.segments.chunks_of(segment);
        if let Some(chunks) = chunks {
            missing.retain(|chunk| part.contains(*chunk, chunks));
            if missing.is_empty() {
                return;
            }
        }
        if part != Part::WHOLE {
            self.scratch.decisions.push(Decision::Prove(segment));
        }
        match chunks {
            Some(_) => self.fetch(segment, demand, missing, self.at_most(CALM_FETCHES, segment)),
            None if part == Part::WHOLE => {
                self.fetch_all(segment, demand, self.at_most(CALM_FETCHES, segment))
            }
            // Where its parts are is said by the proof.
            None => {}
        }
    }

    /// Does the origin give less than the stream needs?
    fn is_overloaded(&self) -> bool {
        // Fetches beside each other each get a part of what there is.
        let parts = (self.fetches as u32).max(1);
        self.view
            .live
            .is_some_and(|duration| self.segment_fetch() > duration * parts)
    }

    /// The same, and are there peers who may be given it all the same? If everybody asked it for everything then, nobody
    /// would have anything in time for anybody else.
    fn is_starved(&self) -> bool {
        let open = |channel: &Channel| channel.is_open() && !channel.choked;
        self.is_overloaded() && self.view.channels.values().any(open)
    }

    /// Fetches at a time, `usual`ly. An origin that is overloaded is asked for one segment after the other, as players do
    /// it: what more would bring to this one is taken from those who have nothing to play yet.
    fn at_most(&self, usual: usize, segment: u32) -> usize {
        let fetched = self.view.origin.fetches.values().map(|fetch| fetch.segment);
        let decided = self
            .scratch
            .decisions
            .iter()
            .filter_map(|decision| match decision {
                Decision::Fetch(segment, _) => Some(*segment),
                _ => None,
            });
        let waits = self.is_overloaded() && fetched.chain(decided).any(|earlier| earlier < segment);
        if waits { 0 } else { usual }
    }

    /// How long a segment of the usual size takes from the origin, as far as that is known.
    fn segment_fetch(&self) -> Duration {
        let bytes = self.view.segments.probable_size();
        self.view.origin.estimate(bytes, self.now).unwrap_or_default()
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

    /// How long a peer may need for a live chunk that it is asked for; and where less is left than that, what is late
    /// is asked of others as well.
    fn patience(&self, demand: &Demand) -> Option<Duration> {
        let length = self.view.live?;
        Some((demand.pace(length) / 2).min(LIVE_ANSWER))
    }

    /// Asks the peer that would have the chunk here first; `false` when nobody with room has it.
    pub(super) fn ask(&mut self, chunk: u32, demand: &Demand) -> bool {
        let bytes = self.view.segments.chunk_length(chunk) as usize;
        let patience = self.patience(demand).map(|patience| patience.as_secs_f64());
        let may_be_asked = |lane: &Lane<'_>| match patience {
            Some(patience) => lane.queued == 0.0 || lane.completion(bytes as f64) <= patience,
            None => lane.room >= bytes,
        };
        let best = best(&mut self.lanes, chunk, bytes, &may_be_asked);
        let Some(lane) = best else { return false };
        let asked = lane.take(bytes, self.now);
        self.scratch.asked.insert(chunk, asked);
        self.scratch.decisions.push(Decision::Request(lane.link, chunk));
        true
    }

    /// Can a part of a segment not be verified by its proof?
    fn is_too_large_for_parts(&self, segment: u32) -> bool {
        let segments = self.view.segments;
        let chunks = segments.chunks_of(segment).map(ChunkRange::count);
        let probable = || segments.probable_size() / u64::from(segments.chunk_size());
        chunks.unwrap_or_else(probable) > MAX_LEAVES as u64
    }

    /// What it is up to this peer to fetch of a segment that no neighbour has. What is late is needed whole: who else has
    /// a part of it may not be a neighbour, and its proof may never come. So is what failed, and everything
    /// where the origin ignores ranges.
    fn ours(&self, segment: u32, demand: &Demand) -> Option<Part> {
        let late = demand.deadline <= self.now;
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
            return None;
        }
        let known = candidates.len();
        let rank = election::rank(self.view.me, candidates.into_iter(), segment);
        let Some(duration) = self.view.live else {
            return (waited >= PATIENCE * rank).then_some(Part::WHOLE);
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
            whole: late
                || demand.has_failed()
                || self.view.origin.ignores_ranges
                || self.is_too_large_for_parts(segment),
        };
        turn.part(self.view.me)
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
    pub(super) fn fetch(&mut self, segment: u32, demand: &Demand, chunks: &[u32], at_most: usize) {
        if demand.retry_at > self.now {
            return;
        }
        let mut runs = ChunkMap::new();
        chunks.iter().for_each(|&chunk| {
            runs.insert(ChunkRange::one(chunk));
        });
        if self.view.origin.ignores_ranges
            && let [first, .., last] = runs.runs()
            && let Some(hull) = ChunkRange::new(first.start(), last.end())
        {
            // Each run would bring everything up to its end.
            runs.insert(hull);
        }
        for &run in runs.runs() {
            if self.fetches >= at_most {
                return;
            }
            self.fetches += 1;
            self.scratch.decisions.push(Decision::Fetch(segment, run));
        }
    }
}
