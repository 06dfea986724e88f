//! HTTP on the tracker's port: `/health`, `/metrics`, requests posted to `/ppsp`, and the way to the WebSockets.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN,
    RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tracker_protocol::{ErrorCode, MAX_FRAME, SUBPROTOCOL};

use crate::front::Door;
use crate::limits::{Bucket, SocketPermit};
use crate::metrics::Refusal;
use crate::phase::{Phase, reached};
use crate::post;
use crate::registry::Answer;
use crate::server::Shared;
use crate::stream::Stream;

/// The path of both faces of RFC 7846.
pub(crate) const PATH: &str = "/ppsp";
/// The path of the WebTorrent dialect.
pub(crate) const WEBTORRENT_PATH: &str = "/announce";
/// Longest head of a request; the least that hyper reads with.
const MAX_HEAD: usize = 8 * 1024;
/// A connection that is kept alive ends after so many requests, or this long: so no one stays for ever on a server
/// that drains, and none that does not read its answers either.
const MAX_REQUESTS: u32 = 1000;
const MAX_AGE: Duration = Duration::from_secs(300);
/// How long, and how much, is still read of a connection that has got its last response.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 * MAX_FRAME;
const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a connection over the limit is told before anything is read of it: it gets no memory.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 21\r\nRetry-After: 30\r\nConnection: close\r\n\r\ntoo many connections\n";

type Reply = Response<Full<Bytes>>;

/// One connection, while it speaks HTTP.
struct Connection {
    shared: Arc<Shared>,
    door: Door,
    from: IpAddr,
    served: AtomicU32,
    posts: Mutex<Bucket>,
    upgraded: OnceLock<Upgrade>,
}

/// What a connection becomes.
#[derive(Clone)]
struct Upgrade {
    dialect: Dialect,
    from: IpAddr,
    permit: Option<Arc<SocketPermit>>,
}

/// What is spoken on a WebSocket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    Ppsp,
    WebTorrent,
}

/// A connection that has become a WebSocket.
pub(crate) struct Upgraded {
    pub(crate) dialect: Dialect,
    pub(crate) stream: Stream,
    /// What was read past the request.
    pub(crate) rest: Vec<u8>,
    /// Where it comes from: behind a proxy, as that says.
    pub(crate) from: IpAddr,
    /// Counts it by that address, until it ends.
    pub(crate) permit: Option<Arc<SocketPermit>>,
}

/// Turns a connection away.
///
/// # Errors
/// When it fails.
pub(crate) async fn turn_away(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(TOO_MANY).await?;
    stream.shutdown().await
}

/// Serves HTTP until the connection ends, or has become a WebSocket: then returns it.
///
/// # Errors
/// When the connection fails, or what comes in is not HTTP (which it is told).
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    stream: Stream,
    door: Door,
    from: IpAddr,
) -> Result<Option<Upgraded>, hyper::Error> {
    let config = shared.config();
    let connection = Arc::new(Connection {
        shared: shared.clone(),
        door,
        from,
        served: AtomicU32::new(0),
        posts: Mutex::new(Bucket::new(shared.clock.now(), config.posts)),
        upgraded: OnceLock::new(),
    });
    let service = {
        let connection = connection.clone();
        service_fn(move |request| {
            let connection = connection.clone();
            Box::pin(async move { Ok::<_, Infallible>(connection.respond(request).await) })
        })
    };
    // Apart from the task, which a WebSocket keeps for hours.
    let mut http = Box::pin(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.init_timeout)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service),
    );
    let mut phases = shared.phases.clone();
    let old = Instant::now() + MAX_AGE;
    let mut last = None;
    let done = loop {
        tokio::select! {
            done = poll_fn(|context| http.poll_without_shutdown(context)) => break done,
            () = ended(&mut phases, old), if last.is_none() => {
                last = Some(Instant::now() + config.send_timeout);
                http.as_mut().graceful_shutdown();
            }
            () = sleep_until(last.unwrap_or(old)), if last.is_some() => return Ok(None),
        }
    };
    let parts = Pin::into_inner(http).into_parts();
    let mut stream = parts.io.into_inner();
    if let Some(upgrade) = connection.upgraded.get().cloned() {
        return Ok(Some(Upgraded {
            dialect: upgrade.dialect,
            from: upgrade.from,
            permit: upgrade.permit,
            stream,
            // Copied, for these bytes keep all of hyper's buffer, which would live as long as the socket.
            rest: parts.read_buf.to_vec(),
        }));
    }
    if let Err(error) = &done
        && error.is_timeout()
        && connection.served.load(Ordering::Relaxed) == 0
    {
        shared.metrics.refused(Refusal::Handshake);
    }
    // The other side may be gone already, or say more than anybody waits for.
    let _ = timeout(LINGER, linger(&mut stream)).await;
    done.map(|()| None)
}

