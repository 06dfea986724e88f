//! Frames too long, too many, too wrong; readers too slow.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tracker_protocol::*;
use tracker_ws::Rate;

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
