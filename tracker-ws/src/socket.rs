//! A WebSocket, whatever is spoken on it: frames in and out, pings, patience, and how it ends.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rand::RngExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracker_protocol::MAX_FRAME;

use crate::config::Config;
use crate::fast_map::FastMap;
use crate::metrics::Refusal;
use crate::outbox::Outbox;
use crate::phase::{Phase, reached};
use crate::registry::{Delivery, Outgoing, SessionId};
use crate::server::Shared;
use crate::websocket::{Message, WebSocket};

/// Frames of one socket that are carried out before what others are told is sent.
const AT_ONCE: usize = 16;
/// No more is taken of what waits for a socket while so many bytes are written.
const ENOUGH: usize = MAX_FRAME;
/// What may be late waits for so many steps of this length at most: the sockets for which nothing else comes have their
/// turns together, for to wake a thread costs more than what it is woken for.
const LATE_STEPS: u32 = 10;
const LATE_STEP: Duration = Duration::from_millis(100);
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
    open: RwLock<FastMap<SessionId, Handle>>,
}

#[derive(Debug)]
struct Handle {
    /// Where its connection comes from.
    from: IpAddr,
    outbox: Arc<Outbox>,
}

impl Sessions {
    /// Queues for each session what is for it. A session whose queue is full is ended: its reader is too slow.
    pub(crate) fn deliver(&self, out: Vec<Outgoing>) {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        for Outgoing { to, what } in out {
            if let Some(handle) = open.get(&to) {
                handle.outbox.put(what);
            }
        }
    }

    /// Queues for sessions what `say` says: frames, given in pieces.
    pub(crate) fn push(&self, say: impl FnOnce(&mut dyn FnMut(SessionId, &[&str]))) {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        say(&mut |to, pieces| {
            if let Some(handle) = open.get(&to) {
                handle.outbox.put_pieces(pieces);
            }
        });
    }

    /// Closes the sockets that come from such an address.
    pub(crate) fn close_from(&self, is_meant: impl Fn(IpAddr) -> bool, reason: &'static str) {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        for handle in open.values().filter(|handle| is_meant(handle.from)) {
            handle
                .outbox
                .put(Delivery::Close(CloseCode::Policy.into(), reason));
        }
    }

    /// Closes one.
    pub(crate) fn close(&self, id: SessionId, reason: &'static str) {
        let what = Delivery::Close(CloseCode::Policy.into(), reason);
        self.deliver(vec![Outgoing { to: id, what }]);
    }

    fn insert(&self, id: SessionId, handle: Handle) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(id, handle);
    }

    fn remove(&self, id: SessionId) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.remove(&id);
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
pub(crate) async fn run<D: Dialect, S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    mut socket: WebSocket<S>,
    id: SessionId,
    from: IpAddr,
    mut dialect: D,
) {
    let outbox = Arc::new(Outbox::new(shared.config().queue));
    let handle = Handle {
        from,
        outbox: outbox.clone(),
    };
    shared.sessions.insert(id, handle);
    let ended = serve(shared, &mut dialect, &mut socket, &outbox).await;
    shared.sessions.remove(id);
    dialect.ended();
    let patience = shared.config().send_timeout;
    let patience = patience.min(std::time::Duration::from_secs(2));
    // However it ends, the socket is dropped.
    let _ = match ended {
        Ended::Gone => return,
        Ended::Closed => timeout(patience, socket.end()).await,
        Ended::By(End { code, reason, metric }) => {
            tracing::debug!(session = id, reason, "closing");
            if let Some(metric) = metric {
                shared.metrics.refused(metric);
            }
            timeout(patience, socket.close(code, reason)).await
        }
    };
}

/// How a socket ends.
enum Ended {
    /// The connection is broken.
    Gone,
    /// The other side has closed it.
    Closed,
    By(End),
}

/// How far a socket is in being drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Not,
    /// Its turn comes then.
    Waits(Instant),
    /// The peer was told to move, and is closed then if it has not gone.
    Told(Instant),
}

/// When something is to be done that nobody asks for.
struct Times {
    ping: Instant,
    /// Runs while the peer is not registered.
    init: Option<Instant>,
    leaving: Leaving,
    /// Runs while the other side does not take what is written.
    write: Option<Instant>,
    /// Runs while something waits that may be late.
    late: Option<Instant>,
}

impl Times {
    fn new(config: &Config) -> Self {
        let now = Instant::now();
        Self {
            ping: now + config.ping_interval,
            init: Some(now + config.init_timeout),
            leaving: Leaving::Not,
            write: None,
            late: None,
        }
    }

