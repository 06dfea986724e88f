//! Neighbourhoods alone, against random sequences of everything, and many of them as a swarm.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::candidates::MAX_BANNED;
use super::*;

const NONE: Hints = Hints {
    strong: false,
    weak: false,
};

fn peer(number: u32) -> PeerId {
    let mut id = [0; 32];
    // The order of IDs is not that of numbers.
    id[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
    id[4..8].copy_from_slice(&number.to_be_bytes());
    PeerId(id)
}

fn swarm() -> SwarmId {
    SwarmId::new(&[7; 32])
}

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000_000 + seconds * SECOND)
}

fn neighbourhood(maximum: usize) -> Neighbourhood {
    let mut all = Neighbourhood::new(peer(0), Limits::up_to(maximum), 1);
    all.set_tracker(true);
    all
}

fn listed(all: &mut Neighbourhood, now: Timestamp, numbers: core::ops::Range<u32>) {
    for number in numbers {
        all.found(now, &swarm(), peer(number), Source::Tracker, NONE);
    }
}

fn dials(all: &mut Neighbourhood, now: Timestamp) -> Vec<PeerId> {
    core::iter::from_fn(|| all.next_dial(now).map(|dial| dial.peer)).collect()
}

/// As many of these as are let in come up.
fn come_in(all: &mut Neighbourhood, now: Timestamp, numbers: core::ops::Range<u32>) -> usize {
    let mut accepted = 0;
    for number in numbers {
        if all.admit_offer(now, peer(number)) == Admission::Accept {
            all.up(now, &peer(number));
            accepted += 1;
        }
    }
    accepted
}

#[test]
fn failed_dials_back_off_and_end() {
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..2);
    let mut now = at(0);
    for wait in [30, 60, 120, 240] {
        assert_eq!(dials(&mut all, now), [peer(1)]);
        all.closed(now, &peer(1), Outcome::Ended);
        let due = Timestamp(now.0 + wait * SECOND);
        assert_eq!(all.poll_timeout(now), Some(due));
        assert_eq!(all.next_dial(Timestamp(due.0 - 1)), None);
        now = due;
    }
    assert_eq!(dials(&mut all, now), [peer(1)]);
    all.closed(now, &peer(1), Outcome::Ended);
    assert_eq!((all.poll_timeout(now), all.next_dial(at(100_000))), (None, None));
    listed(&mut all, now, 1..2);
    assert_eq!(all.next_dial(now), None);
    let dial = all.next_dial(at(100_000)).unwrap();
    assert_eq!((dial.peer, dial.swarm, dial.via), (peer(1), swarm(), None));
}

#[test]
fn what_had_worked_is_tried_again_soon() {
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..2);
    assert_eq!(dials(&mut all, at(0)), [peer(1)]);
    all.up(at(1), &peer(1));
    all.closed(at(2), &peer(1), Outcome::Broke);
    assert_eq!(all.poll_timeout(at(2)), Some(at(5)));
    listed(&mut all, at(2), 2..3);
    assert_eq!(dials(&mut all, at(2)), [peer(2)]);
    all.gone(&peer(1), &swarm());
    assert_eq!(all.next_dial(at(5)), None);
}

#[test]
fn the_banned_are_neither_dialled_nor_heard() {
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..2);
    all.ban(peer(1));
    listed(&mut all, at(0), 1..2);
    assert_eq!(all.next_dial(at(0)), None);
    assert!(!all.knock(at(0), peer(1)) && all.is_banned(&peer(1)));
    assert_eq!(all.admit_offer(at(0), peer(1)), Admission::Ignore);
    for number in 2..(MAX_BANNED as u32 + 2) {
        all.ban(peer(number));
    }
    assert!(!all.is_banned(&peer(1)) && all.is_banned(&peer(2)));
}

#[test]
fn offers_are_limited_for_each_and_for_all() {
    let mut all = neighbourhood(16);
    assert_eq!((0..10).filter(|_| all.knock(at(0), peer(1))).count(), 4);
    assert_eq!(
        (2..100).filter(|number| all.knock(at(0), peer(*number))).count(),
        12
    );
    assert!(all.knock(at(1), peer(200)) && !all.knock(at(2), peer(0)));
    assert!(all.knock(at(15), peer(1)) && !all.knock(at(15), peer(1)));
}

