//! Which segments to load: pure decisions from the playhead, what is buffered and what was put there.
//!
//! Times are seconds. A segment's span is on the playlist's timeline; what the media itself says may differ a
//! little (`drift`), and only the buffer knows whether the browser has evicted something.

/// How far ahead of the playhead segments are loaded, in seconds. Far enough that peers have time to deliver,
/// near enough that a viewer who leaves has not cost much.
pub const BUFFER_GOAL: f64 = 30.0;
/// What the goal may shrink to when the browser's quota is smaller than the goal, in seconds.
pub const SMALLEST_GOAL: f64 = 6.0;
/// How much is kept behind the playhead, in seconds, and how much more may be there before it is trimmed.
pub const BACK_BUFFER: f64 = 30.0;
/// See [`BACK_BUFFER`].
pub const BACK_BUFFER_SLACK: f64 = 10.0;
/// How much is kept behind the playhead when the quota is exceeded, in seconds.
pub const QUOTA_BACK_BUFFER: f64 = 10.0;
/// Loads of one track that may be under way (or waiting to be appended) at a time.
pub const MAX_LOADS: usize = 12;
/// The same before anything can be played: the first segment is not to share the line with later ones.
pub const MAX_STARTING_LOADS: usize = 1;

/// An interval of time, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
}

impl Span {
    /// The same, so many seconds later.
    pub fn later(&self, by: f64) -> Self {
        Self {
            start: self.start + by,
            end: self.end + by,
        }
    }

    fn middle(&self) -> f64 {
        (self.start + self.end) / 2.0
    }

    fn contains(&self, time: f64) -> bool {
        self.start <= time && time < self.end
    }
}

/// What a SourceBuffer or a media element has buffered: ascending, without overlaps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buffered(pub Vec<Span>);

impl Buffered {
    /// Ranges closer than this (seconds) count as one: frames are rarely laid end to end exactly.
    const JOIN: f64 = 0.1;

    /// Is the whole of `start..end` there?
    pub fn covers(&self, start: f64, end: f64) -> bool {
        let mut reached = start;
        for range in &self.0 {
            if range.start > reached + Self::JOIN {
                break;
            }
            reached = if range.end >= start {
                reached.max(range.end)
            } else {
                reached
            };
            if reached >= end {
                return self.0.iter().any(|range| range.start <= end && range.end > start);
            }
        }
        false
    }

    /// Seconds that are there from `time` on without a gap.
    pub fn ahead(&self, time: f64) -> f64 {
        let mut reached = time;
        for range in &self.0 {
            if range.start <= reached + Self::JOIN && range.end > reached {
                reached = range.end;
            }
        }
        reached - time
    }

    /// The start of the first range after `time`, if it begins within `reach` seconds and what is there at `time`
    /// ends at once: playback stops a frame before the end of a range.
    pub fn gap_end(&self, time: f64, reach: f64) -> Option<f64> {
        if self
            .0
            .iter()
            .any(|range| range.start <= time && time + Self::JOIN < range.end)
        {
            return None;
        }
        self.0
            .iter()
            .map(|range| range.start)
            .find(|start| *start > time)
            .filter(|start| start - time < reach)
    }
}

/// A segment that has been appended.
#[derive(Debug, Clone, Copy)]
struct Placed {
    span: Span,
    rendition: usize,
    drift: f64,
    /// The media leaves holes in its span: the buffer cannot tell whether it is still there.
    sparse: bool,
}

/// Which segments a SourceBuffer was given. At most one entry a segment of the presentation.
#[derive(Debug, Default)]
pub struct Ledger(Vec<Placed>);

impl Ledger {
    /// The segment with this span has been appended; its media starts `drift` seconds later than its span.
    pub fn place(&mut self, span: Span, rendition: usize, drift: f64, buffered: &Buffered) {
        let middle = span.middle();
        self.0
            .retain(|placed| !span.contains(placed.span.middle()) && !placed.span.contains(middle));
        let (start, end) = probe(span, span.start);
        let sparse = !buffered.covers(start + drift, end + drift);
        self.0.push(Placed {
            span,
            rendition,
            drift,
            sparse,
        });
    }

