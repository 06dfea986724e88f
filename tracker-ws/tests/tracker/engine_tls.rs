//! The way to the engine: TLS, users, several servers by name.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_rustls::rustls::HandshakeKind;
use tracker_ws::{Config, Server};

use crate::cluster::{connects, metric, node, pair, until_metric};
use crate::engine::Redis;
use crate::peer::*;
use crate::tls::{Identity, connector, dial, open};

/// Ports that nobody listens on, and that the system gives nobody who asks for any: those begin at 32768. Each is given once.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    std::array::from_fn(|_| {
        loop {
            let place = std::process::id() * 16 + NEXT.fetch_add(1, Ordering::Relaxed);
            let port = 10_000 + (place % 20_000) as u16;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    })
}

/// What `docs/cluster.md` says is enough.
const USER: &str = "tracker on >s,ecret ~shoal:* &shoal:* -@all +@read +@write +@pubsub +@connection";

/// An engine that wants TLS, a certificate and a user; its port.
async fn strict(server: &Identity, client: &Identity) -> (Redis, u16) {
    let [port] = free_ports();
    let (certificate, key, ca) = (server.certificate(), server.key(), client.certificate());
    let (port_text, users) = (port.to_string(), format!("--user {USER} --user default off"));
    let mut options = vec![
        "--tls-port",
        &port_text,
        "--tls-cert-file",
        certificate.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-ca-cert-file",
        ca.to_str().unwrap(),
        "--tls-auth-clients",
        "yes",
    ];
    options.extend(users.split(' '));
    let redis = Redis::start_with(&options).await;
    (redis, port)
}

#[tokio::test]
async fn an_engine_with_tls_and_users() {
    let ((server, _), (client, _)) = (Identity::new(), Identity::new());
    let (_redis, port) = strict(&server, &client).await;
    let [nobody] = free_ports();
    // The first of the two is not there.
    let engine = format!("rediss://tracker:s%2Cecret@127.0.0.1:{nobody},127.0.0.1:{port}");
    let secure = Config {
        cluster_ca: Some(server.certificate()),
        cluster_certificate: Some(client.certificate()),
        cluster_key: Some(client.key()),
        ..node(&engine)
    };
    let (first, second) = (start(secure.clone()).await, start(secure.clone()).await);
    let (mut a, mut b) = pair(&first, &second).await;
    connects(&mut a, &mut b, "one").await;
    let wrong_user = format!("rediss://tracker:other@127.0.0.1:{port}");
    for refused in [
        // Neither an engine that cannot be trusted, nor one that does not trust this node.
        Config {
            cluster_ca: Some(client.certificate()),
            ..secure.clone()
        },
        Config {
            cluster_ca: None,
            ..secure.clone()
        },
        Config {
            cluster_certificate: None,
            cluster_key: None,
            ..secure.clone()
        },
        Config {
            cluster: Some(wrong_user),
            ..secure.clone()
        },
        Config {
            cluster_ca: None,
            cluster_certificate: None,
            cluster_key: None,
            ..node(&engine.replace("rediss", "redis"))
        },
    ] {
        let url = start(refused).await;
        until_metric(&url, "tracker_cluster_failures_total", 2).await;
        assert_eq!(metric(&url, "tracker_cluster_connections_total").await, 0);
    }
}

#[tokio::test]
async fn who_comes_back_at_another_node_resumes() {
    let redis = Redis::start().await;
    let (identity, certificate) = Identity::new();
    let key = identity.folder.path().join("tracker.pem");
    let mut urls = Vec::new();
    for key in [&key, &key, &identity.folder.path().join("other.pem")] {
        let config = Config {
            cluster: Some(redis.url()),
            key: Some(key.clone()),
            create_key: true,
            ..identity.config()
        };
        urls.push(start(config).await);
    }
    let connector = connector(&certificate);
    // Each has learnt the secret within a moment of its first connection.
    let resumes = async |from: &str, to: &str| {
        let mut peer = open(from, &connector, 1).await;
        peer.connect(vec![join(A)]).await;
        let there = dial(to, &connector).await.unwrap();
        there.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    };
    within("resumed", async { while !resumes(&urls[0], &urls[1]).await {} }).await;
    within("resumed", async { while !resumes(&urls[1], &urls[0]).await {} }).await;
    // The secret in the engine is not all of it: without the tracker's key it opens nothing.
    assert!(!resumes(&urls[0], &urls[2]).await);
    let mut engine = redis.connection().await;
    let secret: String = redis::cmd("GET")
        .arg("shoal:tickets")
        .query_async(&mut engine)
        .await
        .unwrap();
    assert_eq!(secret.len(), 64);
}

#[tokio::test]
async fn files_for_tls_are_read_at_the_start() {
    let (identity, _) = Identity::new();
    let good = Config {
        cluster_ca: Some(identity.certificate()),
        cluster_certificate: Some(identity.certificate()),
        cluster_key: Some(identity.key()),
        ..node("rediss://engine.example")
    };
    assert!(Server::bind(good.clone()).await.is_ok());
    for (config, expected) in [
        (
            Config {
                cluster_ca: Some(identity.key()),
                ..good.clone()
            },
            format!(
                "cluster_ca: {}: has none (PEM, BEGIN CERTIFICATE)",
                identity.key().display()
            ),
        ),
        (
            Config {
                cluster_key: Some(identity.certificate()),
                ..good.clone()
            },
            format!(
                "cluster_key: {}: has none (PEM, BEGIN PRIVATE KEY)",
                identity.certificate().display()
            ),
        ),
        (
            Config {
                cluster_certificate: Some("/missing/c.pem".into()),
                ..good.clone()
            },
            "cluster_certificate: /missing/c.pem: cannot read it: No such file or directory (os error 2)"
                .to_owned(),
        ),
    ] {
        let error = Server::bind(config).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
