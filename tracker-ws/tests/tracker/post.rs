//! The strict face: POST /ppsp.

use std::time::Duration;

use tracker_protocol::*;
use tracker_ws::Rate;

use crate::peer::*;
use crate::poster::*;

fn keep_alive() -> RequestBody {
    RequestBody::StatReport(Vec::new())
}

fn reason(response: &Response) -> (ErrorCode, &str) {
    (response.code, response.ext.reason.as_deref().unwrap_or(""))
}

#[tokio::test]
async fn join_find_report_leave() {
    let url = start(config()).await;
    let other = TestPeer::joined(&url, 9).await;
    let mut peer = Poster::new(&url, 1).await;
    let response = peer.connect(vec![join(A)]).await;
    assert_eq!(listed(&response), [other.id()]);
    assert_eq!(
        (response.ext.interval, response.ext.track_timeout),
        (Some(30), Some(95))
    );
    assert_eq!(listed(&peer.find(A, None).await), [other.id()]);
    let stat = Stat {
        swarm_id: A.to_owned(),
        ..Stat::default()
    };
    let response = peer
        .ask(RequestBody::StatReport(vec![stat]), RequestExt::default())
        .await;
    assert_eq!(response.code, ErrorCode::NoError);
    assert_eq!(response.swarm_result[0].peer_group, None);
    // One core behind both faces.
    let mut watcher = TestPeer::joined(&url, 8).await;
    assert!(listed(&watcher.find(A, None).await).contains(&peer.key.id.as_str()));
    let leave = connect_action(A, Action::Leave, PeerMode::Leech);
    assert_eq!(peer.connect(vec![leave]).await.code, ErrorCode::NoError);
    assert_eq!(listed(&watcher.find(A, None).await), [other.id()]);
    assert_eq!(
        reason(&peer.find(A, None).await),
        (ErrorCode::Forbidden, "not-registered")
    );
}

#[tokio::test]
async fn a_certificate_may_be_asked_for() {
    let url = start(config()).await;
    let mut peer = Poster::joined(&url, 1).await;
    let response = peer
        .ask(RequestBody::Cert(A.to_owned()), RequestExt::default())
        .await;
    assert_eq!(response.ext.certs.len(), 1);
    let response = peer
        .ask(RequestBody::Cert(B.to_owned()), RequestExt::default())
        .await;
    assert_eq!(reason(&response), (ErrorCode::Forbidden, "not-a-member"));
}

#[tokio::test]
async fn proofs_are_asked_for_checked_and_used_once() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let body = |auth| Request {
        transaction_id: "7".to_owned(),
        peer_id: Key::new(1).id,
        body: connect_body(vec![join(A)]),
        ext: RequestExt {
            auth,
            ..RequestExt::default()
        },
    };
    async fn ask(peer: &mut Poster, request: &Request) -> Response {
        let reply = peer.post(request.encode().unwrap().as_bytes()).await;
        assert_eq!(reply.status, 200);
        reply.response()
    }
    let response = ask(&mut peer, &body(None)).await;
    assert_eq!(
        reason(&response),
        (ErrorCode::AuthenticationRequired, "auth-missing")
    );
    assert_eq!(response.transaction_id, "7");
    let nonce = response.ext.nonce.unwrap();
    let right = peer.auth(&nonce);
    let edited = |edit: fn(&mut Auth)| {
        let mut auth = right.clone();
        edit(&mut auth);
        body(Some(auth))
    };
    for (request, expected) in [
        (edited(|auth| auth.nonce = None), "nonce-missing"),
        (edited(|auth| auth.nonce = Some("x".to_owned())), "nonce-unknown"),
        (
            edited(|auth| auth.nonce = Some(encode_base64url(&[1; 32]))),
            "nonce-unknown",
        ),
        (edited(|auth| auth.sig = "AAAA".to_owned()), "bad-signature"),
        (
            edited(|auth| auth.key = encode_base64url(&Key::new(2).blob)),
            "peer-id-is-not-of-the-key",
        ),
    ] {
        let response = ask(&mut peer, &request).await;
        assert_eq!(reason(&response), (ErrorCode::AuthenticationRequired, expected));
    }
    // None of these has used it up.
    let request = body(Some(right.clone()));
    assert_eq!(ask(&mut peer, &request).await.code, ErrorCode::NoError);
    let again = Request {
        transaction_id: "8".to_owned(),
        ..request
    };
    let response = ask(&mut peer, &again).await;
    assert_eq!(
        reason(&response),
        (ErrorCode::AuthenticationRequired, "nonce-used")
    );
}

