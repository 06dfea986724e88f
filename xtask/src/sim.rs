//! `cargo xtask sim`: simulated swarms, and the table of their results in docs/simulation.md.

use crate::process::{cargo, root, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;

/// Scenarios that take a minute or two; the others run with `--all`.
const SHORT: &[&str] = &["vod-1000", "live-1000"];

/// Runs one scenario, the short ones, or all.
pub fn run_scenarios(all: bool, scenario: Option<&str>) -> Result<()> {
    let folder = root().join("sim/scenarios");
    let names: Vec<String> = match scenario {
        Some(name) => vec![name.to_owned()],
        None if all => names(&folder)?,
        None => SHORT.iter().map(ToString::to_string).collect(),
    };
    let files: Vec<PathBuf> = names
        .iter()
        .map(|name| folder.join(format!("{name}.toml")))
        .collect();
    if let Some(missing) = files.iter().find(|file| !file.exists()) {
        anyhow::bail!("there is no scenario {}", missing.display());
    }
    let mut cargo = cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "shoal-sim", "--"]);
    cargo.arg("--out").arg(root().join("sim/results"));
    cargo.arg("--docs").arg(root().join("docs/simulation.md"));
    run(cargo.args(&files))
}

fn names(folder: &std::path::Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let stem = path.file_stem().unwrap_or_default();
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    ensure!(!names.is_empty(), "no scenarios in {}", folder.display());
    names.sort();
    Ok(names)
}
