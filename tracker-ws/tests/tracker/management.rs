//! What operators see and do.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::client_async;
use tracker_protocol::*;
use tracker_ws::Config;

use crate::manager::{self, Managed, TOKEN};
use crate::peer::*;

/// Every path and method of the document, with something in place of parameters.
fn operations(document: &Value) -> Vec<(String, String)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{peer_id}", "x").replace("{swarm_id}", "x");
        let path = path.replace("{ban_id}", "1");
        assert!(!path.contains('{'), "{path}");
        for method in ["get", "put", "post", "patch", "delete"] {
            if item.get(method).is_some() {
                operations.push((method.to_uppercase(), path.clone()));
            }
        }
    }
    operations
}

#[tokio::test]
async fn nothing_is_done_without_the_token() {
    let Managed { manager, ended, .. } = manager::start(config()).await;
    let document = manager.get("/v1/openapi.json").await;
    let operations = operations(&document);
    assert!(operations.len() >= 16, "{operations:?}");
    let wrong = [
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer 0123456789abcdee\r\n",
        "Authorization: Bearer 0123456789abcde\r\n",
        "Authorization: Bearer 0123456789abcdef0\r\n",
        "Authorization: Basic 0123456789abcdef\r\n",
        "Authorization: 0123456789abcdef\r\n",
        "Authorization: Bearer x\r\nAuthorization: Bearer 0123456789abcdef\r\n",
    ];
    for (method, path) in &operations {
        for headers in wrong {
            let reply = manager.exchange(method, path, headers, "").await;
            let detail = reply.problem(401);
            assert!(detail.starts_with("Authorization: "), "{method} {path}: {detail}");
            assert!(
                reply.head.contains("\r\nwww-authenticate: bearer"),
                "{}",
                reply.head
            );
        }
    }
    // Nor is it told what is there.
    for path in ["/v1/nothing", "/v1", "/ppsp", "/metrics", "//", "/dashboard.js/"] {
        manager.exchange("GET", path, "", "").await.problem(401);
    }
    assert!(!ended.is_finished());
    let metrics = manager.call("GET", "/v1/metrics", "").await.body;
    let refused = operations.len() * wrong.len() + 6;
    let line = format!("tracker_management_requests_total{{status=\"401\"}} {refused}");
    assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    assert_eq!(manager.get("/v1/health").await["phase"], "serving");
}

#[tokio::test]
async fn the_dashboard_is_for_everybody_and_takes_nothing_from_elsewhere() {
    let Managed { manager, .. } = manager::start(config()).await;
    for path in ["/", "/dashboard.css", "/dashboard.js", "/charts.js"] {
        let reply = manager.exchange("GET", path, "", "").await;
        assert_eq!(reply.status, 200, "{path}");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "nosniff",
        ] {
            assert!(reply.head.contains(header), "{path}: {}", reply.head);
        }
        // What names other hosts are namespaces only.
        let rest = reply.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!rest.contains("http:") && !rest.contains("https:"), "{path}");
    }
    let reply = manager.exchange("POST", "/", "", "").await;
    reply.problem(405);
    assert!(reply.head.contains("\r\nallow: get"), "{}", reply.head);
}

/// Tells of 3 × `stalls` bytes from peers for one from the origin.
pub async fn report(peer: &mut TestPeer, stalls: u64, chunks: std::ops::Range<u64>) {
    let stat = Stat {
        swarm_id: A.to_owned(),
        uploaded_bytes: 5,
        ext: StatExt {
            qos: Some(Qos {
                stalls,
                p2p_bytes: 3 * stalls,
                http_bytes: stalls,
                cand: CandidateTypes {
                    srflx: 1,
                    ..CandidateTypes::default()
                },
                ..Qos::default()
            }),
            map: Some(MapReport {
                first: 0,
                map: ChunkMap::of([chunks]),
                delta: false,
            }),
        },
        ..Stat::default()
    };
    let ext = RequestExt {
        status: Some(PeerStatus {
            role: Some(Role::Browser),
            ..PeerStatus::default()
        }),
        ..RequestExt::default()
    };
    let response = peer.ask(RequestBody::StatReport(vec![stat]), ext).await;
    assert_eq!(response.code, ErrorCode::NoError, "{response:?}");
}