#[test]
fn strangers_never_push_out_what_was_named() {
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..2);
    for number in 2..2000 {
        all.knock(at(u64::from(number) * 10), peer(number));
    }
    assert_eq!(all.candidates.iter().count(), MAX_KNOWN);
    assert_eq!(dials(&mut all, at(30_000)), [peer(1)]);
    all.leave(&swarm());
    all.closed(at(30_000), &peer(1), Outcome::Broke);
    assert_eq!(all.next_dial(at(40_000)), None);
}

#[test]
fn dials_are_limited_by_places_and_in_time() {
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..11);
    // Eleven members: all fit.
    assert_eq!(dials(&mut all, at(0)).len(), 8);
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..60);
    assert_eq!(dials(&mut all, at(0)).len(), 6);
    let mut all = neighbourhood(64);
    listed(&mut all, at(0), 1..60);
    let mut now = at(0);
    let mut count = 0;
    while now < at(20) {
        for peer in dials(&mut all, now) {
            all.closed(now, &peer, Outcome::Ended);
            count += 1;
        }
        now = all.poll_timeout(now).unwrap();
    }
    assert_eq!(count, 16 + 9);
}

#[test]
fn who_falls_short_dials_one_more_at_a_time_up_to_the_target() {
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..60);
    let dial = |all: &mut Neighbourhood, now| {
        let dialled = dials(all, now);
        dialled.iter().for_each(|peer| all.up(now, peer));
        dialled.len()
    };
    assert_eq!(dial(&mut all, at(0)), 6);
    // A newcomer has other reasons.
    all.fell_short(at(9));
    assert_eq!(dial(&mut all, at(9)), 0);
    for (more, now) in (1..).zip([10, 15, 20, 25]) {
        all.fell_short(at(now));
        all.fell_short(at(now + 4));
        assert_eq!(dial(&mut all, at(now + 4)), 1, "{more}");
    }
    // Two came by themselves: that makes twelve.
    assert_eq!(come_in(&mut all, at(30), 100..102), 2);
    all.fell_short(at(40));
    assert_eq!(dial(&mut all, at(40)), 0);
}

#[test]
fn half_of_the_places_stay_ours_while_there_is_somebody_to_dial() {
    let mut all = neighbourhood(16);
    assert_eq!(come_in(&mut all, at(0), 1000..1030), 12);
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..60);
    assert_eq!(come_in(&mut all, at(0), 1000..1030), 8);
    assert_eq!(dials(&mut all, at(0)).len(), 4);
    let mut small = neighbourhood(1);
    assert_eq!(come_in(&mut small, at(0), 1..4), 1);
    let mut small = neighbourhood(2);
    listed(&mut small, at(0), 1..3);
    assert_eq!(dials(&mut small, at(0)).len(), 1);
    assert_eq!(come_in(&mut small, at(0), 7..9), 1);
}

#[test]
fn of_two_offers_the_lower_peers_counts() {
    let (low, high) = if peer(1) < peer(2) {
        (peer(1), peer(2))
    } else {
        (peer(2), peer(1))
    };
    for (me, other, admission) in [
        (low, high, Admission::Ignore),
        (high, low, Admission::AcceptReplacing(low)),
    ] {
        let mut all = Neighbourhood::new(me, Limits::up_to(1), 1);
        all.set_tracker(true);
        all.found(at(0), &swarm(), other, Source::Tracker, NONE);
        assert_eq!(dials(&mut all, at(0)), [other]);
        assert_eq!(all.admit_offer(at(0), other), admission);
        all.up(at(1), &other);
        // Who offers anew has lost the connection.
        assert_eq!(all.admit_offer(at(2), other), Admission::AcceptReplacing(other));
    }
}

