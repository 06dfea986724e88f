//! Near peers come first by the maps of an ALTO server, which are polled.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use tracker_ws::Config;

use crate::document_server::*;
use crate::neighbours::{Neighbours, map_reads};
use crate::peer::*;

pub const NETWORK: &str = "/networkmap";
pub const COSTS: &str = "/costmap";

/// A network map of this version.
pub fn network_map(tag: &'static str) -> Served {
    let body = format!(
        r#"{{"meta": {{"vtag": {{"resource-id": "net", "tag": "{tag}"}}}},
            "network-map": {{"near": {{"ipv4": ["127.1.0.0/16"]}}, "far": {{"ipv4": ["127.2.0.0/16"]}}}}}}"#
    );
    served("application/alto-networkmap+json", tag, body)
}

/// A cost map of that version, where traffic to near ones costs this much.
pub fn cost_map(etag: &'static str, tag: &str, near: u32, far: u32) -> Served {
    let body = format!(
        r#"{{"meta": {{"dependent-vtags": [{{"resource-id": "net", "tag": "{tag}"}}],
                       "cost-type": {{"cost-mode": "numerical", "cost-metric": "routingcost"}}}},
            "cost-map": {{"near": {{"near": {near}, "far": {far}}}, "far": {{"near": {far}, "far": {near}}}}}}}"#
    );
    served("application/alto-costmap+json", etag, body)
}

/// A server with both, without TLS.
async fn alto_server(network: Served, costs: Served) -> DocumentServer {
    DocumentServer::start(None, vec![(NETWORK, network), (COSTS, costs)]).await
}

/// Polls that server as often as no setting allows.
fn polling(server: &DocumentServer) -> Config {
    Config {
        alto_network_map: Some(format!("{}{NETWORK}", server.url)),
        alto_cost_map: Some(format!("{}{COSTS}", server.url)),
        alto_interval: Duration::from_millis(20),
        alto_timeout: Duration::from_secs(10),
        ..config()
    }
}

