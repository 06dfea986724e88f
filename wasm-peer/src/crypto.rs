//! Signatures of others, checked by WebCrypto.

use js_sys::{JSON, Object, Promise, Uint8Array};
use ppspp::live::{SIGNATURE_LENGTH, SignatureAlgorithm};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};

use crate::js::get;

/// First byte of an uncompressed point in WebCrypto's "raw" format; keys elsewhere leave it out.
const UNCOMPRESSED: u8 = 4;

/// The page's `crypto` object.
pub(crate) fn crypto() -> JsValue {
    get(&js_sys::global(), "crypto")
}

/// WebCrypto; `None` outside secure contexts.
pub(crate) fn subtle() -> Option<SubtleCrypto> {
    let subtle = get(&crypto(), "subtle");
    subtle.is_object().then(|| subtle.unchecked_into())
}

/// WebCrypto's parameters of an algorithm, for keys and signatures alike.
pub(crate) fn parameters(algorithm: SignatureAlgorithm) -> Result<Object, JsValue> {
    let json = match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => r#"{"name":"ECDSA","namedCurve":"P-256","hash":"SHA-256"}"#,
        SignatureAlgorithm::Ed25519 => r#"{"name":"Ed25519"}"#,
    };
    Ok(JSON::parse(json)?.unchecked_into())
}

/// Is `signature` by `key` (raw, as in DNSKEY records) over `message`? Anything malformed, or an algorithm that this
/// browser lacks, is "no".
pub(crate) async fn verify(
    algorithm: SignatureAlgorithm,
    key: &[u8],
    signature: &[u8],
    message: &[u8],
) -> bool {
    if key.len() != algorithm.key_length() || signature.len() != SIGNATURE_LENGTH {
        return false;
    }
    let raw = match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => [&[UNCOMPRESSED], key].concat(),
        SignatureAlgorithm::Ed25519 => key.to_vec(),
    };
    check(
        algorithm,
        &Uint8Array::from(&raw[..]),
        &Uint8Array::from(signature),
        &Uint8Array::from(message),
    )
    .await
    .is_ok_and(|valid| valid.is_truthy())
}

async fn check(
    algorithm: SignatureAlgorithm,
    key: &Uint8Array,
    signature: &Uint8Array,
    message: &Uint8Array,
) -> Result<JsValue, JsValue> {
    let subtle = subtle().ok_or(JsValue::UNDEFINED)?;
    let parameters = parameters(algorithm)?;
    let usages = JSON::parse(r#"["verify"]"#)?;
    let import = subtle.import_key_with_object("raw", key, &parameters, false, &usages);
    let key: CryptoKey = settle(import).await?.unchecked_into();
    settle(subtle.verify_with_object_and_js_u8_array_and_js_u8_array(&parameters, &key, signature, message))
        .await
}

/// Awaits what WebCrypto returned, or threw.
pub(crate) async fn settle(promise: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    JsFuture::from(promise?).await
}
