//! Peers that neighbours name (RFC 7574 §3.10, §8.13), and how relations end.

mod harness;

use std::time::Duration;

use bytes::Bytes;
use harness::{World, certificate};
use ppspp::swarm::{Event, Input, Output, Reason};
use ppspp::{Message, PeerId};

fn world() -> World {
    World::new(6, 50_000)
}

/// Hands a peer its membership certificate, good for an hour.
fn certify(world: &mut World, who: usize) {
    let expires = world.now + Duration::from_secs(3600);
    let certificate = certificate(world.nodes[who].id, expires, true);
    world.input(who, Input::Certificate { certificate, expires });
}

/// A hub with `count` neighbours, all with certificates.
fn star(count: usize) -> (World, usize) {
    let mut world = world();
    let hub = world.join();
    certify(&mut world, hub);
    for _ in 0..count {
        let who = world.join();
        certify(&mut world, who);
        world.connect(who, hub);
    }
    world.run_for(Duration::from_secs(1));
    (world, hub)
}

fn named(world: &World, who: usize) -> Vec<PeerId> {
    let mut named: Vec<PeerId> = world.nodes[who]
        .candidates
        .iter()
        .map(|(peer, _)| *peer)
        .collect();
    named.sort_unstable();
    named
}

#[test]
fn a_newcomer_learns_of_its_neighbours_neighbours() {
    let (mut world, hub) = star(3);
    let late = world.join();
    certify(&mut world, late);
    world.connect(late, hub);
    world.run_for(Duration::from_secs(1));
    assert_eq!(named(&world, late), [], "nothing comes unasked");
    world.input(late, Input::FindPeers);
    world.run_for(Duration::from_secs(1));
    let mut others: Vec<PeerId> = (1..4).map(|who| world.nodes[who].id).collect();
    others.sort_unstable();
    assert_eq!(named(&world, late), others);
    // Asked again at once, the hub has said what it had to say.
    world.input(late, Input::FindPeers);
    world.run_for(Duration::from_secs(1));
    assert_eq!(named(&world, late).len(), 3);
}

#[test]
fn nobody_is_named_to_the_same_neighbour_twice_in_five_minutes() {
    let (mut world, hub) = star(3);
    let late = world.join();
    world.connect(late, hub);
    let start = world.now + Duration::from_secs(1);
    for (minutes, expected) in [(0, 3), (2, 3), (4, 3), (6, 6)] {
        world.run_until(start + Duration::from_secs(60 * minutes));
        world.input(late, Input::FindPeers);
        world.run_for(Duration::from_secs(1));
        assert_eq!(named(&world, late).len(), expected, "after {minutes} minutes");
    }
}

#[test]
fn who_was_silent_for_a_minute_is_not_handed_out() {
    let (mut world, hub) = star(2);
    // One falls silent without its link going down; keep-alives of the other come every 20 s.
    world.nodes[1].forge = Some(|_, _| None);
    let silent_since = world.now;
    for (silence, expected) in [(58, 2), (61, 1)] {
        world.run_until(silent_since + Duration::from_secs(silence));
        let late = world.join();
        world.connect(late, hub);
        world.run_for(Duration::from_millis(500));
        world.input(late, Input::FindPeers);
        world.run_for(Duration::from_millis(500));
        assert_eq!(named(&world, late).len(), expected, "after {silence} s");
    }
}

#[test]
fn expired_certificates_are_not_handed_on() {
    let mut world = world();
    let (hub, short) = (world.join(), world.join());
    let expires = world.now + Duration::from_secs(5);
    let short_lived = certificate(world.nodes[short].id, expires, true);
    world.input(
        short,
        Input::Certificate {
            certificate: short_lived,
            expires,
        },
    );
    world.connect(short, hub);
    world.run_for(Duration::from_secs(6));
    let late = world.join();
    world.connect(late, hub);
    world.run_for(Duration::from_secs(1));
    world.input(late, Input::FindPeers);
    world.run_for(Duration::from_secs(1));
    assert_eq!(named(&world, late), []);
}

