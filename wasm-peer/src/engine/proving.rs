//! What swarms have checked: live signatures, proofs beside segments, membership certificates.

use std::rc::Rc;

use bytes::Bytes;
use js_sys::Uint8Array;
use ppspp::live::{SIGNATURE_LENGTH, SignatureAlgorithm};
use ppspp::swarm::{Input, Member};
use ppspp::{CheckId, PeerId, Timestamp};
use wasm_bindgen_futures::JsFuture;

use super::stream::Stream;
use super::{Inner, loading};
use crate::js::spawn;
use crate::page::Page;

impl Inner {
    /// Has a signature of the stream's publisher checked.
    pub(super) fn check_signature(
        &self,
        stream: &Rc<Stream>,
        check: CheckId,
        message: Bytes,
        signature: [u8; SIGNATURE_LENGTH],
    ) {
        let Some(key) = stream.entry.live_key() else {
            return;
        };
        let (this, stream, page) = (self.this.clone(), Rc::clone(stream), self.page.clone());
        spawn(async move {
            let valid = page
                .genuine(key.algorithm(), key.key(), &signature, &message)
                .await;
            if let Some(inner) = this.upgrade() {
                inner.input(&stream, Input::SignatureChecked { check, valid });
            }
        });
    }

    /// Fetches the proof that lies beside a live segment.
    pub(super) fn fetch_proof(&self, stream: &Rc<Stream>, segment: u32) {
        let url = stream
            .locations
            .borrow()
            .get(segment)
            .filter(|location| location.range.is_none())
            .map(|location| loading::proof_url(&location.url));
        let done = url.map(|url| self.page.get(&url, ppspp::proof::MAX_ENCODED_LENGTH).done());
        let (this, stream) = (self.this.clone(), Rc::clone(stream));
        spawn(async move {
            let proof = match done {
                Some(done) => JsFuture::from(done).await.ok(),
                None => None,
            };
            if let Some(inner) = this.upgrade() {
                let proof = proof.map(|proof| Bytes::from(Uint8Array::from(proof).to_vec()));
                inner.input(&stream, Input::Proof { segment, proof });
            }
        });
    }

    /// Checks a membership certificate: its form, the swarm, its time, the tracker's signature.
    pub(super) fn check_certificate(&self, stream: &Rc<Stream>, check: CheckId, der: Bytes) {
        let key = self.tracker_key.borrow().clone();
        let now = self.unix_ms() / 1000;
        let (this, stream, page) = (self.this.clone(), Rc::clone(stream), self.page.clone());
        spawn(async move {
            let member = match key {
                Some(key) => member(&page, &key, stream.swarm_id().as_ref(), now, &der).await,
                None => None,
            };
            if let Some(inner) = this.upgrade() {
                inner.input(&stream, Input::CertificateChecked { check, member });
            }
        });
    }

    /// The time by the tracker's clock, where one was heard; else by the page's. Unix milliseconds.
    pub(super) fn unix_ms(&self) -> u64 {
        self.network()
            .map_or_else(|| self.clock.unix_us() / 1000, |network| network.unix_ms())
    }

    /// Tells the swarms what the time really is.
    pub(super) fn tell_time(&self) {
        let unix = Timestamp(self.unix_ms() * 1000);
        for stream in self.streams() {
            self.input(&stream, Input::Clock { unix });
        }
    }
}

/// Whose certificate it is, if it is good.
async fn member(page: &Page, key: &[u8], swarm_id: &[u8], now: u64, der: &[u8]) -> Option<Member> {
    let parsed = certificate::parse(der).ok()?;
    certificate::check(&parsed, swarm_id, now).ok()?;
    let (&number, key) = key.split_first()?;
    let algorithm = SignatureAlgorithm::from_number(number)?;
    let genuine = page.genuine(algorithm, key, &parsed.signature, parsed.tbs).await;
    genuine.then(|| Member {
        peer: PeerId(parsed.membership.peer_id),
        expires: Timestamp(parsed.membership.not_after * 1_000_000),
    })
}
