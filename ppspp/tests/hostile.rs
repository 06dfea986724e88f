//! Peers that lie, break the protocol, or say nothing.

mod harness;

use std::time::Duration;

use bytes::Bytes;
use harness::World;
use ppspp::swarm::{Event, Input, Lane, Reason};
use ppspp::{ChunkRange, Message, Timestamp};

fn world() -> World {
    World::new(20, 100_000)
}

/// A and its liar B, both complete, and C that joins them.
fn with_liar(forge: fn(Lane, &Bytes) -> Option<Bytes>) -> (World, [usize; 3]) {
    let mut world = world();
    let (a, b) = (world.join(), world.join());
    for who in [a, b] {
        world.nodes[who].window = 20;
        world.play(who);
    }
    world.run_for(Duration::from_secs(5));
    let c = world.join();
    world.nodes[b].forge = Some(forge);
    world.play(c);
    world.connect(c, a);
    world.connect(c, b);
    (world, [a, b, c])
}

#[test]
fn a_flipped_byte_bans_its_sender_and_nobody_else() {
    let (mut world, [_, b, c]) = with_liar(|lane, datagram| {
        let mut bytes = datagram.to_vec();
        if lane == Lane::Bulk {
            *bytes.last_mut().unwrap() ^= 1;
        }
        Some(bytes.into())
    });
    let liar = *world.nodes[c]
        .links
        .iter()
        .find(|(_, end)| end.to == b)
        .unwrap()
        .0;
    world.run_to_end();
    assert_eq!(world.nodes[c].disconnected, [(liar, Reason::Forged)]);
    let bad = world.nodes[c]
        .events
        .iter()
        .filter(|(_, e)| matches!(e, Event::BadChunk { link, .. } if *link == liar));
    assert_eq!(bad.count(), 1);
    assert!(
        world.nodes[c].bytes_from_peers() > world.size() / 2,
        "the honest peer goes on"
    );
    assert!(world.nodes[c].stalls <= Duration::from_millis(500));
    world.check_bytes(c);
}

#[test]
fn a_forged_hash_bans_its_sender() {
    let (mut world, [_, b, c]) = with_liar(|lane, datagram| {
        let mut bytes = datagram.to_vec();
        // In the first INTEGRITY: after channel ID, type and range.
        if lane == Lane::Bulk && bytes[4] == 4 {
            bytes[20] ^= 1;
        }
        Some(bytes.into())
    });
    let liar = *world.nodes[c]
        .links
        .iter()
        .find(|(_, end)| end.to == b)
        .unwrap()
        .0;
    world.run_to_end();
    assert_eq!(world.nodes[c].disconnected, [(liar, Reason::Forged)]);
    world.check_bytes(c);
}

#[test]
fn a_liar_that_has_everything_and_sends_nothing_costs_no_stall() {
    let (mut world, [_, b, c]) =
        with_liar(|lane, datagram| (lane == Lane::Control).then(|| datagram.clone()));
    world.run_to_end();
    assert!(
        world.nodes[c].stalls <= Duration::from_millis(500),
        "{:?}",
        world.nodes[c].stalls
    );
    assert!(world.nodes[c].disconnected.is_empty(), "slow is no crime");
    let _ = b;
    world.check_bytes(c);
}

#[test]
fn nonsense_ends_the_relation() {
    let mut world = world();
    let (a, b) = (world.join(), world.join());
    world.play(a);
    world.run_for(Duration::from_secs(2));
    world.nodes[b].forge = Some(|_, datagram| {
        // Everything after the handshake gets an unknown message appended.
        Some(if datagram[..4] == [0; 4] {
            datagram.clone()
        } else {
            [datagram, &[99u8][..]].concat().into()
        })
    });
    world.connect(b, a);
    world.play(b);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.nodes[a].disconnected.len(), 1);
    assert_eq!(world.nodes[a].disconnected[0].1, Reason::Protocol);
}

#[test]
fn a_handshake_for_another_swarm_meets_silence() {
    let mut world = world();
    let a = world.join();
    let peer = world.nodes[a].id;
    let link = ppspp::LinkId(9);
    world.input(a, Input::LinkUp { link, peer });
    let before = world.nodes[a].swarm.poll_timeout();
    let mut data = vec![0; 4];
    let options = ppspp::options::ProtocolOptions {
        version: Some(1),
        ..Default::default()
    };
    Message::Handshake { source: 5, options }.encode(&mut data);
    let data = Bytes::from(data);
    assert!(!world.nodes[a].swarm.claims(link, &data));
    world.nodes[a]
        .swarm
        .handle(world.now, Input::Datagram { link, data });
    assert!(world.nodes[a].swarm.poll_output().is_none());
    assert_eq!(world.nodes[a].swarm.poll_timeout(), before);
}

#[test]
fn choked_peers_are_not_asked_and_unchoked_ones_are() {
    let mut world = world();
    let (a, b) = (world.join(), world.join());
    world.nodes[a].window = 20;
    world.play(a);
    world.run_for(Duration::from_secs(5));
    world.input(a, Input::Upload(false));
    world.connect(b, a);
    world.play(b);
    world.run_for(Duration::from_secs(6));
    assert_eq!(world.nodes[b].bytes_from_peers(), 0);
    assert!(world.nodes[b].bytes_from_origin() > 0);
    world.input(a, Input::Upload(true));
    world.run_to_end();
    assert!(world.nodes[b].bytes_from_peers() > 0);
    world.check_bytes(b);
}

#[test]
fn a_peer_that_pauses_for_a_second_is_not_blamed() {
    let mut world = world();
    let (a, b) = (world.join(), world.join());
    world.nodes[a].window = 20;
    world.play(a);
    world.run_for(Duration::from_secs(5));
    world.connect(b, a);
    world.play(b);
    world.run_for(Duration::from_millis(300));
    // B stands still; its wake-up comes late, and so does everything that waited for it.
    let due = world.nodes[b].swarm.poll_timeout().unwrap();
    world.nodes[b]
        .swarm
        .handle(Timestamp(due.0 + 4_000_000), Input::Timeout);
    let cancelled = std::iter::from_fn(|| world.nodes[b].swarm.poll_output()).any(
        |output| matches!(output, ppspp::Output::Transmit { datagram, .. } if datagram.get(4) == Some(&9)),
    );
    assert!(!cancelled, "a late timer is no time-out of the peer's");
}

#[test]
fn hostile_ranges_are_bounded() {
    let mut world = world();
    let (a, b) = (world.join(), world.join());
    world.connect(a, b);
    world.run_for(Duration::from_secs(1));
    // The whole number space is one run; what does not exist is not asked for.
    let mut data = Vec::new();
    Message::Have(ChunkRange::new(0, u32::MAX).unwrap()).encode(&mut data);
    Message::Request(ChunkRange::new(0, u32::MAX).unwrap()).encode(&mut data);
    Message::Cancel(ChunkRange::new(0, u32::MAX).unwrap()).encode(&mut data);
    let link = *world.nodes[a].links.keys().next().unwrap();
    let channel = (1..=u32::MAX).find(|_| true).unwrap();
    let _ = channel;
    for id in 0..1u32 {
        let datagram: Bytes = [&id.to_be_bytes(), data.as_slice()].concat().into();
        world.input(a, Input::Datagram { link, data: datagram });
    }
    assert!(world.nodes[a].disconnected.is_empty());
}
