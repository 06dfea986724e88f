//! Where a segment's bytes are at the origin.

use core::ops::Range;
use std::rc::Rc;

/// See the module.
#[derive(Clone)]
pub(crate) struct Location {
    pub(crate) url: Rc<str>,
    /// Start and end (exclusive), if it is not all of `url`.
    pub(crate) range: Option<(u64, u64)>,
}

impl Location {
    /// What is asked of `url` for these bytes of the segment, as [`Page::fetch`](crate::page::Page::fetch) takes it.
    /// `bytes` ends at `u64::MAX` where it is to the end of a segment of unknown `size`.
    pub(crate) fn part(&self, bytes: &Range<u64>, size: Option<u64>) -> (f64, f64) {
        match self.range {
            Some((start, end)) => (
                (start + bytes.start) as f64,
                start.saturating_add(bytes.end).min(end) as f64,
            ),
            // The whole of a resource is asked for as a player would: without a Range, for every cache's sake.
            None if bytes.start == 0 && bytes.end >= size.unwrap_or(u64::MAX) => (-1.0, -1.0),
            None if bytes.end == u64::MAX => (bytes.start as f64, f64::INFINITY),
            None => (bytes.start as f64, bytes.end as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_asked_for_without_a_range_and_parts_with_one() {
        const ALL: (f64, f64) = (-1.0, -1.0);
        const END: u64 = u64::MAX;
        let location = |range| Location {
            url: "https://site.example/1.m4s".into(),
            range,
        };
        for (range, bytes, size, expected) in [
            (None, 0..END, None, ALL),
            (None, 0..5000, Some(5000), ALL),
            (None, 0..4000, Some(5000), (0.0, 4000.0)),
            (None, 0..4000, None, (0.0, 4000.0)),
            (None, 1000..4000, None, (1000.0, 4000.0)),
            (None, 1000..5000, Some(5000), (1000.0, 5000.0)),
            (None, 1000..END, None, (1000.0, f64::INFINITY)),
            (Some((100, 5100)), 0..5000, Some(5000), (100.0, 5100.0)),
            (Some((100, 5100)), 1000..END, None, (1100.0, 5100.0)),
        ] {
            let part = location(range).part(&bytes, size);
            assert_eq!(part, expected, "{range:?} {bytes:?} {size:?}");
        }
    }
}
