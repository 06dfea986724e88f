//! How registrations and sockets end, and come back.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;
use tracker_protocol::*;

use crate::peer::*;

#[tokio::test]
async fn a_silent_peer_is_forgotten() {
    let mut config = config();
    config.track_timeout = Some(Duration::from_millis(300));
    let url = start(config).await;
    let mut silent = TestPeer::joined(&url, 1).await;
    let Event::Bye(bye) = silent.event().await else {
        panic!()
    };
    assert_eq!(bye.reason.as_deref(), Some("track-timeout"));
    assert_eq!(silent.closed().await, 1000);
    let mut other = TestPeer::open(&url, 2).await;
    assert!(listed(&other.connect(vec![join(A)]).await).is_empty());
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed() {
    let mut config = config();
    config.init_timeout = Duration::from_millis(300);
    let url = start(config).await;
    let mut mute = TestPeer::open(&url, 1).await;
    assert_eq!(mute.closed().await, 1008);
}

#[tokio::test]
async fn one_without_swarms_is_closed_too() {
    let mut config = config();
    config.init_timeout = Duration::from_secs(3);
    let url = start(config).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let leave = connect_action(A, Action::Leave, PeerMode::Leech);
    assert_eq!(
        peer.ask(connect_body(vec![leave]), RequestExt::default())
            .await
            .code,
        ErrorCode::NoError
    );
    assert_eq!(peer.closed().await, 1008);
}

#[tokio::test]
async fn a_dead_peer_is_not_handed_out_and_may_resume() {
    let url = start(config()).await;
    let (first, mut other) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let id = first.id().to_owned();
    assert_eq!(listed(&other.find(A, None).await), [id.as_str()]);
    drop(first);
    // The end of the socket races with the question; the answer settles it.
    while !listed(&other.find(A, None).await).is_empty() {}
    let response = other.relay(other.signal(Kind::Offer, &id, "x")).await;
    assert_eq!(response.ext.reason.as_deref(), Some("no-such-peer"));
    let mut again = TestPeer::joined(&url, 1).await;
    assert_eq!(listed(&other.find(A, None).await), [id.as_str()]);
    assert_eq!(
        other.relay(other.signal(Kind::Offer, &id, "y")).await.code,
        ErrorCode::NoError
    );
    assert_eq!(again.pushed().await.oid, "y");
}

#[tokio::test]
async fn a_newer_socket_replaces_an_older_of_the_same_key() {
    let url = start(config()).await;
    let (mut older, mut other) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let mut newer = TestPeer::joined(&url, 1).await;
    let Event::Bye(bye) = older.event().await else {
        panic!()
    };
    assert_eq!(
        (bye.reason.as_deref(), bye.retry_after),
        (Some("replaced"), Some(60))
    );
    assert_eq!(older.closed().await, 1000);
    assert_eq!(
        other.relay(other.signal(Kind::Offer, newer.id(), "x")).await.code,
        ErrorCode::NoError
    );
    assert_eq!(newer.pushed().await.oid, "x");
}

#[tokio::test]
async fn pings_find_dead_sockets() {
    let mut config = config();
    config.ping_interval = Duration::from_millis(300);
    let url = start(config).await;
    let mut other = TestPeer::joined(&url, 2).await;
    // This one answers no pings because nobody reads its socket; the other one's are answered while it reads.
    let silent = TestPeer::joined(&url, 1).await;
    while !listed(&other.find(A, None).await).is_empty() {}
    drop(silent);
}

#[tokio::test]
async fn shutting_down_says_goodbye() {
    let (url, shutdown) = start_with_shutdown(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    shutdown.stop();
    let Event::Bye(bye) = peer.event().await else {
        panic!()
    };
    assert_eq!(bye.code, ErrorCode::Unavailable);
    assert_eq!(peer.closed().await, 1001);
}

#[tokio::test]
async fn a_proper_close_is_answered() {
    let url = start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    peer.send_message(Message::Close(None)).await;
    peer.closed().await;
}