#[test]
fn bad_certificates_are_counted_and_the_rest_of_their_sender_dropped() {
    let (mut world, hub) = star(0);
    let liar = world.join();
    world.connect(liar, hub);
    world.run_for(Duration::from_secs(1));
    world.input(hub, Input::FindPeers);
    world.run_for(Duration::from_millis(100));
    // Forged ones, by hand: the first is no good, so that the others are never looked at.
    let expires = world.now + Duration::from_secs(3600);
    let link = *world.nodes[hub].links.keys().next().unwrap();
    let mut datagram = world.channel(hub, link).to_be_bytes().to_vec();
    for number in 0..6_u8 {
        let certificate = certificate(PeerId([100 + number; 32]), expires, number > 0);
        Message::PexResCert(certificate).encode(&harness::RANGES, &mut datagram);
    }
    let data = Bytes::from(datagram);
    // The certificates are checked by and by: count the checks.
    let mut checks = 0;
    let now = world.now;
    world.nodes[hub].swarm.handle(now, Input::Datagram { link, data });
    let mut refused = 0;
    let mut candidates = 0;
    while let Some(output) = world.nodes[hub].swarm.poll_output() {
        match output {
            Output::CheckCertificate { check, certificate } => {
                checks += 1;
                let member = harness::member(&certificate);
                world.nodes[hub]
                    .swarm
                    .handle(now, Input::CertificateChecked { check, member });
            }
            Output::Event(Event::CertificateRefused { .. }) => refused += 1,
            Output::Candidate { .. } => candidates += 1,
            _ => {}
        }
    }
    assert_eq!(
        (checks, refused),
        (2, 1),
        "a few are checked, the rest is dropped"
    );
    assert!(candidates <= 1);
    // And it is not asked any more.
    world.run_for(Duration::from_secs(40));
    world.input(hub, Input::FindPeers);
    world.run_for(Duration::from_secs(1));
    assert!(named(&world, hub).is_empty());
}

#[test]
fn a_certificate_of_somebody_else_counts_only_when_asked_for() {
    let (mut world, hub) = star(1);
    let link = *world.nodes[hub].links.keys().next().unwrap();
    let channel = world.channel(hub, link);
    let expires = world.now + Duration::from_secs(3600);
    let mut data = channel.to_be_bytes().to_vec();
    Message::PexResCert(certificate(PeerId([99; 32]), expires, true)).encode(&harness::RANGES, &mut data);
    world.input(
        hub,
        Input::Datagram {
            link,
            data: data.into(),
        },
    );
    assert!(named(&world, hub).is_empty());
}

/// RFC 7574 §3.12: dead after three minutes of silence and three datagrams sent meanwhile.
#[test]
fn a_dead_peer_is_given_up_after_three_minutes() {
    let (mut world, hub) = star(1);
    world.nodes[1].forge = Some(|_, _| None);
    world.run_for(Duration::from_secs(170));
    assert!(world.nodes[hub].disconnected.is_empty());
    world.run_for(Duration::from_secs(40));
    let reasons: Vec<Reason> = world.nodes[hub]
        .disconnected
        .iter()
        .map(|(_, reason)| *reason)
        .collect();
    assert_eq!(reasons, [Reason::Dead]);
}

#[test]
fn idle_neighbours_keep_each_other_alive() {
    let (mut world, _) = star(3);
    world.control_bytes = 0;
    world.run_for(Duration::from_secs(600));
    assert!(world.nodes.iter().all(|node| node.disconnected.is_empty()));
    // Four bytes every 20 s each way: nothing to speak of.
    let per_minute = world.control_bytes as f64 / 10.0 / 6.0;
    assert!(
        (4.0..40.0).contains(&per_minute),
        "{per_minute} bytes a minute and neighbour"
    );
}

#[test]
fn a_closing_handshake_ends_the_channel_and_the_peer_may_come_back() {
    let mut world = world();
    let (a, b) = (world.join(), world.join());
    world.play(a);
    world.connect(b, a);
    world.run_for(Duration::from_secs(2));
    let link = *world.nodes[a].links.keys().next().unwrap();
    assert!(world.nodes[a].swarm.link_rate(link).is_some());
    let now = world.now;
    world.nodes[b].swarm.close(now);
    let mut closing = Vec::new();
    while let Some(output) = world.nodes[b].swarm.poll_output() {
        if let Output::Transmit { datagram, .. } = output {
            closing.push(datagram);
        }
    }
    for data in closing {
        world.input(a, Input::Datagram { link, data });
    }
    assert_eq!(
        world.nodes[a].swarm.link_rate(link),
        None,
        "the channel is closed"
    );
    assert!(world.nodes[a].disconnected.is_empty(), "leaving is no offence");
}
