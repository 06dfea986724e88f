//! An operator made for tests.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_ws::{Config, Management, Secret, Server, Shutdown};

use crate::peer::within;

pub const TOKEN: &str = "0123456789abcdef";

/// A tracker with management, and who manages it.
pub struct Managed {
    /// For peers.
    pub url: String,
    pub manager: Manager,
    pub shutdown: Shutdown,
    pub ended: tokio::task::JoinHandle<()>,
}

pub async fn start(config: Config) -> Managed {
    let management = Management {
        listen: Some(([127, 0, 0, 1], 0).into()),
        token: Some(Secret::new(TOKEN.to_owned())),
        token_file: None,
    };
    let server = Server::bind(Config { management, ..config }).await.unwrap();
    let address = server.management_url().unwrap();
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    Managed {
        url: server.url(),
        manager: Manager {
            address: address.to_owned(),
        },
        shutdown: server.shutdown(),
        ended: tokio::spawn(server.run()),
    }
}

#[derive(Clone)]
pub struct Manager {
    pub address: String,
}

/// A response; header names are in lower case.
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The `detail` of a problem with this status.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(
            self.head.contains("content-type: application/problem+json"),
            "{}",
            self.head
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Manager {
    /// A connection on which a request with these headers was sent.
    pub async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    pub async fn exchange(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut stream = self.send(method, path, headers, body).await;
        let mut text = String::new();
        within("response", stream.read_to_string(&mut text))
            .await
            .unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a response");
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    /// With the token, and a body of JSON where there is one.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n");
        self.exchange(method, path, &headers, body).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let reply = self.call("GET", path, "").await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.json()
    }

    /// Asks until the answer is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let asked = async {
            loop {
                let value = self.get(path).await;
                if wanted(&value) {
                    return value;
                }
                tokio::task::yield_now().await;
            }
        };
        within(path, asked).await
    }
}
