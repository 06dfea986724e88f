//! RFC 7574 datagrams: whatever decodes encodes to something that decodes to the same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ppspp::datagram::{Messages, destination, opening};
use ppspp::message::{Format, Message};
use ppspp::options::Addressing;

/// What lengths inside a datagram depend on; the input's first byte chooses.
const CHUNK_SIZES: [u32; 4] = [1, 1024, 16384, 64512];
const SIGNATURES: [Option<u8>; 4] = [None, Some(40), Some(64), Some(128)];
const ADDRESSINGS: [Addressing; 2] = [Addressing::ChunkRanges32, Addressing::Bins32];

fuzz_target!(|input: &[u8]| {
    let Some((choice, datagram)) = input.split_first() else {
        return;
    };
    let format = Format {
        chunk_size: CHUNK_SIZES[usize::from(choice & 3)],
        signature_length: SIGNATURES[usize::from(choice >> 2 & 3)],
        addressing: ADDRESSINGS[usize::from(choice >> 4 & 1)],
    };
    let datagram = Bytes::copy_from_slice(datagram);
    let options = opening(&datagram);
    let mut messages = Messages::new(datagram.clone(), format);
    let first = messages.clone().next();
    if options.is_some() {
        assert!(matches!(first, Some(Ok(Message::Handshake { .. }))));
    }
    let Some(channel) = destination(&datagram) else {
        assert_eq!(first, None);
        return;
    };
    let mut again = channel.to_be_bytes().to_vec();
    let mut decoded = Vec::new();
    for message in messages.by_ref() {
        let Ok(message) = message else {
            break;
        };
        message.encode(&format, &mut again);
        decoded.push(message);
    }
    assert_eq!(messages.next(), None, "nothing after the first error");
    let again: Result<Vec<_>, _> = Messages::new(again.into(), format).collect();
    assert_eq!(again, Ok(decoded));
});
