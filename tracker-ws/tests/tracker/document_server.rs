//! A server of documents, with TLS or without, which fails when it is told to.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// What is answered on a path.
#[derive(Clone)]
pub struct Served {
    pub status: StatusCode,
    pub media_type: &'static str,
    pub etag: Option<&'static str>,
    pub body: Bytes,
    pub headers: Vec<(HeaderName, String)>,
    /// Nothing is answered at all.
    pub is_silent: bool,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub accept: String,
    pub if_none_match: Option<String>,
    pub at: Instant,
}

#[derive(Clone)]
pub struct DocumentServer {
    pub url: String,
    state: Arc<Mutex<State>>,
}

/// A certificate of an authority, PEM, and what shows one of 127.0.0.1 that it has signed.
pub fn authority() -> (String, TlsAcceptor) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        );
    (ca_pem, TlsAcceptor::from(Arc::new(config.unwrap())))
}

#[derive(Default)]
struct State {
    served: HashMap<String, Served>,
    asked: Vec<Asked>,
}

pub fn served(media_type: &'static str, etag: &'static str, body: String) -> Served {
    Served {
        status: StatusCode::OK,
        media_type,
        etag: Some(etag),
        body: body.into(),
        headers: Vec::new(),
        is_silent: false,
    }
}

/// What sends the client elsewhere.
pub fn redirected(to: &str) -> Served {
    Served {
        status: StatusCode::TEMPORARY_REDIRECT,
        headers: vec![(LOCATION, to.to_owned())],
        ..served("text/plain", "r", String::new())
    }
}

/// A server that has too much to do.
pub fn busy(retry_after: &str) -> Served {
    Served {
        status: StatusCode::SERVICE_UNAVAILABLE,
        headers: vec![(RETRY_AFTER, retry_after.to_owned())],
        ..served("text/plain", "b", String::new())
    }
}

impl DocumentServer {
    /// With these documents, by their paths.
    pub async fn start(tls: Option<TlsAcceptor>, documents: Vec<(&str, Served)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!(
                "{}://{}",
                if tls.is_some() { "https" } else { "http" },
                listener.local_addr().unwrap()
            ),
            state: Arc::default(),
        };
        for (path, document) in documents {
            server.serve(path, document);
        }
        let accepting = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (server, tls) = (accepting.clone(), tls.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let server = server.clone();
                        async move { Ok::<_, Infallible>(server.answer(&request).await) }
                    });
                    let http = http1::Builder::new();
                    // A client that does not wait for the end, or does not trust us, is its own matter.
                    match tls {
                        None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(http.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    }
                });
            }
        });
        server
    }

    /// From now on this is answered.
    pub fn serve(&self, path: &str, served: Served) {
        self.state.lock().unwrap().served.insert(path.to_owned(), served);
    }

    /// What has been asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let header = |name| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let asked = Asked {
            path: request.uri().path().to_owned(),
            accept: header(ACCEPT).unwrap_or_default(),
            if_none_match: header(IF_NONE_MATCH),
            at: Instant::now(),
        };
        let served = {
            let mut state = self.state.lock().unwrap();
            state.asked.push(asked.clone());
            state.served[&*asked.path].clone()
        };
        if served.is_silent {
            return std::future::pending().await;
        }
        let etag = served.etag.map(|etag| format!("\"{etag}\""));
        let mut response = Response::new(Full::default());
        if let Some(etag) = &etag {
            response.headers_mut().insert(ETAG, etag.parse().unwrap());
        }
        if etag.is_some() && etag == asked.if_none_match && served.status == StatusCode::OK {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        *response.status_mut() = served.status;
        for (name, value) in served.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        let media_type = served.media_type.parse().unwrap();
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        *response.body_mut() = Full::new(served.body);
        response
    }
}
