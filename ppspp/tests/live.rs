//! Live swarms: following the edge, and munros that are not what they should be (RFC 7574 §6).

mod harness;

use std::time::Duration;

use bytes::Bytes;
use harness::{CHUNK, Proofs, World, sign};
use ppspp::live::{NtpTime, signing_input};
use ppspp::message::Format;
use ppspp::options::{Addressing, IntegrityMethod};
use ppspp::swarm::{Event, Input, Lane, Output, Reason, Refusal};
use ppspp::{ChunkRange, LinkId, Message, PeerId, Timestamp};

const LIVE: Format = Format {
    chunk_size: CHUNK,
    signature_length: Some(64),
    addressing: Addressing::ChunkRanges32,
};

/// Forty segments of 2 s, of which twelve have been published.
fn world(integrity: IntegrityMethod) -> World {
    World::live(40, 300_000, 12, integrity)
}

fn follow_the_edge(integrity: IntegrityMethod) {
    let mut world = world(integrity);
    for _ in 0..4 {
        let who = world.join();
        world.connect_all(who);
        world.play(who);
        world.run_for(Duration::from_secs(3));
    }
    world.run_to_end();
    let mut received = 0;
    for who in 0..4 {
        let node = &world.nodes[who];
        assert!(
            node.stalls <= Duration::from_millis(1200),
            "{who}: {:?}",
            node.stalls
        );
        assert!(node.unproven.is_empty() && node.disconnected.is_empty());
        assert!(
            !node
                .events
                .iter()
                .any(|(_, event)| matches!(event, Event::MunroRefused { .. } | Event::BadChunk { .. })),
            "{who}: {:?}",
            node.events
                .iter()
                .filter(|(_, event)| matches!(event, Event::MunroRefused { .. }))
                .collect::<Vec<_>>()
        );
        received += node.bytes_from_peers() + node.bytes_from_origin();
        world.check_bytes(who);
    }
    let from_peers: u64 = (1..4).map(|who| world.nodes[who].bytes_from_peers()).sum();
    let all: u64 = (1..4)
        .map(|who| world.nodes[who].bytes_from_peers() + world.nodes[who].bytes_from_origin())
        .sum();
    assert!(
        from_peers as f64 / all as f64 > 0.7,
        "{}",
        from_peers as f64 / all as f64
    );
    let copies = world.fetched() as f64 / (received as f64 / 4.0);
    assert!(copies < 1.5, "origin copies {copies}");
}

#[test]
fn four_viewers_follow_the_edge_of_a_unified_merkle_tree() {
    follow_the_edge(IntegrityMethod::UnifiedMerkleTree);
}

#[test]
fn four_viewers_follow_the_edge_where_every_chunk_is_signed() {
    follow_the_edge(IntegrityMethod::SignAll);
}

#[test]
fn old_segments_leave_the_discard_window() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let a = world.join();
    world.play(a);
    world.run_to_end();
    let swarm = &world.nodes[a].swarm;
    let held: Vec<u32> = (0..40)
        .filter(|segment| swarm.read_segment(*segment).is_some())
        .collect();
    assert_eq!(held, (30..40).collect::<Vec<_>>());
    assert!(swarm.segments().munro(29).is_none() && swarm.segments().munro(30).is_some());
    assert_eq!(swarm.has().runs().len(), 10);
}

#[test]
fn without_a_proof_the_player_gets_the_origins_bytes_and_nobody_else_does() {
    for proofs in [Proofs::Missing, Proofs::Forged] {
        let mut world = world(IntegrityMethod::UnifiedMerkleTree);
        world.live.as_mut().unwrap().proofs = proofs;
        let a = world.join();
        world.play(a);
        let b = world.join();
        world.connect_all(b);
        world.play(b);
        world.run_to_end();
        for who in [a, b] {
            let node = &world.nodes[who];
            assert!(node.unproven.len() >= 28, "{:?}", node.unproven);
            assert!(node.swarm.has().is_empty() && node.bytes_from_peers() == 0);
            assert!(node.disconnected.is_empty(), "nobody is to blame");
            assert!(node.stalls < Duration::from_secs(4), "{:?}", node.stalls);
        }
    }
}

/// A neighbour made by hand, and a viewer that follows the stream.
struct Puppet {
    link: LinkId,
    channel: u32,
}

