//! Upload when there is not enough of it for everybody (RFC 7574 §3.8).

mod harness;

use std::time::Duration;

use harness::World;

#[test]
fn nobody_is_choked_where_there_is_enough() {
    let mut world = World::new(10, 50_000);
    let source = world.join();
    world.play(source);
    world.run_for(Duration::from_secs(5));
    for _ in 0..12 {
        let who = world.join();
        world.connect(who, source);
        world.play(who);
    }
    world.nodes[source].uplink = 20e6;
    world.run_to_end();
    for node in &world.nodes[1..] {
        assert!(node.stalls <= Duration::from_millis(500), "{:?}", node.stalls);
        assert!(node.bytes_from_peers() > world.size() / 2);
    }
}
