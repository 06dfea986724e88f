//! Live playlists: when they are loaded again, where their segments lie in time, where playback belongs. Pure
//! decisions.
//!
//! Times are seconds of the presentation's timeline unless they say milliseconds; those are of one monotonic clock.

use super::window::{Buffered, Span};

/// Segments whose media starts within so many seconds of where they were thought to be are left where they are.
pub const TOLERANCE: f64 = 0.1;
/// Media further away than this (seconds) from where it belongs has other timestamps than before: nothing can be
/// learnt from them.
pub const MAX_DRIFT: f64 = 30.0;

/// Milliseconds before a playlist that could not be loaded is asked for again; doubled each time.
const FIRST_RETRY: f64 = 500.0;
/// Most milliseconds between two such attempts.
const LONGEST_RETRY: f64 = 8_000.0;

/// When a playlist is to be loaded again (RFC 8216 §6.3.4).
#[derive(Debug, Clone, Copy, Default)]
pub struct Schedule {
    due: f64,
    failures: u32,
}

impl Schedule {
    /// Milliseconds.
    pub fn due(&self) -> f64 {
        self.due
    }

    /// It was loaded, having been asked for at `asked` (milliseconds). `target`: its target duration, seconds.
    /// `changed`: segments have been added since the load before.
    pub fn loaded(&mut self, asked: f64, target: f64, changed: bool) {
        let wait = if changed { target } else { target / 2.0 };
        self.due = asked + wait.max(0.1) * 1_000.0;
        self.failures = 0;
    }

    /// It could not be loaded; `now` in milliseconds. Returns whether that is news: the first time in a row.
    pub fn failed(&mut self, now: f64) -> bool {
        self.due = now + (FIRST_RETRY * f64::from(1_u32 << self.failures.min(8))).min(LONGEST_RETRY);
        self.failures += 1;
        self.failures == 1
    }
}

/// The segments of a playlist in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Number of the first segment: its media sequence number, 0 for video on demand.
    pub first: u64,
    /// When each of them plays; end to end.
    pub spans: Vec<Span>,
    /// When the playlist was asked for, milliseconds.
    pub asked: f64,
}

impl Listing {
    /// Segments of these durations from 0 on.
    pub fn new(first: u64, durations: impl Iterator<Item = f64>, asked: f64) -> Self {
        let mut time = 0.0;
        let spans = durations.map(|duration| {
            let start = time;
            time += duration;
            Span { start, end: time }
        });
        Self {
            first,
            spans: spans.collect(),
            asked,
        }
    }

    /// The number after the newest segment's.
    pub fn next(&self) -> u64 {
        self.first + self.spans.len() as u64
    }

    /// The start of the oldest segment.
    pub fn start(&self) -> f64 {
        self.spans.first().map_or(0.0, |span| span.start)
    }

    /// The end of the newest segment.
    pub fn edge(&self) -> f64 {
        self.spans.last().map_or(0.0, |span| span.end)
    }

    /// Everything plays so much later.
    pub fn shift(&mut self, by: f64) {
        for span in &mut self.spans {
            *span = span.later(by);
        }
    }

    /// Moves a new listing to where it belongs. `own`: what was known of the same playlist. `other`: the listing that
    /// came last, of this or of another playlist of the presentation; its numbers may mean other times (RFC 8216
    /// §6.3.4), but its newest segment was made at about the same time as this one's.
    pub fn align(&mut self, own: Option<&Self>, other: Option<&Self>) {
        let by = own.and_then(|own| self.distance(own)).or_else(|| {
            let other = other?;
            let by_clock = other.edge() + (self.asked - other.asked) / 1_000.0 - self.edge();
            let by_number = self
                .distance(other)
                .filter(|by| (by - by_clock).abs() < MAX_DRIFT);
            // What follows after a hole does not begin before the hole.
            let least = own.map_or(f64::NEG_INFINITY, |own| own.edge() - self.start());
            Some(by_number.unwrap_or(by_clock).max(least))
        });
        self.shift(by.unwrap_or(0.0));
    }

    /// How far it must be moved for a segment's number to mean the same time as in `known`. `None` if they have none
    /// in common and do not meet either.
    fn distance(&self, known: &Self) -> Option<f64> {
        let number = self.first.max(known.first);
        (number <= self.next().min(known.next())).then(|| known.time_of(number) - self.time_of(number))
    }

    fn time_of(&self, number: u64) -> f64 {
        self.spans
            .get((number - self.first) as usize)
            .map_or(self.edge(), |span| span.start)
    }

    /// Where a viewer starts: the newest segment that begins `hold_back` seconds before the edge or earlier (RFC 8216
    /// §6.3.3), the oldest if there is none.
    pub fn live_start(&self, hold_back: f64) -> f64 {
        let latest = self.edge() - hold_back + TOLERANCE;
        let start = self.spans.iter().rev().find(|span| span.start <= latest);
        start.map_or(self.start(), |span| span.start)
    }

