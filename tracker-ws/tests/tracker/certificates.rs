//! Certificates of membership, status and size of swarms over real sockets.

use certificate::{Parsed, check, parse};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use tracker_protocol::*;
use tracker_ws::Rate;

use crate::http::get;
use crate::peer::*;

fn want(peer: &TestPeer) -> RequestExt {
    RequestExt {
        auth: Some(peer.auth()),
        want: vec![WANT_CERT.to_owned()],
        ..RequestExt::default()
    }
}

async fn cert(peer: &mut TestPeer, swarm: &str) -> Response {
    peer.ask(RequestBody::Cert(swarm.to_owned()), RequestExt::default())
        .await
}

/// The tracker's key as HELLO says it.
fn tracker_key(hello: &Hello) -> VerifyingKey {
    let mut blob = decode_base64url(hello.tracker_key.as_ref().unwrap()).unwrap();
    assert_eq!((blob.len(), blob[0]), (65, 13));
    blob[0] = 4;
    VerifyingKey::from_sec1_bytes(&blob).unwrap()
}

fn signed(parsed: &Parsed<'_>, key: &VerifyingKey) -> bool {
    key.verify(parsed.tbs, &Signature::from_slice(&parsed.signature).unwrap())
        .is_ok()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[tokio::test]
async fn members_are_certified() {
    let url = start(config()).await;
    let mut peer = TestPeer::open(&url, 1).await;
    for extension in [SUPPORTS_CERT, SUPPORTS_STATUS] {
        assert!(peer.hello.supports.contains(&extension.to_owned()));
    }
    let ext = want(&peer);
    let response = peer.ask(connect_body(vec![join(A), join(B)]), ext).await;
    let swarms: Vec<&str> = response
        .ext
        .certs
        .iter()
        .map(|issued| issued.swarm_id.as_str())
        .collect();
    assert_eq!(swarms, [A, B]);
    let key = tracker_key(&peer.hello);
    for issued in &response.ext.certs {
        let der = decode_base64url(&issued.cert).unwrap();
        let parsed = parse(&der).unwrap();
        assert!(signed(&parsed, &key));
        assert_eq!(parsed.membership.key_blob[..], peer.key.blob);
        assert_eq!(to_hex(&parsed.membership.peer_id), peer.id());
        assert_eq!(parsed.membership.not_after, issued.expires);
        let now = peer.hello.time / 1000;
        assert_eq!(check(&parsed, &bytes(&issued.swarm_id), now), Ok(()));
        assert!(
            (3600..3700).contains(&(issued.expires - now)),
            "{}",
            issued.expires - now
        );
    }
    // Asked for again it is the same, in another session too.
    let again = cert(&mut peer, A).await;
    assert_eq!(again.ext.certs, response.ext.certs[..1]);
    let mut other = TestPeer::open(&url, 1).await;
    let ext = want(&other);
    let response = other.ask(connect_body(vec![join(A)]), ext).await;
    assert_eq!(response.ext.certs, again.ext.certs);
    let text = get(&url, "/metrics").await;
    for line in [
        "tracker_certificates_total{source=\"signed\"} 2",
        "tracker_certificates_total{source=\"cache\"} 2",
        "tracker_requests_total{request=\"CERT\",error_code=\"0\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn others_are_not() {
    let url = start(config()).await;
    let mut peer = TestPeer::open(&url, 1).await;
    assert_eq!(cert(&mut peer, A).await.code, ErrorCode::AuthenticationRequired);
    let response = peer.connect(vec![join(A)]).await;
    assert!(response.ext.certs.is_empty(), "not asked for");
    let response = cert(&mut peer, B).await;
    assert_eq!(
        (response.code, response.ext.reason.as_deref()),
        (ErrorCode::Forbidden, Some("not-a-member"))
    );
    let leave = connect_action(A, Action::Leave, PeerMode::Leech);
    peer.ask(connect_body(vec![leave, join(B)]), RequestExt::default())
        .await;
    assert_eq!(cert(&mut peer, A).await.code, ErrorCode::Forbidden);
    assert_eq!(cert(&mut peer, B).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn an_answer_has_some_and_the_rest_is_asked_for() {
    let url = start(config()).await;
    let mut peer = TestPeer::open(&url, 1).await;
    let swarms: Vec<String> = (0..20).map(|swarm| format!("{swarm:0130x}")).collect();
    let ext = want(&peer);
    let actions = swarms.iter().map(|swarm| join(swarm)).collect();
    let response = peer.ask(connect_body(actions), ext).await;
    assert_eq!(response.ext.certs.len(), MAX_CERTIFICATES);
    let response = cert(&mut peer, &swarms[19]).await;
    assert_eq!(response.ext.certs[0].swarm_id, swarms[19]);
}

#[tokio::test]
async fn every_certificate_counts_as_a_request() {
    let mut config = config();
    config.requests = Rate {
        per_second: 1,
        burst: 5,
    };
    let url = start(config).await;
    let mut peer = TestPeer::open(&url, 1).await;
    let ext = want(&peer);
    let swarm = |index: u32| join(&format!("{index:064x}"));
    let response = peer.ask(connect_body((0..6).map(swarm).collect()), ext).await;
    assert_eq!(response.code, ErrorCode::Unavailable);
    let ext = want(&peer);
    let response = peer.ask(connect_body((0..3).map(swarm).collect()), ext).await;
    assert_eq!(response.ext.certs.len(), 3);
}

#[tokio::test]
async fn sizes_and_roles_are_told() {
    let url = start(config()).await;
    let mut first = TestPeer::open(&url, 1).await;
    let ext = RequestExt {
        auth: Some(first.auth()),
        supports: vec![SUPPORTS_SIGNAL.to_owned()],
        status: Some(PeerStatus {
            role: Some(Role::Super),
            battery: Some(7),
            ..PeerStatus::default()
        }),
        ..RequestExt::default()
    };
    let response = first.ask(connect_body(vec![join(A)]), ext).await;
    assert_eq!(response.swarm_result[0].ext.members, Some(1));
    let mut second = TestPeer::open(&url, 2).await;
    let response = second.connect(vec![join(A)]).await;
    let result = &response.swarm_result[0];
    assert_eq!(result.ext.members, Some(2));
    let group = result.peer_group.as_ref().unwrap();
    assert_eq!(group.peer_info[0].ext.role, Some(Role::Super));
    assert!(!response.encode().unwrap().contains("battery"));
}
