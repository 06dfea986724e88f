//! A WebSocket, whatever is spoken on it: frames in and out, pings, patience, and how it ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::metrics::Refusal;
use crate::phase::{Phase, reached};
use crate::registry::{Delivery, Outgoing, SessionId};
use crate::server::Shared;
use crate::stream::Stream;

/// Pings without any sign of life in return.
const MAX_MISSED: u32 = 2;

/// What is spoken on a socket.
pub(crate) trait Dialect {
    /// The first frame to send.
    fn greeting(&self) -> Option<String>;

    /// Carries out a frame; what is to be said goes through [`Sessions::deliver`].
    fn frame(&mut self, frame: &str) -> Result<(), End>;

    /// May the socket stay? While nobody is registered on it, it has a time limit.
    fn is_registered(&self) -> bool;

    /// What tells the peer to go to another tracker, if it understands that.
    fn move_on(&self) -> Option<String>;

    /// The last frame to send when the tracker ends.
    fn farewell(&self) -> Option<String>;

    /// The socket is gone, or about to be.
    fn ended(&mut self);
}

/// Ways to the tasks of open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<SessionId, Handle>>,
}

#[derive(Debug)]
struct Handle {
    /// Where its connection comes from.
    from: IpAddr,
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

    /// Closes the sockets that come from such an address.
    pub(crate) fn close_from(&self, is_meant: impl Fn(IpAddr) -> bool, reason: &'static str) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for handle in open.values().filter(|handle| is_meant(handle.from)) {
            let close = Delivery::Close(CloseCode::Policy.into(), reason);
            if handle.queue.try_send(close).is_err() {
                handle.overflow.notify_one();
            }
        }
    }

    /// Closes one.
    pub(crate) fn close(&self, id: SessionId, reason: &'static str) {
        let what = Delivery::Close(CloseCode::Policy.into(), reason);
        self.deliver(vec![Outgoing { to: id, what }]);
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
pub(crate) struct End {
    code: CloseCode,
    reason: &'static str,
    metric: Option<Refusal>,
}

/// An end with this code and reason, counted as this.
pub(crate) fn end(code: CloseCode, reason: &'static str, metric: Option<Refusal>) -> End {
    End { code, reason, metric }
}

/// Runs a session until its socket ends.
pub(crate) async fn run<D: Dialect>(
    shared: &Shared,
    mut socket: WebSocketStream<Stream>,
    id: SessionId,
    from: IpAddr,
    mut dialect: D,
) {
    let (queue, mut outgoing) = mpsc::channel(shared.config().queue);
    let overflow = Arc::new(Notify::new());
    shared.sessions.insert(
        id,
        Handle {
            from,
            queue,
            overflow: overflow.clone(),
        },
    );
    let ended = tokio::select! {
        ended = serve(shared, &mut dialect, &mut socket, &mut outgoing) => ended,
        () = overflow.notified() => Some(end(CloseCode::Policy, "reads too slowly", Some(Refusal::SlowReader))),
    };
    shared.sessions.remove(id);
    dialect.ended();
    if let Some(End { code, reason, metric }) = ended {
        tracing::debug!(session = id, reason, "closing");
        if let Some(metric) = metric {
            shared.metrics.refused(metric);
        }
        close(&mut socket, code, reason, shared).await;
    }
}

/// Says goodbye and waits, not for long, for the other side to do the same.
async fn close(socket: &mut WebSocketStream<Stream>, code: CloseCode, reason: &'static str, shared: &Shared) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let farewell = async {
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let patience = shared
        .config()
        .send_timeout
        .min(std::time::Duration::from_secs(2));
    // However it ends, the socket is dropped.
    let _ = timeout(patience, farewell).await;
}

/// How far a socket is in being drained.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Not,
    /// Its turn comes then.
    Waits(Instant),
    /// The peer was told to move, and is closed then if it has not gone.
    Told(Instant),
}

