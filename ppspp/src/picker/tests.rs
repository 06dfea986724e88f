use super::*;
use crate::channel::{Request, State};
use crate::segment_table::Segment;
use crate::{Hash, SegmentTable, SwarmMetadata};

const NOW: Timestamp = Timestamp(60_000_000);
const CHUNK: u32 = 1000;
const ME: PeerId = PeerId([1; 32]);

fn ago(time: Duration) -> Timestamp {
    Timestamp(NOW.0 - time.as_micros() as u64)
}

/// Chunks 0 to 31 are the one segment.
fn metadata() -> SwarmMetadata {
    metadata_of(5)
}

/// One segment of so many layers, full.
fn metadata_of(bits: u8) -> SwarmMetadata {
    let segments = vec![Segment {
        size: u64::from(CHUNK) << bits,
        root: Hash::of_chunk(b"x"),
    }];
    let table = SegmentTable { segments };
    SwarmMetadata::new(table.swarm_id(), CHUNK, bits, table).unwrap()
}

/// Three segments of 32 chunks.
fn metadata_of_three() -> SwarmMetadata {
    let segment = Segment {
        size: u64::from(CHUNK) << 5,
        root: Hash::of_chunk(b"x"),
    };
    let table = SegmentTable {
        segments: vec![segment; 3],
    };
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
    planned_of(&metadata(), channels, origin, members, plan)
}

fn planned_of(
    metadata: &SwarmMetadata,
    channels: &SortedMap<LinkId, Channel>,
    origin: &Origin,
    members: u32,
    plan: impl FnOnce(&mut Plan<'_>),
) -> Scratch {
    let segments = Segments::new(metadata);
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
        plan.help_out(1, None);
        // Twice in one go nothing moves: it has just been asked for.
        plan.help_out(1, None);
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
        // This one has something to do.
        (FAST, &[2], JUST_NOW),
    ]);
    let (slow, fast) = (LinkId(0), LinkId(2));
    let decisions = vec![Decision::Cancel(slow, 1), Decision::Request(fast, 1)];
    assert_eq!(moved_over(&channels), (decisions, fast));
}

#[test]
fn what_waits_at_a_slow_peer_moves_to_a_busy_one_that_is_much_faster() {
    let channels = neighbours(&[(SLOW, &[0, 1], LONG), (FAST, &[2], JUST_NOW)]);
    let (slow, fast) = (LinkId(0), LinkId(1));
    let decisions = vec![Decision::Cancel(slow, 1), Decision::Request(fast, 1)];
    assert_eq!(moved_over(&channels), (decisions, fast));
}

#[test]
fn what_was_asked_of_two_moves_to_a_third() {
    let waits = [(SLOW, &[0, 1][..], LONG), (SLOW / 2, &[0, 1], LONG)];
    assert_eq!(moved_over(&neighbours(&waits)), STAYS);
    let channels = neighbours(&[waits[0], waits[1], (FAST, &[], LONG)]);
    let (slow, fast) = (LinkId(0), LinkId(2));
    let decisions = vec![Decision::Cancel(slow, 1), Decision::Request(fast, 1)];
    assert_eq!(moved_over(&channels), (decisions, fast));
}

/// Who is asked for chunk 1 besides, with so much time left.
fn asked_besides(channels: &SortedMap<LinkId, Channel>, left: Duration) -> Vec<Decision> {
    let scratch = planned(channels, &Origin::default(), 0, |plan| {
        plan.help_out(1, Some(left));
        // And not yet another in the same go.
        plan.help_out(1, Some(left));
    });
    scratch.decisions
}

#[test]
fn what_is_late_is_asked_of_one_more() {
    let second = Duration::from_secs(1);
    // It is on its way from there, but who knows.
    let waits = (SLOW, &[1][..], LONG);
    let others = [(FAST, &[][..], LONG), (2 * FAST, &[2][..], JUST_NOW)];
    let channels = neighbours(&[waits, others[0], others[1]]);
    let besides = vec![Decision::Request(LinkId(1), 1)];
    assert_eq!(asked_besides(&channels, second), besides);
    // Both were asked: the third is, where the second was so long ago.
    let again = |since| neighbours(&[waits, (FAST, &[1], since), (FAST, &[2], JUST_NOW)]);
    assert_eq!(
        asked_besides(&again(LONG), second),
        [Decision::Request(LinkId(2), 1)]
    );
    assert_eq!(asked_besides(&again(SHORT), second), []);
    // Nobody is asked twice, however much time there is.
    let all = neighbours(&[waits, (FAST, &[1], LONG)]);
    assert_eq!(asked_besides(&all, 10 * second), []);
    // It would come too late from everybody else.
    assert_eq!(asked_besides(&channels, Duration::from_millis(50)), []);
    let slower = neighbours(&[waits, (SLOW / 2, &[], LONG)]);
    assert_eq!(asked_besides(&slower, second), []);
    // It has only just been asked for, or of nobody.
    let just = neighbours(&[(SLOW, &[1], SHORT), others[0]]);
    assert_eq!(asked_besides(&just, second), []);
    assert_eq!(asked_besides(&neighbours(&others), second), []);
}