#[tokio::test]
async fn answers_of_a_socket_are_not_repeated_to_strangers() {
    let url = start(config()).await;
    let _other = TestPeer::joined(&url, 2).await;
    let mut socket = TestPeer::joined(&url, 1).await;
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    let request = socket.message(find, RequestExt::default());
    socket.send(&request).await;
    assert_eq!(socket.response().await.code, ErrorCode::NoError);
    // Nothing in it is a secret: IDs are in lists, and transactions are counted.
    let mut stranger = Poster::new(&url, 3).await;
    let reply = stranger.post(request.encode().unwrap().as_bytes()).await;
    assert_eq!(
        reason(&reply.response()),
        (ErrorCode::AuthenticationRequired, "auth-missing")
    );
}

#[tokio::test]
async fn a_proof_for_the_websocket_face_is_none_for_this_one() {
    let url = start(config()).await;
    let socket = TestPeer::open(&url, 1).await;
    let mut peer = Poster::new(&url, 1).await;
    let nonce = peer.nonce().await;
    let bytes = decode_base64url(&nonce).unwrap().try_into().unwrap();
    let input = auth_signing_input(&bytes, &tracker_origin(&url).unwrap(), socket.id(), "").unwrap();
    let auth = Auth {
        sig: encode_base64url(&peer.key.sign(&input)),
        ..peer.auth(&nonce)
    };
    let request = Request {
        transaction_id: "1".to_owned(),
        peer_id: peer.key.id.clone(),
        body: keep_alive(),
        ext: RequestExt {
            auth: Some(auth),
            ..RequestExt::default()
        },
    };
    let response = peer.post(request.encode().unwrap().as_bytes()).await.response();
    assert_eq!(
        reason(&response),
        (ErrorCode::AuthenticationRequired, "bad-signature")
    );
}

#[tokio::test]
async fn behind_a_proxy_the_public_origin_is_signed() {
    let mut config = config();
    config.origins = vec!["wss://tracker.example".to_owned()];
    let url = start(config).await;
    let mut peer = Poster::new(&url, 1).await;
    let nonce = peer.nonce().await;
    let bytes = decode_base64url(&nonce).unwrap().try_into().unwrap();
    let input = auth_signing_input(&bytes, "https://tracker.example", &peer.key.id, "").unwrap();
    let auth = Auth {
        sig: encode_base64url(&peer.key.sign(&input)),
        ..peer.auth(&nonce)
    };
    let request = Request {
        transaction_id: "1".to_owned(),
        peer_id: peer.key.id.clone(),
        body: connect_body(vec![join(A)]),
        ext: RequestExt {
            auth: Some(auth),
            ..RequestExt::default()
        },
    };
    let response = peer.post(request.encode().unwrap().as_bytes()).await.response();
    assert_eq!(response.code, ErrorCode::NoError);
}

