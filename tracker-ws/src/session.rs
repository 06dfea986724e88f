//! One peer's session on a socket: proves who it is, limits its rate, carries out its requests.

use std::net::{IpAddr, SocketAddr};

use rand::Rng;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracker_protocol::server::Timestamp;
use tracker_protocol::{
    Bye, Config as EventConfig, ErrorCode, Event, Hello, KEY_BLOB_LEN, Kind, Limits, MAX_FRAME, MAX_PEERS,
    NONCE_LEN, Request, RequestBody, Response, SUPPORTS_CERT, SUPPORTS_CHUNK_MAP, SUPPORTS_CONFIG,
    SUPPORTS_OFFERS, SUPPORTS_SIGNAL, SUPPORTS_STATUS, Signal, encode_base64url,
};

use crate::access::Access;
use crate::auth;
use crate::certificates::wanted_certificates;
use crate::clock::Clock;
use crate::config::Config;
use crate::envelope;
use crate::front::Door;
use crate::limits::{Bucket, Limit, Rate, Receivers};
use crate::metrics::Refusal;
use crate::registry::{Answer, Delivery, Outgoing, SessionId};
use crate::server::Shared;
use crate::socket::{Dialect, End, end};
use crate::token::Grant;

/// Extensions of the WebSocket face.
const SUPPORTS: [&str; 6] = [
    SUPPORTS_SIGNAL,
    SUPPORTS_OFFERS,
    SUPPORTS_CERT,
    SUPPORTS_CHUNK_MAP,
    SUPPORTS_STATUS,
    SUPPORTS_CONFIG,
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
    /// What its token allows.
    grant: Option<Box<Grant>>,
    /// Wants to be told of new settings.
    takes_config: bool,
    strikes: u32,
    requests: Bucket,
    signals: Bucket,
    receivers: Receivers,
    patience: Bucket,
    /// Where the connection comes from.
    from: IpAddr,
}

/// Origins a peer may have signed.
pub(crate) fn origins(configured: &[String], door: Door) -> Vec<String> {
    let local = door.local;
    let (scheme, default_port) = match door.is_secure {
        true => ("wss", 443),
        false => ("ws", 80),
    };
    let mut origins = configured.to_vec();
    // The default port is left out, as in every URL's origin.
    let port = if local.port() == default_port {
        String::new()
    } else {
        format!(":{}", local.port())
    };
    match local {
        SocketAddr::V4(address) => origins.push(format!("{scheme}://{}{port}", address.ip())),
        SocketAddr::V6(address) => match address.ip().to_ipv4_mapped() {
            Some(mapped) => origins.push(format!("{scheme}://{mapped}{port}")),
            None => origins.push(format!("{scheme}://[{}]{port}", address.ip())),
        },
    }
    if local.ip().to_canonical().is_loopback() {
        origins.push(format!("{scheme}://localhost{port}"));
    }
    origins
}

impl<'a> Session<'a> {
    /// The session of a new socket. `door` is where the peer came in, `from` the address it came from.
    pub(crate) fn new(shared: &'a Shared, id: SessionId, door: Door, from: IpAddr) -> Self {
        let (now, config) = (shared.clock.now(), shared.config());
        let mut nonce = [0; NONCE_LEN];
        shared.random(|rng| rng.fill_bytes(&mut nonce));
        Self {
            shared,
            id,
            origins: origins(&config.origins, door),
            nonce,
            key_blob: None,
            grant: None,
            takes_config: false,
            strikes: 0,
            requests: Bucket::new(now, config.requests),
            signals: Bucket::new(now, config.signals),
            receivers: Receivers::default(),
            patience: Bucket::new(now, PATIENCE),
            from,
        }
    }

    fn hello(&self) -> String {
        let config = self.shared.config();
        let hello = Hello {
            nonce: encode_base64url(&self.nonce),
            time: Clock::unix_ms(),
            supports: SUPPORTS.map(str::to_owned).to_vec(),
            limits: Limits {
                frame: MAX_FRAME as u64,
                offers: config.max_offers as u64,
                peers: MAX_PEERS,
                sdp: config.max_sdp as u64,
            },
            tracker_key: Some(self.shared.certificates.key().public_text()),
        };
        // A few hundred bytes always fit.
        Event::Hello(hello).encode().unwrap_or_default()
    }