#[test]
fn of_two_who_were_asked_the_sooner_counts() {
    let channels = neighbours(&[(FAST, &[1], LONG), (SLOW, &[0, 1], SHORT)]);
    let scratch = planned(&channels, &Origin::default(), 0, |_| {});
    let asked = scratch.asked.get(1).unwrap();
    assert_eq!((asked.link, asked.sent), (LinkId(0), ago(SHORT)));
}

#[test]
fn what_was_late_once_is_given_up_for_the_origin_near_its_deadline() {
    let given_up = |of: &[(u32, &[u32], Duration)]| {
        let left = Duration::from_millis(600);
        let scratch = planned(&neighbours(of), &Origin::default(), 0, |plan| {
            plan.give_up_late(&[1], left, false);
        });
        !scratch.decisions.is_empty()
    };
    assert!(!given_up(&[(FAST, &[1], JUST_NOW)]));
    assert!(given_up(&[(SLOW, &[1], JUST_NOW)]));
    assert!(given_up(&[(FAST, &[1], LONG), (FAST, &[1], JUST_NOW)]));
}

#[test]
fn little_time_is_when_the_slowest_answer_would_be_too_late() {
    let channels = neighbours(&[(SLOW, &[1], LONG), (FAST, &[], LONG)]);
    let besides = |left, ahead| {
        let mut demand = Demand::new(NOW + left, NOW);
        demand.ahead = ahead;
        let mut origin = Origin::default();
        origin.measure(10_000_000, NOW);
        let scratch = planned(&channels, &origin, 0, |plan| plan.segment(0, &demand));
        scratch.decisions.contains(&Decision::Request(LinkId(1), 1))
    };
    // Segments of two seconds: half of that.
    assert!(besides(Duration::from_millis(1000), false));
    assert!(!besides(Duration::from_millis(1001), false));
    assert!(!besides(Duration::from_millis(1000), true));
}

