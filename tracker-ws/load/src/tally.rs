//! What was relayed, and how long it took.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::report::{Times, Traffic};

#[derive(Debug, Default)]
struct Counts {
    made: u64,
    /// From an offer made to the offer received, microseconds.
    offers: Vec<u32>,
    /// From an offer made to its answer received.
    answers: Vec<u32>,
    /// From a request to the tracker's own answer.
    requests: Vec<u32>,
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

    /// A request of this time was answered by the tracker itself.
    pub fn request(&self, asked: u64) {
        self.with(|counts| counts.requests.push(self.since(asked)));
    }

    /// What was counted.
    pub fn traffic(&self, took: Duration, cpu: Option<Duration>) -> Traffic {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Traffic {
            seconds: took.as_secs_f64(),
            made: counts.made,
            delivered: counts.offers.len() as u64,
            answered: counts.answers.len() as u64,
            cpu: cpu.map(|cpu| cpu.as_secs_f64()),
            offer: Times::of(&mut counts.offers),
            answer: Times::of(&mut counts.answers),
            request: Times::of(&mut counts.requests),
        }
    }
}
