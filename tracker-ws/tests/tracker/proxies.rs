//! Behind proxies: whose a connection is.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tracker_protocol::ErrorCode;
use tracker_ws::{Config, ForwardedHeader, Rate};

use crate::http::get;
use crate::peer::*;
use crate::poster::Poster;

use crate::tls::{Identity, connector, handshake};

/// A PROXY header, version 2.
fn header(from: &str, to: &str) -> Vec<u8> {
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    ppp::v2::Builder::with_addresses(
        ppp::v2::Version::Two | ppp::v2::Command::Proxy,
        ppp::v2::Protocol::Stream,
        (from, to),
    )
    .build()
    .unwrap()
}

fn behind_proxy_protocol() -> Config {
    Config {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        proxy_protocol: true,
        ..config()
    }
}

fn behind(forwarded_header: ForwardedHeader) -> Config {
    Config {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        forwarded_header,
        ..config()
    }
}

/// A connection that begins with these bytes.
async fn dial(url: &str, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    stream.write_all(first).await.unwrap();
    stream
}

async fn open_from(url: &str, from: &str, seed: u8) -> Result<TestPeer, Error> {
    let to = match from.starts_with('[') {
        true => "[2001:db8::99]:443",
        false => address(url),
    };
    let stream = dial(url, &header(from, to)).await;
    TestPeer::open_over(url, url, stream, Key::new(seed)).await
}

async fn open_forwarded(url: &str, name: &'static str, value: &str, seed: u8) -> Result<TestPeer, Error> {
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert(name, HeaderValue::from_str(value).unwrap());
    TestPeer::open_over(url, request, dial(url, b"").await, Key::new(seed)).await
}

fn is_503(refused: Result<TestPeer, Error>) -> bool {
    matches!(refused, Err(Error::Http(response)) if response.status() == 503)
}

/// What comes before the other side ends the connection.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = within("end", stream.read_to_end(&mut rest)).await;
    rest
}

#[tokio::test]
async fn connections_are_limited_by_the_address_in_the_proxy_header() {
    let url = start(Config {
        sockets_per_address: 1,
        ..behind_proxy_protocol()
    })
    .await;
    let first = open_from(&url, "192.0.2.1:1000", 1).await.unwrap();
    let _other = open_from(&url, "192.0.2.2:1000", 2).await.unwrap();
    let _third = open_from(&url, "[2001:db8::1]:1000", 3).await.unwrap();
    assert!(is_503(open_from(&url, "192.0.2.1:1001", 4).await));
    // All of a /64 count as one.
    assert!(is_503(open_from(&url, "[2001:db8::2]:1000", 4).await));
    first.close().await;
    while is_503(open_from(&url, "192.0.2.1:1002", 4).await) {}
}

