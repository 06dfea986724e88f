//! What the tracker is told of how it goes (RFC 7846 §3.2.8, STAT_REPORT).

use std::rc::Rc;

use ppspp::ChunkRange;
use tracker_protocol::{ChunkMap, MapReport, Qos, Stat, StatExt};

use super::Inner;
use super::stream::Stream;
use crate::js::get;

/// Figures of the whole page that only grow: milliseconds to the first frame, stalls, milliseconds of them, bad chunks,
/// connections that came up and that did not. Whatever is new in them is reported with the swarm that is played at the time:
/// in the sum over all swarms each counts once.
pub(super) type PageFigures = [u64; 6];

impl Inner {
    /// Says that this peer seeds, once everything is here.
    pub(super) fn seed_if_complete(&self, stream: &Rc<Stream>) {
        let Some(network) = self.network() else { return };
        let complete = stream
            .with_swarm(|swarm| {
                let held: u64 = swarm.has().count();
                let segments = swarm.segments();
                let count = segments.count()?;
                let chunks = (0..count).filter_map(|segment| segments.chunks_of(segment));
                Some(held == chunks.map(|chunks| chunks.count()).sum::<u64>())
            })
            .flatten()
            .unwrap_or(false);
        if complete && !stream.seeding.replace(true) {
            network.join(&stream.swarm_id(), true);
        }
    }

    /// A report to the tracker is due.
    pub(super) fn report(&self) {
        let Some(network) = self.network() else { return };
        let experience = self.page.experience();
        let figure = |name| get(&experience, name).as_f64().unwrap_or(0.0) as u64;
        let now = {
            let counters = self.counters.borrow();
            [
                figure("startupMs"),
                figure("stalls"),
                figure("stallMs"),
                counters.bad_chunks,
                counters.connections,
                network.failed().into(),
            ]
        };
        let before = self.reported.replace(now);
        let streams = self.streams();
        let latest = streams
            .iter()
            .map(|stream| stream.asked_at.get())
            .fold(0.0, f64::max);
        let mut played = Some(latest);
        let mut stats = Vec::new();
        for stream in streams {
            let Some(map) = stream.chunks_held() else { continue };
            let mut figures = stream.figures.get();
            let mut live_delay_ms = 0;
            if played == Some(stream.asked_at.get()) {
                played = None;
                for ((sum, now), before) in figures.iter_mut().zip(now).zip(before) {
                    *sum += now.saturating_sub(before);
                }
                stream.figures.set(figures);
                live_delay_ms = figure("liveLatencyMs");
            }
            let [ttff_ms, stalls, stall_ms, bad_chunks, conn_ok, conn_fail] = figures;
            let qos = Qos {
                ttff_ms,
                stalls,
                stall_ms,
                live_delay_ms,
                late_chunks: stream.with_swarm(|swarm| swarm.late_chunks()).unwrap_or(0),
                bad_chunks,
                p2p_bytes: stream.p2p_bytes.get(),
                http_bytes: stream.http_bytes.get(),
                conn_ok,
                conn_fail,
                ..Qos::default()
            };
            let stat = Stat {
                uploaded_bytes: stream.uploaded_bytes.get(),
                downloaded_bytes: stream.p2p_bytes.get(),
                ext: StatExt {
                    qos: Some(qos),
                    map: Some(map),
                },
                ..Stat::default()
            };
            stats.push((stream.swarm_id(), stat));
        }
        network.report(stats);
    }
}

impl Stream {
    /// The chunks there are, once the swarm is there.
    fn chunks_held(&self) -> Option<MapReport> {
        self.with_swarm(|swarm| {
            let segments = swarm.segments();
            report_of(swarm.has().runs(), |chunk| {
                let segment = segments.segment_of(chunk);
                let is_last = segments.chunks_of(segment)?.end() == chunk;
                is_last.then(|| segments.span(segment).end())
            })
        })
    }
}

/// A map of these runs. With a segment's last chunk the numbers that follow it count as held, of which there are no chunks:
/// so whole segments in a row are one run. `numbers_end` says for the last chunk of a segment where its numbers end.
fn report_of(runs: &[ChunkRange], numbers_end: impl Fn(u32) -> Option<u32>) -> MapReport {
    let mut map = ChunkMap::default();
    for run in runs {
        let end = numbers_end(run.end()).unwrap_or(run.end());
        map.push(run.start().into()..u64::from(end) + 1);
    }
    MapReport {
        first: map.ranges().first().map_or(0, |range| range.start),
        map,
        delta: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments_in_a_row_are_one_run() {
        // Segments of 512 numbers and 19 chunks.
        let numbers_end = |chunk: u32| (chunk % 512 == 18).then_some(chunk | 511);
        let runs = [(512, 530), (1024, 1042), (1536, 1540), (2047, 2050)];
        let runs: Vec<ChunkRange> = runs
            .iter()
            .map(|(start, end)| ChunkRange::new(*start, *end).unwrap())
            .collect();
        let report = report_of(&runs, numbers_end);
        assert_eq!(report.map.ranges(), [512..1541, 2047..2051]);
        assert_eq!((report.first, report.delta), (512, false));
        // To the end of all numbers.
        let last = report_of(&[ChunkRange::one(u32::MAX)], |_| None);
        assert!(last.map.covers(0xffff_ffff) && !last.map.covers(0x1_0000_0000));
        assert_eq!(report_of(&[], |_| None), MapReport::default());
    }
}
