//! Viewers that do not play by the rules, 200 in all: who gives nothing gets less, who lies is of no consequence.

use shoal_sim::{Report, run};

/// At an origin that is no bottleneck: what peers do not bring comes from there, and shows in their share.
fn cheated(cheats: &str) -> Report {
    let text = include_str!("../scenarios/checks/live-200.toml").replace("capacity_kbps = 100000", "")
        + "\n[cheats]\n"
        + cheats;
    let report = run(&text, 1).unwrap();
    let traffic = &report.traffic;
    assert!(traffic.control_share < 0.01, "{:?}", traffic.control);
    assert!(
        traffic.have_per_neighbour_minute < 1024.0,
        "{:?}",
        traffic.control
    );
    report
}

#[test]
fn free_riders_starve_before_contributors_do() {
    let report = cheated("free_riders = 0.3");
    let traffic = &report.traffic;
    assert!(report.quality.stall_ratio < 0.001, "{report:?}");
    assert!(
        traffic.p2p_share_free_riders < traffic.p2p_share_honest - 0.1,
        "free-riders {}, others {}",
        traffic.p2p_share_free_riders,
        traffic.p2p_share_honest
    );
}

#[test]
fn liars_cost_time_outs_and_no_stalls() {
    let report = cheated("liars = 0.1");
    assert!(
        report.quality.stall_ratio < 0.001,
        "{}",
        report.quality.stall_ratio
    );
    assert!(
        report.traffic.p2p_share_honest > 0.6,
        "{}",
        report.traffic.p2p_share_honest
    );
    assert_eq!(report.traffic.honest_banned, 0);
}

#[test]
fn polluters_are_banned_and_nobody_else() {
    let report = cheated("polluters = 0.1");
    assert_eq!(
        (report.traffic.bad_segments, report.traffic.honest_banned),
        (0, 0)
    );
    assert!(
        report.quality.stall_ratio < 0.001,
        "{}",
        report.quality.stall_ratio
    );
}
