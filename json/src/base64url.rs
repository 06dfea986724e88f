//! Base64url (RFC 4648 §5) without padding: how JSON carries bytes.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text of these bytes.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    let (mut bits, mut waiting) = (0_u32, 0);
    for &byte in bytes {
        bits = bits << 8 | u32::from(byte);
        waiting += 8;
        while waiting >= 6 {
            waiting -= 6;
            text.push(digit(bits >> waiting));
        }
    }
    if waiting > 0 {
        text.push(digit(bits << (6 - waiting)));
    }
    text
}

/// The digit of the last six bits.
fn digit(bits: u32) -> char {
    char::from(DIGITS[bits as usize & 63])
}

/// The bytes of a text. `None` when it is anything else, or not in the one form that [`encode`] gives it.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut waiting) = (0_u32, 0);
    for character in text.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        waiting += 6;
        if waiting >= 8 {
            waiting -= 8;
            bytes.push((bits >> waiting) as u8);
        }
    }
    // A whole digit too many, or bits that stand for nothing and are not zero.
    (waiting < 6 && bits & ((1 << waiting) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64ct::{Base64UrlUnpadded, Encoding};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn written_as_the_oracle_does(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = encode(&bytes);
            prop_assert_eq!(&text, &Base64UrlUnpadded::encode_string(&bytes));
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn read_as_the_oracle_does(text in "[A-Za-z0-9_=+/ é-]{0,12}") {
            prop_assert_eq!(decode(&text), Base64UrlUnpadded::decode_vec(&text).ok());
        }
    }
}