    fn next(&self) -> Instant {
        let leaving = match self.leaving {
            Leaving::Not => None,
            Leaving::Waits(at) | Leaving::Told(at) => Some(at),
        };
        let others = [self.init, leaving, self.write, self.late];
        others.into_iter().flatten().fold(self.ping, Instant::min)
    }
}

/// When to send what may be late.
fn late() -> Instant {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let now = Instant::now();
    let into_step = now.saturating_duration_since(*BEGIN).as_millis() % LATE_STEP.as_millis();
    now + LATE_STEP * LATE_STEPS - Duration::from_millis(into_step as u64)
}

/// Why a socket's task goes on.
enum Event {
    /// Something was read, or was left of what was read before.
    Input,
    /// The end of it.
    Eof,
    Time,
    Draining,
    Stopping,
    /// To be closed, as others have said.
    Close(End),
    /// Look again.
    Again,
}

/// What the outside does to a socket, and what is written on it.
struct Wire<'a, S> {
    socket: &'a mut WebSocket<S>,
    outbox: &'a Outbox,
    /// Not all that was read has been looked at.
    has_more: bool,
    /// What may be late has waited long enough.
    hurries: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<'_, S> {
    /// Takes what waits to be sent, in order; returns whether and how the socket is to be closed after it.
    fn take_outbox(&mut self, context: &mut Context<'_>, times: &mut Times) -> Option<End> {
        let room = self.socket.queued() < ENOUGH;
        let hurries = self.hurries;
        self.hurries &= !room;
        let Ok(taken) = self.outbox.take(context, room, hurries) else {
            return Some(slow_reader());
        };
        if let Some(frames) = taken.frames {
            self.socket.queue_frames(frames);
        }
        times.late = match taken.some_late {
            true => times.late.or_else(|| Some(late())),
            false => None,
        };
        taken.close.map(|(code, reason)| end(code.into(), reason, None))
    }

    /// Writes, then reads; does not read while the other side does not.
    fn poll(&mut self, context: &mut Context<'_>, times: &mut Times, config: &Config) -> Poll<Event> {
        let ran = times.late;
        if let Some(close) = self.take_outbox(context, times) {
            return Poll::Ready(Event::Close(close));
        }
        if times.late.is_some() && ran.is_none() {
            return Poll::Ready(Event::Again);
        }
        // TLS may have taken everything and not yet written it: that shows in the timer.
        if self.socket.queued() > 0 || times.write.is_some() {
            let was_enough = self.socket.queued() >= ENOUGH;
            match self.socket.poll_flush(context) {
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Eof),
                Poll::Ready(Ok(())) => {
                    // More may wait, and so does nobody's timer.
                    if times.write.take().is_some() || was_enough {
                        return Poll::Ready(Event::Again);
                    }
                }
                Poll::Pending if times.write.is_none() => {
                    times.write = Some(Instant::now() + config.send_timeout);
                    return Poll::Ready(Event::Again);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.has_more {
            return Poll::Ready(Event::Input);
        }
        match self.socket.poll_read(context) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Event::Eof),
            Poll::Ready(Ok(_)) => Poll::Ready(Event::Input),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn slow_reader() -> End {
    end(CloseCode::Policy, "reads too slowly", Some(Refusal::SlowReader))
}

async fn serve<D: Dialect, S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    dialect: &mut D,
    socket: &mut WebSocket<S>,
    outbox: &Outbox,
) -> Ended {
    // Its timers stay as they are, whatever is set meanwhile.
    let config = shared.config();
    let (mut drains, mut stops) = (shared.phases.clone(), shared.phases.clone());
    let phases = shared.phases.clone();
    let mut waits_for_phase = false;
    let mut draining = pin!(reached(&mut drains, Phase::Draining));
    let mut stopping = pin!(reached(&mut stops, Phase::Stopping));
    let mut times = Times::new(&config);
    let mut timer = pin!(sleep_until(times.next()));
    let mut missed = 0;
    if let Some(greeting) = dialect.greeting() {
        socket.queue_text(&greeting);
    }
    let mut wire = Wire {
        socket,
        outbox,
        // What came with the handshake.
        has_more: true,
        hurries: false,
    };
    loop {
        // When it rings too early, that costs less than to set it anew each time.
        if times.next() < timer.deadline() || timer.is_elapsed() {
            timer.as_mut().reset(times.next());
        }
        let event = poll_fn(|context| {
            // To look at it is to wait for a lock: once it waits for one, that is only done when it has come.
            if !std::mem::replace(&mut waits_for_phase, true) || phases.has_changed().unwrap_or(true) {
                // A later phase is an earlier one, too.
                if times.leaving == Leaving::Not {
                    if draining.as_mut().poll(context).is_ready() {
                        waits_for_phase = false;
                        return Poll::Ready(Event::Draining);
                    }
                } else if stopping.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Event::Stopping);
                }
            }
            if timer.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Time);
            }
            wire.poll(context, &mut times, &config)
        });
        match event.await {
            Event::Again => {}
            Event::Eof => return Ended::Gone,
            Event::Close(end) => return Ended::By(end),
            Event::Stopping => return farewell(dialect, wire.socket),
            Event::Draining => {
                // Not all at once: they would all be at the next tracker's door at once.
                let delay = shared
                    .config()
                    .drain_period
                    .mul_f64(shared.random(|rng| rng.random()));
                times.leaving = Leaving::Waits(Instant::now() + delay);
            }
            Event::Time => {
                if times.late.is_some_and(|at| at <= Instant::now()) {
                    // What there is no room for now gets its time anew.
                    (wire.hurries, times.late) = (true, None);
                }
                if let Some(ended) = ring(shared, dialect, wire.socket, &mut times, &mut missed, &config) {
                    return ended;
                }
            }
            Event::Input => {
                missed = 0;
                if let Some(ended) = carry_out(dialect, &mut wire, &mut times).await {
                    return ended;
                }
                times.init = match dialect.is_registered() {
                    true => None,
                    false => times.init.or(Some(Instant::now() + config.init_timeout)),
                };
            }
        }
    }
}

