//! One peer's session on a socket: proves who it is, limits its rate, carries out its requests.

use std::net::{IpAddr, SocketAddr};

use rand::Rng;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
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
use crate::server::Shared;
use crate::socket::{Dialect, End, end};

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
/// Refusals for going too fast, before a socket is closed.
pub(crate) const PATIENCE: Rate = Rate {
    per_second: 10,
    burst: 100,
};
/// One peer on its socket.
pub(crate) struct Session<'a> {
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
    /// Where the connection comes from.
    from: IpAddr,
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

impl<'a> Session<'a> {
    /// The session of a new socket. `local` is the address the peer connected to, `from` the one it came from.
    pub(crate) fn new(shared: &'a Shared, id: SessionId, local: SocketAddr, from: IpAddr) -> Self {
        let now = shared.clock.now();
        let mut nonce = [0; NONCE_LEN];
        shared.random(|rng| rng.fill_bytes(&mut nonce));
        Self {
            shared,
            id,
            origins: origins(&shared.config.origins, local),
            nonce,
            key_blob: None,
            strikes: 0,
            requests: Bucket::new(now, shared.config.requests),
            signals: Bucket::new(now, shared.config.signals),
            patience: Bucket::new(now, PATIENCE),
            from,
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

    fn carry_out(&mut self, frame: &str) -> Result<(), End> {
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
                .attach(now, self.id, self.from, &request.peer_id, &mut out);
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

impl Dialect for Session<'_> {
    fn greeting(&self) -> Option<String> {
        Some(self.hello())
    }

    fn frame(&mut self, frame: &str) -> Result<(), End> {
        self.carry_out(frame)
    }

    fn is_registered(&self) -> bool {
        self.shared.registry().is_registered(self.id)
    }

    fn farewell(&self) -> Option<String> {
        let bye = Bye {
            code: ErrorCode::Unavailable,
            retry_after: None,
            reason: Some("tracker shuts down".to_owned()),
        };
        Event::Bye(bye).encode().ok()
    }

    fn ended(&mut self) {
        self.shared.registry().detach(self.shared.clock.now(), self.id);
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
