//! What a node tells the others of one of its swarms: how large it is, and some of its members.
//!
//! Members are written as trackers list them to peers, and read as peers read lists; beside that is what choosing among
//! them needs (`docs/peer-selection.md`). Of the address of a connection only the block is told.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracker_protocol::server::Timestamp;
use tracker_protocol::{
    AbilityNat, AddressKind, AuxFrame, ChunkMap, FromTracker, MapReport, PeerGroup, PeerInfo, PeerMode,
    PeerStatus, Response, SwarmResult, is_peer_id,
};

use crate::cost_map::{CostMap, Place};
use crate::selection::Candidate;

const VERSION: u32 = 1;
/// Most members in a sample.
pub(crate) const SAMPLE_PEERS: usize = 32;
/// Most ranges of a member's chunk map; the longest are told.
pub(crate) const MAX_MAP_RANGES: usize = 32;
/// Longest sample, bytes.
pub(crate) const MAX_SAMPLE: usize = 128 * 1024;
/// No swarm is larger than this.
const MAX_MEMBERS: u64 = 1_000_000_000;
const YEAR: u64 = 365 * 86_400;

/// A member of a swarm on another node.
#[derive(Debug)]
pub(crate) struct RemotePeer {
    pub(crate) id: Arc<str>,
    /// As it is listed, once for each address.
    pub(crate) infos: Vec<PeerInfo>,
    pub(crate) takes_signals: bool,
    map: Option<ChunkMap>,
    status: PeerStatus,
    /// The first address of the block its connection comes from.
    block: IpAddr,
    /// What the cost map says of that block.
    pub(crate) pid: Option<Place>,
    since: Timestamp,
    links: Option<u64>,
    upload: Option<u64>,
}

impl RemotePeer {
    pub(crate) fn is_seeder(&self) -> bool {
        self.infos.first().and_then(|info| info.ext.mode) == Some(PeerMode::Seeder)
    }

    /// Has it this chunk, as far as it has told?
    pub(crate) fn has(&self, chunk: u64) -> bool {
        self.is_seeder() || self.map.as_ref().is_some_and(|map| map.covers(chunk))
    }

    /// What counts when it is chosen. `cost` is that of its traffic to who asks.
    pub(crate) fn candidate(&self, now: Timestamp, cost: f32) -> Candidate<'_> {
        let best = self.infos.first().map(|info| &info.peer_addr);
        let nat = best.filter(|best| best.port > 0).map(|best| match best.kind {
            Some(AddressKind::Host) | None => AbilityNat::NoNat,
            Some(AddressKind::Reflexive) => AbilityNat::Stun,
            Some(AddressKind::Proxy) => AbilityNat::Turn,
        });
        Candidate {
            address: self.block,
            cost,
            status: &self.status,
            nat,
            links: self.links,
            online: now.saturating_sub(self.since) / 1_000_000,
            upload: self.upload,
        }
    }
}

/// What a node says of one of its members.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) infos: Vec<PeerInfo>,
    pub(crate) address: IpAddr,
    /// Seconds it is registered.
    pub(crate) online: u64,
    pub(crate) links: Option<u64>,
    pub(crate) upload: Option<u64>,
    pub(crate) status: PeerStatus,
    pub(crate) map: Option<ChunkMap>,
}

/// A sample of a swarm of another node.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Reachable members on that node.
    pub(crate) members: u64,
    pub(crate) peers: Vec<Arc<RemotePeer>>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    members: u64,
    /// A response of the tracker protocol with the list.
    list: String,
    /// Of each peer of the list, in its order.
    peers: Vec<WirePeer>,
}

#[derive(Serialize, Deserialize)]
struct WirePeer {
    block: IpAddr,
    online: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    links: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload: Option<u64>,
    /// A status frame of the auxiliary channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// The chunk that the runs of the map count from, and the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    map: Option<(u64, String)>,
}

/// Why a sample is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SampleError {
    #[error("{0} bytes, more than {MAX_SAMPLE}")]
    TooLong(usize),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("list: {0}")]
    List(String),
    #[error("{0}")]
    Member(&'static str),
}

impl Sample {
    /// Writes what is to be told of a swarm; fewer members where they would not fit.
    pub(crate) fn write(swarm_id: &str, members: usize, mut told: Vec<Told>) -> String {
        told.truncate(SAMPLE_PEERS);
        loop {
            let peer_info = told.iter().flat_map(|peer| peer.infos.iter().cloned()).collect();
            let list = Response {
                swarm_result: vec![SwarmResult {
                    peer_group: Some(PeerGroup { peer_info }),
                    ..SwarmResult::ok(swarm_id)
                }],
                ..Response::ok("")
            };
            if let Ok(list) = list.encode() {
                let wire = Wire {
                    v: VERSION,
                    members: members as u64,
                    list,
                    peers: told.iter().map(WirePeer::of).collect(),
                };
                let text = serde_json::to_string(&wire).unwrap_or_default();
                if text.len() <= MAX_SAMPLE {
                    return text;
                }
            }
            // An empty list always fits.
            told.truncate(told.len() / 2);
        }
    }

