//! Protocol options of HANDSHAKE (RFC 7574 §7).
//!
//! Options have no common length field, so an unknown one makes the whole HANDSHAKE unreadable. They are sorted by
//! ascending code and closed by option 255.

use bytes::{Buf, BufMut, Bytes};

use crate::message::DecodeError;

const VERSION: u8 = 0;
const MINIMUM_VERSION: u8 = 1;
const SWARM_ID: u8 = 2;
const INTEGRITY: u8 = 3;
const HASH_FUNCTION: u8 = 4;
const LIVE_SIGNATURE: u8 = 5;
const ADDRESSING: u8 = 6;
const LIVE_DISCARD_WINDOW: u8 = 7;
const SUPPORTED_MESSAGES: u8 = 8;
const CHUNK_SIZE: u8 = 9;
const END: u8 = 255;

/// Longest swarm ID accepted, in bytes. The longest in use, a P-384 live key, has 97.
pub const MAX_SWARM_ID: usize = 1024;

/// A one-byte registry of RFC 7574 §7 as an enum with its code points.
macro_rules! registry {
    ($(#[$doc:meta])* $name:ident, $option:literal { $($(#[$item_doc:meta])* $item:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$item_doc])* $item = $code,)+ }

        impl $name {
            fn read(code: u8) -> Result<Self, DecodeError> {
                match code {
                    $($code => Ok(Self::$item),)+
                    value => Err(DecodeError::OptionValue { option: $option, value }),
                }
            }
        }
    };
}

registry! {
    /// Content integrity protection method (§7.5). Code 0, no protection, is refused (erratum 4880).
    IntegrityMethod, 3 {
        /// Static content: one Merkle tree, its root is the swarm ID.
        MerkleHashTree = 1,
        /// Live: every chunk is signed.
        SignAll = 2,
        /// Live: subtree roots (munros) are signed.
        UnifiedMerkleTree = 3,
    }
}

registry! {
    /// Merkle hash tree function (§7.6).
    HashFunction, 4 {
        /// 20 bytes.
        Sha1 = 0,
        /// 28 bytes.
        Sha224 = 1,
        /// 32 bytes, the default.
        Sha256 = 2,
        /// 48 bytes.
        Sha384 = 3,
        /// 64 bytes.
        Sha512 = 4,
    }
}

registry! {
    /// Chunk addressing method (§7.8).
    Addressing, 6 {
        /// 32-bit bins.
        Bins32 = 0,
        /// 64-bit byte ranges.
        ByteRanges64 = 1,
        /// 32-bit chunk ranges, the default and what Shoal's swarms use.
        ChunkRanges32 = 2,
        /// 64-bit bins.
        Bins64 = 3,
        /// 64-bit chunk ranges.
        ChunkRanges64 = 4,
    }
}

impl Addressing {
    /// Is the live discard window 8 bytes wide with this method (else 4)?
    const fn is_wide(self) -> bool {
        matches!(self, Self::ByteRanges64 | Self::Bins64 | Self::ChunkRanges64)
    }
}

/// Which messages a peer understands (§7.10): bit *X* is message type *X*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedMessages(u16);

impl SupportedMessages {
    /// The set of the given message types (0–15).
    pub const fn of(types: &[u8]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < types.len() {
            bits |= 0x8000 >> types[index];
            index += 1;
        }
        Self(bits)
    }

    /// Is this message type in the set?
    pub const fn contains(self, message_type: u8) -> bool {
        message_type < 16 && self.0 & (0x8000 >> message_type) != 0
    }
}

/// The options of one HANDSHAKE. Absent ones are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtocolOptions {
    /// Highest version spoken (§7.2).
    pub version: Option<u8>,
    /// Lowest version spoken (§7.3).
    pub minimum_version: Option<u8>,
    /// Swarm ID in binary (§7.4).
    pub swarm_id: Option<Bytes>,
    /// Content integrity protection method (§7.5).
    pub integrity: Option<IntegrityMethod>,
    /// Merkle hash tree function (§7.6).
    pub hash_function: Option<HashFunction>,
    /// Live signature algorithm, a DNSSEC algorithm number (§7.7).
    pub live_signature: Option<u8>,
    /// Chunk addressing method (§7.8).
    pub addressing: Option<Addressing>,
    /// Chunks kept before the last one announced (§7.9); all ones = nothing is discarded.
    pub live_discard_window: Option<u64>,
    /// Messages understood (§7.10); absent = all.
    pub supported_messages: Option<SupportedMessages>,
    /// Chunk size in bytes (§7.11); `0xFFFF_FFFF` = variable.
    pub chunk_size: Option<u32>,
}

