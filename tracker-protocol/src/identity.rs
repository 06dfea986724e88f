//! Peer IDs, the proof that a socket is a peer, and the text codings of binary values.

use sha2::{Digest, Sha256};

/// Length of the nonce in HELLO, bytes.
pub const NONCE_LEN: usize = 32;

/// First byte of the key blob of an ECDSA P-256 key: its algorithm number (RFC 7574 §7.9, DNSSEC registry).
pub const ECDSA_P256: u8 = 13;
/// Length of such a key blob, bytes: the algorithm, x, y.
pub const KEY_BLOB_LEN: usize = 65;

/// How the URL of a tracker may begin, and the port that need not be said then.
const SCHEMES: [(&str, &str); 4] = [
    ("ws://", ":80"),
    ("wss://", ":443"),
    ("http://", ":80"),
    ("https://", ":443"),
];

const AUTH_CONTEXT: &[u8] = b"ppsp-tracker-auth/1\0";

/// Base64url without padding (RFC 4648 §5).
pub fn encode_base64url(bytes: &[u8]) -> String {
    json::base64url::encode(bytes)
}

/// The bytes of unpadded base64url; `None` when it is anything else, or not in canonical form.
pub fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    json::base64url::decode(text)
}

/// Lower-case hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble)] as char;
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// The peer ID of a key: lower-case hex SHA-256 of its blob (algorithm byte, then the raw public key; for P-256
/// `0x0d ‖ x ‖ y`, 65 bytes). 64 characters.
pub fn peer_id_of(key_blob: &[u8]) -> String {
    to_hex(&Sha256::digest(key_blob))
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Has it the form of a key-derived peer ID: 64 lower-case hex digits?
pub fn is_peer_id(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text)
}

/// Has it the form of a swarm ID: 40 (SHA-1 root) to 260 lower-case hex digits, an even number of them?
pub fn is_swarm_id(text: &str) -> bool {
    (40..=260).contains(&text.len()) && text.len().is_multiple_of(2) && is_lower_hex(text)
}

/// The origin of a tracker's URL, as the proof of possession names it: scheme, host in lower case, and the port unless
/// it is the scheme's default (`wss://t.example`). `None` when the URL is not `ws:`, `wss:`, `http:` or `https:`, or
/// has no host.
pub fn tracker_origin(url: &str) -> Option<String> {
    let url = url.to_ascii_lowercase();
    let known = SCHEMES.iter().find(|(scheme, _)| url.starts_with(scheme));
    let (scheme, default_port) = *known?;
    let rest = &url[scheme.len()..];
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let authority = &rest[..end.unwrap_or(rest.len())];
    let user = authority.bytes().rposition(|byte| byte == b'@');
    let host = &authority[user.map_or(0, |at| at + 1)..];
    let host = host.strip_suffix(default_port).unwrap_or(host);
    (!host.is_empty() && !host.starts_with(":")).then(|| [scheme, host].concat())
}

/// What a peer signs to prove in CONNECT that it holds the key of its ID:
///
/// ```text
/// "ppsp-tracker-auth/1" 00 ‖ nonce (32) ‖ SHA-256(tracker origin) ‖ peer ID (32 bytes) ‖ SHA-256(token or "")
/// ```
///
/// `nonce` is HELLO's, decoded. The origin keeps a rogue tracker from passing the proof on to another one. `None` when
/// `peer_id` is not 64 hex digits.
pub fn auth_signing_input(
    nonce: &[u8; NONCE_LEN],
    origin: &str,
    peer_id: &str,
    token: &str,
) -> Option<Vec<u8>> {
    if !is_peer_id(peer_id) {
        return None;
    }
    let mut input = Vec::with_capacity(AUTH_CONTEXT.len() + 4 * 32);
    input.extend_from_slice(AUTH_CONTEXT);
    input.extend_from_slice(nonce);
    input.extend_from_slice(&Sha256::digest(origin.as_bytes()));
    for pair in peer_id.as_bytes().chunks_exact(2) {
        let nibble = |digit: u8| {
            if digit <= b'9' {
                digit - b'0'
            } else {
                digit - b'a' + 10
            }
        };
        input.push(nibble(pair[0]) << 4 | nibble(pair[1]));
    }
    input.extend_from_slice(&Sha256::digest(token.as_bytes()));
    Some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_id_is_the_hash_of_the_blob() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(peer_id_of(b""), empty);
        assert!(is_peer_id(empty));
        assert!(!is_peer_id(&empty.to_uppercase()));
        assert!(!is_peer_id(&empty[1..]));
    }

    #[test]
    fn origins() {
        let origin = |url| tracker_origin(url);
        assert_eq!(
            origin("wss://T.Example:443/ppsp?x").as_deref(),
            Some("wss://t.example")
        );
        assert_eq!(
            origin("ws://127.0.0.1:8000/ppsp").as_deref(),
            Some("ws://127.0.0.1:8000")
        );
        assert_eq!(origin("ws://[::1]:80").as_deref(), Some("ws://[::1]"));
        assert_eq!(
            origin("wss://user:pw@t.example#f").as_deref(),
            Some("wss://t.example")
        );
        assert_eq!(
            origin("WSS://a@b@T.example:80?@").as_deref(),
            Some("wss://t.example:80")
        );
        assert_eq!(origin("ftp://t.example"), None);
        assert_eq!(origin("wss:t.example"), None);
        assert_eq!(origin("wss://a@:443"), None);
        assert_eq!(origin("wss:///ppsp"), None);
    }

    #[test]
    fn signing_input_layout() {
        let id = peer_id_of(b"key");
        let input = auth_signing_input(&[7; 32], "wss://t.example", &id, "").unwrap();
        assert_eq!(&input[..20], b"ppsp-tracker-auth/1\0");
        assert_eq!(&input[20..52], &[7; 32]);
        assert_eq!(to_hex(&input[52..84]), peer_id_of(b"wss://t.example"));
        assert_eq!(to_hex(&input[84..116]), id);
        assert_eq!(to_hex(&input[116..]), peer_id_of(b""));
        assert!(auth_signing_input(&[7; 32], "wss://t.example", "d8e0", "").is_none());
    }

    #[test]
    fn base64url_is_strict() {
        assert_eq!(encode_base64url(&[0xde, 0xad, 0xbe, 0xef]), "3q2-7w");
        assert_eq!(decode_base64url("3q2-7w").unwrap(), [0xde, 0xad, 0xbe, 0xef]);
        assert!(decode_base64url("3q2-7w==").is_none());
        assert!(decode_base64url("3q2+7w").is_none());
    }
}
