//! Two registries as nodes of a cluster, without an engine between them.

use std::collections::HashSet;
use std::time::Duration;

use crate::clock::micros;
use crate::cluster::{Cluster, ClusterMetrics, LIFETIME, Letter, NodeId, Outbox, SAMPLE_PEERS, Sample, Told};

use super::*;

/// A node with these peers in swarm A.
struct Node {
    test: Test,
    name: NodeId,
    outbox: Outbox,
}

impl Node {
    fn new(seed: u64, peers: std::ops::Range<u64>) -> Self {
        Self::of(seed, Test::with_peers(peers))
    }

    /// With more of them than a test has otherwise.
    fn crowded(seed: u64, peers: std::ops::Range<u64>) -> Self {
        let mut test = Test::new();
        let many = Rate {
            per_second: 1_000_000,
            burst: 1_000_000,
        };
        test.registry.configure(RegistryConfig {
            peer: PeerConfig::default(),
            interval: 30,
            max_peers: 10_000,
            requests: many,
            swarm_requests: many,
        });
        for peer in peers {
            test.attach(peer, peer);
            let (response, _) = test.connect(peer, vec![join(A)], Vec::new());
            assert_eq!(response.code, ErrorCode::NoError);
        }
        Self::of(seed, test)
    }

    fn of(seed: u64, mut test: Test) -> Self {
        let many = Rate {
            per_second: 1000,
            burst: 1000,
        };
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut cluster, outbox) = Cluster::new(&mut rng, many, ClusterMetrics::default());
        cluster.connected = true;
        let name = cluster.id().clone();
        test.registry.set_cluster(cluster);
        Self { test, name, outbox }
    }

    /// Both have peers; each knows the other's samples.
    fn pair(ours: std::ops::Range<u64>, theirs: std::ops::Range<u64>) -> (Self, Self) {
        let (mut one, mut two) = (Self::new(1, ours), Self::new(2, theirs));
        one.tell(&mut two);
        two.tell(&mut one);
        (one, two)
    }

    /// The other one reads what this one writes.
    fn tell(&mut self, other: &mut Self) {
        let (now, until) = (self.test.now, other.test.now + micros(LIFETIME));
        other
            .test
            .registry
            .learn_node(until, self.name.clone(), None, None);
        for (swarm, members, told) in self.test.registry.drafts(now, vec![A.to_owned(), B.to_owned()]) {
            let text = Sample::write(&swarm, members, told);
            let sample = Sample::read(other.test.now, &swarm, &text, None).unwrap();
            let samples = vec![(until, self.name.clone(), sample)];
            other.test.registry.learn_samples(&swarm, 1, samples);
        }
    }

    /// Hands over the letters that this one has for the other; returns the sessions there that get something.
    fn post(&mut self, other: &mut Self) -> Vec<SessionId> {
        let mut out = Vec::new();
        while let Ok(letter) = self.outbox.try_recv() {
            assert_eq!(letter.to, other.name);
            let letter = Letter::read(&letter.text).unwrap();
            other.test.registry.receive(other.test.now, letter, &mut out);
        }
        out.iter().map(|outgoing| outgoing.to).collect()
    }

    fn list(&mut self, peer: u64, count: u64, ext: RequestExt) -> Vec<String> {
        let find = Find {
            swarm_id: A.to_owned(),
            peer_num: Some(PeerNum {
                peer_count: Some(count),
                ..PeerNum::default()
            }),
        };
        let (mut response, _) = self.test.request(peer, RequestBody::Find(find), ext);
        let group = response.swarm_result.remove(0).peer_group.unwrap();
        group.peer_info.into_iter().map(|peer| peer.peer_id).collect()
    }

    /// The answer to an envelope, whose sender's session has its number.
    fn relay(&mut self, signal: Signal, session: u64) -> Result<(), String> {
        let body = RequestBody::Signal(Box::new(signal));
        let (response, pushes) = self.test.request(session, body, RequestExt::default());
        assert!(pushes.is_empty());
        match response.code {
            ErrorCode::NoError => Ok(()),
            _ => Err(response.ext.reason.unwrap()),
        }
    }
}

