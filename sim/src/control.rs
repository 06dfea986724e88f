//! What the control lane carries, by message (RFC 7574 §8).

use bytes::Bytes;
use ppspp::Message;
use ppspp::datagram::Messages;
use ppspp::message::Format;
use serde::{Deserialize, Serialize};

/// Bytes of a channel ID in front of a datagram.
const CHANNEL_ID: u64 = 4;

/// Bytes by message, and what they came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Datagrams; a keep-alive is one without messages.
    pub datagrams: u64,
    /// All their bytes.
    pub bytes: u64,
    /// Datagrams with nothing but REQUEST and CANCEL.
    #[serde(default)]
    pub requesting: u64,
    /// HANDSHAKE.
    pub handshake: u64,
    /// HAVE.
    pub have: u64,
    /// INTEGRITY and SIGNED_INTEGRITY: a live stream's newest munro, for new neighbours.
    pub munro: u64,
    /// REQUEST.
    pub request: u64,
    /// CANCEL.
    pub cancel: u64,
    /// CHOKE and UNCHOKE.
    pub choke: u64,
    /// PEX_REQ and PEX_REScert.
    pub exchange: u64,
}

impl Control {
    /// Counts a datagram.
    pub fn count(&mut self, datagram: &Bytes, format: &Format) {
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        let mut encoded = Vec::new();
        let mut requesting = datagram.len() as u64 > CHANNEL_ID;
        for message in Messages::new(datagram.clone(), *format).flatten() {
            encoded.clear();
            message.encode(format, &mut encoded);
            *self.of(&message) += encoded.len() as u64;
            requesting &= matches!(message, Message::Request(_) | Message::Cancel(_));
        }
        self.requesting += u64::from(requesting);
    }

    /// Bytes of what peers tell each other of themselves, whether anything is transferred or not: all but REQUEST, CANCEL
    /// and the datagrams for nothing else.
    pub fn availability(&self) -> u64 {
        self.bytes - self.request - self.cancel - self.requesting * CHANNEL_ID
    }

    fn of(&mut self, message: &Message) -> &mut u64 {
        match message {
            Message::Handshake { .. } => &mut self.handshake,
            Message::Have(_) => &mut self.have,
            Message::Integrity { .. } | Message::SignedIntegrity { .. } => &mut self.munro,
            Message::Request(_) => &mut self.request,
            Message::Cancel(_) => &mut self.cancel,
            Message::Choke | Message::Unchoke => &mut self.choke,
            _ => &mut self.exchange,
        }
    }

    /// What it is made of: together all bytes.
    pub fn by_message(&self) -> [(&'static str, u64); 8] {
        [
            ("channel IDs", self.datagrams * CHANNEL_ID),
            ("HANDSHAKE", self.handshake),
            ("HAVE", self.have),
            ("munros", self.munro),
            ("REQUEST", self.request),
            ("CANCEL", self.cancel),
            ("CHOKE", self.choke),
            ("PEX", self.exchange),
        ]
    }

    /// What was sent since it was `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            datagrams: self.datagrams - earlier.datagrams,
            bytes: self.bytes - earlier.bytes,
            requesting: self.requesting - earlier.requesting,
            handshake: self.handshake - earlier.handshake,
            have: self.have - earlier.have,
            munro: self.munro - earlier.munro,
            request: self.request - earlier.request,
            cancel: self.cancel - earlier.cancel,
            choke: self.choke - earlier.choke,
            exchange: self.exchange - earlier.exchange,
        }
    }

    /// Adds what another viewer sent.
    pub fn add(&mut self, other: &Self) {
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.requesting += other.requesting;
        self.handshake += other.handshake;
        self.have += other.have;
        self.munro += other.munro;
        self.request += other.request;
        self.cancel += other.cancel;
        self.choke += other.choke;
        self.exchange += other.exchange;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ppspp::ChunkRange;
    use ppspp::options::Addressing;

    #[test]
    fn every_byte_has_its_message() {
        let format = Format {
            chunk_size: 1024,
            signature_length: Some(64),
            addressing: Addressing::ChunkRanges32,
        };
        let mut datagram = vec![0, 0, 0, 7];
        let range = ChunkRange::new(3, 9).unwrap();
        for message in [
            Message::Request(range),
            Message::Have(range),
            Message::Unchoke,
            Message::PexReq,
            Message::Have(range),
            Message::PexResCert(Bytes::from_static(&[1; 100])),
        ] {
            message.encode(&format, &mut datagram);
        }
        let mut control = Control::default();
        control.count(&datagram.into(), &format);
        control.count(&Bytes::from_static(&[0; 4]), &format);
        assert_eq!((control.datagrams, control.have, control.request), (2, 18, 9));
        assert_eq!((control.choke, control.exchange), (1, 104));
        let of_messages: u64 = control.by_message().iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(of_messages, control.bytes);
        // REQUEST came with others: only its own bytes are of a transfer.
        assert_eq!(
            (control.requesting, control.availability()),
            (0, control.bytes - 9)
        );
        let mut asking = vec![0, 0, 0, 7];
        Message::Request(range).encode(&format, &mut asking);
        Message::Cancel(range).encode(&format, &mut asking);
        let mut more = control;
        more.count(&asking.into(), &format);
        assert_eq!(
            (more.requesting, more.availability()),
            (1, control.availability())
        );
        let since = more.since(&control);
        assert_eq!((since.bytes, since.request, since.datagrams), (22, 9, 1));
        let mut twice = control;
        twice.add(&control);
        assert_eq!((twice.bytes, twice.exchange), (2 * control.bytes, 208));
    }
}
