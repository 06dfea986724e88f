//! A client of the strict face, made for tests: HTTP written by hand, so that every byte is known.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_protocol::*;

use crate::peer::*;

pub const MEDIA_TYPE: &str = "application/ppsp-tracker+json";

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// In lower case, with the status line.
    pub head: String,
    pub body: String,
}

impl Reply {
    /// The PPSTP answer in it.
    pub fn response(&self) -> Response {
        assert!(
            self.head.contains(&format!("content-type: {MEDIA_TYPE}\r\n")),
            "{self:?}"
        );
        match FromTracker::decode(&self.body).unwrap() {
            FromTracker::Response(response) => response,
            FromTracker::Event(event) => panic!("{event:?}"),
        }
    }
}

pub struct Poster {
    pub key: Key,
    /// What it shows in its proofs.
    pub token: Option<String>,
    /// More header lines.
    pub head: String,
    origin: String,
    stream: TcpStream,
    nonce: Option<String>,
    next_id: u32,
}

impl Poster {
    /// A connection; the URL is that of the WebSocket face.
    pub async fn new(url: &str, seed: u8) -> Self {
        Self {
            key: Key::new(seed),
            token: None,
            head: String::new(),
            origin: format!("http://{}", address(url)),
            stream: TcpStream::connect(address(url)).await.unwrap(),
            nonce: None,
            next_id: 0,
        }
    }

    /// A member of swarm A.
    pub async fn joined(url: &str, seed: u8) -> Self {
        let mut poster = Self::new(url, seed).await;
        let response = poster.connect(vec![join(A)]).await;
        assert_eq!(response.code, ErrorCode::NoError, "{response:?}");
        poster
    }

    pub async fn send(&mut self, request: &[u8]) {
        within("send", self.stream.write_all(request)).await.unwrap();
    }

    /// The next response of the connection.
    pub async fn reply(&mut self) -> Reply {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("head", self.stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        within("body", self.stream.read_exact(&mut body)).await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head,
            body: String::from_utf8(body).unwrap(),
        }
    }

    pub async fn byte(&mut self) -> u8 {
        within("byte", self.stream.read_u8()).await.unwrap()
    }

    /// Is the connection at its end?
    pub async fn is_closed(&mut self) -> bool {
        matches!(within("end", self.stream.read(&mut [0; 1])).await, Ok(0) | Err(_))
    }

    /// Posts these bytes.
    pub async fn post(&mut self, body: &[u8]) -> Reply {
        let head = format!(
            "POST /ppsp HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\n{}Content-Length: {}\r\n\r\n",
            self.head,
            body.len()
        );
        self.send(head.as_bytes()).await;
        self.send(body).await;
        self.reply().await
    }

    /// The proof over a nonce.
    pub fn auth(&self, nonce: &str) -> Auth {
        let bytes = decode_base64url(nonce).unwrap().try_into().unwrap();
        let token = self.token.as_deref().unwrap_or_default();
        let input = auth_signing_input(&bytes, &self.origin, &self.key.id, token).unwrap();
        Auth {
            key: encode_base64url(&self.key.blob),
            sig: encode_base64url(&self.key.sign(&input)),
            token: self.token.clone(),
            nonce: Some(nonce.to_owned()),
        }
    }

    /// The nonce for the next proof: that of the last answer, or one asked for.
    pub async fn nonce(&mut self) -> String {
        if let Some(nonce) = self.nonce.take() {
            return nonce;
        }
        let body = json!({"PPSPTrackerProtocol":{"version":1,"request_type":"STAT_REPORT","transaction_id":"",
            "peer_id":self.key.id}});
        let reply = self.post(body.to_string().as_bytes()).await;
        let response = reply.response();
        assert_eq!(
            (reply.status, response.code),
            (200, ErrorCode::AuthenticationRequired)
        );
        response.ext.nonce.expect("a nonce")
    }

    /// Posts a message whose members are given; it gets the peer's ID and its proof.
    pub async fn post_members(&mut self, members: &Value) -> Reply {
        let message = self.proven(members).await;
        self.post_message(&message).await
    }

    /// A message with the peer's ID and a proof.
    pub async fn proven(&mut self, members: &Value) -> Value {
        let nonce = self.nonce().await;
        let auth = self.auth(&nonce);
        let mut message = members.clone();
        message["peer_id"] = json!(self.key.id);
        message["ext"]["auth"] = json!({"key":auth.key,"sig":auth.sig,"nonce":auth.nonce});
        json!({ "PPSPTrackerProtocol": message })
    }

    /// Posts a message as it is.
    pub async fn post_message(&mut self, message: &Value) -> Reply {
        let reply = self.post(message.to_string().as_bytes()).await;
        self.nonce = reply.response().ext.nonce;
        reply
    }

    /// Posts a request with proof.
    pub async fn ask(&mut self, body: RequestBody, mut ext: RequestExt) -> Response {
        let nonce = self.nonce().await;
        ext.auth = Some(self.auth(&nonce));
        self.next_id += 1;
        let request = Request {
            transaction_id: self.next_id.to_string(),
            peer_id: self.key.id.clone(),
            body,
            ext,
        };
        let reply = self.post(request.encode().unwrap().as_bytes()).await;
        let response = reply.response();
        assert_eq!(response.transaction_id, request.transaction_id);
        self.nonce.clone_from(&response.ext.nonce);
        response
    }

    /// With an address: nothing can be pushed to it, so without one it would not be listed.
    pub async fn connect(&mut self, swarm_action: Vec<SwarmAction>) -> Response {
        let address = PeerAddr {
            ip_address: IpAddress {
                address_type: AddressType::Ipv4,
                address: "198.51.100.7".to_owned(),
            },
            port: 6778,
            priority: 1,
            kind: Some(AddressKind::Host),
            connection: None,
            asn: None,
            peer_protocol: None,
        };
        let connect = Connect {
            swarm_action,
            peer_addr: vec![address],
            ..Connect::default()
        };
        self.ask(RequestBody::Connect(connect), RequestExt::default())
            .await
    }

    pub async fn find(&mut self, swarm: &str, count: Option<u64>) -> Response {
        let peer_num = count.map(|count| PeerNum {
            peer_count: Some(count),
            ..PeerNum::default()
        });
        let find = Find {
            swarm_id: swarm.to_owned(),
            peer_num,
        };
        self.ask(RequestBody::Find(find), RequestExt::default()).await
    }
}
