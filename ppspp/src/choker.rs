//! Whom to serve when not everybody can be served (RFC 7574 §3.8): choking by reciprocity, with places for newcomers.
//!
//! While the uplink keeps up with what is asked, nobody is choked. Once requests wait, only so many peers are served
//! as get a useful share: first those that gave most lately, then those that share what they have (a peer that takes
//! chunks and announces none of them, or chokes us, does not), the least served before the others; and in turn one or
//! two others, who may turn out to give more (optimistic slots). Live swarms do without: see `swarm::serving`.

use core::cmp::Reverse;
use core::time::Duration;

use crate::channel::Channel;
use crate::sorted_map::SortedMap;
use crate::{LinkId, Timestamp, random};

/// How often it is decided anew whom to serve.
const PERIOD: Duration = Duration::from_secs(10);
/// How often the optimistic slots change hands.
const OPTIMISTIC_PERIODS: u32 = 3;
/// Requests that wait this long mean that the uplink is full.
const SATURATED: Duration = Duration::from_millis(700);
/// Who has asked for nothing for this long takes no slot.
const INTERESTED: Duration = Duration::from_secs(20);

/// See the module.
#[derive(Debug)]
pub(crate) struct Choker {
    slots: usize,
    next: Timestamp,
    round: u32,
    optimistic: Vec<LinkId>,
    saturated: bool,
}

impl Choker {
    /// Serves `slots` peers at a time when not all can be served, at least one.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots: slots.max(1),
            next: Timestamp::default(),
            round: 0,
            optimistic: Vec::new(),
            saturated: false,
        }
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Timestamp {
        self.next
    }

    /// Whom to serve from now on; `None` before the time has come, or when nothing changes: everybody.
    pub(crate) fn serve(
        &mut self,
        now: Timestamp,
        channels: &mut SortedMap<LinkId, Channel>,
        rng: &mut fastrand::Rng,
    ) -> Option<Vec<LinkId>> {
        if now < self.next {
            return None;
        }
        self.next = now + PERIOD;
        let waits = |channel: &Channel| {
            !channel.choking
                && channel
                    .waiting_since()
                    .is_some_and(|since| now.since(since) >= SATURATED)
        };
        let was = self.saturated;
        let choked = channels.values().any(|channel| channel.choking);
        // Enough is choked when nobody waits: the slots stay as long as there are more who want one.
        self.saturated = channels.values().any(waits) || (was && choked);
        let mut interested: Vec<(u64, bool, Reverse<u64>, LinkId)> = channels
            .values()
            .filter(|channel| channel.is_open())
            .filter(|channel| {
                channel.choking
                    || channel
                        .last_asked
                        .is_some_and(|asked| now.since(asked) <= INTERESTED)
            })
            .map(|channel| {
                let sent = Reverse(channel.recently_sent);
                (channel.recently_received, channel.shares(), sent, channel.link)
            })
            .collect();
        for channel in channels.values_mut() {
            channel.recently_received = 0;
            channel.recently_sent = 0;
        }
        if !self.saturated || interested.len() <= self.slots {
            self.saturated = false;
            self.optimistic.clear();
            return Some(channels.keys().collect());
        }
        interested.sort_unstable_by(|a, b| b.cmp(a));
        self.round = self.round.wrapping_add(1);
        let optimistic = (self.slots / 4).max(1);
        let regular = self.slots - optimistic.min(self.slots - 1);
        let mut served: Vec<LinkId> = interested.iter().take(regular).map(|(.., link)| *link).collect();
        let mut others: Vec<LinkId> = interested.iter().skip(regular).map(|(.., link)| *link).collect();
        if self.round % OPTIMISTIC_PERIODS == 1 {
            self.optimistic.clear();
        }
        self.optimistic.retain(|link| others.contains(link));
        others.retain(|link| !self.optimistic.contains(link));
        random::shuffle(rng, &mut others);
        let free = (self.slots - regular).saturating_sub(self.optimistic.len());
        self.optimistic.extend(others.into_iter().take(free));
        served.extend(&self.optimistic);
        // Who wants nothing now is not told off: it may ask when it does.
        let idle = channels.values().filter(|channel| {
            !channel.choking
                && channel
                    .last_asked
                    .is_none_or(|asked| now.since(asked) > INTERESTED)
        });
        served.extend(idle.map(|channel| channel.link));
        Some(served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::State;
    use crate::segment_table::Segment;
    use crate::{ChunkRange, Hash, PeerId, SegmentTable, SwarmMetadata};

    fn channels(count: u32) -> SortedMap<LinkId, Channel> {
        let segments = vec![Segment {
            size: 20_000,
            root: Hash::of_chunk(b"x"),
        }];
        let table = SegmentTable { segments };
        let metadata = SwarmMetadata::new(table.swarm_id(), 1000, 5, table).unwrap();
        let mut channels = SortedMap::new();
        for n in 0..count {
            let mut channel = Channel::new(&metadata, LinkId(n), PeerId([n as u8; 32]), n + 1, Timestamp(0));
            channel.state = State::Open;
            channels.insert(LinkId(n), channel);
        }
        channels
    }

    fn ask(channels: &mut SortedMap<LinkId, Channel>, at: Timestamp) {
        for channel in channels.values_mut() {
            channel.last_asked = Some(at);
            if channel.waiting_since().is_none() {
                channel.enqueue_upload(ChunkRange::one(1), at);
            }
        }
    }

    #[test]
    fn nobody_is_choked_while_the_uplink_keeps_up() {
        let mut choker = Choker::new(4);
        let mut channels = channels(9);
        let rng = &mut fastrand::Rng::with_seed(1);
        for channel in channels.values_mut() {
            channel.last_asked = Some(Timestamp(1_000_000));
        }
        let served = choker.serve(Timestamp(1_000_000), &mut channels, rng).unwrap();
        assert_eq!(served.len(), 9);
        assert_eq!(
            choker.serve(Timestamp(2_000_000), &mut channels, rng),
            None,
            "not yet"
        );
    }

    #[test]
    fn contributors_are_served_before_free_riders() {
        let mut choker = Choker::new(4);
        let mut channels = channels(12);
        let rng = &mut fastrand::Rng::with_seed(1);
        let mut turns = std::collections::BTreeMap::new();
        let mut now = Timestamp(1_000_000);
        for _ in 0..60 {
            ask(&mut channels, now);
            now += Duration::from_secs(11);
            ask(&mut channels, now);
            // The first three give, the rest take.
            for (link, channel) in channels.iter_mut() {
                channel.recently_received = if link.0 < 3 { 1000 } else { 0 };
            }
            let served = choker.serve(now, &mut channels, rng).unwrap();
            assert_eq!(served.len(), 4);
            for link in &served {
                *turns.entry(*link).or_insert(0) += 1;
            }
            for (link, channel) in channels.iter_mut() {
                channel.choking = !served.contains(&link);
            }
        }
        assert!((0..3).all(|n| turns[&LinkId(n)] == 60), "{turns:?}");
        let riders: Vec<i32> = (3..12).filter_map(|n| turns.get(&LinkId(n)).copied()).collect();
        assert!(riders.len() >= 7, "everybody gets a try: {turns:?}");
        assert!(riders.iter().all(|turns| *turns <= 15), "{turns:?}");
    }
}
