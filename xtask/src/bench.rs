//! `cargo xtask bench`: measurements in real browsers, each against a baseline in the same run.

use crate::{js, media, servers, setup, test};
use anyhow::{Result, ensure};

/// Builds what is needed and runs the Playwright project `benches`.
pub fn run(filter: &[String]) -> Result<()> {
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
