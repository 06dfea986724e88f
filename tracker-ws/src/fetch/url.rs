//! Where a document is.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// A URL that can be asked: `http:` or `https:`, with a host, and without a name and password in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Location(Url);

impl Location {
    /// `None` where the text is no such URL.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::of(text.parse().ok()?)
    }

    /// What a reference in a document from there means (RFC 3986 §5).
    pub(crate) fn resolve(&self, reference: &str) -> Option<Self> {
        Self::of(self.0.join(reference).ok()?)
    }

    fn of(mut url: Url) -> Option<Self> {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_http = ["http", "https"].contains(&url.scheme());
        let has_port = url.port() != Some(0);
        // It says where in a document to look, and servers are not told.
        url.set_fragment(None);
        (is_http && is_plain && has_port && url.has_host()).then_some(Self(url))
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Can nobody on the way change what comes from there? With TLS, or on this machine, where there is no way.
    pub(crate) fn is_guarded(&self) -> bool {
        let is_here = match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        self.is_secure() || is_here
    }

    /// Host, without brackets, and port.
    pub(super) fn host(&self) -> (String, u16) {
        let host = match self.0.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address).to_string(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).to_string(),
            Some(Host::Domain(name)) => name.to_owned(),
            None => String::new(),
        };
        (host, self.0.port_or_known_default().unwrap_or_default())
    }

    /// For the `Host` header (RFC 9110 §7.2).
    pub(super) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// For the request line.
    pub(super) fn path(&self) -> String {
        match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().to_owned(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, host, authority, path) in [
            (
                "http://alto.example/networkmap",
                ("alto.example", 80),
                "alto.example",
                "/networkmap",
            ),
            (
                "https://alto.example?x#y",
                ("alto.example", 443),
                "alto.example",
                "/?x",
            ),
            (
                "http://[2001:db8::1]:8080/a?b",
                ("2001:db8::1", 8080),
                "[2001:db8::1]:8080",
                "/a?b",
            ),
            (
                "HTTP://ALTO.example:80/a b",
                ("alto.example", 80),
                "alto.example",
                "/a%20b",
            ),
        ] {
            let url = Location::parse(text).unwrap();
            assert_eq!(url.host(), (host.0.to_owned(), host.1), "{text}");
            assert_eq!((&*url.authority(), &*url.path()), (authority, path), "{text}");
        }
        for wrong in [
            "",
            "/networkmap",
            "alto.example",
            "ftp://alto.example/",
            "file:///etc/passwd",
            "http://user@alto.example/",
            "https://:password@alto.example/",
            "http:///",
            "http://alto.example:0/",
            "http://alto.example:65536/",
        ] {
            assert_eq!(Location::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn references() {
        let at = Location::parse("https://alto.example/a/directory?x").unwrap();
        for (reference, expected) in [
            ("map", Some("https://alto.example/a/map")),
            ("../map#part", Some("https://alto.example/map")),
            ("/map?y", Some("https://alto.example/map?y")),
            ("//other.example/map", Some("https://other.example/map")),
            ("http://alto.example/map", Some("http://alto.example/map")),
            ("javascript:1", None),
            ("http://", None),
        ] {
            let found = at.resolve(reference).map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn who_is_on_the_way_can_change_what_has_no_tls() {
        for (text, expected) in [
            ("https://portal.example/", true),
            ("http://portal.example/", false),
            ("http://127.0.0.1:80/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(Location::parse(text).unwrap().is_guarded(), expected, "{text}");
        }
    }
}
