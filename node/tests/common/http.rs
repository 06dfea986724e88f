//! HTTP/1.1 by hand: no client that tidies requests up.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;

pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Sends a request ("GET /path") with these headers.
pub fn send(address: &str, request: &str, headers: &[&str]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut text = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        text += &format!("{header}\r\n");
    }
    stream.write_all((text + "\r\n").as_bytes()).unwrap();
    stream
}

/// Reads the answer to the end.
pub fn receive(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let (status, rest) = head.split_once("\r\n").unwrap();
    let headers = rest.split("\r\n").map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    Answer {
        status: status.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: headers.collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

pub fn ask(address: &str, request: &str, headers: &[&str]) -> Answer {
    receive(send(address, request, headers))
}
