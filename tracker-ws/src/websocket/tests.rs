use std::future::poll_fn;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// A client's frame.
fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 77, 177, 17];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        middle @ 126..65536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

fn socket() -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    (WebSocket::new(near, Vec::new()), far)
}

/// What a message was.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Text(String),
    Binary,
    Close,
    Wrong(Violation),
}

/// All that these bytes say, coming in by pieces of this length.
async fn read(bytes: &[u8], piece: usize) -> (Vec<Got>, Vec<u8>) {
    let (mut socket, mut far) = socket();
    let mut got = Vec::new();
    'all: for piece in bytes.chunks(piece) {
        far.write_all(piece).await.unwrap();
        while poll_fn(|context| Poll::Ready(socket.poll_read(context).is_ready())).await {
            loop {
                got.push(match socket.next() {
                    Ok(None) => break,
                    Ok(Some(Message::Text(text))) => Got::Text(text.to_owned()),
                    Ok(Some(Message::Binary)) => Got::Binary,
                    Ok(Some(Message::Close)) => Got::Close,
                    Err(violation) => Got::Wrong(violation),
                });
                if matches!(got.last(), Some(Got::Close | Got::Wrong(_))) {
                    break 'all;
                }
            }
        }
    }
    poll_fn(|context| socket.poll_flush(context)).await.unwrap();
    drop(socket);
    let mut answered = Vec::new();
    far.read_to_end(&mut answered).await.unwrap();
    (got, answered)
}

fn text(text: &str) -> Got {
    Got::Text(text.to_owned())
}

#[tokio::test]
async fn messages_in_any_pieces() {
    let long = "ä".repeat(MAX_FRAME / 2);
    let bytes = [
        client(0x81, b"a"),
        client(0x01, b"b"),
        // In the middle of a message, and in the middle of a character.
        client(0x89, b"ping"),
        client(0x00, "ä".as_bytes().first_chunk::<1>().unwrap()),
        client(0x80, &"ä".as_bytes()[1..]),
        client(0x8a, b""),
        client(0x81, long.as_bytes()),
        client(0x82, b"\0"),
        client(0x88, &1001_u16.to_be_bytes()),
        client(0x81, b"too late"),
    ]
    .concat();
    for piece in [1, 2, 3, 7, 1000, bytes.len()] {
        let (got, answered) = read(&bytes, piece).await;
        let all = [text("a"), text("bä"), text(&long), Got::Binary, Got::Close];
        assert!(got == all, "in pieces of {piece}");
        assert_eq!(answered, b"\x8a\x04ping\x88\x02\x03\xe9");
    }
}

#[tokio::test]
async fn what_is_wrong_is_found_with_the_head() {
    let protocol = Violation::Protocol;
    let mut long = client(0x81, &[b'a'; MAX_FRAME + 1]);
    long.truncate(MAX_HEAD);
    let pieces = [client(0x01, &[b'a'; MAX_FRAME]), client(0x80, b"a")].concat();
    for (bytes, wrong) in [
        (vec![0xc1, 0x80], protocol("reserved bits")),
        (vec![0x83, 0x80], protocol("reserved opcode")),
        (vec![0x81, 0x01, b'a'], protocol("not masked")),
        (vec![0x09, 0x80], protocol("control frame in pieces, or too long")),
        (
            client(0x89, &[0; 126])[..4].to_vec(),
            protocol("control frame in pieces, or too long"),
        ),
        (client(0x80, b"a"), protocol("continues nothing")),
        (
            [client(0x01, b"a"), client(0x81, b"b")].concat(),
            protocol("a message within another"),
        ),
        (long, Violation::TooLong),
        (pieces, Violation::TooLong),
        (client(0x81, b"\xff"), Violation::Utf8),
        (client(0x88, b"\x03"), protocol("close without an allowed code")),
        (
            client(0x88, &1005_u16.to_be_bytes()),
            protocol("close without an allowed code"),
        ),
        (client(0x88, b"\x03\xe8\xff"), Violation::Utf8),
    ] {
        let (got, _) = read(&bytes, bytes.len()).await;
        assert_eq!(got, [Got::Wrong(wrong)]);
    }
}

