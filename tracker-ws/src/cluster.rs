//! Past one machine: trackers that share their swarms through a Redis or Valkey engine (`docs/cluster.md`).
//!
//! A node answers from its own members; what it has of the others is soft and small: a sample of each swarm and node,
//! which lives for [`LIFETIME`]. Envelopes for a peer of another node go to that node and to no other. Where the engine is
//! away, every node is an island, and that is all that happens.
//!
//! * [`Cluster`]: what a registry knows of other nodes. No I/O: it is told, and leaves what is to be sent in a queue.
//! * [`Sample`], [`Letter`]: what nodes write for each other. Nodes trust the engine, but not that another node is without
//!   faults: everything read is bounded and checked.
//! * `shared_bans`: bans that one node makes hold on all.
//! * `engine` and `task`: the only part that waits for the network.

mod address;
mod connection;
mod engine;
mod entry;
mod letter;
mod metrics;
mod routes;
mod sample;
mod shared_bans;
mod shared_tickets;
mod task;
mod view;

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::mpsc;
use tracker_protocol::server::Timestamp;
use tracker_protocol::{Signal, to_hex};

use crate::limits::Rate;
pub(crate) use address::{Address, is_engine_url, is_secure};
pub(crate) use letter::Letter;
pub(crate) use metrics::{ClusterMetrics, Loss};
use routes::Routes;
pub(crate) use sample::{RemotePeer, SAMPLE_PEERS, Sample, Told};
pub(crate) use task::run;
pub(crate) use view::Load;
use view::View;

/// How long what a node has written is true without it.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3);
/// Letters that wait for the engine; more are lost, and their senders' peers are told that there is no such peer.
const QUEUE: usize = 4096;
const NODE_ID_BYTES: usize = 16;

/// Names one run of a tracker: hex.
pub(crate) type NodeId = Arc<str>;

fn is_node_id(text: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 2 * NODE_ID_BYTES && text.bytes().all(is_hex)
}

/// A letter on its way to a node.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) to: NodeId,
    pub(crate) text: String,
}

/// Letters of a registry that wait for the engine.
pub(crate) type Outbox = mpsc::Receiver<Outbound>;

/// What one node knows of the others.
#[derive(Debug)]
pub(crate) struct Cluster {
    id: NodeId,
    outbox: mpsc::Sender<Outbound>,
    /// Is there an engine to take letters?
    pub(crate) connected: bool,
    pub(crate) view: View,
    pub(crate) routes: Routes,
    /// What one peer takes from other nodes.
    pub(crate) receiver: Rate,
    pub(crate) metrics: ClusterMetrics,
}

impl Cluster {
    /// A node of a new name.
    pub(crate) fn new<R: Rng>(rng: &mut R, receiver: Rate, metrics: ClusterMetrics) -> (Self, Outbox) {
        let mut id = [0; NODE_ID_BYTES];
        rng.fill_bytes(&mut id);
        let (outbox, letters) = mpsc::channel(QUEUE);
        let cluster = Self {
            id: to_hex(&id).into(),
            outbox,
            connected: false,
            view: View::default(),
            routes: Routes::default(),
            receiver,
            metrics,
        };
        (cluster, letters)
    }

    /// What tells this node's numbers from those of others: of its name, 24 bits.
    pub(crate) fn number(&self) -> u32 {
        u32::from_str_radix(&self.id[..6], 16).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &NodeId {
        &self.id
    }

    /// The node of a peer that is not here, if it is alive as far as is known.
    pub(crate) fn node_of(&mut self, now: Timestamp, peer_id: &str) -> Option<NodeId> {
        let node = self.routes.node_of(now, peer_id).filter(|_| self.connected)?;
        self.view.is_alive(now, &node).then_some(node)
    }

    /// Sends an envelope towards a peer of that node. True: it is on its way, and nobody will say whether it arrived.
    pub(crate) fn forward(&self, node: &NodeId, peer_id: &str, signal: &Signal) -> bool {
        let letter = Letter::signal(&self.id, peer_id, signal);
        self.connected && letter.is_some_and(|text| self.send(node, text))
    }

    /// Tells a node that it looks for a peer in the wrong place.
    pub(crate) fn send_back(&self, node: &NodeId, peer_id: &str) {
        self.send(node, Letter::gone(&self.id, peer_id));
    }

    fn send(&self, node: &NodeId, text: String) -> bool {
        let to = node.clone();
        let sent = self.outbox.try_send(Outbound { to, text }).is_ok();
        if !sent {
            self.metrics.lost(Loss::QueueFull);
        }
        sent
    }
}
