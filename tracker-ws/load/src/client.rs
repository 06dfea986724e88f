//! One peer: makes offers, answers those of others.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{FutureExt, SinkExt, StreamExt};
use rand::RngExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tracker_protocol::SUBPROTOCOL;

use crate::dialect::{Dialect, Incoming, Speaker};
use crate::tally::Tally;

/// What every peer does.
#[derive(Clone)]
pub struct Load {
    /// How the tracker is spoken to.
    pub dialect: Dialect,
    /// Offers in a round.
    pub offers: u32,
    /// A session description.
    pub sdp: Arc<str>,
    /// From the beginning of a round to that of the next; `None`: one follows the other.
    pub every: Option<Duration>,
    /// No rounds at all.
    pub idle: bool,
    /// Addresses of this machine's loopback that peers come from, for one has some 28,000 ports only.
    pub addresses: u32,
    /// For trackers whose URL begins with wss.
    pub tls: Option<TlsConnector>,
}

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// In the closed loop a peer reads and writes as much at once as there is. Otherwise that is one frame mostly.
fn buffers(load: &Load) -> WebSocketConfig {
    let is_closed = load.every.is_none() && !load.idle;
    let size = if is_closed { 32 * 1024 } else { 4096 };
    WebSocketConfig::default()
        .read_buffer_size(size)
        .write_buffer_size(size)
}

/// The address of this number: 127.0.0.1 is the first.
fn source(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + number).into()
}

/// A member of a swarm.
pub struct Client {
    load: Load,
    speaker: Speaker,
    socket: WebSocketStream<Box<dyn Stream>>,
    /// Frames that the tracker has not taken yet.
    waiting: u32,
    /// When the rounds began whose first frame is among them.
    asked: VecDeque<u64>,
}

impl Client {
    /// Connects and joins.
    pub async fn join(url: &str, load: Load, number: u32, swarm: u32) -> Result<Self> {
        let mut request = url.into_client_request()?;
        if load.dialect == Dialect::Ppsp {
            let protocol = SUBPROTOCOL.parse()?;
            request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        }
        let authority = request.uri().authority().context("no host")?.to_string();
        let address = lookup_host(&authority).await?.next().context("no address")?;
        let stream = match load.addresses > 1 && address.ip().is_loopback() && address.is_ipv4() {
            true => {
                let own = TcpSocket::new_v4()?;
                own.bind(SocketAddr::new(source(number % load.addresses), 0))?;
                own.connect(address).await?
            }
            false => TcpStream::connect(address).await?,
        };
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match (request.uri().scheme_str(), &load.tls) {
            (Some("wss"), None) => bail!("a tracker with TLS needs --ca"),
            (Some("wss"), Some(tls)) => {
                let host = request.uri().host().context("no host")?.to_owned();
                Box::new(tls.connect(ServerName::try_from(host)?, stream).await?)
            }
            _ => Box::new(stream),
        };
        let (socket, _) = client_async_with_config(request, stream, Some(buffers(&load))).await?;
        let mut client = Self {
            speaker: Speaker::new(load.dialect, number, swarm, load.sdp.clone())?,
            load,
            socket,
            waiting: 0,
            asked: VecDeque::new(),
        };
        let hello = match client.load.dialect {
            Dialect::Webtorrent => None,
            Dialect::Ppsp => match client.next().await? {
                Incoming::Hello(hello) => Some(hello),
                other => bail!("no HELLO: {other:?}"),
            },
        };
        let join = client.speaker.join(hello.as_deref(), url)?;
        client.send(join).await?;
        client.socket.flush().await?;
        loop {
            match client.next().await? {
                Incoming::Taken(_) => return Ok(client),
                // Others have begun already.
                Incoming::Offer { .. } => {}
                other => bail!("no answer: {other:?}"),
            }
        }
    }

    /// Goes out when it is flushed, or with others when they are many.
    async fn send(&mut self, frame: String) -> Result<()> {
        Ok(self.socket.feed(Message::text(frame)).await?)
    }

    async fn next(&mut self) -> Result<Incoming> {
        loop {
            match self.socket.next().await.context("closed")?? {
                Message::Text(text) => return self.speaker.read(&text),
                Message::Close(close) => bail!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    async fn begin(&mut self, tally: &Tally) -> Result<()> {
        let now = tally.now();
        let frame = self.speaker.begin(self.load.offers, now)?;
        self.asked.push_back(now);
        self.waiting += 1;
        if self.load.dialect == Dialect::Webtorrent {
            tally.made(self.load.offers);
        }
        self.send(frame).await
    }

    /// Carries on until something goes wrong.
    pub async fn run(mut self, tally: Arc<Tally>, mut started: watch::Receiver<bool>) -> Result<()> {
        while !*started.borrow_and_update() {
            tokio::select! {
                changed = started.changed() => changed?,
                incoming = self.next() => drop(incoming?),
            }
        }
        let closed = self.load.every.is_none() && !self.load.idle;
        // Nobody begins at the same time as another.
        let every = self.load.every.unwrap_or(Duration::from_secs(3600));
        let first = Instant::now() + every.mul_f64(rand::rng().random());
        let mut rounds = interval_at(first, every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Burst);
        if closed {
            self.begin(&tally).await?;
        }
        loop {
            // What has come in together is answered with one write: otherwise this would be slower than trackers.
            let incoming = if let Some(incoming) = self.next().now_or_never() {
                incoming?
            } else {
                self.socket.flush().await?;
                tokio::select! {
                    incoming = self.next() => incoming?,
                    _ = rounds.tick(), if !closed => {
                        self.begin(&tally).await?;
                        continue;
                    }
                }
            };
            match incoming {
                Incoming::Hello(_) => bail!("a second HELLO"),
                Incoming::Taken(peers) => {
                    self.waiting = self.waiting.saturating_sub(1);
                    // Answers to SIGNAL name nobody.
                    if (self.load.dialect == Dialect::Webtorrent || !peers.is_empty())
                        && let Some(asked) = self.asked.pop_front()
                    {
                        tally.request(asked);
                    }
                    for peer in peers {
                        let offer = self.speaker.offer(&peer, tally.now())?;
                        tally.made(1);
                        self.waiting += 1;
                        self.send(offer).await?;
                    }
                    if closed && self.waiting == 0 {
                        self.begin(&tally).await?;
                    }
                }
                Incoming::Offer { from, id, made } => {
                    tally.offer(made);
                    let answer = self.speaker.answer(&from, &id)?;
                    // WebTorrent's tracker takes answers without a word.
                    self.waiting += u32::from(self.load.dialect == Dialect::Ppsp);
                    self.send(answer).await?;
                }
                Incoming::Answer(made) => tally.answer(made),
            }
        }
    }
}
