//! Closed swarms: who has a token of the portal's may be in those that it names.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ed25519_dalek::Signer as _;
use p256::pkcs8::{EncodePublicKey, LineEnding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tracker_protocol::*;
use tracker_ws::{Config, Server, SwarmPolicy};

use crate::http::get;
use crate::peer::*;
use crate::poster::Poster;

const ORIGIN: &str = "wss://t.example";
const ISSUER: &str = "https://portal.example";

#[expect(clippy::disallowed_methods, reason = "tokens tell the time of day")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The portal, with a key of each kind.
pub struct Portal {
    p256: p256::ecdsa::SigningKey,
    ed25519: ed25519_dalek::SigningKey,
}

impl Portal {
    pub fn new(seed: u8) -> Self {
        Self {
            p256: p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap(),
            ed25519: ed25519_dalek::SigningKey::from_bytes(&[seed; 32]),
        }
    }

    /// Both public keys, PEM.
    fn pem(&self) -> String {
        let p256 = self.p256.verifying_key().to_public_key_pem(LineEnding::LF);
        let ed25519 = self.ed25519.verifying_key().to_public_key_pem(LineEnding::LF);
        p256.unwrap() + &ed25519.unwrap()
    }

    /// Both public keys, with names.
    pub fn jwk_set(&self) -> Value {
        let point = self.p256.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        let ed25519 = encode_base64url(self.ed25519.verifying_key().as_bytes());
        json!({"keys": [
            {"kty":"RSA","n":"AQAB","e":"AQAB","kid":"other"},
            {"kty":"EC","crv":"P-256","x":encode_base64url(x),"y":encode_base64url(y),"kid":"p","use":"sig","alg":"ES256"},
            {"kty":"OKP","crv":"Ed25519","x":ed25519,"kid":"e"},
        ]})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let encoded = |value: &Value| encode_base64url(value.to_string().as_bytes());
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = match header["alg"].as_str().unwrap() {
            "EdDSA" => self.ed25519.sign(signed.as_bytes()).to_bytes().to_vec(),
            // The attack on those who take a public key for the secret of an HMAC.
            "HS256" => hmac(self.pem().as_bytes(), signed.as_bytes()),
            "none" => Vec::new(),
            _ => {
                let signature: p256::ecdsa::Signature = self.p256.sign(signed.as_bytes());
                signature.to_bytes().to_vec()
            }
        };
        format!("{signed}.{}", encode_base64url(&signature))
    }

    pub fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg":"ES256","typ":"JWT"}), claims)
    }
}

