//! Which members a peer is told of, of those that were drawn and may be told (`docs/peer-selection.md`).
//!
//! Whatever a candidate says of itself is unproven, and an attacker may have many peers: so a part of each list is drawn
//! without looking at any of it, and no address block fills a list alone.

mod candidate;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use rand::{Rng, RngExt};
use tracker_protocol::PeerNum;

use crate::prefix::Prefix;
pub(crate) use candidate::{Candidate, Halvings};

/// Bits of the addresses that one party is likely to hold: of IPv4, and of IPv6.
const BLOCK: (u8, u8) = (24, 48);
/// Members that are drawn for each place: enough for the best of them to be good. Looking at one costs half a microsecond
/// in a large swarm, whose peers are in no cache, and that is most of what a list costs.
const DRAWS_PER_PLACE: usize = 4;
/// Least and most members that are drawn for one list.
const DRAWS: (usize, usize) = (16, 64);
/// One place in so many is drawn uniformly at random, and at least one of each list.
const RANDOM_PLACE: usize = 5;
/// Swarms with fewer members than this have each list name somebody strong.
const SMALL: usize = 5;

/// What is asked for, and by whom.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish<'a> {
    /// Peers wanted.
    pub(crate) count: usize,
    /// What they shall be like, as far as they have told.
    pub(crate) peer_num: Option<&'a PeerNum>,
    /// Where the requester is, in the operator's words.
    pub(crate) region: Option<&'a str>,
    /// Members of the swarm.
    pub(crate) members: usize,
}

/// How many members to draw for a list of `count`.
pub(crate) fn draws(count: usize) -> usize {
    (DRAWS_PER_PLACE * count).clamp(DRAWS.0, DRAWS.1)
}

/// Chooses from candidates that are in uniformly random order. Returns their indices, the best likely first. Of
/// candidates that nothing tells apart, all are as likely.
pub(crate) fn choose<R: Rng>(rng: &mut R, wish: &Wish<'_>, candidates: &[Candidate<'_>]) -> Vec<usize> {
    let count = wish.count.min(candidates.len());
    let best = weighted_order(rng, wish, candidates);
    let mut list = List::new(candidates);
    // Where too few blocks are there, the rest may be of the same ones: viewers behind one NAT have each other.
    for cap in [block_cap(count), usize::MAX] {
        let (mut best, mut uniform) = (best.iter().copied(), 0..candidates.len());
        while list.chosen.len() < count {
            let place = list.chosen.len();
            let next = match self::place(place, count) {
                Place::Uniform => uniform.find(|index| list.takes(*index, cap)),
                Place::Weighted => best.find(|index| list.takes(*index, cap)),
            };
            match next {
                Some(index) => list.push(index),
                None => break,
            }
        }
    }
    let mut chosen = list.chosen;
    let is_strong = |index: &usize| candidates[*index].is_strong();
    if wish.members < SMALL
        && !chosen.iter().any(is_strong)
        && let Some(strong) = best.iter().find(|index| is_strong(index))
        && let Some(last) = chosen.last_mut()
    {
        *last = *strong;
    }
    chosen
}

/// How a place in a list is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Likely by somebody good.
    Weighted,
    /// By anybody.
    Uniform,
}

/// How this place (from 0) of a list of `count` is filled. Of a small swarm the last may be somebody strong instead.
pub(crate) fn place(place: usize, count: usize) -> Place {
    match place % RANDOM_PLACE == RANDOM_PLACE - 1 || place + 1 == count {
        true => Place::Uniform,
        false => Place::Weighted,
    }
}

/// Most candidates of one address block in a list of `count`, while there are others.
fn block_cap(count: usize) -> usize {
    (count / 4).max(2)
}

/// The candidates in weighted random order: each is the next with a probability proportional to its weight (Efraimidis
/// and Spirakis 2006).
fn weighted_order<R: Rng>(rng: &mut R, wish: &Wish<'_>, candidates: &[Candidate<'_>]) -> Vec<usize> {
    let arrivals: Vec<f64> = halvings(wish, candidates)
        .iter()
        .map(|halvings| {
            // Above 0 and at most 1, so its logarithm is finite.
            let uniform = 1.0 - rng.random::<f64>();
            -uniform.ln() * halvings.sum().exp2()
        })
        .collect();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| arrivals[*a].total_cmp(&arrivals[*b]));
    order
}

/// How good each candidate is, among these.
pub(crate) fn halvings(wish: &Wish<'_>, candidates: &[Candidate<'_>]) -> Vec<Halvings> {
    // Costs have no unit: what counts is where each lies between the least and the most of those at hand.
    let costs = || candidates.iter().map(|candidate| f64::from(candidate.cost));
    let nearest = costs().fold(f64::INFINITY, f64::min);
    let spread = costs().fold(0.0, f64::max) - nearest;
    let distance = |cost: f32| match spread > 0.0 {
        true => (f64::from(cost) - nearest) / spread,
        false => 0.0,
    };
    let of = |candidate: &Candidate<'_>| candidate.halvings(wish, distance(candidate.cost));
    candidates.iter().map(of).collect()
}

/// A list in the making.
struct List {
    chosen: Vec<usize>,
    is_chosen: Vec<bool>,
    prefixes: Vec<Prefix>,
    of_prefix: HashMap<Prefix, usize>,
}

impl List {
    fn new(candidates: &[Candidate<'_>]) -> Self {
        let prefix = |candidate: &Candidate<'_>| Prefix::around(candidate.address, BLOCK.0, BLOCK.1);
        Self {
            chosen: Vec::new(),
            is_chosen: vec![false; candidates.len()],
            prefixes: candidates.iter().map(prefix).collect(),
            of_prefix: HashMap::new(),
        }
    }

    fn takes(&self, index: usize, cap: usize) -> bool {
        let of_prefix = self.of_prefix.get(&self.prefixes[index]);
        !self.is_chosen[index] && of_prefix.is_none_or(|count| *count < cap)
    }

    fn push(&mut self, index: usize) {
        self.chosen.push(index);
        self.is_chosen[index] = true;
        *self.of_prefix.entry(self.prefixes[index]).or_default() += 1;
    }
}
