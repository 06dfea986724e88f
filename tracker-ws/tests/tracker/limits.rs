//! Frames too long, too many, too wrong; readers too slow.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tracker_protocol::*;
use tracker_ws::Rate;

use crate::http::get;
use crate::peer::*;

#[tokio::test]
async fn long_frames_end_the_session() {
    let url = start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    peer.send_text(&"x".repeat(65_537)).await;
    assert_eq!(peer.closed().await, 1009);
}

#[tokio::test]
async fn three_malformed_frames_end_the_session() {
    let url = start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    peer.send_text("{").await;
    let response = peer.response().await;
    assert_eq!(
        (response.code, response.transaction_id.as_str()),
        (ErrorCode::BadRequest, "")
    );
    assert_eq!(peer.find(A, None).await.code, ErrorCode::NoError);
    let wrong =
        r#"{"PPSPTrackerProtocol":{"version":1,"request_type":"JOIN","transaction_id":"7","peer_id":"x"}}"#;
    peer.send_text(wrong).await;
    assert_eq!(peer.response().await.transaction_id, "7");
    let version =
        r#"{"PPSPTrackerProtocol":{"version":2,"request_type":"FIND","transaction_id":"8","peer_id":"x"}}"#;
    peer.send_text(version).await;
    let response = peer.response().await;
    assert_eq!(
        (response.code, response.transaction_id.as_str()),
        (ErrorCode::UnsupportedVersion, "8")
    );
    assert_eq!(peer.closed().await, 1008);
}

#[tokio::test]
async fn binary_frames_are_not_spoken() {
    let url = start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    peer.send_message(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(peer.closed().await, 1003);
}

#[tokio::test]
async fn too_many_requests_get_05_then_the_socket_ends() {
    let mut config = config();
    config.requests = Rate {
        per_second: 1,
        burst: 5,
    };
    let url = start(config).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let mut refused = 0;
    while refused == 0 {
        let response = peer.find(A, None).await;
        if response.code == ErrorCode::Unavailable {
            assert_eq!(response.ext.retry_after, Some(1));
            refused += 1;
        }
    }
    assert!(counts(&url, "limit=\"Requests\"", 1).await);
    // Signals have a limit of their own.
    let response = peer.relay(peer.signal(Kind::Offer, &Key::new(9).id, "x")).await;
    assert_eq!(response.code, ErrorCode::Forbidden);
    for _ in 0..5_000 {
        let find = RequestBody::Find(Find {
            swarm_id: A.to_owned(),
            peer_num: None,
        });
        let request = peer.message(find, RequestExt::default());
        peer.send(&request).await;
        if peer.frame().await == Err(1008) {
            return;
        }
    }
    panic!("a flood was tolerated");
}

#[tokio::test]
async fn signals_are_limited() {
    let mut config = config();
    config.signals = Rate {
        per_second: 1,
        burst: 3,
    };
    let url = start(config).await;
    let (mut peer, other) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let mut codes = Vec::new();
    while codes.last() != Some(&ErrorCode::Unavailable) {
        codes.push(peer.relay(peer.signal(Kind::Offer, other.id(), "x")).await.code);
    }
    assert!(codes.len() > 3, "{codes:?}");
    assert!(counts(&url, "limit=\"Signals\"", 1).await);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped() {
    let mut config = config();
    config.queue = 8;
    let url = start(config).await;
    let (mut sender, lazy) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let mut offer = sender.signal(Kind::Offer, lazy.id(), "x");
    offer.sdp = Some("x".repeat(MAX_SDP));
    // Sockets of the system buffer some megabytes.
    for _ in 0..20_000 {
        if sender.relay(offer.clone()).await.code == ErrorCode::Forbidden {
            return;
        }
    }
    panic!("the tracker buffers without end");
}

#[tokio::test]
async fn sockets_are_counted_by_address() {
    let mut config = config();
    config.sockets_per_address = 2;
    let url = start(config).await;
    let first = TestPeer::joined(&url, 1).await;
    let _second = TestPeer::joined(&url, 2).await;
    assert!(turned_away(&url).await);
    drop(first);
    while turned_away(&url).await {}
    let text = metrics(&url).await;
    assert!(text.contains("reason=\"TooManyOfAddress\""), "{text}");
}

#[tokio::test]
async fn all_sockets_are_counted() {
    let mut config = config();
    config.max_sockets = 2;
    let url = start(config).await;
    let first = TestPeer::joined(&url, 1).await;
    let _second = TestPeer::joined(&url, 2).await;
    assert!(turned_away(&url).await);
    drop(first);
    while turned_away(&url).await {}
    let text = metrics(&url).await;
    assert!(text.contains("reason=\"TooMany\""), "{text}");
}

#[tokio::test]
async fn new_sockets_of_an_address_are_limited_in_rate() {
    let mut config = config();
    config.new_sockets = Rate {
        per_second: 1,
        burst: 2,
    };
    let url = start(config).await;
    let _two = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    // Those of a machine that stood still meanwhile are soon used up.
    while !turned_away(&url).await {}
    let text = metrics(&url).await;
    assert!(text.contains("reason=\"TooFastOfAddress\""), "{text}");
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let mut config = config();
    config.init_timeout = Duration::from_secs(1);
    let url = start(config).await;
    let mut stream = TcpStream::connect(address(&url)).await.unwrap();
    stream.write_all(b"GET /ppsp HTTP/1.1\r\nHost: ").await.unwrap();
    let mut rest = Vec::new();
    // Closed or reset, as the system likes.
    let _ = within("end", stream.read_to_end(&mut rest)).await;
    let text = metrics(&url).await;
    assert!(text.contains("reason=\"Handshake\""), "{text}");
}

#[tokio::test]
async fn offers_go_to_so_many_receivers_a_minute() {
    let mut config = config();
    config.receivers_per_minute = 2;
    let url = start(config).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let mut others = Vec::new();
    for seed in 2..5 {
        others.push(TestPeer::joined(&url, seed).await);
    }
    for other in &others[..2] {
        for oid in ["x", "y"] {
            let response = peer.relay(peer.signal(Kind::Offer, other.id(), oid)).await;
            assert_eq!(response.code, ErrorCode::NoError);
        }
    }
    let response = peer.relay(peer.signal(Kind::Offer, others[2].id(), "x")).await;
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::Unavailable, Some("too-many-receivers"))
    );
    // An answer is wanted, whoever gets it.
    let offer = others[2].signal(Kind::Offer, peer.id(), "z");
    assert_eq!(others[2].relay(offer).await.code, ErrorCode::NoError);
    let answer = peer.signal(Kind::Answer, others[2].id(), "z");
    assert_eq!(peer.relay(answer).await.code, ErrorCode::NoError);
    assert!(counts(&url, "limit=\"Receivers\"", 1).await);
}

