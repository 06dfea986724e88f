//! Peers that lie, break the protocol, or say nothing.

mod harness;

use std::time::Duration;

use bytes::Bytes;
use harness::{RANGES, World};
use ppspp::datagram::Messages;
use ppspp::options::{Addressing, HashFunction, IntegrityMethod, ProtocolOptions};
use ppspp::swarm::{Event, Input, Lane, Output, Reason};
use ppspp::{ChunkMap, ChunkRange, LinkId, Message, PeerId, Timestamp};

fn world() -> World {
    World::new(20, 100_000)
}

/// A and its liar B, both complete, and C that joins them.
fn with_liar(forge: fn(Lane, &Bytes) -> Option<Bytes>) -> (World, [usize; 3]) {
    with_liar_of(20, forge)
}

fn with_liar_of(segments: usize, forge: fn(Lane, &Bytes) -> Option<Bytes>) -> (World, [usize; 3]) {
    let mut world = World::new(segments, 100_000);
    let (a, b) = (world.join(), world.join());
    for who in [a, b] {
        world.nodes[who].window = segments as u32;
        world.play(who);
    }
    while world.fetched() < 2 * world.size() {
        world.run_for(Duration::from_secs(1));
    }
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
    let (mut world, [_, _, c]) =
        with_liar(|lane, datagram| (lane == Lane::Control).then(|| datagram.clone()));
    world.run_to_end();
    assert!(
        world.nodes[c].stalls <= Duration::from_millis(500),
        "{:?}",
        world.nodes[c].stalls
    );
    assert!(world.nodes[c].disconnected.is_empty(), "slow is no crime");
    world.check_bytes(c);
}

