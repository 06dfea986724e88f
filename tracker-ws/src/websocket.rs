//! A WebSocket (RFC 6455), the server's side, after its handshake: made for very many that are idle.
//!
//! * An idle socket has no buffers: those in use come from its thread, and go back when they are empty.
//! * What has come in by one read of the system is looked at where it is: no message is copied, unless it came in pieces.
//! * What is to be sent is written with as few calls of the system as it takes.

mod buffers;
mod frame;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracker_protocol::MAX_FRAME;

pub(crate) use buffers::take_small;
use buffers::{give_back, take};
use frame::{Frame, MAX_CONTROL, MAX_HEAD, Opcode, write_head};

/// What has come in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary,
    /// The other side closes; it has been answered, as far as it is flushed.
    Close,
}

/// Why what has come in is no message. The socket is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("frame longer than 65536")]
    TooLong,
    #[error("not UTF-8")]
    Utf8,
    #[error("{0}")]
    Protocol(&'static str),
}

impl Violation {
    /// What the other side is told.
    pub(crate) fn close(self) -> (CloseCode, &'static str) {
        match self {
            Self::TooLong => (CloseCode::Size, "frame longer than 65536"),
            Self::Utf8 => (CloseCode::Invalid, "not UTF-8"),
            Self::Protocol(reason) => (CloseCode::Protocol, reason),
        }
    }
}

