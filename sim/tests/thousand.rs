//! A thousand viewers, static and live, with a fixed seed: the figures that must not get worse. Slow without
//! optimisation: `cargo test --release --package shoal-sim`.

use shoal_sim::{Report, run};

fn healthy(report: &Report) {
    let (quality, traffic) = (&report.quality, &report.traffic);
    assert_eq!(quality.never_started, 0, "{report:?}");
    assert!(quality.stall_ratio < 0.001, "stalled {}", quality.stall_ratio);
    assert!(traffic.control_share < 0.01, "control {}", traffic.control_share);
    let have = traffic.have_per_neighbour_minute;
    assert!(have < 1024.0, "HAVE bytes for a neighbour in a minute: {have}");
    assert_eq!((traffic.bad_segments, traffic.honest_banned), (0, 0));
    assert_eq!(
        (traffic.refused, traffic.unproven, traffic.failed_segments),
        (0, 0, 0)
    );
}

#[test]
fn vod() {
    let report = run(include_str!("../scenarios/vod-1000.toml"), 1).unwrap();
    healthy(&report);
    assert!(report.quality.start_up_median_ms < 400.0, "{:?}", report.quality);
    assert!(
        report.traffic.origin_share < 0.15,
        "{}",
        report.traffic.origin_share
    );
    assert!(report.traffic.discarded_peers < 0.02);
}

#[test]
fn live() {
    // Shorter than the scenario itself: a build machine has a minute for it.
    let text = include_str!("../scenarios/live-1000.toml").replace("duration_s = 240", "duration_s = 120");
    let report = run(&text, 1).unwrap();
    healthy(&report);
    assert!(report.quality.start_up_median_ms < 900.0, "{:?}", report.quality);
    let copies = report.traffic.origin_copies_steady;
    assert!(copies < 60.0, "origin copies once all have arrived: {copies}");
    assert!(report.traffic.discarded_peers < 0.05);
}
