//! What came of a run, as figures.

use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::log::Log;

/// What viewers saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Viewers that came.
    pub viewers: u32,
    /// Of those, viewers that never had a first segment although they stayed for ten seconds.
    pub never_started: u32,
    /// From arrival to the first complete segment, milliseconds: half were faster.
    pub start_up_median_ms: f64,
    /// The same: 95 of 100 were faster.
    pub start_up_p95_ms: f64,
    /// Time stalled of all time after the start (played and stalled).
    pub stall_ratio: f64,
    /// Stalls in an hour of media played.
    pub stalls_per_hour: f64,
    /// Mean wait after a jump or at the start, milliseconds.
    pub wait_mean_ms: f64,
    /// The times to the first segment below which 0, 1, … 100 of 100 viewers were, milliseconds.
    pub start_up_percentiles_ms: Vec<f64>,
}

/// What the network carried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes the origin sent.
    pub origin_bytes: u64,
    /// Verified payload from peers.
    pub p2p_bytes: u64,
    /// Origin's bytes of all payload.
    pub origin_share: f64,
    /// Peers' bytes of all payload.
    pub p2p_share: f64,
    /// How often the origin sent a segment, on average over those it sent at all, in whole copies.
    pub origin_copies: f64,
    /// The same for a live stream's segments published after everybody has arrived: newcomers take their first ones
    /// from the origin. Static content: [`Self::origin_copies`].
    pub origin_copies_steady: f64,
    /// The same for the segment sent most.
    pub origin_copies_max: f64,
    /// Copies the origin sent of every segment.
    pub origin_copies_by_segment: Vec<f64>,
    /// Payload of peers that was thrown away, of all payload.
    pub discarded_peers: f64,
    /// Bytes of the origin that were thrown away, of all payload.
    pub discarded_origin: f64,
    /// Payload uploaded by the busiest viewer, in means.
    pub upload_max_over_mean: f64,
    /// Control lane's bytes of the peers' payload: all of them, also those for which there is no availability to blame.
    pub control_share: f64,
    /// HAVE bytes a viewer sends to one neighbour in a minute, over the whole run: what a new neighbour is told at first
    /// counts, too.
    pub have_per_neighbour_minute: f64,
    /// The same of all that the control lane carries.
    #[serde(default)]
    pub control_per_neighbour_minute: f64,
    /// All that the control lane carries to one neighbour in a minute, once everybody has arrived.
    #[serde(default)]
    pub control_per_neighbour_minute_steady: f64,
    /// The same without what belongs to transfers: [`Control::availability`].
    #[serde(default)]
    pub availability_per_neighbour_minute_steady: f64,
    /// The control lanes' bytes by message.
    #[serde(default)]
    pub control: Control,
    /// Neighbours a viewer has on average.
    pub neighbours_mean: f64,
    /// Dials that came to nothing, of all.
    pub dials_failed: f64,
    /// Peers' bytes of all that honest viewers got.
    #[serde(default)]
    pub p2p_share_honest: f64,
    /// The same of those that give nothing.
    #[serde(default)]
    pub p2p_share_free_riders: f64,
    /// Segments with wrong bytes that reached a player.
    pub bad_segments: u64,
    /// Segments given up by the swarm.
    pub failed_segments: u64,
    /// Live segments handed to players without a proof.
    pub unproven: u64,
    /// Signatures and certificates that were refused.
    pub refused: u64,
    /// Times that somebody banned a peer that had not sent wrong bytes.
    pub honest_banned: u32,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What honest viewers saw.
    pub quality: Quality,
    /// What the network carried.
    pub traffic: Traffic,
    /// The event log's number, in hex: equal only for equal runs.
    pub log_hash: String,
    /// Entries of the log.
    pub log_entries: u64,
    /// Events of the simulator.
    pub events: u64,
    /// Time that all viewers together were there, seconds.
    pub peer_seconds: f64,
}

impl Report {
    pub(crate) fn of_log(log: &Log) -> (String, u64) {
        (format!("{:016x}", log.hash()), log.entries())
    }
}

/// The value below which this share of the sorted values lies; 0 for none.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(at - 1).copied().unwrap_or(0.0)
}

/// `part` of `whole`; 0 of nothing.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_ratios() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 50.0);
        assert_eq!(percentile(&values, 0.95), 95.0);
        assert_eq!(percentile(&values[..1], 0.95), 1.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
        assert_eq!(ratio(1.0, 4.0), 0.25);
        assert_eq!(ratio(1.0, 0.0), 0.0);
    }
}