/// Is the origin, which gives so many bytes a second, asked for a segment that is needed in a second?
fn asks_origin(rate: u32, neighbours: &SortedMap<LinkId, Channel>, members: u32) -> bool {
    let mut origin = Origin::default();
    origin.measure(rate, NOW);
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
fn an_overloaded_origin_is_asked_for_one_after_the_other() {
    let asks = |rate, segment, under_way: &[u32]| {
        let mut origin = Origin::default();
        origin.measure(rate, NOW);
        for other in under_way {
            origin.start(*other, ChunkRange::one(other * 32), NOW);
        }
        let demand = Demand::new(NOW + Duration::from_secs(1), NOW);
        let plan = |plan: &mut Plan<'_>| plan.segment(segment, &demand);
        let scratch = planned_of(&metadata_of_three(), &SortedMap::new(), &origin, 0, plan);
        !scratch.decisions.is_empty()
    };
    assert!(asks(20_000, 1, &[0]) && asks(20_000, 2, &[0, 1, 1]) && !asks(20_000, 1, &[0, 0, 0, 0]));
    assert!(asks(5000, 1, &[]) && !asks(5000, 1, &[0]));
    // The rest of a segment, and what is needed before it, need not wait.
    assert!(asks(5000, 1, &[1]) && asks(5000, 1, &[2]) && !asks(3000, 1, &[2, 0]));
    // What three share is a third of what it gives.
    assert!(asks(5000, 2, &[0, 1, 1]));
}

#[test]
fn where_ranges_are_ignored_one_fetch_brings_all_that_is_missing() {
    let fetched = |ignores_ranges| {
        let mut origin = Origin::default();
        origin.ignores_ranges = ignores_ranges;
        let demand = Demand::new(NOW + Duration::from_secs(1), NOW);
        let plan = |plan: &mut Plan<'_>| plan.fetch(0, &demand, &[3, 4, 9, 20], 4);
        planned(&SortedMap::new(), &origin, 0, plan).decisions
    };
    let run = |start, end| Decision::Fetch(0, ChunkRange::new(start, end).unwrap());
    assert_eq!(fetched(false), [run(3, 4), run(9, 9), run(20, 20)]);
    assert_eq!(fetched(true), [run(3, 20)]);
}

/// What is fetched by turn of a segment of so many layers that nobody has, needed in so many seconds, of an origin that
/// gives so much a second.
fn fetched_by_turn(bits: u8, rate: u32, left: u64) -> Vec<Decision> {
    fetched_beside(&[], bits, rate, &waited_for(left))
}

/// It has been waited for so long that this peer's turn has come, and is needed in so many seconds.
fn waited_for(left: u64) -> Demand {
    let mut demand = Demand::new(NOW + Duration::from_secs(left), NOW);
    demand.since = ago(Duration::from_secs(50));
    demand
}

/// The same where a neighbour has these chunks.
fn fetched_beside(has: &[u32], bits: u8, rate: u32, demand: &Demand) -> Vec<Decision> {
    let mut some = neighbours(&[(FAST, &[], LONG)]);
    let theirs = &mut some.get_mut(LinkId(0)).unwrap().has;
    *theirs = ChunkMap::new();
    has.iter().for_each(|chunk| {
        theirs.insert(ChunkRange::one(*chunk));
    });
    let mut origin = Origin::default();
    origin.measure(rate, NOW);
    let metadata = metadata_of(bits);
    // So many that each fetches a quarter.
    let scratch = planned_of(&metadata, &some, &origin, 400, |plan| plan.segment(0, demand));
    let decisions = scratch.decisions.into_iter();
    decisions
        .filter(|decision| !matches!(decision, Decision::Request(..)))
        .collect()
}

#[test]
fn a_part_is_fetched_in_two_runs_at_a_time_and_only_what_nobody_has() {
    let odd: Vec<u32> = (0..16).map(|n| 2 * n + 1).collect();
    let fetched = fetched_beside(&odd, 5, u32::MAX, &waited_for(10));
    let [
        Decision::Prove(0),
        Decision::Fetch(0, one),
        Decision::Fetch(0, other),
    ] = fetched[..]
    else {
        panic!("{fetched:?}");
    };
    assert_eq!((one.count(), other.count()), (1, 1));
    assert_eq!((one.start() % 2, other.start()), (0, one.start() + 2));
    // Not even the proof, where others have this peer's own part.
    let Some(Decision::Fetch(0, part)) = fetched_by_turn(5, u32::MAX, 10).last().copied() else {
        panic!("no part is fetched");
    };
    assert_eq!(part.count(), 8);
    let part: Vec<u32> = part.chunks().collect();
    assert_eq!(fetched_beside(&part, 5, u32::MAX, &waited_for(10)), []);
    let all: Vec<u32> = (0..32).collect();
    assert_eq!(fetched_beside(&all, 5, u32::MAX, &waited_for(10)), []);
}

#[test]
fn what_is_late_or_failed_or_too_large_for_its_proof_is_not_fetched_in_parts() {
    let fetched = |of: &[Decision]| match of {
        [Decision::Prove(0), Decision::Fetch(0, chunks)] => chunks.count() * 4,
        // All there is.
        [Decision::Fetch(0, chunks)] => chunks.count() + 1,
        _ => 0,
    };
    // Far from its deadline.
    assert_eq!(fetched(&fetched_by_turn(12, u32::MAX, 10)), 1 << 12);
    assert_eq!(fetched(&fetched_by_turn(13, u32::MAX, 10)), (1 << 13) + 1);
    // Of an origin that may not know ranges.
    let mut failed = waited_for(10);
    failed.failed(ago(LONG));
    assert_eq!(fetched(&fetched_beside(&[], 5, u32::MAX, &failed)), 33);
    // Of an overloaded origin, near the deadline and after it.
    assert_eq!(fetched(&fetched_by_turn(5, 5000, 1)), 32);
    assert_eq!(fetched(&fetched_by_turn(5, 5000, 0)), 33);
    // Of one that is not nobody's turn has to come.
    assert_eq!(fetched(&fetched_by_turn(5, 1_000_000, 0)), 33);
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
    // It would come sooner from one that is busy, but not much.
    let busy = (3 * SLOW / 2, &[2][..], JUST_NOW);
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
