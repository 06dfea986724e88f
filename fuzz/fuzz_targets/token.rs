//! Tokens and sets of keys: reading never panics, and nobody but the signer makes a token.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker_ws::fuzzing::Tokens;

/// The keys of RFC 7517 A.1 and RFC 8037 A.2, whose owners have signed no tokens of ours.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"},
    {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let peer = "d8e0";
    let tokens = Tokens::new(KEYS).expect("keys");
    assert!(tokens.verify(text, peer, "wss://t.example", 1_700_000_000).is_err());
    // The input as keys, and as what comes after its first line.
    let (keys, token) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(tokens) = Tokens::new(keys) {
        // This one is signed with its private key by who has made it, and then says what it says.
        let _ = tokens.verify(token, peer, "wss://t.example", 1_700_000_000);
    }
});
