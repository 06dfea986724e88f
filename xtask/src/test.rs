//! `cargo xtask test`: every check and test, a whole picture, and one line of counts at the end.

use crate::Part;
use crate::process::{npm, root, target};
use crate::rust::{self, Counts};
use crate::{js, netns, servers, setup, sim, size};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A run in progress: what has been counted, and how long every stage took.
#[derive(Default)]
struct Run {
    counts: Counts,
    stages: Vec<(&'static str, Duration, Counts)>,
}

impl Run {
    /// A stage that runs tests.
    fn tests(&mut self, name: &'static str, work: impl FnOnce() -> Result<Counts>) {
        println!("\n== {name}");
        #[expect(clippy::disallowed_methods, reason = "a build tool has a clock")]
        let start = Instant::now();
        let counts = work().unwrap_or_else(|error| {
            println!("FAILED: {error:#}");
            Counts { passed: 0, failed: 1 }
        });
        self.counts += counts;
        self.stages.push((name, start.elapsed(), counts));
    }

    /// A stage that passes or fails as a whole, and counts as one.
    fn check(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        self.tests(name, || work().map(|()| Counts { passed: 1, failed: 0 }));
    }

    /// Says how it went. A run of nothing is a failure.
    fn finish(self) -> ExitCode {
        println!();
        for (name, duration, counts) in &self.stages {
            let result = if counts.failed == 0 { "ok    " } else { "FAILED" };
            println!(
                "{result} {name}: {} passed, {} failed, {} s",
                counts.passed,
                counts.failed,
                duration.as_secs()
            );
        }
        let Counts { passed, failed } = self.counts;
        println!("{passed} passed, {failed} failed");
        if failed == 0 && passed > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Runs the parts (`only`: one of them). `filter` is passed on to the test runners.
pub fn run(only: Option<Part>, filter: &[String]) -> ExitCode {
    let wants = |part| only.is_none_or(|only| only == part);
    let mut run = Run::default();
    if wants(Part::Rust) {
        run.check("format", rust::format);
        run.check("clippy", rust::lint);
        run.tests("cargo test", || rust::test(filter));
        run.check("clippy for wasm", rust::lint_wasm);
        run.tests("simulator", || sim::test(filter));
        run.check("simulator: native and wasm", sim::compare_with_wasm);
    }
    if wants(Part::Js) || wants(Part::Browser) {
        run.check("set-up", setup::all);
        run.check("build", || js::build_all(false));
    }
    if wants(Part::Js) {
        for folder in setup::NPM_FOLDERS {
            if js::has_script(folder, "check") {
                run.check(stage_name("check", folder), || js::script(folder, "check"));
            }
            if js::has_script(folder, "test") && folder != "playwright-tests" {
                run.tests(stage_name("test", folder), || vitest(folder, filter));
            }
        }
        run.tests("size budget", sizes);
    }
    if wants(Part::Browser) {
        run.check("tracker and origin", servers::build);
        run.tests("browser tests", || playwright("tests", filter));
    }
    run.finish()
}

fn stage_name(script: &str, folder: &str) -> &'static str {
    match (script, folder) {
        ("check", "js") => "check js",
        ("check", "demo-site") => "check demo-site",
        ("check", _) => "check playwright-tests",
        (_, "js") => "test js",
        (_, _) => "test demo-site",
    }
}

fn sizes() -> Result<Counts> {
    let mut counts = Counts::default();
    for entry in size::budget()? {
        match entry.check() {
            Ok(()) => counts.passed += 1,
            Err(error) => {
                println!("FAILED: {error:#}");
                counts.failed += 1;
            }
        }
    }
    Ok(counts)
}

/// `npm test` of a package whose script is `vitest run`.
fn vitest(folder: &str, filter: &[String]) -> Result<Counts> {
    let report = report_file("vitest.json")?;
    let mut npm = npm(folder);
    npm.args(["test", "--", "--reporter=default", "--reporter=json"]);
    npm.arg(format!("--outputFile.json={}", report.display()))
        .args(filter);
    let status = npm.status().context("cannot start npm")?;
    let report = read_report(&report).with_context(|| format!("no test report ({status})"))?;
    let number = |member: &str| {
        report[member]
            .as_u64()
            .with_context(|| format!("the test report has no {member}"))
    };
    let counts = Counts {
        passed: number("numPassedTests")?,
        failed: number("numFailedTests")?,
    };
    if !status.success() && counts.failed == 0 {
        bail!("{folder}/ tests failed outside a test ({status})");
    }
    Ok(counts)
}

/// The browser tests (or benches: another `project` of the Playwright configuration) in a network of their own.
pub fn playwright(project: &str, filter: &[String]) -> Result<Counts> {
    let report = report_file("playwright.json")?;
    let mut npx = netns::Isolation::find().command("npx");
    npx.current_dir(root().join("playwright-tests"))
        .env("PLAYWRIGHT_JSON_OUTPUT_FILE", &report);
    npx.args([
        "--no-install",
        "playwright",
        "test",
        &format!("--project={project}"),
    ])
    .args(filter);
    let status = npx.status().context("cannot start Playwright")?;
    let report = read_report(&report).with_context(|| format!("no test report ({status})"))?;
    let number = |member: &str| report["stats"][member].as_u64().unwrap_or(0);
    let counts = Counts {
        passed: number("expected"),
        failed: number("unexpected") + number("flaky"),
    };
    if !status.success() && counts.failed == 0 {
        bail!("Playwright failed outside a test ({status})");
    }
    Ok(counts)
}

/// A path for a test runner's report; an older report there is removed.
fn report_file(name: &str) -> Result<std::path::PathBuf> {
    let folder = target().join("reports");
    fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    if file.exists() {
        fs::remove_file(&file)?;
    }
    Ok(file)
}

fn read_report(file: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}