#[tokio::test]
async fn other_media_types_and_pages_are_refused() {
    let mut config = config();
    config.allow_origins = vec!["https://site.example".to_owned()];
    let url = start(config).await;
    let mut peer = Poster::new(&url, 1).await;
    for (headers, status, said) in [
        ("", 415, "want application/ppsp-tracker+json"),
        ("Content-Type: application/json\r\n", 415, "not application/json"),
        (
            "Content-Type: application/ppsp-tracker+json\r\nOrigin: https://evil.example\r\n",
            403,
            "this page's origin",
        ),
        (
            "Content-Type: Application/PPSP-tracker+JSON; charset=utf-8\r\nOrigin: https://site.example\r\n",
            400,
            "error_code",
        ),
    ] {
        let request = format!("POST /ppsp HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 2\r\n\r\n{{}}");
        peer.send(request.as_bytes()).await;
        let reply = peer.reply().await;
        assert!(
            reply.status == status && reply.body.contains(said),
            "{headers}: {reply:?}"
        );
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    let reply = peer.post(" ".repeat(MAX_FRAME).as_bytes()).await;
    assert_eq!(
        (reply.status, reply.response().code),
        (400, ErrorCode::BadRequest)
    );
    // One that says so is refused before it comes.
    let head = format!(
        "POST /ppsp HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\n\r\n",
        MAX_FRAME + 1
    );
    peer.send(head.as_bytes()).await;
    let reply = peer.reply().await;
    assert_eq!(
        (reply.status, reply.response().code),
        (413, ErrorCode::BadRequest)
    );
    // One that does not, when it is too much.
    let mut peer = Poster::new(&url, 1).await;
    let head = format!(
        "POST /ppsp HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunks = format!("8000\r\n{}\r\n", " ".repeat(0x8000)).repeat(3);
    peer.send((head + &chunks).as_bytes()).await;
    assert_eq!(peer.reply().await.status, 413);
}

#[tokio::test]
async fn slow_heads_and_bodies_end_the_connection() {
    let mut config = config();
    // Long enough for a machine that stands still to send what is in time.
    config.init_timeout = Duration::from_secs(3);
    let url = start(config).await;
    let mut silent = Poster::new(&url, 1).await;
    let mut slow = Poster::new(&url, 1).await;
    let head = format!(
        "POST /ppsp HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: 5\r\n\r\n{{"
    );
    slow.send(head.as_bytes()).await;
    // Between requests too.
    let mut idle = Poster::new(&url, 1).await;
    assert_eq!(idle.post(b"{").await.status, 400);
    assert_eq!(slow.reply().await.status, 408);
    assert!(slow.is_closed().await && silent.is_closed().await && idle.is_closed().await);
}

#[tokio::test]
async fn a_connection_serves_a_thousand_requests() {
    let url = start(config()).await;
    let mut peer = Poster::new(&url, 1).await;
    for served in 1..=1000 {
        peer.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let reply = peer.reply().await;
        assert_eq!(reply.head.contains("connection: close"), served == 1000);
    }
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn too_many_requests_get_503() {
    let mut config = config();
    config.requests = Rate {
        per_second: 1,
        burst: 3,
    };
    let url = start(config).await;
    let mut peer = Poster::joined(&url, 1).await;
    loop {
        let nonce = peer.nonce().await;
        let request = Request {
            transaction_id: nonce.clone(),
            peer_id: peer.key.id.clone(),
            body: keep_alive(),
            ext: RequestExt {
                auth: Some(peer.auth(&nonce)),
                ..RequestExt::default()
            },
        };
        let reply = peer.post(request.encode().unwrap().as_bytes()).await;
        if reply.status == 503 {
            assert!(reply.head.contains("retry-after: 1\r\n"), "{reply:?}");
            let response = reply.response();
            assert_eq!(reason(&response), (ErrorCode::Unavailable, "too-many-requests"));
            break;
        }
        assert_eq!(reply.status, 200);
    }
}

#[tokio::test]
async fn a_flood_on_one_connection_gets_503_unread() {
    let mut config = config();
    config.posts = Rate {
        per_second: 1,
        burst: 3,
    };
    let url = start(config).await;
    let mut peer = Poster::new(&url, 1).await;
    loop {
        let reply = peer.post(b"{").await;
        if reply.status == 503 {
            assert!(reply.head.contains("retry-after: 1\r\n"), "{reply:?}");
            break;
        }
        assert_eq!(reply.status, 400);
    }
}

#[tokio::test]
async fn stopping_ends_connections_that_are_kept_alive() {
    let (url, shutdown) = start_with_shutdown(config()).await;
    let mut peer = Poster::joined(&url, 1).await;
    shutdown.stop();
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn bytes_after_the_handshake_are_not_lost() {
    // A client may send its first frame before it has seen the response.
    let url = start(config()).await;
    let mut raw = Poster::new(&url, 1).await;
    let handshake = "GET /ppsp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // A masked text frame of one byte, which is no JSON; its answer comes after HELLO.
    let frame = [0x81, 0x81, 0, 0, 0, 0, b'{'];
    raw.send(&[handshake.as_bytes(), &frame].concat()).await;
    let mut text = String::new();
    while !text.contains("\"error_code\":1") {
        text.push(char::from(raw.byte().await));
    }
    assert!(text.contains("HELLO"));
}
