//! The build tool: `cargo xtask demo | test | build | …`. Everything the project needs beyond Rust and Node is
//! installed on the way, when it is missing.

mod bench;
mod demo;
mod fuzz;
mod glue;
mod js;
mod media;
mod netns;
mod order;
mod process;
mod rust;
mod same_run;
mod servers;
mod setup;
mod sim;
mod size;
mod stamp;
mod test;
mod tracker_bench;
mod wasm;
mod wasm_std;
mod wasm_target;

use clap::{Parser, Subcommand, ValueEnum};
use std::process::ExitCode;

/// Builds, tests and shows Shoal.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what is missing on this machine (the other commands do it by themselves).
    Setup,
    /// Builds the wasm peer, the npm package (js/dist) and the demo site.
    Build {
        /// Faster build, larger and slower result, with names and debug information.
        #[arg(long)]
        dev: bool,
    },
    /// Builds everything and runs a tracker and a site with a sample video, until ctrl-c.
    Demo {
        /// Port of the site on 127.0.0.1; the next free one is taken when it is in use.
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Runs every check and test, and ends with one line of counts.
    Test {
        /// Only one part of it.
        #[arg(long)]
        only: Option<Part>,
        /// Passed on to the test runners: a test name, or a file of playwright-tests.
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Runs the browser benches (playwright-tests/benches), or with `tracker` that of the tracker.
    Bench {
        /// Passed on to Playwright.
        filter: Vec<String>,
    },
    /// Takes the pictures of the documentation anew: real pages in a real browser.
    Screenshot,
    /// Runs every fuzz target for a while (needs a nightly toolchain).
    Fuzz {
        /// Seconds for each target.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Only this target.
        target: Option<String>,
    },
    /// Simulates swarms and makes the table in docs/simulation.md anew.
    Sim {
        /// The long scenarios too (hours, gigabytes).
        #[arg(long, conflicts_with = "scenario")]
        all: bool,
        /// Only this one, by its name in sim/scenarios.
        #[arg(long)]
        scenario: Option<String>,
    },
}

/// A part of the test run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Formatting, lints and tests of the Rust crates.
    Rust,
    /// Type check, lints, unit tests and size budget of the npm package.
    Js,
    /// Playwright: real browsers, tracker and origin.
    Browser,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Setup => setup::all(),
        Command::Build { dev } => setup::for_build().and_then(|()| js::build_all(dev)),
        Command::Demo { port } => demo::run_until_interrupted(port),
        Command::Test { only, filter } => return test::run(only, &filter),
        Command::Bench { filter } => bench::run(&filter),
        Command::Screenshot => bench::pictures(),
        Command::Fuzz { seconds, target } => fuzz::run_targets(seconds, target.as_deref()),
        Command::Sim { all, scenario } => sim::run_scenarios(all, scenario.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
