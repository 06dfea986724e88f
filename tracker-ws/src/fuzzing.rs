//! What the targets in `fuzz/` give their input to: readers of what others write that have no other door to them.

use std::collections::HashSet;
use std::net::IpAddr;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tracker_protocol::{MAX_SDP, Request};

use crate::alto::directory_maps;
use crate::envelope;
use crate::fetch::Location;
use crate::prefix::Prefix;
use crate::proxy::{ForwardedHeader, Proxies};
use crate::token::{TokenKeys, TokenRules};

/// Whom a request is of that came from this address, with these lines of the header that the trusted proxies write.
pub fn client_of(
    header: ForwardedHeader,
    trusted: &[Prefix],
    connected: IpAddr,
    lines: &[&[u8]],
) -> Option<IpAddr> {
    let name = match header {
        ForwardedHeader::Forwarded => HeaderName::from_static("forwarded"),
        _ => HeaderName::from_static("x-forwarded-for"),
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(&name, HeaderValue::from_bytes(line).ok()?);
    }
    Some(Proxies { trusted, header }.client(connected, &headers))
}

/// Keys that tokens are checked with.
#[derive(Debug)]
pub struct Tokens(TokenRules);

impl Tokens {
    /// Of a JWK set.
    pub fn new(jwk_set: &str) -> Option<Self> {
        Some(Self(TokenRules {
            keys: TokenKeys::parse(jwk_set).ok()?,
            remote: None,
            leeway: 0,
            issuers: Vec::new(),
            denied: HashSet::new(),
        }))
    }

    /// Is it a token of the peer `peer_id`, for the tracker at `origin`, at `now` (Unix seconds)? Otherwise why it is not.
    pub fn verify(&self, token: &str, peer_id: &str, origin: &str, now: u64) -> Result<(), &'static str> {
        let verified = self.0.verify(Some(token), peer_id, &[origin.to_owned()], now);
        verified.map(drop).map_err(|error| error.reason())
    }
}

/// The network map and the cost map that a directory served at a URL names.
pub fn maps_of(url: &str, directory: &str) -> Option<(String, String)> {
    directory_maps(&Location::parse(url)?, directory)
}

/// A SIGNAL that is passed on as it is: what is read of it, and the frame that its receiver gets.
pub fn passed_on(frame: &str) -> Option<(Request, String)> {
    let (request, envelope) = envelope::read(frame, MAX_SDP)?;
    Some((request, envelope.push()))
}
