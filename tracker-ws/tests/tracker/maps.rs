//! Near peers come first by what is read from files: prefixes, and databases of MaxMind's format.

use std::net::Ipv4Addr;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, BufReader};
use tracker_ws::{Config, CostMap, Server, ServerError};

use crate::alto::{cost_map, network_map};
use crate::document_server::Served;
use crate::mmdb::{Value, database};
use crate::neighbours::{Neighbours, map_reads};
use crate::peer::*;
use crate::process::spawn_with;

const PREFIXES: &str = "127.1.0.0/16 campus AS64500\n127.2.0.0/16 world AS64501\n";
/// Who asks is in the world now.
const MOVED: &str = "127.1.0.0/16 campus AS64500\n127.1.200.0/24 world AS64501\n127.2.0.0/16 world AS64501\n";

#[tokio::test]
async fn a_list_of_prefixes_is_read_again_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prefixes.txt");
    std::fs::write(&path, PREFIXES).unwrap();
    let settings = folder.path().join("tracker.toml");
    std::fs::write(&settings, "requests = { per_second = 100000, burst = 100000 }\n").unwrap();
    let (mut child, url) = spawn_with(&[
        "--prefixes",
        path.to_str().unwrap(),
        "--config",
        settings.to_str().unwrap(),
    ])
    .await;
    let url = url.as_str();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let pid = child.id().unwrap().to_string();
    // Each text, and what is logged of it.
    let mut hang_up = async |text: &str, expected: &str| {
        std::fs::write(&path, text).unwrap();
        let sent = std::process::Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.unwrap().success());
        let read = async {
            while let Some(line) = log.next_line().await.unwrap() {
                if line.contains(expected) {
                    return;
                }
            }
            panic!("not logged: {expected}");
        };
        within(expected, read).await;
    };
    let mut neighbours = Neighbours::join(url).await;
    neighbours.near_come_first().await;
    hang_up(MOVED, "settings read again").await;
    neighbours.far_come_first().await;
    hang_up(
        "127.1.0.0/16 campus\n127.1.0.0/16 world\n",
        "prefixes.txt:2:1: 127.1.0.0/16 is in line 1 already",
    )
    .await;
    neighbours.far_come_first().await;
    assert_eq!(
        (
            map_reads(url, "Prefixes", "Loaded").await,
            map_reads(url, "Prefixes", "Invalid").await
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn alto_maps_in_files_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (network, costs) = (folder.path().join("n.json"), folder.path().join("c.json"));
    let write = |path: &Path, served: Served| std::fs::write(path, served.body).unwrap();
    write(&network, network_map("n1"));
    write(&costs, cost_map("c1", "n1", 1, 10));
    let config = Config {
        network_map: Some(network.clone()),
        cost_map: Some(costs.clone()),
        ..config()
    };
    let (url, reload) = start_with_reload(config.clone()).await;
    let mut neighbours = Neighbours::join(&url).await;
    neighbours.near_come_first().await;
    write(&costs, cost_map("c2", "n1", 10, 1));
    assert!(reload.apply(config.clone()).unwrap().applied.is_empty());
    neighbours.far_come_first().await;
    write(&network, network_map("n2"));
    let error = reload.apply(config).unwrap_err().to_string();
    assert!(
        error.starts_with("network_map: ") && error.contains("c.json: meta.dependent-vtags: of another"),
        "{error}"
    );
    neighbours.far_come_first().await;
}

/// Countries, of one continent, with the layout of GeoIP2 Country.
fn countries(path: &Path, networks: &[([u8; 4], u8, &'static str, &'static str)]) {
    let networks = networks.iter().map(|(address, length, continent, country)| {
        let record = Value::Map(vec![
            ("continent", Value::Map(vec![("code", Value::Text(continent))])),
            ("country", Value::Map(vec![("iso_code", Value::Text(country))])),
        ]);
        (Ipv4Addr::from(*address), *length, record)
    });
    std::fs::write(path, database("GeoIP2-Country", &networks.collect::<Vec<_>>())).unwrap();
}

/// Autonomous systems, with the layout of GeoLite2 ASN.
fn systems(path: &Path, networks: &[([u8; 4], u8, u32)]) {
    let networks = networks.iter().map(|(address, length, number)| {
        let record = Value::Map(vec![
            ("autonomous_system_number", Value::Number(*number)),
            ("autonomous_system_organization", Value::Text("Example")),
        ]);
        (Ipv4Addr::from(*address), *length, record)
    });
    std::fs::write(path, database("GeoLite2-ASN", &networks.collect::<Vec<_>>())).unwrap();
}

#[tokio::test]
async fn databases_tell_countries_and_networks() {
    let folder = tempfile::tempdir().unwrap();
    let (country, system) = (folder.path().join("country.mmdb"), folder.path().join("asn.mmdb"));
    countries(
        &country,
        &[([127, 1, 0, 0], 16, "EU", "DE"), ([127, 2, 0, 0], 16, "EU", "FR")],
    );
    systems(
        &system,
        &[([127, 1, 0, 0], 16, 64500), ([127, 2, 0, 0], 16, 64501)],
    );
    let both = [country.clone(), system.clone()];
    for (paths, expected) in [
        (&both[..], "DE AS64500"),
        (&both[..1], "DE"),
        (&both[1..], "AS64500"),
    ] {
        let map = CostMap::read_databases(paths).unwrap();
        let name = |last| map.name_of(Ipv4Addr::new(127, last, 0, 1).into());
        assert_eq!((name(1).as_deref(), name(3)), (Some(expected), None));
    }
    let plain = config();
    let (url, reload) = start_with_reload(Config {
        geo_databases: vec![country.clone()],
        ..plain.clone()
    })
    .await;
    let mut neighbours = Neighbours::join(&url).await;
    neighbours.near_come_first().await;
    assert_eq!(reload.apply(plain.clone()).unwrap().applied.len(), 1);
    neighbours.all_are_alike().await;
    // The network alone does it, too.
    let by_system = Config {
        geo_databases: vec![system.clone()],
        ..plain.clone()
    };
    reload.apply(by_system.clone()).unwrap();
    neighbours.near_come_first().await;
    // The same file, and another content.
    systems(
        &system,
        &[
            ([127, 1, 0, 0], 16, 64500),
            ([127, 1, 200, 0], 24, 64501),
            ([127, 2, 0, 0], 16, 64501),
        ],
    );
    assert!(reload.apply(by_system.clone()).unwrap().applied.is_empty());
    neighbours.far_come_first().await;
    // Country and network point different ways, and make all alike.
    let both = Config {
        geo_databases: vec![country, system.clone()],
        ..plain
    };
    reload.apply(both).unwrap();
    neighbours.all_are_alike().await;
    reload.apply(by_system.clone()).unwrap();
    // What cannot be used changes nothing.
    std::fs::write(&system, PREFIXES).unwrap();
    let error = reload.apply(by_system).unwrap_err();
    assert_eq!(error.key, "geo_databases");
    assert!(error.reason.contains("asn.mmdb: "), "{error}");
    neighbours.far_come_first().await;
    assert_eq!(map_reads(&url, "Databases", "Invalid").await, 1);
}

#[tokio::test]
async fn a_tracker_does_not_start_with_files_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong");
    std::fs::write(&path, "127.0.0.1 here\n").unwrap();
    for config in [
        Config {
            prefixes: Some(path.clone()),
            ..config()
        },
        Config {
            geo_databases: vec![path.clone()],
            ..config()
        },
        Config {
            geo_databases: vec![folder.path().join("absent")],
            ..config()
        },
    ] {
        let error = Server::bind(config).await.map(drop).unwrap_err();
        assert!(matches!(error, ServerError::CostMap(_)), "{error}");
    }
}