impl Leaving {
    async fn due(self) {
        match self {
            Self::Not => std::future::pending().await,
            Self::Waits(at) | Self::Told(at) => tokio::time::sleep_until(at).await,
        }
    }
}

/// Returns how to close the socket; `None` when the other side has.
async fn serve<D: Dialect>(
    shared: &Shared,
    dialect: &mut D,
    socket: &mut WebSocketStream<Stream>,
    outgoing: &mut mpsc::Receiver<Delivery>,
) -> Option<End> {
    // Its timers stay as they are, whatever is set meanwhile.
    let config = shared.config();
    let (mut phases, mut leaving) = (shared.phases.clone(), Leaving::Not);
    let mut stopping = phases.clone();
    let mut ping = interval_at(Instant::now() + config.ping_interval, config.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missed = 0;
    // Runs while the peer is not registered.
    let mut init_deadline = Some(Instant::now() + config.init_timeout);
    if let Some(greeting) = dialect.greeting()
        && let Err(ended) = send(shared, socket, Message::text(greeting)).await
    {
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
                    if let Err(ended) = send(shared, socket, Message::text(frame)).await {
                        return ended;
                    }
                }
                Delivery::Close(code, reason) => return Some(end(code.into(), reason, None)),
            },
            () = reached(&mut stopping, Phase::Stopping) => {
                return Some(farewell(shared, dialect, socket).await);
            }
            () = reached(&mut phases, Phase::Draining), if matches!(leaving, Leaving::Not) => {
                // Not all at once: they would all be at the next tracker's door at once.
                let delay = shared.config().drain_period.mul_f64(shared.random(|rng| rng.random()));
                leaving = Leaving::Waits(Instant::now() + delay);
            }
            () = leaving.due() => match dialect.move_on() {
                Some(frame) if matches!(leaving, Leaving::Waits(_)) => {
                    if let Err(ended) = send(shared, socket, Message::text(frame)).await {
                        return ended;
                    }
                    leaving = Leaving::Told(Instant::now() + shared.config().drain_notice);
                }
                _ => return Some(farewell(shared, dialect, socket).await),
            },
            _ = ping.tick() => {
                if missed >= MAX_MISSED {
                    return Some(end(CloseCode::Policy, "no sign of life", Some(Refusal::Silent)));
                }
                missed += 1;
                if let Err(ended) = send(shared, socket, Message::Ping(Bytes::new())).await {
                    return ended;
                }
            }
            () = init => return Some(end(CloseCode::Policy, "not registered in time", Some(Refusal::Silent))),
            message = socket.next() => {
                missed = 0;
                match message {
                    Some(Ok(Message::Text(text))) => {
                        if let Err(ended) = dialect.frame(text.as_str()) {
                            flush(shared, socket, outgoing).await;
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
                init_deadline = match dialect.is_registered() {
                    true => None,
                    false => init_deadline.or(Some(Instant::now() + config.init_timeout)),
                };
            }
        }
    }
}

/// Says goodbye in the dialect's words; returns how to close the socket.
async fn farewell<D: Dialect>(shared: &Shared, dialect: &D, socket: &mut WebSocketStream<Stream>) -> End {
    if let Some(farewell) = dialect.farewell() {
        let _ = send(shared, socket, Message::text(farewell)).await;
    }
    end(CloseCode::Away, "tracker shuts down", None)
}

async fn send(
    shared: &Shared,
    socket: &mut WebSocketStream<Stream>,
    message: Message,
) -> Result<(), Option<End>> {
    match timeout(shared.config().send_timeout, socket.send(message)).await {
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
async fn flush(
    shared: &Shared,
    socket: &mut WebSocketStream<Stream>,
    outgoing: &mut mpsc::Receiver<Delivery>,
) {
    while let Ok(Delivery::Frame(frame)) = outgoing.try_recv() {
        if send(shared, socket, Message::text(frame)).await.is_err() {
            return;
        }
    }
}
