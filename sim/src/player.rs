//! A player: wants what is ahead of its playhead, plays what is there, stalls when it is not.

use core::time::Duration;

use ppspp::Timestamp;

/// Segments asked for at a time, as the browser's feeder does.
const MAX_LOADS: usize = 12;
/// The same before anything can be played.
const MAX_STARTING_LOADS: usize = 1;

/// What the player wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Load a segment, or know that it is needed at another time.
    Demand {
        /// Its number.
        segment: u32,
        /// When it has to be there.
        deadline: Timestamp,
    },
    /// Stop loading a segment.
    Withdraw {
        /// Its number.
        segment: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first segment, or after a jump.
    Loading { since: Timestamp },
    /// The next segment did not come in time.
    Stalled { since: Timestamp },
    /// At `Player::position` at this time.
    Playing { since: Timestamp },
    /// Everything has been played.
    Ended,
}

/// What became of a viewer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Experience {
    /// From the arrival to the first complete segment.
    pub start_up: Option<Duration>,
    /// Time that media were played.
    pub played: Duration,
    /// Time without media after the first.
    pub stalled: Duration,
    /// How often that happened.
    pub stalls: u32,
    /// Waits after jumps, not counted as stalls.
    pub seeking: Duration,
}

/// See the module. Positions are microseconds of media.
#[derive(Debug)]
pub struct Player {
    segment_us: u64,
    /// Segments of the whole stream.
    segments: u32,
    /// Those that are listed: from here, before there.
    listed: (u32, u32),
    /// Segments between a live stream's edge and where a viewer starts.
    hold_back: u32,
    goal_us: u64,
    state: State,
    position: u64,
    arrived: Timestamp,
    /// Complete segments, a bit each.
    have: Vec<u64>,
    asked: Vec<u32>,
    experience: Experience,
}

impl Player {
    /// A player that comes `now` and starts with segment `start` of `segments`.
    pub fn new(segments: u32, segment_us: u64, goal_us: u64, start: u32, now: Timestamp) -> Self {
        Self {
            segment_us,
            segments,
            listed: (0, segments),
            hold_back: 0,
            goal_us,
            state: State::Loading { since: now },
            position: u64::from(start) * segment_us,
            arrived: now,
            have: vec![0; segments.div_ceil(64) as usize],
            asked: Vec::new(),
            experience: Experience::default(),
        }
    }

    /// The same for a live stream, that starts `hold_back` segments before the edge: nothing is known before its
    /// playlist.
    pub fn live(segments: u32, segment_us: u64, goal_us: u64, hold_back: u32, now: Timestamp) -> Self {
        Self {
            listed: (0, 0),
            hold_back,
            ..Self::new(segments, segment_us, goal_us, 0, now)
        }
    }

    /// A live stream's playlist names the segments from `first` on and before `next`. The first one says where to
    /// start: that many segments before its end. So does one that no longer has what is to be played next.
    /// Returns whether there is anything new.
    pub fn listed(&mut self, first: u32, next: u32, now: Timestamp, actions: &mut Vec<Action>) -> bool {
        let fresh = self.listed.1 == 0;
        let news = next > self.listed.1;
        self.listed = (first, next);
        self.progress(now);
        let waits = !matches!(self.state, State::Playing { .. });
        if fresh {
            self.position = u64::from(next.saturating_sub(self.hold_back)) * self.segment_us;
        } else if waits && self.current() < first && !self.has(self.current()) {
            self.jump(next.saturating_sub(self.hold_back), actions);
            self.refresh(now, actions);
        }
        news
    }

    /// Is everything listed that ever will be?
    pub fn is_complete(&self) -> bool {
        self.listed.1 == self.segments
    }

    /// What became of the viewer until `now`.
    pub fn experience(&self, now: Timestamp) -> Experience {
        let mut experience = self.experience;
        match self.state {
            State::Playing { since } => experience.played += now.since(since),
            State::Stalled { since } => experience.stalled += now.since(since),
            State::Loading { .. } | State::Ended => {}
        }
        experience
    }

    /// Has everything been played?
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Where the playhead is, microseconds of media.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn has(&self, segment: u32) -> bool {
        self.have[segment as usize / 64] >> (segment % 64) & 1 == 1
    }

