//! The HTTP in front of the WebSockets: reads one request, answers `/health` and `/metrics`, upgrades `/ppsp`.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tracker_protocol::SUBPROTOCOL;

/// The path of the WebSocket face.
pub(crate) const PATH: &str = "/ppsp";
const MAX_HEAD: usize = 8 * 1024;

/// What a request's head asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `/health`.
    Health,
    /// `/metrics`.
    Metrics,
    /// The WebSocket: the response that accepts it.
    Upgrade(Vec<u8>),
    /// Anything else: this status line and explanation.
    Refused(&'static str, &'static str),
}

/// Reads a request's head. Returns what it asks and the bytes read past its end.
///
/// # Errors
/// When the connection fails or ends before the head does.
pub(crate) async fn read(stream: &mut TcpStream, allow_origins: &[String]) -> io::Result<(Asked, Vec<u8>)> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match Request::try_parse(&head) {
            Ok(Some((length, request))) => {
                let rest = head.split_off(length);
                return Ok((route(&request, allow_origins), rest));
            }
            Ok(None) if head.len() < MAX_HEAD => {}
            Ok(None) => {
                return Ok((
                    Asked::Refused("431 Request Header Fields Too Large", "too long"),
                    Vec::new(),
                ));
            }
            Err(Error::Protocol(ProtocolError::WrongHttpMethod)) => {
                return Ok((Asked::Refused("405 Method Not Allowed", "only GET"), Vec::new()));
            }
            Err(_) => return Ok((Asked::Refused("400 Bad Request", "not HTTP/1.1"), Vec::new())),
        }
    }
}

fn route(request: &Request, allow_origins: &[String]) -> Asked {
    match request.uri().path() {
        "/health" => Asked::Health,
        "/metrics" => Asked::Metrics,
        PATH => upgrade(request, allow_origins),
        _ => Asked::Refused("404 Not Found", "only /ppsp, /health and /metrics are here"),
    }
}

fn upgrade(request: &Request, allow_origins: &[String]) -> Asked {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let allowed = |origin: &str| allow_origins.iter().any(|allowed| allowed == origin);
    if !allow_origins.is_empty() && !header("origin").is_some_and(allowed) {
        return Asked::Refused("403 Forbidden", "this page's origin may not connect");
    }
    let mut response = match create_response(request) {
        Ok(response) => response,
        Err(Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader
            | ProtocolError::MissingSecWebSocketVersionHeader,
        )) => {
            return Asked::Refused(
                "426 Upgrade Required",
                "a WebSocket of version 13 is expected here",
            );
        }
        Err(_) => return Asked::Refused("400 Bad Request", "not a proper WebSocket handshake"),
    };
    let offered = request.headers().get_all("sec-websocket-protocol");
    let mut offered = offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    if offered.any(|protocol| protocol.trim() == SUBPROTOCOL) {
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    }
    let mut bytes = Vec::new();
    match write_response(&mut bytes, &response) {
        Ok(()) => Asked::Upgrade(bytes),
        Err(_) => Asked::Refused("500 Internal Server Error", "cannot answer"),
    }
}

/// Answers a plain request and ends the connection.
///
/// # Errors
/// When the connection fails.
pub(crate) async fn respond(
    stream: &mut TcpStream,
    status: &str,
    content_type: &str,
    body: &str,
) -> io::Result<()> {
    let upgrade = if status.starts_with("426") {
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    } else if status.starts_with("405") {
        "Allow: GET\r\n"
    } else {
        ""
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         {upgrade}Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}
