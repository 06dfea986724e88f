//! Where characters stand that a string cannot have as they are.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many bytes come before the first quotation mark, backslash or control character.
///
/// Eight at a time: most of a message are session descriptions, which are looked through once in each direction.
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // Marks the lowest such byte, and maybe some above it that are not such.
        let marks = |byte: u8, below: u8| {
            let word = word ^ (ONES * u64::from(byte));
            word.wrapping_sub(ONES * u64::from(below)) & !word & HIGH
        };
        let found = marks(b'"', 1) | marks(b'\\', 1) | marks(0, 0x20);
        if found != 0 {
            return 8 * index + found.trailing_zeros() as usize / 8;
        }
    }
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    bytes.len() - rest.len() + end.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_one_by_one(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x1e_u8..0x24, 0x5b_u8..0x5e], 0..40)) {
            let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(plain_len(&bytes), end.unwrap_or(bytes.len()));
        }
    }
}
