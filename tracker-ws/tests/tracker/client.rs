//! The peer's state machine against the tracker.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use tracker_protocol::client::{Client, ClientConfig, Input, Output, Status};
use tracker_protocol::{Kind, PeerMode, Signal, encode_base64url};

use crate::peer::*;
use crate::tokens::{Portal, claims, closed};

/// A driver as small as one can be.
struct Driver {
    key: Key,
    client: Client,
    socket: Option<WebSocketStream<TcpStream>>,
}

#[expect(clippy::disallowed_methods, reason = "the driver owns the clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

impl Driver {
    fn new(url: &str, seed: u8) -> Self {
        Self::with_trackers(vec![vec![url.to_owned()]], seed)
    }

    fn with_trackers(tiers: Vec<Vec<String>>, seed: u8) -> Self {
        Self::with_token(tiers, seed, None)
    }

    fn with_token(tiers: Vec<Vec<String>>, seed: u8, token: Option<String>) -> Self {
        let key = Key::new(seed);
        let mut config = ClientConfig::new(tiers, key.blob.clone(), u64::from(seed));
        config.token = token;
        Self {
            key,
            client: Client::new(config),
            socket: None,
        }
    }

    fn join(&mut self) {
        self.client.handle(
            now(),
            Input::Join {
                swarm: A.to_owned(),
                mode: PeerMode::Leech,
            },
        );
    }

    /// Carries on until an output is of interest.
    async fn until<T>(&mut self, what: &str, interest: impl Fn(&Output) -> Option<T>) -> T {
        #[expect(clippy::disallowed_methods, reason = "the driver owns the clock")]
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < Duration::from_secs(30), "timed out: {what}");
            let mut found = None;
            while let Some(output) = self.client.poll_output() {
                found = found.or_else(|| interest(&output));
                self.carry_out(output).await;
            }
            if let Some(found) = found {
                return found;
            }
            let wait = self.client.poll_timeout().unwrap().saturating_sub(now());
            let arrived = async {
                match &mut self.socket {
                    Some(socket) => socket.next().await,
                    None => std::future::pending().await,
                }
            };
            let input = match tokio::time::timeout(Duration::from_micros(wait), arrived).await {
                Err(_) => Input::Timeout,
                Ok(Some(Ok(Message::Text(text)))) => Input::Frame(text.as_str().to_owned()),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Ok(_) => {
                    self.socket = None;
                    Input::SocketClosed {
                        reason: "closed".to_owned(),
                    }
                }
            };
            self.client.handle(now(), input);
        }
    }

    async fn carry_out(&mut self, output: Output) {
        match output {
            Output::Open(url) => {
                let opened = match TcpStream::connect(address(&url)).await {
                    Ok(stream) => client_async(&url, stream).await.ok(),
                    Err(_) => None,
                };
                self.socket = opened.map(|(socket, _)| socket);
                let input = match self.socket {
                    Some(_) => Input::SocketOpen,
                    None => Input::SocketClosed {
                        reason: "refused".to_owned(),
                    },
                };
                self.client.handle(now(), input);
            }
            Output::Close => self.socket = None,
            Output::Send(frame) => {
                if let Some(socket) = &mut self.socket {
                    let _ = socket.send(Message::text(frame)).await;
                }
            }
            Output::SignAuth { attempt, bytes } => {
                let sig = self.key.sign(&bytes);
                self.client.handle(now(), Input::AuthSigned { attempt, sig });
            }
            _ => {}
        }
    }

    fn signal(&mut self, kind: Kind, to: &str) {
        let ts = self.client.time_ms(now());
        let mut signal = Signal::new(kind, A, &self.key.id, to, &encode_base64url(&[7; 16]), 0, ts);
        signal.sdp = Some("v=0\r\n".to_owned());
        self.client.handle(now(), Input::SendSignal(Box::new(signal)));
    }
}

fn joined(output: &Output) -> Option<()> {
    matches!(output, Output::Joined { .. }).then_some(())
}

fn received(output: &Output) -> Option<Signal> {
    match output {
        Output::Signal(signal) => Some((**signal).clone()),
        _ => None,
    }
}

#[tokio::test]
async fn two_clients_find_each_other_and_exchange_envelopes() {
    let url = start(config()).await;
    let (mut one, mut two) = (Driver::new(&url, 1), Driver::new(&url, 2));
    one.join();
    one.until("first joined", joined).await;
    two.join();
    let peers = two
        .until("list", |output| match output {
            Output::Peers { peers, .. } => Some(peers.clone()),
            _ => None,
        })
        .await;
    assert_eq!(
        peers.iter().map(|peer| &peer.peer_id).collect::<Vec<_>>(),
        [&one.key.id]
    );
    two.signal(Kind::Offer, &one.key.id);
    two.until("offer sent", |output| {
        matches!(output, Output::Send(_)).then_some(())
    })
    .await;
    let offer = one.until("offer", received).await;
    assert_eq!((offer.kind, &offer.from), (Kind::Offer, &two.key.id));
    one.signal(Kind::Answer, &offer.from);
    one.until("answer sent", |output| {
        matches!(output, Output::Send(_)).then_some(())
    })
    .await;
    assert_eq!(two.until("answer", received).await.kind, Kind::Answer);
}

