//! RFC 7846 on the strict face: the forms of its example messages, with what is odd in them (bare objects where the
//! schema has arrays, numbers in strings, FIND's members in the root, `Stat`, an address without its type), and what
//! must happen to each. Peer and swarm IDs are ours, and each message has the proof that this tracker asks for.
//!
//! The rows of table 6 and of the state machine are in `tracker-protocol/src/server/tests.rs`, on virtual time those
//! of timers and offers in `src/registry/tests.rs`, the vectors of chunk maps in `tracker-protocol/tests/chunk_map.rs`.

use serde_json::{Value, json};
use tracker_protocol::*;

use crate::peer::*;
use crate::poster::*;

/// CONNECT of a SEEDER or LEECH, as the RFC writes it.
fn example_connect(action: &str, mode: &str) -> Value {
    json!({
        "version": 1, "request_type": "CONNECT", "transaction_id": "12345",
        "connect": {
            "peer_num": {
                "peer_count": 5, "ability_nat": "STUN",
                "concurrent_links": "5", "online_time": "200", "upload_bandwidth": "600"
            },
            "peer_addr": {
                "ip_address": { "address_type": "ipv4", "address": "192.0.2.2" },
                "port": 80, "priority": 1, "type": "HOST", "connection": "wired", "asn": "45645"
            },
            "swarm_action": { "swarm_id": A, "action": action, "peer_mode": mode }
        }
    })
}

/// FIND, its members in the root.
fn example_find() -> Value {
    json!({
        "version": 1, "request_type": "FIND", "transaction_id": "12345", "swarm_id": A,
        "peer_num": {
            "peer_count": 5, "ability_nat": "STUN",
            "concurrent_links": "5", "online_time": "200", "upload_bandwidth": "600"
        }
    })
}

/// STAT_REPORT with `Stat`, a bare object.
fn example_stat_report() -> Value {
    json!({
        "version": 1, "request_type": "STAT_REPORT", "transaction_id": "12345",
        "stat_report": {
            "type": "STREAM_STATS",
            "Stat": {
                "swarm_id": A, "uploaded_bytes": 512, "downloaded_bytes": 768,
                "available_bandwidth": 1_024_000, "concurrent_links": "5"
            }
        }
    })
}

fn with_id(mut message: Value, transaction_id: &str) -> Value {
    message["transaction_id"] = json!(transaction_id);
    message
}

fn ok(reply: &Reply) -> Response {
    assert_eq!(reply.status, 200);
    let response = reply.response();
    assert_eq!(response.code, ErrorCode::NoError, "{reply:?}");
    response
}

#[tokio::test]
async fn item_1_examples_of_the_rfc() {
    let url = start(config()).await;
    let (mut seeder, mut leech) = (Poster::new(&url, 1).await, Poster::new(&url, 2).await);
    // Registration of a SEEDER. It has named peer_num, so it gets a list, which is empty yet.
    let response = ok(&seeder.post_members(&example_connect("JOIN", "SEEDER")).await);
    assert_eq!(response.transaction_id, "12345");
    assert!(listed(&response).is_empty());
    // A LEECH joins and is told of it, with its address.
    let reply = leech.post_members(&example_connect("JOIN", "LEECH")).await;
    assert_eq!(listed(&ok(&reply)), [seeder.key.id.as_str()]);
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    let answer = &answer["PPSPTrackerProtocol"];
    assert_eq!(
        (
            &answer["version"],
            &answer["response_type"],
            &answer["error_code"]
        ),
        (&json!(1), &json!(0), &json!(0))
    );
    // The strict writer: arrays, numbers, and the type of the address.
    let peer = &answer["swarm_result"][0]["peer_group"]["peer_info"][0];
    assert_eq!(
        peer["peer_addr"],
        json!({"ip_address":{"address_type":"ipv4","address":"192.0.2.2"},"port":80,"priority":1,"type":"HOST",
            "connection":"wired","asn":"45645"})
    );
    assert_eq!(peer["ext"], json!({"mode":"SEEDER","via":["udp"]}));
    // FIND: the other one, not the requester.
    let response = ok(&seeder.post_members(&with_id(example_find(), "2")).await);
    assert_eq!(listed(&response), [leech.key.id.as_str()]);
    // STAT_REPORT: a result, never peers.
    let response = ok(&leech.post_members(&with_id(example_stat_report(), "3")).await);
    assert_eq!(
        (
            response.swarm_result[0].result,
            &response.swarm_result[0].peer_group
        ),
        (0, &None)
    );
    // A SEEDER of two swarms: an array then.
    let mut both = Poster::new(&url, 3).await;
    let mut connect = example_connect("JOIN", "SEEDER");
    connect["connect"]["swarm_action"] = json!([
        { "swarm_id": A, "action": "JOIN", "peer_mode": "SEEDER" },
        { "swarm_id": B, "action": "JOIN", "peer_mode": "SEEDER" }
    ]);
    let response = ok(&both.post_members(&connect).await);
    let swarms: Vec<&str> = response
        .swarm_result
        .iter()
        .map(|result| result.swarm_id.as_str())
        .collect();
    assert_eq!(swarms, [A, B]);
    // LEAVE ends the registration: what comes after is of an unregistered peer.
    ok(&leech
        .post_members(&with_id(example_connect("LEAVE", "LEECH"), "4"))
        .await);
    let response = seeder.find(A, None).await;
    assert!(listed(&response).is_empty());
    let reply = leech.post_members(&with_id(example_find(), "5")).await;
    assert_eq!((reply.status, reply.response().code), (200, ErrorCode::Forbidden));
}

