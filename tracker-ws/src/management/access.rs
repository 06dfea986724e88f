//! Who is let in.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use super::{Operator, dashboard};
use crate::config::Secret;

/// What operators prove themselves with. Kept as a hash: texts of the same length compare in the same time.
pub(super) struct Token([u8; 32]);

impl Token {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(Sha256::digest(secret.reveal()).into())
    }

    fn is(&self, text: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        self.0.ct_eq(&other).into()
    }
}

/// Lets a request through that has the token, or asks for a file of the dashboard. Counts all.
pub(super) async fn check(State(operator): State<Arc<Operator>>, request: Request, next: Next) -> Response {
    let mut response = match admit(&operator.token, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let mut response = problem.into_response();
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            response
        }
    };
    operator.shared.metrics.managed(response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn admit(token: &Token, request: &Request) -> Result<(), Problem> {
    if dashboard::is_file(request.uri().path()) {
        return Ok(());
    }
    let refuse = |detail| Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    let mut all = request.headers().get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return refuse("Authorization: want one, with the bearer token");
    };
    let value = value.as_bytes();
    let Some((scheme, given)) = value.split_at_checked("Bearer ".len()) else {
        return refuse("Authorization: not of the form Bearer and a token");
    };
    match scheme.eq_ignore_ascii_case(b"Bearer ") {
        true if token.is(given.trim_ascii()) => Ok(()),
        true => refuse("Authorization: not the token"),
        false => refuse("Authorization: not of the form Bearer and a token"),
    }
}