impl Puppet {
    /// Completes the handshake.
    fn new(world: &mut World, viewer: usize, number: u8) -> Self {
        let link = LinkId(1000 + u32::from(number));
        let peer = PeerId([number; 32]);
        world.input(viewer, Input::LinkUp { link, peer });
        world.input(viewer, Input::Writable { link, free: 1 << 18 });
        let options = ppspp::options::ProtocolOptions {
            version: Some(1),
            minimum_version: Some(1),
            swarm_id: Some(world.metadata.swarm_id().bytes().clone()),
            integrity: Some(IntegrityMethod::UnifiedMerkleTree),
            hash_function: Some(ppspp::options::HashFunction::Sha256),
            live_signature: Some(13),
            addressing: Some(Addressing::ChunkRanges32),
            live_discard_window: Some(10 << world.metadata.segment_bits()),
            chunk_size: Some(CHUNK),
            ..Default::default()
        };
        let mut opening = vec![0; 4];
        // The highest ID: the viewer's own handshake gives way.
        Message::Handshake { source: 1, options }.encode(&LIVE, &mut opening);
        let data = Bytes::from(opening);
        world.nodes[viewer]
            .swarm
            .handle(world.now, Input::Datagram { link, data });
        let mut channel = None;
        while let Some(output) = world.nodes[viewer].swarm.poll_output() {
            let Output::Transmit {
                link: to, datagram, ..
            } = output
            else {
                continue;
            };
            let mut messages = ppspp::datagram::Messages::new(datagram, LIVE);
            if to == link
                && let Some(Ok(Message::Handshake { source, .. })) = messages.next()
            {
                channel = Some(source);
            }
        }
        let puppet = Self {
            link,
            channel: channel.expect("the viewer answers"),
        };
        puppet.say(world, viewer, &[]);
        puppet
    }

    /// Shows a segment's munro, signed at `time` with `key`.
    fn show(&self, world: &mut World, viewer: usize, segment: u32, time: Timestamp, key: u8) {
        let messages = munro(world, segment, time, key);
        self.say(world, viewer, &messages);
    }

    fn say(&self, world: &mut World, viewer: usize, messages: &[Message]) {
        let mut datagram = self.channel.to_be_bytes().to_vec();
        messages
            .iter()
            .for_each(|message| message.encode(&LIVE, &mut datagram));
        world.input(
            viewer,
            Input::Datagram {
                link: self.link,
                data: datagram.into(),
            },
        );
    }
}

/// The messages with which a peer shows a segment: root, extent, signature.
fn munro(world: &World, segment: u32, time: Timestamp, key: u8) -> Vec<Message> {
    let proof = world.proof(segment);
    let bin = proof.munro();
    let time = NtpTime::from_unix(time);
    let bytes = &world.content[segment as usize];
    let leaves: Vec<ppspp::Hash> = bytes.chunks(CHUNK as usize).map(ppspp::Hash::of_chunk).collect();
    let last = leaves.len() as u32 - 1;
    let mut messages = vec![Message::Integrity {
        bin,
        hash: proof.root,
    }];
    let mut node = ppspp::Bin::leaf(last);
    messages.push(Message::Integrity {
        bin: ppspp::Bin::leaf(bin.first_chunk() + last),
        hash: leaves[last as usize],
    });
    while node.layer() < bin.layer() {
        if !node.is_left() {
            let sibling = node.sibling();
            let global = ppspp::Bin::new(
                sibling.layer(),
                sibling.offset() + (u64::from(bin.first_chunk()) >> sibling.layer()),
            );
            messages.push(Message::Integrity {
                bin: global,
                hash: ppspp::hash_tree::node_of_leaves(&leaves, sibling),
            });
        }
        node = node.parent();
    }
    messages.push(Message::SignedIntegrity {
        bin,
        time: time.0,
        signature: Bytes::copy_from_slice(&sign(key, &signing_input(bin.range(), time, &proof.root))),
    });
    messages
}

fn refusals(world: &World, who: usize) -> Vec<Refusal> {
    world.nodes[who]
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::MunroRefused { why, .. } => Some(*why),
            _ => None,
        })
        .collect()
}