    fn carry_out(&mut self, frame: &str) -> Result<(), End> {
        let now = self.shared.clock.now();
        let config = self.shared.config();
        let (mut request, envelope) = match envelope::read(frame, config.max_sdp) {
            Some((request, envelope)) => (request, Some(envelope)),
            None => match Request::decode(frame) {
                Ok(request) => (request, None),
                Err(refused) => {
                    tracing::debug!(session = self.id, error = %refused, "malformed frame");
                    self.answer("malformed", &refused.response());
                    return self.strike("three malformed frames");
                }
            },
        };
        let kind = request.body.request_type();
        self.drop_offers(&config, &mut request);
        if let RequestBody::Signal(signal) = &request.body
            && description_len(signal) > config.max_sdp
        {
            self.shared.metrics.limited(Limit::DescriptionSize);
            let reason = format!("longer than {} bytes", config.max_sdp);
            let response = Response::failed(&request.transaction_id, ErrorCode::BadRequest, &reason);
            self.answer(kind, &response);
            return self.be_patient(now);
        }
        if let Err(limit) = self.in_time(now, &config, &request) {
            self.shared.metrics.limited(limit);
            let answer = Answer::limited(&request.transaction_id, None, limit);
            self.shared.metrics.answered(kind, answer.code);
            self.deliver(answer.frame);
            return self.be_patient(now);
        }
        let mut out = Vec::new();
        let access = self.shared.front.access();
        if self.key_blob.is_none() {
            if let Err(refused) = self.prove(&access, &request) {
                return self.refuse_proof(now, kind, &refused);
            }
            self.shared
                .registry()
                .attach(now, self.id, self.from, &request.peer_id, &mut out);
            // Only now: one who is banned meanwhile is attached, and sent away, or seen here.
            if self.shared.bans.bans_peer(now, || request.peer_id.clone()) {
                let code = ErrorCode::Forbidden;
                self.answer(kind, &Response::failed(&request.transaction_id, code, "banned"));
                return Err(end(CloseCode::Policy, "banned", Some(Refusal::Banned)));
            }
        } else if shows_token(&request)
            && let Err(refused) = self.prove(&access, &request)
        {
            // A token that ends is followed by another, without a new socket.
            return self.refuse_proof(now, kind, &refused);
        }
        let unix = Clock::unix_ms() / 1000;
        if let Err(denied) = access.permits(self.grant.as_deref(), &request, unix) {
            self.shared.metrics.denied(denied.reason);
            self.shared.sessions.deliver(out);
            self.answer(kind, &denied.response(&request.transaction_id));
            return self.be_patient(now);
        }
        let supports = &request.ext.supports;
        if matches!(request.body, RequestBody::Connect(_)) && !supports.is_empty() {
            self.takes_config = supports.iter().any(|extension| extension == SUPPORTS_CONFIG);
        }
        let certificates = match &self.key_blob {
            Some(key_blob) => {
                let grant = self.grant.as_deref();
                self.shared.certificates_for(key_blob, grant, &request)
            }
            None => Vec::new(),
        };
        let mut registry = self.shared.registry();
        let (code, limit) = match envelope {
            Some(envelope) => registry.pass_on(now, self.id, &request, frame, envelope, &mut out),
            None => registry.request(now, self.id, &request, frame, certificates, &mut out),
        };
        drop(registry);
        self.shared.metrics.answered(kind, code);
        if let Some(limit) = limit {
            self.shared.metrics.limited(limit);
        }
        let pushes = out.iter().filter(|outgoing| outgoing.to != self.id).count();
        self.shared.metrics.pushed(pushes as u64);
        self.shared.sessions.deliver(out);
        Ok(())
    }

    /// Takes the peer for who it says it is, and for what its token allows, if a CONNECT shows both to be so.
    fn prove(&mut self, access: &Access, request: &Request) -> Result<(), Box<Response>> {
        let id = &request.transaction_id;
        let unproven = |error: auth::AuthError| {
            let code = ErrorCode::AuthenticationRequired;
            Box::new(Response::failed(id, code, &error.to_string()))
        };
        if !matches!(request.body, RequestBody::Connect(_)) {
            return Err(unproven(auth::AuthError::Missing));
        }
        let auth = request.ext.auth.as_ref();
        let key_blob = auth::verify(auth, &request.peer_id, &self.nonce, &self.origins).map_err(unproven)?;
        let token = auth.and_then(|auth| auth.token.as_deref());
        let now = Clock::unix_ms() / 1000;
        let granted = access.grant(token, &request.peer_id, &self.origins, now);
        let grant = granted.map_err(|denied| {
            self.shared.metrics.denied(denied.reason);
            Box::new(denied.response(id))
        })?;
        match self.key_blob {
            // Whoever else it is of, this socket stays this peer's.
            Some(known) if known != key_blob => return Err(unproven(auth::AuthError::NotOfKey)),
            _ => {}
        }
        (self.key_blob, self.grant) = (Some(key_blob), grant.map(Box::new));
        Ok(())
    }

