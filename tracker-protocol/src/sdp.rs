//! The one thing read from session descriptions: the DTLS fingerprints, which a signature must cover.

use crate::error::SignalError;

/// The distinct DTLS fingerprints (`a=fingerprint`, RFC 8122) of a session description, sorted, each as
/// `algorithm HH:HH:…` with the algorithm in lower case and the digits in upper case. At least one.
///
/// # Errors
/// [`SignalError::NoFingerprint`], [`SignalError::BadFingerprint`].
pub fn dtls_fingerprints(sdp: &str) -> Result<Vec<String>, SignalError> {
    let mut found = Vec::new();
    for line in sdp.split(['\r', '\n']) {
        let Some(value) = line.strip_prefix("a=fingerprint:") else {
            continue;
        };
        let (algorithm, digits) = value
            .trim_ascii()
            .split_once(' ')
            .ok_or(SignalError::BadFingerprint)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if algorithm.is_empty() || !algorithm.bytes().all(plain) || !is_colon_hex(digits) {
            return Err(SignalError::BadFingerprint);
        }
        let fingerprint = [&algorithm.to_ascii_lowercase(), " ", &digits.to_ascii_uppercase()].concat();
        if let Err(at) = found.binary_search(&fingerprint) {
            found.insert(at, fingerprint);
        }
    }
    if found.is_empty() {
        return Err(SignalError::NoFingerprint);
    }
    Ok(found)
}

fn is_colon_hex(digits: &str) -> bool {
    digits
        .split(':')
        .all(|pair| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit()))
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
        ] {
            assert_eq!(dtls_fingerprints(bad), Err(SignalError::BadFingerprint), "{bad}");
        }
    }
}
