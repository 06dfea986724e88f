//! A tracker that drains lets everybody go in peace.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracker_protocol::*;
use tracker_ws::{Config, Server, Shutdown};

use crate::peer::*;

const ELSEWHERE: &str = "wss://other.example/ppsp";

/// What a peer makes of being told to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Manner {
    /// Goes.
    Obeys,
    /// Stays, though it listed the extension.
    Ignores,
    /// Has not listed it.
    Knows,
    /// Has not even registered.
    Strange,
}

const MANNERS: [Manner; 4] = [Manner::Obeys, Manner::Ignores, Manner::Knows, Manner::Strange];

fn draining(period: Duration, notice: Duration) -> Config {
    // The first say nothing and read nothing until all are there, which a busy machine takes minutes for.
    let long = Duration::from_secs(3600);
    Config {
        init_timeout: long,
        ping_interval: long,
        track_timeout: Some(long),
        drain_period: period,
        drain_notice: notice,
        drain_to: Some(ELSEWHERE.to_owned()),
        ..config()
    }
}

async fn start_server(config: Config) -> (String, Shutdown, tokio::task::JoinHandle<()>) {
    let server = Server::bind(config).await.unwrap();
    let (url, shutdown) = (server.url(), server.shutdown());
    (url, shutdown, tokio::spawn(server.run()))
}

async fn peer(url: &str, number: u32, manner: Manner) -> TestPeer {
    let mut peer = TestPeer::open_as(url, Key::numbered(number)).await;
    let supports = match manner {
        Manner::Obeys | Manner::Ignores => [SUPPORTS_SIGNAL, SUPPORTS_CONFIG].as_slice(),
        Manner::Knows => &[SUPPORTS_SIGNAL],
        Manner::Strange => return peer,
    };
    let response = peer.connect_with(vec![join(A)], supports).await;
    assert_eq!(response.code, ErrorCode::NoError);
    peer
}

/// Reads to the end; returns when it was spoken to first.
async fn goodbye(mut peer: TestPeer, manner: Manner) -> Instant {
    let first = peer.event().await;
    let at = Instant::now();
    let bye = match manner {
        Manner::Obeys | Manner::Ignores => {
            let Event::Config(config) = first else {
                panic!("{manner:?}: {first:?}")
            };
            assert_eq!(config.reconnect.as_deref(), Some(ELSEWHERE));
            if manner == Manner::Obeys {
                peer.close().await;
                return at;
            }
            peer.event().await
        }
        Manner::Knows | Manner::Strange => first,
    };
    let Event::Bye(bye) = bye else {
        panic!("{manner:?}: {bye:?}")
    };
    assert_eq!(bye.code, ErrorCode::Unavailable);
    assert_eq!(peer.closed().await, 1001);
    at
}

/// Waits until nobody can connect any more.
async fn refused(url: &str) {
    within("refusal", async {
        while TcpStream::connect(address(url)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_thousand_sockets_are_told_and_none_is_lost() {
    let period = Duration::from_secs(3);
    let (url, shutdown, running) = start_server(draining(period, Duration::from_secs(1))).await;
    let mut peers = Vec::new();
    for number in 0..1000_u32 {
        // Signatures are slow without optimization: more than half do without.
        let manner = MANNERS.get(number as usize % 8).copied();
        let manner = manner.unwrap_or(Manner::Strange);
        peers.push((peer(&url, number, manner).await, manner));
    }
    let mut goodbyes = JoinSet::new();
    for (peer, manner) in peers {
        goodbyes.spawn(goodbye(peer, manner));
    }
    shutdown.drain();
    refused(&url).await;
    let times = within("goodbyes", goodbyes.join_all()).await;
    assert_eq!(times.len(), 1000);
    within("end", running).await.unwrap();
    // Spread over the period, as far as a slow machine shows it.
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*last - *first > period / 6, "{:?}", *last - *first);
}

#[tokio::test]
async fn what_goes_on_is_served_until_its_turn() {
    let hour = Duration::from_secs(3600);
    let (url, shutdown, running) = start_server(draining(hour, Duration::ZERO)).await;
    let (mut one, mut two) = (
        peer(&url, 1, Manner::Knows).await,
        peer(&url, 2, Manner::Knows).await,
    );
    shutdown.drain();
    refused(&url).await;
    let offer = one.signal(Kind::Offer, two.id(), "x");
    assert_eq!(one.relay(offer).await.code, ErrorCode::NoError);
    assert_eq!(two.pushed().await.oid, "x");
    // Draining again changes nothing, stopping does.
    shutdown.drain();
    shutdown.stop();
    for peer in [one, two] {
        goodbye(peer, Manner::Knows).await;
    }
    within("end", running).await.unwrap();
}

#[tokio::test]
async fn the_address_is_free_while_the_old_one_drains() {
    let (url, shutdown, running) = start_server(draining(Duration::from_secs(3600), Duration::ZERO)).await;
    let old = peer(&url, 1, Manner::Knows).await;
    shutdown.drain();
    refused(&url).await;
    let again = Config {
        listen: address(&url).parse().unwrap(),
        ..config()
    };
    let again = start(again).await;
    let new = peer(&again, 2, Manner::Knows).await;
    shutdown.stop();
    goodbye(old, Manner::Knows).await;
    within("end", running).await.unwrap();
    drop(new);
}

#[tokio::test]
async fn a_tracker_without_peers_drains_at_once() {
    let hour = Duration::from_secs(3600);
    let (_, shutdown, running) = start_server(draining(hour, hour)).await;
    shutdown.drain();
    within("end", running).await.unwrap();
}

#[tokio::test]
async fn where_no_other_is_named_any_will_do() {
    let config = Config {
        drain_to: None,
        ..draining(Duration::ZERO, Duration::from_secs(60))
    };
    let (url, shutdown, running) = start_server(config).await;
    let mut peer = peer(&url, 1, Manner::Obeys).await;
    assert!(peer.hello.supports.contains(&SUPPORTS_CONFIG.to_owned()));
    shutdown.drain();
    let Event::Config(config) = peer.event().await else {
        panic!("not told to move")
    };
    assert_eq!(config.reconnect.as_deref(), Some(""));
    peer.close().await;
    within("end", running).await.unwrap();
}