impl ProtocolOptions {
    /// Appends the options in order, with the end option.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut byte = |option: u8, value: Option<u8>| {
            if let Some(value) = value {
                out.extend([option, value]);
            }
        };
        byte(VERSION, self.version);
        byte(MINIMUM_VERSION, self.minimum_version);
        if let Some(id) = &self.swarm_id {
            out.put_u8(SWARM_ID);
            out.put_u16(id.len() as u16);
            out.put_slice(id);
        }
        let mut byte = |option: u8, value: Option<u8>| {
            if let Some(value) = value {
                out.extend([option, value]);
            }
        };
        byte(INTEGRITY, self.integrity.map(|method| method as u8));
        byte(HASH_FUNCTION, self.hash_function.map(|function| function as u8));
        byte(LIVE_SIGNATURE, self.live_signature);
        byte(ADDRESSING, self.addressing.map(|method| method as u8));
        if let Some(window) = self.live_discard_window {
            out.put_u8(LIVE_DISCARD_WINDOW);
            if self.addressing.is_some_and(Addressing::is_wide) {
                out.put_u64(window);
            } else {
                out.put_u32(window as u32);
            }
        }
        if let Some(messages) = self.supported_messages {
            out.put_u8(SUPPORTED_MESSAGES);
            // Trailing zero bytes are cut (§7.10).
            let bitmap = messages.0.to_be_bytes();
            let bitmap = if bitmap[1] == 0 { &bitmap[..1] } else { &bitmap[..] };
            out.put_u8(bitmap.len() as u8);
            out.put_slice(bitmap);
        }
        if let Some(size) = self.chunk_size {
            out.put_u8(CHUNK_SIZE);
            out.put_u32(size);
        }
        out.put_u8(END);
    }

    /// Reads options up to and with the end option.
    pub(crate) fn decode(input: &mut Bytes) -> Result<Self, DecodeError> {
        let mut options = Self::default();
        let mut least = 0;
        loop {
            let option = byte(input)?;
            if option == END {
                return Ok(options);
            }
            if option < least {
                return Err(DecodeError::OptionOrder(option));
            }
            least = option + 1;
            match option {
                VERSION => options.version = Some(version(input, option)?),
                MINIMUM_VERSION => options.minimum_version = Some(version(input, option)?),
                SWARM_ID => {
                    let length = usize::from(short(input)?);
                    if length == 0 || length > MAX_SWARM_ID {
                        return Err(DecodeError::SwarmIdLength(length));
                    }
                    options.swarm_id = Some(take(input, length)?);
                }
                INTEGRITY => options.integrity = Some(IntegrityMethod::read(byte(input)?)?),
                HASH_FUNCTION => options.hash_function = Some(HashFunction::read(byte(input)?)?),
                LIVE_SIGNATURE => options.live_signature = Some(byte(input)?),
                ADDRESSING => options.addressing = Some(Addressing::read(byte(input)?)?),
                LIVE_DISCARD_WINDOW => {
                    // The width follows the addressing method, which therefore has to be known (§7.9).
                    let method = options.addressing.ok_or(DecodeError::WindowWithoutAddressing)?;
                    options.live_discard_window = Some(if method.is_wide() {
                        number(input, 8)?
                    } else {
                        word(input)?.into()
                    });
                }
                SUPPORTED_MESSAGES => {
                    let length = usize::from(byte(input)?);
                    if length == 0 || length > 32 {
                        return Err(DecodeError::BitmapLength(length));
                    }
                    let bitmap = take(input, length)?;
                    let second = bitmap.get(1).copied().unwrap_or(0);
                    options.supported_messages =
                        Some(SupportedMessages(u16::from(bitmap[0]) << 8 | u16::from(second)));
                }
                CHUNK_SIZE => match word(input)? {
                    0 => return Err(DecodeError::OptionValue { option, value: 0 }),
                    size => options.chunk_size = Some(size),
                },
                unknown => return Err(DecodeError::UnknownOption(unknown)),
            }
        }
    }
}

fn version(input: &mut Bytes, option: u8) -> Result<u8, DecodeError> {
    match byte(input)? {
        0 => Err(DecodeError::OptionValue { option, value: 0 }),
        version => Ok(version),
    }
}

