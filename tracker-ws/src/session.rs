//! One socket: proves who the peer is, limits its rate, carries frames both ways.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use rand::Rng;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tracker_protocol::{
    Bye, ErrorCode, Event, Hello, KEY_BLOB_LEN, Limits, MAX_FRAME, MAX_OFFERS, MAX_PEERS, MAX_SDP, NONCE_LEN,
    Request, RequestBody, Response, SUPPORTS_CERT, SUPPORTS_CHUNK_MAP, SUPPORTS_OFFERS, SUPPORTS_SIGNAL,
    SUPPORTS_STATUS, encode_base64url,
};

use crate::auth;
use crate::certificates::wanted_certificates;
use crate::clock::Clock;
use crate::limits::{Bucket, Rate};
use crate::metrics::Refusal;
use crate::registry::{Delivery, Outgoing, SessionId};
use crate::server::{Shared, stopped};

/// Extensions of the WebSocket face.
const SUPPORTS: [&str; 5] = [
    SUPPORTS_SIGNAL,
    SUPPORTS_OFFERS,
    SUPPORTS_CERT,
    SUPPORTS_CHUNK_MAP,
    SUPPORTS_STATUS,
];
/// Malformed frames, and wrong proofs, that end a session.
const MAX_STRIKES: u32 = 3;
/// Refusals for going too fast, before the socket is closed.
const PATIENCE: Rate = Rate {
    per_second: 10,
    burst: 100,
};
/// Pings without any sign of life in return.
const MAX_MISSED: u32 = 2;

/// Ways to the tasks of open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<SessionId, Handle>>,
}

#[derive(Debug)]
struct Handle {
    queue: mpsc::Sender<Delivery>,
    overflow: Arc<Notify>,
}

impl Sessions {
    /// Queues for each session what is for it. A session whose queue is full is ended: its reader is too slow.
    pub(crate) fn deliver(&self, out: Vec<Outgoing>) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for Outgoing { to, what } in out {
            if let Some(handle) = open.get(&to)
                && let Err(mpsc::error::TrySendError::Full(_)) = handle.queue.try_send(what)
            {
                handle.overflow.notify_one();
            }
        }
    }

    fn insert(&self, id: SessionId, handle: Handle) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, handle);
    }

    fn remove(&self, id: SessionId) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

/// How a session ends.
#[derive(Clone, Copy, Debug)]
struct End {
    code: CloseCode,
    reason: &'static str,
    metric: Option<Refusal>,
}

fn end(code: CloseCode, reason: &'static str, metric: Option<Refusal>) -> End {
    End { code, reason, metric }
}

struct Session<'a> {
    shared: &'a Shared,
    id: SessionId,
    origins: Vec<String>,
    nonce: [u8; NONCE_LEN],
    /// Of the peer this socket has proven to be.
    key_blob: Option<[u8; KEY_BLOB_LEN]>,
    strikes: u32,
    requests: Bucket,
    signals: Bucket,
    patience: Bucket,
}

/// Runs a session until its socket ends. `local` is the address the peer connected to.
pub(crate) async fn run(
    shared: &Shared,
    mut socket: WebSocketStream<TcpStream>,
    id: SessionId,
    local: SocketAddr,
) {
    let (queue, mut outgoing) = mpsc::channel(shared.config.queue);
    let overflow = Arc::new(Notify::new());
    shared.sessions.insert(
        id,
        Handle {
            queue,
            overflow: overflow.clone(),
        },
    );
    let now = shared.clock.now();
    let mut nonce = [0; NONCE_LEN];
    shared.random(|rng| rng.fill_bytes(&mut nonce));
    let mut session = Session {
        shared,
        id,
        origins: origins(&shared.config.origins, local),
        nonce,
        key_blob: None,
        strikes: 0,
        requests: Bucket::new(now, shared.config.requests),
        signals: Bucket::new(now, shared.config.signals),
        patience: Bucket::new(now, PATIENCE),
    };
    let ended = tokio::select! {
        ended = session.serve(&mut socket, &mut outgoing) => ended,
        () = overflow.notified() => Some(end(CloseCode::Policy, "reads too slowly", Some(Refusal::SlowReader))),
    };
    shared.sessions.remove(id);
    shared.registry().detach(shared.clock.now(), id);
    if let Some(End { code, reason, metric }) = ended {
        tracing::debug!(session = id, reason, "closing");
        if let Some(metric) = metric {
            shared.metrics.refused(metric);
        }
        close(&mut socket, code, reason, shared).await;
    }
}