#[test]
fn peers_by_exchange_need_their_introducer_or_the_tracker() {
    let mut all = neighbourhood(16);
    all.set_tracker(false);
    listed(&mut all, at(0), 1..2);
    let pex = Source::Pex { via: peer(9) };
    all.found(at(0), &swarm(), peer(2), pex, NONE);
    assert_eq!((all.next_dial(at(0)), all.poll_timeout(at(0))), (None, None));
    assert_eq!(come_in(&mut all, at(0), 9..10), 1);
    let dial = all.next_dial(at(0)).unwrap();
    assert_eq!((dial.peer, dial.via), (peer(2), Some(peer(9))));
    all.closed(at(0), &peer(2), Outcome::Ended);
    all.set_tracker(true);
    assert_eq!(dials(&mut all, at(0)), [peer(1)]);
    // The second try goes by the tracker.
    let dial = all.next_dial(at(30)).unwrap();
    assert_eq!((dial.peer, dial.via), (peer(2), None));
}

#[test]
fn no_introducer_takes_more_than_its_share() {
    let mut all = neighbourhood(16);
    all.set_tracker(false);
    assert_eq!(come_in(&mut all, at(0), 900..903), 3);
    for number in 0..60 {
        let pex = Source::Pex {
            via: peer(900 + number % 2),
        };
        all.found(at(0), &swarm(), peer(number + 1), pex, NONE);
    }
    assert_eq!(all.candidates.iter().filter(|known| known.is_named()).count(), 60);
    all.set_size(&swarm(), 10);
    assert_eq!(dials(&mut all, at(0)).len(), 8);
    let mut all = neighbourhood(16);
    all.set_tracker(false);
    assert_eq!(come_in(&mut all, at(0), 900..901), 1);
    for number in 0..60 {
        let pex = Source::Pex { via: peer(900) };
        all.found(at(0), &swarm(), peer(number + 1), pex, NONE);
    }
    assert_eq!(all.candidates.iter().filter(|known| known.is_named()).count(), 32);
    assert_eq!(dials(&mut all, at(0)).len(), 4);
}

#[test]
fn a_quarter_is_kept_for_those_the_tracker_named() {
    let mut all = neighbourhood(16);
    all.set_size(&swarm(), 10);
    assert_eq!(come_in(&mut all, at(0), 900..904), 4);
    for number in 0..60 {
        let pex = Source::Pex {
            via: peer(900 + number % 4),
        };
        all.found(at(0), &swarm(), peer(number + 1), pex, NONE);
    }
    listed(&mut all, at(0), 100..110);
    for peer in dials(&mut all, at(0)) {
        all.up(at(0), &peer);
    }
    come_in(&mut all, at(0), 910..930);
    // Who the tracker names comes in where strangers do not.
    come_in(&mut all, at(0), 100..110);
    let tally = all.tally(None);
    assert!(tally.total - tally.listed <= 12 && tally.listed >= 4, "{tally:?}");
    assert_eq!(tally.total, 16);
}

#[test]
fn strong_peers_come_first_while_the_swarm_is_small() {
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..9);
    let strong = Hints {
        strong: true,
        weak: false,
    };
    all.found(at(0), &swarm(), peer(9), Source::Tracker, strong);
    assert_eq!(all.next_dial(at(0)).unwrap().peer, peer(9));
}

/// Six neighbours that we dialled and six that came in, of which the last `used` exchange; and 23 more that the
/// tracker named.
fn full(used: usize) -> Neighbourhood {
    let mut all = neighbourhood(16);
    listed(&mut all, at(0), 1..30);
    for peer in dials(&mut all, at(0)) {
        all.up(at(0), &peer);
    }
    assert_eq!(come_in(&mut all, at(0), 100..106), 6);
    let peers: Vec<_> = all.neighbours.iter().map(|other| other.peer).collect();
    for peer in &peers[12 - used..] {
        all.exchanged(at(50), peer, 100_000, 0);
    }
    all
}