#[tokio::test]
async fn frames_go_out_in_one_write_and_buffers_back() {
    let (mut socket, mut far) = socket();
    let middle = "m".repeat(126);
    let long = "l".repeat(1 << 16);
    for text in ["", &middle, &long] {
        socket.queue_text(text);
    }
    socket.queue_ping();
    socket.queue_close(CloseCode::Policy, "why");
    let all = socket.queued();
    poll_fn(|context| socket.poll_flush(context)).await.unwrap();
    assert_eq!((socket.queued(), socket.output.capacity()), (0, 0));
    let mut bytes = vec![0; all];
    far.read_exact(&mut bytes).await.unwrap();
    let expected = [
        b"\x81\x00\x81\x7e\x00\x7e".to_vec(),
        middle.into_bytes(),
        b"\x81\x7f\0\0\0\0\0\x01\0\0".to_vec(),
        long.into_bytes(),
        b"\x89\x00\x88\x05\x03\xf0why".to_vec(),
    ];
    assert!(bytes == expected.concat());
}

#[tokio::test]
async fn an_idle_socket_has_no_buffers() {
    let (mut socket, mut far) = socket();
    let frame = client(0x81, &[b'a'; 20_000]);
    far.write_all(&frame[..10]).await.unwrap();
    poll_fn(|context| socket.poll_read(context)).await.unwrap();
    assert_eq!(socket.next(), Ok(None));
    let pending = poll_fn(|context| Poll::Ready(socket.poll_read(context).is_pending())).await;
    assert!(
        pending && socket.input.capacity() <= 20,
        "{}",
        socket.input.capacity()
    );
    far.write_all(&frame[10..]).await.unwrap();
    poll_fn(|context| socket.poll_read(context)).await.unwrap();
    assert!(matches!(socket.next(), Ok(Some(Message::Text(text))) if text.len() == 20_000));
    let pending = poll_fn(|context| Poll::Ready(socket.poll_read(context).is_pending())).await;
    assert!(pending);
    assert_eq!(
        (
            socket.input.capacity(),
            socket.output.capacity(),
            socket.pieces.capacity()
        ),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn a_slow_reader_takes_no_more_than_waits_for_it() {
    let (near, mut far) = duplex(100);
    let mut socket = WebSocket::new(near, Vec::new());
    socket.queue_text(&"a".repeat(1000));
    let pending = poll_fn(|context| Poll::Ready(socket.poll_flush(context).is_pending())).await;
    assert!(pending && socket.output.capacity() < 2 * socket.queued());
    let reader = tokio::spawn(async move {
        let mut bytes = vec![0; 1004];
        far.read_exact(&mut bytes).await.unwrap();
        bytes
    });
    poll_fn(|context| socket.poll_flush(context)).await.unwrap();
    assert!(reader.await.unwrap().ends_with(&[b'a'; 1000]));
}

/// A head with the longest form of length.
fn head(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat()
}

#[tokio::test]
async fn every_head_that_must_not_be() {
    let mut heads = Vec::new();
    for bits in 1..8 {
        heads.push((vec![0x81 | bits << 4, 0x80], "reserved bits"));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        heads.push((vec![0x80 | opcode, 0x80], "reserved opcode"));
    }
    for opcode in [0, 1, 2, 8, 9, 10] {
        heads.push((vec![0x80 | opcode, 0], "not masked"));
    }
    for opcode in [8, 9, 10] {
        let wrong = "control frame in pieces, or too long";
        heads.push((client(opcode, b""), wrong));
        heads.push((client(0x80 | opcode, &[0; 126]), wrong));
        heads.push((head(0x80 | opcode, u64::MAX), wrong));
    }
    for (head, wrong) in heads {
        let (got, answered) = read(&head, head.len()).await;
        assert_eq!(got, [Got::Wrong(Violation::Protocol(wrong))], "{head:?}");
        assert!(answered.is_empty());
    }
    for length in [MAX_FRAME as u64 + 1, 1 << 32, 1 << 63, u64::MAX] {
        for first in [0x81, 0x82, 0x01] {
            let (got, _) = read(&head(first, length), 1).await;
            assert_eq!(got, [Got::Wrong(Violation::TooLong)], "{length}");
        }
    }
    // In the longest form, but short; nothing is said of a frame that is not complete.
    let short = [head(0x81, 1), b"a".to_vec()].concat();
    assert_eq!(read(&short, 1).await.0, [text("a")]);
    let long = head(0x81, MAX_FRAME as u64);
    assert_eq!(read(&long, long.len()).await.0, []);
}

#[tokio::test]
async fn pings_are_answered_with_what_they_say() {
    let longest = [b'p'; MAX_CONTROL];
    let bytes = [
        client(0x01, b"a"),
        client(0x89, &longest),
        client(0x00, b""),
        client(0x89, b""),
        client(0x80, b""),
        client(0x8a, &longest),
        client(0x81, b""),
    ]
    .concat();
    let (got, answered) = read(&bytes, bytes.len()).await;
    assert_eq!(got, [text("a"), text("")]);
    assert_eq!(answered, [&[0x8a, 125][..], &longest, &[0x8a, 0]].concat());
}

#[tokio::test]
async fn text_is_utf8_and_close_codes_are_those_that_may_be() {
    let split = |pieces: &[&[u8]]| {
        let last = pieces.len() - 1;
        let first = |at| match at {
            0 => 0x01,
            at if at < last => 0x00,
            _ => 0x80,
        };
        let frames = pieces
            .iter()
            .enumerate()
            .map(|(at, piece)| client(first(at), piece));
        frames.collect::<Vec<_>>().concat()
    };
    // Cut within a character: right, and each way to be wrong.
    let right = split(&[b"\xf0\x9f", b"", b"\x90", b"\x9f"]);
    assert_eq!(read(&right, 1).await.0, [text("\u{1f41f}")]);
    for wrong in [
        split(&[b"\xf0\x9f", b"\x90"]),
        split(&[b"\xc3", b"a"]),
        split(&[b"a", b"\x80"]),
        split(&[b"\xed\xa0", b"\x80"]),
        split(&[b"\xc0", b"\xaf"]),
        client(0x81, b"\xf4\x90\x80\x80"),
    ] {
        assert_eq!(read(&wrong, 3).await.0, [Got::Wrong(Violation::Utf8)]);
    }
    for code in [
        1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        let close = client(0x88, &[&code.to_be_bytes(), "why \u{e4}".as_bytes()].concat());
        let (got, answered) = read(&close, close.len()).await;
        assert_eq!(got, [Got::Close], "{code}");
        assert_eq!(answered, [&[0x88, 2][..], &code.to_be_bytes()].concat());
    }
    for code in [
        0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        let (got, _) = read(&client(0x88, &code.to_be_bytes()), 9).await;
        let wrong = Violation::Protocol("close without an allowed code");
        assert_eq!(got, [Got::Wrong(wrong)], "{code}");
    }
    let (got, answered) = read(&client(0x88, b""), 9).await;
    assert_eq!((got, &answered[..]), (vec![Got::Close], &b"\x88\x02\x03\xe8"[..]));
}

#[tokio::test]
async fn closing_says_so_once_and_waits_for_the_other_side() {
    // Whatever it had said and still says: its own close frame, or nothing that makes sense, or its end.
    let late = [client(0x89, b"p"), client(0x81, b"late"), client(0x88, b"")].concat();
    for answer in [&late[..], &client(0x88, b"\x03\xe8"), b"\xff\xff no frame", b""] {
        let (mut socket, mut far) = socket();
        socket.queue_text("last");
        let closing = tokio::spawn(async move { socket.close(CloseCode::Policy, "why").await });
        let mut all = vec![0; 13];
        far.read_exact(&mut all).await.unwrap();
        assert_eq!(all, b"\x81\x04last\x88\x05\x03\xf0why");
        far.write_all(answer).await.unwrap();
        if answer.is_empty() {
            far.shutdown().await.unwrap();
        }
        all.clear();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"");
        drop(far);
        closing.await.unwrap().unwrap();
    }
}

proptest! {
    /// Whatever comes in, in whatever pieces, does no harm, and comes to the same.
    #[test]
    fn pieces_make_no_difference(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (whole, pieces) = runtime.block_on(async {
            (read(&bytes, bytes.len().max(1)).await, read(&bytes, piece).await)
        });
        prop_assert_eq!(whole, pieces);
    }
}
