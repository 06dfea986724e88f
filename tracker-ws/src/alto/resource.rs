//! One document of a server, and its last version.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, CONNECTION, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderValue, IF_NONE_MATCH, USER_AGENT,
};
use hyper::http::uri::Scheme;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::error::AltoError;
use crate::cost_map::MAX_DOCUMENT;

/// Longest head of a response.
const MAX_HEAD: usize = 16 * 1024;
/// What describes an error (RFC 7285 §8.5).
const ERROR: &str = "application/alto-error+json";

/// A map as it was served last.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    url: String,
    media_type: &'static str,
    /// Names the version that is here, if the server named it.
    etag: Option<HeaderValue>,
    text: Arc<str>,
}

/// Can it be polled?
pub(crate) fn is_url(url: &str) -> bool {
    parse(url).is_some()
}

impl Resource {
    pub(super) fn new(url: &str, media_type: &'static str) -> Self {
        Self {
            url: url.to_owned(),
            media_type,
            etag: None,
            text: Arc::default(),
        }
    }

    pub(super) fn url(&self) -> &String {
        &self.url
    }

    /// Empty before it was served.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The next request is for any version.
    pub(super) fn forget_version(&mut self) {
        self.etag = None;
    }

    /// Asks for a newer version; returns whether there was one. After an error all is as it was.
    pub(super) async fn refresh(&mut self, limit: Duration) -> Result<bool, AltoError> {
        let url = self.url.clone();
        let seconds = limit.as_secs_f64();
        let Ok(answered) = timeout(limit, self.get()).await else {
            return Err(AltoError::TimedOut { url, seconds });
        };
        let Some((etag, text)) = answered? else {
            return Ok(false);
        };
        self.etag = etag;
        let is_new = *self.text != *text;
        if is_new {
            self.text = text.into();
        }
        Ok(is_new)
    }

    /// A version and its entity tag, where it is not the one that is here.
    async fn get(&self) -> Result<Option<(Option<HeaderValue>, String)>, AltoError> {
        let url = || self.url.clone();
        let failed = |source| AltoError::Http { url: url(), source };
        let (uri, host, port) = parse(&self.url).ok_or_else(|| AltoError::Url { url: url() })?;
        let stream = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|source| AltoError::Unreachable { url: url(), source })?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        // Ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(self.request(&uri)).await.map_err(failed)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if self.etag.is_some() => return Ok(None),
            status => return Err(AltoError::Status { url: url(), status }),
        }
        self.check_type(response.headers())?;
        let etag = response.headers().get(ETAG).cloned();
        self.text_of(response).await.map(|text| Some((etag, text)))
    }

    fn request(&self, uri: &Uri) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
        let headers = request.headers_mut();
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(HOST, uri.authority().map_or("", |authority| authority.as_str()));
        set(ACCEPT, &format!("{},{ERROR}", self.media_type));
        set(USER_AGENT, concat!("tracker-ws/", env!("CARGO_PKG_VERSION")));
        set(CONNECTION, "close");
        if let Some(etag) = &self.etag {
            headers.insert(IF_NONE_MATCH, etag.clone());
        }
        request
    }

    fn check_type(&self, headers: &HeaderMap) -> Result<(), AltoError> {
        let found = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let found = String::from_utf8_lossy(found);
        // Parameters follow after a semicolon.
        let essence = found.split(';').next().unwrap_or_default().trim();
        match essence.eq_ignore_ascii_case(self.media_type) {
            true => Ok(()),
            false => Err(AltoError::MediaType {
                url: self.url.clone(),
                found: found.into_owned(),
                expected: self.media_type,
            }),
        }
    }

    async fn text_of(&self, response: Response<Incoming>) -> Result<String, AltoError> {
        let url = || self.url.clone();
        let body = Limited::new(response.into_body(), MAX_DOCUMENT);
        let body = body
            .collect()
            .await
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => AltoError::TooLong { url: url() },
                false => AltoError::Body { url: url() },
            })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| AltoError::Body { url: url() })
    }
}

/// A URL, its host and its port.
fn parse(url: &str) -> Option<(Uri, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    if uri.scheme() != Some(&Scheme::HTTP) || authority.as_str().contains('@') {
        return None;
    }
    // An IPv6 address has brackets in a URL only.
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(80);
    (!host.is_empty() && port > 0).then(|| (uri.clone(), host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let of = |url: &str| parse(url).map(|(_, host, port)| (host, port));
        let some = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(of("http://alto.example/networkmap"), some("alto.example", 80));
        assert_eq!(of("http://[2001:db8::1]:8080/a?b"), some("2001:db8::1", 8080));
        for wrong in [
            "",
            "/networkmap",
            "alto.example",
            "https://alto.example/networkmap",
            "ftp://alto.example/",
            "http://user@alto.example/",
            "http:///networkmap",
            "http://alto.example:0/",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