#[tokio::test]
async fn swarms_and_peers_are_shown_as_they_report() {
    let Managed { url, manager, .. } = manager::start(config()).await;
    let mut peers = Vec::new();
    for seed in 1..=3 {
        peers.push(TestPeer::joined(&url, seed).await);
    }
    peers[0].connect(vec![join(B)]).await;
    report(&mut peers[0], 1, 0..100).await;
    report(&mut peers[1], 2, 50..100).await;

    let mut listed = Vec::new();
    let mut path = "/v1/swarms?limit=1".to_owned();
    loop {
        let page = manager.get(&path).await;
        let items = page["items"].as_array().unwrap();
        listed.extend(
            items
                .iter()
                .map(|item| (item["swarm_id"].clone(), item["members"].clone())),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/swarms?limit=1&after={next}"),
            None => break,
        }
    }
    assert_eq!(listed, [(json!(B), json!(1)), (json!(A), json!(3))]);

    let swarm = manager.get(&format!("/v1/swarms/{A}")).await;
    assert_eq!(swarm["members"], 3);
    let census = &swarm["census"];
    assert_eq!(census["by_mode"], json!({"leech": 3}));
    assert_eq!(census["by_role"], json!({"browser": 2, "unknown": 1}));
    assert_eq!(census["by_nat"], json!({"stun": 2, "unknown": 1}));
    assert_eq!(census["playback"]["p2p_share"], 0.75);
    assert_eq!(census["playback"]["stalls"], 3);
    assert_eq!(census["playback"]["reporting"], 2);
    let expected = json!([
        {"first": 0, "last": 49, "holders": 1},
        {"first": 50, "last": 99, "holders": 2},
    ]);
    assert_eq!((&swarm["rarest"], &swarm["maps"]), (&expected, &json!(2)));

    let mut ids = Vec::new();
    let mut path = "/v1/peers?limit=2".to_owned();
    loop {
        let page = manager.get(&path).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        ids.extend(
            items
                .iter()
                .map(|item| item["peer_id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/peers?limit=2&after={next}"),
            None => break,
        }
    }
    let mut expected: Vec<_> = peers.iter().map(|peer| peer.id().to_owned()).collect();
    expected.sort();
    assert_eq!(ids, expected);

    for (filter, count) in [
        ("role=browser", 2),
        ("role=cdn", 0),
        ("nat=stun", 2),
        ("prefix=127.0.0.0/8", 3),
        ("prefix=::/0", 0),
        (&*format!("swarm={B}"), 1),
        (&*format!("swarm={A}&role=unknown"), 1),
    ] {
        let page = manager.get(&format!("/v1/peers?{filter}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{filter}: {page}");
    }
    let peer = manager.get(&format!("/v1/peers/{}", peers[0].id())).await;
    assert_eq!(
        (&peer["address"], &peer["swarms"]),
        (&json!("127.0.0.1"), &json!(2))
    );
    assert_eq!(
        (&peer["state"], &peer["status"]["role"]),
        (&json!("tracking"), &json!("browser"))
    );
    let memberships = peer["memberships"].as_array().unwrap();
    assert_eq!(memberships[0]["swarm_id"], B);
    assert_eq!(memberships[1]["report"]["uploaded_bytes"], 5);
    assert_eq!(memberships[1]["report"]["chunks"][0]["last"], 99);
}

#[tokio::test]
async fn a_list_is_explained() {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alto"));
    let Managed { url, manager, .. } = manager::start(Config {
        network_map: Some(folder.join("network-map.json")),
        cost_map: Some(folder.join("cost-map.json")),
        ..config()
    })
    .await;
    let mut peers = Vec::new();
    for seed in 1..=7 {
        peers.push(TestPeer::joined(&url, seed).await);
    }
    // One that cannot be reached.
    let mut mute = TestPeer::open(&url, 9).await;
    mute.connect_with(vec![join(A)], &[]).await;
    report(&mut peers[1], 1, 0..10).await;
    let explain = |query: String| {
        let (manager, id) = (manager.clone(), peers[0].id().to_owned());
        async move {
            manager
                .get(&format!("/v1/peers/{id}/explain?swarm={A}{query}"))
                .await
        }
    };
    let list = explain("&count=5".to_owned()).await;
    assert_eq!((&list["members"], &list["listed"]), (&json!(8), &json!(5)));
    let candidates = list["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 7);
    let places: Vec<_> = candidates
        .iter()
        .take(5)
        .map(|one| one["place"].clone())
        .collect();
    assert_eq!(places, [1, 2, 3, 4, 5]);
    assert_eq!(
        (&candidates[0]["by"], &candidates[4]["by"]),
        (&json!("weighted"), &json!("uniform"))
    );
    for candidate in candidates {
        match candidate["peer_id"] == mute.id() {
            true => assert_eq!(candidate["refused"], "unreachable"),
            false => assert_eq!(candidate["halvings"]["sum"], 0.0, "{candidate}"),
        }
    }
    let near = explain("&near=5".to_owned()).await;
    let named: Vec<_> = near["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["place"].is_u64())
        .collect();
    assert_eq!((named.len(), &named[0]["peer_id"]), (1, &json!(peers[1].id())));
    for (path, detail) in [
        (format!("/v1/peers/x/explain?swarm={A}"), "peer_id: no such peer"),
        (
            format!("/v1/peers/{}/explain?swarm=x", mute.id()),
            "swarm: no such swarm",
        ),
    ] {
        let found = manager.call("GET", &path, "").await.problem(404);
        assert!(found.starts_with(detail), "{found}");
    }
}

#[tokio::test]
async fn limits_are_changed_while_it_runs() {
    let Managed { url, manager, .. } = manager::start(config()).await;
    let _peer = TestPeer::joined(&url, 1).await;
    let changed = manager
        .call(
            "PATCH",
            "/v1/limits",
            r#"{"max_peers":1,"signals":{"per_second":2,"burst":3}}"#,
        )
        .await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let limits = manager.get("/v1/limits").await;
    assert_eq!(limits["max_peers"], 1);
    assert_eq!(limits["signals"], json!({"per_second": 2, "burst": 3}));
    assert_eq!(limits["max_sockets"], 16_384);
    let mut second = TestPeer::open(&url, 2).await;
    let response = second.connect(vec![join(A)]).await;
    assert_eq!(response.ext.reason.as_deref(), Some("tracker-full"));
    let events = manager.get("/v1/events").await;
    let settings: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["event"] == "settings")
        .collect();
    assert_eq!(settings[0]["changes"][0], "max_peers: 16384 → 1");

    for (body, status, detail) in [
        (
            r#"{"max_peers":2,"max_sdp":1}"#,
            422,
            "max_sdp: 1 is not in 256 to 8192",
        ),
        (r#"{"max_pears":1}"#, 422, "body: unknown field `max_pears`"),
        (r#"{"max_peers":-1}"#, 422, "body: invalid value"),
        (r#"{"max_peers":null}"#, 422, "body: invalid type: null"),
        (r#"{"max_peers":1"#, 400, "body: EOF"),
        ("[", 400, "body: EOF"),
    ] {
        let found = manager.call("PATCH", "/v1/limits", body).await.problem(status);
        assert!(found.starts_with(detail), "{body}: {found}");
    }
    assert_eq!(manager.get("/v1/limits").await["max_peers"], 1);
    let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: text/plain\r\n");
    manager
        .exchange("PATCH", "/v1/limits", &headers, "{}")
        .await
        .problem(415);
    let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(70_000));
    manager.call("POST", "/v1/bans", &long).await.problem(413);
}

async fn ban(manager: &manager::Manager, body: Value) -> u64 {
    let reply = manager.call("POST", "/v1/bans", &body.to_string()).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = reply.json()["id"].as_u64().unwrap();
    assert!(
        reply.head.contains(&format!("\r\nlocation: /v1/bans/{id}")),
        "{}",
        reply.head
    );
    id
}

#[tokio::test]
async fn a_banned_peer_is_sent_away_and_kept_out() {
    let Managed { url, manager, .. } = manager::start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let mut other = TestPeer::joined(&url, 2).await;
    let id = ban(&manager, json!({"peer_id": peer.id(), "reason": "floods"})).await;
    assert!(matches!(peer.event().await, Event::Bye(bye) if bye.reason.as_deref() == Some("banned")));
    peer.closed().await;
    assert!(listed(&other.find(A, None).await).is_empty());
    let mut again = TestPeer::open(&url, 1).await;
    let response = again.connect(vec![join(A)]).await;
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::Forbidden, Some("banned"))
    );
    assert_eq!(again.closed().await, 1008);

    // The same without a socket.
    let mut poster = crate::poster::Poster::new(&url, 1).await;
    let response = poster.connect(vec![join(A)]).await;
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::Forbidden, Some("banned"))
    );

    let list = manager.get("/v1/bans").await;
    let item = json!({"id": id, "peer_id": peer.id(), "reason": "floods"});
    assert_eq!(list, json!({"items": [item]}));
    let metrics = manager.call("GET", "/v1/metrics", "").await.body;
    assert!(
        metrics.contains("tracker_sockets_refused_total{reason=\"Banned\"} 2"),
        "{metrics}"
    );

    let path = format!("/v1/bans/{id}");
    assert_eq!(manager.call("DELETE", &path, "").await.status, 204);
    for method in ["GET", "DELETE"] {
        manager.call(method, &path, "").await.problem(404);
    }
    TestPeer::joined(&url, 1).await;
}

#[tokio::test]
async fn banned_addresses_are_sent_away_and_kept_out_for_a_time() {
    let both = Config {
        webtorrent: true,
        ..config()
    };
    let Managed { url, manager, .. } = manager::start(both).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let mut idle = TestPeer::open(&url, 2).await;
    let prefix = ban(&manager, json!({"prefix": "127.0.0.9/8"})).await;
    assert!(matches!(peer.event().await, Event::Bye(_)));
    peer.closed().await;
    assert_eq!(idle.closed().await, 1008);
    assert_eq!(manager.get("/v1/peers").await["items"], json!([]));
    for path in ["/ppsp", "/announce"] {
        let response = crate::http::get(&url, path).await;
        assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
    }
    assert!(
        crate::http::get(&url, "/health")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert_eq!(
        manager.get(&format!("/v1/bans/{prefix}")).await["prefix"],
        "127.0.0.0/8"
    );
    // A new ban of the same changes it; then it is over soon, and can be read still.
    let body = json!({"prefix": "127.0.0.0/8", "seconds": 1, "reason": "over"}).to_string();
    let changed = manager.call("POST", "/v1/bans", &body).await;
    assert_eq!((changed.status, &changed.json()["id"]), (200, &json!(prefix)));
    manager.until("/v1/bans", |bans| bans["items"] == json!([])).await;
    assert_eq!(manager.get(&format!("/v1/bans/{prefix}")).await["reason"], "over");
    TestPeer::joined(&url, 1).await;
}

#[tokio::test]
async fn behind_a_proxy_the_address_that_it_names_is_banned() {
    let Managed { url, manager, .. } = manager::start(Config {
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        forwarded_header: tracker_ws::ForwardedHeader::XForwardedFor,
        ..config()
    })
    .await;
    ban(&manager, json!({"prefix": "198.51.100.0/24"})).await;
    for (client, status) in [("198.51.100.7", 403), ("198.51.101.7", 426)] {
        let request = format!(
            "GET /ppsp HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: {client}\r\n\r\n"
        );
        let response = crate::http::exchange(&url, &request).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    }
}

#[tokio::test]
async fn a_client_of_webtorrent_is_banned_by_its_id() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let both = Config {
        webtorrent: true,
        ..config()
    };
    let Managed { url, manager, .. } = manager::start(both).await;
    let url = url.replace("/ppsp", "/announce");
    let announce = json!({
        "action": "announce", "info_hash": "i".repeat(20), "peer_id": "\u{ff}".repeat(20), "left": 1,
    });
    let mut sockets = Vec::new();
    for is_banned in [false, true] {
        if is_banned {
            ban(&manager, json!({"peer_id": "ff".repeat(20)})).await;
        }
        let stream = tokio::net::TcpStream::connect(address(&url)).await.unwrap();
        let (mut socket, _) = within("upgrade", client_async(&url, stream)).await.unwrap();
        socket.send(Message::text(announce.to_string())).await.unwrap();
        let Some(Ok(Message::Text(answer))) = within("answer", socket.next()).await else {
            panic!("no answer")
        };
        assert_eq!(answer.contains("peer_id: banned"), is_banned, "{answer}");
        sockets.push(socket);
    }
    for mut socket in sockets {
        let close = within("close", socket.next()).await;
        assert!(matches!(close, Some(Ok(Message::Close(Some(_))))), "{close:?}");
    }
}

#[tokio::test]
async fn bans_that_make_no_sense_are_refused() {
    let Managed { manager, .. } = manager::start(config()).await;
    for (body, detail) in [
        (json!({}), "want one of peer_id and prefix"),
        (json!({"peer_id": "0".repeat(64), "prefix": "::1"}), "want one of"),
        (
            json!({"peer_id": "0".repeat(63)}),
            "peer_id: not 64 hexadecimal digits",
        ),
        (
            json!({"peer_id": "F".repeat(64)}),
            "peer_id: not 64 hexadecimal digits",
        ),
        (
            json!({"prefix": "10.0.0.0/33"}),
            "prefix: not an address or prefix",
        ),
        (
            json!({"prefix": "::1", "seconds": 0}),
            "seconds: 0 is not in 1 to 315360000",
        ),
        (
            json!({"prefix": "::1", "reason": "x".repeat(201)}),
            "reason: longer than 200",
        ),
        (
            json!({"prefix": "::1", "until": 5}),
            "body: unknown field `until`",
        ),
    ] {
        let found = manager
            .call("POST", "/v1/bans", &body.to_string())
            .await
            .problem(422);
        assert!(found.starts_with(detail), "{body}: {found}");
    }
    for (path, status, detail) in [
        ("/v1/bans/x", 400, "ban_id: invalid digit"),
        ("/v1/bans/7", 404, "ban_id: no such ban"),
        ("/v1/bans?limit=0", 400, "limit: 0 is not in 1 to 200"),
        (
            "/v1/bans?limit=x",
            400,
            "Failed to deserialize query string: limit: invalid digit",
        ),
        ("/v1/bans?page=1", 400, "Failed to deserialize query string: "),
        ("/v1/peers?prefix=x", 400, "prefix: not an address or prefix"),
        (
            "/v1/peers?role=king",
            400,
            "Failed to deserialize query string: role: unknown variant `king`",
        ),
        ("/v1/swarms/x", 404, "swarm_id: no such swarm"),
        ("/v1/peers/%ff", 400, "path: "),
        ("/v1/nothing", 404, "nothing is at /v1/nothing"),
    ] {
        let found = manager.call("GET", path, "").await.problem(status);
        assert!(found.starts_with(detail), "{path}: {found}");
    }
}

#[tokio::test]
async fn events_come_as_they_happen() {
    let Managed { url, manager, .. } = manager::start(config()).await;
    let headers = format!("Authorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n");
    let mut stream = manager.send("GET", "/v1/events", &headers, "").await;
    let mut text = String::new();
    let mut read = async |wanted: &str| {
        while !text.contains(wanted) {
            let mut buffer = [0; 1024];
            let read = within(wanted, stream.read(&mut buffer)).await.unwrap();
            assert_ne!(read, 0, "{text}");
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    };
    read("content-type: text/event-stream").await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let id = peer.id().to_owned();
    read(&format!(
        "\"event\":\"joined\",\"peer_id\":\"{id}\",\"swarm_id\":\"{A}\"}}\n\n"
    ))
    .await;
    peer.connect(vec![connect_action(A, Action::Leave, PeerMode::Leech)])
        .await;
    read(&format!("\"event\":\"left\",\"peer_id\":\"{id}\"")).await;
    let page = manager.get("/v1/events?limit=1").await;
    assert_eq!((&page["lost"], &page["next"]), (&json!(0), &json!(1)));
    let page = manager.get("/v1/events?after=1").await;
    assert_eq!(page["items"][0]["event"], "left", "{page}");
}

#[tokio::test]
async fn it_drains_and_is_reachable_until_the_end() {
    let long = std::time::Duration::from_secs(3600);
    let Managed {
        url,
        manager,
        shutdown,
        ended,
    } = manager::start(Config {
        drain_period: long,
        ..config()
    })
    .await;
    let mut peer = TestPeer::joined(&url, 1).await;
    for _ in 0..2 {
        let reply = manager.call("POST", "/v1/drain", "").await;
        assert_eq!((reply.status, &reply.json()["phase"]), (202, &json!("draining")));
    }
    while tokio::net::TcpStream::connect(address(&url)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let health = manager.get("/v1/health").await;
    assert_eq!(
        (&health["phase"], &health["peers"]),
        (&json!("draining"), &json!(1))
    );
    assert!(
        manager
            .call("GET", "/v1/metrics", "")
            .await
            .body
            .contains("\ntracker_peers 1\n")
    );
    manager
        .until("/v1/events", |events| {
            let items = events["items"].as_array().unwrap();
            items.iter().any(|one| one["event"] == "draining")
        })
        .await;
    shutdown.stop();
    assert!(matches!(peer.event().await, Event::Bye(_)));
    peer.closed().await;
    within("end", ended).await.unwrap();
    while tokio::net::TcpStream::connect(&manager.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_overview_has_all_that_the_dashboard_shows() {
    let Managed { url, manager, .. } = manager::start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    report(&mut peer, 2, 0..8).await;
    let overview = manager
        .until("/v1/overview", |all| all["census"]["playback"]["reporting"] == 1)
        .await;
    assert_eq!(overview["largest"], json!([{"swarm_id": A, "members": 1}]));
    assert_eq!(overview["census"]["by_network"], json!({"unknown": 1}));
    let last = overview["samples"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["peers"], &last["p2p_share"], &last["stalls"]),
        (&json!(1), &json!(0.75), &json!(2))
    );
}
