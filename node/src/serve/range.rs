//! When a request's `Range` does not count: another unit (RFC 9110 §14.2), or `If-Range` with another version of the
//! file (§13.1.5). All of the file is the answer then.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

/// Drops a `Range` that does not count.
pub async fn check(mut request: Request, next: Next) -> Response {
    let in_bytes = |range: &HeaderValue| {
        range
            .as_bytes()
            .get(..6)
            .is_some_and(|unit| unit.eq_ignore_ascii_case(b"bytes="))
    };
    if !request.headers().get(header::RANGE).is_some_and(in_bytes) {
        request.headers_mut().remove(header::RANGE);
    }
    let condition = request.headers_mut().remove(header::IF_RANGE);
    if let Some(condition) = condition.filter(|_| request.headers().contains_key(header::RANGE)) {
        let mut probe = Request::new(Body::empty());
        *probe.method_mut() = Method::HEAD;
        *probe.uri_mut() = request.uri().clone();
        let current = next.clone().run(probe).await;
        if !is_current(&condition, current.headers()) {
            request.headers_mut().remove(header::RANGE);
        }
    }
    next.run(request).await
}

/// A strong entity tag or an exact date of what is there. (A weak tag never equals one of ours, which are strong.)
fn is_current(condition: &HeaderValue, headers: &HeaderMap) -> bool {
    [header::ETAG, header::LAST_MODIFIED]
        .iter()
        .any(|name| headers.get(name) == Some(condition))
}
