//! What a process takes of the machine, by /proc.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// A process, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    fn read(self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&path).with_context(|| format!("--pid {}: cannot read {path}", self.0))
    }

    /// CPU time of all its threads so far.
    pub fn cpu(self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The name in parentheses may contain spaces; user and system time are fields 14 and 15, in 1/100 s.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after_name.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(str::parse::<u64>).sum::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory, bytes.
    pub fn resident(self) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .context("no VmRSS")?
            .parse()?;
        Ok(kibibytes << 10)
    }
}
