//! The Merkle hash tree of a swarm (RFC 7574 §5), segment by segment.
//!
//! The segments' subtree roots are trusted: they came with the segments and hash to the swarm ID, or (live) the
//! publisher signed them. Everything below them is learnt with the chunks and kept only once it chains to a root. A
//! static swarm of one segment is exactly the RFC's tree, with its peaks.

use crate::hash::root_of;
use crate::sorted_map::SortedMap;
use crate::{Bin, ChunkMap, ChunkRange, Hash, Segments};

/// What became of a chunk and the hashes it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It chains to a trusted hash.
    Verified,
    /// It chains to another hash than the trusted one: chunk or hashes are forged.
    Forged,
    /// A hash on the way to a trusted one is neither known nor sent.
    Incomplete,
}

/// Known nodes of one segment's subtree.
#[derive(Clone, Debug)]
struct Subtree {
    /// By bin number less the number of the segment's first leaf.
    nodes: Box<[Option<Hash>]>,
}

/// The tree of one swarm.
#[derive(Clone, Debug)]
pub struct HashTree {
    /// Only segments of which something is known.
    subtrees: SortedMap<u32, Subtree>,
    /// Kept for its room: what the chunk being verified teaches.
    learnt: Vec<(Bin, Hash)>,
}

/// The root node of a segment's subtree.
fn root_bin(segments: &Segments, segment: u32) -> Bin {
    Bin::new(segments.bits(), u64::from(segment))
}

/// Is there no content below this node? Then its hash is all zero and never sent.
fn is_empty(segments: &Segments, bin: Bin) -> bool {
    segments
        .chunks_of(segments.segment_of(bin.first_chunk()))
        .is_some_and(|chunks| bin.first_chunk() > chunks.end())
}

impl HashTree {
    /// A tree of which only the segments' roots are known.
    pub fn new() -> Self {
        Self {
            subtrees: SortedMap::new(),
            learnt: Vec::new(),
        }
    }

    fn index(segments: &Segments, bin: Bin) -> usize {
        let first_leaf = Bin::leaf(segments.segment_of(bin.first_chunk()) << segments.bits());
        (bin.number() - first_leaf.number()) as usize
    }

    /// A trusted hash: a segment's root, a node without content, or one that was verified.
    pub fn trusted(&self, segments: &Segments, bin: Bin) -> Option<Hash> {
        let segment = segments.segment_of(bin.first_chunk());
        if bin.layer() > segments.bits() {
            return None;
        }
        if bin == root_bin(segments, segment) {
            return segments.root(segment);
        }
        if is_empty(segments, bin) {
            return Some(Hash::ZERO);
        }
        self.subtrees.get(segment)?.nodes[Self::index(segments, bin)]
    }

    fn commit(&mut self, segments: &Segments, bin: Bin, hash: Hash) {
        let nodes = (2usize << segments.bits()) - 1;
        let subtree = self
            .subtrees
            .get_or_insert_with(segments.segment_of(bin.first_chunk()), || Subtree {
                nodes: vec![None; nodes].into_boxed_slice(),
            });
        subtree.nodes[Self::index(segments, bin)] = Some(hash);
    }

    /// Checks an existing chunk's leaf hash with the hashes of the same datagram, as a transaction: what leads to a
    /// trusted hash is kept, everything else forgotten.
    pub fn verify(&mut self, segments: &Segments, chunk: u32, leaf: Hash, sent: &[(Bin, Hash)]) -> Verdict {
        if segments.root(segments.segment_of(chunk)).is_none() {
            return Verdict::Incomplete;
        }
        // The path and the uncles used.
        let mut learnt = core::mem::take(&mut self.learnt);
        learnt.clear();
        let verdict = self.follow(segments, Bin::leaf(chunk), leaf, sent, &mut learnt);
        if verdict == Verdict::Verified {
            for &(bin, hash) in &learnt {
                self.commit(segments, bin, hash);
            }
        }
        learnt.clear();
        self.learnt = learnt;
        verdict
    }

