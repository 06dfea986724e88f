//! Headers in which proxies tell whom a request is of.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::FORWARDED;
use serde::{Deserialize, Serialize};

/// Which header the trusted proxies write. One only: a proxy leaves the other as a client has sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// None: the address of the connection counts.
    #[default]
    None,
    /// `X-Forwarded-For: 192.0.2.1, 198.51.100.2`.
    XForwardedFor,
    /// `Forwarded: for=192.0.2.1` (RFC 7239).
    Forwarded,
}

impl ForwardedHeader {
    /// The addresses in the header's lines, the first proxy's first; `None` for each entry that is no address.
    pub(super) fn entries(self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self {
            Self::None => return Vec::new(),
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => FORWARDED.as_str(),
        };
        let mut entries = Vec::new();
        for line in headers.get_all(name) {
            let Ok(line) = line.to_str() else {
                entries.push(None);
                continue;
            };
            match self {
                Self::Forwarded => match split(line, ',') {
                    Some(elements) => entries.extend(elements.into_iter().map(element)),
                    None => entries.push(None),
                },
                _ => entries.extend(line.split(',').map(|entry| address(entry.trim()))),
            }
        }
        entries
    }
}

/// The parts of a text between separators that are not inside quotes; `None` where quotes are left open: so a client could
/// make what a proxy adds a part of what it has written itself.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if char == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// The address of a forwarded-element (RFC 7239 §4), which has one `for` at most.
fn element(text: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split(text, ';')? {
        let Some((name, value)) = pair.trim().split_once('=') else {
            continue;
        };
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        // Addresses need no escapes.
        Some(quoted) => address(quoted.strip_suffix('"')?),
        None => address(value),
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
        .or_else(|| bracketed().map(IpAddr::V6))
}
