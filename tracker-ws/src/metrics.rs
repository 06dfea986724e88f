//! What the tracker counts, as OpenMetrics text.

use std::sync::OnceLock;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracker_protocol::ErrorCode;

use crate::certificates::Source;
use crate::cluster::ClusterMetrics;
use crate::limits::Limit;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    request: &'static str,
    error_code: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    reason: Refusal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeniedLabels {
    reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    source: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    result: ReadResult,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MapLabels {
    source: &'static str,
    result: ReadResult,
}

/// What came of reading the maps of the network, or keys from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum ReadResult {
    /// They are in use now.
    Loaded,
    /// The server has no newer ones.
    Unchanged,
    Unreachable,
    /// Its certificate is not one that is trusted, or the handshake failed.
    Tls,
    TimedOut,
    /// Neither 200 nor 304.
    Status,
    /// To nowhere, too often, or to where anybody could change the answer.
    Redirection,
    MediaType,
    TooLong,
    /// Wrong in themselves, or not of each other.
    Invalid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: u16,
}

/// Why a socket was turned away or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Refusal {
    /// Open already.
    TooMany,
    /// Open already from its address.
    TooManyOfAddress,
    /// Opened lately from its address.
    TooFastOfAddress,
    /// No request came in time, or no handshake before it.
    Handshake,
    /// From an address that is none of the proxies', though all must come through one.
    NotAProxy,
    /// A proxy did not say whose connection it is.
    ProxyHeader,
    /// The handshake of TLS failed.
    Tls,
    /// Did not register in time, or no longer answers pings.
    Silent,
    SlowReader,
    Malformed,
    /// Went on after being told that it is too fast.
    Flood,
    /// An operator has banned the peer, or its address.
    Banned,
}

/// The metrics and their registry.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
    denied: Family<DeniedLabels, Counter>,
    /// Of announces that were carried out, once there is one: to find a counter by its labels costs more than to count.
    announced: OnceLock<Counter>,
    pushes: Counter,
    accepted: Counter,
    certificates: Family<CertificateLabels, Counter>,
    map_reads: Family<MapLabels, Counter>,
    key_reads: Family<KeyLabels, Counter>,
    managed: Family<StatusLabels, Counter>,
    sockets: Gauge,
    peers: Gauge,
    swarms: Gauge,
    members: Gauge,
    torrents: Gauge,
    pub(crate) cluster: ClusterMetrics,
}

/// Numbers of the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) sockets: usize,
    pub(crate) peers: usize,
    pub(crate) swarms: usize,
    /// Of the WebTorrent dialect.
    pub(crate) members: usize,
    pub(crate) torrents: usize,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tracker"),
            requests: Family::default(),
            refused: Family::default(),
            limited: Family::default(),
            denied: Family::default(),
            announced: OnceLock::new(),
            pushes: Counter::default(),
            accepted: Counter::default(),
            certificates: Family::default(),
            map_reads: Family::default(),
            key_reads: Family::default(),
            managed: Family::default(),
            sockets: Gauge::default(),
            peers: Gauge::default(),
            swarms: Gauge::default(),
            members: Gauge::default(),
            torrents: Gauge::default(),
            cluster: ClusterMetrics::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "requests",
            "Requests answered, by type and error code",
            metrics.requests.clone(),
        );
        registry.register(
            "sockets_refused",
            "Sockets turned away or closed, by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "requests_limited",
            "Requests refused, or offers ignored, for a limit",
            metrics.limited.clone(),
        );
        registry.register(
            "requests_denied",
            "Requests refused for their token or their swarm",
            metrics.denied.clone(),
        );
        registry.register(
            "signals_pushed",
            "Envelopes pushed to peers",
            metrics.pushes.clone(),
        );
        registry.register(
            "sockets_accepted",
            "WebSockets accepted",
            metrics.accepted.clone(),
        );
        registry.register(
            "certificates",
            "Certificates of membership made for answers, by whether they were signed for them",
            metrics.certificates.clone(),
        );
        registry.register(
            "map_reads",
            "Maps of the network read, by where they are from and what came of it",
            metrics.map_reads.clone(),
        );
        registry.register(
            "key_reads",
            "Keys of tokens asked for at their server, by what came of it",
            metrics.key_reads.clone(),
        );
        registry.register(
            "management_requests",
            "Requests of operators, by HTTP status",
            metrics.managed.clone(),
        );
        registry.register("sockets", "Open sockets", metrics.sockets.clone());
        registry.register("peers", "Registered peers", metrics.peers.clone());
        registry.register("swarms", "Swarms with reachable members", metrics.swarms.clone());
        registry.register(
            "webtorrent_members",
            "Memberships of WebTorrent swarms",
            metrics.members.clone(),
        );
        registry.register("webtorrent_swarms", "WebTorrent swarms", metrics.torrents.clone());
        metrics.cluster.register(registry);
        metrics
    }

    pub(crate) fn answered(&self, request: &'static str, code: ErrorCode) {
        self.requests
            .get_or_create(&RequestLabels {
                request,
                error_code: code as u8,
            })
            .inc();
    }

    /// An announce of WebTorrent was carried out, which has pushed so many envelopes.
    pub(crate) fn announced(&self, pushes: u64) {
        let counter = self.announced.get_or_init(|| {
            let labels = RequestLabels {
                request: "announce",
                error_code: ErrorCode::NoError as u8,
            };
            self.requests.get_or_create_owned(&labels)
        });
        counter.inc();
        self.pushed(pushes);
    }

    pub(crate) fn refused(&self, reason: Refusal) {
        self.refused.get_or_create(&RefusedLabels { reason }).inc();
    }

    pub(crate) fn limited(&self, limit: Limit) {
        self.limited.get_or_create(&LimitLabels { limit }).inc();
    }

    pub(crate) fn denied(&self, reason: &'static str) {
        self.denied.get_or_create(&DeniedLabels { reason }).inc();
    }

    pub(crate) fn pushed(&self, count: u64) {
        self.pushes.inc_by(count);
    }

    pub(crate) fn certified(&self, source: Source) {
        let source = match source {
            Source::Signed => "signed",
            Source::Cache => "cache",
        };
        self.certificates
            .get_or_create(&CertificateLabels { source })
            .inc();
    }

    pub(crate) fn map_read(&self, source: &'static str, result: ReadResult) {
        self.map_reads.get_or_create(&MapLabels { source, result }).inc();
    }

    pub(crate) fn key_read(&self, result: ReadResult) {
        self.key_reads.get_or_create(&KeyLabels { result }).inc();
    }

    pub(crate) fn managed(&self, status: u16) {
        self.managed.get_or_create(&StatusLabels { status }).inc();
    }

    pub(crate) fn accepted(&self) {
        self.accepted.inc();
    }

    /// The text, with these numbers of the moment.
    pub(crate) fn text(&self, counts: Counts) -> String {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.sockets.set(number(counts.sockets));
        self.peers.set(number(counts.peers));
        self.swarms.set(number(counts.swarms));
        self.members.set(number(counts.members));
        self.torrents.set(number(counts.torrents));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