    fn current(&self) -> u32 {
        (self.position / self.segment_us) as u32
    }

    /// The end of what can be played without a gap.
    fn buffered_until(&self) -> u64 {
        let first = (self.current()..self.segments).find(|&segment| !self.has(segment));
        u64::from(first.unwrap_or(self.segments)) * self.segment_us
    }

    /// A segment is complete.
    pub fn completed(&mut self, segment: u32, now: Timestamp) {
        self.have[segment as usize / 64] |= 1 << (segment % 64);
        self.asked.retain(|other| *other != segment);
        if self.experience.start_up.is_none() {
            self.experience.start_up = Some(now.since(self.arrived));
        }
    }

    /// A segment will not come; it is asked for again.
    pub fn failed(&mut self, segment: u32) {
        self.asked.retain(|other| *other != segment);
    }

    /// The viewer jumps to a segment.
    pub fn seek(&mut self, segment: u32, now: Timestamp, actions: &mut Vec<Action>) {
        self.progress(now);
        match self.state {
            State::Stalled { since } => self.experience.stalled += now.since(since),
            State::Playing { since } => self.experience.played += now.since(since),
            State::Loading { .. } | State::Ended => {}
        }
        self.state = State::Loading { since: now };
        self.jump(segment, actions);
        self.refresh(now, actions);
        self.step(now, actions);
    }

    /// Moves the playhead, and withdraws what is far away from it.
    fn jump(&mut self, segment: u32, actions: &mut Vec<Action>) {
        self.position = u64::from(segment) * self.segment_us;
        let window = segment..segment + (self.goal_us / self.segment_us) as u32 + 1;
        self.asked.retain(|asked| {
            let keep = window.contains(asked);
            if !keep {
                actions.push(Action::Withdraw { segment: *asked });
            }
            keep
        });
    }

    /// Moves the playhead on. Returns whether it runs or stands other than before.
    fn progress(&mut self, now: Timestamp) -> bool {
        match self.state {
            State::Playing { since } => {
                let until = self.buffered_until();
                let elapsed = now.since(since);
                let reached = self.position + elapsed.as_micros() as u64;
                if reached < until {
                    self.position = reached;
                    self.experience.played += elapsed;
                    self.state = State::Playing { since: now };
                    return false;
                }
                let played = Duration::from_micros(until - self.position);
                self.position = until;
                self.experience.played += played;
                if self.current() >= self.segments {
                    self.state = State::Ended;
                } else {
                    self.state = State::Stalled {
                        since: since + played,
                    };
                    self.experience.stalls += 1;
                }
                true
            }
            State::Loading { since } if self.has(self.current()) => {
                self.experience.seeking += now.since(since);
                self.state = State::Playing { since: now };
                true
            }
            State::Stalled { since } if self.has(self.current()) => {
                self.experience.stalled += now.since(since);
                self.state = State::Playing { since: now };
                true
            }
            State::Loading { .. } | State::Stalled { .. } | State::Ended => false,
        }
    }

    fn deadline(&self, segment: u32, now: Timestamp) -> Timestamp {
        let start = u64::from(segment) * self.segment_us;
        Timestamp(now.0 + start.saturating_sub(self.position))
    }

    /// What is asked for already is needed at another time.
    fn refresh(&self, now: Timestamp, actions: &mut Vec<Action>) {
        for &segment in &self.asked {
            let deadline = self.deadline(segment, now);
            actions.push(Action::Demand { segment, deadline });
        }
    }

    /// Looks at the time and at what has come; asks for what is ahead. Returns whether it has just stalled.
    pub fn step(&mut self, now: Timestamp, actions: &mut Vec<Action>) -> bool {
        let stalls = self.experience.stalls;
        while self.progress(now) {
            self.refresh(now, actions);
        }
        let limit = if self.experience.start_up.is_some() {
            MAX_LOADS
        } else {
            MAX_STARTING_LOADS
        };
        for segment in self.current().max(self.listed.0)..self.listed.1 {
            let start = u64::from(segment) * self.segment_us;
            if self.asked.len() >= limit || start >= self.position + self.goal_us {
                break;
            }
            if !self.has(segment) && !self.asked.contains(&segment) {
                let deadline = self.deadline(segment, now);
                self.asked.push(segment);
                actions.push(Action::Demand { segment, deadline });
            }
        }
        self.experience.stalls > stalls
    }