/// RFC 2104, with SHA-256.
fn hmac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    match key.len() > 64 {
        true => block[..32].copy_from_slice(&Sha256::digest(key)),
        false => block[..key.len()].copy_from_slice(key),
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::digest([&pad(0x36)[..], bytes].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}

/// What lets a peer into swarm A.
pub fn claims(peer_id: &str) -> Value {
    json!({"iss":ISSUER,"aud":ORIGIN,"sub":"viewer-4711","cnf":{"kid":peer_id},
        "swarms":[A],"modes":["LEECH"],"iat":now(),"nbf":now(),"exp":now() + 3600,"jti":"b1f0"})
}

/// The claims with some that are others; null takes one away.
fn with(mut claims: Value, others: &Value) -> Value {
    for (name, value) in others.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub fn closed(folder: &TempDir, portal: &Portal) -> Config {
    let keys = folder.path().join("portal.pem");
    std::fs::write(&keys, portal.pem()).unwrap();
    Config {
        swarm_policy: SwarmPolicy::Token,
        token_keys: vec![keys],
        token_issuers: vec![ISSUER.to_owned()],
        origins: vec![ORIGIN.to_owned()],
        denied_tokens: vec!["stolen".to_owned()],
        ..config()
    }
}

/// Tokens of peer 1 for swarm A, and what is said to them.
fn table(portal: &Portal) -> Vec<(&'static str, Option<String>, Option<&'static str>)> {
    let peer = Key::new(1).id;
    let other = Key::new(2).id;
    let good = claims(&peer);
    let portal_of_nobody = Portal::new(99);
    let but = |others: Value| Some(portal.token(&with(claims(&peer), &others)));
    let signed = |header: Value| Some(portal.sign(&header, &good));
    let cut = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
    let forged = {
        let token = portal.token(&claims(&other));
        let (_, signature) = token.rsplit_once('.').unwrap();
        let (signed, _) = portal
            .token(&good)
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        Some(format!("{signed}.{signature}"))
    };
    let (early, late) = (json!({"exp":now() - 30}), json!({"exp":now() - 90}));
    vec![
        ("good", but(json!({})), None),
        ("EdDSA", signed(json!({"alg":"EdDSA"})), None),
        ("expired within the skew", but(early), None),
        ("not yet, within the skew", but(json!({"nbf":now() + 30})), None),
        ("fractions", but(json!({"exp":now() as f64 + 3.5})), None),
        (
            "several audiences",
            but(json!({"aud":["wss://o.example", ORIGIN]})),
            None,
        ),
        (
            "no optional claims",
            but(json!({"nbf":null,"iat":null,"sub":null,"jti":null})),
            None,
        ),
        ("none", None, Some("token-missing")),
        ("empty", Some(String::new()), Some("token-missing")),
        ("not a JWS", Some("token".to_owned()), Some("token-invalid")),
        ("no signature", cut(&portal.token(&good)), Some("token-invalid")),
        ("of another", forged, Some("token-invalid")),
        (
            "one part more",
            but(json!({})).map(|token| token + ".AAAA"),
            Some("token-invalid"),
        ),
        (
            "wrong key",
            Some(portal_of_nobody.token(&good)),
            Some("token-invalid"),
        ),
        ("alg none", signed(json!({"alg":"none"})), Some("token-invalid")),
        ("HS256", signed(json!({"alg":"HS256"})), Some("token-invalid")),
        ("ES384", signed(json!({"alg":"ES384"})), Some("token-invalid")),
        (
            "EdDSA, signed as ES256",
            signed(json!({"alg":"Ed25519"})),
            Some("token-invalid"),
        ),
        (
            "crit",
            signed(json!({"alg":"ES256","crit":["b64"],"b64":false})),
            Some("token-invalid"),
        ),
        ("expired", but(late), Some("token-expired")),
        ("long expired", but(json!({"exp":0})), Some("token-expired")),
        ("no exp", but(json!({"exp":null})), Some("token-invalid")),
        (
            "exp in words",
            but(json!({"exp":"tomorrow"})),
            Some("token-invalid"),
        ),
        ("exp below zero", but(json!({"exp":-1})), Some("token-invalid")),
        (
            "not yet",
            but(json!({"nbf":now() + 90})),
            Some("token-not-yet-valid"),
        ),
        (
            "wrong aud",
            but(json!({"aud":"wss://o.example"})),
            Some("token-for-other-tracker"),
        ),
        ("no aud", but(json!({"aud":null})), Some("token-invalid")),
        (
            "wrong iss",
            but(json!({"iss":"https://o.example"})),
            Some("token-of-other-issuer"),
        ),
        ("no iss", but(json!({"iss":null})), Some("token-of-other-issuer")),
        (
            "another peer's",
            but(json!({"cnf":{"kid":other}})),
            Some("token-not-bound"),
        ),
        ("not bound", but(json!({"cnf":null})), Some("token-invalid")),
        ("denied", but(json!({"jti":"stolen"})), Some("token-revoked")),
        (
            "another swarm",
            but(json!({"swarms":[B]})),
            Some("swarm-not-covered"),
        ),
        ("no swarm", but(json!({"swarms":[]})), Some("swarm-not-covered")),
        (
            "another mode",
            but(json!({"modes":["SEEDER"]})),
            Some("mode-not-covered"),
        ),
        ("no mode", but(json!({"modes":[]})), Some("mode-not-covered")),
        (
            "too long",
            but(json!({"more":"x".repeat(16_384)})),
            Some("token-invalid"),
        ),
    ]
}

fn check(what: &str, response: &Response, reason: Option<&str>) {
    let code = match reason {
        None => ErrorCode::NoError,
        Some("swarm-not-covered" | "mode-not-covered") => ErrorCode::Forbidden,
        Some(_) => ErrorCode::AuthenticationRequired,
    };
    let said = (response.code, response.ext.reason.as_deref());
    assert_eq!(said, (code, reason), "{what}");
}

#[tokio::test]
async fn tokens_on_sockets() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let url = start(closed(&folder, &portal)).await;
    for (what, token, reason) in table(&portal) {
        let mut peer = TestPeer::open(&url, 1).await;
        peer.token = token;
        check(what, &peer.connect(vec![join(A)]).await, reason);
    }
    let text = get(&url, "/metrics").await;
    let line = "tracker_requests_denied_total{reason=\"token-expired\"} 2\n";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn tokens_in_posted_requests_and_their_heads() {
    for in_head in [false, true] {
        let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
        let url = start(closed(&folder, &portal)).await;
        let mut poster = Poster::new(&url, 1).await;
        for (what, token, reason) in table(&portal) {
            match token {
                // A head must not be that long.
                Some(token) if in_head && token.len() > 4096 => continue,
                Some(token) if in_head => poster.head = format!("Authorization: Bearer {token}\r\n"),
                None if in_head => poster.head = "Authorization: Basic YTpi\r\n".to_owned(),
                token => poster.token = token,
            }
            check(what, &poster.connect(vec![join(A)]).await, reason);
        }
    }
}

#[tokio::test]
async fn keys_are_known_by_their_names() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let keys = folder.path().join("jwks.json");
    std::fs::write(&keys, portal.jwk_set().to_string()).unwrap();
    let url = start(Config {
        token_keys: vec![keys],
        ..closed(&folder, &portal)
    })
    .await;
    for (header, reason) in [
        (json!({"alg":"ES256","kid":"p"}), None),
        (json!({"alg":"EdDSA","kid":"e"}), None),
        (json!({"alg":"ES256"}), None),
        (json!({"alg":"ES256","kid":"e"}), Some("token-invalid")),
        (json!({"alg":"ES256","kid":"other"}), Some("token-invalid")),
        (json!({"alg":"none","kid":"p"}), Some("token-invalid")),
    ] {
        let mut peer = TestPeer::open(&url, 1).await;
        peer.token = Some(portal.sign(&header, &claims(peer.id())));
        check(&header.to_string(), &peer.connect(vec![join(A)]).await, reason);
    }
}

#[tokio::test]
async fn what_a_token_does_not_cover_is_refused_on_the_socket_that_goes_on() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let url = start(closed(&folder, &portal)).await;
    let mut peer = TestPeer::open(&url, 1).await;
    peer.token = Some(portal.token(&claims(peer.id())));
    check("B", &peer.connect(vec![join(B)]).await, Some("swarm-not-covered"));
    check("A", &peer.connect(vec![join(A)]).await, None);
    check("B", &peer.find(B, None).await, Some("swarm-not-covered"));
    let seed = connect_action(A, Action::Join, PeerMode::Seeder);
    check("seeds", &peer.connect(vec![seed]).await, Some("mode-not-covered"));
    check(
        "both",
        &peer.connect(vec![join(A), join(B)]).await,
        Some("swarm-not-covered"),
    );
    let cert = RequestBody::Cert(B.to_owned());
    check(
        "certificate",
        &peer.ask(cert, RequestExt::default()).await,
        Some("swarm-not-covered"),
    );
    let mut signal = peer.signal(Kind::Offer, peer.id(), "x");
    signal.swarm = B.to_owned();
    check("signal", &peer.relay(signal).await, Some("swarm-not-covered"));
    // Nobody else's token, on a socket that is this peer's.
    let before = peer.token.replace(portal.token(&claims(&Key::new(2).id)));
    check(
        "other",
        &peer.connect(vec![join(A)]).await,
        Some("token-not-bound"),
    );
    peer.token = before;
    check("A", &peer.find(A, None).await, None);
}