    /// Does the buffer still hold what is to be played of this span? Of the segment under the playhead only the
    /// rest counts.
    pub fn has(&self, span: Span, playhead: f64, buffered: &Buffered) -> bool {
        let (start, end) = probe(span, playhead);
        let at = |time: f64| self.0.iter().find(|placed| placed.span.contains(time));
        match (at(start), at(end)) {
            (Some(first), Some(last)) => {
                first.sparse || last.sparse || buffered.covers(start + first.drift, end + last.drift)
            }
            _ => false,
        }
    }

    /// The rendition that was appended for this time.
    pub fn rendition_at(&self, time: f64) -> Option<usize> {
        self.0
            .iter()
            .find(|placed| placed.span.contains(time))
            .map(|placed| placed.rendition)
    }

    /// Everything that starts at `time` or later is to be loaded again (it stays playable until replaced).
    pub fn forget_from(&mut self, time: f64) {
        self.0.retain(|placed| placed.span.start < time);
    }

    /// `start..end` has been removed from the buffer.
    pub fn forget_removed(&mut self, start: f64, end: f64) {
        self.0
            .retain(|placed| placed.span.end <= start || placed.span.start >= end);
    }
}

/// The part of a span that is looked up: a margin at both ends, nothing before the playhead.
fn probe(span: Span, playhead: f64) -> (f64, f64) {
    let length = span.end - span.start;
    let start = playhead.clamp(span.start + 0.1 * length, span.end - 0.02 * length);
    (start, (span.end - 0.1 * length).max(start))
}

/// The segments to have loads for, first the one needed first: those between the playhead and `goal` seconds
/// later that are not `present`, `limit` at most.
pub fn wanted(
    spans: &[Span],
    playhead: f64,
    goal: f64,
    limit: usize,
    present: impl Fn(Span) -> bool,
) -> Vec<usize> {
    let first = spans.partition_point(|span| span.end <= playhead);
    spans
        .iter()
        .enumerate()
        .skip(first)
        .take_while(|(_, span)| span.start < playhead + goal)
        .filter(|(_, span)| span.end > span.start && !present(**span))
        .map(|(index, _)| index)
        .take(limit)
        .collect()
}

