//! Which rendition to load next: simple and calm.
//!
//! Rates from peers come in bursts, so a switch up needs a clear margin, a comfortable buffer and some time
//! since the last switch; a switch down needs real danger.

/// Of the measured rate, the part that the first rendition may use.
const START_SHARE: f64 = 0.7;
/// How much faster than a rendition's bandwidth the rate must be to switch up to it.
const UP_MARGIN: f64 = 1.4;
/// Seconds that must be buffered to switch up.
const UP_BUFFER: f64 = 10.0;
/// Below this many buffered seconds a switch down is considered.
const DOWN_BUFFER: f64 = 5.0;
/// The same as parts of what a live player can buffer, where that is less.
const UP_SHARE: f64 = 0.6;
/// See [`UP_SHARE`].
const DOWN_SHARE: f64 = 0.35;
/// Milliseconds between two switches by measurement.
const PAUSE: f64 = 8_000.0;

/// What is known when the choice is made.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// Milliseconds of any monotonic clock.
    pub now: f64,
    /// Bits per second over all sources, if measured.
    pub rate: Option<f64>,
    /// Seconds buffered ahead of the playhead.
    pub buffer: f64,
    /// Seconds that can be buffered at most: how far a live player holds back. Infinite for video on demand.
    pub reach: f64,
    /// A load under way has missed its deadline.
    pub late: bool,
    /// Nothing more is needed: a thin buffer at the end is no danger.
    pub complete: bool,
}

/// The choice of rendition. Indexes are those of the bandwidths given to [`Abr::new`].
#[derive(Debug)]
pub struct Abr {
    /// Bits per second.
    bandwidths: Vec<f64>,
    usable: Vec<bool>,
    current: usize,
    pinned: bool,
    switched: f64,
}

impl Abr {
    /// The highest bandwidth within the known rate, else the first listed: the publisher's preference.
    ///
    /// `bandwidths` (bits per second) must not be empty.
    pub fn new(bandwidths: Vec<f64>, rate: Option<f64>) -> Self {
        let usable = vec![true; bandwidths.len()];
        let mut abr = Self {
            bandwidths,
            usable,
            current: 0,
            pinned: false,
            switched: f64::NEG_INFINITY,
        };
        if let Some(rate) = rate {
            abr.current = abr
                .best(|bandwidth| bandwidth <= START_SHARE * rate)
                .unwrap_or_else(|| abr.lowest());
        }
        abr
    }

    /// The rendition to load.
    pub fn current(&self) -> usize {
        self.current
    }

    /// The viewer's choice; `None` hands it back to the measurement. Returns whether the rendition changed.
    pub fn pin(&mut self, choice: Option<usize>) -> bool {
        self.pinned = choice.is_some();
        match choice {
            Some(index) if index < self.bandwidths.len() && index != self.current => {
                self.current = index;
                true
            }
            _ => false,
        }
    }

    /// This rendition cannot be loaded: it is never chosen again. Goes to `back` if it was the current one.
    pub fn exclude(&mut self, index: usize, back: usize) {
        self.usable[index] = false;
        if self.current == index {
            self.current = back;
            self.pinned = false;
        }
    }

    /// Looks at the conditions and returns the rendition to change to, if any.
    pub fn decide(&mut self, conditions: Conditions) -> Option<usize> {
        let Conditions {
            now,
            rate,
            buffer,
            reach,
            late,
            complete,
        } = conditions;
        let rate = rate?;
        if self.pinned || complete || now - self.switched < PAUSE {
            return None;
        }
        let bandwidth = self.bandwidths[self.current];
        let chosen = if buffer < DOWN_BUFFER.min(DOWN_SHARE * reach) && (rate < bandwidth || late) {
            // A late load with a good rate is a hiccup of one source: one step down is enough.
            let limit = (START_SHARE * rate).min(bandwidth - 1.0);
            self.best(|other| other <= limit).unwrap_or_else(|| self.lowest())
        } else if buffer > UP_BUFFER.min(UP_SHARE * reach) {
            self.best(|other| other > bandwidth && UP_MARGIN * other < rate)?
        } else {
            return None;
        };
        (chosen != self.current).then(|| {
            self.current = chosen;
            self.switched = now;
            chosen
        })
    }