/// Reads a number of so many bytes off the front, at most 8. One function for all of them.
#[cfg_attr(target_family = "wasm", inline(never))]
pub(crate) fn number(input: &mut Bytes, width: usize) -> Result<u64, DecodeError> {
    let bytes = input.get(..width).ok_or(DecodeError::Short)?;
    let number = bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    input.advance(width);
    Ok(number)
}

/// Reads one byte.
pub(crate) fn byte(input: &mut Bytes) -> Result<u8, DecodeError> {
    Ok(number(input, 1)? as u8)
}

/// Reads a number of two bytes.
pub(crate) fn short(input: &mut Bytes) -> Result<u16, DecodeError> {
    Ok(number(input, 2)? as u16)
}

/// Reads a number of four bytes.
pub(crate) fn word(input: &mut Bytes) -> Result<u32, DecodeError> {
    Ok(number(input, 4)? as u32)
}

/// Splits so many bytes off the front that they are an array.
pub(crate) fn array<const N: usize>(input: &mut Bytes) -> Result<[u8; N], DecodeError> {
    let array = *input.first_chunk().ok_or(DecodeError::Short)?;
    input.advance(N);
    Ok(array)
}

/// Splits `length` bytes off the front.
pub(crate) fn take(input: &mut Bytes, length: usize) -> Result<Bytes, DecodeError> {
    if input.len() < length {
        Err(DecodeError::Short)
    } else {
        Ok(input.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<ProtocolOptions, DecodeError> {
        ProtocolOptions::decode(&mut Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn strict_on_order_repeats_and_unknown_options() {
        assert_eq!(decode(&[1, 1, 0, 1, 255]), Err(DecodeError::OptionOrder(0)));
        assert_eq!(decode(&[0, 1, 0, 1, 255]), Err(DecodeError::OptionOrder(0)));
        assert_eq!(decode(&[0, 1, 10, 255]), Err(DecodeError::UnknownOption(10)));
        assert_eq!(decode(&[0, 1]), Err(DecodeError::Short));
        assert_eq!(decode(&[2, 0, 0, 255]), Err(DecodeError::SwarmIdLength(0)));
        assert_eq!(decode(&[2, 4, 1, 255]), Err(DecodeError::SwarmIdLength(1025)));
        assert_eq!(
            decode(&[3, 0, 255]),
            Err(DecodeError::OptionValue { option: 3, value: 0 })
        );
        assert_eq!(
            decode(&[6, 5, 255]),
            Err(DecodeError::OptionValue { option: 6, value: 5 })
        );
        assert_eq!(
            decode(&[7, 0, 0, 0, 0, 255]),
            Err(DecodeError::WindowWithoutAddressing)
        );
        assert_eq!(decode(&[8, 0, 255]), Err(DecodeError::BitmapLength(0)));
        assert_eq!(
            decode(&[9, 0, 0, 0, 0, 255]),
            Err(DecodeError::OptionValue { option: 9, value: 0 })
        );
    }

    #[test]
    fn the_window_is_as_wide_as_the_addressing() {
        let narrow = decode(&[6, 2, 7, 0, 0, 2, 88, 255]).unwrap();
        assert_eq!(narrow.live_discard_window, Some(600));
        let wide = decode(&[6, 4, 7, 0, 0, 0, 0, 0, 0, 2, 88, 255]).unwrap();
        assert_eq!(wide.live_discard_window, Some(600));
        for (options, bytes) in [(narrow, 8), (wide, 12)] {
            let mut out = Vec::new();
            options.encode(&mut out);
            assert_eq!(out.len(), bytes);
            assert_eq!(decode(&out), Ok(options));
        }
    }

    /// The bitmaps worked out in the profile: everything but ACK and PEX, and that plus PEX_REQ and PEX_REScert.
    #[test]
    fn bitmaps_count_from_the_left() {
        let mut out = Vec::new();
        let supported_messages = Some(SupportedMessages::of(&[0, 1, 3, 4, 7, 8, 9, 10, 11]));
        ProtocolOptions {
            supported_messages,
            ..Default::default()
        }
        .encode(&mut out);
        assert_eq!(out, [8, 2, 0xd9, 0xf0, 255]);
        assert!(
            decode(&[8, 1, 0xd9, 255])
                .unwrap()
                .supported_messages
                .unwrap()
                .contains(7)
        );
        assert!(
            !decode(&[8, 1, 0xd9, 255])
                .unwrap()
                .supported_messages
                .unwrap()
                .contains(8)
        );
    }
}
