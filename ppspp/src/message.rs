//! The messages of RFC 7574 §8, with SHA-256. Chunks are specified by 32-bit chunk ranges or by 32-bit bins (§4), as
//! the channel's handshake says; in memory they are ranges either way.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, Bytes};

use crate::options::{Addressing, ProtocolOptions, array, byte, number, short, take, word};
use crate::{Bin, ChunkRange, Hash};

/// Message type codes (RFC 7574 §8.2, table 7).
#[allow(missing_docs)]
pub mod code {
    pub const HANDSHAKE: u8 = 0;
    pub const DATA: u8 = 1;
    pub const ACK: u8 = 2;
    pub const HAVE: u8 = 3;
    pub const INTEGRITY: u8 = 4;
    pub const PEX_RESV4: u8 = 5;
    pub const PEX_REQ: u8 = 6;
    pub const SIGNED_INTEGRITY: u8 = 7;
    pub const REQUEST: u8 = 8;
    pub const CANCEL: u8 = 9;
    pub const CHOKE: u8 = 10;
    pub const UNCHOKE: u8 = 11;
    pub const PEX_RESV6: u8 = 12;
    pub const PEX_RESCERT: u8 = 13;
}

/// Longest certificate accepted in PEX_REScert, in bytes.
pub const MAX_CERTIFICATE: usize = 4096;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Opens or (source channel 0) closes a channel (§8.4).
    Handshake {
        /// The sender's channel ID; 0 = closing.
        source: u32,
        /// What the sender speaks and which swarm it means.
        options: ProtocolOptions,
    },
    /// One chunk (§8.6).
    Data {
        /// The chunk's number.
        chunk: u32,
        /// The sender's clock, in microseconds.
        timestamp: u64,
        /// The chunk's bytes.
        bytes: Bytes,
    },
    /// Chunks received, with a one-way delay sample in microseconds (§8.9).
    Ack {
        /// The largest complete interval around the chunk received.
        range: ChunkRange,
        /// Receiver's clock minus DATA's timestamp; only differences mean anything.
        delay: i64,
    },
    /// Chunks the sender has and has verified (§8.7).
    Have(ChunkRange),
    /// The hash of a subtree (§8.8).
    Integrity {
        /// The subtree.
        bin: Bin,
        /// Its hash.
        hash: Hash,
    },
    /// A peer's IPv4 address (§8.13).
    PexResV4(Ipv4Addr, u16),
    /// A request for more peers (§8.13).
    PexReq,
    /// A signed subtree root of a live swarm (§8.10).
    SignedIntegrity {
        /// The subtree (munro).
        bin: Bin,
        /// NTP timestamp, 32.32 bits.
        time: u64,
        /// The signature, as long as the swarm's algorithm makes it.
        signature: Bytes,
    },
    /// Chunks wanted (§8.11).
    Request(ChunkRange),
    /// Chunks no longer wanted (§8.12).
    Cancel(ChunkRange),
    /// Requests will not be answered until UNCHOKE (§8.14).
    Choke,
    /// Requests are answered again (§8.14).
    Unchoke,
    /// A peer's IPv6 address (§8.13).
    PexResV6(Ipv6Addr, u16),
    /// A peer's membership certificate, X.509 DER (§8.13).
    PexResCert(Bytes),
}