    /// From a node up to the first trusted one.
    fn follow(
        &self,
        segments: &Segments,
        mut bin: Bin,
        mut hash: Hash,
        sent: &[(Bin, Hash)],
        learnt: &mut Vec<(Bin, Hash)>,
    ) -> Verdict {
        loop {
            if let Some(trusted) = self.trusted(segments, bin) {
                return if trusted == hash {
                    Verdict::Verified
                } else {
                    Verdict::Forged
                };
            }
            learnt.push((bin, hash));
            let sibling = bin.sibling();
            let other = match self.trusted(segments, sibling) {
                Some(trusted) => trusted,
                None => match sent.iter().find(|(bin, _)| *bin == sibling) {
                    Some(&(_, sent)) => {
                        learnt.push((sibling, sent));
                        sent
                    }
                    None => return Verdict::Incomplete,
                },
            };
            hash = if bin.is_left() {
                Hash::of_children(&hash, &other)
            } else {
                Hash::of_children(&other, &hash)
            };
            bin = bin.parent();
        }
    }

    /// Checks leaf hashes of one segment that came without proofs, from the origin. Returns for each, in order, what
    /// became of it; incomplete ones may be asked about again together with others.
    pub fn verify_leaves(&mut self, segments: &Segments, leaves: &[(u32, Hash)]) -> Vec<Verdict> {
        let mut level: SortedMap<Bin, Hash> = SortedMap::new();
        for &(chunk, hash) in leaves {
            level.insert(Bin::leaf(chunk), hash);
        }
        let mut learnt = Vec::new();
        let mut verdicts = SortedMap::new();
        while !level.is_empty() {
            let mut above = SortedMap::new();
            for (bin, &hash) in level.iter() {
                if let Some(trusted) = self.trusted(segments, bin) {
                    let verdict = if trusted == hash {
                        Verdict::Verified
                    } else {
                        Verdict::Forged
                    };
                    verdicts.insert(bin, verdict);
                    continue;
                }
                let sibling = bin.sibling();
                let Some(other) = self
                    .trusted(segments, sibling)
                    .or_else(|| level.get(sibling).copied())
                else {
                    continue;
                };
                let (left, right) = if bin.is_left() {
                    (hash, other)
                } else {
                    (other, hash)
                };
                above.insert(bin.parent(), Hash::of_children(&left, &right));
            }
            learnt.push(level);
            level = above;
        }
        // From the top down: a node is verified when it or the first decided node above it is.
        for level in learnt.iter().rev() {
            for (bin, &hash) in level.iter() {
                let above = || verdicts.get(bin.parent()).copied();
                let verdict = verdicts
                    .get(bin)
                    .copied()
                    .or_else(above)
                    .unwrap_or(Verdict::Incomplete);
                if verdict == Verdict::Verified && bin.layer() < segments.bits() {
                    self.commit(segments, bin, hash);
                }
                verdicts.insert(bin, verdict);
            }
        }
        leaves
            .iter()
            .map(|&(chunk, _)| verdicts.get(Bin::leaf(chunk)).copied())
            .map(|verdict| verdict.unwrap_or(Verdict::Incomplete))
            .collect()
    }

    /// The hashes a receiver needs with a chunk, highest first (RFC 7574 §5.4): the uncles below the segment's root
    /// without those that have no content and those implied by what the receiver already has.
    pub fn uncles(
        &self,
        segments: &Segments,
        chunk: u32,
        receiver_has: &ChunkMap,
        mut send: impl FnMut(Bin, Hash),
    ) {
        let has_any = |bin: Bin| receiver_has.present_in(bin.range()).next().is_some();
        let mut path = [Bin::leaf(chunk); 33];
        let mut length = 0;
        let mut bin = Bin::leaf(chunk);
        // A receiver that has a chunk below the parent knows both children of every node up to the root.
        while bin.layer() < segments.bits() && !has_any(bin.parent()) {
            path[length] = bin.sibling();
            length += 1;
            bin = bin.parent();
        }
        for &sibling in path[..length].iter().rev() {
            if !is_empty(segments, sibling) {
                match self.trusted(segments, sibling) {
                    Some(hash) => send(sibling, hash),
                    None => debug_assert!(false, "a verified chunk's uncles are known"),
                }
            }
        }
    }