/// Does what it is time for.
fn ring<D: Dialect, S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    dialect: &D,
    socket: &mut WebSocket<S>,
    times: &mut Times,
    missed: &mut u32,
    config: &Config,
) -> Option<Ended> {
    let now = Instant::now();
    let silent = |reason| Ended::By(end(CloseCode::Policy, reason, Some(Refusal::Silent)));
    if times.write.is_some_and(|at| at <= now) {
        return Some(Ended::By(slow_reader()));
    }
    match times.leaving {
        Leaving::Waits(at) if at <= now => match dialect.move_on() {
            Some(frame) => {
                socket.queue_text(&frame);
                times.leaving = Leaving::Told(now + shared.config().drain_notice);
            }
            None => return Some(farewell(dialect, socket)),
        },
        Leaving::Told(at) if at <= now => return Some(farewell(dialect, socket)),
        _ => {}
    }
    if times.ping <= now {
        if *missed >= MAX_MISSED {
            return Some(silent("no sign of life"));
        }
        *missed += 1;
        socket.queue_ping();
        times.ping = now + config.ping_interval;
    }
    match times.init {
        Some(at) if at <= now => Some(silent("not registered in time")),
        _ => None,
    }
}

/// Carries out what was read, not too much at once.
async fn carry_out<D: Dialect, S: AsyncRead + AsyncWrite + Unpin>(
    dialect: &mut D,
    wire: &mut Wire<'_, S>,
    times: &mut Times,
) -> Option<Ended> {
    wire.has_more = true;
    let malformed = |(code, reason)| Ended::By(end(code, reason, Some(Refusal::Malformed)));
    for _ in 0..AT_ONCE {
        match wire.socket.next() {
            Ok(None) => {
                wire.has_more = false;
                break;
            }
            Ok(Some(Message::Text(text))) => {
                if let Err(ended) = dialect.frame(text) {
                    // The answers that wait are sent before the socket is closed.
                    wire.hurries = true;
                    poll_fn(|context| {
                        wire.take_outbox(context, times);
                        Poll::Ready(())
                    })
                    .await;
                    return Some(Ended::By(ended));
                }
            }
            Ok(Some(Message::Binary)) => {
                return Some(malformed((CloseCode::Unsupported, "text frames only")));
            }
            Ok(Some(Message::Close)) => return Some(Ended::Closed),
            Err(violation) => return Some(malformed(violation.close())),
        }
    }
    None
}

/// Says goodbye in the dialect's words; returns how to close the socket.
fn farewell<D: Dialect, S: AsyncRead + AsyncWrite + Unpin>(dialect: &D, socket: &mut WebSocket<S>) -> Ended {
    if let Some(farewell) = dialect.farewell() {
        socket.queue_text(&farewell);
    }
    Ended::By(end(CloseCode::Away, "tracker shuts down", None))
}

#[cfg(test)]
mod tests;