#[tokio::test]
async fn a_client_is_given_a_certificate_and_the_size_of_the_swarm() {
    let url = start(config()).await;
    let mut client = Driver::new(&url, 1);
    client.join();
    let outputs = std::cell::RefCell::new(Vec::new());
    client
        .until("size", |output| {
            outputs.borrow_mut().push(output.clone());
            let size = Output::SwarmSize {
                swarm: A.to_owned(),
                members: 1,
            };
            (*output == size).then_some(())
        })
        .await;
    let outputs = outputs.into_inner();
    let certificate = outputs.iter().find_map(|output| match output {
        Output::Certificate {
            swarm,
            certificate,
            expires,
        } if swarm == A => Some((certificate, *expires)),
        _ => None,
    });
    let (certificate, expires) = certificate.expect("a certificate");
    let parsed = certificate::parse(certificate).unwrap();
    assert_eq!(parsed.membership.key_blob[..], client.key.blob);
    assert_eq!(parsed.membership.not_after, expires);
    let has_key =
        |output: &Output| matches!(output, Output::Joined { tracker_key: Some(key), .. } if key.len() == 65);
    assert!(outputs.iter().any(has_key));
}

#[tokio::test]
async fn a_client_survives_the_death_of_its_tracker() {
    let (url, shutdown) = start_with_shutdown(config()).await;
    let mut client = Driver::new(&url, 1);
    client.join();
    client.until("joined", joined).await;
    shutdown.stop();
    client
        .until("lost", |output| {
            matches!(output, Output::Lost { .. }).then_some(())
        })
        .await;
    assert_eq!(client.client.status(), Status::Reconnect);
    // A new tracker at the same address, as soon as the port is free again.
    let mut again = config();
    again.listen = address(&url).parse().unwrap();
    loop {
        match tracker_ws::Server::bind(again.clone()).await {
            Ok(server) => break drop(tokio::spawn(server.run())),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    client.until("joined again", joined).await;
}

#[tokio::test]
async fn a_tracker_that_drains_names_the_next() {
    let others = [start(config()).await, start(config()).await];
    let (url, shutdown) = start_with_shutdown(tracker_ws::Config {
        drain_period: Duration::ZERO,
        drain_to: Some(others[1].clone()),
        ..config()
    })
    .await;
    let tiers = [&url, &others[0], &others[1]].map(|url| vec![url.clone()]);
    let mut client = Driver::with_trackers(tiers.to_vec(), 1);
    client.join();
    client.until("joined", joined).await;
    shutdown.drain();
    let opened = client
        .until("moves", |output| match output {
            Output::Open(url) => Some(url.clone()),
            _ => None,
        })
        .await;
    assert_eq!(opened, others[1]);
    client.until("joined again", joined).await;
}

#[tokio::test]
async fn a_closed_swarm_takes_who_has_a_token_and_others_give_up() {
    let (folder, portal) = (tempfile::tempdir().unwrap(), Portal::new(7));
    let url = start(closed(&folder, &portal)).await;
    let tiers = || vec![vec![url.clone()]];
    let mut member = Driver::with_token(tiers(), 1, Some(portal.token(&claims(&Key::new(1).id))));
    member.join();
    member.until("joined", joined).await;
    let refused = |output: &Output| match output {
        Output::Refused { swarm, reason, .. } => Some((swarm.clone(), reason.clone())),
        _ => None,
    };
    // Without a token, with one that was stolen, with one of another swarm.
    let stolen = portal.token(&claims(&Key::new(1).id));
    let mut other = claims(&Key::new(2).id);
    other["swarms"] = serde_json::json!([B]);
    for (token, swarm, expected) in [
        (None, None, "token-missing"),
        (Some(stolen), None, "token-not-bound"),
        (
            Some(portal.token(&other)),
            Some(A.to_owned()),
            "swarm-not-covered",
        ),
    ] {
        let mut client = Driver::with_token(tiers(), 2, token);
        client.join();
        let (of, reason) = client.until(expected, refused).await;
        assert!(of == swarm && reason.contains(expected), "{reason}");
        assert_eq!(client.client.poll_timeout(), None);
    }
}
