//! The peer protocol of RFC 7574 (PPSPP) as a pure state machine.

pub mod bin;
pub mod chunk_map;
pub mod chunk_range;
pub mod datagram;
pub mod hash;
pub mod hash_tree;
pub mod ids;
pub mod message;
pub mod metadata;
pub mod options;
pub mod segment_table;
pub mod time;

pub use bin::Bin;
pub use chunk_map::ChunkMap;
pub use chunk_range::ChunkRange;
pub use hash::Hash;
pub use hash_tree::HashTree;
pub use ids::{FetchId, LinkId, PeerId};
pub use message::Message;
pub use metadata::SwarmMetadata;
pub use segment_table::SegmentTable;
pub use time::Timestamp;
