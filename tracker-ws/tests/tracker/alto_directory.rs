//! ALTO over TLS: maps that a directory names, redirections, and a server that wants to be left alone.

use std::time::Duration;

use tempfile::TempDir;
use tracker_ws::{Config, Reload, Server};

use crate::alto::*;
use crate::document_server::*;
use crate::neighbours::{Neighbours, map_reads};
use crate::peer::*;

/// Both maps, a directory of the server's, and one that it leads to, which has the cost map.
fn documents() -> Vec<(&'static str, Served)> {
    let types = r#""cost-types": {"num": {"cost-mode": "numerical", "cost-metric": "routingcost"}}"#;
    let root = format!(
        r#"{{"meta": {{{types}, "default-alto-network-map": "net"}}, "resources": {{
            "net": {{"uri": "networkmap", "media-type": "application/alto-networkmap+json"}},
            "more": {{"uri": "/more/directory", "media-type": "application/alto-directory+json"}}}}}}"#
    );
    let more = format!(
        r#"{{"meta": {{{types}}}, "resources": {{
            "costs": {{"uri": "../costmap", "media-type": "application/alto-costmap+json", "uses": ["net"],
                       "capabilities": {{"cost-type-names": ["num"]}}}}}}}}"#
    );
    let directory = |etag, text| served("application/alto-directory+json", etag, text);
    vec![
        ("/directory", directory("d1", root)),
        ("/more/directory", directory("m1", more)),
        (NETWORK, network_map("n1")),
        (COSTS, cost_map("c1", "n1", 1, 10)),
    ]
}

/// Follows the directory of that server, whose certificate this authority has signed.
fn following(server: &DocumentServer, folder: &TempDir, authority: &str) -> Config {
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    Config {
        alto_directory: Some(format!("{}/directory", server.url)),
        alto_interval: Duration::from_millis(20),
        ca_certificates: Some(file),
        ..config()
    }
}

/// Has the server asked once with these settings, which comes out so; not again for an hour, if it is answered.
async fn polled(url: &str, reload: &Reload, config: Config, result: &str) {
    let before = map_reads(url, "Alto", result).await;
    let config = Config {
        alto_interval: Duration::from_secs(3600),
        ..config
    };
    reload.apply(config).unwrap();
    reads_more(url, result, before).await;
}

fn paths(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| asked.path.as_str()).collect()
}

#[tokio::test]
async fn maps_are_found_in_directories_over_tls() {
    let (folder, (authority, tls)) = (tempfile::tempdir().unwrap(), authority());
    let server = DocumentServer::start(Some(tls), documents()).await;
    let (url, _) = start_with_reload(following(&server, &folder, &authority)).await;
    let mut neighbours = Neighbours::join(&url).await;
    reads_more(&url, "Loaded", 0).await;
    neighbours.near_come_first().await;
    comes_to(&url, "Unchanged").await;
    let asked = server.asked();
    let once = ["/directory", "/more/directory", NETWORK, COSTS];
    assert_eq!(paths(&asked)[..8], [once, once].concat());
    assert_eq!(
        asked[0].accept,
        "application/alto-directory+json,application/alto-error+json"
    );
    let tags = asked[4..8].iter().map(|asked| asked.if_none_match.as_deref());
    let expected = ["\"d1\"", "\"m1\"", "\"n1\"", "\"c1\""].map(Some);
    assert_eq!(tags.collect::<Vec<_>>(), expected);

    // The directory names another cost map.
    server.serve("/other", cost_map("o1", "n1", 10, 1));
    let mut more = documents().remove(1).1;
    let text = String::from_utf8(more.body.to_vec()).unwrap();
    (more.body, more.etag) = (text.replace("../costmap", "/other").into(), Some("m2"));
    server.serve("/more/directory", more);
    reads_more(&url, "Loaded", 1).await;
    neighbours.far_come_first().await;

    // One that says nothing of use changes nothing.
    let empty = r#"{"resources": {}}"#.to_owned();
    server.serve(
        "/directory",
        served("application/alto-directory+json", "d2", empty),
    );
    comes_to(&url, "Invalid").await;
    neighbours.far_come_first().await;
}

