//! A peer made for tests: says exactly what it is told to.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use tracker_protocol::*;
use tracker_ws::{Config, Reload, Server, Shutdown};

pub const A: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
pub const B: &str = "0d6c4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";

/// Long enough for a machine that stands still for seconds.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("timed out: {what}"))
}

/// Limits that tests do not run into by accident.
pub fn config() -> Config {
    use tracker_ws::Rate;
    let many = Rate {
        per_second: 100_000,
        burst: 100_000,
    };
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        new_sockets: many,
        requests: many,
        signals: many,
        receivers_per_minute: 10_000,
        swarm_requests: many,
        posts: many,
        ..Config::default()
    }
}

/// Starts a tracker that runs until the test ends. Returns its URL.
pub async fn start(config: Config) -> String {
    start_with_shutdown(config).await.0
}

pub async fn start_with_shutdown(config: Config) -> (String, Shutdown) {
    let server = Server::bind(config).await.unwrap();
    let (url, shutdown) = (server.url(), server.shutdown());
    tokio::spawn(server.run());
    (url, shutdown)
}

/// As [`start`], with what gives it new settings.
pub async fn start_with_reload(config: Config) -> (String, Reload) {
    let server = Server::bind(config).await.unwrap();
    let (url, reload) = (server.url(), server.reload());
    tokio::spawn(server.run());
    (url, reload)
}

/// The address of a URL.
pub fn address(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split('/').next().unwrap()
}

pub struct Key {
    key: SigningKey,
    pub blob: Vec<u8>,
    pub id: String,
}

impl Key {
    pub fn new(seed: u8) -> Self {
        Self::from_scalar([seed; 32])
    }

    /// One of many.
    pub fn numbered(number: u32) -> Self {
        let mut scalar = [1; 32];
        scalar[28..].copy_from_slice(&number.to_be_bytes());
        Self::from_scalar(scalar)
    }

    fn from_scalar(scalar: [u8; 32]) -> Self {
        let key = SigningKey::from_slice(&scalar).unwrap();
        let mut blob = vec![13];
        blob.extend_from_slice(&key.verifying_key().to_sec1_point(false).as_bytes()[1..]);
        let id = peer_id_of(&blob);
        Self { key, blob, id }
    }

    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key.sign(bytes);
        signature.to_bytes().to_vec()
    }
}

/// What a socket may be on.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for S {}

pub struct TestPeer {
    pub key: Key,
    pub hello: Hello,
    /// What it shows in its proof.
    pub token: Option<String>,
    url: String,
    socket: WebSocketStream<Box<dyn Wire>>,
    events: VecDeque<Event>,
    next_id: u32,
}

pub fn join(swarm: &str) -> SwarmAction {
    connect_action(swarm, Action::Join, PeerMode::Leech)
}

impl TestPeer {
    /// A socket that has said HELLO.
    pub async fn open(url: &str, seed: u8) -> Self {
        Self::open_as(url, Key::new(seed)).await
    }

    /// A socket of the peer with this key that has said HELLO.
    pub async fn open_as(url: &str, key: Key) -> Self {
        let stream = TcpStream::connect(address(url)).await.unwrap();
        Self::open_over(url, url, stream, key).await.unwrap()
    }

    /// A member of swarm A that connects from this address, one of the machine's own: 127.0.0.0/8 are.
    pub async fn joined_from(url: &str, key: Key, from: std::net::Ipv4Addr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(address(url).parse().unwrap()).await.unwrap();
        let mut peer = Self::open_over(url, url, stream, key).await.unwrap();
        let response = peer.connect(vec![join(A)]).await;
        assert_eq!(response.code, ErrorCode::NoError, "{response:?}");
        peer
    }

    /// A socket on this stream that has said HELLO, or why it was refused.
    pub async fn open_over(
        url: &str,
        request: impl IntoClientRequest + Unpin,
        stream: impl Wire + 'static,
        key: Key,
    ) -> Result<Self, tokio_tungstenite::tungstenite::Error> {
        let stream: Box<dyn Wire> = Box::new(stream);
        let (socket, _) = within("upgrade", client_async(request, stream)).await?;
        let mut peer = Self {
            key,
            hello: Hello::default(),
            token: None,
            url: url.to_owned(),
            socket,
            events: VecDeque::new(),
            next_id: 0,
        };
        let Event::Hello(hello) = peer.event().await else {
            panic!("no HELLO")
        };
        peer.hello = hello;
        Ok(peer)
    }

    /// A member of swarm A.
    pub async fn joined(url: &str, seed: u8) -> Self {
        let mut peer = Self::open(url, seed).await;
        let response = peer.connect(vec![join(A)]).await;
        assert_eq!(response.code, ErrorCode::NoError, "{response:?}");
        peer
    }

    pub fn id(&self) -> &str {
        &self.key.id
    }

