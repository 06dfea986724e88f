//! 32-bit bins beside chunk ranges (RFC 7574 §4): whoever opens a channel chooses, and all understand each other.

mod harness;

use std::time::Duration;

use harness::World;
use ppspp::options::{Addressing, IntegrityMethod};

fn feeds_the_other(first: Addressing, second: Addressing, live: bool) {
    let mut world = if live {
        World::live(20, 100_000, 8, IntegrityMethod::UnifiedMerkleTree)
    } else {
        World::new(12, 100_000)
    };
    let a = world.join_with(|config| config.addressing = first);
    world.play(a);
    world.run_for(Duration::from_secs(6));
    let b = world.join_with(|config| config.addressing = second);
    world.connect(b, a);
    world.play(b);
    world.run_to_end();
    let node = &world.nodes[b];
    let share = node.bytes_from_peers() as f64 / (node.bytes_from_peers() + node.bytes_from_origin()) as f64;
    assert!(share > 0.8, "{first:?} and {second:?}: {share}");
    assert!(world.nodes.iter().all(|node| node.disconnected.is_empty()));
    world.check_bytes(b);
}

#[test]
fn swarms_of_bins_and_of_ranges_interoperate() {
    for first in [Addressing::Bins32, Addressing::ChunkRanges32] {
        for second in [Addressing::Bins32, Addressing::ChunkRanges32] {
            feeds_the_other(first, second, false);
            feeds_the_other(first, second, true);
        }
    }
}

/// A gateway between a peer that speaks bins and one that speaks ranges (RFC 6972 §5.3).
#[test]
fn what_came_by_bins_goes_on_by_ranges() {
    let mut world = World::new(12, 100_000);
    let a = world.join_with(|config| config.addressing = Addressing::Bins32);
    world.play(a);
    world.run_for(Duration::from_secs(6));
    let gateway = world.join();
    let b = world.join();
    world.connect(a, gateway);
    world.connect(b, gateway);
    world.play(gateway);
    world.run_for(Duration::from_secs(2));
    world.play(b);
    world.run_to_end();
    assert!(
        world.nodes[gateway].bytes_from_peers() > 0 && world.nodes[b].bytes_from_peers() > world.size() / 2
    );
    world.check_bytes(b);
}
