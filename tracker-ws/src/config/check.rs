//! Which values are allowed.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use tracker_protocol::{MAX_OFFERS, MAX_SDP, MAX_SWARMS, tracker_origin};

use super::Config;
use crate::cluster::{is_engine_url, is_secure};
use crate::fetch::Location;
use crate::limits::Rate;
use crate::webtorrent;

/// A setting whose value makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Invalid {
    /// Its key, with dots between tables: `requests.burst`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

const DAY: u64 = 86_400;
const MANY: u64 = 1_000_000;
/// Countries, networks, and their own of an operator.
const MAX_DATABASES: usize = 4;

impl Config {
    /// Are all values in their ranges?
    ///
    /// # Errors
    /// [`Invalid`]: the first that is not.
    pub fn check(&self) -> Result<(), Invalid> {
        let seconds = [
            ("interval", self.interval, 10..=300),
            ("track_timeout", self.effective_track_timeout(), 1..=DAY),
            ("init_timeout", self.init_timeout, 1..=300),
            ("lost_timeout", self.lost_timeout, 0..=3600),
            ("ping_interval", self.ping_interval, 1..=3600),
            ("send_timeout", self.send_timeout, 1..=300),
            ("drain_period", self.drain_period, 0..=3600),
            ("drain_notice", self.drain_notice, 0..=60),
            ("certificate_lifetime", self.certificate_lifetime, 60..=DAY),
            ("alto_interval", self.alto_interval, 10..=DAY),
            ("alto_timeout", self.alto_timeout, 1..=300),
            ("token_keys_interval", self.token_keys_interval, 10..=DAY),
            ("token_leeway", self.token_leeway, 0..=300),
        ];
        for (key, value, range) in seconds {
            duration(key, value, range)?;
        }
        let counts = [
            ("announce_interval", self.announce_interval, 10..=3600),
            ("max_sockets", self.max_sockets as u64, 1..=MANY),
            ("sockets_per_address", self.sockets_per_address as u64, 1..=MANY),
            ("max_peers", self.max_peers as u64, 1..=MANY),
            ("max_swarms", self.max_swarms as u64, 1..=MAX_SWARMS as u64),
            (
                "receivers_per_minute",
                self.receivers_per_minute as u64,
                1..=10_000,
            ),
            ("max_offers", self.max_offers as u64, 0..=MAX_OFFERS as u64),
            (
                "max_announce_offers",
                self.max_announce_offers as u64,
                0..=webtorrent::MAX_OFFERS as u64,
            ),
            ("max_sdp", self.max_sdp as u64, 256..=MAX_SDP as u64),
            ("queue", self.queue as u64, 4..=65_536),
            ("threads", self.threads as u64, 0..=256),
        ];
        for (key, value, range) in counts {
            count(key, value, range)?;
        }
        let rates = [
            ("new_sockets", self.new_sockets),
            ("requests", self.requests),
            ("swarm_requests", self.swarm_requests),
            ("signals", self.signals),
            ("posts", self.posts),
        ];
        for (key, Rate { per_second, burst }) in rates {
            count(&format!("{key}.per_second"), per_second.into(), 1..=MANY)?;
            count(&format!("{key}.burst"), burst.into(), 1..=MANY)?;
        }
        for origin in &self.origins {
            if tracker_origin(origin).as_ref() != Some(origin) {
                return invalid(
                    "origins",
                    format_args!("{origin}: not an origin such as wss://tracker.example"),
                );
            }
        }
        for origin in &self.allow_origins {
            if !is_page_origin(origin) {
                return invalid(
                    "allow_origins",
                    format_args!("{origin}: not an origin such as https://site.example"),
                );
            }
        }
        if let Some(url) = &self.drain_to
            && !tracker_origin(url).is_some_and(|origin| origin.starts_with("ws"))
        {
            return invalid(
                "drain_to",
                format_args!("{url}: not a URL such as wss://tracker.example/ppsp"),
            );
        }
        if let Some(engine) = &self.cluster
            && let Err(reason) = is_engine_url(engine)
        {
            return invalid("cluster", reason);
        }
        let files = [
            ("cluster_ca", &self.cluster_ca),
            ("cluster_certificate", &self.cluster_certificate),
            ("cluster_key", &self.cluster_key),
        ];
        if let Some((key, _)) = files.iter().find(|(_, file)| file.is_some())
            && !self.cluster.as_deref().is_some_and(is_secure)
        {
            return invalid(key, "the cluster's engine is not one with TLS (rediss://)");
        }
        if self.cluster_certificate.is_some() != self.cluster_key.is_some() {
            let key = match self.cluster_key {
                Some(_) => "cluster_key",
                None => "cluster_certificate",
            };
            return invalid(key, "cluster_certificate and cluster_key need each other");
        }
        if let Some(url) = &self.node_url {
            if !tracker_origin(url).is_some_and(|origin| origin.starts_with("ws")) {
                return invalid(
                    "node_url",
                    format_args!("{url}: not a URL such as wss://tracker1.example/ppsp"),
                );
            }
            if self.cluster.is_none() {
                return invalid("node_url", "no cluster is named");
            }
        }
        if !self.ppsp && !self.webtorrent {
            return invalid("ppsp", "no dialect is spoken: webtorrent is off too");
        }
        self.check_maps()?;
        self.management.check()?;
        if self.create_key && self.key.is_none() {
            return invalid("create_key", "no key is named");
        }
        self.check_front()
    }

