//! A text that is answered from memory.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use ppspp::Hash;

/// A version of a playlist or of `shoal.json`.
#[derive(Clone)]
pub struct Document {
    text: Bytes,
    media_type: &'static str,
    /// In quotes.
    tag: String,
}

impl Document {
    /// A text of that type.
    pub fn new(text: Bytes, media_type: &'static str) -> Self {
        let tag = format!("\"{:.16}\"", Hash::of_chunk(&text).to_string());
        Self {
            text,
            media_type,
            tag,
        }
    }

    /// The answer to a GET or HEAD with these headers: always asked for again, and not sent again to who has it.
    pub fn respond(&self, request: &HeaderMap) -> Response {
        let known = request.get_all(header::IF_NONE_MATCH).iter().any(|tags| {
            let mut tags = tags
                .as_bytes()
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii);
            tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.tag.as_bytes())
        });
        let body = if known {
            Body::empty()
        } else {
            Body::from(self.text.clone())
        };
        let mut response = Response::new(body);
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sent_once() {
        let document = Document::new(Bytes::from_static(b"text"), "text/plain");
        let first = document.respond(&HeaderMap::new());
        let tag = first.headers()[header::ETAG].clone();
        assert_eq!(first.status(), StatusCode::OK);
        for (asked, want) in [
            (tag.to_str().unwrap().to_owned(), StatusCode::NOT_MODIFIED),
            (
                format!("\"x\", W/{}", tag.to_str().unwrap()),
                StatusCode::NOT_MODIFIED,
            ),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            ("\"x\"".to_owned(), StatusCode::OK),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, asked.parse().unwrap());
            assert_eq!(document.respond(&headers).status(), want, "{asked}");
        }
    }
}
