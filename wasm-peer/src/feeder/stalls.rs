//! How well it plays: start-up time and stalls, from what the media element reports.

/// Playback figures since the player was attached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaybackStats {
    /// Milliseconds from attaching to the first `playing` (to `loadeddata` where the viewer has not pressed
    /// play). `None` before that.
    pub startup_ms: Option<f64>,
    /// Times that playback stopped for want of data: not while seeking, paused or before it first played.
    pub stalls: u32,
    /// Milliseconds spent so, with the stall under way if there is one.
    pub stall_ms: f64,
}

/// A stall that is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stall {
    /// Media time, seconds.
    pub at: f64,
    /// Milliseconds.
    pub ms: f64,
}

/// Counts. All times (`now`) are milliseconds of one monotonic clock.
#[derive(Debug)]
pub struct Meter {
    attached: f64,
    startup_ms: Option<f64>,
    stalls: u32,
    stall_ms: f64,
    /// When (clock) and where (media time) the stall under way began.
    under_way: Option<(f64, f64)>,
}

impl Meter {
    /// The player is being attached.
    pub fn new(now: f64) -> Self {
        Self {
            attached: now,
            startup_ms: None,
            stalls: 0,
            stall_ms: 0.0,
            under_way: None,
        }
    }

    /// Media is being shown.
    pub fn started(&mut self, now: f64) {
        self.startup_ms.get_or_insert(now - self.attached);
    }

    /// The element waits for data at this media time, not being paused, ended or seeking.
    pub fn waiting(&mut self, now: f64, at: f64) {
        if self.startup_ms.is_some() && self.under_way.is_none() {
            self.stalls += 1;
            self.under_way = Some((now, at));
        }
    }

    /// It does not wait any more: it plays, or the viewer paused it or went elsewhere.
    pub fn resumed(&mut self, now: f64) -> Option<Stall> {
        let (since, at) = self.under_way.take()?;
        let ms = now - since;
        self.stall_ms += ms;
        Some(Stall { at, ms })
    }

    /// The figures.
    pub fn stats(&self, now: f64) -> PlaybackStats {
        let open = self.under_way.map_or(0.0, |(since, _)| now - since);
        PlaybackStats {
            startup_ms: self.startup_ms,
            stalls: self.stalls,
            stall_ms: self.stall_ms + open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_happens_after_the_start() {
        let mut meter = Meter::new(100.0);
        meter.waiting(150.0, 0.0);
        assert_eq!(meter.resumed(160.0), None);
        meter.started(300.0);
        meter.started(900.0);
        meter.waiting(1_000.0, 5.0);
        meter.waiting(1_200.0, 5.0);
        let stats = PlaybackStats {
            startup_ms: Some(200.0),
            stalls: 1,
            stall_ms: 500.0,
        };
        assert_eq!(meter.stats(1_500.0), stats);
        assert_eq!(meter.resumed(1_500.0), Some(Stall { at: 5.0, ms: 500.0 }));
        assert_eq!(meter.resumed(1_600.0), None);
        assert_eq!(meter.stats(9_000.0), stats);
    }
}