#[test]
fn a_munro_of_the_publisher_is_learnt() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let a = world.join();
    let puppet = Puppet::new(&mut world, a, 9);
    let time = world.signed_at(11);
    let messages = munro(&world, 11, time, 0);
    puppet.say(&mut world, a, &messages);
    let known = world.nodes[a].swarm.segments().munro(11).cloned().unwrap();
    assert_eq!(known.root, world.proof(11).root);
    assert_eq!(u64::from(known.chunks), 300_000_u64.div_ceil(u64::from(CHUNK)));
    assert_eq!(refusals(&world, a), []);
    // Once more: nothing new.
    puppet.say(&mut world, a, &messages);
    assert_eq!(refusals(&world, a), []);
    assert!(world.nodes[a].disconnected.is_empty());
}

#[test]
fn replayed_future_disordered_and_shapeless_munros_are_refused() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let a = world.join();
    let puppet = Puppet::new(&mut world, a, 9);
    // The window is 10 × 2 s, and a minute of slack: this one is older.
    let old = Timestamp(world.now.0 - 81_000_000);
    puppet.show(&mut world, a, 2, old, 0);
    let future = world.now + Duration::from_secs(11);
    puppet.show(&mut world, a, 11, future, 0);
    assert_eq!(refusals(&world, a), [Refusal::Stale, Refusal::Future]);
    let good = world.signed_at(11);
    puppet.show(&mut world, a, 11, good, 0);
    // Signed later than its follower.
    puppet.show(&mut world, a, 10, good + Duration::from_secs(1), 0);
    // Without what shows the extent.
    let mut shapeless = munro(&world, 9, world.signed_at(9), 0);
    shapeless.remove(1);
    puppet.say(&mut world, a, &shapeless);
    assert_eq!(
        refusals(&world, a)[2..],
        [Refusal::Order, Refusal::Extent],
        "in this order"
    );
    // Another root for a segment that is known.
    let mut other = munro(&world, 11, good, 0);
    other[0] = Message::Integrity {
        bin: world.proof(11).munro(),
        hash: world.proof(10).root,
    };
    puppet.say(&mut world, a, &other);
    assert_eq!(refusals(&world, a).last(), Some(&Refusal::Conflict));
    let segments = world.nodes[a].swarm.segments();
    assert_eq!(
        [2, 9, 10].map(|segment| segments.munro(segment).is_some()),
        [false; 3]
    );
    assert!(
        world.nodes[a].disconnected.is_empty(),
        "none of it proves ill will"
    );
}

#[test]
fn one_forged_signature_ends_the_relation_with_its_sender_only() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let a = world.join();
    let (liar, honest) = (Puppet::new(&mut world, a, 9), Puppet::new(&mut world, a, 10));
    let time = world.signed_at(11);
    liar.show(&mut world, a, 11, time, 1);
    assert_eq!(world.nodes[a].disconnected, [(liar.link, Reason::Forged)]);
    assert!(world.nodes[a].swarm.segments().munro(11).is_none());
    honest.show(&mut world, a, 11, time, 0);
    assert!(world.nodes[a].swarm.segments().munro(11).is_some());
    assert_eq!(world.nodes[a].disconnected.len(), 1);
}

#[test]
fn signatures_of_one_peer_are_checked_so_often_and_no_more() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let a = world.join();
    let puppet = Puppet::new(&mut world, a, 9);
    let mut checked = 0;
    for n in 0..200_u64 {
        // Each another time, so that each would be another check; none is answered.
        let time = world.signed_at(11) + Duration::from_micros(n);
        let mut datagram = puppet.channel.to_be_bytes().to_vec();
        for message in munro(&world, 11, time, 1) {
            message.encode(&LIVE, &mut datagram);
        }
        let input = Input::Datagram {
            link: puppet.link,
            data: datagram.into(),
        };
        let now = world.now;
        let swarm = &mut world.nodes[a].swarm;
        swarm.handle(now, input);
        checked += core::iter::from_fn(|| swarm.poll_output())
            .filter(|output| matches!(output, Output::CheckSignature { .. }))
            .count();
    }
    assert!((1..=16).contains(&checked), "{checked}");
}

#[test]
fn a_late_joiner_is_shown_the_live_edge() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let a = world.join();
    world.play(a);
    world.run_for(Duration::from_secs(5));
    let newest = world.nodes[a].swarm.segments().newest().unwrap().0;
    let b = world.join();
    world.connect(b, a);
    world.run_for(Duration::from_secs(1));
    let known = world.nodes[b]
        .swarm
        .segments()
        .newest()
        .map(|(segment, _)| segment);
    assert!(known >= Some(newest), "{known:?} of {newest}");
    assert!(world.nodes[b].swarm.has().is_empty());
}

