//! The URI that names peer and swarm.

use crate::MAX_SWARM_ID;
use crate::error::CertificateError;

const SCHEME: &[u8] = b"file://";
const DOMAIN: &[u8] = b".peer.invalid:9/";
/// Digits of a label: 5 bits each, of 20 bytes.
const LABEL_LEN: usize = 32;

/// The label of a peer: base32 (RFC 4648 §6) of the first 20 bytes of its ID, in lower case.
fn label(peer_id: &[u8; 32]) -> [u8; LABEL_LEN] {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    std::array::from_fn(|digit| {
        let bit = digit * 5;
        let pair = u16::from_be_bytes([peer_id[bit / 8], peer_id[bit / 8 + 1]]);
        DIGITS[usize::from(pair >> (11 - bit % 8) & 31)]
    })
}

/// The URI of a peer in a swarm.
#[cfg(feature = "issue")]
pub(crate) fn write(peer_id: &[u8; 32], swarm_id: &[u8]) -> String {
    let hex: String = swarm_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let label = label(peer_id);
    [SCHEME, &label, DOMAIN, hex.as_bytes()]
        .concat()
        .into_iter()
        .map(char::from)
        .collect()
}

/// The swarm in a URI that names this peer.
pub(crate) fn read(uri: &[u8], peer_id: &[u8; 32]) -> Result<Vec<u8>, CertificateError> {
    let parts = uri
        .strip_prefix(SCHEME)
        .and_then(|rest| rest.split_first_chunk::<LABEL_LEN>())
        .and_then(|(label, rest)| Some((label, rest.strip_prefix(DOMAIN)?)));
    let (found, hex) = parts.ok_or(CertificateError::NameNotOurs)?;
    if !found
        .iter()
        .all(|digit| matches!(digit, b'a'..=b'z' | b'2'..=b'7'))
    {
        return Err(CertificateError::NameNotOurs);
    }
    let swarm_id = bytes(hex).ok_or(CertificateError::NameNotOurs)?;
    if *found != label(peer_id) {
        return Err(CertificateError::PeerMismatch);
    }
    Ok(swarm_id)
}

/// 1 to [`MAX_SWARM_ID`] bytes in lower-case hex.
fn bytes(hex: &[u8]) -> Option<Vec<u8>> {
    if hex.is_empty() || hex.len() > 2 * MAX_SWARM_ID || !hex.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    for pair in hex.chunks_exact(2) {
        bytes.push(nibble(pair[0])? << 4 | nibble(pair[1])?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first as `base32` of coreutils has it.
    #[test]
    fn labels_are_base32() {
        let mut id = [0xff; 32];
        id[..20].copy_from_slice(b"twenty bytes of text");
        assert_eq!(&label(&id), b"or3wk3tupeqge6lumvzsa33geb2gk6du");
        assert_eq!(label(&[0xff; 32]), [b'7'; 32]);
        assert_eq!(label(&[0; 32]), [b'a'; 32]);
    }

    #[test]
    fn only_our_form_is_read() {
        let id = [0; 32];
        let good = format!("file://{}.peer.invalid:9/0dff", "a".repeat(32));
        assert_eq!(read(good.as_bytes(), &id), Ok(vec![0x0d, 0xff]));
        assert_eq!(
            read(good.as_bytes(), &[1; 32]),
            Err(CertificateError::PeerMismatch)
        );
        for (from, to) in [
            ("file", "http"),
            (":9", ":80"),
            ("0dff", ""),
            ("0dff", "0df"),
            ("0dff", "0dfF"),
            ("0dff", "0dff/"),
            ("aaaa", "AAAA"),
            ("aaaa", "aaa"),
            ("aaaa", "aaa1"),
            (".peer", ".pear"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(
                read(bad.as_bytes(), &id),
                Err(CertificateError::NameNotOurs),
                "{bad}"
            );
        }
        let long = good.replace("0dff", &"ab".repeat(MAX_SWARM_ID));
        assert!(read(long.as_bytes(), &id).is_ok());
        assert!(read(format!("{long}ab").as_bytes(), &id).is_err());
    }
}