    /// What shows how many chunks a live segment has: the hash of its last leaf, and the left uncles of that, from the
    /// top down. With nothing to the right of it they hash to the root, and a leaf that exists is never all zero
    /// (size detection as in RFC 7574 §5.6, for one subtree). `None` while one of them is not known.
    pub(crate) fn extent(&self, segments: &Segments, segment: u32) -> Option<Vec<(Bin, Hash)>> {
        let mut bin = Bin::leaf(segments.chunks_of(segment)?.end());
        let mut extent = vec![(bin, self.trusted(segments, bin)?)];
        while bin.layer() < segments.bits() {
            if !bin.is_left() {
                extent.push((bin.sibling(), self.trusted(segments, bin.sibling())?));
            }
            bin = bin.parent();
        }
        extent.reverse();
        Some(extent)
    }

    /// Keeps hashes that a checked [`Extent`] showed to chain to the segment's root, which has to be known by now.
    pub(crate) fn learn(&mut self, segments: &Segments, extent: &Extent) {
        for &(bin, hash) in &extent.nodes {
            if bin.layer() < segments.bits() {
                self.commit(segments, bin, hash);
            }
        }
    }

    /// Forgets the nodes of segments before this one.
    pub(crate) fn forget_before(&mut self, segment: u32) {
        self.subtrees.drop_before(segment);
    }

    /// The peak hashes of a swarm of one segment, left to right (RFC 7574 §5.6), as far as they are known.
    pub fn peaks(&self, segments: &Segments) -> Vec<(Bin, Hash)> {
        let (Some(1), Some(chunks)) = (segments.count(), segments.chunks_of(0)) else {
            return Vec::new();
        };
        peak_bins(chunks.count())
            .filter_map(|bin| Some((bin, self.trusted(segments, bin)?)))
            .collect()
    }
}

/// How many chunks a live segment has, shown by hashes that chain to its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Chunks, at least 1.
    pub(crate) chunks: u32,
    /// The last leaf, its left uncles, and the nodes on its path; or all nodes.
    nodes: Vec<(Bin, Hash)>,
}

impl Extent {
    /// Reads it off the hashes sent with a munro (see [`HashTree::extent`]); `None` when they do not show it.
    pub(crate) fn read(segments: &Segments, segment: u32, root: &Hash, sent: &[(Bin, Hash)]) -> Option<Self> {
        let span = segments.span(segment);
        let find = |wanted: Bin| sent.iter().find(|(bin, _)| *bin == wanted).map(|(_, hash)| *hash);
        let last = sent
            .iter()
            .filter(|(bin, _)| bin.layer() == 0 && span.contains(bin.first_chunk()))
            .map(|(bin, _)| bin.first_chunk())
            .max()?;
        let mut bin = Bin::leaf(last);
        let mut hash = find(bin).filter(|hash| !hash.is_zero())?;
        let mut nodes = vec![(bin, hash)];
        while bin.layer() < segments.bits() {
            hash = if bin.is_left() {
                Hash::of_children(&hash, &Hash::ZERO)
            } else {
                let left = find(bin.sibling()).filter(|hash| !hash.is_zero())?;
                nodes.push((bin.sibling(), left));
                Hash::of_children(&left, &hash)
            };
            bin = bin.parent();
            nodes.push((bin, hash));
        }
        (hash == *root).then_some(Self {
            chunks: last - span.start() + 1,
            nodes,
        })
    }

    /// The same by the hashes of all the segment's chunks, in order: it knows all nodes.
    pub(crate) fn of_leaves(segments: &Segments, segment: u32, root: &Hash, leaves: &[Hash]) -> Option<Self> {
        let mut first = Bin::leaf(segments.span(segment).start());
        if leaves.len() as u64 > segments.span(segment).count() || leaves.last().is_none_or(Hash::is_zero) {
            return None;
        }
        let mut nodes = Vec::with_capacity(2 * leaves.len());
        let mut level = leaves.to_vec();
        loop {
            let (layer, offset) = (first.layer(), first.offset());
            let bins = (offset..).map(|offset| Bin::new(layer, offset));
            nodes.extend(bins.zip(level.iter().copied()));
            if layer == segments.bits() {
                break;
            }
            let pairs = level.chunks(2);
            level = pairs
                .map(|pair| Hash::of_children(&pair[0], pair.get(1).unwrap_or(&Hash::ZERO)))
                .collect();
            first = first.parent();
        }
        (level == [*root]).then_some(Self {
            chunks: leaves.len() as u32,
            nodes,
        })
    }
}

