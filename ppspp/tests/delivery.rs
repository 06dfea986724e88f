//! Whole swarms on a virtual network: who gets what from whom.

mod harness;

use std::time::Duration;

use harness::World;
use ppspp::swarm::{Event, Input};

/// 30 segments of 2 s at 1.2 Mbit/s.
fn world() -> World {
    World::new(30, 300_000)
}

#[test]
fn alone_plays_without_a_stall_and_fetches_everything_once() {
    let mut world = world();
    let a = world.join();
    world.play(a);
    world.run_to_end();
    assert_eq!(world.nodes[a].fetched, world.size());
    assert_eq!(world.nodes[a].discarded(), 0);
    assert!(
        world.nodes[a].stalls <= Duration::from_millis(500),
        "start-up only: {:?}",
        world.nodes[a].stalls
    );
    // The first segment was needed at once.
    assert_eq!(world.nodes[a].swarm.late_chunks(), 0);
    world.check_bytes(a);
}

#[test]
fn chunks_that_come_after_their_deadline_are_counted() {
    let mut world = world();
    // Two thirds of the bitrate.
    world.origin_rate = 100_000.0;
    let a = world.join();
    world.play(a);
    world.run_to_end();
    assert!(world.nodes[a].stalls > Duration::from_secs(20));
    let late = world.nodes[a].swarm.late_chunks();
    let chunks = world.nodes[a].swarm.has().count();
    // All but the first segments wait for the origin; what came before the player was there is in time.
    assert!(late > chunks / 10 && late < chunks, "{late} of {chunks}");

    // A segment that takes four seconds, and whose chunks are verified together.
    for (seconds, is_late) in [(0, false), (2, true), (10, false)] {
        let mut world = World::new(1, 300_000);
        world.origin_rate = 75_000.0;
        let a = world.join();
        let deadline = world.now + Duration::from_secs(seconds);
        world.input(a, Input::Demand { segment: 0, deadline });
        world.run_until(deadline + Duration::from_secs(10));
        let chunks = world.nodes[a].swarm.has().count();
        assert!(chunks > 10);
        let late = if is_late { chunks } else { 0 };
        assert_eq!(world.nodes[a].swarm.late_chunks(), late, "{seconds} s");
    }
}

#[test]
fn a_second_viewer_gets_nearly_everything_from_the_first() {
    let mut world = world();
    let a = world.join();
    world.play(a);
    world.run_for(Duration::from_secs(20));
    let b = world.join();
    world.input(b, Input::Prospects(true));
    world.play(b);
    // Connecting takes a while.
    world.run_for(Duration::from_secs(2));
    world.connect(b, a);
    world.input(b, Input::Prospects(false));
    world.run_to_end();
    let share = world.nodes[b].bytes_from_peers() as f64 / world.size() as f64;
    assert!(share >= 0.9, "{share}");
    for node in &world.nodes {
        assert!(node.stalls <= Duration::from_millis(500), "{:?}", node.stalls);
        assert_eq!(node.discarded(), 0);
    }
    let total = world.fetched() as f64 / world.size() as f64;
    assert!(total <= 1.1, "origin copies: {total}");
    world.check_bytes(b);
}

#[test]
fn four_viewers_three_seconds_apart_cost_little_more_than_one() {
    let mut world = world();
    for viewer in 0..4 {
        let who = world.join();
        world.input(who, Input::Prospects(viewer > 0));
        world.play(who);
        world.run_for(Duration::from_millis(1500));
        world.connect_all(who);
        world.input(who, Input::Prospects(false));
        world.run_for(Duration::from_millis(1500));
    }
    world.run_to_end();
    let copies = world.fetched() as f64 / world.size() as f64;
    println!("origin copies: {copies}");
    assert!(copies <= 1.25, "origin copies: {copies}");
    let discarded: u64 = world.nodes.iter().map(|node| node.discarded()).sum();
    assert!(
        (discarded as f64) < 0.02 * 4.0 * world.size() as f64,
        "discarded {discarded}"
    );
    let several = world
        .nodes
        .iter()
        .flat_map(|node| &node.events)
        .any(|(_, event)| matches!(event, Event::Segment { peers, .. } if peers.len() >= 2));
    assert!(several, "no segment came from two peers");
    for who in 0..4 {
        assert!(
            world.nodes[who].stalls <= Duration::from_secs(1),
            "{who}: {:?}",
            world.nodes[who].stalls
        );
        world.check_bytes(who);
    }
    let signalling = world.control_bytes as f64 / (4.0 * world.size() as f64);
    assert!(signalling < 0.01, "signalling {signalling}");
}