#[test]
fn the_useless_make_room_for_the_fresh() {
    let mut all = full(11);
    assert_eq!(all.replace(at(59)), None);
    assert_eq!(all.poll_timeout(at(59)), Some(at(89)));
    let first = all.neighbours[0].peer;
    assert_eq!(all.replace(at(89)), Some(first));
    assert!(all.next_dial(at(89)).is_some() && all.next_dial(at(89)).is_none());
    // The others are all of use.
    assert_eq!(all.replace(at(119)), None);
    // Where all are, nobody goes; where nobody is, they go slowly.
    assert_eq!(full(12).replace(at(89)), None);
    let mut idle = full(0);
    assert!(idle.replace(at(89)).is_some());
    assert!(idle.next_dial(at(89)).is_some());
    assert_eq!(idle.poll_timeout(at(90)), Some(at(389)));
}

#[test]
fn a_newcomer_may_take_the_place_of_a_useless_one() {
    let mut all = full(6);
    let used: Vec<_> = (100..106).map(peer).collect();
    for peer in &used {
        all.neighbour_mut(peer).unwrap().useful = 0;
    }
    all.exchanged(at(50), &all.neighbours[0].peer.clone(), 1000, 0);
    assert_eq!(come_in(&mut all, at(60), 200..202), 2);
    let Admission::AcceptReplacing(victim) = all.admit_offer(at(60), peer(300)) else {
        panic!()
    };
    assert!(used.contains(&victim));
    assert_eq!(all.admit_offer(at(60), peer(301)), Admission::Refuse);
    // Who was of no use does not push out others.
    assert_eq!(all.admit_offer(at(95), victim), Admission::Refuse);
    assert!(matches!(
        all.admit_offer(at(95), peer(301)),
        Admission::AcceptReplacing(_)
    ));
}

#[test]
fn surplus_neighbours_end() {
    let mut all = neighbourhood(16);
    assert_eq!(come_in(&mut all, at(0), 1..9), 8);
    assert_eq!(all.set_limits(Limits::up_to(6)), [peer(7), peer(8)]);
}

#[test]
fn replacement_never_oscillates() {
    let (mut useful, mut neighbours) = (0, 0);
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut all = Neighbourhood::new(peer(0), Limits::up_to(16), seed);
        all.set_tracker(true);
        listed(&mut all, at(0), 1..30);
        let mut given_up: Vec<(u64, PeerId)> = Vec::new();
        for second in 0..7200 {
            let now = at(second);
            let victim = all.replace(now).or_else(|| {
                let peer = peer(rng.u32(1..60));
                match all.admit_offer(now, peer) {
                    Admission::Accept => all.up(now, &peer),
                    Admission::AcceptReplacing(victim) => {
                        all.up(now, &peer);
                        return (victim != peer).then_some(victim);
                    }
                    _ => {}
                }
                None
            });
            if let Some(victim) = victim {
                if let Some((last, _)) = given_up.last() {
                    assert!(second - last >= 30);
                }
                let before = given_up.iter().rev().find(|(_, peer)| *peer == victim);
                assert!(before.is_none_or(|(last, _)| second - last >= 60));
                given_up.push((second, victim));
            }
            for peer in dials(&mut all, now) {
                all.up(now, &peer);
            }
            // Half of the peers never give anything.
            let peers: Vec<_> = all.neighbours.iter().map(|other| other.peer).collect();
            for peer in peers.into_iter().filter(|peer| peer.0[7] % 2 == 0) {
                all.exchanged(now, &peer, rng.u64(0..100_000), 0);
            }
        }
        assert!(!given_up.is_empty());
        useful += all
            .neighbours
            .iter()
            .filter(|other| other.peer.0[7] % 2 == 0)
            .count();
        neighbours += all.neighbours.len();
    }
    assert!(useful * 3 > neighbours * 2, "{useful} of {neighbours}");
}

#[test]
fn places_that_were_added_do_not_go_past_the_limit_when_the_swarm_becomes_small() {
    let mut all = neighbourhood(5);
    all.set_size(&swarm(), 100);
    all.extra = 4;
    let large = all.own_places();
    all.set_size(&swarm(), 2);
    let most = 5_usize.div_ceil(2).max(all.limits.target);
    assert!(large <= most && all.own_places() == most);
}

