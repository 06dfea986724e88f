//! Datagrams: a destination channel ID and messages (RFC 7574 §8.3). Over WebRTC one datagram is one SCTP message.

use bytes::{Buf, Bytes};

use crate::message::{DecodeError, Format, Message};
use crate::options::{Addressing, ProtocolOptions};

/// Longest datagram taken or sent, in bytes: some SCTP stacks stop one short of 64 KiB.
pub const MAX_DATAGRAM: usize = 65_535;

/// The channel a datagram is for; 0 = it opens one. `None` when it is too short or too long to be a datagram.
pub fn destination(datagram: &[u8]) -> Option<u32> {
    (datagram.len() <= MAX_DATAGRAM)
        .then_some(datagram)?
        .first_chunk()
        .map(|id| u32::from_be_bytes(*id))
}

/// The messages of a datagram, in order. After the first error there is nothing more: the rest is dropped (§3).
#[derive(Clone, Debug)]
pub struct Messages {
    rest: Bytes,
    format: Format,
    first: bool,
}

impl Messages {
    /// The messages behind the channel ID of `datagram`; none in a keep-alive (§8.5) or in what is no datagram.
    pub fn new(mut datagram: Bytes, format: Format) -> Self {
        if destination(&datagram).is_some() {
            datagram.advance(4);
        } else {
            datagram.clear();
        }
        Self {
            rest: datagram,
            format,
            first: true,
        }
    }
}

impl Messages {
    /// The rest is read in this format: the HANDSHAKE in front said so.
    pub(crate) fn set_format(&mut self, format: Format) {
        self.format = format;
    }
}

impl Iterator for Messages {
    type Item = Result<Message, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = Message::decode(&mut self.rest, &self.format).and_then(|message| match message {
            Message::Handshake { .. } if !self.first => Err(DecodeError::LateHandshake),
            message => Ok(message),
        });
        self.first = false;
        if message.is_err() {
            self.rest.clear();
        }
        Some(message)
    }
}