#[test]
fn a_slow_peer_never_makes_the_player_wait() {
    let mut world = world();
    let a = world.join();
    world.play(a);
    world.run_for(Duration::from_secs(10));
    // A fifth of the bitrate.
    world.nodes[a].uplink = 30_000.0;
    let b = world.join();
    world.play(b);
    world.connect(b, a);
    world.run_to_end();
    assert!(
        world.nodes[b].stalls <= Duration::from_millis(700),
        "{:?}",
        world.nodes[b].stalls
    );
    assert!(
        world.nodes[b].bytes_from_peers() > world.size() / 20,
        "the slow peer is still used"
    );
    world.check_bytes(b);
}

#[test]
fn a_peer_killed_in_the_middle_costs_no_byte_twice() {
    let mut world = world();
    let a = world.join();
    world.play(a);
    world.run_for(Duration::from_secs(20));
    let b = world.join();
    world.play(b);
    world.connect(b, a);
    world.run_for(Duration::from_millis(2350));
    assert!(world.nodes[b].bytes_from_peers() > 0);
    world.kill(a, Duration::from_millis(300));
    world.run_to_end();
    let received = world.nodes[b].bytes_from_peers() + world.nodes[b].bytes_from_origin();
    assert_eq!(received, world.size(), "every byte was kept once");
    assert_eq!(world.nodes[b].discarded(), 0, "and none came twice");
    assert!(
        world.nodes[b].stalls <= Duration::from_millis(700),
        "{:?}",
        world.nodes[b].stalls
    );
    world.check_bytes(b);
}

#[test]
fn a_seek_starts_over_there_without_refetching() {
    let mut world = world();
    let a = world.join();
    world.nodes[a].window = 4;
    world.play(a);
    world.run_for(Duration::from_secs(6));
    let wanted: Vec<u32> = (0..30).collect();
    for segment in wanted {
        world.input(a, Input::Withdraw { segment });
    }
    world.nodes[a].position = 40.0;
    world.run_for(Duration::from_secs(6));
    world.nodes[a].position = 0.0;
    world.run_to_end();
    assert_eq!(world.nodes[a].bytes_from_origin(), world.size());
    assert!(
        world.nodes[a].discarded() < 310_000,
        "at most the one segment that was on its way"
    );
    world.check_bytes(a);
}

#[test]
fn the_same_inputs_give_the_same_run() {
    let run = || {
        let mut world = world();
        for _ in 0..3 {
            let who = world.join();
            world.connect_all(who);
            world.play(who);
            world.run_for(Duration::from_secs(2));
        }
        world.run_to_end();
        world
            .nodes
            .iter()
            .map(|node| format!("{:?}", node.events))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn an_origin_that_fails_is_reported_and_one_that_lies_too() {
    let mut world = world();
    let a = world.join();
    world.nodes[a].origin_works = false;
    world.play(a);
    world.run_for(Duration::from_secs(10));
    assert!(
        world.nodes[a]
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::SegmentFailed { segment: 0 }))
    );
    assert!(world.nodes[a].swarm.has().is_empty());

    let mut world = self::world();
    world.origin_corrupt = true;
    let a = world.join();
    world.play(a);
    world.run_for(Duration::from_secs(3));
    assert!(
        world.nodes[a]
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::OriginMismatch { segment: 0 }))
    );
    assert!(
        world.nodes[a].swarm.has().is_empty(),
        "nothing of it is kept or announced"
    );
}

#[test]
fn with_neighbours_a_dead_origin_is_not_missed() {
    for hangs in [false, true] {
        let mut world = world();
        let a = world.join();
        world.nodes[a].window = 30;
        world.play(a);
        world.run_for(Duration::from_secs(8));
        let b = world.join();
        world.nodes[b].origin_works = hangs;
        world.nodes[b].origin_hangs = hangs;
        world.connect(b, a);
        world.play(b);
        world.run_to_end();
        assert_eq!(world.nodes[b].bytes_from_peers(), world.size());
        assert!(
            !world.nodes[b]
                .events
                .iter()
                .any(|(_, event)| matches!(event, Event::SegmentFailed { .. })),
            "hangs: {hangs}"
        );
        // The first segment was asked of the origin, and is asked of the peer when that has failed.
        let limit = Duration::from_secs(if hangs { 11 } else { 1 });
        assert!(
            world.nodes[b].stalls <= limit,
            "hangs: {hangs}, {:?}",
            world.nodes[b].stalls
        );
    }
}

#[test]
fn an_origin_that_hangs_is_given_up_like_one_that_fails() {
    let mut world = world();
    let a = world.join();
    world.nodes[a].origin_hangs = true;
    world.play(a);
    world.run_for(Duration::from_secs(40));
    assert!(
        world.nodes[a]
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::SegmentFailed { segment: 0 }))
    );
}
