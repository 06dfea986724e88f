//! Bans that hold on all nodes of a cluster.

use serde_json::{Value, json};
use tracker_protocol::*;

use crate::cluster::{node, until_metric};
use crate::engine::Redis;
use crate::engine_tls::free_ports;
use crate::manager::{self, Manager, TOKEN};
use crate::peer::*;
use crate::process::spawn_with;

/// A node that can be killed, with management; its URL for peers is of no use here.
async fn mortal(engine: &str) -> (tokio::process::Child, Manager) {
    let [port] = free_ports();
    let address = format!("127.0.0.1:{port}");
    let flags = [
        "--cluster",
        engine,
        "--management-listen",
        &address,
        "--management-token",
        TOKEN,
    ];
    let (child, url) = spawn_with(&flags).await;
    until_metric(&url, "tracker_cluster_connected", 1).await;
    (child, Manager { address })
}

fn is_listed(id: &Value) -> impl Fn(&Value) -> bool {
    let id = id.clone();
    move |bans: &Value| {
        bans["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|ban| ban["id"] == id)
    }
}

async fn ban(manager: &Manager, body: Value) -> (u16, Value) {
    let reply = manager.call("POST", "/v1/bans", &body.to_string()).await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn a_ban_holds_everywhere_and_outlives_its_node_and_the_engine() {
    let mut redis = Redis::start().await;
    let (mut child, first) = mortal(&redis.url()).await;
    let second = manager::start(node(&redis.url())).await;
    until_metric(&second.url, "tracker_cluster_nodes ", 1).await;
    let mut peer = TestPeer::joined(&second.url, 1).await;
    let other = TestPeer::joined(&second.url, 2).await;
    let (status, made) = ban(&first, json!({"peer_id": peer.id(), "reason": "why"})).await;
    assert_eq!(status, 201);
    // Who is in at another node is sent away.
    assert!(matches!(peer.event().await, Event::Bye(bye) if bye.reason.as_deref() == Some("banned")));
    assert_eq!(
        second.manager.get(&format!("/v1/bans/{}", made["id"])).await,
        made
    );
    // Each gives numbers of its own.
    let (status, another) = ban(
        &second.manager,
        json!({"prefix": "192.0.2.0/24", "seconds": 3600}),
    )
    .await;
    assert_eq!(status, 201);
    assert_ne!(another["id"], made["id"]);
    first.until("/v1/bans", is_listed(&another["id"])).await;
    // The same again, at the other node, is the same ban.
    let (status, again) = ban(&second.manager, json!({"peer_id": peer.id()})).await;
    assert_eq!((status, &again["id"]), (200, &made["id"]));

    // Its node dies, and the engine forgets all: the other one writes it again, and a third one reads it.
    child.kill().await.unwrap();
    redis.kill().await;
    let (_, alone) = ban(&second.manager, json!({"prefix": "2001:db8::/32"})).await;
    redis.restart().await;
    let third = manager::start(node(&redis.url())).await;
    for ban in [&made, &another, &alone] {
        third.manager.until("/v1/bans", is_listed(&ban["id"])).await;
    }
    let mut banned = TestPeer::open(&third.url, 1).await;
    let response = banned.connect(vec![join(A)]).await;
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::Forbidden, Some("banned"))
    );

    // Lifted anywhere, it is lifted everywhere, and does not come back with a node that has not heard.
    let path = format!("/v1/bans/{}", made["id"]);
    assert_eq!(third.manager.call("DELETE", &path, "").await.status, 204);
    second
        .manager
        .until("/v1/bans", |bans| !is_listed(&made["id"])(bans))
        .await;
    second.manager.call("GET", &path, "").await.problem(404);
    let fourth = manager::start(node(&redis.url())).await;
    fourth.manager.until("/v1/bans", is_listed(&alone["id"])).await;
    fourth.manager.call("GET", &path, "").await.problem(404);
    TestPeer::joined(&fourth.url, 1).await;
    drop(other);
}

#[tokio::test]
async fn islands_agree_on_bans_when_they_meet() {
    let mut redis = Redis::start().await;
    let (first, second) = (
        manager::start(node(&redis.url())).await,
        manager::start(node(&redis.url())).await,
    );
    let (_, known) = ban(&first.manager, json!({"prefix": "192.0.2.0/24"})).await;
    second.manager.until("/v1/bans", is_listed(&known["id"])).await;
    redis.kill().await;
    // One lifts it, and both ban the same for another time.
    let path = format!("/v1/bans/{}", known["id"]);
    assert_eq!(second.manager.call("DELETE", &path, "").await.status, 204);
    let (_, one) = ban(&first.manager, json!({"prefix": "2001:db8::/32", "seconds": 60})).await;
    let (_, other) = ban(&second.manager, json!({"prefix": "2001:db8::/32"})).await;
    redis.restart().await;
    let lower = one["id"].as_u64().unwrap().min(other["id"].as_u64().unwrap());
    let agreed = |bans: &Value| {
        let items = bans["items"].as_array().unwrap();
        matches!(&items[..], [only] if only["id"] == lower && only["expires"].is_null())
    };
    // Of the two words on the second, the one that knew of more.
    for node in [&first, &second] {
        node.manager.until("/v1/bans", agreed).await;
    }
}

#[tokio::test]
async fn what_is_no_ban_does_no_harm() {
    let redis = Redis::start().await;
    let first = manager::start(node(&redis.url())).await;
    until_metric(&first.url, "tracker_cluster_connected", 1).await;
    let mut engine = redis.connection().await;
    for junk in [&b""[..], b"{}", b"\xff\xfe", &[b'x'; 200_000]] {
        redis::pipe()
            .cmd("HSET")
            .arg("shoal:{bans}")
            .arg(junk)
            .arg(junk)
            .ignore()
            .cmd("SPUBLISH")
            .arg("shoal:{bans}")
            .arg(junk)
            .ignore()
            .exec_async(&mut engine)
            .await
            .unwrap();
    }
    until_metric(&first.url, "tracker_cluster_lost_total{reason=\"Malformed\"}", 4).await;
    let (status, made) = ban(&first.manager, json!({"prefix": "192.0.2.0/24"})).await;
    assert_eq!(status, 201);
    // A node that reads them all takes what is one.
    let second = manager::start(node(&redis.url())).await;
    second.manager.until("/v1/bans", is_listed(&made["id"])).await;
    until_metric(&second.url, "tracker_cluster_lost_total{reason=\"Malformed\"}", 4).await;
    assert_eq!(
        first.manager.get("/v1/bans").await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