/// The options of the HANDSHAKE that a datagram to channel 0 has to start with, to find out which swarm it means.
pub fn opening(datagram: &Bytes) -> Option<ProtocolOptions> {
    if destination(datagram) != Some(0) {
        return None;
    }
    // No length in a HANDSHAKE depends on the swarm.
    match Messages::new(
        datagram.clone(),
        Format {
            chunk_size: 1,
            signature_length: None,
            addressing: Addressing::ChunkRanges32,
        },
    )
    .next()
    {
        Some(Ok(Message::Handshake { options, .. })) => Some(options),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{HashFunction, IntegrityMethod, SupportedMessages};
    use crate::{Bin, ChunkRange, Hash};
    use proptest::prelude::*;

    const FORMAT: Format = Format {
        chunk_size: 1024,
        signature_length: Some(64),
        addressing: Addressing::ChunkRanges32,
    };

    fn from_hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn encode(channel: u32, messages: &[Message]) -> Vec<u8> {
        let mut out = channel.to_be_bytes().to_vec();
        messages
            .iter()
            .for_each(|message| message.encode(&FORMAT, &mut out));
        out
    }

    /// Encodes to the vector and decodes from it.
    fn is_vector(vector: &str, channel: u32, messages: &[Message]) {
        let vector = from_hex(vector);
        assert_eq!(encode(channel, messages), vector);
        assert_eq!(destination(&vector), Some(channel));
        let decoded: Result<Vec<_>, _> = Messages::new(vector.into(), FORMAT).collect();
        assert_eq!(decoded.unwrap(), messages);
    }

    fn have(start: u32, end: u32) -> Message {
        Message::Have(ChunkRange::new(start, end).unwrap())
    }

    fn vod() -> ProtocolOptions {
        ProtocolOptions {
            version: Some(1),
            integrity: Some(IntegrityMethod::MerkleHashTree),
            hash_function: Some(HashFunction::Sha256),
            addressing: Some(Addressing::ChunkRanges32),
            chunk_size: Some(1024),
            ..Default::default()
        }
    }

    #[test]
    fn golden_vod_handshakes() {
        let id = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
        let options = ProtocolOptions {
            minimum_version: Some(1),
            swarm_id: Some(from_hex(id).into()),
            ..vod()
        };
        let vector = format!("00000000 00 a1b2c3d4 0001 0101 020020 {id} 0301 0402 0602 0900000400 ff");
        is_vector(
            &vector,
            0,
            &[Message::Handshake {
                source: 0xa1b2_c3d4,
                options: options.clone(),
            }],
        );
        assert_eq!(opening(&from_hex(&vector).into()), Some(options));
        is_vector(
            "a1b2c3d4 00 0badcafe 0001 0301 0402 0602 0900000400 ff
             03 00000000 00000003 03 00000004 00000005 03 00000006 00000006",
            0xa1b2_c3d4,
            &[
                Message::Handshake {
                    source: 0x0bad_cafe,
                    options: vod(),
                },
                have(0, 3),
                have(4, 5),
                have(6, 6),
            ],
        );
    }

    #[test]
    fn golden_small_datagrams() {
        is_vector(
            "0badcafe 08 00000000 00000000",
            0x0bad_cafe,
            &[Message::Request(ChunkRange::one(0))],
        );
        is_vector("0badcafe", 0x0bad_cafe, &[]);
        let close = |version| Message::Handshake {
            source: 0,
            options: ProtocolOptions {
                version,
                ..Default::default()
            },
        };
        is_vector("0badcafe 00 00000000 ff", 0x0bad_cafe, &[close(None)]);
        is_vector("0badcafe 00 00000000 0001 ff", 0x0bad_cafe, &[close(Some(1))]);
    }

    #[test]
    fn golden_live_handshake() {
        let id = "0d 6cdfde273ca87c7b6a0a1831e3407fce10d9991941bb6e05d6370d3961b8085c
                  135a5470d74981e2b0e3b2dc7e0f99a7d87055c7135be0a3a62d36596fd544a8";
        is_vector(
            &format!(
                "00000000 00 a1b2c3d4 0001 0101 020041 {id} 0303 0402 050d 0602 0700000258 0802dbf4 0900004000 ff"
            ),
            0,
            &[Message::Handshake {
                source: 0xa1b2_c3d4,
                options: ProtocolOptions {
                    version: Some(1),
                    minimum_version: Some(1),
                    swarm_id: Some(from_hex(id).into()),
                    integrity: Some(IntegrityMethod::UnifiedMerkleTree),
                    hash_function: Some(HashFunction::Sha256),
                    live_signature: Some(13),
                    addressing: Some(Addressing::ChunkRanges32),
                    live_discard_window: Some(600),
                    supported_messages: Some(SupportedMessages::of(&[0, 1, 3, 4, 6, 7, 8, 9, 10, 11, 13])),
                    chunk_size: Some(16384),
                },
            }],
        );
    }

    /// Seven chunks are the nodes 3, 9 and 12 (RFC 7574 §4.2), one message each.
    #[test]
    fn golden_bins() {
        let format = Format {
            addressing: Addressing::Bins32,
            ..FORMAT
        };
        let mut out = 7_u32.to_be_bytes().to_vec();
        have(0, 6).encode(&format, &mut out);
        Message::Request(ChunkRange::one(6)).encode(&format, &mut out);
        assert_eq!(
            out,
            from_hex("00000007 03 00000003 03 00000009 03 0000000c 08 0000000c")
        );
        let decoded: Result<Vec<_>, _> = Messages::new(out.into(), format).collect();
        let request = Message::Request(ChunkRange::one(6));
        assert_eq!(decoded.unwrap(), [have(0, 3), have(4, 5), have(6, 6), request]);
        let none = Messages::new(from_hex("00000007 03 ffffffff").into(), format).next();
        assert_eq!(none, Some(Err(DecodeError::NotABin(u32::MAX))));
    }

    #[test]
    fn refuses_what_the_rfc_refuses() {
        for (bytes, error) in [
            (
                "01 00000000 00000001 0000000000000000 aa",
                DecodeError::ManyChunks(0, 1),
            ),
            (
                "01 00000000 00000000 0000000000000000",
                DecodeError::EmptyChunk(0),
            ),
            ("03 00000001 00000000", DecodeError::Reversed(1, 0)),
            ("03 00000001", DecodeError::Short),
            ("04 00000001 00000002", DecodeError::NotASubtree(1, 2)),
            ("0a 00 00000001 ff", DecodeError::LateHandshake),
            ("0d 1001", DecodeError::CertificateLength(4097)),
            ("0e", DecodeError::UnknownMessage(14)),
            ("ff", DecodeError::UnknownMessage(255)),
        ] {
            let datagram = [vec![0, 0, 0, 7], from_hex(bytes)].concat();
            let last = Messages::new(datagram.into(), FORMAT).last();
            assert_eq!(last, Some(Err(error)), "{bytes}");
        }
        let signed = Message::SignedIntegrity {
            bin: Bin::leaf(0),
            time: 0,
            signature: vec![0; 64].into(),
        };
        let unsigned = Format {
            signature_length: None,
            ..FORMAT
        };
        let decoded = Messages::new(encode(7, &[signed]).into(), unsigned).next();
        assert_eq!(decoded, Some(Err(DecodeError::Unsigned)));
        assert_eq!(destination(&[0, 0, 0]), None);
        assert_eq!(destination(&vec![0; MAX_DATAGRAM + 1]), None);
    }

    fn message() -> impl Strategy<Value = Message> {
        let range =
            (any::<u32>(), any::<u32>()).prop_map(|(a, b)| ChunkRange::new(a.min(b), a.max(b)).unwrap());
        let bin = (0u8..=16, 0u64..1 << 16).prop_map(|(layer, offset)| Bin::new(layer, offset));
        let data = prop::collection::vec(any::<u8>(), 1024);
        prop_oneof![
            (any::<u32>(), any::<u64>(), data).prop_map(|(chunk, timestamp, bytes)| Message::Data {
                chunk,
                timestamp,
                bytes: bytes.into()
            }),
            (range.clone(), any::<i64>()).prop_map(|(range, delay)| Message::Ack { range, delay }),
            range.clone().prop_map(Message::Have),
            (bin.clone(), any::<[u8; 32]>()).prop_map(|(bin, hash)| Message::Integrity {
                bin,
                hash: Hash::new(hash)
            }),
            (any::<u32>(), any::<u16>()).prop_map(|(ip, port)| Message::PexResV4(ip.into(), port)),
            Just(Message::PexReq),
            (bin, any::<u64>(), any::<[u8; 32]>()).prop_map(|(bin, time, half)| Message::SignedIntegrity {
                bin,
                time,
                signature: [half, half].concat().into()
            }),
            range.clone().prop_map(Message::Request),
            range.prop_map(Message::Cancel),
            Just(Message::Choke),
            Just(Message::Unchoke),
            (any::<u128>(), any::<u16>()).prop_map(|(ip, port)| Message::PexResV6(ip.into(), port)),
            prop::collection::vec(any::<u8>(), 0..200).prop_map(|der| Message::PexResCert(der.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(channel: u32, messages in prop::collection::vec(message(), 0..12)) {
            let decoded: Result<Vec<_>, _> = Messages::new(encode(channel, &messages).into(), FORMAT).collect();
            prop_assert_eq!(decoded.unwrap(), messages);
        }

        /// Whatever decodes is what its encoding decodes to again.
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let messages: Vec<_> = Messages::new(noise.into(), FORMAT).map_while(Result::ok).collect();
            let again: Vec<_> = Messages::new(encode(1, &messages).into(), FORMAT).map_while(Result::ok).collect();
            // A short DATA takes the rest, so everything up to it has to agree.
            prop_assert_eq!(again.len() >= messages.len().min(1), true);
            if let (Some(first), Some(second)) = (messages.first(), again.first()) {
                prop_assert_eq!(core::mem::discriminant(first), core::mem::discriminant(second));
            }
        }
    }
}
