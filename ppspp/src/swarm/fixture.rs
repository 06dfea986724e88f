//! A live swarm and its neighbours, for tests of what it does to them.

use core::time::Duration;

use super::Swarm;
use crate::channel::{Channel, State};
use crate::live::{LiveKey, SignatureAlgorithm};
use crate::metadata::Live;
use crate::options::IntegrityMethod;
use crate::{ChunkRange, Config, LinkId, PeerId, SwarmMetadata, Timestamp};

/// Chunks 0 to 15 are one segment.
pub(super) fn live_swarm() -> Swarm {
    let live = Live {
        integrity: IntegrityMethod::UnifiedMerkleTree,
        discard_window: 10,
        segment_duration: Duration::from_secs(2),
    };
    let key = LiveKey::new(SignatureAlgorithm::Ed25519, &[7; 32]).unwrap();
    let metadata = SwarmMetadata::live(key, 1000, 4, live).unwrap();
    Swarm::new(Config::new(PeerId([9; 32]), 1), metadata)
}

/// One more neighbour, that has a run of chunks and has given so many bytes since the beginning.
pub(super) fn neighbour(swarm: &mut Swarm, gave: u64, has: Option<ChunkRange>) -> &mut Channel {
    let n = swarm.channels.len() as u32;
    let metadata = &swarm.metadata;
    let mut channel = Channel::new(metadata, LinkId(n), PeerId([n as u8; 32]), n + 1, Timestamp(0));
    channel.state = State::Open;
    channel.remote = Some(n);
    channel.received_bytes = gave;
    if let Some(run) = has {
        channel.has.insert(run);
    }
    swarm.channels.insert(LinkId(n), channel);
    swarm.channels.get_mut(LinkId(n)).unwrap()
}