#[tokio::test]
async fn a_token_that_ends_is_followed_by_another() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let url = start(closed(&folder, &portal)).await;
    let mut peer = TestPeer::open(&url, 1).await;
    // Some seconds are left of the skew.
    let ends = with(claims(peer.id()), &json!({"exp":now() - 53}));
    peer.token = Some(portal.token(&ends));
    check("in time", &peer.connect(vec![join(A)]).await, None);
    let refused = within("end", async {
        loop {
            let response = peer.find(A, None).await;
            if response.code != ErrorCode::NoError {
                break response;
            }
        }
    });
    check("late", &refused.await, Some("token-expired"));
    let report = RequestBody::StatReport(Vec::new());
    check(
        "report",
        &peer.ask(report, RequestExt::default()).await,
        Some("token-expired"),
    );
    check("same", &peer.connect(vec![join(A)]).await, Some("token-expired"));
    peer.token = Some(portal.token(&claims(peer.id())));
    check("another", &peer.connect(vec![join(A)]).await, None);
    check("find", &peer.find(A, None).await, None);
    // Leaving takes no token.
    peer.token = Some(portal.token(&with(claims(peer.id()), &json!({"swarms":[]}))));
    let leave = connect_action(A, Action::Leave, PeerMode::Leech);
    check("leave", &peer.connect(vec![leave]).await, None);
}

