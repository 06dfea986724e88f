//! Checks and tests of the Rust crates.

use crate::process::{cargo, run};
use crate::wasm_target::{self, Compiler, TRIPLE};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Formatting of every crate of the workspace.
pub fn format() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))
}

/// Lints of everything that runs natively.
pub fn lint() -> Result<()> {
    run(cargo().args(["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]))?;
    // Apart from the others: with a feature of ppspp that no product has.
    let simulator = ["--package", "shoal-sim", "--package", "shoal-sim-wasm"];
    run(cargo()
        .args(["clippy", "--quiet", "--all-targets"])
        .args(simulator)
        .args(["--", "-D", "warnings"]))
}

/// Lints of the wasm peer.
pub fn lint_wasm() -> Result<()> {
    let mut cargo = match wasm_target::find_or_install()? {
        // The toolchain's clippy cannot read what Debian's compiler made: it checks the native form of the code.
        Compiler::Debian => cargo(),
        Compiler::Rustup => Compiler::Rustup.cargo()?,
    };
    cargo.args(["clippy", "--quiet", "--package", "wasm-peer"]);
    if wasm_target::find_or_install()? == Compiler::Rustup {
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

/// `cargo test` of the native crates. Fails when tests cannot be built or run at all.
pub fn test(filter: &[String]) -> Result<Counts> {
    test_of(&["--no-fail-fast"], filter)
}

/// `cargo test` with `options`.
pub fn test_of(options: &[&str], filter: &[String]) -> Result<Counts> {
    let mut cargo = cargo();
    cargo
        .args(["test", "--quiet"])
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
