//! Frames (RFC 6455 §5.2).

use std::ops::Range;

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Violation;

/// Longest payload of a control frame.
pub(super) const MAX_CONTROL: usize = 125;
/// Longest head: two bytes, length, mask.
pub(super) const MAX_HEAD: usize = 14;

const LAST: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// A client's frame, whose payload is unmasked where it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    pub(super) is_last: bool,
    /// Where the payload is. The frame ends with it.
    pub(super) payload: Range<usize>,
}

/// Where the mask begins, and how long the payload is; `None`: the head is not complete.
fn measure(bytes: &[u8]) -> Option<(usize, u64)> {
    let short = *bytes.get(1)? & !MASKED;
    Some(match short {
        126 => (4, u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into()),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        short => (2, short.into()),
    })
}

impl Frame {
    /// Reads the frame that begins here, once it is complete. What is wrong with its head is found before.
    pub(super) fn read(bytes: &mut [u8], max: usize) -> Result<Option<Self>, Violation> {
        let Some(&[first, second]) = bytes.first_chunk() else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(Violation::Protocol("reserved bits"));
        }
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Violation::Protocol("reserved opcode")),
        };
        let is_last = first & LAST != 0;
        if second & MASKED == 0 {
            return Err(Violation::Protocol("not masked"));
        }
        let Some((mask, length)) = measure(bytes) else {
            return Ok(None);
        };
        if opcode.is_control() && (!is_last || length > MAX_CONTROL as u64) {
            return Err(Violation::Protocol("control frame in pieces, or too long"));
        }
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= max) else {
            return Err(Violation::TooLong);
        };
        let payload = mask + 4..mask + 4 + length;
        if bytes.len() < payload.end {
            return Ok(None);
        }
        let (head, rest) = bytes.split_at_mut(payload.start);
        if let Some(mask) = head[mask..].first_chunk() {
            unmask(&mut rest[..length], *mask);
        }
        Ok(Some(Self {
            opcode,
            is_last,
            payload,
        }))
    }

    /// Of the whole frame that begins here, once its head says it.
    pub(super) fn length(bytes: &[u8]) -> Option<usize> {
        let (mask, length) = measure(bytes)?;
        Some(usize::try_from(length).ok()?.saturating_add(mask + 4))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// The head of a server's frame, which is not masked.
pub(super) fn write_head(out: &mut Vec<u8>, opcode: Opcode, length: usize) {
    out.push(LAST | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(short),
        (_, Ok(middle)) => {
            out.push(126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// The code to answer a close frame with: its own.
pub(super) fn close_code(payload: &[u8]) -> Result<CloseCode, Violation> {
    if payload.is_empty() {
        return Ok(CloseCode::Normal);
    }
    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
    let code = code.map(CloseCode::from).filter(|code| code.is_allowed());
    match std::str::from_utf8(payload.get(2..).unwrap_or_default()) {
        Ok(_) => code.ok_or(Violation::Protocol("close without an allowed code")),
        Err(_) => Err(Violation::Utf8),
    }
}