#[test]
fn a_liar_ends_at_the_bottom() {
    let (mut world, [_, b, c]) = with_liar_of(200, |lane, datagram| {
        (lane == Lane::Control).then(|| datagram.clone())
    });
    world.run_to_end();
    let node = &world.nodes[c];
    assert!(node.stalls <= Duration::from_millis(500), "{:?}", node.stalls);
    let (liar, _) = node.links.iter().find(|(_, end)| end.to == b).unwrap();
    // No chunk waits for more than one time-out: it is asked of another then.
    let mut vain = ChunkMap::new();
    for (_, _, range) in node.asked.iter().filter(|(_, link, _)| link == liar) {
        assert_eq!(vain.present_in(*range).next(), None, "asked twice");
        vain.insert(*range);
    }
    let all = node.swarm.has().count();
    assert!(
        (1..all / 100).contains(&vain.count()),
        "{} of {all}",
        vain.count()
    );
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
    Message::Handshake { source: 5, options }.encode(&RANGES, &mut data);
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

/// A peer written by hand: it opens a channel to `who` and says what it likes.
struct Puppet {
    link: LinkId,
    /// The channel ID of `who`.
    channel: u32,
}

impl Puppet {
    fn new(world: &mut World, who: usize) -> Self {
        let link = LinkId(77);
        world.input(
            who,
            Input::LinkUp {
                link,
                peer: PeerId([7; 32]),
            },
        );
        world.input(
            who,
            Input::Writable {
                link,
                free: 256 * 1024,
            },
        );
        let sent = Self::open(world, who, &[]);
        let answer = sent
            .iter()
            .find(|datagram| datagram[..4] == [0, 0, 0, 1])
            .expect("an answer");
        Self {
            link,
            channel: u32::from_be_bytes(answer[5..9].try_into().unwrap()),
        }
    }

    /// The first HANDSHAKE, or its repetition, with what is already said beside it.
    fn open(world: &mut World, who: usize, beside: &[Message]) -> Vec<Bytes> {
        let options = ProtocolOptions {
            version: Some(1),
            minimum_version: Some(1),
            swarm_id: Some(Bytes::copy_from_slice(world.metadata.swarm_id().as_ref())),
            integrity: Some(IntegrityMethod::MerkleHashTree),
            hash_function: Some(HashFunction::Sha256),
            addressing: Some(Addressing::ChunkRanges32),
            chunk_size: Some(harness::CHUNK),
            ..Default::default()
        };
        let mut opening = vec![0; 4];
        // A lower channel ID than any other: this side is the initiator.
        Message::Handshake { source: 1, options }.encode(&RANGES, &mut opening);
        beside
            .iter()
            .for_each(|message| message.encode(&RANGES, &mut opening));
        let data = opening.into();
        Self::outputs(
            world,
            who,
            Input::Datagram {
                link: LinkId(77),
                data,
            },
        )
    }

    /// What `who` sends to a link when something happens.
    fn outputs(world: &mut World, who: usize, input: Input) -> Vec<Bytes> {
        let swarm = &mut world.nodes[who].swarm;
        swarm.handle(world.now, input);
        std::iter::from_fn(|| swarm.poll_output())
            .filter_map(|output| match output {
                Output::Transmit { datagram, .. } => Some(datagram),
                Output::Disconnect { reason, .. } => panic!("disconnected: {reason:?}"),
                _ => None,
            })
            .collect()
    }

    fn say(&self, world: &mut World, who: usize, messages: &[Message]) -> Vec<Bytes> {
        let mut datagram = self.channel.to_be_bytes().to_vec();
        messages
            .iter()
            .for_each(|message| message.encode(&RANGES, &mut datagram));
        Self::outputs(
            world,
            who,
            Input::Datagram {
                link: self.link,
                data: datagram.into(),
            },
        )
    }
}

fn everything() -> ChunkRange {
    ChunkRange::new(0, u32::MAX).unwrap()
}

#[test]
fn the_whole_number_space_is_one_cheap_request() {
    let mut world = world();
    let a = world.join();
    world.nodes[a].window = 20;
    world.play(a);
    world.run_for(Duration::from_secs(5));
    let puppet = Puppet::new(&mut world, a);
    let data = puppet.say(&mut world, a, &[Message::Request(everything())]);
    let bulk: usize = data.iter().map(|datagram| datagram.len()).sum();
    assert!(bulk > 50_000, "served as far as there is room: {bulk}");
    assert!(bulk <= 80 * 1024, "and no more than leaves in a second: {bulk}");
    puppet.say(&mut world, a, &[Message::Cancel(everything())]);
    let link = puppet.link;
    let after = Puppet::outputs(
        &mut world,
        a,
        Input::Writable {
            link,
            free: 256 * 1024,
        },
    );
    assert!(after.is_empty(), "CANCEL empties the queue");
}

/// It may have got chunks since the first, and does not announce again what it has said beside a HANDSHAKE.
#[test]
fn what_comes_beside_a_repeated_handshake_counts() {
    let mut world = world();
    let a = world.join();
    let puppet = Puppet::new(&mut world, a);
    let has = Message::Have(world.chunks_of(3));
    Puppet::open(&mut world, a, &[has]);
    puppet.say(&mut world, a, &[]);
    let deadline = world.now + Duration::from_secs(30);
    let segment = 3;
    let sent = Puppet::outputs(&mut world, a, Input::Demand { segment, deadline });
    let messages = sent
        .into_iter()
        .flat_map(|datagram| Messages::new(datagram, RANGES));
    let asked: Vec<Message> = messages.map(Result::unwrap).collect();
    assert!(
        asked.iter().any(|message| matches!(message, Message::Request(_))),
        "{asked:?}"
    );
}

#[test]
fn announcing_everything_stops_service_and_asks_only_for_what_exists() {
    let mut world = world();
    let a = world.join();
    let puppet = Puppet::new(&mut world, a);
    puppet.say(&mut world, a, &[Message::Have(everything())]);
    let deadline = world.now + Duration::from_secs(30);
    let sent = Puppet::outputs(
        &mut world,
        a,
        Input::Demand {
            segment: 19,
            deadline,
        },
    );
    let asked: Vec<Message> = sent
        .into_iter()
        .flat_map(|datagram| Messages::new(datagram, RANGES))
        .map(Result::unwrap)
        .collect();
    assert!(!asked.is_empty());
    let exists = world.chunks_of(19);
    for message in asked {
        let Message::Request(range) = message else {
            panic!("{message:?}")
        };
        assert_eq!(range.intersection(exists), Some(range));
    }
}

#[test]
fn unasked_chunks_are_thrown_away() {
    let mut world = world();
    let a = world.join();
    let puppet = Puppet::new(&mut world, a);
    let bytes = Bytes::copy_from_slice(&world.content[3][..harness::CHUNK as usize]);
    let chunk = world.chunks_of(3).start();
    world.input(a, Input::Timeout);
    let mut datagram = puppet.channel.to_be_bytes().to_vec();
    Message::Data {
        chunk,
        timestamp: 0,
        bytes: bytes.clone(),
    }
    .encode(&RANGES, &mut datagram);
    world.input(
        a,
        Input::Datagram {
            link: puppet.link,
            data: datagram.into(),
        },
    );
    assert_eq!(world.nodes[a].discarded(), bytes.len() as u64);
    assert!(world.nodes[a].swarm.has().is_empty());
}