#[tokio::test]
async fn descriptions_are_limited_in_length_and_number() {
    let mut config = config();
    (config.max_sdp, config.max_offers) = (300, 1);
    let url = start(config).await;
    let (mut peer, other) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let _third = TestPeer::joined(&url, 3).await;
    assert_eq!((peer.hello.limits.sdp, peer.hello.limits.offers), (300, 1));
    let mut offer = peer.signal(Kind::Offer, other.id(), "x");
    offer.sdp = Some("x".repeat(301));
    let response = peer.relay(offer.clone()).await;
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::BadRequest, Some("longer than 300 bytes"))
    );
    // Of a long one and two short ones, one is handed out.
    let mut offers = ["a", "b", "c"]
        .map(|oid| peer.signal(Kind::Offer, "", oid))
        .to_vec();
    offers[0].sdp = Some("x".repeat(301));
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    let ext = RequestExt {
        offers,
        ..RequestExt::default()
    };
    assert_eq!(peer.ask(find, ext).await.ext.offers_sent, Some(1));
    assert!(counts(&url, "limit=\"DescriptionSize\"", 2).await);
    assert!(counts(&url, "limit=\"Offers\"", 1).await);
}

#[tokio::test]
async fn busy_swarms_and_full_trackers_are_counted() {
    let mut config = config();
    config.swarm_requests = Rate {
        per_second: 1,
        burst: 3,
    };
    (config.max_peers, config.max_swarms) = (1, 1);
    let url = start(config).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    while peer.find(A, None).await.code != ErrorCode::Unavailable {}
    assert!(counts(&url, "limit=\"Swarm\"", 1).await);
    assert_eq!(peer.connect(vec![join(B)]).await.code, ErrorCode::Forbidden);
    assert!(counts(&url, "limit=\"Memberships\"", 1).await);
    let mut second = TestPeer::open(&url, 2).await;
    assert_eq!(second.connect(vec![join(B)]).await.code, ErrorCode::Unavailable);
    assert!(counts(&url, "limit=\"Peers\"", 1).await);
}

/// The metrics, as soon as there is room for one more connection.
async fn metrics(url: &str) -> String {
    loop {
        let text = get(url, "/metrics").await;
        if text.starts_with("HTTP/1.1 200") {
            return text;
        }
    }
}

/// Has the tracker refused this often for the limit?
async fn counts(url: &str, label: &str, count: u32) -> bool {
    let text = metrics(url).await;
    let line = format!("tracker_requests_limited_total{{{label}}} {count}");
    text.lines().any(|found| found == line)
}

/// Opens a connection and says nothing: is it turned away, or waited for?
async fn turned_away(url: &str) -> bool {
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    let mut start = [0; 12];
    let read = tokio::time::timeout(
        std::time::Duration::from_millis(500),
        stream.read_exact(&mut start),
    )
    .await;
    read.is_ok() && &start == b"HTTP/1.1 503"
}