#[test]
fn own_members_come_first_and_others_are_always_there() {
    let (mut one, _two) = Node::pair(0..90, 100..190);
    let theirs = ids(&(100..190).collect::<Vec<_>>());
    let mut others = 0;
    for _ in 0..300 {
        let list = one.list(1, 10, RequestExt::default());
        let of_others = list.iter().filter(|peer| theirs.contains(peer)).count();
        assert!(list.len() == 10 && of_others >= 1, "{list:?}");
        others += of_others;
    }
    // One of five candidates is: 600 of 3000.
    assert!((450..900).contains(&others), "{others}");
    assert_eq!(one.test.registry.counted(one.test.now, A).ext.members, Some(180));
}

/// What is told of swarm A in a period.
fn draft(node: &mut Node) -> (String, usize, Vec<Told>) {
    let drafts = node.test.registry.drafts(node.test.now, vec![A.to_owned()]);
    let [draft] = <[_; 1]>::try_from(drafts).unwrap();
    draft
}

#[test]
fn a_swarm_costs_the_engine_the_same_however_large_it_is() {
    let costs = [100, 2000].map(|members: u64| {
        let mut node = Node::crowded(1, 0..members);
        // Others are drawn each time: so in the long run everybody is told of, and the parts of a swarm hang together by ever
        // new links.
        let mut named = HashSet::new();
        for _ in 0..300 {
            let (_, _, told) = draft(&mut node);
            assert_eq!(told.len(), SAMPLE_PEERS);
            named.extend(told.into_iter().map(|mut peer| peer.infos.remove(0).peer_id));
        }
        // Of 300 draws of 32 of 2000, 99 % are drawn once at least.
        assert!(named.len() as u64 > members * 9 / 10, "{}", named.len());
        let (swarm, members, told) = draft(&mut node);
        Sample::write(&swarm, members, told).len()
    });
    // Numbers have some more digits.
    assert!(costs[0].abs_diff(costs[1]) < 200, "{costs:?}");
}

#[test]
fn others_fill_lists_where_own_members_are_few() {
    let (mut one, mut two) = Node::pair(0..3, 100..110);
    let list = one.list(1, 29, RequestExt::default());
    assert_eq!(list.len(), 12);
    let ext = RequestExt {
        exclude: ids(&[100, 101, 2]),
        ..RequestExt::default()
    };
    let list = one.list(1, 29, ext);
    assert_eq!(list.len(), 9);
    assert!(
        !list.iter().any(|peer| ids(&[1, 2, 100, 101]).contains(peer)),
        "{list:?}"
    );
    // Who has come over is here, and not twice.
    one.test.attach(100, 100);
    one.test.connect(100, vec![join(A)], Vec::new());
    assert_eq!(one.list(1, 29, RequestExt::default()).len(), 12);
    // Nothing lives longer than it is said to.
    one.test.now += micros(LIFETIME);
    assert_eq!(one.list(1, 29, RequestExt::default()).len(), 3);
    two.tell(&mut one);
    assert_eq!(one.list(1, 29, RequestExt::default()).len(), 12);
    // Without an engine nobody of another node could be reached.
    one.test.registry.set_cluster_connected(false);
    assert_eq!(one.list(1, 29, RequestExt::default()).len(), 3);
}

#[test]
fn seeders_and_chunks_count_elsewhere_too() {
    let (mut one, mut two) = Node::pair(0..2, 100..103);
    let seed = connect_action(A, Action::Join, PeerMode::Seeder);
    two.test.connect(100, vec![seed.clone()], Vec::new());
    let map = MapReport {
        first: 0,
        map: ChunkMap::of(std::iter::once(10..20)),
        delta: false,
    };
    let stat = Stat {
        swarm_id: A.to_owned(),
        ext: StatExt {
            map: Some(map),
            ..StatExt::default()
        },
        ..Stat::default()
    };
    two.test
        .request(101, RequestBody::StatReport(vec![stat]), RequestExt::default());
    two.tell(&mut one);
    let mut near = |chunk| {
        let ext = RequestExt {
            near: Some(chunk),
            ..RequestExt::default()
        };
        let mut list = one.list(1, 29, ext);
        list.sort();
        list
    };
    assert_eq!(near(15), ids(&[100, 101]));
    assert_eq!(near(20), ids(&[100]));
    // Two that have everything have nothing for each other.
    one.test.connect(1, vec![seed], Vec::new());
    let mut list = one.list(1, 29, RequestExt::default());
    list.sort();
    assert_eq!(list, ids(&[0, 101, 102]));
}