/// Says goodbye and waits, not for long, for the other side to do the same.
async fn close(
    socket: &mut WebSocketStream<TcpStream>,
    code: CloseCode,
    reason: &'static str,
    shared: &Shared,
) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let farewell = async {
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let patience = shared.config.send_timeout.min(std::time::Duration::from_secs(2));
    // However it ends, the socket is dropped.
    let _ = timeout(patience, farewell).await;
}

/// Origins a peer may have signed.
pub(crate) fn origins(configured: &[String], local: SocketAddr) -> Vec<String> {
    let mut origins = configured.to_vec();
    // The default port is left out, as in every URL's origin.
    let port = if local.port() == 80 {
        String::new()
    } else {
        format!(":{}", local.port())
    };
    match local {
        SocketAddr::V4(address) => origins.push(format!("ws://{}{port}", address.ip())),
        SocketAddr::V6(address) => match address.ip().to_ipv4_mapped() {
            Some(mapped) => origins.push(format!("ws://{mapped}{port}")),
            None => origins.push(format!("ws://[{}]{port}", address.ip())),
        },
    }
    if local.ip().to_canonical().is_loopback() {
        origins.push(format!("ws://localhost{port}"));
    }
    origins
}

impl Session<'_> {
    /// Returns how to close the socket; `None` when the other side has.
    async fn serve(
        &mut self,
        socket: &mut WebSocketStream<TcpStream>,
        outgoing: &mut mpsc::Receiver<Delivery>,
    ) -> Option<End> {
        let shared = self.shared;
        let config = &shared.config;
        let mut shutdown = shared.shutdown.clone();
        let mut ping = interval_at(Instant::now() + config.ping_interval, config.ping_interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut missed = 0;
        // Runs while the peer is not registered.
        let mut init_deadline = Some(Instant::now() + config.init_timeout);
        if let Err(ended) = self.send(socket, Message::text(self.hello())).await {
            return ended;
        }
        loop {
            let init = async {
                match init_deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What the registry said last is sent before the next request is read.
                biased;
                Some(delivery) = outgoing.recv() => match delivery {
                    Delivery::Frame(frame) => {
                        if let Err(ended) = self.send(socket, Message::text(frame)).await {
                            return ended;
                        }
                    }
                    Delivery::Close(code, reason) => return Some(end(code.into(), reason, None)),
                },
                () = stopped(&mut shutdown) => {
                    let bye = Bye {
                        code: ErrorCode::Unavailable,
                        retry_after: None,
                        reason: Some("tracker shuts down".to_owned()),
                    };
                    if let Ok(frame) = Event::Bye(bye).encode() {
                        let _ = self.send(socket, Message::text(frame)).await;
                    }
                    return Some(end(CloseCode::Away, "tracker shuts down", None));
                }
                _ = ping.tick() => {
                    if missed >= MAX_MISSED {
                        return Some(end(CloseCode::Policy, "no sign of life", Some(Refusal::Silent)));
                    }
                    missed += 1;
                    if let Err(ended) = self.send(socket, Message::Ping(Bytes::new())).await {
                        return ended;
                    }
                }
                () = init => return Some(end(CloseCode::Policy, "no CONNECT in time", Some(Refusal::Silent))),
                message = socket.next() => {
                    missed = 0;
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            if let Err(ended) = self.frame(text.as_str()) {
                                self.flush(socket, outgoing).await;
                                return Some(ended);
                            }
                        }
                        Some(Ok(Message::Binary(_))) => {
                            return Some(end(CloseCode::Unsupported, "text frames only", Some(Refusal::Malformed)));
                        }
                        Some(Ok(_)) => {}
                        Some(Err(Error::Capacity(_))) => {
                            return Some(end(CloseCode::Size, "frame longer than 65536", Some(Refusal::Malformed)));
                        }
                        Some(Err(Error::Utf8(_))) => {
                            return Some(end(CloseCode::Invalid, "not UTF-8", Some(Refusal::Malformed)));
                        }
                        Some(Err(_)) | None => return None,
                    }
                    init_deadline = match self.shared.registry().is_registered(self.id) {
                        true => None,
                        false => init_deadline.or(Some(Instant::now() + config.init_timeout)),
                    };
                }
            }
        }
    }

    async fn send(
        &self,
        socket: &mut WebSocketStream<TcpStream>,
        message: Message,
    ) -> Result<(), Option<End>> {
        match timeout(self.shared.config.send_timeout, socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some(end(
                CloseCode::Policy,
                "reads too slowly",
                Some(Refusal::SlowReader),
            ))),
        }
    }

    /// Sends the answers that wait, before the socket is closed.
    async fn flush(&self, socket: &mut WebSocketStream<TcpStream>, outgoing: &mut mpsc::Receiver<Delivery>) {
        while let Ok(Delivery::Frame(frame)) = outgoing.try_recv() {
            if self.send(socket, Message::text(frame)).await.is_err() {
                return;
            }
        }
    }

    fn hello(&self) -> String {
        let hello = Hello {
            nonce: encode_base64url(&self.nonce),
            time: Clock::unix_ms(),
            supports: SUPPORTS.map(str::to_owned).to_vec(),
            limits: Limits {
                frame: MAX_FRAME as u64,
                offers: MAX_OFFERS as u64,
                peers: MAX_PEERS,
                sdp: MAX_SDP as u64,
            },
            tracker_key: Some(self.shared.certificates.key().public_text()),
        };
        // A few hundred bytes always fit.
        Event::Hello(hello).encode().unwrap_or_default()
    }

    fn frame(&mut self, frame: &str) -> Result<(), End> {
        let now = self.shared.clock.now();
        let request = match Request::decode(frame) {
            Ok(request) => request,
            Err(refused) => {
                tracing::debug!(session = self.id, error = %refused, "malformed frame");
                self.answer("malformed", &refused.response());
                return self.strike("three malformed frames");
            }
        };
        let kind = request.body.request_type();
        let offers = request.ext.offers.len() as u64;
        // A signature costs the tracker more than all the rest of a request.
        let cost = wanted_certificates(&request).count().max(1) as u64;
        let in_time = match &request.body {
            RequestBody::Signal(_) => self.signals.take(now, 1),
            _ => self.requests.take(now, cost) && (offers == 0 || self.signals.take(now, offers)),
        };
        if !in_time {
            let mut response = Response::failed(
                &request.transaction_id,
                ErrorCode::Unavailable,
                "too-many-requests",
            );
            response.ext.retry_after = Some(1);
            self.answer(kind, &response);
            return match self.patience.take(now, 1) {
                true => Ok(()),
                false => Err(end(CloseCode::Policy, "floods", Some(Refusal::Flood))),
            };
        }
        let mut out = Vec::new();
        if self.key_blob.is_none() {
            let proof = match &request.body {
                RequestBody::Connect(_) => auth::verify(
                    request.ext.auth.as_ref(),
                    &request.peer_id,
                    &self.nonce,
                    &self.origins,
                ),
                _ => Err(auth::AuthError::Missing),
            };
            match proof {
                Ok(key_blob) => self.key_blob = Some(key_blob),
                Err(error) => {
                    let code = ErrorCode::AuthenticationRequired;
                    self.answer(
                        kind,
                        &Response::failed(&request.transaction_id, code, &error.to_string()),
                    );
                    return self.strike("not authenticated");
                }
            }
            self.shared
                .registry()
                .attach(now, self.id, &request.peer_id, &mut out);
        }
        let certificates = match &self.key_blob {
            Some(key_blob) => self.shared.certificates_for(key_blob, &request),
            None => Vec::new(),
        };
        let code = self
            .shared
            .registry()
            .request(now, self.id, &request, frame, certificates, &mut out);
        self.shared.metrics.answered(kind, code);
        let pushes = out.iter().filter(|outgoing| outgoing.to != self.id).count();
        self.shared.metrics.pushed(pushes as u64);
        self.shared.sessions.deliver(out);
        Ok(())
    }

    fn strike(&mut self, reason: &'static str) -> Result<(), End> {
        self.strikes += 1;
        if self.strikes < MAX_STRIKES {
            return Ok(());
        }
        Err(end(CloseCode::Policy, reason, Some(Refusal::Malformed)))
    }

    fn answer(&self, kind: &'static str, response: &Response) {
        self.shared.metrics.answered(kind, response.code);
        if let Ok(frame) = response.encode() {
            self.shared.sessions.deliver(vec![Outgoing {
                to: self.id,
                what: Delivery::Frame(frame),
            }]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_of_urls() {
        let of = |address: &str| origins(&["wss://t.example".to_owned()], address.parse().unwrap());
        assert_eq!(
            of("127.0.0.1:8000"),
            ["wss://t.example", "ws://127.0.0.1:8000", "ws://localhost:8000"]
        );
        assert_eq!(of("192.0.2.1:80"), ["wss://t.example", "ws://192.0.2.1"]);
        assert_eq!(
            of("[::1]:81"),
            ["wss://t.example", "ws://[::1]:81", "ws://localhost:81"]
        );
        assert_eq!(
            of("[::ffff:192.0.2.1]:81"),
            ["wss://t.example", "ws://192.0.2.1:81"]
        );
    }
}