    /// When to call [`Self::step`] again at the latest.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let State::Playing { since } = self.state else {
            return None;
        };
        let boundary = u64::from(self.current() + 1) * self.segment_us;
        let next = boundary.min(self.buffered_until());
        Some(Timestamp(since.0 + (next - self.position)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    fn step(player: &mut Player, now: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        player.step(at(now), &mut actions);
        actions
    }

    fn demand(segment: u32, deadline: u64) -> Action {
        Action::Demand {
            segment,
            deadline: at(deadline),
        }
    }

    #[test]
    fn starts_plays_stalls_and_ends() {
        let mut player = Player::new(3, 2 * SECOND, 30 * SECOND, 0, at(10));
        assert_eq!(step(&mut player, 10), [demand(0, 10)]);
        assert_eq!(player.next_wake(), None);
        player.completed(0, at(11));
        assert_eq!(step(&mut player, 11), [demand(1, 13), demand(2, 15)]);
        assert_eq!(player.next_wake(), Some(at(13)));
        // The second segment comes 3 s late.
        assert_eq!(step(&mut player, 13), [demand(1, 13), demand(2, 15)]);
        player.completed(1, at(16));
        player.completed(2, at(16));
        step(&mut player, 16);
        assert_eq!(player.next_wake(), Some(at(18)));
        step(&mut player, 18);
        step(&mut player, 20);
        assert!(player.has_ended());
        let experience = player.experience(at(99));
        assert_eq!(experience.start_up, Some(Duration::from_secs(1)));
        assert_eq!(experience.played, Duration::from_secs(6));
        assert_eq!(experience.stalled, Duration::from_secs(3));
        assert_eq!(experience.stalls, 1);
    }

    #[test]
    fn a_live_player_follows_the_playlist() {
        let mut player = Player::live(100, 2 * SECOND, 30 * SECOND, 3, at(0));
        assert_eq!(step(&mut player, 0), []);
        let mut actions = Vec::new();
        player.listed(0, 10, at(1), &mut actions);
        assert!(actions.is_empty());
        assert_eq!(step(&mut player, 1), [demand(7, 1)]);
        player.completed(7, at(2));
        assert_eq!(step(&mut player, 2), [demand(8, 4), demand(9, 6)]);
        player.completed(8, at(3));
        player.completed(9, at(3));
        player.listed(1, 11, at(3), &mut actions);
        assert_eq!(step(&mut player, 3), [demand(10, 8)]);
        // The rest of the stream does not come for a minute.
        player.listed(30, 40, at(60), &mut actions);
        assert_eq!(actions, [Action::Withdraw { segment: 10 }]);
        assert_eq!(
            step(&mut player, 60),
            [demand(37, 60), demand(38, 62), demand(39, 64)]
        );
        assert_eq!(player.experience(at(61)).stalled, Duration::from_secs(53));
    }

    #[test]
    fn a_seek_withdraws_what_is_far_away() {
        let mut player = Player::new(100, 2 * SECOND, 6 * SECOND, 0, at(0));
        step(&mut player, 0);
        player.completed(0, at(1));
        assert_eq!(step(&mut player, 1), [demand(1, 3), demand(2, 5)]);
        let mut actions = Vec::new();
        player.seek(50, at(2), &mut actions);
        assert_eq!(
            actions,
            [
                Action::Withdraw { segment: 1 },
                Action::Withdraw { segment: 2 },
                demand(50, 2),
                demand(51, 4),
                demand(52, 6)
            ]
        );
        player.completed(50, at(3));
        step(&mut player, 3);
        let experience = player.experience(at(4));
        assert_eq!(experience.stalled, Duration::ZERO);
        assert_eq!(experience.seeking, Duration::from_secs(2), "start and seek");
        assert_eq!(experience.played, Duration::from_secs(2));
    }
}
