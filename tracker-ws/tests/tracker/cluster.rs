//! Several trackers as one, through a real engine.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tracker_protocol::*;
use tracker_ws::Config;

use crate::engine::{Redis, ask};
use crate::manager;
use crate::peer::*;
use crate::process::spawn_with;

pub fn node(engine: &str) -> Config {
    Config {
        cluster: Some(engine.to_owned()),
        ..config()
    }
}

/// Asks for peers until the list is as wanted.
pub async fn until(what: &str, peer: &mut TestPeer, wanted: impl Fn(&[&str]) -> bool) {
    within(what, async {
        loop {
            let response = peer.find(A, None).await;
            if wanted(&listed(&response)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

pub async fn until_listed(peer: &mut TestPeer, other: &str) {
    until("listed", peer, |list| list.contains(&other)).await;
}

pub async fn until_alone(peer: &mut TestPeer) {
    until("alone", peer, |list| list.is_empty()).await;
}

/// A peer of each, that see each other.
pub async fn pair(first: &str, second: &str) -> (TestPeer, TestPeer) {
    let (mut a, mut b) = (
        TestPeer::joined(first, 1).await,
        TestPeer::joined(second, 2).await,
    );
    until_listed(&mut b, a.id()).await;
    until_listed(&mut a, b.id()).await;
    (a, b)
}

/// The value of a metric.
pub async fn metric(url: &str, name: &str) -> u64 {
    let text = crate::http::get(url, "/metrics").await;
    let line = text.lines().find(|line| line.starts_with(name));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

pub async fn until_metric(url: &str, name: &str, value: u64) {
    within(name, async {
        while metric(url, name).await < value {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// The offer goes over, and the answer comes back.
pub async fn connects(from: &mut TestPeer, to: &mut TestPeer, oid: &str) {
    let offer = from.signal(Kind::Offer, to.id(), oid);
    assert_eq!(from.relay(offer.clone()).await.code, ErrorCode::NoError);
    assert_eq!(to.pushed().await, offer);
    for kind in [Kind::Answer, Kind::Candidate] {
        let answer = to.signal(kind, from.id(), oid);
        assert_eq!(to.relay(answer.clone()).await.code, ErrorCode::NoError);
        assert_eq!(from.pushed().await, answer);
    }
    let candidate = from.signal(Kind::Candidate, to.id(), oid);
    assert_eq!(from.relay(candidate.clone()).await.code, ErrorCode::NoError);
    assert_eq!(to.pushed().await, candidate);
}

pub async fn refused(response: Response, reason: &str) {
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::Forbidden, Some(reason))
    );
}

#[tokio::test]
async fn peers_of_two_nodes_meet() {
    for options in [&[][..], &["--rename-command", "SSUBSCRIBE", ""]] {
        // An engine without sharded channels, as before version 7, does too.
        let redis = Redis::start_with(options).await;
        let (first, second) = (start(node(&redis.url())).await, start(node(&redis.url())).await);
        let (mut a, mut b) = (
            TestPeer::joined(&first, 1).await,
            TestPeer::joined(&second, 2).await,
        );
        until_listed(&mut b, a.id()).await;
        until_listed(&mut a, b.id()).await;
        let response = b.find(A, None).await;
        assert_eq!(response.swarm_result[0].ext.members, Some(2));
        connects(&mut a, &mut b, "one").await;
        connects(&mut b, &mut a, "two").await;
        // Nobody gets answers to what it did not ask, whatever node they come from.
        let unasked = a.signal(Kind::Answer, b.id(), "three");
        refused(a.relay(unasked).await, "no-such-offer").await;
        let stranger = a.signal(Kind::Offer, &Key::new(9).id, "four");
        refused(a.relay(stranger).await, "no-such-peer").await;
    }
}

#[tokio::test]
async fn envelopes_reach_members_of_that_swarm_only() {
    let redis = Redis::start().await;
    let (first, second) = (start(node(&redis.url())).await, start(node(&redis.url())).await);
    let (mut a, mut b) = (
        TestPeer::joined(&first, 1).await,
        TestPeer::joined(&second, 2).await,
    );
    a.connect(vec![join(B)]).await;
    until_listed(&mut a, b.id()).await;
    // The node of B finds that it is no member of that one, and says so; it is looked for nowhere then.
    let mut elsewhere = a.signal(Kind::Offer, b.id(), "one");
    elsewhere.swarm = B.to_owned();
    assert_eq!(a.relay(elsewhere).await.code, ErrorCode::NoError);
    until_metric(&second, "tracker_cluster_lost_total{reason=\"NoSuchPeer\"}", 1).await;
    let offer = a.signal(Kind::Offer, b.id(), "two");
    within("no route", async {
        while a.relay(offer.clone()).await.code == ErrorCode::NoError {
            assert_eq!(b.pushed().await, offer);
        }
    })
    .await;
    // The next list says where it is.
    until_listed(&mut a, b.id()).await;
    connects(&mut a, &mut b, "three").await;
    // One that has gone is not found.
    b.close().await;
    until_alone(&mut a).await;
    let offer = a.signal(Kind::Offer, &Key::new(2).id, "four");
    within("gone", async {
        while a.relay(offer.clone()).await.code == ErrorCode::NoError {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn batch_offers_go_elsewhere_where_nobody_is_here() {
    let redis = Redis::start().await;
    let (first, second) = (start(node(&redis.url())).await, start(node(&redis.url())).await);
    let (mut a, mut b) = (
        TestPeer::joined(&first, 1).await,
        TestPeer::joined(&second, 2).await,
    );
    until_listed(&mut b, a.id()).await;
    let offer = b.signal(Kind::Offer, "", "batch");
    let ext = RequestExt {
        offers: vec![offer.clone()],
        ..RequestExt::default()
    };
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    let response = b.ask(find, ext).await;
    assert_eq!(response.ext.offers_sent, Some(1));
    assert_eq!(a.pushed().await, offer);
    let answer = a.signal(Kind::Answer, b.id(), "batch");
    assert_eq!(a.relay(answer.clone()).await.code, ErrorCode::NoError);
    assert_eq!(b.pushed().await, answer);
}

#[tokio::test]
async fn what_a_killed_node_has_told_is_gone_in_time() {
    let redis = Redis::start().await;
    let first = start(node(&redis.url())).await;
    let (mut child, second) = spawn_with(&["--cluster", &redis.url()]).await;
    let (mut a, b) = (
        TestPeer::joined(&first, 1).await,
        TestPeer::joined(&second, 2).await,
    );
    until_listed(&mut a, b.id()).await;
    child.kill().await.unwrap();
    // What it has told has 3 s left at most, which nothing prolongs: by the engine's clock, for this machine may stand still.
    let mut engine = redis.connection().await;
    let mut told = Vec::new();
    for pattern in ["shoal:node:*", "shoal:swarm:*:*"] {
        let keys: Vec<String> = ask(&mut engine, &["KEYS", pattern]).await;
        for key in keys {
            let left: i64 = ask(&mut engine, &["PTTL", &key]).await;
            assert!(left <= 3000, "{key}: {left}");
            assert_ne!(left, -1, "{key} has no end");
            told.push(key);
        }
    }
    assert!(!told.is_empty());
    until_alone(&mut a).await;
    let offer = a.signal(Kind::Offer, b.id(), "one");
    refused(a.relay(offer).await, "no-such-peer").await;
    // Its peer is back on the other one, and is not named twice.
    let mut b = TestPeer::joined(&first, 2).await;
    until("once", &mut a, |list| list == [b.id()]).await;
    connects(&mut a, &mut b, "two").await;
}

#[tokio::test]
async fn without_their_engine_nodes_are_islands_and_heal() {
    let mut redis = Redis::start().await;
    let (first, second) = (start(node(&redis.url())).await, start(node(&redis.url())).await);
    let (mut a, mut b) = pair(&first, &second).await;
    redis.kill().await;
    until_alone(&mut a).await;
    until_alone(&mut b).await;
    let offer = a.signal(Kind::Offer, b.id(), "one");
    refused(a.relay(offer).await, "no-such-peer").await;
    let mut neighbour = TestPeer::joined(&first, 3).await;
    until_listed(&mut a, neighbour.id()).await;
    connects(&mut a, &mut neighbour, "two").await;
    redis.restart().await;
    until_listed(&mut a, b.id()).await;
    until_listed(&mut b, a.id()).await;
    connects(&mut a, &mut b, "three").await;
}

#[tokio::test]
async fn an_engine_that_stands_still_holds_nobody_up() {
    let redis = Redis::start().await;
    let (first, second) = (start(node(&redis.url())).await, start(node(&redis.url())).await);
    let (mut a, mut b) = (
        TestPeer::joined(&first, 1).await,
        TestPeer::joined(&second, 2).await,
    );
    until_listed(&mut a, b.id()).await;
    redis.pause();
    // Who asks is not kept waiting until the connection to the engine has given up.
    a.find(A, None).await;
    assert_eq!(metric(&first, "tracker_cluster_failures_total").await, 0);
    until_alone(&mut a).await;
    until_metric(&first, "tracker_cluster_failures_total", 1).await;
    redis.resume();
    until_listed(&mut a, b.id()).await;
    until_listed(&mut b, a.id()).await;
    connects(&mut b, &mut a, "one").await;
}

/// A way to the engine that can be cut.
async fn way_to(socket: String) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let (open, is_open) = watch::channel(true);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut is_open = is_open.clone();
            let socket = socket.clone();
            tokio::spawn(async move {
                if !*is_open.borrow() {
                    return;
                }
                let mut far = UnixStream::connect(socket).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = is_open.wait_for(|open| !open) => {}
                }
            });
        }
    });
    (url, open)
}

#[tokio::test]
async fn a_split_heals() {
    let redis = Redis::start().await;
    let (cut_off, way) = way_to(redis.path()).await;
    let (first, second, third) = (
        start(node(&redis.url())).await,
        start(node(&redis.url())).await,
        start(node(&cut_off)).await,
    );
    let (mut a, mut b, mut c) = (
        TestPeer::joined(&first, 1).await,
        TestPeer::joined(&second, 2).await,
        TestPeer::joined(&third, 3).await,
    );
    let both = |list: &[&str]| list.len() == 2;
    for peer in [&mut a, &mut b, &mut c] {
        until("both others", peer, both).await;
    }
    way.send(false).unwrap();
    until_alone(&mut c).await;
    until("the other", &mut a, |list| list == [b.id()]).await;
    until("the other", &mut b, |list| list == [a.id()]).await;
    connects(&mut a, &mut b, "one").await;
    way.send(true).unwrap();
    for peer in [&mut a, &mut b, &mut c] {
        until("both others", peer, both).await;
    }
    connects(&mut c, &mut a, "two").await;
}

#[tokio::test]
async fn what_no_node_writes_does_no_harm() {
    let redis = Redis::start().await;
    let url = start(node(&redis.url())).await;
    let mut a = TestPeer::joined(&url, 1).await;
    until_metric(&url, "tracker_cluster_samples_written_total", 1).await;
    let mut engine = redis.connection().await;
    let nodes: Vec<String> = redis::cmd("SMEMBERS")
        .arg("shoal:nodes")
        .query_async(&mut engine)
        .await
        .unwrap();
    let name = nodes[0].clone();
    let junk = [&b""[..], b"{}", b"\xff\xfe", &[b'x'; 200_000]];
    let mut pipe = redis::pipe();
    for letter in junk {
        pipe.cmd("SPUBLISH")
            .arg(format!("shoal:node.{name}"))
            .arg(letter)
            .ignore();
    }
    let set = format!("shoal:swarm:{{{A}}}");
    for (number, sample) in junk.iter().enumerate().skip(1) {
        let other = format!("{number:032x}");
        pipe.cmd("SADD").arg(&set).arg(&other).ignore();
        pipe.cmd("SET")
            .arg(format!("{set}:{other}"))
            .arg(*sample)
            .ignore();
        pipe.cmd("PEXPIRE")
            .arg(format!("{set}:{other}"))
            .arg(3000)
            .ignore();
    }
    pipe.cmd("SADD").arg(&set).arg("../../etc/passwd").ignore();
    // One that has died without a word.
    let dead = "d".repeat(32);
    pipe.cmd("SADD").arg(&set).arg(&dead).ignore();
    pipe.cmd("SADD").arg("shoal:nodes").arg(&dead).ignore();
    pipe.exec_async(&mut engine).await.unwrap();
    // Four letters and two samples; what is not text is as if it was not there.
    until_metric(&url, "tracker_cluster_lost_total{reason=\"Malformed\"}", 6).await;
    assert!(listed(&a.find(A, None).await).is_empty());
    assert_eq!(metric(&url, "tracker_cluster_failures_total").await, 0);
    within("the dead one is taken out", async {
        loop {
            let still: (bool, bool) = redis::pipe()
                .cmd("SISMEMBER")
                .arg(&set)
                .arg(&dead)
                .cmd("SISMEMBER")
                .arg("shoal:nodes")
                .arg(&dead)
                .query_async(&mut engine)
                .await
                .unwrap();
            if still == (false, false) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // A node that says it knows a peer better than its own node does.
    let mut neighbour = TestPeer::joined(&url, 2).await;
    let offer = neighbour.signal(Kind::Offer, a.id(), "one");
    let frame = Event::Signal(Box::new(offer)).encode().unwrap();
    let letter = format!(
        "{{\"v\":1,\"node\":\"{dead}\",\"peer\":\"{}\",\"frame\":{frame}}}",
        a.id()
    );
    let publish = redis::cmd("SPUBLISH")
        .arg(format!("shoal:node.{name}"))
        .arg(letter)
        .exec_async(&mut engine)
        .await;
    publish.unwrap();
    until_metric(&url, "tracker_cluster_lost_total{reason=\"NoSuchPeer\"}", 1).await;
    // What it gets is its neighbour's own word.
    connects(&mut neighbour, &mut a, "two").await;
}

#[tokio::test]
async fn a_peer_gets_only_so_much_from_other_nodes() {
    let redis = Redis::start().await;
    let few = tracker_ws::Rate {
        per_second: 1,
        burst: 3,
    };
    let strict = Config {
        signals: few,
        ..node(&redis.url())
    };
    let (first, second) = (start(node(&redis.url())).await, start(strict).await);
    let (mut a, mut b) = (
        TestPeer::joined(&first, 1).await,
        TestPeer::joined(&second, 2).await,
    );
    until_listed(&mut a, b.id()).await;
    for offer in 0..20 {
        let offer = a.signal(Kind::Offer, b.id(), &offer.to_string());
        assert_eq!(a.relay(offer).await.code, ErrorCode::NoError);
    }
    assert_eq!(b.pushed().await.oid, "0");
    until_metric(&second, "tracker_cluster_lost_total{reason=\"Limited\"}", 10).await;
}

#[tokio::test]
async fn operators_see_the_whole_cluster() {
    let redis = Redis::start().await;
    let other = "wss://tracker2.example/ppsp";
    let first = manager::start(node(&redis.url())).await;
    let second = manager::start(Config {
        node_url: Some(other.to_owned()),
        ..node(&redis.url())
    })
    .await;
    let peers = (
        TestPeer::joined(&first.url, 1).await,
        TestPeer::joined(&second.url, 2).await,
        TestPeer::joined(&second.url, 3).await,
    );
    let seen = |nodes: &Value| nodes["items"].as_array().unwrap().len() == 2 && nodes["peers"] == 3;
    let nodes = first.manager.until("/v1/nodes", seen).await;
    assert_eq!(
        (&nodes["cluster"], &nodes["sockets"]),
        (&json!("connected"), &json!(3))
    );
    let [own, elsewhere] = &nodes["items"].as_array().unwrap()[..] else {
        panic!("{nodes}")
    };
    let counts = |count: u64| json!({"sockets": count, "peers": count, "swarms": 1});
    assert_eq!((&own["own"], &own["counts"]), (&json!(true), &counts(1)));
    assert_eq!(
        (&elsewhere["own"], &elsewhere["url"]),
        (&json!(false), &json!(other))
    );
    assert_eq!(elsewhere["counts"], counts(2));
    // Of a swarm, what other nodes have of it.
    let path = format!("/v1/swarms/{A}");
    let swarm = first
        .manager
        .until(&path, |swarm| swarm["members_elsewhere"] == 2)
        .await;
    assert_eq!(swarm["members"], 1);
    let swarm = second
        .manager
        .until(&path, |swarm| swarm["members_elsewhere"] == 1)
        .await;
    assert_eq!(swarm["members"], 2);
    // It is an island, and alone.
    drop((peers, redis));
    let island = first
        .manager
        .until("/v1/nodes", |nodes| nodes["cluster"] == "island")
        .await;
    assert_eq!(island["items"][0]["id"], own["id"]);
    let alone = |nodes: &Value| nodes["items"].as_array().unwrap().len() == 1;
    first.manager.until("/v1/nodes", alone).await;
}

#[tokio::test]
async fn one_that_drains_names_another() {
    let redis = Redis::start().await;
    let other = "wss://tracker2.example/ppsp";
    let _second = start(Config {
        node_url: Some(other.to_owned()),
        ..node(&redis.url())
    })
    .await;
    let (first, shutdown) = start_with_shutdown(Config {
        drain_period: Duration::ZERO,
        ..node(&redis.url())
    })
    .await;
    until_metric(&first, "tracker_cluster_nodes ", 1).await;
    let mut a = TestPeer::open(&first, 1).await;
    a.connect_with(vec![join(A)], &[SUPPORTS_SIGNAL, SUPPORTS_CONFIG])
        .await;
    shutdown.drain();
    let Event::Config(config) = a.event().await else {
        panic!("no CONFIG")
    };
    assert_eq!(config.reconnect.as_deref(), Some(other));
}