#[derive(Clone, Debug)]
enum Step {
    Found(u32, Option<u32>),
    Dial,
    Offer(u32),
    Up(usize),
    Closed(usize, bool),
    Exchanged(usize, u32),
    Replace,
    FellShort,
    Ban(u32),
    Gone(u32),
    Leave,
    Tracker(bool),
    Size(u32),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 1_u32..400;
    prop_oneof![
        6 => (number.clone(), prop::option::of(1_u32..40)).prop_map(|(peer, via)| Step::Found(peer, via)),
        6 => Just(Step::Dial),
        6 => number.clone().prop_map(Step::Offer),
        6 => any::<usize>().prop_map(Step::Up),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, broke)| Step::Closed(which, broke)),
        4 => (any::<usize>(), any::<u32>()).prop_map(|(which, bytes)| Step::Exchanged(which, bytes)),
        2 => Just(Step::Replace),
        2 => Just(Step::FellShort),
        1 => number.clone().prop_map(Step::Ban),
        1 => number.prop_map(Step::Gone),
        1 => Just(Step::Leave),
        1 => any::<bool>().prop_map(Step::Tracker),
        1 => (0_u32..40).prop_map(Step::Size),
        4 => (0_u64..120).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bounds_hold_whatever_happens(steps in prop::collection::vec(step(), 1..600), maximum in 1_usize..40) {
        let mut all = neighbourhood(maximum);
        let mut now = at(0);
        // What a driver has: peer, did we dial it, who named it.
        let mut links: Vec<(PeerId, bool)> = Vec::new();
        let mut banned = BTreeSet::new();
        let mut dialled: Vec<Timestamp> = Vec::new();
        for step in steps {
            let pick = |which: usize| (!links.is_empty()).then(|| links[which % links.len()].0);
            match step {
                Step::Found(number, via) => {
                    let source = via.map_or(Source::Tracker, |via| Source::Pex { via: peer(via) });
                    all.found(now, &swarm(), peer(number), source, NONE);
                }
                Step::Dial => if let Some(dial) = all.next_dial(now) {
                    prop_assert!(links.iter().all(|(other, _)| *other != dial.peer));
                    prop_assert!(!banned.contains(&dial.peer));
                    links.push((dial.peer, true));
                    dialled.push(now);
                },
                Step::Offer(number) => {
                    let before = links.len();
                    match all.admit_offer(now, peer(number)) {
                        Admission::Accept => links.push((peer(number), false)),
                        Admission::AcceptReplacing(victim) => {
                            prop_assert!(links.iter().any(|(other, _)| *other == victim));
                            if victim != peer(number) {
                                links.retain(|(other, _)| *other != victim);
                                links.push((peer(number), false));
                            }
                            prop_assert_eq!(links.len(), before);
                        }
                        Admission::Refuse | Admission::Ignore => {}
                    }
                }
                Step::Up(which) => if let Some(peer) = pick(which) {
                    all.up(now, &peer);
                },
                Step::Closed(which, broke) => if let Some(peer) = pick(which) {
                    links.retain(|(other, _)| *other != peer);
                    all.closed(now, &peer, if broke { Outcome::Broke } else { Outcome::Ended });
                },
                Step::Exchanged(which, bytes) => if let Some(peer) = pick(which) {
                    all.exchanged(now, &peer, bytes.into(), 0);
                },
                Step::Replace => if let Some(victim) = all.replace(now) {
                    prop_assert!(links.iter().any(|(other, _)| *other == victim));
                    links.retain(|(other, _)| *other != victim);
                    let dial = all.next_dial(now);
                    // Without a tracker, the victim may have been the only way to the one that was to come.
                    prop_assert!(dial.is_some() || !all.tracker);
                    if let Some(dial) = dial {
                        links.push((dial.peer, true));
                        dialled.push(now);
                    }
                },
                Step::FellShort => all.fell_short(now),
                Step::Ban(number) => {
                    all.ban(peer(number));
                    banned.insert(peer(number));
                    links.retain(|(other, _)| *other != peer(number));
                    all.closed(now, &peer(number), Outcome::Ended);
                }
                Step::Gone(number) => all.gone(&peer(number), &swarm()),
                Step::Leave => all.leave(&swarm()),
                Step::Tracker(joined) => all.set_tracker(joined),
                Step::Size(members) => all.set_size(&swarm(), members),
                Step::Wait(seconds) => now.0 += seconds * SECOND,
            }
            let tally = all.tally(None);
            prop_assert_eq!(links.len(), tally.total);
            prop_assert!(tally.total <= maximum && tally.dialling <= MAX_DIALS);
            prop_assert!(tally.outgoing <= maximum.div_ceil(2).max(all.limits.target));
            prop_assert!(tally.total - tally.outgoing <= (maximum - maximum / 4).max(1));
            prop_assert!(all.candidates.iter().count() <= MAX_KNOWN);
            for number in 1..40 {
                let named = all.neighbours.iter().filter(|other| other.introducer == Some(peer(number)));
                prop_assert!(named.count() <= (maximum / 4).max(1));
            }
            let recent = dialled.iter().filter(|time| time.0 + 60 * SECOND > now.0).count();
            prop_assert!(recent <= 16 + 30);
            if let Some(due) = all.poll_timeout(now) && due <= now {
                // Whoever is woken finds something to do, once.
                let mut woken = (all.replace(now), all.next_dial(now));
                if woken.0.is_none() && woken.1.is_none() {
                    prop_assert!(all.poll_timeout(now).is_none_or(|due| due > now));
                }
                if let Some(victim) = woken.0.take() {
                    links.retain(|(other, _)| *other != victim);
                }
                if let Some(dial) = woken.1.take() {
                    links.push((dial.peer, true));
                    dialled.push(now);
                }
            }
        }
    }
}