    /// The proof for this socket.
    pub fn auth(&self) -> Auth {
        self.auth_for(&tracker_origin(&self.url).unwrap())
    }

    pub fn auth_for(&self, origin: &str) -> Auth {
        let nonce = decode_base64url(&self.hello.nonce).unwrap().try_into().unwrap();
        let token = self.token.as_deref().unwrap_or_default();
        let input = auth_signing_input(&nonce, origin, &self.key.id, token).unwrap();
        Auth {
            key: encode_base64url(&self.key.blob),
            sig: encode_base64url(&self.key.sign(&input)),
            token: self.token.clone(),
            nonce: None,
        }
    }

    pub fn message(&mut self, body: RequestBody, ext: RequestExt) -> Request {
        self.next_id += 1;
        Request {
            transaction_id: self.next_id.to_string(),
            peer_id: self.key.id.clone(),
            body,
            ext,
        }
    }

    pub async fn send_text(&mut self, text: &str) {
        within("send", self.socket.send(Message::text(text)))
            .await
            .unwrap();
    }

    pub async fn send_message(&mut self, message: Message) {
        within("send", self.socket.send(message)).await.unwrap();
    }

    pub async fn send(&mut self, request: &Request) {
        self.send_text(&request.encode().unwrap()).await;
    }

    /// Sends a request and waits for its answer.
    pub async fn ask(&mut self, body: RequestBody, ext: RequestExt) -> Response {
        let request = self.message(body, ext);
        self.send(&request).await;
        let response = self.response().await;
        assert_eq!(response.transaction_id, request.transaction_id);
        response
    }

    /// CONNECT with proof.
    pub async fn connect(&mut self, actions: Vec<SwarmAction>) -> Response {
        self.connect_with(actions, &[SUPPORTS_SIGNAL]).await
    }

    /// CONNECT with proof and these extensions.
    pub async fn connect_with(&mut self, actions: Vec<SwarmAction>, supports: &[&str]) -> Response {
        let ext = RequestExt {
            auth: Some(self.auth()),
            supports: supports.iter().map(|&extension| extension.to_owned()).collect(),
            ..RequestExt::default()
        };
        self.ask(connect_body(actions), ext).await
    }

    pub async fn find(&mut self, swarm: &str, count: Option<u64>) -> Response {
        let peer_num = count.map(|count| PeerNum {
            peer_count: Some(count),
            ..PeerNum::default()
        });
        self.ask(
            RequestBody::Find(Find {
                swarm_id: swarm.to_owned(),
                peer_num,
            }),
            RequestExt::default(),
        )
        .await
    }

    pub fn signal(&self, kind: Kind, to: &str, oid: &str) -> Signal {
        let mut signal = Signal::new(kind, A, &self.key.id, to, oid, 0, 1_700_000_000_000);
        signal.sdp = Some("v=0\r\n".to_owned());
        signal.cand = Some("{\"candidate\":\"\"}".to_owned());
        signal
    }

    /// The answer to a SIGNAL.
    pub async fn relay(&mut self, signal: Signal) -> Response {
        self.ask(RequestBody::Signal(Box::new(signal)), RequestExt::default())
            .await
    }

    /// The next frame as text; the code of the close frame, or 0, when there is none.
    pub async fn frame(&mut self) -> Result<String, u16> {
        loop {
            match within("frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(Some(close)))) => return Err(close.code.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return Err(0),
            }
        }
    }

    /// The next response; events before it are kept.
    pub async fn response(&mut self) -> Response {
        loop {
            match FromTracker::decode(&self.frame().await.expect("open socket")).unwrap() {
                FromTracker::Response(response) => return response,
                FromTracker::Event(event) => self.events.push_back(event),
            }
        }
    }

    /// The next event.
    pub async fn event(&mut self) -> Event {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        match FromTracker::decode(&self.frame().await.expect("open socket")).unwrap() {
            FromTracker::Event(event) => event,
            FromTracker::Response(response) => panic!("{response:?}"),
        }
    }

    /// The next envelope.
    pub async fn pushed(&mut self) -> Signal {
        match self.event().await {
            Event::Signal(signal) => *signal,
            other => panic!("{other:?}"),
        }
    }

    /// Closes the socket, and waits until that is done.
    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
        self.closed().await;
    }

    /// Reads to the end; returns the code of the close frame.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.frame().await {
                return code;
            }
        }
    }
}

pub fn connect_body(swarm_action: Vec<SwarmAction>) -> RequestBody {
    RequestBody::Connect(Connect {
        swarm_action,
        ..Connect::default()
    })
}

/// Peer IDs in a response's only list.
pub fn listed(response: &Response) -> Vec<&str> {
    assert_eq!(response.code, ErrorCode::NoError, "{response:?}");
    let group = response.swarm_result[0].peer_group.as_ref().expect("a list");
    group.peer_info.iter().map(|peer| peer.peer_id.as_str()).collect()
}
