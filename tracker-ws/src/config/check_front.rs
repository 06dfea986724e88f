//! Which values are allowed, of proxies, TLS and access.

use tracker_protocol::is_swarm_id;

use super::Config;
use super::check::{Invalid, invalid};
use crate::access::SwarmPolicy;
use crate::fetch::Location;
use crate::proxy::ForwardedHeader;

/// Most entries of a list that every connection is held against.
const MAX_PROXIES: usize = 256;

impl Config {
    pub(super) fn check_front(&self) -> Result<(), Invalid> {
        if self.trusted_proxies.len() > MAX_PROXIES {
            return invalid("trusted_proxies", "more than 256");
        }
        if self.trusted_proxies.is_empty() {
            if self.proxy_protocol {
                return invalid("proxy_protocol", "trusted_proxies names none");
            }
            if self.forwarded_header != ForwardedHeader::None {
                return invalid("forwarded_header", "trusted_proxies names none");
            }
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            let key = match self.tls_key {
                Some(_) => "tls_key",
                None => "tls_certificate",
            };
            return invalid(key, "tls_certificate and tls_key need each other");
        }
        for swarm in &self.allowed_swarms {
            if !is_swarm_id(swarm) {
                return invalid(
                    "allowed_swarms",
                    format_args!("{swarm:.100}: not a swarm ID: 40 to 260 lower-case hex digits"),
                );
            }
        }
        if let Some(url) = &self.token_keys_url
            && !Location::parse(url).is_some_and(|url| url.is_guarded())
        {
            return invalid(
                "token_keys_url",
                format_args!("{url}: not a URL such as https://portal.example/jwks.json"),
            );
        }
        match self.swarm_policy {
            SwarmPolicy::Open => Ok(()),
            SwarmPolicy::AllowList
                if self.allowed_swarms.is_empty() && self.allowed_swarms_file.is_none() =>
            {
                invalid(
                    "swarm_policy",
                    "allow-list: allowed_swarms and allowed_swarms_file name none",
                )
            }
            SwarmPolicy::AllowList => Ok(()),
            SwarmPolicy::Token if self.token_keys.is_empty() && self.token_keys_url.is_none() => {
                invalid("swarm_policy", "token: token_keys and token_keys_url name none")
            }
            // Its clients prove nothing that a token could be bound to.
            SwarmPolicy::Token if self.webtorrent => {
                invalid("swarm_policy", "token: not possible with webtorrent")
            }
            SwarmPolicy::Token => Ok(()),
        }
    }
}
