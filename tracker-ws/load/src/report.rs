//! What is told in the end, as lines to read or as one JSON object.

use serde::Serialize;

/// Of many times, milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Times {
    /// Half of them are shorter.
    pub median: f64,
    /// 95 % are shorter.
    pub p95: f64,
    /// 99 % are shorter.
    pub p99: f64,
    /// 99.9 % are shorter.
    pub p999: f64,
}

impl Times {
    /// Of these, in microseconds; sorts them.
    pub fn of(times: &mut [u32]) -> Self {
        times.sort_unstable();
        let at = |of_1000: usize| {
            let index = (times.len() * of_1000 / 1000).min(times.len().saturating_sub(1));
            f64::from(times.get(index).copied().unwrap_or(0)) / 1000.0
        };
        Self {
            median: at(500),
            p95: at(950),
            p99: at(990),
            p999: at(999),
        }
    }
}

/// What was relayed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Traffic {
    /// How long it was measured, seconds.
    pub seconds: f64,
    /// Offers made by peers.
    pub made: u64,
    /// Offers that reached somebody.
    pub delivered: u64,
    /// Answers that reached who had made the offer.
    pub answered: u64,
    /// The tracker's CPU time, seconds; with `--pid`.
    pub cpu: Option<f64>,
    /// From an offer made to the offer received.
    pub offer: Times,
    /// From an offer made to its answer received.
    pub answer: Times,
    /// From a FIND, or an announce with offers, to the tracker's own answer.
    pub request: Times,
}

impl Traffic {
    /// Offers and answers that arrived.
    pub fn relayed(&self) -> u64 {
        self.delivered + self.answered
    }
}

/// The whole measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    /// Registered peers.
    pub peers: u32,
    /// The tracker's memory, bytes; with `--pid`.
    pub resident: Option<u64>,
    /// That it has grown by for each peer, bytes; with `--pid`.
    pub peer_bytes: Option<f64>,
    /// Without `--idle`.
    pub traffic: Option<Traffic>,
}

impl Report {
    /// As lines to read.
    pub fn print(&self) {
        println!("{} peers", self.peers);
        if let (Some(resident), Some(each)) = (self.resident, self.peer_bytes) {
            let (all, each) = (resident as f64 / 1048576.0, each / 1024.0);
            println!("memory: {all:.1} MiB, {each:.2} KiB a peer");
        }
        let Some(traffic) = &self.traffic else {
            return;
        };
        let relayed = traffic.relayed();
        println!(
            "relayed: {relayed} envelopes, {:.0} a second; {} offers made, {} delivered, {} answered",
            relayed as f64 / traffic.seconds,
            traffic.made,
            traffic.delivered,
            traffic.answered,
        );
        if let Some(cpu) = traffic.cpu {
            let each = cpu * 1e6 / relayed.max(1) as f64;
            let seconds = traffic.seconds;
            println!("tracker: {cpu:.2} s of CPU time in {seconds:.1} s, {each:.1} µs an envelope");
        }
        for (name, times) in [
            ("offer", traffic.offer),
            ("offer to answer", traffic.answer),
            ("request", traffic.request),
        ] {
            let Times {
                median,
                p95,
                p99,
                p999,
            } = times;
            println!(
                "{name}: median {median:.2} ms, 95 % {p95:.2} ms, 99 % {p99:.2} ms, 99.9 % {p999:.2} ms"
            );
        }
    }
}