    /// One map, and all of it.
    fn check_maps(&self) -> Result<(), Invalid> {
        if self.network_map.is_some() != self.cost_map.is_some() {
            return invalid("cost_map", "it and network_map need each other");
        }
        if self.alto_network_map.is_some() != self.alto_cost_map.is_some() {
            return invalid("alto_cost_map", "it and alto_network_map need each other");
        }
        if self.alto_directory.is_some() && self.alto_network_map.is_some() {
            return invalid("alto_directory", "alto_network_map is named too");
        }
        let urls = [
            ("alto_directory", &self.alto_directory),
            ("alto_network_map", &self.alto_network_map),
            ("alto_cost_map", &self.alto_cost_map),
        ];
        for (key, url) in urls {
            if let Some(url) = url
                && Location::parse(url).is_none()
            {
                return invalid(
                    key,
                    format_args!("{url}: not a URL such as https://alto.example/networkmap"),
                );
            }
        }
        if self.geo_databases.len() > MAX_DATABASES {
            return invalid("geo_databases", format_args!("more than {MAX_DATABASES}"));
        }
        let mut named = [
            ("network_map", self.network_map.is_some()),
            ("alto_directory", self.alto_directory.is_some()),
            ("alto_network_map", self.alto_network_map.is_some()),
            ("prefixes", self.prefixes.is_some()),
            ("geo_databases", !self.geo_databases.is_empty()),
        ]
        .into_iter()
        .filter_map(|(key, is_named)| is_named.then_some(key));
        match (named.next(), named.next()) {
            (Some(one), Some(other)) => invalid(
                other,
                format_args!("there is one map only, and {one} is named too"),
            ),
            _ => Ok(()),
        }
    }
}

pub(super) fn invalid<T>(key: &str, reason: impl fmt::Display) -> Result<T, Invalid> {
    Err(Invalid {
        key: key.to_owned(),
        reason: reason.to_string(),
    })
}

fn count(key: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), Invalid> {
    match range.contains(&value) {
        true => Ok(()),
        false => invalid(
            key,
            format_args!("{value} is not in {} to {}", range.start(), range.end()),
        ),
    }
}

fn duration(key: &str, value: Duration, range: RangeInclusive<u64>) -> Result<(), Invalid> {
    let (least, most) = (*range.start(), *range.end());
    match (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&value) {
        true => Ok(()),
        false => invalid(
            key,
            format_args!("{} is not in {least} to {most} seconds", value.as_secs_f64()),
        ),
    }
}

/// An origin as browsers write it: scheme, host, port unless it is the default one.
fn is_page_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return false;
    };
    let is_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
    !scheme.is_empty() && scheme.bytes().all(is_scheme) && !host.is_empty() && host.bytes().all(is_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn origins_of_pages() {
        for origin in ["https://site.example", "http://localhost:8080", "http://[::1]:1"] {
            assert!(is_page_origin(origin), "{origin}");
        }
        for origin in [
            "site.example",
            "https://site.example/",
            "https://",
            "HTTPS://a",
            "://a",
            "*",
            "https://a b",
        ] {
            assert!(!is_page_origin(origin), "{origin}");
        }
    }
}
