//! HTTP with ranges, bounds and abort, over the page's `fetch`.
//!
//! Credentials, redirects and the cache are those of `fetch` unless told otherwise: what a player's plain
//! `XMLHttpRequest` would send, so that a CDN cannot tell the difference. Dropping one of these futures does
//! not stop the transfer: abort its signal.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStreamDefaultReader, Request, RequestInit, Response};

use crate::js::{get, get_text};

/// Why a transfer did not deliver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The caller's signal was aborted.
    #[error("aborted")]
    Aborted,
    /// The server answered with this HTTP status, which is no success.
    #[error("HTTP status {0}")]
    Status(u16),
    /// No answer, a broken transfer, or an answer that does not fit the request; the text says what.
    #[error("{0}")]
    Network(String),
    /// The body is longer than the caller's limit.
    #[error("the answer is larger than allowed")]
    TooLarge,
}

/// The whole body of `url`, or of its bytes `range` (end exclusive), if that is `limit` bytes or less.
///
/// # Errors
/// See [`FetchError`].
pub async fn bytes(
    url: &str,
    range: Option<(u64, u64)>,
    limit: usize,
    abort: &AbortSignal,
) -> Result<Vec<u8>, FetchError> {
    Ok(collect(url, range, limit, abort).await?.0)
}

/// The body of `url` as text (UTF-8; a byte order mark is removed), if that is `limit` bytes or less, with the URL
/// that answered after redirects: the base of the document's relative URLs.
///
/// # Errors
/// See [`FetchError`].
pub async fn document(url: &str, limit: usize, abort: &AbortSignal) -> Result<(String, String), FetchError> {
    let (body, answered) = collect(url, None, limit, abort).await?;
    let mut text =
        String::from_utf8(body).map_err(|_| FetchError::Network("the answer is not UTF-8".into()))?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok((text, answered))
}

/// Streams the body: `on_data` gets each piece as it arrives, in order.
///
/// With a `range` (end exclusive) exactly its bytes are handed out, also when the server ignores the request's
/// Range and answers 200 with the whole file: what precedes the range is skipped, and the transfer is stopped
/// after it.
///
/// # Errors
/// See [`FetchError`]. A body that ends before the range does is an error; the pieces handed out stay valid.
pub async fn stream(
    url: &str,
    range: Option<(u64, u64)>,
    abort: &AbortSignal,
    on_data: &mut dyn FnMut(&Uint8Array),
) -> Result<(), FetchError> {
    let response = open(url, range, abort).await?;
    drain(&response, range, abort, &mut |piece| {
        on_data(piece);
        Ok(())
    })
    .await
}

async fn collect(
    url: &str,
    range: Option<(u64, u64)>,
    limit: usize,
    abort: &AbortSignal,
) -> Result<(Vec<u8>, String), FetchError> {
    let response = open(url, range, abort).await?;
    let mut body = Vec::new();
    drain(&response, range, abort, &mut |piece| {
        let (start, length) = (body.len(), piece.length() as usize);
        if length > limit - start {
            return Err(FetchError::TooLarge);
        }
        body.resize(start + length, 0);
        piece.copy_to(&mut body[start..]);
        Ok(())
    })
    .await?;
    Ok((body, response.url()))
}

/// Sends the request and waits for the answer's head.
async fn open(url: &str, range: Option<(u64, u64)>, abort: &AbortSignal) -> Result<Response, FetchError> {
    let window = web_sys::window().ok_or_else(|| FetchError::Network("no window".into()))?;
    let init = RequestInit::new();
    init.set_signal(Some(abort));
    let request =
        Request::new_with_str_and_init(url, &init).map_err(|error| failure(abort, "bad request", &error))?;
    if let Some((start, end)) = range {
        if start >= end {
            return Err(FetchError::Network("empty byte range".into()));
        }
        let mut value = String::from("bytes=");
        value.push_str(&start.to_string());
        value.push('-');
        value.push_str(&(end - 1).to_string());
        request
            .headers()
            .set("Range", &value)
            .map_err(|error| failure(abort, "the Range header was refused", &error))?;
    }
    let response: Response = JsFuture::from(window.fetch_with_request(&request))
        .await
        .map_err(|error| failure(abort, "no answer", &error))?
        .unchecked_into();
    match response.status() {
        200 | 206 => Ok(response),
        // An empty success has no media in it.
        status => Err(FetchError::Status(status)),
    }
}