#[test]
fn of_a_large_swarm_a_few_fetch_parts_and_pass_them_on() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let viewers: Vec<usize> = (0..120).map(|_| world.join()).collect();
    let segment = 11;
    let deadline = world.now + Duration::from_secs(20);
    for viewer in &viewers {
        world.input(*viewer, Input::SwarmSize(400));
        world.input(*viewer, Input::Demand { segment, deadline });
    }
    world.run_for(Duration::from_secs(1));
    let chunks = world.nodes[0].swarm.segments().span(segment);
    let held = |world: &World, who: usize| -> Vec<u32> {
        let runs = world.nodes[who].swarm.has().present_in(chunks);
        runs.flat_map(ChunkRange::chunks)
            .map(|chunk| chunk - chunks.start())
            .collect()
    };
    let parts = [0..10, 10..19, 19..28, 28..37].map(|part| part.collect::<Vec<u32>>());
    let (with, without): (Vec<usize>, Vec<usize>) = viewers
        .iter()
        .partition(|viewer| !held(&world, **viewer).is_empty());
    // Six or seven copies are meant, so 27 of 400 viewers: of 120, eight or so.
    assert!((2..=14).contains(&with.len()), "{}", with.len());
    assert!(with.iter().all(|viewer| parts.contains(&held(&world, *viewer))));
    let fetched: usize = with.iter().map(|viewer| held(&world, *viewer).len()).sum();
    let last = if with.iter().any(|viewer| held(&world, *viewer).contains(&36)) {
        CHUNK as usize
    } else {
        0
    };
    let origin = world.fetched() as usize;
    assert!(origin <= fetched * CHUNK as usize && origin + last * with.len() >= fetched * CHUNK as usize);
    // A part can be shown, verified and served without the rest.
    let (giver, taker) = (with[0], without[0]);
    world.connect(giver, taker);
    world.run_for(Duration::from_secs(2));
    assert_eq!(held(&world, taker), held(&world, giver));
    assert_eq!(world.fetched() as usize, origin);
}

/// The segment that is wanted in a large swarm, and how soon.
const WANTED: u32 = 11;
const SOON: Duration = Duration::from_secs(20);

fn wants(world: &mut World, who: usize) {
    let (segment, deadline) = (WANTED, world.now + SOON);
    world.input(who, Input::SwarmSize(400));
    world.input(who, Input::Demand { segment, deadline });
}

fn size(world: &World) -> u64 {
    world.content[WANTED as usize].len() as u64
}

/// A viewer that is one of the first to fetch a part, in a world of its own.
fn elected(world: &mut World) -> usize {
    let mut other = self::world(IntegrityMethod::UnifiedMerkleTree);
    loop {
        let viewer = other.join();
        assert_eq!(world.join(), viewer);
        wants(&mut other, viewer);
        if !other.nodes[viewer].proofs.is_empty() {
            return viewer;
        }
    }
}

#[test]
fn whoever_fetches_a_part_asks_for_its_proof_once() {
    for integrity in [IntegrityMethod::UnifiedMerkleTree, IntegrityMethod::SignAll] {
        let mut world = world(integrity);
        let viewers: Vec<usize> = (0..60).map(|_| world.join()).collect();
        viewers.iter().for_each(|viewer| wants(&mut world, *viewer));
        world.run_for(Duration::from_secs(2));
        let mut parts = 0;
        for node in &world.nodes {
            let chunks: u64 = node.swarm.has().runs().iter().map(|run| run.count()).sum();
            assert!([0, 9, 10].contains(&chunks), "{integrity:?}: {chunks}");
            let asks = chunks > 0 || integrity == IntegrityMethod::SignAll;
            assert_eq!(node.proofs.len(), usize::from(asks), "{integrity:?}");
            parts += usize::from(chunks > 0);
        }
        assert!((1..=30).contains(&parts), "{parts}");
    }
}

