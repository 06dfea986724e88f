//! What they say of proxies, TLS and access.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tracker_ws::{Config, ForwardedHeader, Prefix, SwarmPolicy};

use super::{set, set_optional};

#[derive(Debug, Args)]
pub(super) struct FrontOptions {
    /// Address or prefix of a proxy in front, e.g. 10.0.0.0/8 (repeatable): it is believed whose connections it brings
    #[arg(
        long,
        value_name = "PREFIX",
        value_delimiter = ',',
        value_parser = Prefix::exact,
        env = "SHOAL_TRACKER_TRUSTED_PROXY"
    )]
    trusted_proxy: Option<Vec<Prefix>>,
    /// Every connection is a trusted proxy's and begins with a PROXY protocol header, version 2
    #[arg(long, env = "SHOAL_TRACKER_PROXY_PROTOCOL")]
    proxy_protocol: bool,
    /// Header in which trusted proxies say whose a request is [default: none]
    #[arg(long, value_name = "NAME", env = "SHOAL_TRACKER_FORWARDED_HEADER")]
    forwarded_header: Option<ForwardedHeader>,
    /// Chain of certificates for TLS: PEM, the tracker's own first; without it, TLS is a proxy's
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_TLS_CERTIFICATE")]
    tls_certificate: Option<PathBuf>,
    /// Private key of that certificate: PEM
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Which swarms there may be [default: open]
    #[arg(long, value_name = "NAME", env = "SHOAL_TRACKER_SWARM_POLICY")]
    swarm_policy: Option<SwarmPolicy>,
    /// ID of a swarm that may be, with allow-list (repeatable)
    #[arg(
        long,
        value_name = "ID",
        value_delimiter = ',',
        env = "SHOAL_TRACKER_ALLOWED_SWARM"
    )]
    allowed_swarm: Option<Vec<String>>,
    /// File with IDs of swarms that may be, one a line
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_ALLOWED_SWARMS_FILE")]
    allowed_swarms_file: Option<PathBuf>,
    /// Public keys that tokens are checked with: PEM, or a JWK set (repeatable)
    #[arg(
        long,
        value_name = "FILE",
        value_delimiter = ',',
        env = "SHOAL_TRACKER_TOKEN_KEY"
    )]
    token_key: Option<Vec<PathBuf>>,
    /// URL of a JWK set with more of them, https:, polled
    #[arg(long, value_name = "URL", env = "SHOAL_TRACKER_TOKEN_KEYS_URL")]
    token_keys_url: Option<String>,
    /// Seconds between two polls of it (10 to 86400) [default: 300]
    #[arg(long, value_name = "SECONDS", env = "SHOAL_TRACKER_TOKEN_KEYS_INTERVAL")]
    token_keys_interval: Option<u64>,
    /// Seconds that a token is taken after its end and before its beginning, for clocks that differ (0 to 300) [default: 60]
    #[arg(long, value_name = "SECONDS", env = "SHOAL_TRACKER_TOKEN_LEEWAY")]
    token_leeway: Option<u64>,
    /// Certificates of the authorities that servers asked over https: are checked against: PEM [default: the system's]
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_CA_CERTIFICATES")]
    ca_certificates: Option<PathBuf>,
    /// Whose tokens are accepted (repeatable) [default: of whoever has one of the keys]
    #[arg(
        long,
        value_name = "ISSUER",
        value_delimiter = ',',
        env = "SHOAL_TRACKER_TOKEN_ISSUER"
    )]
    token_issuer: Option<Vec<String>>,
    /// ID of a token that is no longer accepted (repeatable)
    #[arg(
        long,
        value_name = "ID",
        value_delimiter = ',',
        env = "SHOAL_TRACKER_DENIED_TOKEN"
    )]
    denied_token: Option<Vec<String>>,
    /// File with IDs of tokens that are no longer accepted, one a line
    #[arg(long, value_name = "FILE", env = "SHOAL_TRACKER_DENIED_TOKENS_FILE")]
    denied_tokens_file: Option<PathBuf>,
}

impl FrontOptions {
    /// Puts them over these settings.
    pub(super) fn set(&self, config: &mut Config) {
        set(&mut config.trusted_proxies, &self.trusted_proxy);
        config.proxy_protocol |= self.proxy_protocol;
        set(&mut config.forwarded_header, &self.forwarded_header);
        set_optional(&mut config.tls_certificate, &self.tls_certificate);
        set_optional(&mut config.tls_key, &self.tls_key);
        set(&mut config.swarm_policy, &self.swarm_policy);
        set(&mut config.allowed_swarms, &self.allowed_swarm);
        set_optional(&mut config.allowed_swarms_file, &self.allowed_swarms_file);
        set(&mut config.token_keys, &self.token_key);
        set_optional(&mut config.token_keys_url, &self.token_keys_url);
        set(
            &mut config.token_keys_interval,
            &self.token_keys_interval.map(Duration::from_secs),
        );
        set(
            &mut config.token_leeway,
            &self.token_leeway.map(Duration::from_secs),
        );
        set_optional(&mut config.ca_certificates, &self.ca_certificates);
        set(&mut config.token_issuers, &self.token_issuer);
        set(&mut config.denied_tokens, &self.denied_token);
        set_optional(&mut config.denied_tokens_file, &self.denied_tokens_file);
    }
}
