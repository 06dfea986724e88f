//! What came of a scenario: with peers, over plain HTTP, and what it cost to simulate.

use std::{fs, io};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use shoal_sim::{Mode, Report, Scenario, World};

/// What a simulation took of the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// CPU time of the run with peers, seconds.
    pub cpu_s: f64,
    /// The same for a second of one viewer, microseconds.
    pub cpu_us_per_peer_second: f64,
    /// Largest resident memory, MiB.
    pub peak_mib: u64,
}

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario.
    pub name: String,
    /// What it shows.
    pub shows: String,
    /// Seed of the random numbers.
    pub seed: u64,
    /// With peers.
    pub hybrid: Report,
    /// The same viewers over plain HTTP.
    pub plain: Option<Report>,
    /// Over plain HTTP from an origin without limits.
    pub unlimited: Option<Report>,
    /// Of the run with peers.
    pub cost: Cost,
}

impl Outcome {
    /// Runs a scenario, by its text.
    pub fn run(text: &str, seed: u64, baselines: bool) -> Result<Self> {
        let scenario = Scenario::parse(text)?;
        let before = cpu_seconds()?;
        let hybrid = simulate(&scenario, seed, Mode::Hybrid)?;
        let cpu_s = cpu_seconds()? - before;
        ensure!(hybrid.peer_seconds > 0.0, "nobody came");
        let baseline = |mode| baselines.then(|| simulate(&scenario, seed, mode)).transpose();
        Ok(Self {
            name: scenario.name.clone(),
            shows: scenario.shows.clone(),
            seed,
            cost: Cost {
                cpu_s,
                cpu_us_per_peer_second: cpu_s * 1e6 / hybrid.peer_seconds,
                peak_mib: peak_memory()? >> 20,
            },
            hybrid,
            plain: baseline(Mode::Plain)?,
            unlimited: baseline(Mode::Unlimited)?,
        })
    }

    /// A line for each run, and what there is to say of the one with peers.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let runs = [
            ("peers", Some(&self.hybrid)),
            ("plain HTTP", self.plain.as_ref()),
            ("unlimited origin", self.unlimited.as_ref()),
        ];
        for (name, report) in runs {
            let Some(Report { quality, traffic, .. }) = report else {
                continue;
            };
            lines.push(format!(
                "{} ({name}): start-up {:.0} ms, 95 % within {:.0} ms, {} never; stalled {:.3} %; origin {:.2} % of \
                 bytes, {:.1} copies of a segment ({:.1} steady); log {}",
                self.name,
                quality.start_up_median_ms,
                quality.start_up_p95_ms,
                quality.never_started,
                quality.stall_ratio * 100.0,
                traffic.origin_share * 100.0,
                traffic.origin_copies,
                traffic.origin_copies_steady,
                report.map_or("", |report| &report.log_hash),
            ));
        }
        let traffic = &self.hybrid.traffic;
        lines.push(format!(
            "{}: discarded {:.2} % from peers, {:.2} % from the origin; control {:.3} %, HAVE {:.0} bytes for a \
             neighbour in a minute; {:.1} neighbours, {:.0} % of dials failed; busiest upload {:.1} means; {} refused, \
             {} unproven, {} failed, {} bad, {} honest banned",
            self.name,
            traffic.discarded_peers * 100.0,
            traffic.discarded_origin * 100.0,
            traffic.control_share * 100.0,
            traffic.have_per_neighbour_minute,
            traffic.neighbours_mean,
            traffic.dials_failed * 100.0,
            traffic.upload_max_over_mean,
            traffic.refused,
            traffic.unproven,
            traffic.failed_segments,
            traffic.bad_segments,
            traffic.honest_banned,
        ));
        let control = &traffic.control;
        let parts: Vec<String> = control
            .by_message()
            .iter()
            .map(|(name, bytes)| {
                format!(
                    "{name} {:.1} %",
                    *bytes as f64 * 100.0 / control.bytes.max(1) as f64
                )
            })
            .collect();
        lines.push(format!(
            "{}: control lane, {:.0} bytes for a neighbour in a minute (steady {:.0}, without requests {:.0}), {:.0} in a \
             datagram: {}",
            self.name,
            traffic.control_per_neighbour_minute,
            traffic.control_per_neighbour_minute_steady,
            traffic.availability_per_neighbour_minute_steady,
            control.bytes as f64 / control.datagrams.max(1) as f64,
            parts.join(", ")
        ));
        lines.push(format!(
            "{}: {:.1} s of CPU time, {:.0} µs for a viewer's second, {} MiB",
            self.name, self.cost.cpu_s, self.cost.cpu_us_per_peer_second, self.cost.peak_mib
        ));
        lines
    }
}

fn simulate(scenario: &Scenario, seed: u64, mode: Mode) -> Result<Report> {
    let mut world = World::new(scenario.clone(), seed, mode)?;
    world.run(|_| ());
    Ok(world.report())
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
            .ok_or(io::ErrorKind::InvalidData)
    };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

/// Largest resident memory of this process so far, bytes.
fn peak_memory() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(kibibytes << 10)
}
