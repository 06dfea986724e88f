//! What is counted of the cluster.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabels {
    reason: Loss,
}

/// Why something from or for another node was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Loss {
    /// More wait for the engine than may.
    QueueFull,
    /// The engine was away, or did not take it.
    Engine,
    /// More came from the engine than could be read.
    InboxFull,
    /// Not what nodes write.
    Malformed,
    /// Its receiver is not here, or not a member of that swarm.
    NoSuchPeer,
    /// An answer, or candidate, along an offer that was not seen.
    NoSuchOffer,
    /// Its receiver, or its swarm, gets too much already.
    Limited,
    /// The node it was for does not listen.
    NobodyListens,
    /// A ban that there are too many of, or whose number is another one's.
    NoRoom,
}

/// Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterMetrics {
    pub(super) connected: Gauge,
    pub(super) nodes: Gauge,
    pub(super) samples: Gauge,
    pub(super) connections: Counter,
    pub(super) failures: Counter,
    pub(super) samples_written: Counter,
    pub(super) bytes_written: Counter,
    pub(super) letters_sent: Counter,
    pub(super) letters_received: Counter,
    lost: Family<LossLabels, Counter>,
}

impl ClusterMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "cluster_connected",
            "Is there a connection to the cluster's engine?",
            self.connected.clone(),
        );
        registry.register("cluster_nodes", "Other nodes that are alive", self.nodes.clone());
        registry.register(
            "cluster_samples",
            "Samples of swarms of other nodes",
            self.samples.clone(),
        );
        registry.register(
            "cluster_connections",
            "Connections made to the engine",
            self.connections.clone(),
        );
        registry.register(
            "cluster_failures",
            "Connections to the engine that failed or ended",
            self.failures.clone(),
        );
        registry.register(
            "cluster_samples_written",
            "Samples of own swarms written",
            self.samples_written.clone(),
        );
        registry.register(
            "cluster_bytes_written",
            "Bytes of own samples written",
            self.bytes_written.clone(),
        );
        registry.register(
            "cluster_letters_sent",
            "Letters the engine has taken for other nodes",
            self.letters_sent.clone(),
        );
        registry.register(
            "cluster_letters_received",
            "Letters from other nodes",
            self.letters_received.clone(),
        );
        registry.register(
            "cluster_lost",
            "Letters and samples lost or refused, by reason",
            self.lost.clone(),
        );
    }

    pub(crate) fn lost(&self, reason: Loss) {
        self.lost.get_or_create(&LossLabels { reason }).inc();
    }

    pub(crate) fn lost_many(&self, reason: Loss, count: usize) {
        self.lost
            .get_or_create(&LossLabels { reason })
            .inc_by(count as u64);
    }
}
