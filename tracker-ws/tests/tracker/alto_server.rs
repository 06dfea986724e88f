//! An ALTO server (RFC 7285) with a network map and a cost map, which fails when it is told to.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub const NETWORK: &str = "/networkmap";
pub const COSTS: &str = "/costmap";

/// What is answered on a path.
#[derive(Clone)]
pub struct Served {
    pub status: StatusCode,
    pub media_type: &'static str,
    pub etag: Option<&'static str>,
    pub body: Bytes,
    /// Nothing is answered at all.
    pub is_silent: bool,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub accept: String,
    pub if_none_match: Option<String>,
}

#[derive(Clone)]
pub struct AltoServer {
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    served: HashMap<&'static str, Served>,
    asked: Vec<Asked>,
}

/// A network map of this version.
pub fn network_map(tag: &'static str) -> Served {
    let body = format!(
        r#"{{"meta": {{"vtag": {{"resource-id": "net", "tag": "{tag}"}}}},
            "network-map": {{"near": {{"ipv4": ["127.1.0.0/16"]}}, "far": {{"ipv4": ["127.2.0.0/16"]}}}}}}"#
    );
    served("application/alto-networkmap+json", tag, body)
}

/// A cost map of that version, where traffic to near ones costs this much.
pub fn cost_map(etag: &'static str, tag: &str, near: u32, far: u32) -> Served {
    let body = format!(
        r#"{{"meta": {{"dependent-vtags": [{{"resource-id": "net", "tag": "{tag}"}}],
                       "cost-type": {{"cost-mode": "numerical", "cost-metric": "routingcost"}}}},
            "cost-map": {{"near": {{"near": {near}, "far": {far}}}, "far": {{"near": {far}, "far": {near}}}}}}}"#
    );
    served("application/alto-costmap+json", etag, body)
}

fn served(media_type: &'static str, etag: &'static str, body: String) -> Served {
    Served {
        status: StatusCode::OK,
        media_type,
        etag: Some(etag),
        body: body.into(),
        is_silent: false,
    }
}

impl AltoServer {
    pub async fn start(network: Served, costs: Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        server.serve(NETWORK, network);
        server.serve(COSTS, costs);
        let accepting = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = accepting.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let server = server.clone();
                        async move { Ok::<_, Infallible>(server.answer(&request).await) }
                    });
                    // A client that does not wait for the end is its own matter.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        server
    }

    /// From now on this is answered.
    pub fn serve(&self, path: &'static str, served: Served) {
        self.state.lock().unwrap().served.insert(path, served);
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
        let media_type = served.media_type.parse().unwrap();
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        *response.body_mut() = Full::new(served.body);
        response
    }
}
