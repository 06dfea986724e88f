//! Plain HTTP on the tracker's port.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::peer::*;

pub async fn exchange(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    within("response", stream.read_to_string(&mut response))
        .await
        .unwrap();
    response
}

pub async fn get(url: &str, path: &str) -> String {
    exchange(
        url,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn health() {
    let response = get(&start(config()).await, "/health").await;
    assert!(
        response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\nok\n"),
        "{response}"
    );
}

#[tokio::test]
async fn metrics_count() {
    let url = start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let other = TestPeer::joined(&url, 2).await;
    peer.find(B, None).await;
    peer.relay(peer.signal(tracker_protocol::Kind::Offer, other.id(), "x"))
        .await;
    let text = get(&url, "/metrics").await;
    assert!(text.contains("application/openmetrics-text"), "{text}");
    for line in [
        "tracker_peers 2",
        "tracker_swarms 1",
        "tracker_sockets 3",
        "tracker_sockets_accepted_total 2",
        "tracker_signals_pushed_total 1",
        r#"tracker_requests_total{request="CONNECT",error_code="0"} 2"#,
        r#"tracker_requests_total{request="FIND",error_code="3"} 1"#,
        "# EOF",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[tokio::test]
async fn everything_else_is_refused_properly() {
    let url = start(config()).await;
    for (request, status) in [
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "404 Not Found",
        ),
        (
            "GET /ppsp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "426 Upgrade Required",
        ),
        (
            "POST /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "405 Method Not Allowed",
        ),
        (
            "PUT /ppsp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "405 Method Not Allowed",
        ),
        ("not HTTP at all\r\n\r\n", "400 Bad Request"),
    ] {
        let response = exchange(&url, request).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{response}"
        );
    }
    let long = format!("GET /health HTTP/1.1\r\nx: {}", "x".repeat(20_000));
    let mut stream = TcpStream::connect(address(&url)).await.unwrap();
    stream.write_all(long.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    within("response", stream.read_exact(&mut start)).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 431");
}

fn handshake(extra: &str) -> String {
    format!(
        "GET /ppsp HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
}

async fn response_head(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("head", stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn the_subprotocol_is_taken_when_offered() {
    let url = start(config()).await;
    let head = response_head(
        &url,
        &handshake("Sec-WebSocket-Protocol: other, ppsp-tracker.1.json\r\n"),
    )
    .await;
    assert!(
        head.starts_with("http/1.1 101 ")
            && head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=")
    );
    assert!(
        head.contains("sec-websocket-protocol: ppsp-tracker.1.json\r\n"),
        "{head}"
    );
    let head = response_head(&url, &handshake("")).await;
    assert!(
        head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-protocol"),
        "{head}"
    );
}

#[tokio::test]
async fn pages_of_other_origins_may_be_kept_out() {
    let mut config = config();
    config.allow_origins = vec!["https://site.example".to_owned()];
    let url = start(config).await;
    let head = response_head(&url, &handshake("Origin: https://site.example\r\n")).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for origin in ["Origin: https://evil.example\r\n", ""] {
        let head = response_head(&url, &handshake(origin)).await;
        assert!(head.starts_with("http/1.1 403 "), "{head}");
    }
}