#[tokio::test]
async fn a_proxy_header_of_somebody_else_is_refused() {
    let (url, reload) = start_with_reload(Config {
        trusted_proxies: vec!["192.0.2.0/24".parse().unwrap(), "127.0.0.2".parse().unwrap()],
        ..behind_proxy_protocol()
    })
    .await;
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let spoofed = [&header("192.0.2.1:1000", "198.51.100.2:443"), &request[..]].concat();
    assert_eq!(rest(dial(&url, &spoofed).await).await, b"");
    assert_eq!(rest(dial(&url, request).await).await, b"");
    // Without the protocol, such a header is no HTTP.
    reload.apply(config()).unwrap();
    let answer = rest(dial(&url, &spoofed).await).await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{answer:?}");
    let text = get(&url, "/metrics").await;
    assert!(
        text.contains("tracker_sockets_refused_total{reason=\"NotAProxy\"} 2\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_proxy_must_say_whose_connection_it_is_in_time() {
    let (url, reload) = start_with_reload(Config {
        init_timeout: Duration::from_secs(3),
        ..behind_proxy_protocol()
    })
    .await;
    let whole = header("192.0.2.1:1000", "198.51.100.2:443");
    let silent = dial(&url, &whole[..20]).await;
    // One that is slow keeps nobody waiting.
    open_from(&url, "192.0.2.2:1000", 1).await.unwrap();
    assert_eq!(
        rest(dial(&url, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await).await,
        b""
    );
    assert_eq!(
        rest(dial(&url, b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n").await).await,
        b""
    );
    assert_eq!(rest(silent).await, b"");
    reload.apply(config()).unwrap();
    let text = get(&url, "/metrics").await;
    for (reason, count) in [("ProxyHeader", 2), ("Handshake", 1)] {
        let line = format!("tracker_sockets_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}

#[tokio::test]
async fn the_proxy_itself_may_ask_how_it_goes() {
    let url = start(behind_proxy_protocol()).await;
    // LOCAL, as health checks are.
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = rest(dial(&url, &[&local[..], request].concat()).await).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
}

#[tokio::test]
async fn tls_follows_the_proxy_header_and_its_address_is_an_origin() {
    let (identity, certificate) = Identity::new();
    let url = start(Config {
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        proxy_protocol: true,
        ..identity.config()
    })
    .await;
    let stream = dial(&url, &header("192.0.2.1:1000", "198.51.100.2:443")).await;
    let stream = handshake(&connector(&certificate), stream).await.unwrap();
    // The address that the peer knows, which is the proxy's.
    let known = "wss://198.51.100.2/ppsp";
    let mut peer = TestPeer::open_over(known, known, stream, Key::new(1))
        .await
        .unwrap();
    assert_eq!(peer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn sockets_are_limited_by_the_forwarded_address() {
    for (header, name, [one, again, other]) in [
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for",
            ["192.0.2.1", "192.0.2.66, 192.0.2.1, 10.1.1.1", "192.0.2.2"],
        ),
        (
            ForwardedHeader::Forwarded,
            "forwarded",
            [
                "for=192.0.2.1",
                "for=192.0.2.66, for=\"192.0.2.1:99\", for=10.1.1.1",
                "for=192.0.2.2;proto=https",
            ],
        ),
    ] {
        let url = start(Config {
            sockets_per_address: 1,
            ..behind(header)
        })
        .await;
        let first = open_forwarded(&url, name, one, 1).await.unwrap();
        // What a client has written before what its proxy adds says nothing.
        assert!(is_503(open_forwarded(&url, name, again, 2).await));
        let _other = open_forwarded(&url, name, other, 2).await.unwrap();
        let text = get(&url, "/metrics").await;
        let line = "tracker_sockets_refused_total{reason=\"TooManyOfAddress\"} 1\n";
        assert!(text.contains(line), "{text}");
        first.close().await;
        while is_503(open_forwarded(&url, name, one, 1).await) {}
    }
}

#[tokio::test]
async fn nobody_else_can_forward() {
    let url = start(Config {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        sockets_per_address: 1,
        ..behind(ForwardedHeader::XForwardedFor)
    })
    .await;
    let _first = open_forwarded(&url, "x-forwarded-for", "192.0.2.1", 1)
        .await
        .unwrap();
    assert!(is_503(
        open_forwarded(&url, "x-forwarded-for", "192.0.2.2", 2).await
    ));
}

#[tokio::test]
async fn posts_are_limited_by_the_forwarded_address() {
    let url = start(Config {
        posts: Rate {
            per_second: 1,
            burst: 2,
        },
        ..behind(ForwardedHeader::XForwardedFor)
    })
    .await;
    // Another connection of the proxy's is no other client.
    let post_from = async |from: &str| {
        let mut proxy = Poster::new(&url, 1).await;
        proxy.head = format!("X-Forwarded-For: {from}\r\n");
        proxy.post(b"{}").await.status
    };
    while post_from("192.0.2.1").await != 503 {}
    assert_eq!(post_from("192.0.2.2").await, 400);
}

/// Of one address block a list has a quarter of its places, where there are others: so it shows which addresses are seen.
#[tokio::test]
async fn peers_are_chosen_by_the_addresses_behind_proxies() {
    for by_header in [false, true] {
        let url = match by_header {
            true => start(behind(ForwardedHeader::XForwardedFor)).await,
            false => start(behind_proxy_protocol()).await,
        };
        let mut peers = Vec::new();
        for number in 1..=20_u8 {
            // Ten of one block, ten of others.
            let from = match number <= 10 {
                true => format!("192.0.2.{number}"),
                false => format!("198.51.{number}.1"),
            };
            let peer = match by_header {
                true => open_forwarded(&url, "x-forwarded-for", &from, number).await,
                false => open_from(&url, &format!("{from}:1000"), number).await,
            };
            let mut peer = peer.unwrap();
            assert_eq!(peer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
            peers.push(peer);
        }
        let block: Vec<String> = peers[..10].iter().map(|peer| peer.id().to_owned()).collect();
        let asks = peers.last_mut().unwrap();
        for _ in 0..10 {
            let response = asks.find(A, Some(8)).await;
            let list = listed(&response);
            let of_block = list.iter().filter(|id| block.iter().any(|other| other == *id));
            assert_eq!(
                (list.len(), of_block.count() <= 2),
                (8, true),
                "{by_header} {list:?}"
            );
        }
    }
}
