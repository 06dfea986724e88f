//! Adds up what a run has brought.

use core::time::Duration;

use ppspp::Timestamp;

use super::{START, World};
use crate::control::Control;
use crate::player::Experience;
use crate::population::Cheat;
use crate::report::{Quality, Report, Traffic, percentile, ratio};

/// A viewer that went sooner had no time to start.
const TIME_TO_START: u64 = 10_000_000;
/// Seconds after which the last to arrive is a viewer like the others.
const SETTLED_S: f64 = 20.0;
/// Segments between a live stream's edge and those that all have played.
const PLAYED_SEGMENTS: u64 = 4;

/// What had been sent on control lanes by some time, and for how many neighbours.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signalled {
    control: Control,
    /// Time of all links together, microseconds.
    neighbour_us: u64,
}

impl World {
    /// The figures, after [`World::run`].
    pub fn report(&self) -> Report {
        let (log_hash, log_entries) = Report::of_log(&self.log);
        Report {
            quality: self.quality(),
            traffic: self.traffic(),
            log_hash,
            log_entries,
            events: self.events,
            peer_seconds: (0..self.peers.len())
                .map(|who| self.presence(who) as f64 / 1e6)
                .sum(),
        }
    }

    /// How long a viewer has been there, microseconds.
    fn presence(&self, who: usize) -> u64 {
        let arrived = START.0 + self.viewers[who].arrives;
        let until = self.peers[who].gone_at.unwrap_or(self.now).0;
        until.saturating_sub(arrived)
    }

    fn quality(&self) -> Quality {
        let mut quality = Quality::default();
        let mut start_ups = Vec::new();
        let (mut played, mut stalled, mut stalls, mut seeking) = (0.0, 0.0, 0.0, 0.0);
        let mut waits = 0.0;
        for (who, peer) in self.peers.iter().enumerate() {
            let presence = self.presence(who);
            if presence == 0 || self.viewers[who].cheat != Cheat::None {
                continue;
            }
            quality.viewers += 1;
            let experience: Experience = peer
                .player
                .as_ref()
                .map_or(peer.experience, |player| player.experience(self.now));
            match experience.start_up {
                Some(time) => start_ups.push(time.as_secs_f64() * 1000.0),
                None if presence >= TIME_TO_START => quality.never_started += 1,
                None => {}
            }
            played += experience.played.as_secs_f64();
            stalled += experience.stalled.as_secs_f64();
            stalls += f64::from(experience.stalls);
            seeking += experience.seeking.as_secs_f64();
            waits += 1.0 + self.viewers[who].seeks.len() as f64;
        }
        start_ups.sort_by(f64::total_cmp);
        quality.start_up_median_ms = percentile(&start_ups, 0.5);
        quality.start_up_p95_ms = percentile(&start_ups, 0.95);
        quality.start_up_percentiles_ms = (0..=100)
            .map(|of_100| percentile(&start_ups, f64::from(of_100) / 100.0))
            .collect();
        quality.stall_ratio = ratio(stalled, played + stalled);
        quality.stalls_per_hour = ratio(stalls * 3600.0, played);
        quality.wait_mean_ms = ratio(seeking * 1000.0, waits);
        quality
    }

    /// When the last that arrives is a viewer like the others.
    pub(super) fn settled_at(&self) -> Timestamp {
        START + Duration::from_secs_f64(self.scenario.viewers.arrive_within_s + SETTLED_S)
    }

    /// What has been sent on control lanes until now.
    pub(super) fn signalled_so_far(&self) -> Signalled {
        let mut signalled = Signalled::default();
        for peer in &self.peers {
            signalled.control.add(&peer.account.control);
            let open = peer.links.iter().map(|link| self.now.since(link.since));
            let open_us: u64 = open.map(|since| since.as_micros() as u64).sum();
            signalled.neighbour_us += peer.account.neighbour_us + open_us;
        }
        signalled
    }

    /// A live stream's segments that were published when everybody had arrived and started, and played before the end.
    fn steady_segments(&self) -> core::ops::Range<u32> {
        if !self.content.is_live() {
            return 0..self.content.segments();
        }
        let played = Timestamp(
            self.until
                .0
                .saturating_sub(PLAYED_SEGMENTS * self.content.segment_us()),
        );
        let (first, last) = (
            self.content.listed(self.settled_at()).1,
            self.content.listed(played).1,
        );
        first..last.max(first)
    }