#[tokio::test]
async fn clocks_may_differ_by_what_is_set() {
    for (seconds, ended, ends) in [(0, 1, 600), (300, 310, -290)] {
        let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
        let url = start(Config {
            token_leeway: Duration::from_secs(seconds),
            ..closed(&folder, &portal)
        })
        .await;
        let mut peer = TestPeer::open(&url, 1).await;
        let good = claims(peer.id());
        for (what, change, reason) in [
            ("ended", json!({"exp":now() - ended}), Some("token-expired")),
            (
                "begins later",
                json!({"nbf":now() + seconds + 60}),
                Some("token-not-yet-valid"),
            ),
            (
                "has not ended",
                json!({"exp":now().saturating_add_signed(ends)}),
                None,
            ),
        ] {
            peer.token = Some(portal.token(&with(good.clone(), &change)));
            check(what, &peer.connect(vec![join(A)]).await, reason);
        }
    }
}

#[tokio::test]
async fn certificates_end_with_the_token() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let url = start(closed(&folder, &portal)).await;
    let ends = now() + 600;
    let mut peer = TestPeer::open(&url, 1).await;
    peer.token = Some(portal.token(&with(claims(peer.id()), &json!({"exp":ends}))));
    check("joins", &peer.connect(vec![join(A)]).await, None);
    let mut poster = Poster::new(&url, 2).await;
    poster.token = Some(portal.token(&with(claims(&poster.key.id), &json!({"exp":ends}))));
    check("joins", &poster.connect(vec![join(A)]).await, None);
    let wish = || RequestBody::Cert(A.to_owned());
    for response in [
        peer.ask(wish(), RequestExt::default()).await,
        poster.ask(wish(), RequestExt::default()).await,
    ] {
        let certificates: Vec<u64> = response.ext.certs.iter().map(|issued| issued.expires).collect();
        // With what clocks may differ by.
        assert_eq!(certificates, [ends + 60], "{response:?}");
    }
}