impl Default for HashTree {
    fn default() -> Self {
        Self::new()
    }
}

/// The peaks of a tree with `chunks` leaves (RFC 7574 §5.6): one for each 1-bit of the count, in descending size.
pub fn peak_bins(chunks: u64) -> impl Iterator<Item = Bin> {
    let mut start = 0;
    (0..=32u8)
        .rev()
        .filter(move |layer| chunks >> layer & 1 == 1)
        .map(move |layer| {
            let bin = Bin::new(layer, start >> layer);
            start += 1 << layer;
            bin
        })
}

/// How many chunks a set of peaks stands for, when they hash to `swarm_id` (size detection, RFC 7574 §5.6).
pub fn chunks_by_peaks(swarm_id: Hash, peaks: &[(Bin, Hash)]) -> Option<u64> {
    let count = peaks.iter().map(|(bin, _)| 1u64 << bin.layer()).sum();
    if count == 0 || !peak_bins(count).eq(peaks.iter().map(|(bin, _)| *bin)) {
        return None;
    }
    // From the right: a left child without a sibling meets the zero hash, every other one the next peak.
    let (&(mut bin, mut hash), rest) = peaks.split_last()?;
    for &(next, peak) in rest.iter().rev() {
        while bin.layer() < next.layer() {
            hash = Hash::of_children(&hash, &Hash::ZERO);
            bin = bin.parent();
        }
        hash = Hash::of_children(&peak, &hash);
        bin = bin.parent();
    }
    (hash == swarm_id).then_some(count)
}