    /// Reads a sample of this swarm. Peers are located by `costs`.
    ///
    /// # Errors
    /// [`SampleError`].
    pub(crate) fn read(
        now: Timestamp,
        swarm_id: &str,
        text: &str,
        costs: Option<&CostMap>,
    ) -> Result<Self, SampleError> {
        if text.len() > MAX_SAMPLE {
            return Err(SampleError::TooLong(text.len()));
        }
        let wire: Wire = serde_json::from_str(text)?;
        if wire.v != VERSION {
            return Err(SampleError::Member("v: another version"));
        }
        if wire.members > MAX_MEMBERS || wire.peers.len() > SAMPLE_PEERS {
            return Err(SampleError::Member("members: too many"));
        }
        let list = FromTracker::decode(&wire.list).map_err(|error| SampleError::List(error.to_string()))?;
        let FromTracker::Response(mut response) = list else {
            return Err(SampleError::Member("list: not a response"));
        };
        let result = response.swarm_result.pop();
        let Some(result) = result.filter(|result| result.swarm_id == swarm_id) else {
            return Err(SampleError::Member("list: not of this swarm"));
        };
        let infos = result.peer_group.map(|group| group.peer_info).unwrap_or_default();
        let mut seen = HashSet::new();
        let mut grouped: Vec<Vec<PeerInfo>> = Vec::new();
        for info in infos {
            match grouped.last_mut() {
                Some(last) if last[0].peer_id == info.peer_id => last.push(info),
                _ if !is_peer_id(&info.peer_id) || !seen.insert(info.peer_id.clone()) => {
                    return Err(SampleError::Member("list: not peer IDs, each once"));
                }
                _ => grouped.push(vec![info]),
            }
        }
        if grouped.len() != wire.peers.len() {
            return Err(SampleError::Member("peers: not those of the list"));
        }
        let peers = grouped.into_iter().zip(wire.peers);
        let peers: Result<_, _> = peers
            .map(|(infos, peer)| peer.read(now, infos, costs).map(Arc::new))
            .collect();
        Ok(Self {
            members: wire.members,
            peers: peers?,
        })
    }
}

impl WirePeer {
    fn of(told: &Told) -> Self {
        let is_known = told.status != PeerStatus::default();
        let status = is_known.then(|| AuxFrame::Status(told.status.clone()).encode().ok());
        let map = told.map.as_ref().filter(|map| !map.ranges().is_empty());
        let map = map.map(|map| {
            let mut ranges = map.ranges().to_vec();
            ranges.sort_by_key(|range| std::cmp::Reverse(range.end - range.start));
            ranges.truncate(MAX_MAP_RANGES);
            let map = ChunkMap::of(ranges);
            let first = map.ranges().first().map_or(0, |range| range.start);
            let report = MapReport {
                first,
                map,
                delta: false,
            };
            (first, report.runs_text())
        });
        Self {
            block: block_of(told.address),
            online: told.online,
            links: told.links,
            upload: told.upload,
            status: status.flatten(),
            map,
        }
    }

    fn read(
        self,
        now: Timestamp,
        infos: Vec<PeerInfo>,
        costs: Option<&CostMap>,
    ) -> Result<RemotePeer, SampleError> {
        let status = match self.status.as_deref().map(AuxFrame::decode) {
            None => PeerStatus::default(),
            Some(Ok(AuxFrame::Status(status))) => status,
            Some(_) => return Err(SampleError::Member("peers.status: not a status")),
        };
        let map = match self.map {
            None => None,
            Some((first, runs)) => Some(
                MapReport::from_runs(first, &runs).map_err(|_| SampleError::Member("peers.map: not runs"))?,
            ),
        };
        let Some(first) = infos.first() else {
            return Err(SampleError::Member("list: nobody"));
        };
        Ok(RemotePeer {
            id: first.peer_id.as_str().into(),
            takes_signals: first.ext.via.iter().any(|way| way == "signal"),
            infos,
            map: map.map(|report| report.map),
            status,
            block: block_of(self.block),
            pid: costs.and_then(|costs| costs.pid(self.block)),
            since: now.saturating_sub(self.online.min(YEAR) * 1_000_000),
            links: self.links,
            upload: self.upload,
        })
    }
}

