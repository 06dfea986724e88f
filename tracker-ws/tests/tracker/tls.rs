//! TLS of the tracker's own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};
use tracker_protocol::ErrorCode;
use tracker_ws::{Config, Server};

use crate::peer::*;
use crate::reload::logged;

/// A folder with a certificate and its key.
pub struct Identity {
    pub folder: TempDir,
}

impl Identity {
    pub fn new() -> (Self, CertificateDer<'static>) {
        let identity = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let certificate = identity.renew();
        (identity, certificate)
    }

    /// Puts another certificate, with another key, into the same files.
    pub fn renew(&self) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } = made();
        std::fs::write(self.certificate(), cert.pem()).unwrap();
        std::fs::write(self.key(), signing_key.serialize_pem()).unwrap();
        cert.der().clone()
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    pub fn config(&self) -> Config {
        Config {
            tls_certificate: Some(self.certificate()),
            tls_key: Some(self.key()),
            ..config()
        }
    }
}

fn made() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap()
}

/// Who trusts this certificate.
pub fn connector(certificate: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

pub async fn handshake(connector: &TlsConnector, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    within("handshake", connector.connect(name, stream)).await
}

pub async fn dial(url: &str, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    handshake(connector, TcpStream::connect(address(url)).await.unwrap()).await
}

pub async fn open(url: &str, connector: &TlsConnector, seed: u8) -> TestPeer {
    let stream = dial(url, connector).await.unwrap();
    TestPeer::open_over(url, url, stream, Key::new(seed))
        .await
        .unwrap()
}

async fn get(url: &str, connector: &TlsConnector, path: &str) -> String {
    let mut stream = dial(url, connector).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    // To its end: TLS says goodbye, or this fails.
    within("response", stream.read_to_string(&mut response))
        .await
        .unwrap();
    response
}

#[tokio::test]
async fn peers_meet_over_tls() {
    let (identity, certificate) = Identity::new();
    let url = start(identity.config()).await;
    assert!(url.starts_with("wss://127.0.0.1:"), "{url}");
    let connector = connector(&certificate);
    let mut peers = [open(&url, &connector, 1).await, open(&url, &connector, 2).await];
    for peer in &mut peers {
        // They sign the wss: origin, and no other.
        let response = peer.connect(vec![join(A)]).await;
        assert_eq!(response.code, ErrorCode::NoError, "{response:?}");
    }
    let [one, two] = &mut peers;
    assert_eq!(listed(&two.find(A, None).await), [one.id()]);
    let response = get(&url, &connector, "/health").await;
    assert!(
        response.starts_with("HTTP/1.1 200 ") && response.ends_with("\r\n\r\nok\n"),
        "{response}"
    );
    let plain = format!("ws://{}", address(&url));
    let mut third = open(&url, &connector, 3).await;
    let ext = tracker_protocol::RequestExt {
        auth: Some(third.auth_for(&plain)),
        ..Default::default()
    };
    let response = third.ask(connect_body(vec![join(A)]), ext).await;
    assert_eq!(response.ext.reason.as_deref(), Some("bad-signature"));
}

#[tokio::test]
async fn failed_handshakes_are_counted_and_keep_nobody_waiting() {
    let (identity, certificate) = Identity::new();
    let url = start(Config {
        init_timeout: std::time::Duration::from_secs(3),
        ..identity.config()
    })
    .await;
    let connector = connector(&certificate);
    // Some say nothing; others are served meanwhile.
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(address(&url)).await.unwrap());
    }
    open(&url, &connector, 1).await;
    let mut rest = Vec::new();
    let mut plain = TcpStream::connect(address(&url)).await.unwrap();
    plain
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let _ = within("end", plain.read_to_end(&mut rest)).await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    let (_, other) = Identity::new();
    let stranger = super::tls::connector(&other);
    assert!(dial(&url, &stranger).await.is_err());
    for mut stream in silent {
        let _ = within("end", stream.read_to_end(&mut Vec::new())).await;
    }
    let text = get(&url, &connector, "/metrics").await;
    let count = |reason: &str| {
        let line = format!("tracker_sockets_refused_total{{reason=\"{reason}\"}} ");
        let count = text.lines().find_map(|found| found.strip_prefix(&line));
        count.map_or(0, |count| count.parse().unwrap())
    };
    assert_eq!((count("Handshake"), count("Tls")), (10, 2), "{text}");
}

#[tokio::test]
async fn who_is_one_too_many_costs_no_handshake() {
    let (identity, certificate) = Identity::new();
    let url = start(Config {
        max_sockets: 1,
        ..identity.config()
    })
    .await;
    let connector = connector(&certificate);
    let _open = open(&url, &connector, 1).await;
    assert!(dial(&url, &connector).await.is_err());
}

