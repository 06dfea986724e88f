//! What a response says of its content: the type, and that it must be asked for again.

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// The type of a file by its name, where the general table has none or an unusual one.
fn media_type(path: &str) -> Option<&'static str> {
    let (_, name) = path.rsplit_once('/')?;
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "m3u8" | "m3u" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "m4s" | "cmfv" | "cmfa" => "video/iso.segment",
        "mp4" | "m4v" => "video/mp4",
        "m4a" => "audio/mp4",
        "ts" => "video/mp2t",
        "aac" => "audio/aac",
        "webm" => "video/webm",
        "vtt" => "text/vtt; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "wasm" => "application/wasm",
        "segments" | "ppsp" => "application/octet-stream",
        _ => return None,
    })
}

/// Sets `Content-Type` and, where nothing else was said, `Cache-Control: no-cache`: a cached copy is used only after the
/// server said it is current (by `ETag` or `Last-Modified`), so a file published again is seen at once.
pub async fn content_headers(request: Request, next: Next) -> Response {
    let known = media_type(request.uri().path());
    let mut response = next.run(request).await;
    let has_content = response.status().is_success();
    let headers = response.headers_mut();
    if has_content {
        if let Some(known) = known {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(known));
        } else if headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|found| found == "text/html")
        {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            );
        }
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        assert_eq!(
            media_type("/a.b/index.M3U8"),
            Some("application/vnd.apple.mpegurl")
        );
        assert_eq!(media_type("/a.ts"), Some("video/mp2t"));
        assert_eq!(media_type("/a.ts/b"), None);
        assert_eq!(media_type("/"), None);
    }
}