/// Ends a connection so that the response is read: what comes in after it would otherwise make the system drop it.
async fn linger(stream: &mut Stream) -> std::io::Result<()> {
    stream.shutdown().await?;
    let (mut rest, mut buffer) = (LINGER_BYTES, [0; 1024]);
    while rest > 0 {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => rest = rest.saturating_sub(read),
        }
    }
    Ok(())
}

/// Waits until a connection is old, or the tracker drains.
async fn ended(phases: &mut watch::Receiver<Phase>, old: Instant) {
    tokio::select! {
        () = reached(phases, Phase::Draining) => {}
        () = sleep_until(old) => {}
    }
}

impl Connection {
    async fn respond(&self, request: Request<Incoming>) -> Reply {
        let config = self.shared.config();
        let (get, path) = (request.method() == Method::GET, request.uri().path());
        let mut reply = match path {
            PATH | WEBTORRENT_PATH if self.is_banned(&request) => {
                self.shared.metrics.refused(Refusal::Banned);
                closing(text(StatusCode::FORBIDDEN, "this address is banned"))
            }
            PATH if config.ppsp && request.method() == Method::POST => self.post(request).await,
            PATH if config.ppsp && get => self.upgrade(request, Dialect::Ppsp),
            PATH if config.ppsp => not_allowed("GET, POST"),
            WEBTORRENT_PATH if config.webtorrent && get => self.upgrade(request, Dialect::WebTorrent),
            WEBTORRENT_PATH if config.webtorrent => not_allowed("GET"),
            "/health" if get => text(StatusCode::OK, "ok"),
            "/metrics" if get => reply(StatusCode::OK, OPENMETRICS, self.shared.metrics_text()),
            "/health" | "/metrics" => not_allowed("GET"),
            _ => {
                let mut here = vec!["/health", "/metrics"];
                here.extend(config.ppsp.then_some(PATH));
                here.extend(config.webtorrent.then_some(WEBTORRENT_PATH));
                let here = format!("nothing but {} is here", here.join(", "));
                text(StatusCode::NOT_FOUND, &here)
            }
        };
        let served = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        if served >= MAX_REQUESTS && self.upgraded.get().is_none() {
            set(&mut reply, CONNECTION, "close");
        }
        reply
    }

    fn is_banned(&self, request: &Request<Incoming>) -> bool {
        let now = self.shared.clock.now();
        self.shared.bans.bans_address(now, self.client(request))
    }

    /// May the page that the request comes from connect? Programs name no origin.
    fn allows(&self, request: &Request<Incoming>, is_page: bool) -> bool {
        let allowed = &self.shared.config().allow_origins;
        let origin = request.headers().get(ORIGIN);
        allowed.is_empty()
            || (origin.is_none() && !is_page)
            || origin.is_some_and(|origin| allowed.iter().any(|allowed| allowed.as_bytes() == origin))
    }

    /// Does the connection bring requests of others, which say so?
    fn is_proxied(&self) -> bool {
        self.shared.config().proxies().forwards(self.from)
    }

    /// The address a request comes from.
    fn client<B>(&self, request: &Request<B>) -> IpAddr {
        let config = self.shared.config();
        config.proxies().client(self.from, request.headers())
    }

