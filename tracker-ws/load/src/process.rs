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

    /// CPU time of all its threads so far, to the nanosecond; `stat` counts in steps of 10 ms. Threads that have ended
    /// are not counted.
    pub fn cpu(self) -> Result<Duration> {
        let path = format!("/proc/{}/task", self.0);
        let threads = fs::read_dir(&path).with_context(|| format!("--pid {}: cannot read {path}", self.0))?;
        let mut all = Duration::ZERO;
        for thread in threads {
            let name = format!("task/{}/schedstat", thread?.file_name().display());
            // It may have ended meanwhile.
            let Ok(text) = self.read(&name) else { continue };
            let ran = text.split(' ').next().unwrap_or_default();
            all += Duration::from_nanos(ran.parse().with_context(|| name)?);
        }
        Ok(all)
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