/// Why bytes are not a message. The message and the rest of its datagram are dropped (§3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The datagram ends inside a message.
    #[error("datagram ends inside a message")]
    Short,
    /// No such message type; without a length it cannot be skipped.
    #[error("unknown message type {0}")]
    UnknownMessage(u8),
    /// No such option; without a length it cannot be skipped.
    #[error("unknown protocol option {0}")]
    UnknownOption(u8),
    /// Options have to ascend, and none may come twice.
    #[error("protocol option {0} out of order")]
    OptionOrder(u8),
    /// A value that the option's registry does not have.
    #[error("protocol option {option} has the value {value}")]
    OptionValue {
        /// The option's code.
        option: u8,
        /// What it said.
        value: u8,
    },
    /// Empty or longer than [`crate::options::MAX_SWARM_ID`].
    #[error("swarm ID of {0} bytes")]
    SwarmIdLength(usize),
    /// Empty or longer than 32 bytes.
    #[error("supported messages bitmap of {0} bytes")]
    BitmapLength(usize),
    /// The width of the live discard window depends on the addressing method, which was not said.
    #[error("live discard window without a chunk addressing method")]
    WindowWithoutAddressing,
    /// A chunk range whose first chunk is past its last.
    #[error("chunk range {0}..{1} is reversed")]
    Reversed(u32, u32),
    /// DATA for more than one chunk.
    #[error("DATA for the chunks {0}..{1}: one chunk a message")]
    ManyChunks(u32, u32),
    /// DATA without bytes.
    #[error("DATA for chunk {0} is empty")]
    EmptyChunk(u32),
    /// A bin number that names no node.
    #[error("bin {0} is no node")]
    NotABin(u32),
    /// A chunk addressing method that is not spoken here.
    #[error("chunk addressing method {0:?} is not supported")]
    Addressing(Addressing),
    /// A hash for a range that is no subtree.
    #[error("a hash for the chunks {0}..{1}, which are no subtree")]
    NotASubtree(u32, u32),
    /// SIGNED_INTEGRITY in a swarm without signatures.
    #[error("SIGNED_INTEGRITY in a swarm that signs nothing")]
    Unsigned,
    /// Longer than [`MAX_CERTIFICATE`].
    #[error("certificate of {0} bytes")]
    CertificateLength(usize),
    /// HANDSHAKE anywhere but first in its datagram (§3.1).
    #[error("HANDSHAKE is not the first message of its datagram")]
    LateHandshake,
}

/// What both sides know of the swarm and what the messages' lengths depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Chunk size in bytes: DATA takes this many, or the rest of the datagram.
    pub chunk_size: u32,
    /// Signature length in bytes, in swarms that have signatures.
    pub signature_length: Option<u8>,
    /// How chunks are specified: [`Addressing::ChunkRanges32`] or [`Addressing::Bins32`].
    pub addressing: Addressing,
}

/// Bin 2³² − 1 of 32-bit bins means "none" (RFC 7574 §4.2).
const NO_BIN: u32 = u32::MAX;

fn put_range(out: &mut Vec<u8>, range: ChunkRange) {
    out.put_u32(range.start());
    out.put_u32(range.end());
}

/// One subtree.
fn put_bin(out: &mut Vec<u8>, bin: Bin, format: &Format) {
    match format.addressing {
        // Only chunks that the other side could ask for by such a number.
        Addressing::Bins32 => out.put_u32(bin.number() as u32),
        _ => put_range(out, bin.range()),
    }
}

/// The message once for a range, or once for each bin of it.
fn put_each(out: &mut Vec<u8>, code: u8, range: ChunkRange, format: &Format, rest: &[u8]) {
    match format.addressing {
        // Numbers that 32 bits do not hold cannot be spoken of over such a channel.
        Addressing::Bins32 => {
            for bin in range.bins().filter(|bin| bin.number() < u64::from(NO_BIN)) {
                out.put_u8(code);
                out.put_u32(bin.number() as u32);
                out.put_slice(rest);
            }
        }
        _ => {
            out.put_u8(code);
            put_range(out, range);
            out.put_slice(rest);
        }
    }
}

fn get_range(input: &mut Bytes, format: &Format) -> Result<ChunkRange, DecodeError> {
    match format.addressing {
        Addressing::ChunkRanges32 => {
            let (start, end) = (word(input)?, word(input)?);
            ChunkRange::new(start, end).ok_or(DecodeError::Reversed(start, end))
        }
        Addressing::Bins32 => match word(input)? {
            NO_BIN => Err(DecodeError::NotABin(NO_BIN)),
            number => Ok(Bin::from_number(number).range()),
        },
        other => Err(DecodeError::Addressing(other)),
    }
}

fn get_bin(input: &mut Bytes, format: &Format) -> Result<Bin, DecodeError> {
    let range = get_range(input, format)?;
    range
        .bin()
        .ok_or(DecodeError::NotASubtree(range.start(), range.end()))
}