    async fn post(&self, request: Request<Incoming>) -> Reply {
        if !self.allows(&request, false) {
            return text(StatusCode::FORBIDDEN, "this page's origin may not connect");
        }
        let media_type = request.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or("");
        // Parameters, such as a charset, say nothing that JSON does not.
        let essence = media_type.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case(post::MEDIA_TYPE) {
            let wanted = format!("Content-Type: want {}, not {essence:.100}", post::MEDIA_TYPE);
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, &wanted);
        }
        let shared = &*self.shared;
        let (now, rate) = (shared.clock.now(), shared.config().posts);
        let from = self.client(&request);
        let in_time = if from != self.from {
            // The proxy's connection has those of many, of whom one must not take all.
            shared.sockets.takes_post(now, from, rate)
        } else {
            let mut posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
            posts.take(now, rate, 1)
        };
        if !in_time {
            let fast = post::refuse_fast(shared);
            return posted(post::status(fast.code), fast);
        }
        let too_long = || {
            let long = "longer than 65536 bytes";
            let long = post::refuse(shared, "malformed", ErrorCode::BadRequest, long);
            posted(StatusCode::PAYLOAD_TOO_LARGE, long)
        };
        let bearer = bearer(&request);
        // What it says of itself, before it comes.
        if request.body().size_hint().lower() > MAX_FRAME as u64 {
            return too_long();
        }
        let body = Limited::new(request.into_body(), MAX_FRAME).collect();
        let body = match timeout(shared.config().init_timeout, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return too_long(),
            Ok(Err(_)) => return text(StatusCode::BAD_REQUEST, "the body is cut off"),
            Err(_) => {
                shared.metrics.refused(Refusal::Handshake);
                return closing(text(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly"));
            }
        };
        let answer = post::answer(shared, self.door, from, bearer.as_deref(), &body);
        posted(post::status(answer.code), answer)
    }

    fn upgrade(&self, request: Request<Incoming>, dialect: Dialect) -> Reply {
        if !self.allows(&request, true) {
            return text(StatusCode::FORBIDDEN, "this page's origin may not connect");
        }
        let (head, _) = request.into_parts();
        let request = Request::from_parts(head, ());
        let mut response = match create_response(&request) {
            Ok(response) => response.map(|()| Full::default()),
            Err(Error::Protocol(
                ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::MissingSecWebSocketVersionHeader,
            )) => {
                let mut reply = text(
                    StatusCode::UPGRADE_REQUIRED,
                    "a WebSocket of version 13 is expected here, or a POST",
                );
                set(&mut reply, UPGRADE, "websocket");
                set(&mut reply, SEC_WEBSOCKET_VERSION, "13");
                return reply;
            }
            Err(_) => return text(StatusCode::BAD_REQUEST, "not a proper WebSocket handshake"),
        };
        let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
        let mut offered = offered
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        if matches!(dialect, Dialect::Ppsp) && offered.any(|protocol| protocol.trim() == SUBPROTOCOL) {
            set(&mut response, SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        }
        let mut permit = None;
        let from = self.client(&request);
        if self.is_proxied() {
            let (now, limits) = (self.shared.clock.now(), self.shared.config().sockets());
            match self.shared.sockets.admit_behind(now, from, limits) {
                Ok(counted) => permit = Some(Arc::new(counted)),
                Err(refusal) => {
                    self.shared.metrics.refused(refusal);
                    let mut reply = text(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
                    set(&mut reply, RETRY_AFTER, "30");
                    return reply;
                }
            }
        }
        // An upgrade is the last response of a connection.
        let _ = self.upgraded.set(Upgrade {
            dialect,
            from,
            permit,
        });
        response
    }
}

/// The token that a request brings in its head (RFC 6750 §2.1).
fn bearer<B>(request: &Request<B>) -> Option<String> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    scheme.eq_ignore_ascii_case("bearer").then(|| token.to_owned())
}

fn set(reply: &mut Reply, name: HeaderName, value: &'static str) {
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    set(&mut reply, CONTENT_TYPE, content_type);
    set(&mut reply, CACHE_CONTROL, "no-store");
    reply
}

fn text(status: StatusCode, line: &str) -> Reply {
    reply(status, TEXT, format!("{line}\n"))
}

fn closing(mut reply: Reply) -> Reply {
    set(&mut reply, CONNECTION, "close");
    reply
}

fn not_allowed(methods: &'static str) -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, &format!("only {methods}"));
    set(&mut reply, ALLOW, methods);
    reply
}

fn posted(status: StatusCode, answer: Answer) -> Reply {
    let mut reply = reply(status, post::MEDIA_TYPE, answer.frame);
    if let Some(seconds) = answer.retry_after {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}
