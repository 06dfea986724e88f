//! The server's side of [`View`]: requests for playlists, proofs and `shoal.json` get no more than what is signed.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use percent_encoding::percent_decode_str;

use super::view::{Answer, View};

/// Middleware in front of the folder's files.
pub async fn gate(State(view): State<Arc<View>>, request: Request, next: Next) -> Response {
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let Some(path) = relative(request.uri().path()).filter(|_| reading) else {
        return next.run(request).await;
    };
    match view.answer(&path).await {
        Answer::Text(document) => document.respond(request.headers()),
        Answer::File(None) => next.run(request).await,
        Answer::File(Some(lifetime)) => {
            let mut response = next.run(request).await;
            let good = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
            let value = format!("public, max-age={}", lifetime.as_secs());
            if let (true, Ok(value)) = (good, HeaderValue::from_str(&value)) {
                response.headers_mut().insert(header::CACHE_CONTROL, value);
            }
            response
        }
        Answer::Missing => status(StatusCode::NOT_FOUND),
        Answer::NotYet => {
            let mut response = status(StatusCode::SERVICE_UNAVAILABLE);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

fn status(code: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

/// The path below the folder that a URL's path names; `None` for what names no file there.
fn relative(path: &str) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.split('/') {
        let name = percent_decode_str(part).decode_utf8().ok()?;
        match &*name {
            "" | "." => {}
            ".." => return None,
            name if name.contains(['/', '\\', '\0']) => return None,
            name => found.push(name),
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, want) in [
            ("/", Some("")),
            ("/a.m3u8", Some("a.m3u8")),
            ("//v%200/./a%C3%A9.ts", Some("v 0/aé.ts")),
            ("/v/../a", None),
            ("/v/%2e%2e/a", None),
            ("/v%2fa", None),
            ("/%ff", None),
        ] {
            assert_eq!(relative(path), want.map(PathBuf::from), "{path}");
        }
    }
}