#[test]
fn an_origin_seen_to_ignore_ranges_is_asked_for_no_parts() {
    for ignores in [false, true] {
        let mut world = world(IntegrityMethod::UnifiedMerkleTree);
        world.ignores_ranges = ignores;
        let viewer = elected(&mut world);
        wants(&mut world, viewer);
        world.run_for(Duration::from_secs(2));
        assert!(world.nodes[viewer].fetched > 0);
        let next = WANTED + 1..WANTED + 10;
        for segment in next.clone() {
            world.run_until(world.signed_at(segment));
            let deadline = world.now + SOON;
            world.input(viewer, Input::Demand { segment, deadline });
        }
        world.run_for(Duration::from_millis(1500));
        let swarm = &world.nodes[viewer].swarm;
        let begun = next.filter(|segment| {
            let span = swarm.segments().span(*segment);
            swarm
                .has()
                .runs()
                .iter()
                .any(|run| run.intersection(span).is_some())
        });
        let (whole, part): (Vec<u32>, Vec<u32>) =
            begun.partition(|segment| swarm.read_segment(*segment).is_some());
        assert_eq!(part.is_empty(), ignores, "{part:?} in part, {whole:?} whole");
        assert!(!ignores || !whole.is_empty());
    }
}

#[test]
fn a_part_that_came_before_its_proof_is_verified_with_it() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    world.live.as_mut().unwrap().proof_latency = Duration::from_millis(900);
    let viewer = elected(&mut world);
    let time = world.signed_at(WANTED);
    Puppet::new(&mut world, viewer, 9).show(&mut world, viewer, WANTED, time, 0);
    wants(&mut world, viewer);
    while world.nodes[viewer].proofs.is_empty() {
        world.run_for(Duration::from_millis(100));
    }
    world.run_for(Duration::from_millis(500));
    let node = &world.nodes[viewer];
    assert!(node.fetched > 0 && node.swarm.has().is_empty());
    assert_eq!(node.swarm.segments().size(WANTED), None);
    world.run_for(Duration::from_millis(500));
    let node = &world.nodes[viewer];
    assert!(!node.swarm.has().is_empty());
    assert_eq!(node.swarm.segments().size(WANTED), Some(size(&world)));
    assert_eq!(node.proofs, [WANTED]);
}

#[test]
fn a_munro_that_comes_while_a_proof_is_on_its_way_lets_it_come_once() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    world.live.as_mut().unwrap().proof_latency = Duration::from_millis(900);
    let viewer = elected(&mut world);
    wants(&mut world, viewer);
    while world.nodes[viewer].proofs.is_empty() {
        world.run_for(Duration::from_millis(10));
    }
    let time = world.signed_at(WANTED);
    Puppet::new(&mut world, viewer, 9).show(&mut world, viewer, WANTED, time, 0);
    let node = &world.nodes[viewer];
    assert!(node.swarm.segments().munro(WANTED).is_some());
    assert_eq!(node.swarm.segments().size(WANTED), None);
    world.run_for(Duration::from_secs(2));
    let node = &world.nodes[viewer];
    assert!(!node.swarm.has().is_empty());
    assert_eq!(node.swarm.segments().size(WANTED), Some(size(&world)));
    assert_eq!(node.proofs, [WANTED]);
}

#[test]
fn a_missing_proof_is_not_asked_for_again_once_all_is_known() {
    for shown in [true, false] {
        let mut world = world(IntegrityMethod::UnifiedMerkleTree);
        let live = world.live.as_mut().unwrap();
        live.proof_latency = Duration::from_millis(900);
        live.proofs = Proofs::Missing;
        let viewer = world.join();
        let (segment, deadline) = (WANTED, world.now + SOON);
        world.input(viewer, Input::Demand { segment, deadline });
        world.run_for(Duration::from_millis(500));
        if shown {
            let time = world.signed_at(WANTED);
            Puppet::new(&mut world, viewer, 9).show(&mut world, viewer, WANTED, time, 0);
        }
        world.run_for(Duration::from_secs(10));
        let node = &world.nodes[viewer];
        assert_eq!(node.swarm.read_segment(WANTED).is_some(), shown);
        assert_eq!(node.proofs.len(), if shown { 1 } else { 4 });
    }
}

