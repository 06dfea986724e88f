//! The one thing read from session descriptions: the DTLS fingerprints, which a signature must cover.
//!
//! Read as bytes: what looks for characters is 1 KB more in the browser's bundle.

use crate::error::SignalError;

/// The distinct DTLS fingerprints (`a=fingerprint`, RFC 8122) of a session description, sorted, each as
/// `algorithm HH:HH:…` with the algorithm in lower case and the digits in upper case. At least one.
///
/// # Errors
/// [`SignalError::NoFingerprint`], [`SignalError::BadFingerprint`].
pub fn dtls_fingerprints(sdp: &str) -> Result<Vec<String>, SignalError> {
    let mut found = Vec::new();
    for line in sdp_lines(sdp) {
        let Some(value) = line.strip_prefix(b"a=fingerprint:") else {
            continue;
        };
        let value = value.trim_ascii();
        let length = value.iter().take_while(|byte| **byte != b' ').count();
        let (algorithm, digits) = value.split_at(length);
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        if algorithm.is_empty() || !algorithm.iter().all(plain) || !is_colon_hex(digits) {
            return Err(SignalError::BadFingerprint);
        }
        let algorithm = algorithm.iter().map(u8::to_ascii_lowercase);
        let digits = digits.iter().map(u8::to_ascii_uppercase);
        let fingerprint: String = algorithm.chain(digits).map(char::from).collect();
        if let Err(at) = found.binary_search(&fingerprint) {
            found.insert(at, fingerprint);
        }
    }
    if found.is_empty() {
        return Err(SignalError::NoFingerprint);
    }
    Ok(found)
}

/// The lines of a session description. There are empty ones where they end with two characters.
pub fn sdp_lines(sdp: &str) -> impl Iterator<Item = &[u8]> {
    sdp.as_bytes().split(|byte| matches!(byte, b'\r' | b'\n'))
}

/// A space, and bytes in hexadecimal with colons between them?
fn is_colon_hex(text: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at % 3 {
        0 => *byte == if at == 0 { b' ' } else { b':' },
        _ => byte.is_ascii_hexdigit(),
    };
    !text.is_empty() && text.len().is_multiple_of(3) && text.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_normalised_and_sorted() {
        let sdp = "v=0\r\na=fingerprint:SHA-256 ab:cd:EF\r\nm=application 9\r\na=fingerprint:sha-1 01:02\r\n\
                   a=fingerprint:sha-256 AB:CD:EF\r\n";
        assert_eq!(
            dtls_fingerprints(sdp).unwrap(),
            ["sha-1 01:02", "sha-256 AB:CD:EF"]
        );
    }

    #[test]
    fn refusals() {
        assert_eq!(dtls_fingerprints("v=0\r\n"), Err(SignalError::NoFingerprint));
        for bad in [
            "a=fingerprint:sha-256",
            "a=fingerprint:sha-256 ",
            "a=fingerprint:sha-256 A:B",
            "a=fingerprint:x! 00",
            "a=fingerprint: 00",
            "a=fingerprint:sha-256 00:",
            "a=fingerprint:sha-256 00:1",
            "a=fingerprint:sha-256 00:0g",
            "a=fingerprint:sha-256 00 00",
            "a=fingerprint:sha-256  00",
            "a=fingerprint:sha-256 é0",
        ] {
            assert_eq!(dtls_fingerprints(bad), Err(SignalError::BadFingerprint), "{bad}");
        }
    }
}
