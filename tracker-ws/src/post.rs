//! The strict face: a request is posted, its answer is the response (RFC 7846 §4, over HTTPS).
//!
//! Every request carries its proof. What it signs is a nonce of an earlier answer: a request without a proof is
//! answered 06 with one, and every other answer has the next.

use std::net::IpAddr;
use std::sync::PoisonError;

use hyper::StatusCode;
use rand::Rng;
use tracker_protocol::{
    ErrorCode, KEY_BLOB_LEN, NONCE_LEN, Request, Response, decode_base64url, encode_base64url,
};

use crate::access::Denied;
use crate::auth;
use crate::clock::Clock;
use crate::front::Door;
use crate::limits::Limit;
use crate::metrics::Refusal;
use crate::nonces::NonceError;
use crate::registry::Answer;
use crate::server::Shared;
use crate::session::origins;
use crate::token::Grant;

/// The media type of requests and answers (RFC 7846 §8.1).
pub(crate) const MEDIA_TYPE: &str = "application/ppsp-tracker+json";

/// The HTTP status that goes with an error code; the RFC names none.
pub(crate) fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::NoError | ErrorCode::Forbidden | ErrorCode::AuthenticationRequired => StatusCode::OK,
        ErrorCode::BadRequest | ErrorCode::UnsupportedVersion => StatusCode::BAD_REQUEST,
        ErrorCode::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Answers the body of a request. `door` is where it came in, `from` the address it came from, `bearer` the token in its head,
/// which counts where the body has none.
pub(crate) fn answer(shared: &Shared, door: Door, from: IpAddr, bearer: Option<&str>, body: &[u8]) -> Answer {
    let Ok(frame) = std::str::from_utf8(body) else {
        return refuse(shared, "malformed", ErrorCode::BadRequest, "not UTF-8");
    };
    let request = match Request::decode(frame) {
        Ok(request) => request,
        Err(refused) => {
            tracing::debug!(error = %refused, "malformed request");
            return Answer::of(&refused.response()).counted(shared, "malformed");
        }
    };
    let kind = request.body.request_type();
    let now = shared.clock.now();
    // First of all, for the proof of a repetition is used up.
    if let Some(frame) = shared.registry().repeated(now, &request, frame) {
        return Answer::again(frame).counted(shared, kind);
    }
    let next = {
        let random = shared.random(|rng| rng.next_u64());
        let nonces = shared.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        encode_base64url(&nonces.make(now, random))
    };
    let key_blob = match prove(shared, door, &request) {
        Ok(key_blob) => key_blob,
        Err(error) => {
            let id = &request.transaction_id;
            if let Unproven::Nonce(NonceError::Busy) = error {
                return Answer::limited(id, Some(&next), Limit::Posts).counted(shared, kind);
            }
            let code = ErrorCode::AuthenticationRequired;
            let mut response = Response::failed(id, code, &error.to_string());
            response.ext.nonce = Some(next);
            return Answer::of(&response).counted(shared, kind);
        }
    };
    let grant = match permit(shared, door, bearer, &request) {
        Ok(grant) => grant,
        Err(denied) => {
            shared.metrics.denied(denied.reason);
            let mut response = denied.response(&request.transaction_id);
            response.ext.nonce = Some(next);
            return Answer::of(&response).counted(shared, kind);
        }
    };
    if shared.bans.bans_peer(now, || request.peer_id.clone()) {
        shared.metrics.refused(Refusal::Banned);
        let mut response = Response::failed(&request.transaction_id, ErrorCode::Forbidden, "banned");
        response.ext.nonce = Some(next);
        return Answer::of(&response).counted(shared, kind);
    }
    let certificates = shared.certificates_for(&key_blob, grant.as_ref(), &request);
    let answer = shared
        .registry()
        .post(now, from, &request, frame, &next, certificates);
    answer.counted(shared, kind)
}

/// A refusal of what could not be, or was not, read.
pub(crate) fn refuse(shared: &Shared, kind: &'static str, code: ErrorCode, reason: &str) -> Answer {
    Answer::of(&Response::failed("", code, reason)).counted(shared, kind)
}

/// The refusal of a request that comes too soon after others of its connection.
pub(crate) fn refuse_fast(shared: &Shared) -> Answer {
    Answer::limited("", None, Limit::Posts).counted(shared, "limited")
}

impl Answer {
    fn counted(self, shared: &Shared, kind: &'static str) -> Self {
        shared.metrics.answered(kind, self.code);
        if let Some(limit) = self.limit {
            shared.metrics.limited(limit);
        }
        self
    }
}

#[derive(Debug, thiserror::Error)]
enum Unproven {
    #[error("{0}")]
    Auth(#[from] auth::AuthError),
    #[error("{0}")]
    Nonce(#[from] NonceError),
}

/// Checks the proof of a request, and uses up its nonce. Returns the peer's key blob.
fn prove(shared: &Shared, door: Door, request: &Request) -> Result<[u8; KEY_BLOB_LEN], Unproven> {
    let auth = request.ext.auth.as_ref().ok_or(auth::AuthError::Missing)?;
    let nonce = auth.nonce.as_ref().ok_or(NonceError::Missing)?;
    let nonce = decode_base64url(nonce).ok_or(NonceError::Unknown)?;
    let nonce = <[u8; NONCE_LEN]>::try_from(nonce).map_err(|_| NonceError::Unknown)?;
    let now = shared.clock.now();
    let nonces = || shared.nonces.lock().unwrap_or_else(PoisonError::into_inner);
    nonces().check(now, &nonce)?;
    let origins: Vec<String> = origins(&shared.config().origins, door)
        .iter()
        .map(|origin| http_origin(origin))
        .collect();
    let key_blob = auth::verify(Some(auth), &request.peer_id, &nonce, &origins)?;
    nonces().use_up(now, nonce)?;
    Ok(key_blob)
}

/// May the peer that has proven itself make this request? Returns what its token allows.
fn permit(
    shared: &Shared,
    door: Door,
    bearer: Option<&str>,
    request: &Request,
) -> Result<Option<Grant>, Denied> {
    let (access, now) = (shared.front.access(), Clock::unix_ms() / 1000);
    let token = request.ext.auth.as_ref().and_then(|auth| auth.token.as_deref());
    let audiences = origins(&shared.config().origins, door);
    let grant = access.grant(token.or(bearer), &request.peer_id, &audiences, now)?;
    access.permits(grant.as_ref(), request, now)?;
    Ok(grant)
}

/// The origin of the same host's HTTP.
fn http_origin(origin: &str) -> String {
    match origin.strip_prefix("ws") {
        Some(rest) => format!("http{rest}"),
        None => origin.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_of_the_same_host() {
        assert_eq!(http_origin("wss://t.example"), "https://t.example");
        assert_eq!(http_origin("ws://localhost:8000"), "http://localhost:8000");
        assert_eq!(http_origin("https://t.example"), "https://t.example");
    }

    #[test]
    fn every_error_code_has_its_status() {
        let statuses = (0..7).map(|code| status(ErrorCode::from_number(code).unwrap()).as_u16());
        assert_eq!(statuses.collect::<Vec<_>>(), [200, 400, 400, 200, 500, 503, 200]);
    }
}