/// The hash of any node of a segment by all its leaf hashes: the naive way, for checks and tools.
pub fn node_of_leaves(leaves: &[Hash], bin: Bin) -> Hash {
    let range = ChunkRange::new(
        bin.first_chunk(),
        bin.last_chunk().min(leaves.len().saturating_sub(1) as u32),
    );
    range.map_or(Hash::ZERO, |range| {
        root_of(
            &leaves[range.start() as usize..=range.end() as usize],
            bin.layer(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SwarmMetadata;
    use crate::segment_table::{Segment, SegmentTable};
    use proptest::prelude::*;

    /// Metadata of segments of 1-byte chunks, with every segment's leaf hashes.
    fn swarm(segments: &[Vec<u8>]) -> (Segments, Vec<Vec<Hash>>) {
        let leaves: Vec<Vec<Hash>> = segments
            .iter()
            .map(|bytes| bytes.chunks(1).map(Hash::of_chunk).collect())
            .collect();
        let bits = crate::segment_table::segment_bits(segments.iter().map(|s| s.len() as u64), 1).unwrap();
        let table = SegmentTable {
            segments: leaves
                .iter()
                .map(|leaves| Segment {
                    size: leaves.len() as u64,
                    root: root_of(leaves, bits),
                })
                .collect(),
        };
        (
            Segments::new(&SwarmMetadata::new(table.swarm_id(), 1, bits, table).unwrap()),
            leaves,
        )
    }

    fn leaves_of(known: &Segments, segment: u32, leaves: &[Hash]) -> Vec<(u32, Hash)> {
        known
            .chunks_of(segment)
            .unwrap()
            .chunks()
            .zip(leaves.iter().copied())
            .collect()
    }

    fn uncles_of(tree: &HashTree, known: &Segments, chunk: u32, has: &ChunkMap) -> Vec<(Bin, Hash)> {
        let mut uncles = Vec::new();
        tree.uncles(known, chunk, has, |bin, hash| uncles.push((bin, hash)));
        uncles
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect()
    }

    /// Peaks of the published 7-chunk vector, and the chunk count found from them.
    #[test]
    fn golden_peaks() {
        let content = pattern(7162);
        let leaves: Vec<Hash> = content.chunks(1024).map(Hash::of_chunk).collect();
        let root = root_of(&leaves, 3);
        let table = SegmentTable {
            segments: vec![Segment { size: 7162, root }],
        };
        let known = Segments::new(&SwarmMetadata::new(root, 1024, 3, table).unwrap());
        let mut tree = HashTree::new();
        tree.verify_leaves(&known, &leaves_of(&known, 0, &leaves));
        let peaks = tree.peaks(&known);
        let text: Vec<_> = peaks
            .iter()
            .map(|(bin, hash)| (bin.number(), hash.to_string()))
            .collect();
        let expect = [
            (
                3,
                "75d627db00c507c115c7a894ad599ebab730cf4edb873122c752cd61cd7fa7c6",
            ),
            (
                9,
                "d656b9b5efbf4ad7e4ca264131b474e466de3d9f543272f39757aad9c2936d93",
            ),
            (
                12,
                "f0388410c31ae45153a4aa53e54a8af4df8e709eb611a529803da1601e7987ce",
            ),
        ];
        assert_eq!(text, expect.map(|(bin, hash)| (bin, hash.to_owned())));
        assert_eq!(chunks_by_peaks(root, &peaks), Some(7));
        assert_eq!(chunks_by_peaks(Hash::ZERO, &peaks), None);
        assert_eq!(chunks_by_peaks(root, &peaks[..2]), None);
        assert_eq!(chunks_by_peaks(root, &[]), None);
        // Uncles of chunk 0, from the top; node 11 has peaks below it, node 13's other half does not exist.
        let uncles = uncles_of(&tree, &known, 0, &ChunkMap::new());
        assert_eq!(
            uncles.iter().map(|(bin, _)| bin.number()).collect::<Vec<_>>(),
            [11, 5, 2]
        );
        // Sequential download sends every hash once (RFC 7574 §5.4).
        let mut have = ChunkMap::new();
        let mut sent = Vec::new();
        for chunk in 0..7 {
            sent.push(
                uncles_of(&tree, &known, chunk, &have)
                    .iter()
                    .map(|(bin, _)| bin.number())
                    .collect::<Vec<_>>(),
            );
            have.insert(ChunkRange::one(chunk));
        }
        assert_eq!(
            sent,
            [
                vec![11, 5, 2],
                vec![],
                vec![6],
                vec![],
                vec![13, 10],
                vec![],
                vec![]
            ]
        );
    }

    #[test]
    fn peaks_of_the_rfc() {
        for (chunks, peaks) in [
            (7, vec![3, 9, 12]),
            (5, vec![3, 8]),
            (13, vec![7, 19, 24]),
            (8, vec![7]),
        ] {
            assert_eq!(peak_bins(chunks).map(Bin::number).collect::<Vec<_>>(), peaks);
        }
    }

    #[test]
    fn the_last_segment_there_can_be_has_an_extent() {
        use crate::live::{LiveKey, NtpTime, SIGNATURE_LENGTH, SignatureAlgorithm};
        let key = LiveKey::new(SignatureAlgorithm::Ed25519, &[7; 32]).unwrap();
        let live = crate::metadata::Live {
            integrity: crate::options::IntegrityMethod::UnifiedMerkleTree,
            discard_window: 15,
            segment_duration: core::time::Duration::from_secs(2),
        };
        let mut known = Segments::new(&SwarmMetadata::live(key, 1, 4, live).unwrap());
        let segment = u32::MAX >> 4;
        let leaves: Vec<Hash> = (0..16).map(|n: u8| Hash::of_chunk(&[n])).collect();
        for count in [1, 7, 16] {
            let all = &leaves[..count];
            let root = root_of(all, 4);
            let extent = Extent::of_leaves(&known, segment, &root, all).unwrap();
            let bins = || extent.nodes.iter().map(|(bin, _)| *bin);
            assert!(bins().all(|bin| known.segment_of(bin.first_chunk()) == segment));
            assert_eq!(bins().filter(|bin| bin.layer() == 0).count(), count);
            assert_eq!(bins().next_back(), Some(root_bin(&known, segment)));
        }
        let root = root_of(&leaves, 4);
        let extent = Extent::of_leaves(&known, segment, &root, &leaves).unwrap();
        let munro = crate::segments::Munro {
            root,
            time: NtpTime(1),
            signature: [0; SIGNATURE_LENGTH],
            chunks: 16,
            size: None,
        };
        known.learn(segment, munro);
        let mut tree = HashTree::new();
        tree.learn(&known, &extent);
        assert_eq!(tree.trusted(&known, Bin::leaf(u32::MAX)), Some(leaves[15]));
        // What hashes to a root is no extent where its last leaf does not exist, or with more leaves than there can be.
        let zero = [leaves[0], Hash::ZERO];
        assert_eq!(
            Extent::of_leaves(&known, segment, &root_of(&zero, 4), &zero),
            None
        );
        let empty = Extent::of_leaves(&known, segment, &Hash::ZERO, &[]);
        assert_eq!(empty, None);
    }

    proptest! {
        /// A sender that has everything and a receiver that gets the chunks in any order: every chunk verifies with
        /// the uncles sent, every node learnt is the naive one, and one flipped bit is noticed and leaves no trace.
        #[test]
        fn chunks_verify_in_any_order(
            segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..6),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
            forge in any::<prop::sample::Index>(),
        ) {
            let (known, leaves) = swarm(&segments);
            let mut sender = HashTree::new();
            for (segment, leaves) in leaves.iter().enumerate() {
                let verdicts = sender.verify_leaves(&known, &leaves_of(&known, segment as u32, leaves));
                prop_assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Verified));
            }
            let chunks: Vec<u32> = (0..known.count().unwrap()).flat_map(|s| known.chunks_of(s).unwrap().chunks()).collect();
            let mut receiver = HashTree::new();
            let mut have = ChunkMap::new();
            for index in order {
                let chunk = *index.get(&chunks);
                if have.contains(chunk) {
                    continue;
                }
                let segment = known.segment_of(chunk);
                let first = known.span(segment).start();
                let leaf = leaves[segment as usize][(chunk - first) as usize];
                let uncles = uncles_of(&sender, &known, chunk, &have);
                prop_assert!(uncles.windows(2).all(|pair| pair[0].0.layer() > pair[1].0.layer()));

                let before = format!("{receiver:?}");
                prop_assert_eq!(receiver.verify(&known, chunk, Hash::of_chunk(b"forged"), &uncles), Verdict::Forged);
                if !uncles.is_empty() {
                    let mut forged = uncles.clone();
                    forged[forge.index(uncles.len())].1 = Hash::of_chunk(b"forged");
                    prop_assert_eq!(receiver.verify(&known, chunk, leaf, &forged), Verdict::Forged);
                    let mut short = uncles.clone();
                    short.remove(forge.index(uncles.len()));
                    prop_assert_eq!(receiver.verify(&known, chunk, leaf, &short), Verdict::Incomplete);
                }
                prop_assert_eq!(format!("{receiver:?}"), before);

                prop_assert_eq!(receiver.verify(&known, chunk, leaf, &uncles), Verdict::Verified);
                have.insert(ChunkRange::one(chunk));
                // Naive oracle for every node on the path.
                let mut bin = Bin::leaf(chunk);
                while bin.layer() < known.bits() {
                    for bin in [bin, bin.sibling()] {
                        let local = Bin::new(bin.layer(), u64::from(bin.first_chunk() - first) >> bin.layer());
                        let naive = if is_empty(&known, bin) { Hash::ZERO } else {
                            node_of_leaves(&leaves[segment as usize], local)
                        };
                        prop_assert_eq!(receiver.trusted(&known, bin), Some(naive));
                    }
                    bin = bin.parent();
                }
            }
        }

        /// The extent shows the true number of chunks, and no other.
        #[test]
        fn the_extent_shows_how_many_chunks_there_are(
            count in 1usize..33,
            forge in any::<prop::sample::Index>(),
        ) {
            let (known, leaves) = swarm(&[vec![7; count], vec![9; 20]]);
            let mut sender = HashTree::new();
            sender.verify_leaves(&known, &leaves_of(&known, 0, &leaves[0]));
            let extent = sender.extent(&known, 0).unwrap();
            let root = known.root(0).unwrap();
            let read = Extent::read(&known, 0, &root, &extent).unwrap();
            prop_assert_eq!(read.chunks as usize, count);
            let mut receiver = HashTree::new();
            receiver.learn(&known, &read);
            for (bin, hash) in &extent {
                prop_assert_eq!(receiver.trusted(&known, *bin), Some(*hash));
            }
            // Left out, changed, or of another leaf: nothing is shown.
            let at = forge.index(extent.len());
            let mut less = extent.clone();
            less.remove(at);
            prop_assert_eq!(Extent::read(&known, 0, &root, &less), None);
            let mut other = extent.clone();
            other[at].1 = Hash::of_chunk(b"forged");
            prop_assert_eq!(Extent::read(&known, 0, &root, &other), None);
            prop_assert_eq!(Extent::read(&known, 1, &root, &extent), None);
            for (last, leaf) in leaves[0].iter().take(count - 1).enumerate() {
                let mut uncles = uncles_of(&sender, &known, last as u32, &ChunkMap::new());
                uncles.push((Bin::leaf(last as u32), *leaf));
                let shown = Extent::read(&known, 0, &root, &uncles);
                prop_assert!(shown.is_none_or(|shown| shown.chunks as usize == count));
            }
        }

        /// All leaves show the extent and every node, and no others do.
        #[test]
        fn all_leaves_are_an_extent(
            count in 1usize..33,
            forge in any::<prop::sample::Index>(),
        ) {
            let (known, leaves) = swarm(&[vec![9; 20], vec![7; count]]);
            let all = &leaves[1];
            let root = known.root(1).unwrap();
            let of = |leaves: &[Hash]| Extent::of_leaves(&known, 1, &root, leaves);
            let extent = of(all).unwrap();
            prop_assert_eq!(extent.chunks as usize, all.len());
            let (mut learnt, mut naive) = (HashTree::new(), HashTree::new());
            learnt.learn(&known, &extent);
            naive.verify_leaves(&known, &leaves_of(&known, 1, all));
            for number in 0..(2 << known.bits()) - 1 {
                let bin = Bin::from_number((known.span(1).start() << 1) + number);
                prop_assert_eq!(learnt.trusted(&known, bin), naive.trusted(&known, bin));
            }
            let mut other = all.clone();
            other[forge.index(all.len())] = Hash::of_chunk(b"forged");
            prop_assert_eq!(of(&other), None);
            prop_assert_eq!(of(&all[1..]), None);
            prop_assert_eq!(of(&[all.as_slice(), &[Hash::ZERO]].concat()), None);
            prop_assert_eq!(of(&vec![Hash::of_chunk(b"x"); (1 << known.bits()) + 1]), None);
        }

        /// Leaves from the origin verify as soon as enough of them are there, whatever came from peers before.
        #[test]
        fn origin_leaves_verify_together(
            bytes in prop::collection::vec(any::<u8>(), 1..40),
            from_peers in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            flip in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let (known, leaves) = swarm(core::slice::from_ref(&bytes));
            let all = leaves_of(&known, 0, &leaves[0]);
            let mut sender = HashTree::new();
            sender.verify_leaves(&known, &all);
            let mut receiver = HashTree::new();
            let mut have = ChunkMap::new();
            for index in from_peers {
                let (chunk, leaf) = all[index.index(all.len())];
                let uncles = uncles_of(&sender, &known, chunk, &have);
                receiver.verify(&known, chunk, leaf, &uncles);
                have.insert(ChunkRange::one(chunk));
            }
            let mut rest: Vec<_> = all.iter().copied().filter(|(chunk, _)| !have.contains(*chunk)).collect();
            if rest.is_empty() {
                return Ok(());
            }
            if let Some(flip) = flip {
                let at = flip.index(rest.len());
                rest[at].1 = Hash::of_chunk(b"forged");
                let verdicts = receiver.verify_leaves(&known, &rest);
                prop_assert_eq!(verdicts[at], Verdict::Forged);
                rest[at].1 = all.iter().find(|(chunk, _)| *chunk == rest[at].0).unwrap().1;
            }
            let verdicts = receiver.verify_leaves(&known, &rest);
            prop_assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Verified));
            for (chunk, leaf) in all {
                prop_assert_eq!(receiver.trusted(&known, Bin::leaf(chunk)), Some(leaf));
            }
        }
    }
}