#[tokio::test]
async fn item_1_swarm_ids_of_the_examples_are_none_of_rfc_7574() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let mut message = example_find();
    message["swarm_id"] = json!("1111");
    let reply = peer.post_members(&message).await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.response().ext.reason.as_deref(),
        Some("swarm_id: not a swarm ID")
    );
}

#[tokio::test]
async fn item_2_combinations_that_the_strict_face_refuses() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let seed = |swarm| connect_action(swarm, Action::Join, PeerMode::Seeder);
    let leave = |swarm| connect_action(swarm, Action::Leave, PeerMode::Leech);
    for refused in [vec![leave(A)], vec![join(A), leave(B)], vec![join(A), seed(B)]] {
        assert_eq!(peer.connect(refused).await.code, ErrorCode::Forbidden);
        assert_eq!(peer.find(A, None).await.code, ErrorCode::Forbidden);
    }
    assert_eq!(peer.connect(vec![seed(A)]).await.code, ErrorCode::NoError);
    // SEEDER JOIN while TRACKING: an error, and tracked as before.
    let response = peer.connect(vec![seed(B)]).await;
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::Forbidden, Some("combination-of-actions"))
    );
    assert_eq!(peer.find(A, None).await.code, ErrorCode::NoError);
    assert_eq!(peer.find(B, None).await.code, ErrorCode::Forbidden);
    // The other face takes it.
    let mut socket = TestPeer::open(&url, 2).await;
    assert_eq!(
        socket.connect(vec![seed(A), join(B)]).await.code,
        ErrorCode::NoError
    );
    let third = format!("{:064x}", 3);
    assert_eq!(
        socket
            .ask(connect_body(vec![seed(&third)]), RequestExt::default())
            .await
            .code,
        ErrorCode::NoError
    );
}

#[tokio::test]
async fn item_3_repetitions_get_the_same_answer_and_have_no_second_effect() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let message = peer.proven(&example_connect("JOIN", "LEECH")).await;
    let first = peer.post_message(&message).await;
    ok(&first);
    // Somebody joins in between: a new answer would name it.
    let _other = TestPeer::joined(&url, 2).await;
    let again = peer.post_message(&message).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    // On another connection too.
    let mut elsewhere = Poster::new(&url, 1).await;
    assert_eq!(elsewhere.post_message(&message).await.body, first.body);
    // The last LEAVE, after which nothing of the peer is left but this.
    let leave = with_id(example_connect("LEAVE", "LEECH"), "2");
    let message = peer.proven(&leave).await;
    let first = peer.post_message(&message).await;
    ok(&first);
    assert_eq!(peer.post_message(&message).await.body, first.body);
    // The same ID for something else.
    let reply = peer.post_members(&with_id(example_find(), "2")).await;
    assert_eq!(
        (reply.status, reply.response().code),
        (400, ErrorCode::BadRequest)
    );
}

#[tokio::test]
async fn item_4_unknown_members_are_ignored() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let mut message = example_connect("JOIN", "LEECH");
    message["new"] = json!({"deep":[1]});
    message["connect"]["new"] = json!(null);
    message["connect"]["peer_num"]["new"] = json!("x");
    message["connect"]["peer_addr"]["new"] = json!(1.5);
    message["connect"]["peer_addr"]["ip_address"]["new"] = json!(true);
    message["connect"]["swarm_action"]["new"] = json!([]);
    message["ext"]["new"] = json!({});
    let mut message = peer.proven(&message).await;
    message["new"] = json!("beside the root");
    ok(&peer.post_message(&message).await);
    let mut message = with_id(example_stat_report(), "2");
    message["stat_report"]["new"] = json!(1);
    message["stat_report"]["Stat"]["new"] = json!(1);
    message["stat_report"]["Stat"]["ext"] = json!({"new":1,"qos":{"new":1},"map":{"b":0,"r":"ZBQI","new":1}});
    message["ext"]["status"] = json!({"new":1,"role":"native"});
    ok(&peer.post_members(&message).await);
}