#[test]
fn hashes_that_are_not_the_segments_teach_nothing() {
    for proofs in [Proofs::OfOther, Proofs::Leafless, Proofs::OtherLeaves] {
        for known_before in [true, false] {
            let mut world = world(IntegrityMethod::UnifiedMerkleTree);
            let viewer = elected(&mut world);
            let puppet = Puppet::new(&mut world, viewer, 9);
            let messages = munro(&world, WANTED, world.signed_at(WANTED), 0);
            world.live.as_mut().unwrap().proofs = proofs;
            if known_before {
                puppet.say(&mut world, viewer, &messages);
            }
            wants(&mut world, viewer);
            world.run_for(Duration::from_secs(5));
            assert!(!world.nodes[viewer].proofs.is_empty());
            assert!(
                world.nodes[viewer].swarm.has().is_empty(),
                "nothing can be served"
            );
            puppet.say(&mut world, viewer, &messages);
            world.run_for(SOON);
            world.check_bytes(viewer);
            let node = &world.nodes[viewer];
            assert!(
                node.swarm.read_segment(WANTED).is_some(),
                "{proofs:?} {known_before}"
            );
            assert_eq!(node.fetched, size(&world));
            assert!(node.proofs.len() <= 2, "{:?}", node.proofs);
        }
    }
}

#[test]
fn a_size_that_the_hashes_of_chunks_disprove_is_refused() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    world.live.as_mut().unwrap().proofs = Proofs::OtherSize;
    let viewer = elected(&mut world);
    wants(&mut world, viewer);
    world.run_for(Duration::from_millis(500));
    assert_eq!(refusals(&world, viewer), [Refusal::Proof]);
    assert_eq!(world.nodes[viewer].swarm.segments().munro(WANTED), None);
}

#[test]
fn without_a_proof_all_of_it_is_fetched_near_the_deadline() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    world.live.as_mut().unwrap().proofs = Proofs::Missing;
    let viewer = elected(&mut world);
    wants(&mut world, viewer);
    world.run_for(Duration::from_secs(15));
    assert_eq!(world.nodes[viewer].fetched, 0);
    world.run_for(Duration::from_secs(5));
    let node = &world.nodes[viewer];
    assert_eq!((node.fetched, node.proofs.len()), (size(&world), 4));
    assert_eq!(node.unproven, [WANTED]);
}

#[test]
fn a_flipped_byte_of_a_live_chunk_bans_its_sender_and_nobody_else() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let (a, b) = (world.join(), world.join());
    world.play(a);
    world.connect(b, a);
    world.play(b);
    world.run_for(Duration::from_secs(5));
    world.nodes[b].forge = Some(|lane, datagram| {
        let mut bytes = datagram.to_vec();
        if lane == Lane::Bulk {
            *bytes.last_mut().unwrap() ^= 1;
        }
        Some(bytes.into())
    });
    let c = world.join();
    world.connect(c, a);
    world.connect(c, b);
    world.play(c);
    world.run_to_end();
    let liar = |world: &World, who: usize| {
        let links = world.nodes[who].disconnected.iter();
        links.map(|(_, reason)| *reason).collect::<Vec<_>>()
    };
    assert_eq!(liar(&world, c), [Reason::Forged]);
    assert!(world.nodes[c].bytes_from_peers() > 0);
    assert!(world.nodes[a].swarm.exchanged(LinkId(u32::MAX)).is_none());
    world.check_bytes(c);
}

/// The window that a peer states filters what it announced.
#[test]
fn availability_older_than_the_window_is_not_asked_for() {
    let mut world = world(IntegrityMethod::UnifiedMerkleTree);
    let a = world.join();
    let puppet = Puppet::new(&mut world, a, 9);
    let bits = world.metadata.segment_bits();
    let everything = ChunkRange::new(0, (12 << bits) - 1).unwrap();
    puppet.say(&mut world, a, &[Message::Have(everything)]);
    let now = world.now;
    let mut asked = Vec::new();
    for segment in [1, 11] {
        let deadline = now + Duration::from_secs(30);
        let swarm = &mut world.nodes[a].swarm;
        swarm.handle(now, Input::Demand { segment, deadline });
        while let Some(output) = swarm.poll_output() {
            if let Output::Transmit { datagram, .. } = output {
                for message in ppspp::datagram::Messages::new(datagram, LIVE).flatten() {
                    if let Message::Request(range) = message {
                        asked.push(range.start() >> bits);
                    }
                }
            }
        }
    }
    asked.dedup();
    assert_eq!(asked, [11]);
}