#[tokio::test]
async fn a_server_that_no_authority_vouches_for_is_not_believed() {
    let (folder, (authority_pem, tls)) = (tempfile::tempdir().unwrap(), authority());
    let server = DocumentServer::start(Some(tls), documents()).await;
    let (stranger, _) = authority();
    let (url, reload) = start_with_reload(following(&server, &folder, &stranger)).await;
    let mut neighbours = Neighbours::join(&url).await;
    comes_to(&url, "Tls").await;
    neighbours.all_are_alike().await;
    assert!(server.asked().is_empty());
    // The right one, in the same file.
    let config = following(&server, &folder, &authority_pem);
    polled(&url, &reload, config, "Loaded").await;
    neighbours.near_come_first().await;
}

#[tokio::test]
async fn files_without_authorities_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = DocumentServer::start(None, Vec::new()).await;
    for (text, expected) in [
        ("", "has no certificate (PEM, BEGIN CERTIFICATE)"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1: ",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "not PEM: "),
    ] {
        let config = following(&server, &folder, text);
        let said = Server::bind(config).await.err().unwrap().to_string();
        let path = folder.path().join("authority.pem");
        let expected = format!("ca_certificates: {}: {expected}", path.display());
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[tokio::test]
async fn redirections_are_followed_a_few_times_and_not_out_of_tls() {
    let (folder, (authority, tls)) = (tempfile::tempdir().unwrap(), authority());
    let server = DocumentServer::start(Some(tls), documents()).await;
    let plain = DocumentServer::start(None, documents()).await;
    for hop in 0..7 {
        let next = if hop == 0 {
            COSTS.to_owned()
        } else {
            format!("hop{}", hop - 1)
        };
        server.serve(&format!("/hop{hop}"), redirected(&next));
    }
    let named = |costs: &str| Config {
        alto_directory: None,
        alto_network_map: Some(format!("{}{NETWORK}", server.url)),
        alto_cost_map: Some(format!("{}{costs}", server.url)),
        ..following(&server, &folder, &authority)
    };
    // Six to go.
    let (url, reload) = start_with_reload(named("/hop5")).await;
    let mut neighbours = Neighbours::join(&url).await;
    comes_to(&url, "Redirection").await;
    neighbours.all_are_alike().await;
    polled(&url, &reload, named("/hop4"), "Loaded").await;
    neighbours.near_come_first().await;
    // The version is that of the place at the end.
    server.asked();
    polled(&url, &reload, named("/hop4"), "Unchanged").await;
    for asked in server.asked() {
        let tag = match asked.path.as_str() {
            NETWORK => Some("\"n1\""),
            COSTS => Some("\"c1\""),
            _ => None,
        };
        assert_eq!(asked.if_none_match.as_deref(), tag, "{}", asked.path);
    }
    // Anybody on the way could change what is there.
    server.serve("/out", redirected(&format!("{}{COSTS}", plain.url)));
    polled(&url, &reload, named("/out"), "Redirection").await;
    assert!(plain.asked().is_empty());
    server.serve("/nowhere", redirected("mailto:a@b.example"));
    polled(&url, &reload, named("/nowhere"), "Redirection").await;
    neighbours.near_come_first().await;
    // From a server without TLS to one with it.
    plain.serve("/in", redirected(&format!("{}{COSTS}", server.url)));
    server.serve(COSTS, cost_map("c2", "n1", 10, 1));
    let config = Config {
        alto_cost_map: Some(format!("{}/in", plain.url)),
        ..named("")
    };
    polled(&url, &reload, config, "Loaded").await;
    neighbours.far_come_first().await;
}

#[tokio::test]
async fn a_server_that_has_too_much_to_do_is_left_alone() {
    let server = DocumentServer::start(None, vec![("/directory", busy("2"))]).await;
    let config = Config {
        alto_directory: Some(format!("{}/directory", server.url)),
        alto_interval: Duration::from_millis(20),
        ..config()
    };
    let url = start(config).await;
    reads_more(&url, "Status", 1).await;
    let asked = server.asked();
    let wait = asked[1].at - asked[0].at;
    assert!(wait >= Duration::from_secs(2), "{wait:?}");
}
