//! A deterministic discrete-event simulator of whole swarms.
//!
//! The real machines ([`ppspp::Swarm`], [`tracker_protocol::client::Client`]) of many viewers run on virtual time
//! over emulated links, with an emulated tracker and origin. The same scenario and seed give the same run: there is
//! one queue of events, one source of random numbers, no clock, and nothing that depends on the order of a hash map
//! or on a platform's mathematical library.
//!
//! * [`scenario`]: what a run emulates, as TOML. [`population`]: the viewers drawn from it.
//! * [`world`]: everything that happens, on [`queue`].
//! * emulated: [`access`] links, [`geography`] and NATs, [`connection`]s, [`origin`], [`tracker`].
//! * viewers: [`peer`], [`player`], [`plain`] HTTP for comparison, [`membership`].
//! * results: [`report`], what the [`control`] lane carried, and [`log`] to compare runs.

pub mod access;
pub mod connection;
pub mod content;
pub mod control;
pub mod geography;
pub mod log;
pub mod membership;
pub mod origin;
pub mod peer;
pub mod plain;
pub mod player;
pub mod population;
pub mod queue;
pub mod report;
pub mod scenario;
pub mod tracker;
pub mod world;

pub use report::Report;
pub use scenario::Scenario;
pub use world::{Mode, World};

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot be read.
    #[error(transparent)]
    Scenario(#[from] scenario::ScenarioError),
    /// Its content has no chunk numbers.
    #[error("scenario: content: {0}")]
    Content(#[from] ppspp::metadata::MetadataError),
}

/// Runs a scenario with peers; the result's `log_hash` tells runs apart.
///
/// # Errors
/// [`RunError`] says what is wrong with the scenario.
pub fn run(scenario_toml: &str, seed: u64) -> Result<Report, RunError> {
    let scenario = Scenario::parse(scenario_toml)?;
    let mut world = World::new(scenario, seed, Mode::Hybrid)?;
    world.run(|_| ());
    Ok(world.report())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::{SMALL, SMALL_LIVE};

    #[test]
    fn the_seed_decides_everything() {
        let first = run(SMALL, 1).unwrap();
        assert_eq!(first, run(SMALL, 1).unwrap());
        assert_ne!(first.log_hash, run(SMALL, 2).unwrap().log_hash);
    }

    #[test]
    fn viewers_help_each_other() {
        let report = run(SMALL, 1).unwrap();
        assert_eq!(report.quality.viewers, 8);
        assert_eq!(report.quality.never_started, 0);
        assert_eq!(report.quality.stall_ratio, 0.0, "{report:?}");
        assert!(report.traffic.p2p_share > 0.3, "{report:?}");
        assert!(report.traffic.origin_copies < 6.0, "{report:?}");
        assert_eq!(report.traffic.failed_segments, 0);
    }

    #[test]
    fn viewers_follow_a_live_stream_together() {
        let report = run(SMALL_LIVE, 1).unwrap();
        assert_eq!(report.quality.viewers, 8);
        assert_eq!(report.quality.never_started, 0);
        // Seeds differ by a late chunk: a tenth of a second of all that the eight see.
        assert!(report.quality.stall_ratio < 0.001, "{report:?}");
        assert!(report.traffic.p2p_share > 0.5, "{report:?}");
        assert_eq!(report.traffic.failed_segments, 0);
        assert_eq!(report, run(SMALL_LIVE, 1).unwrap());
    }

    #[test]
    fn whole_chunks_and_stubs_do_the_same() {
        for (text, segments) in [(SMALL, "segments = 12"), (SMALL_LIVE, "segments = 40")] {
            let stubs = run(text, 3).unwrap();
            let whole = run(
                &text.replace(segments, &format!("{segments}, payload = \"bytes\"")),
                3,
            )
            .unwrap();
            assert_eq!(stubs.quality, whole.quality);
            assert_eq!(stubs.traffic, whole.traffic);
        }
    }

    #[test]
    fn a_stream_grows_by_peers_that_neighbours_name() {
        let text = SMALL_LIVE
            .replace("count = 8", "count = 30")
            .replace("arrive_within_s = 10", "arrive_within_s = 20")
            + "[tracker]\noutages = [{ from_s = 21, to_s = 60 }]\n";
        let report = run(&text, 1).unwrap();
        assert!(report.traffic.neighbours_mean > 9.0, "{report:?}");
        assert_eq!(report.traffic.refused, 0);
    }

    #[test]
    fn plain_http_is_a_copy_for_everybody() {
        let scenario = Scenario::parse(SMALL).unwrap();
        let mut world = World::new(scenario, 1, Mode::Plain).unwrap();
        world.run(|_| ());
        let report = world.report();
        assert_eq!(report.traffic.p2p_bytes, 0);
        assert!((report.traffic.origin_copies - 8.0).abs() < 1e-9, "{report:?}");
        assert_eq!(report.quality.stall_ratio, 0.0);
    }

    #[test]
    fn polluters_are_found_and_nobody_else() {
        let text = SMALL.to_owned() + "[cheats]\npolluters = 0.4\n";
        let report = run(&text, 1).unwrap();
        assert_eq!(report.traffic.bad_segments, 0);
        assert_eq!(report.traffic.honest_banned, 0);
        assert!(report.traffic.discarded_peers > 0.0, "{report:?}");
    }

    #[test]
    fn a_run_survives_everything_at_once() {
        let text = SMALL.replace(
            "linger_s = 30",
            "linger_s = 30\nleave_early = 0.5\nabrupt = 0.5\nstart_anywhere = 0.5\nseeks_per_hour = 300",
        ) + "[cheats]\nfree_riders = 0.2\nliars = 0.2\n[mobile]\nshare = 0.5\nchange_every_s = 5\nlowest_factor = 0.1\noutages = 0.3\noutage_s = 2\n"
            + "[tracker]\noutages = [{ from_s = 5, to_s = 15 }]\n";
        let report = run(&text, 5).unwrap();
        assert_eq!(report, run(&text, 5).unwrap());
        assert_eq!(report.quality.never_started, 0, "{report:?}");
    }
}