#[test]
fn envelopes_follow_offers_across_nodes() {
    let (mut one, mut two) = Node::pair(0..3, 100..103);
    // Peers that nobody has been told of are not looked for.
    assert_eq!(
        one.relay(signal(Kind::Offer, 1, 100, "x"), 1),
        Err("no-such-peer".to_owned())
    );
    one.list(1, 29, RequestExt::default());
    assert_eq!(
        one.relay(signal(Kind::Answer, 1, 100, "x"), 1),
        Err("no-such-offer".to_owned())
    );
    assert_eq!(one.relay(signal(Kind::Offer, 1, 100, "x"), 1), Ok(()));
    assert_eq!(one.post(&mut two), [100]);
    for kind in [Kind::Candidate, Kind::Answer, Kind::End, Kind::Bye] {
        assert_eq!(two.relay(signal(kind, 100, 1, "x"), 100), Ok(()), "{kind:?}");
        assert_eq!(two.post(&mut one), [1], "{kind:?}");
        for foreign in [signal(kind, 101, 1, "x"), signal(kind, 100, 1, "y")] {
            let session = if foreign.from == id(100) { 100 } else { 101 };
            assert_eq!(
                two.relay(foreign, session),
                Err("no-such-offer".to_owned()),
                "{kind:?}"
            );
        }
    }
    assert_eq!(one.relay(signal(Kind::Candidate, 1, 100, "x"), 1), Ok(()));
    assert_eq!(one.post(&mut two), [100]);
    assert_eq!(
        one.relay(signal(Kind::Answer, 1, 100, "x"), 1),
        Err("no-such-offer".to_owned())
    );
    // A node that lets pass what it should not is not believed.
    let letters = [
        signal(Kind::Answer, 101, 1, "x"),
        signal(Kind::Candidate, 100, 1, "y"),
        signal(Kind::Offer, 2, 1, "z"),
        signal(Kind::Offer, 100, 1, "z"),
    ];
    for letter in letters {
        let forwarded = two.test.registry.cluster.as_ref().unwrap();
        assert!(forwarded.forward(&one.name, &letter.to, &letter));
    }
    assert_eq!(two.post(&mut one), [1]);
}

#[test]
fn dead_nodes_and_wrong_places_are_forgotten() {
    let (mut one, mut two) = Node::pair(0..2, 100..102);
    one.list(1, 29, RequestExt::default());
    // It has left: its node says so, and is asked no more.
    two.test.registry.detach(two.test.now, 100);
    assert_eq!(one.relay(signal(Kind::Offer, 1, 100, "x"), 1), Ok(()));
    assert!(one.post(&mut two).is_empty());
    assert!(two.post(&mut one).is_empty());
    assert_eq!(
        one.relay(signal(Kind::Offer, 1, 100, "x"), 1),
        Err("no-such-peer".to_owned())
    );
    assert_eq!(one.relay(signal(Kind::Offer, 1, 101, "x"), 1), Ok(()));
    one.test.registry.lose_node(&two.name);
    assert_eq!(
        one.relay(signal(Kind::Offer, 1, 101, "x"), 1),
        Err("no-such-peer".to_owned())
    );
    two.tell(&mut one);
    assert_eq!(one.relay(signal(Kind::Offer, 1, 101, "x"), 1), Ok(()));
    one.test.now += micros(LIFETIME + Duration::from_millis(1));
    assert_eq!(
        one.relay(signal(Kind::Offer, 1, 101, "x"), 1),
        Err("no-such-peer".to_owned())
    );
}

#[test]
fn more_than_the_queue_holds_is_refused() {
    let (mut one, two) = Node::pair(0..2, 100..102);
    one.list(1, 29, RequestExt::default());
    one.test
        .registry
        .learn_node(Timestamp::MAX, two.name.clone(), None, None);
    let relayed = (0..5000).map(|_| {
        one.test.now += 1000;
        one.relay(signal(Kind::Offer, 1, 100, "x"), 1)
    });
    let relayed: Vec<_> = relayed.collect();
    let sent = relayed.iter().take_while(|relayed| relayed.is_ok()).count();
    assert_eq!(sent, 4096);
    let refused = Err("no-such-peer".to_owned());
    assert!(relayed[sent..].iter().all(|relayed| *relayed == refused));
}