/// Waits until maps were read with this result more often than before.
pub async fn reads_more(url: &str, result: &str, before: u64) {
    within(result, async {
        while map_reads(url, "Alto", result).await <= before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// What is polled from now on comes out so: polls that were under way do not count.
pub async fn comes_to(url: &str, result: &str) {
    let before = map_reads(url, "Alto", result).await;
    reads_more(url, result, before + 1).await;
}

#[tokio::test]
async fn near_peers_come_first_by_the_maps_of_a_server() {
    let server = alto_server(network_map("n1"), cost_map("c1", "n1", 1, 10)).await;
    let (url, _) = start_with_reload(polling(&server)).await;
    let mut neighbours = Neighbours::join(&url).await;
    reads_more(&url, "Loaded", 0).await;
    neighbours.near_come_first().await;

    // Nothing new, and so nothing is sent.
    comes_to(&url, "Unchanged").await;
    let asked = server.asked();
    for (asked, path, accept) in [
        (
            &asked[0],
            NETWORK,
            "application/alto-networkmap+json,application/alto-error+json",
        ),
        (
            &asked[1],
            COSTS,
            "application/alto-costmap+json,application/alto-error+json",
        ),
    ] {
        let said = (&*asked.path, &*asked.accept, &asked.if_none_match);
        assert_eq!(said, (path, accept, &None));
    }
    let tags = asked[2..4].iter().map(|asked| asked.if_none_match.as_deref());
    assert_eq!(tags.collect::<Vec<_>>(), [Some("\"n1\""), Some("\"c1\"")]);
    assert_eq!(map_reads(&url, "Alto", "Loaded").await, 1);

    // Other costs of the same network.
    server.serve(COSTS, cost_map("c2", "n1", 10, 1));
    reads_more(&url, "Loaded", 1).await;
    neighbours.far_come_first().await;

    // A new network map, whose cost map comes later.
    server.serve(NETWORK, network_map("n2"));
    comes_to(&url, "Invalid").await;
    neighbours.far_come_first().await;
    server.serve(COSTS, cost_map("c3", "n2", 1, 10));
    reads_more(&url, "Loaded", 2).await;
    neighbours.near_come_first().await;
}

#[tokio::test]
async fn the_last_good_maps_stay_while_the_server_fails() {
    let server = alto_server(network_map("n1"), cost_map("c1", "n1", 1, 10)).await;
    let (url, _) = start_with_reload(polling(&server)).await;
    let mut neighbours = Neighbours::join(&url).await;
    reads_more(&url, "Loaded", 0).await;
    let good = cost_map("c2", "n1", 10, 1);
    let too_long = Bytes::from(vec![b' '; 32 * 1024 * 1024 + 1]);
    for (served, result) in [
        (
            Served {
                status: StatusCode::SERVICE_UNAVAILABLE,
                ..good.clone()
            },
            "Status",
        ),
        (
            // 304 is for who has it.
            Served {
                status: StatusCode::FOUND,
                ..good.clone()
            },
            "Status",
        ),
        (
            Served {
                media_type: "application/json",
                ..good.clone()
            },
            "MediaType",
        ),
        (
            Served {
                body: too_long,
                ..good.clone()
            },
            "TooLong",
        ),
        (
            Served {
                body: Bytes::from_static(b"{\"cost-map\": {\"here\": {}}}"),
                ..good.clone()
            },
            "Invalid",
        ),
        (
            Served {
                body: Bytes::from_static(b"\xff"),
                ..good.clone()
            },
            "Unreachable",
        ),
    ] {
        server.serve(COSTS, served);
        comes_to(&url, result).await;
        neighbours.near_come_first().await;
    }
    server.serve(COSTS, good);
    comes_to(&url, "Unchanged").await;
    neighbours.far_come_first().await;
}

#[tokio::test]
async fn a_server_that_is_silent_is_given_up() {
    let silent = Served {
        is_silent: true,
        ..network_map("n1")
    };
    let server = alto_server(silent, cost_map("c1", "n1", 1, 10)).await;
    let config = Config {
        alto_timeout: Duration::from_millis(300),
        ..polling(&server)
    };
    let (url, _) = start_with_reload(config).await;
    let mut neighbours = Neighbours::join(&url).await;
    comes_to(&url, "TimedOut").await;
    neighbours.all_are_alike().await;
    server.serve(NETWORK, network_map("n1"));
    reads_more(&url, "Loaded", 0).await;
    neighbours.near_come_first().await;
    server.serve(
        COSTS,
        Served {
            is_silent: true,
            ..cost_map("c2", "n1", 10, 1)
        },
    );
    comes_to(&url, "TimedOut").await;
    neighbours.near_come_first().await;
}

#[tokio::test]
async fn the_server_is_asked_again_when_settings_are_read_again() {
    let server = alto_server(network_map("n1"), cost_map("c1", "n1", 1, 10)).await;
    let hourly = Config {
        alto_interval: Duration::from_secs(3600),
        ..polling(&server)
    };
    let (url, reload) = start_with_reload(hourly.clone()).await;
    let mut neighbours = Neighbours::join(&url).await;
    reads_more(&url, "Loaded", 0).await;
    neighbours.near_come_first().await;
    server.serve(COSTS, cost_map("c2", "n1", 10, 1));
    assert!(reload.apply(hourly.clone()).unwrap().applied.is_empty());
    reads_more(&url, "Loaded", 1).await;
    neighbours.far_come_first().await;
    // No map any more, and then this one again.
    reload.apply(config()).unwrap();
    neighbours.all_are_alike().await;
    reload.apply(hourly).unwrap();
    reads_more(&url, "Loaded", 2).await;
    neighbours.far_come_first().await;
}

#[tokio::test]
async fn a_tracker_starts_without_its_server() {
    let mut server = alto_server(network_map("n1"), cost_map("c1", "n1", 1, 10)).await;
    // A port that nobody listens on: it was free, and is again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.url = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let (url, _) = start_with_reload(polling(&server)).await;
    let mut neighbours = Neighbours::join(&url).await;
    comes_to(&url, "Unreachable").await;
    neighbours.all_are_alike().await;
}