    /// Is what plays at `playhead` no longer listed, and nothing buffered that leads to what is? A paused viewer keeps
    /// the picture that is there.
    pub fn fallen_out(&self, playhead: f64, paused: bool, buffered: &Buffered) -> bool {
        let ahead = buffered.ahead(playhead);
        playhead + ahead < self.start() - TOLERANCE && !(paused && ahead > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listing(first: u64, durations: &[f64], asked: f64) -> Listing {
        Listing::new(first, durations.iter().copied(), asked)
    }

    #[test]
    fn a_playlist_is_loaded_again_after_its_target_duration_or_half_of_it() {
        let mut schedule = Schedule::default();
        schedule.loaded(1_000.0, 4.0, true);
        assert_eq!(schedule.due(), 5_000.0);
        schedule.loaded(5_000.0, 4.0, false);
        assert_eq!(schedule.due(), 7_000.0);
        schedule.loaded(7_000.0, 0.0, true);
        assert_eq!(schedule.due(), 7_100.0);
    }

    #[test]
    fn failures_are_tried_again_ever_later() {
        let mut schedule = Schedule::default();
        let mut waits = Vec::new();
        for attempt in 0..100 {
            assert_eq!(schedule.failed(0.0), attempt == 0);
            waits.push(schedule.due());
        }
        assert_eq!(waits[..5], [500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0]);
        assert_eq!(waits[99], 8_000.0);
        schedule.loaded(10.0, 2.0, true);
        assert!(schedule.failed(0.0));
        assert_eq!(schedule.due(), 500.0);
    }

    #[test]
    fn segments_keep_their_times_while_the_window_slides() {
        let mut known = listing(10, &[2.0, 3.0, 2.0], 0.0);
        known.align(None, None);
        assert_eq!((known.start(), known.edge(), known.next()), (0.0, 7.0, 13));
        let mut slid = listing(11, &[3.0, 2.0, 4.0], 4_000.0);
        slid.align(Some(&known), Some(&known));
        assert_eq!((slid.start(), slid.edge()), (2.0, 11.0));
        // Nothing in common, but it goes on without a hole.
        let mut later = listing(14, &[2.0], 9_000.0);
        later.align(Some(&slid), Some(&slid));
        assert_eq!(later.start(), 11.0);
        // Four segments were missed: the clock tells how long that was.
        let mut after = listing(19, &[2.0, 2.0], 21_000.0);
        after.align(Some(&later), Some(&later));
        assert_eq!(after.edge(), 25.0);
        // Never back, whatever the clock says.
        let mut early = listing(25, &[9.0, 9.0], 21_500.0);
        early.align(Some(&after), Some(&after));
        assert_eq!(early.start(), 25.0);
    }

    #[test]
    fn another_rendition_lines_up_by_number_where_that_fits_and_else_by_the_edge() {
        let mut video = listing(100, &[2.0; 5], 0.0);
        video.shift(50.0);
        let mut same = listing(101, &[2.0; 5], 2_000.0);
        same.align(None, Some(&video));
        assert_eq!(same.start(), 52.0);
        let mut counted_otherwise = listing(7, &[3.0; 3], 1_000.0);
        counted_otherwise.align(None, Some(&video));
        assert_eq!(counted_otherwise.edge(), 61.0);
        // The same numbers for quite another time: a window of an hour against one of ten seconds.
        let mut long = listing(100, &[2.0; 1_800], 0.0);
        long.align(None, Some(&video));
        assert_eq!(long.edge(), 60.0);
        // What was known an hour ago is of no use.
        let mut back = listing(1_900, &[2.0; 5], 3_600_000.0);
        let mut now = listing(1_900, &[2.0; 5], 3_600_000.0);
        now.shift(3_650.0);
        back.align(Some(&video), Some(&now));
        assert_eq!(back.start(), 3_650.0);
    }

    #[test]
    fn starts_at_a_segment_before_the_edge() {
        let list = listing(3, &[2.0; 6], 0.0);
        assert_eq!(list.live_start(6.0), 6.0);
        assert_eq!(list.live_start(6.5), 4.0);
        assert_eq!(list.live_start(6.05), 6.0);
        assert_eq!(list.live_start(100.0), 0.0);
        assert_eq!(list.live_start(0.0), 10.0);
        assert_eq!(listing(0, &[], 0.0).live_start(6.0), 0.0);
    }

    #[test]
    fn falls_out_of_the_window_only_when_nothing_leads_back() {
        let mut list = listing(9, &[2.0; 5], 0.0);
        list.shift(100.0);
        let buffered = |start, end| Buffered(vec![Span { start, end }]);
        assert!(list.fallen_out(90.0, false, &Buffered::default()));
        assert!(list.fallen_out(90.0, true, &Buffered::default()));
        assert!(list.fallen_out(90.0, false, &buffered(80.0, 95.0)));
        assert!(!list.fallen_out(90.0, true, &buffered(80.0, 95.0)));
        assert!(!list.fallen_out(90.0, false, &buffered(80.0, 100.0)));
        assert!(!list.fallen_out(100.0, false, &Buffered::default()));
        assert!(!list.fallen_out(120.0, false, &Buffered::default()));
    }

    proptest! {
        /// Whatever windows are seen of a stream, in order: a segment has the time it really has.
        #[test]
        fn times_never_change(
            durations in proptest::collection::vec(1u32..8, 40..80),
            windows in proptest::collection::vec((0usize..4, 4usize..8), 1..12),
        ) {
            let truth: Vec<f64> = durations.iter().map(|units| f64::from(*units) / 2.0).collect();
            let start_of = |number: usize| truth[..number].iter().sum::<f64>();
            let (mut at, mut known) = (0, None::<Listing>);
            let origin = start_of(windows[0].0);
            for (step, length) in windows {
                at = (at + step).min(truth.len() - 8);
                let mut list = listing(at as u64, &truth[at..at + length], 0.0);
                list.align(known.as_ref(), known.as_ref());
                for (index, span) in list.spans.iter().enumerate() {
                    prop_assert!((span.start - (start_of(at + index) - origin)).abs() < 1e-9);
                }
                prop_assert!(list.live_start(3.0) >= list.start());
                prop_assert!(list.live_start(3.0) <= (list.edge() - 3.0 + TOLERANCE).max(list.start()));
                known = Some(list);
            }
        }
    }
}
