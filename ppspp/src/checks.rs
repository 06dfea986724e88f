//! Signatures and certificates that the driver is checking, and what waits for them.

use bytes::Bytes;

use crate::hash_tree::Extent;
use crate::live::{NtpTime, SIGNATURE_LENGTH};
use crate::sorted_map::SortedMap;
use crate::{Bin, CheckId, Hash, LinkId};

/// Checks under way at a time.
const MAX_CHECKS: usize = 512;
/// Payload bytes that wait for signatures, of one link and of all.
const MAX_PARKED_OF_LINK: usize = 256 * 1024;
const MAX_PARKED: usize = 4 << 20;
/// Peers remembered to have sent the same signature.
const MAX_CLAIMANTS: usize = 64;

/// A live segment's root with a signature that may or may not be the publisher's.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) segment: u32,
    pub(crate) root: Hash,
    pub(crate) time: NtpTime,
    pub(crate) signature: [u8; SIGNATURE_LENGTH],
    /// Chunks in the segment.
    pub(crate) chunks: u32,
    /// Bytes in the segment, by the origin.
    pub(crate) size: Option<u64>,
    /// What shows the number of chunks; nothing when the origin said so without their hashes.
    pub(crate) extent: Option<Extent>,
}

/// DATA that came with a signature not yet checked.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    pub(crate) link: LinkId,
    pub(crate) chunk: u32,
    pub(crate) bytes: Bytes,
    pub(crate) hashes: Vec<(Bin, Hash)>,
}

/// A claim and those who made it.
#[derive(Debug)]
pub(crate) struct ClaimCheck {
    pub(crate) claim: Claim,
    pub(crate) links: Vec<LinkId>,
    /// The origin made it too.
    pub(crate) origin: bool,
    pub(crate) parked: Vec<Parked>,
}

/// A chunk with a signature of its own.
#[derive(Debug)]
pub(crate) struct ChunkCheck {
    pub(crate) chunk: u32,
    pub(crate) bytes: Bytes,
    pub(crate) time: NtpTime,
    pub(crate) signature: [u8; SIGNATURE_LENGTH],
    /// Who sent it; `None` = the origin.
    pub(crate) link: Option<LinkId>,
}

/// A membership certificate somebody sent.
#[derive(Debug)]
pub(crate) struct CertificateCheck {
    pub(crate) link: LinkId,
    pub(crate) certificate: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    issued: u32,
    claims: SortedMap<CheckId, ClaimCheck>,
    chunks: SortedMap<CheckId, ChunkCheck>,
    certificates: SortedMap<CheckId, CertificateCheck>,
}

impl Checks {
    fn next(&mut self) -> CheckId {
        self.issued = self.issued.wrapping_add(1);
        CheckId(self.issued)
    }

    /// Is there no room for another?
    pub(crate) fn is_full(&self) -> bool {
        self.claims.len() + self.chunks.len() + self.certificates.len() >= MAX_CHECKS
    }

    /// The same claim is being checked already: `link` is held to it too.
    pub(crate) fn join(&mut self, claim: &Claim, link: Option<LinkId>) -> bool {
        let same = |check: &&mut ClaimCheck| {
            let other = &check.claim;
            (other.segment, other.root, other.time) == (claim.segment, claim.root, claim.time)
                && other.signature == claim.signature
        };
        let Some(check) = self.claims.values_mut().find(same) else {
            return false;
        };
        match link {
            None => {
                check.origin = true;
                check.claim.size = claim.size;
                // Of all chunks, where a neighbour shows the last one.
                if claim.extent.is_some() {
                    check.claim.extent.clone_from(&claim.extent);
                }
            }
            Some(link) if !check.links.contains(&link) && check.links.len() < MAX_CLAIMANTS => {
                check.links.push(link);
            }
            Some(_) => {}
        }
        if check.claim.extent.is_none() {
            check.claim.extent.clone_from(&claim.extent);
        }
        true
    }

    /// Remembers a claim to be checked; the number to check it by.
    pub(crate) fn claim(&mut self, claim: Claim, link: Option<LinkId>) -> CheckId {
        let id = self.next();
        let check = ClaimCheck {
            claim,
            links: link.into_iter().collect(),
            origin: link.is_none(),
            parked: Vec::new(),
        };
        self.claims.insert(id, check);
        id
    }

