//! The WebTorrent dialect on `/announce`.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use tracker_protocol::ErrorCode;
use tracker_ws::{Config, Rate};

use crate::http::get;
use crate::peer::*;

const HASH: &str = "\u{ff}\u{1}aaaaaaaaaaaaaaaaaa";

/// A client, which says exactly what it is told to.
struct Client {
    socket: WebSocketStream<TcpStream>,
    peer_id: String,
}

fn webtorrent() -> Config {
    Config {
        webtorrent: true,
        ..config()
    }
}

fn id(name: &str) -> String {
    format!("{name:_<20}")
}

/// As large as a browser's, and larger.
fn offers(count: usize) -> Vec<Value> {
    let sdp = format!("v=0\r\n{}", "a".repeat(1500));
    let offer = |at| json!({"offer":{"type":"offer","sdp":sdp},"offer_id":id(&format!("offer{at}"))});
    (0..count).map(offer).collect()
}

impl Client {
    async fn new(url: &str, name: &str) -> Self {
        let stream = TcpStream::connect(address(url)).await.unwrap();
        let url = format!("ws://{}/announce", address(url));
        let (socket, _) = within("upgrade", client_async(url, stream)).await.unwrap();
        Self {
            socket,
            peer_id: id(name),
        }
    }

    /// A member of the swarm.
    async fn joined(url: &str, name: &str) -> Self {
        let mut client = Self::new(url, name).await;
        let answer = client.announce(json!({"event":"started"})).await;
        assert_eq!(
            (&answer["action"], &answer["interval"]),
            (&json!("announce"), &json!(120))
        );
        client
    }

    async fn send(&mut self, message: &Value) {
        let frame = Message::text(message.to_string());
        within("send", self.socket.send(frame)).await.unwrap();
    }

    async fn say(&mut self, members: Value) {
        let mut message = json!({"action":"announce","info_hash":HASH,"peer_id":self.peer_id,
            "uploaded":0,"downloaded":0,"left":null,"numwant":50});
        for (name, value) in members.as_object().unwrap() {
            message[name] = value.clone();
        }
        self.send(&message).await;
    }

    async fn announce(&mut self, members: Value) -> Value {
        self.say(members).await;
        self.hear().await
    }

    async fn frame(&mut self) -> Result<Value, u16> {
        loop {
            match within("frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(close)))) => return Err(close.code.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return Err(0),
            }
        }
    }

    async fn hear(&mut self) -> Value {
        self.frame().await.expect("open socket")
    }

    fn failure(answer: &Value) -> &str {
        answer["failure reason"].as_str().unwrap_or_default()
    }
}

#[tokio::test]
async fn offer_and_answer_find_their_way() {
    let url = start(webtorrent()).await;
    let mut one = Client::joined(&url, "one").await;
    let mut two = Client::new(&url, "two").await;
    // Ten offers of 1.5 KB, of which one finds somebody.
    let answer = two.announce(json!({"event":"started","offers":offers(10)})).await;
    assert_eq!(
        answer,
        json!({"action":"announce","info_hash":HASH,"interval":120,"complete":0,"incomplete":2})
    );
    let pushed = one.hear().await;
    assert_eq!(
        (&pushed["action"], &pushed["info_hash"], &pushed["peer_id"]),
        (&json!("announce"), &json!(HASH), &json!(two.peer_id))
    );
    assert_eq!(pushed["offer"], offers(1)[0]["offer"]);
    let answer = json!({"to_peer_id":pushed["peer_id"],"offer_id":pushed["offer_id"],
        "answer":{"type":"answer","sdp":"v=0\r\n"}});
    one.say(answer.clone()).await;
    let pushed = two.hear().await;
    assert_eq!(
        (&pushed["answer"], &pushed["offer_id"], &pushed["peer_id"]),
        (&answer["answer"], &answer["offer_id"], &json!(one.peer_id))
    );
    // A second time it is nobody's.
    let refused = one.announce(answer).await;
    assert!(Client::failure(&refused).starts_with("offer_id:"), "{refused}");
}

#[tokio::test]
async fn scrape_and_stop() {
    let url = start(webtorrent()).await;
    let mut one = Client::joined(&url, "one").await;
    let mut two = Client::joined(&url, "two").await;
    two.announce(json!({"event":"completed","left":0})).await;
    one.send(&json!({"action":"scrape","info_hash":[HASH, id("none")]}))
        .await;
    let answer = one.hear().await;
    assert_eq!(
        answer["files"][HASH],
        json!({"complete":1,"incomplete":1,"downloaded":1})
    );
    assert_eq!(
        answer["files"][id("none")],
        json!({"complete":0,"incomplete":0,"downloaded":0})
    );
    two.announce(json!({"event":"stopped"})).await;
    one.send(&json!({"action":"scrape","info_hash":HASH})).await;
    assert_eq!(
        one.hear().await["files"][HASH],
        json!({"complete":0,"incomplete":1,"downloaded":1})
    );
    // All there are is nobody's business.
    one.send(&json!({"action":"scrape"})).await;
    assert!(Client::failure(&one.hear().await).contains("all of them are not told"));
}