    fn refuse_proof(&mut self, now: Timestamp, kind: &'static str, refused: &Response) -> Result<(), End> {
        self.answer(kind, refused);
        match refused.code {
            // The tracker's own fault.
            ErrorCode::Unavailable => self.be_patient(now),
            _ => self.strike("not authenticated"),
        }
    }

    /// Offers that are too many or too long are as if they had not been made; the answer says how many were handed out.
    fn drop_offers(&self, config: &Config, request: &mut Request) {
        let offers = &mut request.ext.offers;
        let made = offers.len();
        offers.retain(|offer| description_len(offer) <= config.max_sdp);
        if offers.len() < made {
            self.shared.metrics.limited(Limit::DescriptionSize);
        }
        if offers.len() > config.max_offers {
            offers.truncate(config.max_offers);
            self.shared.metrics.limited(Limit::Offers);
        }
    }

    /// May the request be carried out, as far as this peer's own limits go?
    fn in_time(&mut self, now: Timestamp, config: &Config, request: &Request) -> Result<(), Limit> {
        if let RequestBody::Signal(signal) = &request.body {
            if !self.signals.take(now, config.signals, 1) {
                return Err(Limit::Signals);
            }
            let most = config.receivers_per_minute;
            if signal.kind == Kind::Offer && !self.receivers.take(now, &signal.to, most) {
                return Err(Limit::Receivers);
            }
            return Ok(());
        }
        // A signature costs the tracker more than all the rest of a request.
        let cost = wanted_certificates(request).count().max(1) as u64;
        if !self.requests.take(now, config.requests, cost) {
            return Err(Limit::Requests);
        }
        let offers = request.ext.offers.len() as u64;
        match offers == 0 || self.signals.take(now, config.signals, offers) {
            true => Ok(()),
            false => Err(Limit::Signals),
        }
    }

    /// Who goes on when it is told that it goes too far is sent away.
    fn be_patient(&mut self, now: Timestamp) -> Result<(), End> {
        match self.patience.take(now, PATIENCE, 1) {
            true => Ok(()),
            false => Err(end(CloseCode::Policy, "floods", Some(Refusal::Flood))),
        }
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
            self.deliver(frame);
        }
    }

    fn deliver(&self, frame: String) {
        self.shared.sessions.deliver(vec![Outgoing {
            to: self.id,
            what: Delivery::Frame(frame),
        }]);
    }
}

fn shows_token(request: &Request) -> bool {
    let auth = request.ext.auth.as_ref();
    matches!(request.body, RequestBody::Connect(_)) && auth.is_some_and(|auth| auth.token.is_some())
}

/// Bytes of the longer of a session description and a candidate.
fn description_len(signal: &Signal) -> usize {
    let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    len(&signal.sdp).max(len(&signal.cand))
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

    fn move_on(&self) -> Option<String> {
        if !self.takes_config {
            return None;
        }
        let to = self.shared.config().drain_to.clone();
        let to = to.or_else(|| self.shared.registry().another_node(self.shared.clock.now()));
        let config = EventConfig {
            reconnect: Some(to.unwrap_or_default()),
            ..EventConfig::default()
        };
        Event::Config(config).encode().ok()
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
        let through = |address: &str, is_secure| {
            let local = address.parse().unwrap();
            origins(&["wss://t.example".to_owned()], Door { local, is_secure })
        };
        let of = |address| through(address, false);
        assert_eq!(
            through("192.0.2.1:443", true),
            ["wss://t.example", "wss://192.0.2.1"]
        );
        assert_eq!(
            through("[::1]:80", true),
            ["wss://t.example", "wss://[::1]:80", "wss://localhost:80"]
        );
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