/// The first address of the /24 of an IPv4 address, or of the /48 of an IPv6 address.
fn block_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracker_protocol::{PeerAddr, PeerInfoExt, Role, peer_id_of};

    use super::*;

    const SWARM: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";

    fn told(peer: u8, addresses: usize) -> Told {
        let info = PeerInfo {
            peer_id: peer_id_of(&[peer]),
            peer_addr: PeerAddr::private(),
            ext: PeerInfoExt {
                mode: Some(PeerMode::Leech),
                role: Some(Role::Super),
                via: vec!["signal".to_owned()],
            },
        };
        Told {
            infos: vec![info; addresses],
            address: "192.0.2.77".parse().unwrap(),
            online: 7,
            links: Some(3),
            upload: Some(500),
            status: PeerStatus {
                role: Some(Role::Super),
                region: Some("north".to_owned()),
                ..PeerStatus::default()
            },
            map: Some(ChunkMap::of((0..100).map(|at| 3 * at..3 * at + 1 + at % 2))),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = Sample::write(SWARM, 70, vec![told(1, 2), told(2, 1)]);
        assert!(!text.contains("192.0.2.77"), "{text}");
        let now = 60_000_000;
        let sample = Sample::read(now, SWARM, &text, None).unwrap();
        assert_eq!((sample.members, sample.peers.len()), (70, 2));
        let peer = &sample.peers[0];
        assert_eq!((&*peer.id, peer.infos.len()), (&*peer_id_of(&[1]), 2));
        assert!(peer.takes_signals && !peer.is_seeder());
        let candidate = peer.candidate(now, 0.0);
        assert_eq!(candidate.address, "192.0.2.0".parse::<IpAddr>().unwrap());
        assert_eq!(
            (candidate.online, candidate.links, candidate.upload),
            (7, Some(3), Some(500))
        );
        assert_eq!(candidate.status, &told(1, 1).status);
        assert_eq!(candidate.nat, None);
        // The longest ranges are told, and nothing that is not there.
        let map = peer.map.as_ref().unwrap();
        assert_eq!(map.ranges().len(), MAX_MAP_RANGES);
        assert!(map.ranges().iter().all(|range| range.end - range.start == 2));
        assert!(peer.has(map.ranges()[0].start) && !peer.has(2));
    }

    #[test]
    fn samples_are_bounded() {
        let many = (0..200).map(|peer| told(peer, 1)).collect();
        let text = Sample::write(SWARM, 200, many);
        assert!(text.len() <= MAX_SAMPLE);
        let sample = Sample::read(0, SWARM, &text, None).unwrap();
        assert_eq!((sample.members, sample.peers.len()), (200, SAMPLE_PEERS));
        // What does not fit a frame is told of fewer.
        let long = (0..32).map(|peer| told(peer, 20)).collect();
        let sample = Sample::read(0, SWARM, &Sample::write(SWARM, 32, long), None).unwrap();
        assert!((1..32).contains(&sample.peers.len()));
        let long = " ".repeat(MAX_SAMPLE + 1);
        assert!(matches!(
            Sample::read(0, SWARM, &long, None),
            Err(SampleError::TooLong(_))
        ));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = Sample::write(SWARM, 2, vec![told(1, 1), told(2, 1)]);
        let (one, two) = (peer_id_of(&[1]), peer_id_of(&[2]));
        for (from, to, problem) in [
            ("\"v\":1,", "\"v\":9,", "v: another version"),
            ("\"members\":2", "\"members\":1000000001", "members: too many"),
            (SWARM, &*peer_id_of(b"other"), "list: not of this swarm"),
            (&*one, "x", "list: not peer IDs, each once"),
            ("192.0.2.0", "somewhere", "invalid IP address"),
            ("PPSPTrackerProtocol", "Else", "list: "),
            (
                "\\\"t\\\":\\\"status\\\"",
                "\\\"t\\\":\\\"other\\\"",
                "peers.status",
            ),
            ("\"map\":[3,\"", "\"map\":[3,\"~", "peers.map"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = Sample::read(0, SWARM, &text, None).unwrap_err().to_string();
            assert!(error.contains(problem), "{from}: {error}");
        }
        let triple = good.replacen(&two, &peer_id_of(&[3]), 1);
        assert!(Sample::read(0, SWARM, &triple, None).is_ok());
        let twice = good.replacen(&two, &one, 1);
        let error = Sample::read(0, SWARM, &twice, None).unwrap_err().to_string();
        assert!(error.contains("peers: not those of the list"), "{error}");
    }

    proptest! {
        #[test]
        fn broken_samples_do_no_harm(cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..4)) {
            let mut text: Vec<char> = Sample::write(SWARM, 2, vec![told(1, 2), told(2, 1)]).chars().collect();
            for (at, byte) in cuts {
                let at = at.index(text.len());
                text[at] = byte;
            }
            let text: String = text.into_iter().collect();
            if let Ok(sample) = Sample::read(0, SWARM, &text, None) {
                prop_assert!(sample.peers.len() <= SAMPLE_PEERS);
                prop_assert!(sample.peers.iter().all(|peer| is_peer_id(&peer.id)));
            }
        }
    }
}
