//! Keys of tokens that the portal's server has.

use std::time::Duration;

use hyper::StatusCode;
use tempfile::TempDir;
use tracker_protocol::ErrorCode;
use tracker_ws::Config;

use crate::document_server::*;
use crate::http::get;
use crate::peer::*;
use crate::poster::Poster;
use crate::tokens::{Portal, claims, closed};

const KEYS: &str = "/jwks.json";

/// The public keys of these.
fn key_set(etag: &'static str, portals: &[&Portal]) -> Served {
    let keys = portals.iter().flat_map(|portal| {
        let mut set = portal.jwk_set();
        std::mem::take(set["keys"].as_array_mut().unwrap())
    });
    let set = serde_json::json!({"keys": keys.collect::<Vec<_>>()});
    served("application/jwk-set+json", etag, set.to_string())
}

/// Takes keys from that server, which this authority vouches for, and no others.
fn asking(server: &DocumentServer, folder: &TempDir, authority: &str) -> Config {
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    Config {
        token_keys: Vec::new(),
        token_keys_url: Some(format!("{}{KEYS}", server.url)),
        token_keys_interval: Duration::from_millis(20),
        ca_certificates: Some(file),
        ..closed(folder, &Portal::new(7))
    }
}

async fn reads(url: &str, result: &str) -> u64 {
    let line = format!("tracker_key_reads_total{{result=\"{result}\"}} ");
    let text = get(url, "/metrics").await;
    let count = text.lines().find_map(|found| found.strip_prefix(&line));
    count.map_or(0, |count| count.parse().unwrap())
}

