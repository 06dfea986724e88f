//! A thousand viewers with a fixed seed: the figures that must not get worse.

use shoal_sim::{Report, run};

fn healthy(report: &Report) {
    let (quality, traffic) = (&report.quality, &report.traffic);
    assert_eq!(quality.never_started, 0);
    assert!(quality.stall_ratio < 0.001, "stalled {}", quality.stall_ratio);
    assert!(traffic.control_share < 0.01, "control {}", traffic.control_share);
    let have = traffic.have_per_neighbour_minute;
    assert!(have < 1024.0, "HAVE bytes for a neighbour in a minute: {have}");
    // Of all that is said, whether anything is transferred or not, once everybody knows the others.
    let availability = traffic.availability_per_neighbour_minute_steady;
    assert!(
        (1.0..1024.0).contains(&availability),
        "without requests: {availability}, {:?}",
        traffic.control
    );
    assert!(
        traffic.discarded_peers < 0.05,
        "discarded {}",
        traffic.discarded_peers
    );
    assert_eq!((traffic.bad_segments, traffic.honest_banned), (0, 0));
    assert_eq!(
        (traffic.refused, traffic.unproven, traffic.failed_segments),
        (0, 0, 0)
    );
}

#[test]
fn of_one_video() {
    let report = run(include_str!("../scenarios/vod-1000.toml"), 1).unwrap();
    healthy(&report);
    let (quality, traffic) = (&report.quality, &report.traffic);
    assert!(
        quality.start_up_median_ms < 400.0,
        "start-up {}",
        quality.start_up_median_ms
    );
    assert!(traffic.origin_share < 0.15, "origin {}", traffic.origin_share);
}

#[test]
fn of_a_live_stream() {
    // Shorter than the scenario itself: a build machine has a minute for it.
    let text = include_str!("../scenarios/live-1000.toml").replace("duration_s = 240", "duration_s = 120");
    let report = run(&text, 1).unwrap();
    healthy(&report);
    let (quality, traffic) = (&report.quality, &report.traffic);
    assert!(
        quality.start_up_median_ms < 900.0,
        "start-up {}",
        quality.start_up_median_ms
    );
    let copies = traffic.origin_copies_steady;
    assert!(copies < 20.0, "origin copies once all have arrived: {copies}");
}
