//! The peer protocol of RFC 7574 (PPSPP) as a pure state machine.

pub mod bin;
pub mod chunk_map;
pub mod chunk_range;
pub mod hash;
pub mod ids;
pub mod segment_table;
pub mod time;

pub use bin::Bin;
pub use chunk_map::ChunkMap;
pub use chunk_range::ChunkRange;
pub use hash::Hash;
pub use ids::{FetchId, LinkId, PeerId};
pub use segment_table::SegmentTable;
pub use time::Timestamp;
