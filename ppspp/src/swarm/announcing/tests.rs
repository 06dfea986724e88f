//! Tests of who is told of what, and when.

use super::super::fixture::{live_swarm, neighbour};
use super::*;
use crate::datagram::Messages;

fn map(runs: &[(u32, u32)]) -> ChunkMap {
    let mut map = ChunkMap::new();
    for &(start, end) in runs {
        map.insert(ChunkRange::new(start, end).unwrap());
    }
    map
}

fn range(start: u32, end: u32) -> ChunkRange {
    ChunkRange::new(start, end).unwrap()
}

fn said(channel: &mut Channel) -> Vec<Message> {
    let datagram = channel.take_control(Timestamp(0)).unwrap();
    Messages::new(datagram, channel.format)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn a_chunk_is_told_with_its_interval_once() {
    let mut swarm = live_swarm();
    let channel = neighbour(&mut swarm, 0, None);
    channel.has = map(&[(20, 20)]);
    channel.unannounced = map(&[(2, 6), (12, 12)]);
    // 4 and 6 are in one interval, 20 is there, 25 went.
    let chunks = map(&[(4, 4), (6, 6), (20, 20), (25, 25)]);
    channel.tell(&chunks, false, &map(&[(1, 7), (10, 12), (20, 21)]));
    assert_eq!(said(channel), [Message::Have(range(1, 7))]);
    assert_eq!(channel.unannounced, map(&[(12, 12)]));
    // Where it is told of our position, it is told what it has.
    channel.tell(&map(&[(20, 20)]), true, &map(&[(20, 21)]));
    assert!(channel.take_control(Timestamp(0)).is_some());
}

#[test]
fn of_several_intervals_the_one_with_most_is_told_first() {
    let mut swarm = live_swarm();
    let channel = neighbour(&mut swarm, 0, None);
    channel.unannounced = map(&[(2, 2), (5, 5), (7, 8), (25, 25)]);
    channel.soon = map(&[(2, 2), (7, 7)]);
    // 25 went.
    let ours = map(&[(1, 3), (5, 9)]);
    assert!(channel.tell_most(&ours));
    assert_eq!(said(channel), [Message::Have(range(5, 9))]);
    assert_eq!(
        (&channel.unannounced, &channel.soon),
        (&map(&[(2, 2), (25, 25)]), &map(&[(2, 2)]))
    );
    assert!(channel.tell_most(&ours));
    assert_eq!(said(channel), [Message::Have(range(1, 3))]);
    assert!(channel.soon.is_empty());
    assert!(channel.tell_most(&ours));
    assert!(!channel.has_control());
}

const NOW: Timestamp = Timestamp(100_000_000);

/// How many neighbours of a live swarm are told at once of chunk 3, which so many have, while it is asked for so many.
fn told_at_once(having: usize, asked: usize) -> usize {
    let mut swarm = live_swarm();
    for n in 0..12 {
        let has = (n < having).then_some(range(3, 3));
        let channel = neighbour(&mut swarm, 0, has);
        if n < asked {
            channel.enqueue_upload(range(7, 7), NOW);
        }
    }
    swarm.store.insert(3, bytes::Bytes::new(), 1000, 0, NOW);
    swarm.announce(3, false, NOW);
    let waits = |channel: &&Channel| channel.unannounced == map(&[(3, 3)]) && channel.announce_at.is_some();
    assert_eq!(swarm.channels.values().filter(waits).count(), 12 - having);
    let soon = |channel: &&Channel| channel.soon == map(&[(3, 3)]) && channel.soon_at.is_some();
    swarm.channels.values().filter(soon).count()
}

#[test]
fn of_a_live_chunk_that_is_new_more_hear_at_once_than_of_others() {
    assert_eq!(told_at_once(0, 0), FANOUT_FIRST);
    assert_eq!(told_at_once(1, 0), FANOUT);
    assert_eq!(told_at_once(1, BUSY - 1), FANOUT);
    // Who is asked for enough tells nobody, but of what only it has.
    assert_eq!(told_at_once(1, BUSY), 0);
    assert_eq!(told_at_once(0, BUSY), FANOUT_FIRST);
    assert_eq!(told_at_once(11, 0), 1);
}

#[test]
fn what_goes_out_anyway_takes_a_have_along() {
    let mut swarm = live_swarm();
    for _ in 0..6 {
        neighbour(&mut swarm, 0, None);
    }
    for chunk in [3, 4, 7] {
        swarm.store.insert(chunk, bytes::Bytes::new(), 1000, 0, NOW);
        swarm.announce(chunk, false, NOW);
    }
    let asked = swarm.channels.get_mut(LinkId(2)).unwrap();
    asked.queue(&Message::Request(range(9, 9)));
    // From when there were fewer neighbours.
    asked.announce_position = true;
    swarm.flush(NOW);
    let format = swarm.channels.values().next().unwrap().format;
    let sent: Vec<(LinkId, Vec<Message>)> = core::iter::from_fn(|| swarm.poll_output())
        .filter_map(|output| match output {
            Output::Transmit { link, datagram, .. } => {
                let messages = Messages::new(datagram, format).map(Result::unwrap);
                Some((link, messages.collect()))
            }
            _ => None,
        })
        .collect();
    let both = vec![Message::Request(range(9, 9)), Message::Have(range(3, 4))];
    assert_eq!(sent, [(LinkId(2), both)]);
    let left = swarm.channels.get(LinkId(2)).unwrap();
    assert_eq!(left.unannounced, map(&[(7, 7)]));
    assert_eq!(left.announce_at, Some(NOW + LIVE_LAZY_DELAY));
    assert!(!left.announce_position);
}

#[test]
fn one_by_one_hear_of_a_chunk_while_nothing_is_asked_for() {
    let mut swarm = live_swarm();
    for _ in 0..8 {
        neighbour(&mut swarm, 0, None);
    }
    swarm.store.insert(3, bytes::Bytes::new(), 1000, 0, NOW);
    swarm.announce(3, false, NOW);
    let told = |swarm: &Swarm| {
        let channels = swarm.channels.values();
        channels.filter(|channel| channel.unannounced.is_empty()).count()
    };
    swarm.tell_next(NOW);
    assert_eq!(told(&swarm), 0);
    for n in 1..=2 {
        swarm.tell_next(NOW + LIVE_PACE * n);
        assert_eq!(told(&swarm), n as usize);
    }
    // As long as somebody waits for a chunk nobody else hears of it.
    let asking = swarm.channels.get_mut(LinkId(0)).unwrap();
    asking.enqueue_upload(range(7, 7), NOW);
    swarm.tell_next(NOW + LIVE_PACE * 3);
    assert_eq!(told(&swarm), 2);
    swarm.channels.get_mut(LinkId(0)).unwrap().clear_uploads();
    swarm.tell_next(NOW + LIVE_PACE * 4);
    assert_eq!(told(&swarm), 3);
}
