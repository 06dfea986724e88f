//! `shoal-sim`: runs scenarios, keeps their results as JSON and plots, and the table of them in the documentation.

mod outcome;
mod plot;
mod table;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use outcome::Outcome;

/// Simulates swarms.
#[derive(Parser)]
struct Cli {
    /// Scenario files (*.toml).
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the run with peers, without those over plain HTTP to compare with; nothing is kept.
    #[arg(long)]
    no_baselines: bool,
    /// Only prints what tells runs apart: equal for equal runs.
    #[arg(long, conflicts_with_all = ["no_baselines", "out"])]
    log_hash: bool,
    /// Folder for results and plots.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Markdown file whose table is made anew from all results in the folder.
    #[arg(long, requires = "out")]
    docs: Option<PathBuf>,
}

fn run(path: &Path, cli: &Cli) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    if cli.log_hash {
        return Ok(writeln!(
            io::stdout(),
            "{}",
            shoal_sim::run(&text, cli.seed)?.log_hash
        )?);
    }
    let outcome =
        Outcome::run(&text, cli.seed, !cli.no_baselines).with_context(|| path.display().to_string())?;
    if let Some(out) = cli.out.as_ref().filter(|_| !cli.no_baselines) {
        keep(&outcome, path, out)?;
    }
    // A run may have taken hours: it is kept before anybody is told of it who may have gone.
    Ok(writeln!(io::stdout(), "{}", outcome.lines().join("\n"))?)
}

/// Results and plots, in a folder.
fn keep(outcome: &Outcome, path: &Path, out: &Path) -> Result<()> {
    ensure!(
        path.file_stem().is_some_and(|stem| *stem == *outcome.name),
        "{}: the scenario's name is {}",
        path.display(),
        outcome.name
    );
    fs::create_dir_all(out)?;
    let file = out.join(format!("{}.json", outcome.name));
    fs::write(&file, serde_json::to_string_pretty(outcome)? + "\n")?;
    plot::start_up(outcome, &out.join(format!("{}-start-up.svg", outcome.name)))?;
    plot::copies(outcome, &out.join(format!("{}-copies.svg", outcome.name)))
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    for path in &cli.scenarios {
        run(path, &cli)?;
    }
    match (&cli.docs, &cli.out) {
        (Some(docs), Some(out)) => {
            plot::scale(&table::outcomes(out)?, &out.join("live-scale.svg"))?;
            table::update(docs, out)
        }
        _ => Ok(()),
    }
}
