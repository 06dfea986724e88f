//! Errors, as RFC 9457 has them.

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// What is wrong with a request (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, and where: a parameter or member comes first.
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // It has texts and a number only, which can always be written.
        let body = serde_json::to_string(&self).unwrap_or_default();
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = HeaderValue::from_static("application/problem+json");
        (status, [(CONTENT_TYPE, kind)], body).into_response()
    }
}

/// What any call may be answered with, for the document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made from it")]
pub(super) enum Refused {
    /// A parameter, or the body, is not of the right form.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// The token is missing or wrong.
    #[response(status = 401, content_type = "application/problem+json")]
    NoToken(Problem),
    /// There is nothing here, or no such method.
    #[response(status = 405, content_type = "application/problem+json")]
    NoMethod(Problem),
}

/// What a call about one thing may be answered with besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made from it")]
pub(super) enum Unknown {
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// What a call with a body may be answered with besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made from it")]
pub(super) enum BadBody {
    /// The body did not come in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// The body is longer than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLong(Problem),
    /// The body is not JSON by its Content-Type.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// The body's values cannot be.
    #[response(status = 422, content_type = "application/problem+json")]
    Wrong(Problem),
}
