//! What peers report of themselves (STAT_REPORT): for operators and for choosing peers, never told to other peers.

use std::collections::HashMap;

use tracker_protocol::{ChunkMap, Qos, Stat};

/// Most ranges in all chunk maps of one peer: 8 KiB.
const MAX_RANGES: usize = 512;

/// What a peer last said of its part in one swarm. Nothing in it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Bytes sent to peers since joining.
    pub uploaded_bytes: u64,
    /// Bytes received from peers since joining.
    pub downloaded_bytes: u64,
    /// Upload bandwidth available at the moment, bit/s.
    pub available_bandwidth: u64,
    /// Connected neighbours.
    pub concurrent_links: u64,
    /// What the viewer got, as last told.
    pub qos: Option<Qos>,
    /// The chunks it has, as last told.
    pub map: Option<ChunkMap>,
}

/// The reports of one peer, of the swarms it is in.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    by_swarm: HashMap<String, Report>,
}

impl Reports {
    /// Takes over a report of a swarm that the peer is a member of. What it leaves out stays as it was.
    pub(crate) fn take(&mut self, stat: &Stat) {
        let mut report = self.by_swarm.remove(&stat.swarm_id).unwrap_or_default();
        report.uploaded_bytes = stat.uploaded_bytes;
        report.downloaded_bytes = stat.downloaded_bytes;
        report.available_bandwidth = stat.available_bandwidth;
        report.concurrent_links = stat.concurrent_links;
        if stat.ext.qos.is_some() {
            report.qos.clone_from(&stat.ext.qos);
        }
        if let Some(told) = &stat.ext.map {
            let map = match (told.delta, &report.map) {
                (false, _) => Some(told.map.clone()),
                (true, Some(before)) => Some(before.xor(&told.map)),
                // Changes of a map that is not known here say nothing.
                (true, None) => None,
            };
            // A map is a hint: one too many is forgotten, not refused.
            report.map = map.filter(|map| self.ranges() + map.ranges().len() <= MAX_RANGES);
        }
        self.by_swarm.insert(stat.swarm_id.clone(), report);
    }

    /// The peer has left the swarm.
    pub(crate) fn forget(&mut self, swarm_id: &str) {
        self.by_swarm.remove(swarm_id);
    }

    pub(crate) fn get(&self, swarm_id: &str) -> Option<&Report> {
        self.by_swarm.get(swarm_id)
    }

    fn ranges(&self) -> usize {
        let maps = self.by_swarm.values().filter_map(|report| report.map.as_ref());
        maps.map(|map| map.ranges().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use tracker_protocol::{MapReport, StatExt};

    use super::*;

    fn stat(swarm: &str, ranges: &[(u64, u64)], delta: bool) -> Stat {
        let map = ChunkMap::of(ranges.iter().map(|(start, end)| *start..*end));
        Stat {
            swarm_id: swarm.to_owned(),
            ext: StatExt {
                map: Some(MapReport { first: 0, map, delta }),
                ..StatExt::default()
            },
            ..Stat::default()
        }
    }

    fn map(reports: &Reports, swarm: &str) -> Option<Vec<(u64, u64)>> {
        let map = reports.get(swarm)?.map.as_ref()?;
        Some(
            map.ranges()
                .iter()
                .map(|range| (range.start, range.end))
                .collect(),
        )
    }

    #[test]
    fn changes_are_applied_to_the_map_before() {
        let mut reports = Reports::default();
        reports.take(&stat("a", &[(5, 6)], true));
        assert_eq!(map(&reports, "a"), None);
        reports.take(&stat("a", &[(0, 100)], false));
        reports.take(&stat("a", &[(0, 10), (100, 110)], true));
        assert_eq!(map(&reports, "a"), Some(vec![(10, 110)]));
        reports.take(&stat("a", &[(0, 1)], false));
        assert_eq!(map(&reports, "a"), Some(vec![(0, 1)]));
    }

    #[test]
    fn what_is_left_out_stays() {
        let mut reports = Reports::default();
        let mut first = stat("a", &[(0, 100)], false);
        first.ext.qos = Some(Qos {
            stalls: 2,
            ..Qos::default()
        });
        reports.take(&first);
        reports.take(&Stat {
            swarm_id: "a".to_owned(),
            uploaded_bytes: 7,
            ..Stat::default()
        });
        let report = reports.get("a").unwrap();
        assert_eq!(
            (report.uploaded_bytes, report.qos.as_ref().unwrap().stalls),
            (7, 2)
        );
        assert_eq!(map(&reports, "a"), Some(vec![(0, 100)]));
        reports.forget("a");
        assert_eq!(reports.get("a"), None);
    }

    #[test]
    fn maps_of_one_peer_are_bounded() {
        let mut reports = Reports::default();
        let ranges: Vec<(u64, u64)> = (0..127).map(|at| (2 * at, 2 * at + 1)).collect();
        for swarm in 0..64 {
            reports.take(&stat(&swarm.to_string(), &ranges, false));
        }
        assert_eq!(reports.ranges(), 4 * 127);
        // Room that is given up is used again.
        reports.take(&stat("0", &[(0, 1)], false));
        reports.take(&stat("63", &ranges[..100], false));
        assert_eq!(reports.ranges(), 1 + 3 * 127 + 100);
        // Changes may not outgrow it either.
        reports.take(&stat("63", &ranges[100..], true));
        assert_eq!(reports.ranges(), 1 + 4 * 127);
    }
}