#[tokio::test]
async fn an_id_belongs_to_its_socket() {
    let url = start(webtorrent()).await;
    let victim = Client::joined(&url, "victim").await;
    let mut thief = Client::new(&url, "victim").await;
    for members in [json!({"event":"stopped"}), json!({"offers":offers(1)})] {
        let refused = thief.announce(members).await;
        assert_eq!(Client::failure(&refused), "peer_id: announced on another socket");
        assert_eq!(refused["info_hash"], HASH);
    }
    // When the socket is gone, so are its IDs and memberships.
    drop(victim);
    loop {
        let answer = thief.announce(json!({})).await;
        if Client::failure(&answer).is_empty() {
            assert_eq!(answer["incomplete"], 1);
            break;
        }
    }
}

#[tokio::test]
async fn malformed_and_long_frames_end_the_session() {
    let url = start(webtorrent()).await;
    let mut client = Client::joined(&url, "one").await;
    for _ in 0..3 {
        client
            .send(&json!({"action":"announce","info_hash":"short"}))
            .await;
        assert!(Client::failure(&client.hear().await).starts_with("info_hash: not 20"));
    }
    assert_eq!(client.frame().await, Err(1008));
    let mut client = Client::joined(&url, "one").await;
    client.send(&json!("x".repeat(65_536))).await;
    assert_eq!(client.frame().await, Err(1009));
}

#[tokio::test]
async fn too_many_announces_are_refused() {
    let mut config = webtorrent();
    config.requests = Rate {
        per_second: 1,
        burst: 3,
    };
    let url = start(config).await;
    let mut client = Client::joined(&url, "one").await;
    while Client::failure(&client.announce(json!({})).await) != "too many requests" {}
}

#[tokio::test]
async fn offers_past_a_limit_are_ignored() {
    let mut config = webtorrent();
    (config.max_announce_offers, config.max_sdp) = (1, 1600);
    let url = start(config).await;
    let (mut one, mut two) = (
        Client::joined(&url, "one").await,
        Client::joined(&url, "two").await,
    );
    let _three = Client::joined(&url, "three").await;
    two.announce(json!({"offers":offers(3)})).await;
    let mut long = offers(1);
    long[0]["offer"]["sdp"] = json!("a".repeat(1600));
    two.announce(json!({"offers":long})).await;
    let answer = json!({"answer":long[0]["offer"],"to_peer_id":id("one"),"offer_id":id("x")});
    assert_eq!(
        Client::failure(&two.announce(answer).await),
        "answer: longer than 1600 bytes"
    );
    // Nothing but the one offer, if it was for this member.
    one.say(json!({})).await;
    while one.hear().await.get("offer").is_some() {}
    let text = get(&url, "/metrics").await;
    for line in [
        "tracker_signals_pushed_total 1",
        r#"tracker_requests_limited_total{limit="Offers"} 1"#,
        r#"tracker_requests_limited_total{limit="DescriptionSize"} 2"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[tokio::test]
async fn its_swarms_are_not_those_of_ppsp() {
    let url = start(webtorrent()).await;
    let _client = Client::joined(&url, "one").await;
    let _peer = TestPeer::joined(&url, 1).await;
    let text = get(&url, "/metrics").await;
    for line in [
        "tracker_peers 1",
        "tracker_swarms 1",
        "tracker_webtorrent_members 1",
        "tracker_webtorrent_swarms 1",
        r#"tracker_requests_total{request="announce",error_code="0"} 1"#,
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[tokio::test]
async fn each_dialect_has_its_switch() {
    let plain = start(config()).await;
    let response = get(&plain, "/announce").await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    assert!(
        response.ends_with("nothing but /health, /metrics, /ppsp is here\n"),
        "{response}"
    );
    let only = start(Config {
        ppsp: false,
        ..webtorrent()
    })
    .await;
    assert!(only.ends_with("/announce"), "{only}");
    for request in ["/ppsp", "/"] {
        let response = get(&only, request).await;
        assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    }
    Client::joined(&only, "one").await;
    let both = start(webtorrent()).await;
    Client::joined(&both, "one").await;
    let mut peer = TestPeer::joined(&both, 1).await;
    assert_eq!(peer.find(A, None).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn only_swarms_that_are_listed_may_be() {
    let listed = format!("ff01{}", "61".repeat(18));
    let url = start(Config {
        swarm_policy: tracker_ws::SwarmPolicy::AllowList,
        allowed_swarms: vec![listed],
        ..webtorrent()
    })
    .await;
    let mut client = Client::joined(&url, "one").await;
    let other = json!({"event":"started","info_hash":"a".repeat(20)});
    let refused = client.announce(other).await;
    assert_eq!(Client::failure(&refused), "swarm-not-allowed", "{refused}");
}