#[tokio::test]
async fn keys_and_denied_tokens_are_read_again() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let denied = folder.path().join("denied.txt");
    std::fs::write(&denied, "# none yet\n\n").unwrap();
    let config = Config {
        denied_tokens_file: Some(denied.clone()),
        ..closed(&folder, &portal)
    };
    let (url, reload) = start_with_reload(config.clone()).await;
    let mut peer = TestPeer::open(&url, 1).await;
    peer.token = Some(portal.token(&claims(peer.id())));
    check("joins", &peer.connect(vec![join(A)]).await, None);
    std::fs::write(&denied, "# lost\n  b1f0  \n").unwrap();
    let applied = reload.apply(config.clone()).unwrap().applied;
    assert_eq!(applied, ["swarm_policy: other swarms, keys or denied tokens"]);
    check("denied", &peer.find(A, None).await, Some("token-revoked"));
    let next = Portal::new(8);
    let mut token = portal.token(&with(claims(peer.id()), &json!({"jti":"b1f1"})));
    peer.token = Some(token);
    check("another", &peer.connect(vec![join(A)]).await, None);
    // Other keys: what they have not signed is no longer taken, what was lasts as long as it said.
    std::fs::write(&config.token_keys[0], next.pem()).unwrap();
    assert_eq!(reload.apply(config.clone()).unwrap().applied.len(), 1);
    check("goes on", &peer.find(A, None).await, None);
    check(
        "old key",
        &peer.connect(vec![join(A)]).await,
        Some("token-invalid"),
    );
    token = next.token(&with(claims(peer.id()), &json!({"jti":"b1f2"})));
    peer.token = Some(token);
    check("new key", &peer.connect(vec![join(A)]).await, None);
    assert!(reload.apply(config).unwrap().applied.is_empty());
}

#[tokio::test]
async fn who_came_before_tokens_were_needed_needs_one_then() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let after = closed(&folder, &portal);
    let before = Config {
        swarm_policy: SwarmPolicy::Open,
        ..after.clone()
    };
    let (url, reload) = start_with_reload(before).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    reload.apply(after).unwrap();
    check("find", &peer.find(A, None).await, Some("token-missing"));
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let good = closed(&folder, &portal);
    let key = |kty: &str, crv: &str, others: Value| {
        let key = with(json!({"kty":kty,"crv":crv}), &others);
        json!({"keys":[key]}).to_string()
    };
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned();
    let p384 = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned();
    let mut many = portal.jwk_set();
    many["keys"] = json!(vec![many["keys"][2].clone(); 17]);
    for (text, expected) in [
        (None, "cannot read it: No such file"),
        (Some(String::new()), "has no public key of P-256 or Ed25519"),
        (Some(private), "has no public key of P-256 or Ed25519"),
        (Some(p384), "has a public key that is neither"),
        (Some("-----BEGIN PUBLIC KEY-----\nAAAA\n".to_owned()), "not PEM: "),
        (Some("{".to_owned()), "not a JWK set: "),
        (Some("{}".to_owned()), "not a JWK set: missing field `keys`"),
        (Some("{\"keys\":[]}".to_owned()), "has no public key"),
        (Some("{\"keys\":[7]}".to_owned()), "keys[0]: "),
        (Some(key("RSA", "", json!({"n":"AQAB"}))), "has no public key"),
        (
            Some(key("EC", "P-256", json!({"x":"AQAB","y":"AQAB"}))),
            "keys[0]: is no point of its curve",
        ),
        (
            Some(key("OKP", "Ed25519", json!({}))),
            "keys[0]: is no point of its curve",
        ),
        (
            Some(key("OKP", "Ed25519", json!({"d":"AQAB"}))),
            "keys[0]: is a private key",
        ),
        (Some(many.to_string()), "more than 16 keys"),
    ] {
        let path = folder.path().join("keys");
        let _ = std::fs::remove_file(&path);
        if let Some(text) = &text {
            std::fs::write(&path, text).unwrap();
        }
        let bound = Server::bind(Config {
            token_keys: vec![path.clone()],
            ..good.clone()
        });
        let error = bound.await.err().expect("an error").to_string();
        let expected = format!("token_keys: {}: {expected}", path.display());
        assert!(error.starts_with(&expected), "{expected}\n{error}");
    }
}
