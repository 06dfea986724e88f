//! What the page does for the peer, in TypeScript (js/src/page.ts): transfers over HTTP, and WebCrypto. In wasm the same
//! would be several times the size.

use js_sys::{Promise, Uint8Array};
use ppspp::live::SignatureAlgorithm;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use web_sys::RtcPeerConnection;

#[wasm_bindgen]
extern "C" {
    /// See the module.
    #[derive(Clone)]
    pub type Page;

    /// Fetches `url`, or its bytes from `start` to `end` (exclusive; infinite for all that follows; both -1 for everything).
    /// `on_data` gets each piece (`Uint8Array`) as it comes, in order and exactly those of the range, and the result is
    /// whether the server ignored the range (`undefined`: there was none). Without it the result is the body
    /// (`Uint8Array`), of `limit` bytes at most.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn fetch(
        this: &Page,
        url: &str,
        start: f64,
        end: f64,
        limit: f64,
        on_data: &JsValue,
    ) -> Transfer;

    /// Makes a key pair: ECDSA on P-256, never extractable. The result is the public key, x‖y (`Uint8Array`).
    /// Rejects with an `Error` named `crypto-missing` where the page has no WebCrypto (not a secure context).
    #[wasm_bindgen(method, structural, js_name = makeKey)]
    pub(crate) fn make_key(this: &Page) -> Promise;

    /// The signature (r‖s, `Uint8Array`) over `message` by that key.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn sign(this: &Page, message: &[u8]) -> Promise;

    #[wasm_bindgen(method, structural)]
    fn verify(this: &Page, algorithm: u8, key: &[u8], signature: &[u8], message: &[u8]) -> Promise;

    /// 16 bytes that nobody can guess. WebCrypto's random numbers are there in every context.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn random(this: &Page) -> Uint8Array;

    /// What the viewer has had of this source so far: `startupMs`, `stalls`, `stallMs`, `liveLatencyMs`; `null` or absent
    /// is unknown.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn experience(this: &Page) -> JsValue;

    /// What our end of a connection in use is: 1 an interface of our own, 2 seen from outside a NAT, 3 a relay's; else 0.
    #[wasm_bindgen(method, structural, js_name = candidateType)]
    pub(crate) fn candidate_type(this: &Page, connection: &RtcPeerConnection) -> u32;

    /// A transfer under way.
    #[derive(Clone)]
    pub(crate) type Transfer;

    /// How it ends: see [`Page::fetch`]; rejects with the error that a player may be given.
    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn done(this: &Transfer) -> Promise;

    /// Ends it; [`Transfer::done`] rejects, if it has not ended by itself.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn abort(this: &Transfer);
}

impl Page {
    /// Is `signature` by `key` (raw, as in DNSKEY records) over `message`? Anything malformed, or an algorithm that
    /// this browser lacks, is "no".
    pub(crate) async fn genuine(
        &self,
        algorithm: SignatureAlgorithm,
        key: &[u8],
        signature: &[u8],
        message: &[u8],
    ) -> bool {
        let verdict = self.verify(algorithm as u8, key, signature, message);
        JsFuture::from(verdict)
            .await
            .is_ok_and(|genuine| genuine.is_truthy())
    }

    /// Fetches all of `url`, of `limit` bytes at most.
    pub(crate) fn get(&self, url: &str, limit: usize) -> Transfer {
        self.fetch(url, -1.0, -1.0, limit as f64, &JsValue::UNDEFINED)
    }
}
