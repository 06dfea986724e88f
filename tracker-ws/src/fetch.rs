//! Documents of other servers, which are polled over HTTP: an ALTO server's maps, and the keys of tokens.
//!
//! What is new is asked for with the entity tag of what is there. Answers are bounded in size and time, redirections in number.

mod error;
mod pace;
mod retry_after;
mod stream;
mod trust;
mod url;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, CONNECTION, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION, USER_AGENT,
};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::Clock;
pub(crate) use error::FetchError;
pub(crate) use pace::{JITTER, Pace};
use retry_after::retry_after;
pub(crate) use trust::Trust;
pub(crate) use url::Location;

/// Longest head of a response.
const MAX_HEAD: usize = 16 * 1024;
/// Most redirections that are followed, one after the other.
const MAX_REDIRECTIONS: usize = 5;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Of the `Accept` header.
    pub(crate) accept: &'static str,
    /// The media types that count.
    pub(crate) media_types: &'static [&'static str],
    /// Longest document, bytes.
    pub(crate) limit: usize,
    /// Whoever is on the way must not be able to change it: `https:` only, or a server on this very machine.
    pub(crate) is_guarded: bool,
}

/// A document as it was served last.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    url: Location,
    kind: &'static Kind,
    /// Names the version that is here, if the server named it; of the URL it was redirected to.
    version: Option<(Location, HeaderValue)>,
    text: Arc<str>,
}

/// What came of a request.
enum Answer {
    Unchanged,
    Redirected(Location),
    Document(Option<HeaderValue>, String),
}

impl Resource {
    pub(crate) fn new(url: Location, kind: &'static Kind) -> Self {
        Self {
            url,
            kind,
            version: None,
            text: Arc::default(),
        }
    }

    /// Where it is asked for.
    pub(crate) fn url(&self) -> &Location {
        &self.url
    }

    /// Empty before it was served.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The next request is for any version.
    pub(crate) fn forget_version(&mut self) {
        self.version = None;
    }

    /// Asks for a newer version; returns whether there was one. After an error all is as it was.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(crate) async fn refresh(&mut self, trust: &Trust, limit: Duration) -> Result<bool, FetchError> {
        let Ok(answered) = timeout(limit, self.get(trust)).await else {
            return Err(FetchError::TimedOut {
                url: self.url.to_string(),
                seconds: limit.as_secs_f64(),
            });
        };
        let Some((version, text)) = answered? else {
            return Ok(false);
        };
        self.version = version;
        let is_new = *self.text != *text;
        if is_new {
            self.text = text.into();
        }
        Ok(is_new)
    }

    /// A version and what it is called where, if it is not the one that is here.
    async fn get(
        &self,
        trust: &Trust,
    ) -> Result<Option<(Option<(Location, HeaderValue)>, String)>, FetchError> {
        let mut at = self.url.clone();
        for _ in 0..=MAX_REDIRECTIONS {
            if self.kind.is_guarded && !at.is_guarded() {
                return Err(FetchError::Unguarded { url: at.to_string() });
            }
            let known = self.version.as_ref().filter(|(url, _)| *url == at);
            match self.ask(trust, &at, known.map(|(_, tag)| tag)).await? {
                Answer::Unchanged => return Ok(None),
                Answer::Document(tag, text) => return Ok(Some((tag.map(|tag| (at, tag)), text))),
                Answer::Redirected(to) => {
                    if at.is_secure() && !to.is_secure() {
                        return Err(FetchError::Downgraded {
                            url: at.to_string(),
                            to: to.to_string(),
                        });
                    }
                    at = to;
                }
            }
        }
        Err(FetchError::Redirections {
            url: self.url.to_string(),
        })
    }

    /// One request, on a connection of its own.
    async fn ask(
        &self,
        trust: &Trust,
        at: &Location,
        known: Option<&HeaderValue>,
    ) -> Result<Answer, FetchError> {
        let url = || at.to_string();
        let failed = |source| FetchError::Http { url: url(), source };
        let stream = stream::connect(trust, at).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        // Ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = self.request(at, known);
        let response = sender.send_request(request).await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers());
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Answer::Unchanged),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
                if headers.contains_key(LOCATION) =>
            {
                let to = headers.get(LOCATION).and_then(|to| at.resolve(to.to_str().ok()?));
                let to = to.ok_or_else(|| FetchError::Redirections { url: url() })?;
                return Ok(Answer::Redirected(to));
            }
            status => {
                return Err(FetchError::Status {
                    url: url(),
                    status,
                    retry_after: retry_after(status, headers, Clock::date()),
                });
            }
        }
        self.check_type(at, headers)?;
        let tag = headers.get(ETAG).cloned();
        self.text_of(at, response)
            .await
            .map(|text| Answer::Document(tag, text))
    }

    fn request(&self, at: &Location, known: Option<&HeaderValue>) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::try_from(at.path()).unwrap_or_default();
        let headers = request.headers_mut();
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(HOST, &at.authority());
        set(ACCEPT, self.kind.accept);
        set(USER_AGENT, concat!("tracker-ws/", env!("CARGO_PKG_VERSION")));
        set(CONNECTION, "close");
        if let Some(tag) = known {
            headers.insert(IF_NONE_MATCH, tag.clone());
        }
        request
    }

    fn check_type(&self, at: &Location, headers: &HeaderMap) -> Result<(), FetchError> {
        let found = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let found = String::from_utf8_lossy(found);
        // Parameters follow after a semicolon.
        let essence = found.split(';').next().unwrap_or_default().trim();
        let mut wanted = self.kind.media_types.iter();
        match wanted.any(|wanted| essence.eq_ignore_ascii_case(wanted)) {
            true => Ok(()),
            false => Err(FetchError::MediaType {
                url: at.to_string(),
                found: found.into_owned(),
                expected: self.kind.media_types[0],
            }),
        }
    }

    async fn text_of(&self, at: &Location, response: Response<Incoming>) -> Result<String, FetchError> {
        let url = || at.to_string();
        let limit = self.kind.limit;
        let body = Limited::new(response.into_body(), limit);
        let body = body
            .collect()
            .await
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => FetchError::TooLong { url: url(), limit },
                false => FetchError::Body { url: url() },
            })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| FetchError::Body { url: url() })
    }
}
