//! The access log: a line of JSON for each request, when its response has ended.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use anyhow::Context;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use serde_json::{Value, json};

/// The log's file.
#[derive(Clone)]
pub struct AccessLog {
    file: Arc<Mutex<File>>,
}

/// One request until its line is written, which is when it is dropped: at the end of the body, or where the client
/// stopped taking it.
struct Entry {
    log: AccessLog,
    method: String,
    path: String,
    range: Value,
    status: u16,
    bytes: u64,
    started: Instant,
}

/// A response's body that counts what goes out.
struct Counted {
    body: Body,
    entry: Entry,
}

impl AccessLog {
    /// An empty log at that path.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
        })
    }
}

/// Middleware: puts the request on record.
pub async fn record(State(log): State<AccessLog>, request: Request, next: Next) -> Response {
    let range = request.headers().get(header::RANGE);
    let mut entry = Entry {
        log,
        method: request.method().to_string(),
        path: request
            .uri()
            .path_and_query()
            .map_or_else(|| "*".into(), ToString::to_string),
        range: range.map_or(Value::Null, |range| {
            String::from_utf8_lossy(range.as_bytes()).into()
        }),
        status: 0,
        bytes: 0,
        started: now(),
    };
    let response = next.run(request).await;
    entry.status = response.status().as_u16();
    response.map(|body| Body::new(Counted { body, entry }))
}

#[allow(clippy::disallowed_methods, reason = "a server owns a clock")]
fn now() -> Instant {
    Instant::now()
}

impl Drop for Entry {
    fn drop(&mut self) {
        let line = json!({
            "method": self.method,
            "path": self.path,
            "range": self.range,
            "status": self.status,
            "bytes": self.bytes,
            "ms": now().duration_since(self.started).as_millis() as u64,
        });
        let line = format!("{line}\n");
        if let Ok(mut file) = self.log.file.lock() {
            // A full disk must not stop the serving.
            let _ = file.write_all(line.as_bytes());
        }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.entry.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
