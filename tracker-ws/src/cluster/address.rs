//! Where the engine is, and what its certificate is checked with.

use std::path::Path;

use redis::{ClientTlsConfig, RedisResult};
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError, TlsCertificates,
};

use crate::config::{Config, Invalid};
use crate::setting_file::{read, wrong};

/// Most servers that are named.
const MAX_SEEDS: usize = 64;
const CA: &str = "cluster_ca";
const CERTIFICATE: &str = "cluster_certificate";
const KEY: &str = "cluster_key";

/// Is it the URL of an engine?
///
/// # Errors
/// What is wrong with it, in words that do not repeat it, for it may have a password in it.
pub(crate) fn is_engine_url(url: &str) -> Result<(), String> {
    let described = |error: RedisError| match error.detail() {
        Some(detail) => format!("not a URL such as redis://127.0.0.1:6379: {detail}"),
        None => "not a URL such as redis://127.0.0.1:6379".to_owned(),
    };
    for seed in seeds(url)? {
        connection_info(&seed).map_err(described)?;
    }
    Ok(())
}

/// Is the engine reached with TLS?
pub(crate) fn is_secure(url: &str) -> bool {
    url.starts_with("rediss://") || url.starts_with("valkeys://")
}

/// The URL without what is secret in it.
pub(crate) fn public_url(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

/// One URL for each server that is named: what is before and after the list of them goes for all.
fn seeds(url: &str) -> Result<Vec<String>, String> {
    let Some((scheme, rest)) = url
        .split_once("://")
        .filter(|(scheme, _)| !scheme.contains("unix"))
    else {
        return Ok(vec![url.to_owned()]);
    };
    if rest.contains('#') {
        // The one there is turns the check of certificates off.
        return Err("not a URL such as redis://127.0.0.1:6379: no fragment is known".to_owned());
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let seeds: Vec<_> = hosts
        .split(',')
        .map(|host| format!("{scheme}://{user}{host}{tail}"))
        .collect();
    match seeds.len() <= MAX_SEEDS {
        true => Ok(seeds),
        false => Err(format!("more than {MAX_SEEDS} servers")),
    }
}

fn connection_info(url: &str) -> RedisResult<ConnectionInfo> {
    let info = url.into_connection_info()?;
    // Letters come in between the answers to commands: version 3 of the protocol tells them apart.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

/// An engine: its servers, those that are named.
#[derive(Debug)]
pub(crate) struct Address {
    pub(super) seeds: Vec<ConnectionInfo>,
    pub(super) certificates: Option<TlsCertificates>,
    /// Its URL, to be shown.
    pub(super) name: String,
}

impl Address {
    /// The engine that the settings name, with what their files say; `None`: none.
    ///
    /// # Errors
    /// [`Invalid`]: a file cannot be read, or does not have in it what it should.
    pub(crate) fn read(config: &Config) -> Result<Option<Self>, Invalid> {
        let Some(url) = &config.cluster else {
            return Ok(None);
        };
        let invalid = |reason| Invalid {
            key: "cluster".to_owned(),
            reason,
        };
        is_engine_url(url).map_err(invalid)?;
        let seeds = seeds(url).map_err(invalid)?;
        let seeds = seeds
            .iter()
            .filter_map(|seed| connection_info(seed).ok())
            .collect();
        let certificates = match is_secure(url) {
            true => Some(certificates(config)?),
            false => None,
        };
        Ok(Some(Self {
            seeds,
            certificates,
            name: public_url(url),
        }))
    }

    pub(super) fn is_socket(&self) -> bool {
        let mut addresses = self.seeds.iter().map(ConnectionInfo::addr);
        addresses.any(|address| matches!(address, ConnectionAddr::Unix(_)))
    }
}

fn certificates(config: &Config) -> Result<TlsCertificates, Invalid> {
    let root_cert = config.cluster_ca.as_deref();
    let root_cert = root_cert.map(|path| pem(CA, path, "CERTIFICATE")).transpose()?;
    let client_tls = match (&config.cluster_certificate, &config.cluster_key) {
        (Some(certificate), Some(key)) => Some(ClientTlsConfig {
            client_cert: pem(CERTIFICATE, certificate, "CERTIFICATE")?,
            client_key: pem(KEY, key, "PRIVATE KEY")?,
        }),
        _ => None,
    };
    let certificates = TlsCertificates {
        client_tls,
        root_cert,
    };
    Ok(certificates)
}

/// A file that has such a thing in it.
fn pem(key: &str, path: &Path, kind: &str) -> Result<Vec<u8>, Invalid> {
    let bytes = read(key, path)?;
    let text = str::from_utf8(&bytes).unwrap_or_default();
    let is_begin =
        |line: &str| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{kind}-----"));
    match text.lines().any(is_begin) {
        true => Ok(bytes),
        false => Err(wrong(key, path, format_args!("has none (PEM, BEGIN {kind})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_engines() {
        for (url, servers) in [
            ("redis://127.0.0.1:6379", 1),
            ("redis://user:secret@engine.example/3", 1),
            ("valkey://engine.example", 1),
            ("rediss://:secret@engine.example", 1),
            ("valkeys://engine.example:1", 1),
            ("redis+unix:///run/redis.sock", 1),
            ("redis://user:a%2Cb@one:1,two:2,[::1]:3/?protocol=resp3", 3),
        ] {
            assert_eq!(is_engine_url(url), Ok(()), "{url}");
            assert_eq!(seeds(url).unwrap().len(), servers, "{url}");
        }
        for url in [
            "127.0.0.1:6379",
            "http://engine.example",
            "rediss://:secret@engine.example#insecure",
            "redis://:secret@engine.example:port",
            "redis://one,,two",
            "",
        ] {
            let error = is_engine_url(url).unwrap_err();
            assert!(
                error.starts_with("not a URL such as redis://127.0.0.1:6379"),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
        let many = format!("redis://{}", ["a"; MAX_SEEDS + 1].join(","));
        assert_eq!(is_engine_url(&many), Err("more than 64 servers".to_owned()));
    }

    #[test]
    fn what_is_around_the_servers_goes_for_all() {
        let expected = ["redis://u:p@a:1/2", "redis://u:p@b/2"];
        assert_eq!(seeds("redis://u:p@a:1,b/2").unwrap(), expected);
        assert_eq!(
            seeds("redis+unix:///a,b.sock").unwrap(),
            ["redis+unix:///a,b.sock"]
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(public_url("redis://user:p@ss@engine:1/2"), "redis://…@engine:1/2");
        assert_eq!(public_url("redis://user:p@a:1,b:2"), "redis://…@a:1,b:2");
        assert_eq!(public_url("redis://engine:1/2"), "redis://engine:1/2");
    }
}
