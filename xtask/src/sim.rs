//! `cargo xtask sim`: simulated swarms, and the table of their results in docs/simulation.md.

use crate::process::{self, cargo, command, root, run, target};
use crate::rust::{self, Counts};
use crate::wasm_target::{self, TRIPLE};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;

/// Scenarios that take a minute or two; the others run with `--all`.
const SHORT: &[&str] = &["vod-1000"];

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

/// The simulator's tests, those of a thousand viewers among them.
pub fn test(filter: &[String]) -> Result<Counts> {
    let options = ["--release", "--no-fail-fast", "--package", "shoal-sim"];
    rust::test_of(&options, filter)
}

/// Runs the module's scenarios in Node and prints the hashes of their event logs, one a line.
const RUN_IN_NODE: &str = r#"
    const bytes = require("fs").readFileSync(process.argv[1]);
    WebAssembly.instantiate(bytes).then(({ instance }) => {
        for (const index of process.argv.slice(2)) {
            const hash = instance.exports.log_hash_of(Number(index), 1);
            console.log(BigInt.asUintN(64, hash).toString(16).padStart(16, "0"));
        }
    });
"#;

/// The same runs natively and as WebAssembly: are their event logs the same?
pub fn compare_with_wasm() -> Result<()> {
    let native =
        process::output(cargo().args(["run", "--quiet", "--release", "--package", "shoal-sim-wasm"]))?;
    let mut build = wasm_target::find_or_install()?.cargo()?;
    let library = ["--release", "--lib", "--target", TRIPLE];
    run(build
        .args(["build", "--quiet", "--package", "shoal-sim-wasm"])
        .args(library))?;
    let module = target()
        .join("wasm")
        .join(TRIPLE)
        .join("release/shoal_sim_wasm.wasm");
    let indexes = (0..native.lines().count()).map(|index| index.to_string());
    let wasm = process::output(
        command("node")
            .args(["-e", RUN_IN_NODE])
            .arg(module)
            .args(indexes),
    )?;
    ensure!(
        !native.contains("0000000000000000"),
        "a scenario cannot be run: {native}"
    );
    ensure!(
        native.trim() == wasm.trim(),
        "event logs differ: natively {native:?}, as WebAssembly {wasm:?}"
    );
    Ok(())
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