impl Message {
    /// Appends the message; with bins, a range that is no single node becomes several messages.
    pub fn encode(&self, format: &Format, out: &mut Vec<u8>) {
        match self {
            Self::Handshake { source, options } => {
                out.put_u8(code::HANDSHAKE);
                out.put_u32(*source);
                options.encode(out);
            }
            Self::Data {
                chunk,
                timestamp,
                bytes,
            } => encode_data(out, format, *chunk, *timestamp, bytes),
            Self::Ack { range, delay } => put_each(out, code::ACK, *range, format, &delay.to_be_bytes()),
            Self::Have(range) => put_each(out, code::HAVE, *range, format, &[]),
            Self::Integrity { bin, hash } => encode_integrity(out, format, *bin, hash),
            Self::PexResV4(address, port) => {
                out.put_u8(code::PEX_RESV4);
                out.put_slice(&address.octets());
                out.put_u16(*port);
            }
            Self::PexReq => out.put_u8(code::PEX_REQ),
            Self::SignedIntegrity { bin, time, signature } => {
                encode_signed(out, format, *bin, *time, signature);
            }
            Self::Request(range) => put_each(out, code::REQUEST, *range, format, &[]),
            Self::Cancel(range) => put_each(out, code::CANCEL, *range, format, &[]),
            Self::Choke => out.put_u8(code::CHOKE),
            Self::Unchoke => out.put_u8(code::UNCHOKE),
            Self::PexResV6(address, port) => {
                out.put_u8(code::PEX_RESV6);
                out.put_slice(&address.octets());
                out.put_u16(*port);
            }
            Self::PexResCert(certificate) => {
                out.put_u8(code::PEX_RESCERT);
                out.put_u16(certificate.len() as u16);
                out.put_slice(certificate);
            }
        }
    }

    /// Reads one message off the front of `input`.
    pub(crate) fn decode(input: &mut Bytes, format: &Format) -> Result<Self, DecodeError> {
        Ok(match byte(input)? {
            code::HANDSHAKE => Self::Handshake {
                source: word(input)?,
                options: ProtocolOptions::decode(input)?,
            },
            code::DATA => {
                let range = get_range(input, format)?;
                if range.count() != 1 {
                    return Err(DecodeError::ManyChunks(range.start(), range.end()));
                }
                let timestamp = number(input, 8)?;
                // DATA has no length: fixed-size chunks, or the rest of the datagram (§8.6).
                let bytes = input.split_to(input.len().min(format.chunk_size as usize));
                if bytes.is_empty() {
                    return Err(DecodeError::EmptyChunk(range.start()));
                }
                Self::Data {
                    chunk: range.start(),
                    timestamp,
                    bytes,
                }
            }
            code::ACK => Self::Ack {
                range: get_range(input, format)?,
                delay: number(input, 8)? as i64,
            },
            code::HAVE => Self::Have(get_range(input, format)?),
            code::INTEGRITY => {
                let bin = get_bin(input, format)?;
                let hash = Hash::new(array(input)?);
                Self::Integrity { bin, hash }
            }
            code::PEX_RESV4 => Self::PexResV4(Ipv4Addr::from(word(input)?), short(input)?),
            code::PEX_REQ => Self::PexReq,
            code::SIGNED_INTEGRITY => {
                let length = format.signature_length.ok_or(DecodeError::Unsigned)?;
                Self::SignedIntegrity {
                    bin: get_bin(input, format)?,
                    time: number(input, 8)?,
                    signature: take(input, usize::from(length))?,
                }
            }
            code::REQUEST => Self::Request(get_range(input, format)?),
            code::CANCEL => Self::Cancel(get_range(input, format)?),
            code::CHOKE => Self::Choke,
            code::UNCHOKE => Self::Unchoke,
            code::PEX_RESV6 => Self::PexResV6(Ipv6Addr::from(array::<16>(input)?), short(input)?),
            code::PEX_RESCERT => {
                let length = usize::from(short(input)?);
                if length > MAX_CERTIFICATE {
                    return Err(DecodeError::CertificateLength(length));
                }
                Self::PexResCert(take(input, length)?)
            }
            unknown => return Err(DecodeError::UnknownMessage(unknown)),
        })
    }
}

/// Appends DATA without taking the chunk's bytes into a [`Message`] first.
pub(crate) fn encode_data(out: &mut Vec<u8>, format: &Format, chunk: u32, timestamp: u64, bytes: &[u8]) {
    out.put_u8(code::DATA);
    put_bin(out, Bin::leaf(chunk), format);
    out.put_u64(timestamp);
    out.put_slice(bytes);
}

/// Appends INTEGRITY.
pub(crate) fn encode_integrity(out: &mut Vec<u8>, format: &Format, bin: Bin, hash: &Hash) {
    out.put_u8(code::INTEGRITY);
    put_bin(out, bin, format);
    out.put_slice(hash.as_ref());
}

/// Appends SIGNED_INTEGRITY.
pub(crate) fn encode_signed(out: &mut Vec<u8>, format: &Format, bin: Bin, time: u64, signature: &[u8]) {
    out.put_u8(code::SIGNED_INTEGRITY);
    put_bin(out, bin, format);
    out.put_u64(time);
    out.put_slice(signature);
}
