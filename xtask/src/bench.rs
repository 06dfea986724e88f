//! `cargo xtask bench`: measurements in real browsers, each against a baseline in the same run.

use crate::{js, servers, setup, test};
use anyhow::{Result, ensure};

/// Builds what is needed and runs the Playwright project `benches`.
pub fn run(filter: &[String]) -> Result<()> {
    setup::all()?;
    js::build_all(false)?;
    servers::build()?;
    let counts = test::playwright("benches", filter)?;
    println!("{} passed, {} failed", counts.passed, counts.failed);
    ensure!(
        counts.failed == 0 && counts.passed > 0,
        "the benches did not all run"
    );
    Ok(())
}
