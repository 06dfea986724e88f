//! The tracker's own reading of WebSocket frames against tungstenite's: both read the same messages and answer the same
//! pings, or both refuse, in whatever pieces the bytes come.
//!
//! They may differ in when they refuse, never in whether: the tracker refuses with a frame's head, tungstenite most
//! once the frame is complete; tungstenite refuses text that is not UTF-8 with the frame that shows it, the tracker with the last
//! one of the message. A close frame whose code must not be sent is refused by the tracker, and by tungstenite read as
//! one that says so.

#![no_main]

#[path = "../../tracker-ws/src"]
mod tracker {
    #[expect(dead_code, reason = "a part of the tracker's own")]
    pub(crate) mod websocket;
}

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket as Other, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as OtherMessage};
use tracker::websocket::{Message, Violation, WebSocket};
use tracker_protocol::MAX_FRAME;

/// What has come in and can be read, and what was written.
#[derive(Clone, Debug, Default)]
struct Wire(Rc<RefCell<(VecDeque<u8>, Vec<u8>)>>);

impl Wire {
    fn put(&self, piece: &[u8]) {
        self.0.borrow_mut().0.extend(piece);
    }

    fn written(&self) -> Vec<u8> {
        self.0.borrow().1.clone()
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.borrow_mut().0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.read(buffer.initialize_unfilled()) {
            Ok(count) => {
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(_) => Poll::Pending,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// How it ended, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Closed(CloseCode),
    TooLong,
    Utf8,
    Protocol,
}

/// What was read, and what was answered before the end.
#[derive(Debug)]
struct Seen {
    messages: Vec<Option<String>>,
    pongs: Vec<u8>,
    end: End,
}

impl Seen {
    fn nothing() -> Self {
        Self {
            messages: Vec::new(),
            pongs: Vec::new(),
            end: End::Open,
        }
    }
}

/// The tracker's.
fn ours(socket: &mut WebSocket<Wire>, wire: &Wire, piece: &[u8], seen: &mut Seen) {
    let mut context = Context::from_waker(Waker::noop());
    wire.put(piece);
    while seen.end == End::Open && socket.poll_read(&mut context).is_ready() {
        while seen.end == End::Open {
            match socket.next() {
                Ok(None) => break,
                Ok(Some(Message::Text(text))) => seen.messages.push(Some(text.to_owned())),
                Ok(Some(Message::Binary)) => seen.messages.push(None),
                // The code is read from the answer.
                Ok(Some(Message::Close)) => seen.end = End::Closed(CloseCode::Normal),
                Err(Violation::TooLong) => seen.end = End::TooLong,
                Err(Violation::Utf8) => seen.end = End::Utf8,
                Err(Violation::Protocol(_)) => seen.end = End::Protocol,
            }
        }
    }
    assert!(socket.poll_flush(&mut context).is_ready());
    seen.pongs = wire.written();
    if let End::Closed(code) = &mut seen.end {
        let answer = seen.pongs.split_off(seen.pongs.len() - 4);
        let [0x88, 2, high, low] = answer[..] else {
            panic!("not a close frame: {answer:?}");
        };
        *code = u16::from_be_bytes([high, low]).into();
    }
}

fn theirs(socket: &mut Other<Wire>, wire: &Wire, piece: &[u8], seen: &mut Seen) {
    wire.put(piece);
    while seen.end == End::Open {
        match socket.read() {
            Ok(OtherMessage::Text(text)) => seen.messages.push(Some(text.as_str().to_owned())),
            Ok(OtherMessage::Binary(_)) => seen.messages.push(None),
            // Its answer would be written by the next call.
            Ok(OtherMessage::Close(frame)) => {
                seen.end = End::Closed(frame.map_or(CloseCode::Normal, |frame| frame.code));
            }
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(Error::Capacity(_)) => seen.end = End::TooLong,
            Err(Error::Utf8(_)) => seen.end = End::Utf8,
            Err(Error::Protocol(_)) => seen.end = End::Protocol,
            Err(error) => panic!("{error}"),
        }
    }
    seen.pongs = wire.written();
}

fuzz_target!(|data: &[u8]| {
    // How the rest is cut: pieces of these lengths in turns.
    let Some((&[a, b], mut left)) = data.split_first_chunk() else {
        return;
    };
    let (my_wire, other_wire) = (Wire::default(), Wire::default());
    let mut mine = WebSocket::new(my_wire.clone(), Vec::new());
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    let mut other = Other::from_raw_socket(other_wire.clone(), Role::Server, Some(limits));
    let (mut here, mut there) = (Seen::nothing(), Seen::nothing());
    for length in [a, b].into_iter().cycle() {
        let (piece, rest) = left.split_at(usize::from(length).max(1).min(left.len()));
        left = rest;
        // After its end, nobody reads on.
        if here.end == End::Open {
            ours(&mut mine, &my_wire, piece, &mut here);
        }
        theirs(&mut other, &other_wire, piece, &mut there);
        if left.is_empty() {
            break;
        }
    }
    if here.end != End::Open && there.end == End::Open {
        // The head was refused: the rest of the longest frame.
        theirs(&mut other, &other_wire, &vec![0; MAX_FRAME + 14], &mut there);
    }
    assert_eq!(here.messages, there.messages);
    let both = here.pongs.len().min(there.pongs.len());
    assert_eq!(here.pongs[..both], there.pongs[..both]);
    match (here.end, there.end) {
        // In the middle of a message, of which more may have come, and pings within it.
        (_, End::Utf8) => {}
        (mine, other) if mine == other => assert_eq!(here.pongs, there.pongs),
        // Its code may not be sent.
        (End::Protocol, End::Closed(CloseCode::Protocol)) => {}
        // Two things are wrong.
        (End::Protocol | End::TooLong, End::Protocol | End::TooLong) => {}
        (mine, other) => panic!("the tracker: {mine:?}, tungstenite: {other:?}"),
    }
});