/// Neighbourhoods whose signals take random times.
struct Swarms {
    nodes: Vec<Neighbourhood>,
    /// For each node: the attempt it has with a peer, and whether it is up.
    attempts: Vec<BTreeMap<PeerId, (u32, bool)>>,
    numbers: BTreeMap<PeerId, usize>,
    queue: BTreeMap<(Timestamp, u32), (usize, PeerId, u32, Signal)>,
    sent: u32,
    rng: fastrand::Rng,
}

#[derive(Clone, Copy, Debug)]
enum Signal {
    Offer,
    Answer,
    Open,
    Bye,
    Expired,
}

impl Swarms {
    fn new(seed: u64) -> Self {
        Self {
            nodes: Vec::new(),
            attempts: Vec::new(),
            numbers: BTreeMap::new(),
            queue: BTreeMap::new(),
            sent: 0,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// One more node, whom the tracker tells of `list` others, drawn at random.
    fn join(&mut self, now: Timestamp, maximum: usize, list: usize) {
        let number = self.nodes.len();
        let id = peer(number as u32);
        let mut node = Neighbourhood::new(id, Limits::up_to(maximum), self.rng.u64(..));
        node.set_tracker(true);
        let mut others: Vec<usize> = (0..number).collect();
        crate::random::shuffle(&mut self.rng, &mut others);
        for other in others.into_iter().take(list) {
            node.found(now, &swarm(), peer(other as u32), Source::Tracker, NONE);
        }
        self.numbers.insert(id, number);
        self.nodes.push(node);
        self.attempts.push(BTreeMap::new());
        self.run_node(now, number);
    }

    fn run_node(&mut self, now: Timestamp, number: usize) {
        if let Some(victim) = self.nodes[number].replace(now) {
            self.end(now, number, victim);
        }
        while let Some(dial) = self.nodes[number].next_dial(now) {
            let attempt = self.sent;
            self.attempts[number].insert(dial.peer, (attempt, false));
            self.send(now, number, dial.peer, attempt, Signal::Offer);
            self.sent += 1;
            self.queue.insert(
                (Timestamp(now.0 + 50 * SECOND), self.sent),
                (number, dial.peer, attempt, Signal::Expired),
            );
        }
    }

    fn end(&mut self, now: Timestamp, number: usize, other: PeerId) {
        if let Some((attempt, _)) = self.attempts[number].remove(&other) {
            self.send(now, number, other, attempt, Signal::Bye);
        }
    }

    fn send(&mut self, now: Timestamp, from: usize, to: PeerId, attempt: u32, signal: Signal) {
        self.sent += 1;
        let arrival = Timestamp(now.0 + self.rng.u64(1000..300_000));
        let (from, to) = (peer(from as u32), self.numbers[&to]);
        self.queue
            .insert((arrival, self.sent), (to, from, attempt, signal));
    }

    fn run_until(&mut self, end: Timestamp) {
        while let Some((&(now, _), _)) = self.queue.first_key_value() {
            if now > end {
                break;
            }
            let (_, (number, other, attempt, signal)) = self.queue.pop_first().unwrap();
            self.receive(now, number, other, attempt, signal);
            self.run_node(now, number);
        }
        for number in 0..self.nodes.len() {
            self.run_node(end, number);
        }
    }

    fn receive(&mut self, now: Timestamp, number: usize, other: PeerId, attempt: u32, signal: Signal) {
        let current = self.attempts[number].get(&other).copied();
        let ours = current.is_some_and(|(current, _)| current == attempt);
        match signal {
            Signal::Offer => match self.nodes[number].admit_offer(now, other) {
                Admission::Ignore => {}
                Admission::Refuse => self.send(now, number, other, attempt, Signal::Bye),
                admission => {
                    if let Admission::AcceptReplacing(victim) = admission
                        && victim != other
                    {
                        self.end(now, number, victim);
                    }
                    self.attempts[number].insert(other, (attempt, false));
                    self.send(now, number, other, attempt, Signal::Answer);
                }
            },
            Signal::Answer | Signal::Open if ours => {
                self.nodes[number].up(now, &other);
                self.attempts[number].insert(other, (attempt, true));
                if matches!(signal, Signal::Answer) {
                    self.send(now, number, other, attempt, Signal::Open);
                }
            }
            Signal::Answer | Signal::Open => self.send(now, number, other, attempt, Signal::Bye),
            Signal::Bye if ours => {
                self.attempts[number].remove(&other);
                self.nodes[number].closed(now, &other, Outcome::Broke);
            }
            Signal::Expired if current == Some((attempt, false)) => {
                self.attempts[number].remove(&other);
                self.nodes[number].closed(now, &other, Outcome::Ended);
            }
            Signal::Bye | Signal::Expired => {}
        }
    }

    /// Peers connected with a node; both ends agree on the attempt.
    fn degree(&self, number: usize) -> usize {
        let mine = self.attempts[number].iter();
        mine.filter(|(other, attempt)| {
            let theirs = &self.attempts[self.numbers[*other]];
            attempt.1 && theirs.get(&peer(number as u32)) == Some(attempt)
        })
        .count()
    }
}

#[test]
fn every_two_peers_of_a_small_swarm_end_with_one_link() {
    for seed in 0..100 {
        for (count, maximum) in [(2, 1), (2, 2), (2, 16), (3, 4), (9, 16)] {
            let mut swarms = Swarms::new(seed);
            for _ in 0..count {
                swarms.join(at(0), maximum, count);
            }
            // The tracker tells those who came first of the others, at the same moment.
            for number in 0..count {
                listed(&mut swarms.nodes[number], at(0), 0..count as u32);
                swarms.run_node(at(0), number);
            }
            for second in (0..300).step_by(5) {
                swarms.run_until(at(second));
            }
            for number in 0..count {
                assert_eq!(
                    swarms.degree(number),
                    count - 1,
                    "seed {seed}, {count} peers, maximum {maximum}"
                );
                assert_eq!(swarms.nodes[number].tally(None).total, count - 1);
            }
        }
    }
}

#[test]
fn newcomers_of_a_crowd_all_get_in() {
    let mut swarms = Swarms::new(5);
    for number in 0..400_u64 {
        swarms.join(at(number / 20), 16, 10);
        swarms.run_until(at(number / 20));
    }
    for second in 20..40 {
        swarms.run_until(at(second));
    }
    let degrees: Vec<_> = (0..400).map(|number| swarms.degree(number)).collect();
    assert!(
        degrees.iter().all(|degree| (3..=16).contains(degree)),
        "{degrees:?}"
    );
    assert!(degrees.iter().sum::<usize>() >= 400 * 9, "{degrees:?}");
}
