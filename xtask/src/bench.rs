//! `cargo xtask bench`: measurements in real browsers, each against a baseline in the same run.

use crate::{js, media, servers, setup, test, tracker_bench};
use anyhow::{Result, ensure};

/// Builds what is needed and runs the Playwright project `benches`.
/// `tracker` is no browser's matter, and a bench of its own.
pub fn run(filter: &[String]) -> Result<()> {
    if filter == ["tracker"] {
        return tracker_bench::run_all();
    }
    project("benches", filter)
}

/// Takes the pictures of the documentation anew (`docs/*.png`).
pub fn pictures() -> Result<()> {
    setup::for_media()?;
    media::demo()?;
    project("pictures", &[])
}

fn project(name: &str, filter: &[String]) -> Result<()> {
    setup::all()?;
    js::build_all(false)?;
    servers::build()?;
    let counts = test::playwright(name, filter)?;
    println!("{} passed, {} failed", counts.passed, counts.failed);
    ensure!(
        counts.failed == 0 && counts.passed > 0,
        "the {name} did not all run"
    );
    Ok(())
}