    fn best(&self, fits: impl Fn(f64) -> bool) -> Option<usize> {
        self.usable()
            .filter(|(_, bandwidth)| fits(*bandwidth))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|found| found.0)
    }

    fn lowest(&self) -> usize {
        self.usable()
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(self.current, |found| found.0)
    }

    fn usable(&self) -> impl Iterator<Item = (usize, f64)> {
        self.bandwidths
            .iter()
            .copied()
            .enumerate()
            .filter(|(index, _)| self.usable[*index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: [f64; 3] = [1e6, 4e6, 250e3];

    fn calm(now: f64, rate: f64, buffer: f64) -> Conditions {
        Conditions {
            now,
            rate: Some(rate),
            buffer,
            reach: f64::INFINITY,
            late: false,
            complete: false,
        }
    }

    #[test]
    fn starts_within_the_known_rate_or_with_the_first_listed() {
        assert_eq!(Abr::new(LADDER.to_vec(), None).current(), 0);
        assert_eq!(Abr::new(LADDER.to_vec(), Some(6e6)).current(), 1);
        assert_eq!(Abr::new(LADDER.to_vec(), Some(5e6)).current(), 0);
        assert_eq!(Abr::new(LADDER.to_vec(), Some(1e3)).current(), 2);
    }

    #[test]
    fn goes_up_with_margin_and_buffer_only() {
        let mut abr = Abr::new(LADDER.to_vec(), None);
        assert_eq!(abr.decide(calm(0.0, 5.5e6, 30.0)), None);
        assert_eq!(abr.decide(calm(0.0, 6e6, 9.0)), None);
        assert_eq!(
            abr.decide(Conditions {
                rate: None,
                ..calm(0.0, 0.0, 30.0)
            }),
            None
        );
        assert_eq!(abr.decide(calm(0.0, 6e6, 11.0)), Some(1));
        assert_eq!(abr.current(), 1);
        assert_eq!(abr.decide(calm(1.0, 6e6, 11.0)), None);
    }

    #[test]
    fn goes_down_in_danger_only_and_not_twice_at_once() {
        let mut abr = Abr::new(LADDER.to_vec(), Some(6e6));
        assert_eq!(abr.decide(calm(0.0, 2e6, 6.0)), None);
        assert_eq!(
            abr.decide(Conditions {
                complete: true,
                ..calm(0.0, 2e6, 1.0)
            }),
            None
        );
        assert_eq!(abr.decide(calm(0.0, 2e6, 4.0)), Some(0));
        assert_eq!(abr.decide(calm(100.0, 1e5, 1.0)), None);
        assert_eq!(abr.decide(calm(9_000.0, 1e5, 1.0)), Some(2));
        assert_eq!(abr.decide(calm(18_000.0, 1e5, 1.0)), None);
    }

    #[test]
    fn a_late_load_at_a_good_rate_is_one_step() {
        let mut abr = Abr::new(LADDER.to_vec(), Some(60e6));
        assert_eq!(
            abr.decide(Conditions {
                late: true,
                ..calm(0.0, 60e6, 2.0)
            }),
            Some(0)
        );
    }

    #[test]
    fn a_live_buffer_is_judged_by_what_it_can_hold() {
        let live = |now, rate, buffer| Conditions {
            reach: 6.0,
            ..calm(now, rate, buffer)
        };
        let mut abr = Abr::new(LADDER.to_vec(), None);
        assert_eq!(abr.decide(live(0.0, 6e6, 3.5)), None);
        assert_eq!(abr.decide(live(0.0, 5.5e6, 5.0)), None);
        assert_eq!(abr.decide(live(0.0, 6e6, 4.0)), Some(1));
        assert_eq!(abr.decide(live(9_000.0, 2e6, 2.2)), None);
        assert_eq!(abr.decide(live(9_000.0, 2e6, 2.0)), Some(0));
    }

    #[test]
    fn the_viewers_choice_stays() {
        let mut abr = Abr::new(LADDER.to_vec(), None);
        assert!(abr.pin(Some(2)));
        assert_eq!(abr.decide(calm(0.0, 60e6, 30.0)), None);
        assert!(!abr.pin(Some(2)) && !abr.pin(Some(7)));
        assert!(!abr.pin(None));
        assert_eq!(abr.decide(calm(0.0, 60e6, 30.0)), Some(1));
        abr.exclude(1, 2);
        assert_eq!(abr.current(), 2);
        assert_eq!(abr.decide(calm(9_000.0, 60e6, 30.0)), Some(0));
    }
}