async fn drain(
    response: &Response,
    range: Option<(u64, u64)>,
    abort: &AbortSignal,
    on_data: &mut dyn FnMut(&Uint8Array) -> Result<(), FetchError>,
) -> Result<(), FetchError> {
    let body = response
        .body()
        .ok_or_else(|| FetchError::Network("the answer has no body".into()))?;
    let reader = ReadableStreamDefaultReader::new(&body)
        .map_err(|error| failure(abort, "the body is not readable", &error))?;
    let mut crop = Crop::new(range, response.status() == 206, content_range_start(response));
    if let Err(error) = crop.as_ref() {
        let error = error.clone();
        cancel(&reader);
        return Err(error);
    }
    let result = loop {
        let read = match JsFuture::from(reader.read()).await {
            Ok(read) => read,
            Err(error) => break Err(failure(abort, "the transfer broke off", &error)),
        };
        let done = get(&read, "done").is_truthy();
        let Ok(crop) = crop.as_mut() else { break Ok(()) };
        if done {
            break crop.finish();
        }
        let piece: Uint8Array = get(&read, "value").unchecked_into();
        if let Some((from, to)) = crop.take(piece.length()) {
            let whole = from == 0 && to == piece.length();
            let part = if whole { piece } else { piece.subarray(from, to) };
            if let Err(error) = on_data(&part) {
                break Err(error);
            }
        }
        if crop.complete() {
            break Ok(());
        }
    };
    // After a complete body this does nothing; otherwise it frees the connection.
    cancel(&reader);
    result
}

fn cancel(reader: &ReadableStreamDefaultReader) {
    let cancelled = reader.cancel();
    crate::js::spawn(async move {
        // The stream may have failed already: then cancelling it fails with the same error.
        let _ = JsFuture::from(cancelled).await;
    });
}

/// `bytes START-…/…`; `None` where the header is missing or hidden by CORS.
fn content_range_start(response: &Response) -> Option<u64> {
    let value = response.headers().get("Content-Range").ok()??;
    let range = value.strip_prefix("bytes")?.trim_ascii_start();
    range.split('-').next()?.trim_ascii().parse().ok()
}

fn failure(abort: &AbortSignal, what: &str, error: &JsValue) -> FetchError {
    if abort.aborted() {
        return FetchError::Aborted;
    }
    let mut text = String::from(what);
    if let Some(message) = get_text(error, "message") {
        text.push_str(": ");
        text.push_str(&message);
    }
    FetchError::Network(text)
}

/// Cuts the wanted bytes out of the pieces of a body.
#[derive(Debug)]
struct Crop {
    /// Bytes of the body before the wanted ones.
    skip: u64,
    /// Bytes still wanted; `None` for all there are.
    remaining: Option<u64>,
}

impl Crop {
    fn new(
        range: Option<(u64, u64)>,
        partial: bool,
        answered_start: Option<u64>,
    ) -> Result<Self, FetchError> {
        let Some((start, end)) = range else {
            return Ok(Self {
                skip: 0,
                remaining: None,
            });
        };
        let body_start = if partial {
            answered_start.unwrap_or(start)
        } else {
            0
        };
        let skip = start
            .checked_sub(body_start)
            .ok_or_else(|| FetchError::Network("the server answered another byte range".into()))?;
        Ok(Self {
            skip,
            remaining: Some(end - start),
        })
    }

    /// The part (start, end) of a piece of `length` bytes that is wanted.
    fn take(&mut self, length: u32) -> Option<(u32, u32)> {
        let from = self.skip.min(u64::from(length));
        self.skip -= from;
        let mut count = u64::from(length) - from;
        if let Some(remaining) = &mut self.remaining {
            count = count.min(*remaining);
            *remaining -= count;
        }
        // Both are at most `length`.
        (count > 0).then_some((from as u32, (from + count) as u32))
    }

    fn complete(&self) -> bool {
        self.remaining == Some(0)
    }

    /// The body has ended: was it all there?
    fn finish(&self) -> Result<(), FetchError> {
        match self.remaining {
            None | Some(0) => Ok(()),
            Some(_) => Err(FetchError::Network(
                "the answer ended before the byte range".into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_a_whole_answer_to_the_range() {
        let mut crop = Crop::new(Some((10, 25)), false, None).unwrap();
        assert_eq!(crop.take(8), None);
        assert_eq!(crop.take(8), Some((2, 8)));
        assert_eq!(
            crop.finish(),
            Err(FetchError::Network(
                "the answer ended before the byte range".into()
            ))
        );
        assert!(!crop.complete());
        assert_eq!(crop.take(100), Some((0, 9)));
        assert!(crop.complete());
        assert_eq!(crop.take(100), None);
        assert_eq!(crop.finish(), Ok(()));
    }

    #[test]
    fn partial_answer_is_taken_as_it_is() {
        let mut crop = Crop::new(Some((10, 25)), true, Some(10)).unwrap();
        assert_eq!(crop.take(15), Some((0, 15)));
        assert!(crop.complete());
        assert!(Crop::new(Some((10, 25)), true, Some(11)).is_err());
        let mut early = Crop::new(Some((10, 25)), true, Some(8)).unwrap();
        assert_eq!(early.take(17), Some((2, 17)));
    }

    #[test]
    fn without_a_range_everything_is_wanted() {
        let mut crop = Crop::new(None, false, None).unwrap();
        assert_eq!(crop.take(5), Some((0, 5)));
        assert_eq!(crop.take(0), None);
        assert!(!crop.complete());
        assert_eq!(crop.finish(), Ok(()));
    }
}