    /// Keeps DATA of a segment whose signature this link sent and that is being checked; hands it back when there is
    /// no such check, or no room.
    pub(crate) fn park(&mut self, segment: u32, parked: Parked) -> Result<(), Parked> {
        let waiting = |of: Option<LinkId>| -> usize {
            let all = self.claims.values().flat_map(|check| &check.parked);
            all.filter(|parked| of.is_none_or(|link| parked.link == link))
                .map(|parked| parked.bytes.len())
                .sum()
        };
        let fits = waiting(Some(parked.link)) + parked.bytes.len() <= MAX_PARKED_OF_LINK
            && waiting(None) + parked.bytes.len() <= MAX_PARKED;
        let check = self
            .claims
            .values_mut()
            .find(|check| check.claim.segment == segment && check.links.contains(&parked.link));
        match check {
            Some(check) if fits => {
                check.parked.push(parked);
                Ok(())
            }
            _ => Err(parked),
        }
    }

    /// Does a claim about this segment wait for its check?
    pub(crate) fn is_claimed(&self, segment: u32) -> bool {
        self.claims.values().any(|check| check.claim.segment == segment)
    }

    /// Remembers a chunk with a signature of its own.
    pub(crate) fn chunk(&mut self, check: ChunkCheck) -> CheckId {
        let id = self.next();
        self.chunks.insert(id, check);
        id
    }

    /// Is this chunk's signature being checked?
    pub(crate) fn has_chunk(&self, chunk: u32) -> bool {
        self.chunks.values().any(|check| check.chunk == chunk)
    }

    /// Remembers a certificate.
    pub(crate) fn certificate(&mut self, check: CertificateCheck) -> CheckId {
        let id = self.next();
        self.certificates.insert(id, check);
        id
    }

    /// Certificates of this link that are being checked.
    pub(crate) fn certificates_of(&self, link: LinkId) -> usize {
        self.certificates
            .values()
            .filter(|check| check.link == link)
            .count()
    }

    pub(crate) fn take_claim(&mut self, id: CheckId) -> Option<ClaimCheck> {
        self.claims.remove(id)
    }

    pub(crate) fn take_chunk(&mut self, id: CheckId) -> Option<ChunkCheck> {
        self.chunks.remove(id)
    }

    pub(crate) fn take_certificate(&mut self, id: CheckId) -> Option<CertificateCheck> {
        self.certificates.remove(id)
    }

    /// A link is gone: nothing of it waits any more.
    pub(crate) fn forget_link(&mut self, link: LinkId) {
        for check in self.claims.values_mut() {
            check.links.retain(|other| *other != link);
            check.parked.retain(|parked| parked.link != link);
        }
        self.certificates.retain(|_, check| check.link != link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SwarmMetadata;
    use crate::hash::root_of;
    use crate::hash_tree::HashTree;
    use crate::live::{LiveKey, SignatureAlgorithm};
    use crate::metadata::Live;
    use crate::options::IntegrityMethod;
    use crate::segments::{Munro, Segments};
    use core::time::Duration;

    #[test]
    fn whoever_comes_first_the_hashes_of_all_chunks_are_learnt() {
        let key = LiveKey::new(SignatureAlgorithm::Ed25519, &[7; 32]).unwrap();
        let live = Live {
            integrity: IntegrityMethod::UnifiedMerkleTree,
            discard_window: 15,
            segment_duration: Duration::from_secs(2),
        };
        let mut segments = Segments::new(&SwarmMetadata::live(key, 1000, 3, live).unwrap());
        let leaves: Vec<Hash> = (0..5).map(|n: u8| Hash::of_chunk(&[n])).collect();
        let root = root_of(&leaves, 3);
        let all = Extent::of_leaves(&segments, 4, &root, &leaves).unwrap();
        let (time, signature) = (NtpTime(9), [1; SIGNATURE_LENGTH]);
        let munro = Munro {
            root,
            time,
            signature,
            chunks: 5,
            size: None,
        };
        segments.learn(4, munro);
        let mut tree = HashTree::new();
        tree.learn(&segments, &all);
        let shown = tree.extent(&segments, 4).unwrap();
        let last = Extent::read(&segments, 4, &root, &shown).unwrap();
        assert_ne!(last, all);

        let claim = |extent: Option<&Extent>| Claim {
            segment: 4,
            root,
            time,
            signature,
            chunks: 5,
            size: None,
            extent: extent.cloned(),
        };
        let (peer, origin) = (Some(LinkId(3)), None);
        for (first, second, learnt) in [
            ((peer, Some(&last)), (origin, Some(&all)), &all),
            ((origin, Some(&all)), (peer, Some(&last)), &all),
            ((origin, None), (peer, Some(&last)), &last),
            ((peer, Some(&last)), (origin, None), &last),
        ] {
            let mut checks = Checks::default();
            assert!(!checks.join(&claim(first.1), first.0));
            let id = checks.claim(claim(first.1), first.0);
            assert!(checks.join(&claim(second.1), second.0));
            let check = checks.take_claim(id).unwrap();
            assert_eq!(check.claim.extent.as_ref(), Some(learnt));
            assert_eq!((check.links, check.origin), (vec![LinkId(3)], true));
        }
    }
}
