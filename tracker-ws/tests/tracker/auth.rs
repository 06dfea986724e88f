//! Who is who: proofs, replays, foreign IDs.

use tracker_protocol::*;

use crate::peer::*;

#[tokio::test]
async fn without_proof_nothing_is_answered_but_06() {
    let url = start(config()).await;
    let mut peer = TestPeer::open(&url, 1).await;
    let response = peer.ask(connect_body(vec![join(A)]), RequestExt::default()).await;
    assert_eq!(response.code, ErrorCode::AuthenticationRequired);
    assert_eq!(peer.find(A, None).await.code, ErrorCode::AuthenticationRequired);
    // It may still make good.
    assert_eq!(peer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn wrong_proofs_get_06_and_the_third_is_the_last() {
    let url = start(config()).await;
    let mut peer = TestPeer::open(&url, 1).await;
    let right = peer.auth();
    let other_key = Auth {
        key: encode_base64url(&Key::new(2).blob),
        ..right.clone()
    };
    let mut signature = decode_base64url(&right.sig).unwrap();
    signature[40] ^= 1;
    let wrong_signature = Auth {
        sig: encode_base64url(&signature),
        ..right
    };
    let other_origin = peer.auth_for("wss://other.example");
    for (auth, reason) in [
        (other_key, "peer-id-is-not-of-the-key"),
        (wrong_signature, "bad-signature"),
        (other_origin, "bad-signature"),
    ] {
        let ext = RequestExt {
            auth: Some(auth),
            ..RequestExt::default()
        };
        let response = peer.ask(connect_body(vec![join(A)]), ext).await;
        assert_eq!(response.code, ErrorCode::AuthenticationRequired);
        assert_eq!(response.ext.reason.as_deref(), Some(reason));
    }
    assert_eq!(peer.closed().await, 1008);
}

#[tokio::test]
async fn a_proof_is_worth_nothing_on_another_socket() {
    let url = start(config()).await;
    let mut first = TestPeer::open(&url, 1).await;
    let auth = first.auth();
    let ext = RequestExt {
        auth: Some(auth),
        ..RequestExt::default()
    };
    assert_eq!(
        first.ask(connect_body(vec![join(A)]), ext.clone()).await.code,
        ErrorCode::NoError
    );
    let mut second = TestPeer::open(&url, 1).await;
    let response = second.ask(connect_body(vec![join(A)]), ext).await;
    assert_eq!(response.code, ErrorCode::AuthenticationRequired);
    // The first one is not disturbed by the attempt.
    assert_eq!(first.find(A, None).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn configured_and_local_origins_are_accepted() {
    let mut config = config();
    config.origins = vec!["wss://tracker.example".to_owned()];
    let url = start(config).await;
    let port = address(&url).rsplit(':').next().unwrap().to_owned();
    for (seed, origin) in [
        (1, "wss://tracker.example".to_owned()),
        (2, format!("ws://localhost:{port}")),
    ] {
        let mut peer = TestPeer::open(&url, seed).await;
        let ext = RequestExt {
            auth: Some(peer.auth_for(&origin)),
            ..RequestExt::default()
        };
        assert_eq!(
            peer.ask(connect_body(vec![join(A)]), ext).await.code,
            ErrorCode::NoError,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn a_proven_socket_speaks_for_itself_only() {
    let url = start(config()).await;
    let (mut peer, mut other) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    let foreign = Request {
        peer_id: other.id().to_owned(),
        ..peer.message(find, RequestExt::default())
    };
    peer.send(&foreign).await;
    assert_eq!(peer.response().await.code, ErrorCode::Forbidden);
    let mut signal = peer.signal(Kind::Offer, other.id(), "x");
    signal.from = Key::new(3).id;
    assert_eq!(peer.relay(signal).await.code, ErrorCode::Forbidden);
    // Nothing of it arrived: the next envelope is the good one.
    let good = peer.signal(Kind::Offer, other.id(), "y");
    assert_eq!(peer.relay(good.clone()).await.code, ErrorCode::NoError);
    assert_eq!(other.pushed().await, good);
}
