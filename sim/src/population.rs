//! Who takes part in a run: drawn once from the seed, so that runs with and without peers have the same viewers.

use crate::geography::{Nat, REGIONS, Region};
use crate::scenario::Scenario;

/// How a viewer breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cheat {
    /// Not at all.
    None,
    /// Takes and gives nothing.
    FreeRider,
    /// Announces chunks and never sends one.
    Liar,
    /// Changes a byte of every chunk it sends.
    Polluter,
}

/// A jump of the playhead.
#[derive(Clone, Copy, Debug)]
pub struct Seek {
    /// Time after the arrival, microseconds.
    pub after: u64,
    /// To this segment.
    pub to: u32,
}

/// A change of a mobile viewer's links.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Time after the arrival, microseconds.
    pub after: u64,
    /// Of the rates.
    pub factor: f64,
    /// Nothing gets through for this long first, microseconds.
    pub outage: u64,
}

/// One viewer.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// When it comes, microseconds after the beginning.
    pub arrives: u64,
    /// When it goes, microseconds after it came, unless it has seen the end before.
    pub leaves: Option<u64>,
    /// Its connections just break when it goes.
    pub abrupt: bool,
    /// First segment it wants.
    pub start: u32,
    /// Its jumps, in order.
    pub seeks: Vec<Seek>,
    /// Changes of its links, in order.
    pub changes: Vec<Change>,
    /// Where it is.
    pub region: Region,
    /// Its NAT.
    pub nat: Nat,
    /// One-way latency of its access link, microseconds.
    pub latency: u64,
    /// Uplink, bytes per second.
    pub up: f64,
    /// Downlink, bytes per second.
    pub down: f64,
    /// How it cheats.
    pub cheat: Cheat,
    /// Seed of its own random numbers.
    pub seed: u64,
    /// Its key, as the tracker knows it: the algorithm (13 = ECDSA P-256) and 64 bytes that nobody signs with.
    pub key: [u8; 65],
}

/// Draws an index by shares that make 1.
fn pick(rng: &mut fastrand::Rng, shares: impl IntoIterator<Item = f64>) -> usize {
    let drawn = rng.f64();
    let mut sum = 0.0;
    let mut last = 0;
    for (index, share) in shares.into_iter().enumerate() {
        sum += share;
        if share > 0.0 {
            last = index;
            if drawn < sum {
                return index;
            }
        }
    }
    last
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

/// Draws everybody.
pub fn draw(scenario: &Scenario, rng: &mut fastrand::Rng) -> Vec<Viewer> {
    (0..scenario.viewers.count)
        .map(|_| viewer(scenario, rng))
        .collect()
}

fn viewer(scenario: &Scenario, rng: &mut fastrand::Rng) -> Viewer {
    let viewers = &scenario.viewers;
    let regions = &scenario.network.regions;
    let segments = scenario.content.segments;
    let media = match scenario.content.live {
        Some(_) => scenario.duration_s,
        None => f64::from(segments) * scenario.content.segment_s,
    };
    let access = &scenario.access[pick(rng, scenario.access.iter().map(|access| access.share))];
    let nat = &scenario.network.nat;
    let start = if rng.f64() < viewers.start_anywhere {
        rng.u32(0..segments)
    } else {
        0
    };
    let leaves = (rng.f64() < viewers.leave_early).then(|| micros(media * (0.05 + 0.9 * rng.f64())));
    let cheats = &scenario.cheats;
    let cheat = [Cheat::FreeRider, Cheat::Liar, Cheat::Polluter, Cheat::None][pick(
        rng,
        [
            cheats.free_riders,
            cheats.liars,
            cheats.polluters,
            1.0 - cheats.free_riders - cheats.liars - cheats.polluters,
        ],
    )];
    let mut key = [0; 65];
    rng.fill(&mut key);
    key[0] = 13;
    Viewer {
        arrives: micros(viewers.arrive_within_s * rng.f64()),
        leaves,
        abrupt: rng.f64() < viewers.abrupt,
        start,
        seeks: seeks(scenario, media, rng),
        changes: changes(scenario, rng),
        region: REGIONS[pick(
            rng,
            [
                regions.europe,
                regions.north_america,
                regions.south_america,
                regions.asia,
            ],
        )],
        nat: [Nat::Open, Nat::Restricted, Nat::Symmetric]
            [pick(rng, [nat.open, nat.restricted, nat.symmetric])],
        latency: micros(access.latency_ms / 1000.0),
        up: access.up_kbps * 125.0,
        down: access.down_kbps * 125.0,
        cheat,
        seed: rng.u64(..),
        key,
    }
}

fn seeks(scenario: &Scenario, media: f64, rng: &mut fastrand::Rng) -> Vec<Seek> {
    let mean = scenario.viewers.seeks_per_hour * media / 3600.0;
    // The whole part for sure, the rest by chance.
    let count = mean as usize + usize::from(rng.f64() < mean.fract());
    let mut seeks: Vec<Seek> = (0..count)
        .map(|_| Seek {
            after: micros(media * rng.f64()),
            to: rng.u32(0..scenario.content.segments),
        })
        .collect();
    seeks.sort_by_key(|seek| seek.after);
    seeks
}

fn changes(scenario: &Scenario, rng: &mut fastrand::Rng) -> Vec<Change> {
    let mobile = &scenario.mobile;
    let mut changes = Vec::new();
    if rng.f64() >= mobile.share {
        return changes;
    }
    let mut after = 0.0;
    loop {
        // Between half and one and a half of the mean.
        after += mobile.change_every_s * (0.5 + rng.f64());
        if after >= scenario.duration_s {
            return changes;
        }
        let outage = if rng.f64() < mobile.outages {
            mobile.outage_s
        } else {
            0.0
        };
        changes.push(Change {
            after: micros(after),
            factor: mobile.lowest_factor + (1.0 - mobile.lowest_factor) * rng.f64(),
            outage: micros(outage),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            counts[pick(&mut rng, [0.5, 0.0, 0.3, 0.2])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!(
            (4800..5200).contains(&counts[0]) && (1850..2150).contains(&counts[3]),
            "{counts:?}"
        );
    }

    #[test]
    fn mobile_viewers_change_and_all_arrive_in_time() {
        let text = crate::scenario::tests::SMALL.to_owned()
            + "[mobile]\nshare = 1\nchange_every_s = 5\nlowest_factor = 0.25\noutages = 0.5\noutage_s = 2\n";
        let scenario = Scenario::parse(&text).unwrap();
        let viewers = draw(&scenario, &mut fastrand::Rng::with_seed(3));
        assert_eq!(viewers.len(), 8);
        for viewer in &viewers {
            assert!(viewer.arrives < 10_000_000);
            assert!((8..24).contains(&viewer.changes.len()));
            assert!(
                viewer
                    .changes
                    .iter()
                    .all(|change| (0.25..=1.0).contains(&change.factor))
            );
        }
    }
}