/// Is a load of this span still of use? A goal that shrank meanwhile does not make it useless, only early.
pub fn in_window(span: Span, playhead: f64) -> bool {
    // A little more than what is asked for, so that a playhead that steps back does not cancel and ask again.
    span.end > playhead && span.start < playhead + BUFFER_GOAL + 1.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(count: usize, length: f64) -> Vec<Span> {
        (0..count)
            .map(|i| Span {
                start: i as f64 * length,
                end: (i + 1) as f64 * length,
            })
            .collect()
    }

    fn buffered(ranges: &[(f64, f64)]) -> Buffered {
        Buffered(ranges.iter().map(|&(start, end)| Span { start, end }).collect())
    }

    #[test]
    fn loads_from_the_playhead_to_the_goal() {
        let spans = spans(20, 4.0);
        assert_eq!(wanted(&spans, 0.0, 30.0, 12, |_| false), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(wanted(&spans, 0.0, 30.0, 3, |_| false), [0, 1, 2]);
        assert_eq!(
            wanted(&spans, 41.0, 10.0, 12, |span| span.start == 44.0),
            [10, 12]
        );
        assert_eq!(wanted(&spans, 79.9, 30.0, 12, |_| false), [19]);
        assert_eq!(wanted(&spans, 80.0, 30.0, 12, |_| false), [0usize; 0]);
        assert!(in_window(spans[10], 41.0) && !in_window(spans[9], 41.0));
        assert!(in_window(spans[17], 41.0) && !in_window(spans[18], 41.0));
    }

    #[test]
    fn a_segment_is_there_only_if_placed_and_still_buffered() {
        let spans = spans(4, 4.0);
        let mut ledger = Ledger::default();
        let now = buffered(&[(0.08, 8.0)]);
        assert!(!ledger.has(spans[0], 0.0, &now));
        ledger.place(spans[0], 0, 0.0, &buffered(&[(0.08, 4.0)]));
        ledger.place(spans[1], 1, 0.0, &now);
        assert!(ledger.has(spans[0], 0.0, &now) && ledger.has(spans[1], 0.0, &now));
        assert!(!ledger.has(spans[2], 0.0, &now));
        assert_eq!(
            (
                ledger.rendition_at(3.9),
                ledger.rendition_at(4.0),
                ledger.rendition_at(8.0)
            ),
            (Some(0), Some(1), None)
        );
        // The browser evicts the first three seconds: enough for a playhead past them.
        let evicted = buffered(&[(3.0, 8.0)]);
        assert!(!ledger.has(spans[0], 0.0, &evicted));
        assert!(ledger.has(spans[0], 3.1, &evicted));
        ledger.forget_from(4.0);
        assert!(!ledger.has(spans[1], 0.0, &now));
        ledger.forget_removed(0.0, 1.0);
        assert!(!ledger.has(spans[0], 0.0, &now));
    }

    #[test]
    fn media_with_holes_is_not_loaded_for_ever() {
        let span = Span {
            start: 8.0,
            end: 12.0,
        };
        let mut ledger = Ledger::default();
        let holes = buffered(&[(8.0, 9.0), (11.0, 12.0)]);
        ledger.place(span, 0, 0.0, &holes);
        assert!(ledger.has(span, 8.0, &holes));
        ledger.forget_removed(8.0, 9.0);
        assert!(!ledger.has(span, 8.0, &holes));
    }

    #[test]
    fn drift_of_the_media_is_allowed_for() {
        let span = Span {
            start: 100.0,
            end: 104.0,
        };
        let mut ledger = Ledger::default();
        let actual = buffered(&[(101.5, 105.5)]);
        ledger.place(span, 0, 1.5, &actual);
        assert!(ledger.has(span, 100.0, &actual));
        assert!(!ledger.has(span, 100.0, &buffered(&[(98.0, 104.5)])));
    }

    #[test]
    fn overlapping_renditions_replace_each_other() {
        let mut ledger = Ledger::default();
        for index in 0..100 {
            let start = f64::from(index % 10) * 2.0 + if index > 50 { 1.0 } else { 0.0 };
            ledger.place(
                Span {
                    start,
                    end: start + 2.0,
                },
                index as usize,
                0.0,
                &Buffered::default(),
            );
        }
        assert!(ledger.0.len() <= 11);
    }

    #[test]
    fn gaps() {
        let ranges = buffered(&[(0.08, 4.0), (4.3, 8.0)]);
        assert_eq!(ranges.gap_end(0.0, 0.5), Some(0.08));
        assert_eq!(ranges.gap_end(4.0, 0.5), Some(4.3));
        assert_eq!(ranges.gap_end(4.0, 0.2), None);
        assert_eq!(ranges.gap_end(3.0, 9.0), None);
        assert_eq!(ranges.gap_end(3.96, 0.5), Some(4.3));
        assert_eq!(ranges.gap_end(8.0, 0.5), None);
        assert_eq!(ranges.ahead(1.0), 3.0);
        assert_eq!(ranges.ahead(0.0), 4.0);
        assert_eq!(ranges.ahead(9.0), 0.0);
        assert_eq!(buffered(&[(0.0, 4.0), (4.05, 8.0)]).ahead(1.0), 7.0);
    }

    proptest! {
        #[test]
        fn covers_like_a_scan(
            ranges in proptest::collection::vec((0u32..100, 1u32..20), 0..8),
            start in 0u32..120,
            length in 1u32..30,
        ) {
            let mut sorted: Vec<(f64, f64)> = Vec::new();
            let mut cells = [false; 200];
            for (from, count) in ranges {
                (from..from + count).for_each(|cell| cells[cell as usize] = true);
            }
            for (index, cell) in cells.iter().enumerate() {
                let time = index as f64;
                match sorted.last_mut() {
                    Some(last) if *cell && last.1 == time => last.1 = time + 1.0,
                    _ if *cell => sorted.push((time, time + 1.0)),
                    _ => {}
                }
            }
            let all = (start..start + length).all(|cell| cells[cell as usize]);
            prop_assert_eq!(buffered(&sorted).covers(f64::from(start), f64::from(start + length)), all);
        }
    }
}