    /// Peers' bytes of all that viewers of one kind got.
    fn p2p_share_of(&self, cheat: Cheat) -> f64 {
        let viewers = self.peers.iter().zip(&self.viewers);
        let accounts = viewers
            .filter(|(_, viewer)| viewer.cheat == cheat)
            .map(|(peer, _)| &peer.account);
        let (peers, all) = accounts.fold((0, 0), |(peers, all), account| {
            (
                peers + account.from_peers,
                all + account.from_peers + account.from_origin,
            )
        });
        ratio(peers as f64, all as f64)
    }

    fn traffic(&self) -> Traffic {
        let sum = |of: fn(&crate::peer::Account) -> u64| -> u64 {
            self.peers.iter().map(|peer| of(&peer.account)).sum()
        };
        let origin_bytes: u64 = self.origin.sent().iter().sum();
        let p2p_bytes = sum(|account| account.from_peers);
        let payload = (origin_bytes + p2p_bytes) as f64;
        let copies: Vec<f64> = self
            .origin
            .sent()
            .iter()
            .enumerate()
            .map(|(segment, sent)| *sent as f64 / self.content.size(segment as u32) as f64)
            .collect();
        let sent_at_all = copies.iter().filter(|copies| **copies > 0.0).count();
        let steady = self.steady_segments();
        let steady_copies = copies
            .get(steady.start as usize..steady.end as usize)
            .unwrap_or_default();
        let honest = || {
            let viewers = self.peers.iter().zip(&self.viewers);
            viewers
                .filter(|(_, viewer)| viewer.cheat == Cheat::None)
                .map(|(peer, _)| peer.account.uploaded as f64)
        };
        let Signalled {
            control,
            neighbour_us,
        } = self.signalled_so_far();
        let per_neighbour_minute = |bytes: u64, us: u64| ratio(bytes as f64 * 60e6, us as f64);
        let settled = self.settled.unwrap_or(Signalled {
            control,
            neighbour_us,
        });
        let steady_control = control.since(&settled.control);
        let steady_us = neighbour_us - settled.neighbour_us;
        let presence: u64 = (0..self.peers.len()).map(|who| self.presence(who)).sum();
        let links = sum(|account| u64::from(account.links)) as f64 / 2.0;
        let dials_failed = sum(|account| u64::from(account.dials_failed)) as f64;
        Traffic {
            origin_bytes,
            p2p_bytes,
            origin_share: ratio(origin_bytes as f64, payload),
            p2p_share: ratio(p2p_bytes as f64, payload),
            origin_copies: ratio(copies.iter().sum(), sent_at_all as f64),
            origin_copies_steady: ratio(steady_copies.iter().sum(), steady_copies.len() as f64),
            origin_copies_max: copies.iter().copied().fold(0.0, f64::max),
            origin_copies_by_segment: copies,
            discarded_peers: ratio(sum(|account| account.discarded_peers) as f64, payload),
            discarded_origin: ratio(sum(|account| account.discarded_origin) as f64, payload),
            upload_max_over_mean: ratio(
                honest().fold(0.0, f64::max),
                honest().sum::<f64>() / honest().count().max(1) as f64,
            ),
            control_share: ratio(control.bytes as f64, p2p_bytes as f64),
            have_per_neighbour_minute: per_neighbour_minute(control.have, neighbour_us),
            control_per_neighbour_minute: per_neighbour_minute(control.bytes, neighbour_us),
            control_per_neighbour_minute_steady: per_neighbour_minute(steady_control.bytes, steady_us),
            availability_per_neighbour_minute_steady: per_neighbour_minute(
                steady_control.availability(),
                steady_us,
            ),
            control,
            neighbours_mean: ratio(neighbour_us as f64, presence as f64),
            dials_failed: ratio(dials_failed, dials_failed + links),
            p2p_share_honest: self.p2p_share_of(Cheat::None),
            p2p_share_free_riders: self.p2p_share_of(Cheat::FreeRider),
            bad_segments: sum(|account| u64::from(account.bad_segments)),
            failed_segments: sum(|account| u64::from(account.failed_segments)),
            unproven: sum(|account| u64::from(account.unproven)),
            refused: sum(|account| u64::from(account.refused)),
            honest_banned: self.honest_banned,
        }
    }
}