#[tokio::test]
async fn item_5_other_versions_and_broken_messages() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let mut message = example_find();
    message["version"] = json!(2);
    let reply = peer.post_members(&message).await;
    let response = reply.response();
    assert_eq!(
        (reply.status, response.code, response.transaction_id.as_str()),
        (400, ErrorCode::UnsupportedVersion, "12345")
    );
    for (body, transaction_id) in [
        (&b"{"[..], ""),
        (b"", ""),
        (b"\xff", ""),
        (b"[1]", ""),
        (
            br#"{"PPSPTrackerProtocol":{"version":1,"request_type":"JOIN","transaction_id":"9","peer_id":"x"}}"#,
            "9",
        ),
    ] {
        let reply = peer.post(body).await;
        let response = reply.response();
        assert_eq!(
            (reply.status, response.code, response.transaction_id.as_str()),
            (400, ErrorCode::BadRequest, transaction_id)
        );
        assert!(response.swarm_result.is_empty() && response.peer_addr.is_none());
        assert!(response.ext.reason.is_some());
    }
}

#[tokio::test]
async fn item_6_peer_counts() {
    let url = start(config()).await;
    let mut peers = Vec::new();
    for seed in 2..=36 {
        peers.push(TestPeer::joined(&url, seed).await);
    }
    let mut peer = Poster::joined(&url, 1).await;
    for (asked, given) in [
        (None, 10),
        (Some(0), 1),
        (Some(29), 29),
        (Some(30), 29),
        (Some(10_000), 29),
    ] {
        assert_eq!(listed(&peer.find(A, asked).await).len(), given, "{asked:?}");
    }
}

#[tokio::test]
async fn item_9_a_proof_is_for_one_peer_id() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let mut message = peer.proven(&example_connect("JOIN", "LEECH")).await;
    message["PPSPTrackerProtocol"]["peer_id"] = json!(Key::new(2).id);
    let reply = peer.post_message(&message).await;
    let response = reply.response();
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (
            ErrorCode::AuthenticationRequired,
            Some("peer-id-is-not-of-the-key")
        )
    );
}

#[tokio::test]
async fn item_10_an_old_proof_is_refused_with_a_new_nonce() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let mut message = peer.proven(&example_connect("JOIN", "LEECH")).await;
    ok(&peer.post_message(&message).await);
    message["PPSPTrackerProtocol"]["transaction_id"] = json!("2");
    let mut elsewhere = Poster::new(&url, 1).await;
    let response = elsewhere.post_message(&message).await.response();
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::AuthenticationRequired, Some("nonce-used"))
    );
    assert!(response.ext.nonce.is_some());
}

#[tokio::test]
async fn quirk_12_several_addresses_are_several_entries() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let mut message = example_connect("JOIN", "SEEDER");
    let address = |text: &str, priority: u64| json!({"ip_address":{"address_type":"ipv6","address":text},"port":6778,"priority":priority,"type":"HOST"});
    message["connect"]["peer_addr"] = json!([address("2001:DB8::0:1", 1), address("2001:db8::2", 7)]);
    ok(&peer.post_members(&message).await);
    let mut other = Poster::joined(&url, 2).await;
    let response = other.find(A, None).await;
    let entries = &response.swarm_result[0].peer_group.as_ref().unwrap().peer_info;
    let addresses: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.peer_id.as_str(),
                entry.peer_addr.ip_address.address.as_str(),
            )
        })
        .collect();
    let id = peer.key.id.as_str();
    assert_eq!(addresses, [(id, "2001:db8::2"), (id, "2001:db8::1")]);
}

#[tokio::test]
async fn chunk_maps_choose_peers_on_both_faces() {
    let url = start(config()).await;
    let (mut one, mut two) = (TestPeer::joined(&url, 1).await, Poster::joined(&url, 2).await);
    let report = |runs: &str| {
        let map = MapReport::from_runs(0, runs).unwrap();
        RequestBody::StatReport(vec![Stat {
            swarm_id: A.to_owned(),
            ext: StatExt {
                map: Some(map),
                ..StatExt::default()
            },
            ..Stat::default()
        }])
    };
    // 0 to 99 and 120 to 127; 5 to 304.
    let response = one.ask(report("ZBQI"), RequestExt::default()).await;
    assert_eq!(response.code, ErrorCode::NoError);
    let response = two.ask(report("AAWsAg"), RequestExt::default()).await;
    assert_eq!(response.code, ErrorCode::NoError);
    let mut asker = Poster::joined(&url, 3).await;
    for (near, expected) in [
        (0, vec![one.id()]),
        (110, vec![two.key.id.as_str()]),
        (305, Vec::new()),
    ] {
        let find = RequestBody::Find(Find {
            swarm_id: A.to_owned(),
            peer_num: None,
        });
        let ext = RequestExt {
            near: Some(near),
            ..RequestExt::default()
        };
        assert_eq!(listed(&asker.ask(find, ext).await), expected, "{near}");
    }
}