/// Waits until what is asked for from now on comes out so.
async fn comes_to(url: &str, result: &str) {
    let before = reads(url, result).await;
    within(result, async {
        while reads(url, result).await <= before + 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Waits until keys were read so often.
async fn loaded(url: &str, times: u64) {
    within("keys", async {
        while reads(url, "Loaded").await < times {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// What a peer of this portal's is told on a socket of its own.
async fn said(url: &str, seed: u8, portal: &Portal) -> (ErrorCode, Option<String>) {
    let mut peer = TestPeer::open(url, seed).await;
    peer.token = Some(portal.token(&claims(peer.id())));
    let response = peer.connect(vec![join(A)]).await;
    (response.code, response.ext.reason)
}

fn accepted() -> (ErrorCode, Option<String>) {
    (ErrorCode::NoError, None)
}

fn invalid() -> (ErrorCode, Option<String>) {
    (
        ErrorCode::AuthenticationRequired,
        Some("token-invalid".to_owned()),
    )
}

#[tokio::test]
async fn keys_are_changed_while_the_tracker_runs() {
    let (folder, (authority, tls)) = (tempfile::tempdir().unwrap(), authority());
    let (old, new) = (Portal::new(7), Portal::new(8));
    let server = DocumentServer::start(Some(tls), vec![(KEYS, key_set("k1", &[&old]))]).await;
    let url = start(asking(&server, &folder, &authority)).await;
    loaded(&url, 1).await;
    assert_eq!(said(&url, 1, &old).await, accepted());
    assert_eq!(said(&url, 2, &new).await, invalid());
    comes_to(&url, "Unchanged").await;
    let asked = server.asked();
    assert_eq!(asked[0].accept, "application/jwk-set+json,application/json");
    assert_eq!(asked[1].if_none_match.as_deref(), Some("\"k1\""));
    // The next key is there before tokens are signed with it, and the one before goes when those have ended.
    server.serve(KEYS, key_set("k2", &[&old, &new]));
    loaded(&url, 2).await;
    for (seed, portal) in [(3, &old), (4, &new)] {
        assert_eq!(said(&url, seed, portal).await, accepted());
    }
    server.serve(KEYS, key_set("k3", &[&new]));
    loaded(&url, 3).await;
    assert_eq!(said(&url, 5, &old).await, invalid());
    assert_eq!(said(&url, 6, &new).await, accepted());
    assert_eq!(reads(&url, "Loaded").await, 3);
}

#[tokio::test]
async fn the_last_good_keys_stay_while_the_server_fails() {
    let (folder, (authority, tls)) = (tempfile::tempdir().unwrap(), authority());
    let (portal, other) = (Portal::new(7), Portal::new(8));
    let server = DocumentServer::start(Some(tls), vec![(KEYS, key_set("k1", &[&portal]))]).await;
    let url = start(asking(&server, &folder, &authority)).await;
    loaded(&url, 1).await;
    let set = |text: &str| served("application/json", "x", text.to_owned());
    let many: Vec<Portal> = (10..19).map(Portal::new).collect();
    let many: Vec<&Portal> = many.iter().collect();
    let long = " ".repeat(256 * 1024 + 1);
    for (document, result) in [
        (
            Served {
                status: StatusCode::NOT_FOUND,
                ..set("")
            },
            "Status",
        ),
        (
            Served {
                media_type: "text/html",
                ..key_set("k2", &[&other])
            },
            "MediaType",
        ),
        (set(&long), "TooLong"),
        (set("{\"keys\": []}"), "Invalid"),
        (set("{}"), "Invalid"),
        (key_set("k2", &many), "Invalid"),
        (redirected("http://portal.example/jwks.json"), "Redirection"),
    ] {
        server.serve(KEYS, document);
        comes_to(&url, result).await;
        assert_eq!(said(&url, 1, &portal).await, accepted(), "{result}");
        assert_eq!(said(&url, 2, &other).await, invalid(), "{result}");
    }
    server.serve(KEYS, key_set("k9", &[&other]));
    loaded(&url, 2).await;
    assert_eq!(said(&url, 2, &other).await, accepted());
}

#[tokio::test]
async fn peers_are_asked_to_wait_for_the_first_keys() {
    let (folder, (authority, tls)) = (tempfile::tempdir().unwrap(), authority());
    let portal = Portal::new(7);
    let server = DocumentServer::start(Some(tls), vec![(KEYS, busy("0"))]).await;
    let config = asking(&server, &folder, &authority);
    let (url, reload) = start_with_reload(config.clone()).await;
    comes_to(&url, "Status").await;
    let mut peer = TestPeer::open(&url, 1).await;
    peer.token = Some(portal.token(&claims(peer.id())));
    let mut poster = Poster::new(&url, 2).await;
    poster.token = Some(portal.token(&claims(&poster.key.id)));
    // Not its fault: the socket stays.
    for _ in 0..4 {
        for response in [
            peer.connect(vec![join(A)]).await,
            poster.connect(vec![join(A)]).await,
        ] {
            let said = (
                response.code,
                response.ext.reason.as_deref(),
                response.ext.retry_after,
            );
            assert_eq!(
                said,
                (ErrorCode::Unavailable, Some("token-keys-missing"), Some(5))
            );
        }
    }
    server.serve(KEYS, key_set("k1", &[&portal]));
    loaded(&url, 1).await;
    assert_eq!(peer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
    assert_eq!(poster.connect(vec![join(A)]).await.code, ErrorCode::NoError);
    // Keys of another server are no keys.
    let other = DocumentServer::start(None, vec![(KEYS, busy("0"))]).await;
    let hourly = Config {
        token_keys_interval: Duration::from_secs(3600),
        ..config
    };
    let elsewhere = Config {
        token_keys_url: Some(format!("{}{KEYS}", other.url)),
        ..hourly.clone()
    };
    reload.apply(elsewhere).unwrap();
    assert_eq!(said(&url, 3, &portal).await.0, ErrorCode::Unavailable);
    // Files have them, too.
    let both = Config {
        token_keys: closed(&folder, &portal).token_keys,
        ..hourly
    };
    reload.apply(both).unwrap();
    assert_eq!(said(&url, 4, &portal).await, accepted());
}
