//! What peers tell each other costs hardly anything beside what they give each other: in small swarms, too, and where
//! everybody comes and goes. `thousand` has the same of large ones, `cheats` of those with cheats.

use shoal_sim::run;

#[test]
fn signalling_is_a_hundredth_of_the_payload() {
    for scenario in [
        include_str!("../scenarios/live-40.toml"),
        include_str!("../scenarios/live-scale-10.toml"),
        include_str!("../scenarios/live-scale-100.toml"),
    ] {
        let report = run(scenario, 1).unwrap();
        let (traffic, name) = (&report.traffic, scenario.lines().next());
        assert!(traffic.control_share < 0.01, "{name:?}: {:?}", traffic.control);
        let have = traffic.have_per_neighbour_minute;
        assert!(
            have < 1024.0,
            "{name:?}: HAVE bytes for a neighbour in a minute: {have}"
        );
    }
}
