//! Which chunks a peer has, as it tells its tracker in `stat[].ext.map` of STAT_REPORT (extension `chunkmap/1`,
//! PPSP.TP.REQ-3).
//!
//! On the wire: `b`, a chunk number, and `r`, base64url of runs. A run is a LEB128 varint: a number of chunks. Runs
//! alternate have, miss, have, … from `b` on, starting with a have-run (which may be 0); trailing misses are left out.
//! Where a segment has fewer chunks than numbers, those left over count as held with its last chunk: whole segments in a row
//! are one run.

use std::ops::Range;

use json::Writer;

use crate::identity::{decode_base64url, encode_base64url};
use crate::read::{Members, Read};
use crate::write::Write;

/// Most runs of a map on the wire, haves and misses together.
pub const MAX_MAP_RUNS: usize = 256;
/// Chunk numbers end here: beyond, JSON numbers are not exact everywhere.
const MAX_CHUNK: u64 = 1 << 53;
/// Longest `r`: [`MAX_MAP_RUNS`] varints of 8 bytes, in base64url.
const MAX_TEXT: usize = (MAX_MAP_RUNS * 8).div_ceil(3) * 4;

/// A set of chunks: ascending ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkMap {
    ranges: Vec<Range<u64>>,
}

impl ChunkMap {
    /// The chunks of all these ranges, in any order.
    pub fn of(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort_by_key(|range| range.start);
        let mut map = Self::default();
        for range in ranges {
            map.push(range);
        }
        map
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Is the chunk in it?
    pub fn covers(&self, chunk: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= chunk);
        self.ranges.get(at).is_some_and(|range| range.contains(&chunk))
    }

    /// The chunks that are in one of the two only: what a report of changes (`"d":1`) makes of the map before it.
    pub fn xor(&self, other: &Self) -> Self {
        let edges = |map: &Self| {
            let edges = map.ranges.iter().flat_map(|range| [range.start, range.end]);
            edges.collect::<Vec<_>>()
        };
        let mut all = edges(self);
        all.extend(edges(other));
        all.sort_unstable();
        // Where both change, the difference does not.
        let mut left: Vec<u64> = Vec::new();
        for edge in all {
            if left.last() == Some(&edge) {
                left.pop();
            } else {
                left.push(edge);
            }
        }
        Self {
            ranges: left.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect(),
        }
    }

    /// What is written of it, relative to `first`: without the chunks before, and where that would be more than
    /// [`MAX_MAP_RUNS`] runs, without its smallest ranges. So it never claims what is not there.
    pub fn written_from(&self, first: u64) -> Self {
        let mut map = Self::default();
        // Not by `of`, which sorts: that code would be in every browser's bundle.
        for range in &self.ranges {
            map.push(range.start.max(first)..range.end);
        }
        while map.runs(first).len() > MAX_MAP_RUNS {
            let smallest = map
                .ranges
                .iter()
                .enumerate()
                .min_by_key(|(_, range)| range.end - range.start);
            if let Some((at, _)) = smallest {
                map.ranges.remove(at);
            }
        }
        map
    }

    /// Adds a range that starts at or after the last one; an empty one is none.
    pub fn push(&mut self, range: Range<u64>) {
        match self.ranges.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => self.ranges.push(range),
        }
    }

    /// Alternating haves and misses from `first`, which no range starts before.
    fn runs(&self, first: u64) -> Vec<u64> {
        let mut runs = Vec::new();
        let mut at = first;
        for range in &self.ranges {
            if range.start > at {
                if runs.is_empty() {
                    runs.push(0);
                }
                runs.push(range.start - at);
            }
            runs.push(range.end - range.start);
            at = range.end;
        }
        runs
    }
}

/// A chunk map as it is reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapReport {
    /// The chunk that the runs count from (`b`): 0, or the first one there is.
    pub first: u64,
    /// The chunks; on the wire at most [`MAX_MAP_RUNS`] runs ([`ChunkMap::written_from`]).
    pub map: ChunkMap,
    /// `"d":1`: the chunks whose state has changed since the last report, not those there are.
    pub delta: bool,
}

impl MapReport {
    /// The runs as text (`r`).
    pub fn runs_text(&self) -> String {
        let mut bytes = Vec::new();
        for mut run in self.map.written_from(self.first).runs(self.first) {
            while run >= 0x80 {
                bytes.push(run as u8 | 0x80);
                run >>= 7;
            }
            bytes.push(run as u8);
        }
        encode_base64url(&bytes)
    }

    /// Reads runs (`r`) that count from `first` (`b`).
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_runs(first: u64, text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_TEXT {
            return Err("more than 256 runs");
        }
        let bytes = decode_base64url(text).ok_or("not base64url")?;
        let (mut map, mut at) = (ChunkMap::default(), first);
        let (mut count, mut run, mut shift) = (0, 0_u64, 0);
        for byte in bytes {
            if shift > 56 {
                return Err("a run beyond 2^53");
            }
            run |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte >= 0x80 {
                continue;
            }
            let end = at.checked_add(run).filter(|end| *end <= MAX_CHUNK);
            let end = end.ok_or("a run beyond 2^53")?;
            if count % 2 == 0 {
                map.push(at..end);
            }
            count += 1;
            if count > MAX_MAP_RUNS {
                return Err("more than 256 runs");
            }
            (at, run, shift) = (end, 0, 0);
        }
        if shift > 0 {
            return Err("its last run is cut off");
        }
        Ok(Self {
            first,
            map,
            delta: false,
        })
    }
}

impl Write for MapReport {
    fn write(&self, json: &mut Writer) {
        json.number_member("b", self.first);
        json.text_member("r", &self.runs_text());
        if self.delta {
            json.number_member("d", 1);
        }
    }
}

impl Read for MapReport {
    fn read(from: &Members<'_>) -> Self {
        let delta = from.number_or_zero("d") == 1;
        match Self::from_runs(from.number("b"), &from.text("r")) {
            Ok(report) => Self { delta, ..report },
            Err(problem) => {
                from.refuse("r", problem);
                Self::default()
            }
        }
    }
}
