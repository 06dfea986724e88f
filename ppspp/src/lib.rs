//! The peer protocol of RFC 7574 (PPSPP) as a pure state machine.
//!
//! Nothing here does I/O, reads a clock or draws randomness of its own: a driver tells a [`Swarm`] what happened
//! and when ([`Swarm::handle`]), carries out what it answers ([`Swarm::poll_output`]) and wakes it when it asks
//! to be woken ([`Swarm::poll_timeout`]). The same inputs give the same outputs in a browser, in a native
//! node and in a simulator.
//!
//! * wire: [`message`], [`options`], [`datagram`] (RFC 7574 §7, §8)
//! * addressing: [`ChunkRange`], [`Bin`], [`ChunkMap`], [`SwarmMetadata`] (§4)
//! * integrity: [`Hash`], [`HashTree`], [`SegmentTable`] (§5); live: [`live`], [`proof`] (§6.1)
//! * exchange: [`Swarm`], its channels (one remote peer in one swarm each, §3) and the chunk picker

pub mod bin;
mod channel;
mod checks;
mod choker;
pub mod chunk_map;
pub mod chunk_range;
pub mod datagram;
#[cfg(not(feature = "simulation"))]
mod digest;
#[cfg(feature = "simulation")]
pub mod digest;
mod election;
pub mod hash;
pub mod hash_tree;
pub mod ids;
pub mod live;
pub mod message;
pub mod metadata;
pub mod neighbourhood;
pub mod options;
mod origin;
mod picker;
pub mod proof;
pub mod queue;
pub mod random;
mod rate;
pub mod segment_table;
pub mod segments;
pub mod sorted_map;
pub mod status;
mod store;
pub mod swarm;
pub mod time;

pub use bin::Bin;
pub use chunk_map::ChunkMap;
pub use chunk_range::ChunkRange;
pub use hash::Hash;
pub use hash_tree::HashTree;
pub use ids::{CheckId, FetchId, LinkId, PeerId, SwarmId};
pub use message::Message;
pub use metadata::{Live, SwarmMetadata};
pub use neighbourhood::Neighbourhood;
pub use queue::Queue;
pub use segment_table::SegmentTable;
pub use segments::Segments;
pub use status::PeerStatus;
pub use swarm::{Config, Event, Input, Lane, Output, Source, Swarm};
pub use time::{Timestamp, seconds};