/// Appends a text message, given in pieces, as it is written.
pub(crate) fn put_text(out: &mut Vec<u8>, pieces: &[&str]) {
    write_head(out, Opcode::Text, pieces.iter().map(|piece| piece.len()).sum());
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// A socket.
#[derive(Debug)]
pub(crate) struct WebSocket<S> {
    stream: S,
    /// Read, and not looked at before `seen`.
    input: Vec<u8>,
    seen: usize,
    /// The frames of a message that is not complete, and the message that was completed last.
    pieces: Vec<u8>,
    fragmented: Option<Opcode>,
    /// To be written, from `written` on.
    output: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// After a handshake, with what was read past it.
    pub(crate) fn new(stream: S, rest: Vec<u8>) -> Self {
        Self {
            stream,
            input: rest,
            seen: 0,
            pieces: Vec::new(),
            fragmented: None,
            output: Vec::new(),
            written: 0,
        }
    }

    /// Reads what there is, or waits for something. Everything that came in before must have been looked at
    /// ([`WebSocket::next`] returned `None`). Returns 0 when the other side has ended.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.drop_seen();
        if self.input.capacity() == 0 {
            self.input = take();
        }
        let read = pin!(self.stream.read_buf(&mut self.input)).poll(context);
        if read.is_pending() {
            self.keep_little();
        }
        read
    }

    /// The next complete message of what was read. Pings are answered on the way, as far as it is flushed.
    ///
    /// # Errors
    /// [`Violation`]: nothing that comes after it makes sense.
    pub(crate) fn next(&mut self) -> Result<Option<Message<'_>>, Violation> {
        loop {
            let Some(frame) = Frame::read(&mut self.input[self.seen..], MAX_FRAME)? else {
                return Ok(None);
            };
            let (begin, end) = (self.seen + frame.payload.start, self.seen + frame.payload.end);
            self.seen = end;
            match (frame.opcode, self.fragmented) {
                (Opcode::Ping, _) => {
                    write_head(self.output(), Opcode::Pong, end - begin);
                    self.output.extend_from_slice(&self.input[begin..end]);
                }
                (Opcode::Pong, _) => {}
                (Opcode::Close, _) => {
                    let code = frame::close_code(&self.input[begin..end])?;
                    self.queue_close(code, "");
                    return Ok(Some(Message::Close));
                }
                (Opcode::Continuation, None) => return Err(Violation::Protocol("continues nothing")),
                (Opcode::Continuation, Some(first)) => {
                    if self.pieces.len() + (end - begin) > MAX_FRAME {
                        return Err(Violation::TooLong);
                    }
                    self.pieces.extend_from_slice(&self.input[begin..end]);
                    if frame.is_last {
                        self.fragmented = None;
                        return message(first, &self.pieces).map(Some);
                    }
                }
                (_, Some(_)) => return Err(Violation::Protocol("a message within another")),
                (first, None) if frame.is_last => {
                    return message(first, &self.input[begin..end]).map(Some);
                }
                (first, None) => {
                    self.fragmented = Some(first);
                    self.pieces.clear();
                    self.pieces.extend_from_slice(&self.input[begin..end]);
                }
            }
        }
    }

    /// Queues a message.
    pub(crate) fn queue_text(&mut self, text: &str) {
        put_text(self.output(), &[text]);
    }

    /// Queues what others have put together ([`put_text`]).
    pub(crate) fn queue_frames(&mut self, frames: Vec<u8>) {
        let unused = if self.output.is_empty() {
            std::mem::replace(&mut self.output, frames)
        } else {
            self.output.extend_from_slice(&frames);
            frames
        };
        give_back(unused);
    }

    /// Queues a ping.
    pub(crate) fn queue_ping(&mut self) {
        write_head(self.output(), Opcode::Ping, 0);
    }

    /// Queues the last frame.
    pub(crate) fn queue_close(&mut self, code: CloseCode, reason: &str) {
        let reason = &reason.as_bytes()[..reason.len().min(MAX_CONTROL - 2)];
        let output = self.output();
        write_head(output, Opcode::Close, 2 + reason.len());
        output.extend_from_slice(&u16::from(code).to_be_bytes());
        output.extend_from_slice(reason);
    }

    /// Bytes that are queued and not written.
    pub(crate) fn queued(&self) -> usize {
        self.output.len() - self.written
    }

    /// Writes what is queued.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.output.len() {
            let left = &self.output[self.written..];
            match Pin::new(&mut self.stream).poll_write(context, left) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // Its reader is slow: what waits for it shall take no more than its own length.
                    if self.output.capacity() > 2 * self.queued() {
                        let left = self.output[self.written..].to_vec();
                        give_back(std::mem::replace(&mut self.output, left));
                        self.written = 0;
                    }
                    return Poll::Pending;
                }
            }
        }
        self.written = 0;
        give_back(std::mem::take(&mut self.output));
        // What lies between, TLS for one, may have a buffer of its own.
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Closes: sends what is queued, waits for the other side to close as well, and ends the connection. Without a
    /// time limit of its own.
    ///
    /// # Errors
    /// When the connection fails before.
    pub(crate) async fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        self.queue_close(code, reason);
        poll_fn(|context| self.poll_flush(context)).await?;
        loop {
            // Whatever it says, it is too late. After a close frame nothing is sent, not even another.
            let read = loop {
                match self.next() {
                    Ok(Some(Message::Close)) => break Ok(true),
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(false),
                    Err(violation) => break Err(violation),
                }
            };
            self.output.clear();
            match read {
                Ok(true) => return self.end().await,
                Ok(false) => {}
                Err(_) => {
                    self.end().await?;
                    return self.discard().await;
                }
            }
            if poll_fn(|context| self.poll_read(context)).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Reads until the other side ends, too, whatever it says: where its frames begin is not known any more. The system
    /// would otherwise reset the connection, and what was sent last be lost.
    async fn discard(&mut self) -> io::Result<()> {
        loop {
            self.seen = self.input.len();
            if poll_fn(|context| self.poll_read(context)).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Sends what is queued and ends the connection.
    ///
    /// # Errors
    /// When the connection fails before.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        poll_fn(|context| {
            ready!(self.poll_flush(context))?;
            Pin::new(&mut self.stream).poll_shutdown(context)
        })
        .await
    }

    /// What it runs on.
    #[cfg(test)]
    pub(crate) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    fn output(&mut self) -> &mut Vec<u8> {
        if self.output.capacity() == 0 {
            self.output = take_small();
        }
        &mut self.output
    }

    /// Moves what was not looked at to the front.
    fn drop_seen(&mut self) {
        self.input.drain(..self.seen);
        self.seen = 0;
        if self.fragmented.is_none() {
            self.pieces = Vec::new();
        }
        // Room for all of a frame that has begun.
        if let Some(length) = Frame::length(&self.input) {
            let length = length.min(MAX_FRAME + MAX_HEAD);
            self.input.reserve(length.saturating_sub(self.input.len()));
        }
    }

    /// While nothing more comes, gives back all that is not needed.
    fn keep_little(&mut self) {
        if self.input.is_empty() {
            give_back(std::mem::take(&mut self.input));
        } else if self.input.capacity() > 2 * self.input.len() {
            let little = self.input.clone();
            give_back(std::mem::replace(&mut self.input, little));
        }
    }
}

impl<S> Drop for WebSocket<S> {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.input));
        give_back(std::mem::take(&mut self.output));
    }
}

fn message(opcode: Opcode, payload: &[u8]) -> Result<Message<'_>, Violation> {
    match opcode {
        Opcode::Text => match std::str::from_utf8(payload) {
            Ok(text) => Ok(Message::Text(text)),
            Err(_) => Err(Violation::Utf8),
        },
        _ => Ok(Message::Binary),
    }
}

#[cfg(test)]
mod tests;
