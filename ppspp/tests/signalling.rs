//! What peers do not say twice.

mod harness;

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use harness::{CHUNK, RANGES, World};
use ppspp::datagram::Messages;
use ppspp::message::Format;
use ppspp::options::{Addressing, IntegrityMethod};
use ppspp::swarm::{Input, Lane};
use ppspp::{ChunkMap, Message};

thread_local! {
    /// Control datagrams of the peers that are listened to, in this test.
    static HEARD: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what a peer sends on its control lanes.
fn listen(world: &mut World, who: usize) {
    world.nodes[who].forge = Some(|lane, datagram| {
        if lane == Lane::Control {
            HEARD.with_borrow_mut(|heard| heard.push(datagram.clone()));
        }
        Some(datagram.clone())
    });
}

/// What has been heard since the last time.
fn heard(format: Format) -> Vec<Message> {
    HEARD
        .take()
        .into_iter()
        .flat_map(|datagram| Messages::new(datagram, format))
        .map(Result::unwrap)
        .collect()
}

#[test]
fn what_the_handshake_told_is_not_told_again() {
    let mut world = World::new(20, 50_000);
    let a = world.join();
    world.play(a);
    world.run_for(Duration::from_secs(5));
    let b = world.join();
    listen(&mut world, a);
    world.connect(b, a);
    world.run_for(Duration::from_millis(500));
    let mut told = ChunkMap::new();
    for message in heard(RANGES) {
        match message {
            // Both open the channel at once, and one of them does not look at what the other says first.
            Message::Handshake { .. } => told = ChunkMap::new(),
            Message::Have(range) => assert!(told.insert(range), "{range:?} once more"),
            _ => {}
        }
    }
    assert!(!told.is_empty());
    assert_eq!(
        told.runs(),
        world.nodes[a].swarm.has().runs(),
        "and nothing is left out"
    );
}

#[test]
fn a_new_neighbour_gets_one_munro() {
    let mut world = World::live(40, 300_000, 12, IntegrityMethod::UnifiedMerkleTree);
    let a = world.join();
    world.play(a);
    world.run_for(Duration::from_secs(5));
    listen(&mut world, a);
    // It shows no chunk, and time goes on.
    let b = world.join();
    world.connect(b, a);
    world.run_for(Duration::from_secs(6));
    let format = Format {
        chunk_size: CHUNK,
        signature_length: Some(64),
        addressing: Addressing::ChunkRanges32,
    };
    let munros = heard(format)
        .into_iter()
        .filter(|message| matches!(message, Message::SignedIntegrity { .. }));
    assert_eq!(munros.count(), 1);
}

#[test]
fn neighbours_are_asked_for_peers_one_after_the_other() {
    let mut world = World::new(6, 50_000);
    let hub = world.join();
    for _ in 0..3 {
        let who = world.join();
        world.connect(who, hub);
    }
    world.run_for(Duration::from_secs(1));
    listen(&mut world, hub);
    let mut asked = |seconds| {
        world.run_for(Duration::from_secs(seconds));
        world.input(hub, Input::FindPeers);
        let heard = heard(RANGES).into_iter();
        heard.filter(|message| *message == Message::PexReq).count()
    };
    // Three neighbours, three seconds each; and each of them twice in a minute at most.
    assert_eq!([0, 5, 5, 5, 5].map(&mut asked), [1, 0, 1, 0, 1]);
    assert_eq!([9, 1, 9, 1].map(asked), [0, 1, 0, 1]);
}
