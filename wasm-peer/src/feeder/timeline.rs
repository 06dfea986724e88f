//! From the media's own timestamps to the playlist's timeline.

/// Differences below this (seconds) are left to the media: tracks are made to start a little apart.
const TOLERANCE: f64 = 0.5;
/// Discontinuities a presentation may have.
const MAX_DISCONTINUITIES: usize = 4_096;

/// The offset of each discontinuity of a presentation (RFC 8216 §4.3.2.3), the same for all its tracks.
#[derive(Debug, Default)]
pub struct Timeline(Vec<(u64, f64)>);

impl Timeline {
    /// The timestamp offset (seconds) for a segment of this discontinuity, which begins at `start` in the
    /// playlist and at `media_start` by its own timestamps. The first segment seen decides for all.
    pub fn offset(&mut self, discontinuity: u64, start: f64, media_start: Option<f64>) -> f64 {
        if let Some((_, offset)) = self.0.iter().find(|(known, _)| *known == discontinuity) {
            return *offset;
        }
        let Some(media_start) = media_start else {
            return 0.0;
        };
        let difference = start - media_start;
        let offset = if difference.abs() < TOLERANCE {
            0.0
        } else {
            difference
        };
        if self.0.len() < MAX_DISCONTINUITIES {
            self.0.push((discontinuity, offset));
        }
        offset
    }

    /// Timestamps of this discontinuity mean something else from now on: the next segment decides anew.
    pub fn forget(&mut self, discontinuity: u64) {
        self.0.retain(|(known, _)| *known != discontinuity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_stay_and_large_ones_are_shared() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.offset(0, 0.0, None), 0.0);
        assert_eq!(timeline.offset(0, 4.0, Some(4.08)), 0.0);
        assert_eq!(timeline.offset(1, 8.0, Some(0.0)), 8.0);
        assert_eq!(timeline.offset(1, 8.0, Some(0.02)), 8.0);
        assert_eq!(timeline.offset(2, 12.0, Some(10.0)), 2.0);
        assert_eq!(timeline.offset(0, 12.0, Some(10.0)), 0.0);
        timeline.forget(0);
        assert_eq!(timeline.offset(0, 12.0, Some(10.0)), 2.0);
    }
}
