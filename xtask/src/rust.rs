//! Checks and tests of the Rust crates.

use crate::process::{cargo, run};
use crate::wasm_target::{self, TRIPLE};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

const SIMULATOR: &str = "shoal-sim";

/// Formatting of every crate of the workspace.
pub fn format() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))
}

/// Lints of everything that runs natively.
pub fn lint() -> Result<()> {
    run(cargo().args(["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]))
}

/// Lints of the simulator, which is no default member: it needs a feature of `ppspp` that no product has.
pub fn lint_simulator() -> Result<()> {
    run(cargo()
        .args(["clippy", "--quiet", "--package", SIMULATOR, "--all-targets"])
        .args(["--", "-D", "warnings"]))
}

/// Lints of the wasm peer.
pub fn lint_wasm() -> Result<()> {
    let compiler = wasm_target::find_or_install()?;
    // The toolchain's clippy cannot read what Debian's compiler made: then it checks the native form of the code.
    let mut cargo = if compiler.is_rustup() {
        compiler.cargo()?
    } else {
        cargo()
    };
    cargo.args(["clippy", "--quiet", "--package", "wasm-peer"]);
    if compiler.is_rustup() {
        cargo.args(["--target", TRIPLE]);
    }
    run(cargo.args(["--", "-D", "warnings"]))
}

/// What a test runner counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// `cargo test` of the native crates.
pub fn test(filter: &[String]) -> Result<Counts> {
    cargo_test(&[], filter)
}

/// `cargo test` of the simulator: optimised, for its tests run whole swarms.
pub fn test_simulator(filter: &[String]) -> Result<Counts> {
    cargo_test(&["--release", "--package", SIMULATOR], filter)
}

/// Fails when tests cannot be built or run at all.
fn cargo_test(options: &[&str], filter: &[String]) -> Result<Counts> {
    let mut cargo = cargo();
    cargo
        .args(["test", "--quiet", "--no-fail-fast"])
        .args(options)
        .arg("--")
        .args(filter);
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo test")?;
    let stdout = child.stdout.take().context("standard output is not piped")?;
    let mut counts = Counts::default();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if let Some(binary) = parse_result(&line) {
            counts += binary;
        } else if !line.trim().is_empty() && !is_progress(&line) {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    anyhow::ensure!(
        status.success() || counts.failed > 0,
        "cargo test failed ({status})"
    );
    Ok(counts)
}

/// The dots of libtest's quiet output, and the line before them: noise, binary after binary.
fn is_progress(line: &str) -> bool {
    let dots = line
        .split_whitespace()
        .next()
        .is_some_and(|word| word.chars().all(|c| c == '.' || c == 'i'));
    dots || (line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test")))
}

/// `test result: ok. 12 passed; 0 failed; …`, the last line of every test binary.
fn parse_result(line: &str) -> Option<Counts> {
    let counts = line.trim().strip_prefix("test result: ")?;
    let number = |word: &str| {
        let part = counts
            .split([';', '.'])
            .find(|part| part.trim_end().ends_with(word))?;
        part.split_whitespace().next()?.parse().ok()
    };
    Some(Counts {
        passed: number("passed")?,
        failed: number("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.02s";
        assert_eq!(
            parse_result(line),
            Some(Counts {
                passed: 12,
                failed: 3
            })
        );
        assert_eq!(parse_result("running 12 tests"), None);
        assert_eq!(parse_result("test result: ok."), None);
    }

    #[test]
    fn only_progress_is_hidden() {
        assert!(is_progress("running 12 tests"));
        assert!(is_progress("....i.. 7/7"));
        assert!(!is_progress("test tree::peaks ... FAILED"));
        assert!(!is_progress("running late"));
    }
}
