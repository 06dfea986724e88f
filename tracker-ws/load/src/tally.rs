//! What was relayed, and how long it took.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
struct Counts {
    made: u64,
    /// From an offer made to the offer received, microseconds.
    offers: Vec<u32>,
    /// From an offer made to its answer received.
    answers: Vec<u32>,
}

/// All peers count here. IDs of offers are times since it was made.
#[derive(Debug)]
pub struct Tally {
    made: Instant,
    counts: Mutex<Counts>,
}

impl Tally {
    /// Counts from now on.
    pub fn new() -> Self {
        Self {
            made: Instant::now(),
            counts: Mutex::default(),
        }
    }

    fn with(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Forgets what was counted.
    pub fn begin(&self) {
        self.with(|counts| *counts = Counts::default());
    }

    /// Microseconds since it was made.
    pub fn now(&self) -> u64 {
        self.made.elapsed().as_micros() as u64
    }

    fn since(&self, made: u64) -> u32 {
        self.now().saturating_sub(made).try_into().unwrap_or(u32::MAX)
    }

    /// So many offers were made.
    pub fn made(&self, offers: u32) {
        self.with(|counts| counts.made += u64::from(offers));
    }

    /// An offer of this time has arrived.
    pub fn offer(&self, made: u64) {
        self.with(|counts| counts.offers.push(self.since(made)));
    }

    /// The answer to an offer of this time has arrived.
    pub fn answer(&self, made: u64) {
        self.with(|counts| counts.answers.push(self.since(made)));
    }

    /// Says it all.
    pub fn print(&self, took: Duration, cpu: Option<Duration>) {
        self.with(|counts| {
            let relayed = counts.offers.len() + counts.answers.len();
            println!(
                "relayed: {relayed} envelopes, {:.0} a second; {} offers made, {} delivered, {} answered",
                relayed as f64 / took.as_secs_f64(),
                counts.made,
                counts.offers.len(),
                counts.answers.len(),
            );
            if let Some(cpu) = cpu {
                println!(
                    "tracker: {:.2} s of CPU time in {:.1} s, {:.1} µs an envelope",
                    cpu.as_secs_f64(),
                    took.as_secs_f64(),
                    cpu.as_secs_f64() * 1e6 / relayed.max(1) as f64
                );
            }
            for (name, times) in [
                ("offer", &mut counts.offers),
                ("offer to answer", &mut counts.answers),
            ] {
                times.sort_unstable();
                let at = |of_1000: usize| {
                    let index = (times.len() * of_1000 / 1000).min(times.len().saturating_sub(1));
                    f64::from(times.get(index).copied().unwrap_or(0)) / 1000.0
                };
                println!(
                    "{name}: median {:.2} ms, 95 % {:.2} ms, 99 % {:.2} ms, 99.9 % {:.2} ms",
                    at(500),
                    at(950),
                    at(990),
                    at(999)
                );
            }
        });
    }
}