#[tokio::test]
async fn another_certificate_is_shown_and_sockets_stay() {
    let (identity, first) = Identity::new();
    let config = identity.config();
    let (url, reload) = start_with_reload(config.clone()).await;
    let before = connector(&first);
    let mut peer = open(&url, &before, 1).await;
    assert_eq!(peer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
    // Nothing has changed, and who was here resumes.
    assert!(reload.apply(config.clone()).unwrap().applied.is_empty());
    let resumed = dial(&url, &before).await.unwrap();
    assert_eq!(resumed.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    let second = identity.renew();
    let changes = reload.apply(config.clone()).unwrap();
    assert_eq!(changes.applied, ["tls_certificate: another certificate"]);
    let resumed = dial(&url, &before).await.unwrap();
    assert_eq!(resumed.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    let after = connector(&second);
    assert!(dial(&url, &connector(&first)).await.is_err());
    let mut newcomer = open(&url, &after, 2).await;
    assert_eq!(newcomer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
    assert_eq!(listed(&peer.find(A, None).await), [newcomer.id()]);
    // What cannot be used changes nothing.
    std::fs::write(identity.key(), made().signing_key.serialize_pem()).unwrap();
    let error = reload
        .apply(Config {
            max_peers: 1,
            ..config
        })
        .unwrap_err();
    assert_eq!(error.key, "tls_key");
    open(&url, &after, 3).await;
    assert_eq!(peer.find(A, None).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn sighup_reads_the_certificate_again() {
    let (identity, first) = Identity::new();
    let (certificate, key) = (identity.certificate(), identity.key());
    let mut child = Command::new(env!("CARGO_BIN_EXE_tracker-ws"))
        .args(["--listen", "127.0.0.1:0"])
        .args([Path::new("--tls-certificate"), &certificate])
        .args([Path::new("--tls-key"), &key])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within("first line", said.next_line()).await.unwrap().unwrap();
    let url = line.strip_prefix("tracker-ws listening on ").unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut peer = open(url, &connector(&first), 1).await;
    let second = identity.renew();
    let pid = child.id().unwrap().to_string();
    let sent = std::process::Command::new("kill").args(["-HUP", &pid]).status();
    assert!(sent.unwrap().success());
    logged(&mut log, "settings changed: tls_certificate: another certificate").await;
    assert!(get(url, &connector(&second), "/health").await.ends_with("ok\n"));
    assert_eq!(peer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said() {
    let (identity, _) = Identity::new();
    let good = identity.config();
    let write = |name: &str, text: &str| {
        let path = identity.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let missing = identity.folder.path().join("missing.pem");
    let empty = write("empty.pem", "hello\n");
    let cut = write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let cut_key = write("cut-key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n");
    let nonsense = write(
        "nonsense.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let nonsense_key = write(
        "nonsense-key.pem",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    let other_key = write("other-key.pem", &made().signing_key.serialize_pem());
    for (certificate, key, expected) in [
        (
            &missing,
            &identity.key(),
            "tls_certificate: {}: cannot read it: No such file",
        ),
        (
            &identity.folder.path().to_owned(),
            &identity.key(),
            "tls_certificate: {}: cannot read it: Is a directory",
        ),
        (
            &empty,
            &identity.key(),
            "tls_certificate: {}: has no certificate (PEM, BEGIN CERTIFICATE)",
        ),
        (
            &identity.key(),
            &identity.key(),
            "tls_certificate: {}: has no certificate",
        ),
        (&cut, &identity.key(), "tls_certificate: {}: not PEM: "),
        (
            &nonsense,
            &identity.key(),
            "tls_certificate: {}: its first one: BadEncoding",
        ),
    ] {
        let error = refused(&good, certificate, key).await;
        let expected = expected.replace("{}", &certificate.display().to_string());
        assert!(error.starts_with(&expected), "{expected}\n{error}");
    }
    for (key, expected) in [
        (&missing, "tls_key: {}: cannot read it: No such file"),
        (
            &identity.certificate(),
            "tls_key: {}: has no private key (PEM, BEGIN PRIVATE KEY)",
        ),
        (&cut_key, "tls_key: {}: not PEM: "),
        (&nonsense_key, "tls_key: {}: cannot be used: "),
        (&other_key, "tls_key: {}: is not the key of "),
    ] {
        let error = refused(&good, &identity.certificate(), key).await;
        let expected = expected.replace("{}", &key.display().to_string());
        assert!(error.starts_with(&expected), "{expected}\n{error}");
    }
}

async fn refused(good: &Config, certificate: &Path, key: &Path) -> String {
    let bound = Server::bind(Config {
        tls_certificate: Some(certificate.to_owned()),
        tls_key: Some(key.to_owned()),
        ..good.clone()
    });
    bound.await.err().expect("an error").to_string()
}
