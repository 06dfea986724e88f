//! The scheduler: which chunk is asked of whom, and when the origin is asked instead.
//!
//! Every demand (a segment the player wants) has a deadline. Far from it only peers are asked, the rarest segments
//! first and several peers in parallel; a segment that no neighbour has is fetched from the origin by one elected
//! peer, in a large live swarm in parts by several ([`crate::election`]). Near the deadline the origin is asked for the
//! chunk ranges that the peers would not deliver in time. Nothing is asked for twice, but near the deadline, where a late
//! chunk is asked for again. Live, a chunk that waits at a slow peer is taken back for a fast one, and one that is still
//! not there when little time is left is asked of one more peer after another.
//!
//! Inside a segment the chunks that fewest neighbours have come first, and each peer begins somewhere else: those that
//! download the same segment then have something to give each other.

mod demand;
mod late;
mod plan;
#[cfg(test)]
mod tests;

use core::time::Duration;

use crate::channel::Channel;
use crate::checks::Checks;
use crate::origin::Origin;
use crate::sorted_map::SortedMap;
use crate::{ChunkMap, ChunkRange, LinkId, PeerId, Segments, Timestamp};
use demand::Demand;
use plan::{Asked, Plan};

/// Segments whose deadline is closer than this are taken in order of their deadlines, later ones by rarity.
const NEAR: Duration = Duration::from_secs(10);
/// A neighbour that never answers rests this long after the first time-out, doubling.
const REST: Duration = Duration::from_secs(5);
/// Longest rest.
const LONGEST_REST: Duration = Duration::from_secs(120);
/// Live segments taken from peers before the player asks for them.
const AHEAD: u32 = 2;

/// What the picker wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Ask a peer for a chunk.
    Request(LinkId, u32),
    /// Tell a peer that a chunk is no longer wanted of it.
    Cancel(LinkId, u32),
    /// Fetch chunks of one segment from the origin.
    Fetch(u32, ChunkRange),
    /// Fetch a live segment's proof: without it a part of the segment cannot be verified.
    Prove(u32),
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
        let mut demand = Demand::new(deadline, now);
        demand.ahead = true;
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
        self.demands
            .get_mut(segment)
            .is_some_and(|demand| demand.failed(now))
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
