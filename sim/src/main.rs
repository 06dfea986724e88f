//! `shoal-sim`: runs scenarios and keeps their results.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use anyhow::{Context, Result};
use clap::Parser;
use shoal_sim::{Mode, Report, Scenario, World};

/// Simulates swarms.
#[derive(Parser)]
struct Cli {
    /// Scenario files.
    scenarios: Vec<PathBuf>,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the run with peers, without those over plain HTTP to compare with.
    #[arg(long)]
    no_baselines: bool,
}

fn run(path: &Path, cli: &Cli) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let scenario = Scenario::parse(&text)?;
    let modes: &[Mode] = if cli.no_baselines {
        &[Mode::Hybrid]
    } else {
        &[Mode::Hybrid, Mode::Plain, Mode::Unlimited]
    };
    for &mode in modes {
        let before = cpu_seconds().unwrap_or(0.0);
        let mut world = World::new(scenario.clone(), cli.seed, mode)?;
        world.run(|_| ());
        let report: Report = world.report();
        let cpu = cpu_seconds().unwrap_or(0.0) - before;
        println!("{mode:?} {}", serde_json::to_string_pretty(&report)?);
        println!(
            "cpu {cpu:.2} s, {:.1} µs per peer-second, {:.2} µs per event, peak {} MiB",
            cpu * 1e6 / report.peer_seconds,
            cpu * 1e6 / report.events as f64,
            peak_memory().unwrap_or(0) >> 20
        );
    }
    Ok(())
}

/// CPU time of this process, seconds.
fn cpu_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may contain spaces; user and system time are fields 14 and 15, in 1/100 s.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    Ok((ticks(11) + ticks(12)) / 100.0)
}

/// Largest resident memory of this process so far, bytes.
fn peak_memory() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.unwrap_or(0) << 10)
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    for path in &cli.scenarios {
        run(path, &cli)?;
    }
    Ok(ExitCode::SUCCESS)
}
