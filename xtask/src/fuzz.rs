//! `cargo xtask fuzz`: libFuzzer on every target of `fuzz/`, with a nightly toolchain.

use crate::process::{command, output, root, run, succeeds, target_of};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::process::Command;

/// What cargo-fuzz passes to rustc, for machines that have nightly but not cargo-fuzz.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address -Cdebug-assertions";

/// Runs every target (`only`: one of them) for `seconds` each. Fails when one finds something.
pub fn run_targets(seconds: u32, only: Option<&str>) -> Result<()> {
    ensure!(
        succeeds(nightly().arg("--version")),
        "fuzzing needs a nightly toolchain: rustup toolchain install nightly"
    );
    let targets = targets()?;
    let chosen: Vec<_> = targets
        .iter()
        .filter(|name| only.is_none_or(|only| only == name.as_str()))
        .collect();
    ensure!(
        !chosen.is_empty(),
        "no such fuzz target; there are: {}",
        targets.join(", ")
    );
    let mut failed = Vec::new();
    for name in chosen {
        println!("\n== {name}, {seconds} s");
        if let Err(error) = run_one(name, seconds) {
            println!("FAILED: {error:#}");
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!("fuzz targets that failed: {}", failed.join(", "));
    }
    Ok(())
}

fn nightly() -> Command {
    let mut cargo = command("cargo");
    // rustup's choice for this program is stable: its variables would win over `+nightly`.
    cargo
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC")
        .env_remove("CARGO")
        .arg("+nightly");
    cargo.current_dir(root().join("fuzz"));
    cargo
}

/// The names of the files in `fuzz/fuzz_targets/`.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if let (Some(name), true) = (
            path.file_stem(),
            path.extension().is_some_and(|extension| extension == "rs"),
        ) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn run_one(name: &str, seconds: u32) -> Result<()> {
    let fuzz = root().join("fuzz");
    // What runs find is collected in the first folder, the seeds are only read.
    let corpus = fuzz.join("corpus").join(name);
    let mut inputs = vec![corpus.clone()];
    inputs.extend(Some(fuzz.join("seeds").join(name)).filter(|folder| folder.exists()));
    let artifacts = fuzz.join("artifacts").join(name);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;

    let time = format!("-max_total_time={seconds}");
    if succeeds(nightly().args(["fuzz", "--version"])) {
        return run(nightly()
            .args(["fuzz", "run", name])
            .args(inputs)
            .args(["--", &time]));
    }
    let version = output(command("rustc").arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc names no host")?;
    let mut build = nightly();
    // With a target named, the flags reach only what is fuzzed, not build scripts and macros.
    build.env("RUSTFLAGS", RUSTFLAGS).args([
        "build",
        "--quiet",
        "--release",
        "--target",
        host,
        "--bin",
        name,
    ]);
    run(&mut build)?;
    let mut fuzzer = command(target_of(&fuzz).join(host).join("release").join(name));
    fuzzer
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([&time, "-verbosity=0", "-print_final_stats=1"]);
    run(fuzzer.args(inputs))
}
