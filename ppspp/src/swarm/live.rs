//! Live content: munros and what proves them, proofs from the origin, the discard window (RFC 7574 §6).
//!
//! A segment exists for a peer once its root, signed by the publisher, and its number of chunks are known: from a
//! neighbour (INTEGRITY, SIGNED_INTEGRITY, and the hashes that show the extent) or from the proof that the origin has
//! beside the segment. Only then are chunks of it verified, announced and forwarded.

use bytes::Bytes;
use core::time::Duration;

use super::{Event, Output, Reason, Refusal, Source, Swarm};
use crate::checks::{ChunkCheck, Claim, Parked};
use crate::hash_tree::Extent;
use crate::live::{NtpTime, SIGNATURE_LENGTH, chunk_signing_input, signing_input};
use crate::message::Format;
use crate::proof::SegmentProof;
use crate::segments::{Munro, Segments};
use crate::sorted_map::SortedMap;
use crate::{Bin, CheckId, ChunkRange, Hash, LinkId, Timestamp};

/// Signatures of one peer that are checked in a second (they are costly, RFC 7574 §12.6): of segments, of chunks.
const CHECKS: u32 = 16;
const CHUNK_CHECKS: u32 = 512;
/// Clocks of others may be ahead by this much.
const FUTURE: Duration = Duration::from_secs(10);
/// Munros are taken this much longer than segments are kept.
const STALE_SLACK: Duration = Duration::from_secs(60);
/// Attempts at a proof, and the first pause between them; it doubles.
const PROOF_ATTEMPTS: u32 = 4;
const PROOF_PAUSE: Duration = Duration::from_millis(300);
/// A proof that is on its way gets this long after its segment, however soon that is needed.
const PROOF_GRACE: Duration = Duration::from_millis(250);
/// The player gets a whole segment without a proof this long before it needs it.
const UNPROVEN_MARGIN: Duration = Duration::from_millis(500);

/// What a live swarm keeps beside its segments.
#[derive(Debug, Default)]
pub(super) struct LiveState {
    /// Proofs asked for.
    proofs: SortedMap<u32, ProofState>,
    /// Where every chunk is signed: the signatures, of chunks held and of those that a proof names.
    pub(super) chunk_signatures: SortedMap<u32, (NtpTime, [u8; SIGNATURE_LENGTH])>,
}

/// Where one proof stands.
#[derive(Debug, Default)]
struct ProofState {
    failures: u32,
    /// When to ask for it again; `None` while it is on its way, or given up.
    retry_at: Option<Timestamp>,
}

impl ProofState {
    fn is_on_its_way(&self) -> bool {
        self.failures < PROOF_ATTEMPTS && self.retry_at.is_none()
    }
}

impl Swarm {
    pub(super) fn is_sign_all(&self) -> bool {
        Segments::signs_all(&self.metadata)
    }

    /// How long segments are kept, and taken.
    fn window_time(&self) -> Duration {
        self.metadata
            .live_settings()
            .map_or(Duration::ZERO, |live| live.segment_duration * live.discard_window)
    }

    /// Why a munro of this time is not taken, if so.
    fn refusal(&self, segment: u32, time: NtpTime, now: Timestamp) -> Option<Refusal> {
        let wall = self.wall(now);
        if time.lead(wall) > FUTURE {
            Some(Refusal::Future)
        } else if time.age(wall) > self.window_time() + STALE_SLACK {
            Some(Refusal::Stale)
        } else if !self.segments.is_in_order(segment, time) {
            Some(Refusal::Order)
        } else {
            None
        }
    }

    fn refuse(&mut self, link: Option<LinkId>, segment: u32, why: Refusal) {
        self.event(Event::MunroRefused { link, segment, why });
    }

    /// SIGNED_INTEGRITY with the hashes before it in its datagram. `false` = the connection is over.
    pub(super) fn signed(
        &mut self,
        link: LinkId,
        bin: Bin,
        time: u64,
        signature: &Bytes,
        hashes: &[(Bin, Hash)],
        now: Timestamp,
    ) -> bool {
        let time = NtpTime(time);
        let Ok(signature) = <[u8; SIGNATURE_LENGTH]>::try_from(signature.as_ref()) else {
            self.disconnect(link, Reason::Protocol);
            return false;
        };
        if self.is_sign_all() {
            // It is the chunk's that follows; what is held already stays.
            let chunk = bin.first_chunk();
            if bin.layer() == 0 && !self.store.has().contains(chunk) && self.segments.exists(chunk) {
                self.live.chunk_signatures.insert(chunk, (time, signature));
            }
            return true;
        }
        if bin.layer() != self.segments.bits() {
            self.disconnect(link, Reason::Protocol);
            return false;
        }
        let segment = self.segments.segment_of(bin.first_chunk());
        let Some(root) = hashes
            .iter()
            .find(|(other, _)| *other == bin)
            .map(|(_, root)| *root)
        else {
            return true;
        };
        let extent = Extent::read(&self.segments, segment, &root, hashes);
        if let Some(known) = self.segments.munro(segment) {
            if known.root != root {
                self.refuse(Some(link), segment, Refusal::Conflict);
            } else if let Some(extent) = extent {
                self.tree.learn(&self.segments, &extent);
            }
            return true;
        }
        if let Some(why) = self.refusal(segment, time, now) {
            self.refuse(Some(link), segment, why);
            return true;
        }
        let Some(extent) = extent else {
            self.refuse(Some(link), segment, Refusal::Extent);
            return true;
        };
        let claim = Claim {
            segment,
            root,
            time,
            signature,
            chunks: extent.chunks,
            size: None,
            extent: Some(extent),
        };
        self.check_claim(claim, Some(link), now);
        true
    }

    /// Has a claim's signature checked, unless the same is being checked already. `false` = too many checks are under way.
    fn check_claim(&mut self, claim: Claim, link: Option<LinkId>, now: Timestamp) -> bool {
        if self.checks.join(&claim, link) {
            return true;
        }
        let allowed = match link.and_then(|link| self.channels.get_mut(link)) {
            Some(channel) => channel.may_check(CHECKS, now),
            None => link.is_none(),
        };
        if !allowed || self.checks.is_full() {
            return false;
        }
        let bin = Bin::new(self.segments.bits(), u64::from(claim.segment));
        let message = signing_input(bin.range(), claim.time, &claim.root);
        let signature = claim.signature;
        let check = self.checks.claim(claim, link);
        self.outputs.push_back(Output::CheckSignature {
            check,
            message: Bytes::copy_from_slice(&message),
            signature,
        });
        true
    }

    pub(super) fn signature_checked(&mut self, check: CheckId, valid: bool, now: Timestamp) {
        if let Some(check) = self.checks.take_chunk(check) {
            return self.chunk_checked(check, valid, now);
        }
        let Some(check) = self.checks.take_claim(check) else {
            return;
        };
        let segment = check.claim.segment;
        if !valid {
            for link in check.links {
                self.refuse(Some(link), segment, Refusal::Signature);
                self.disconnect(link, Reason::Forged);
            }
            for parked in check.parked {
                self.discarded(&parked.bytes, Some(parked.link));
            }
            if check.origin {
                self.refuse(None, segment, Refusal::Signature);
                self.give_proof_up(segment);
            }
            return;
        }
        let claim = check.claim;
        // What came first counts, and the order may have changed while the check was under way.
        if self.segments.munro(segment).is_none() && self.segments.is_in_order(segment, claim.time) {
            self.learn(claim);
        } else if let Some(extent) = &claim.extent
            && self.segments.root(segment) == Some(claim.root)
        {
            self.tree.learn(&self.segments, extent);
        }
        for Parked {
            link,
            chunk,
            bytes,
            hashes,
        } in check.parked
        {
            self.data(link, chunk, bytes, &hashes, now);
        }
        self.verify_origin(segment, now);
        self.complete(segment, now);
        self.undecided = true;
    }

    /// A segment's munro is known from now on.
    fn learn(&mut self, claim: Claim) {
        let segment = claim.segment;
        let newest = self.segments.newest().map_or(segment, |(newest, _)| newest);
        let window = self
            .metadata
            .live_settings()
            .map_or(0, |live| live.discard_window);
        if newest.saturating_sub(segment) >= window {
            return;
        }
        let munro = Munro {
            root: claim.root,
            time: claim.time,
            signature: claim.signature,
            chunks: claim.chunks,
            size: None,
        };
        let before = self.segments.newest().map(|(newest, _)| newest);
        self.segments.learn(segment, munro);
        if let Some(size) = claim.size {
            self.segments.set_size(segment, size);
        }
        if let Some(extent) = &claim.extent {
            self.tree.learn(&self.segments, extent);
        }
        // A proof that is on its way has the hashes of all chunks, too: it is not to be asked for once more.
        let proven = claim.size.is_some();
        let asked = self.live.proofs.get(segment);
        if proven || !asked.is_some_and(ProofState::is_on_its_way) {
            self.live.proofs.remove(segment);
        }
        if before.is_none_or(|before| before < segment) {
            self.discard_old(segment);
        }
    }

    /// Forgets what has left the discard window (RFC 7574 §6.2).
    fn discard_old(&mut self, newest: u32) {
        let Some(live) = self.metadata.live_settings() else {
            return;
        };
        let first = (newest + 1).saturating_sub(live.discard_window);
        let Some(last_old) = self.segments.span(first).start().checked_sub(1) else {
            return;
        };
        self.store.forget_before(&self.segments, first);
        self.segments.forget_before(first);
        self.tree.forget_before(first);
        self.picker.forget_before(first);
        self.live.proofs.drop_before(first);
        self.live.chunk_signatures.drop_before(last_old + 1);
        if let Some(old) = ChunkRange::new(0, last_old) {
            for channel in self.channels.values_mut() {
                channel.needs_no_have(old);
            }
        }
    }

    /// DATA of a live segment whose munro is not known. `false` = the connection is over.
    pub(super) fn unsigned_data(
        &mut self,
        link: LinkId,
        chunk: u32,
        bytes: Bytes,
        hashes: &[(Bin, Hash)],
    ) -> bool {
        let segment = self.segments.segment_of(chunk);
        let parked = Parked {
            link,
            chunk,
            bytes,
            hashes: hashes.to_vec(),
        };
        match self.checks.park(segment, parked) {
            Ok(()) => true,
            Err(parked) => self.incomplete(link, chunk, &parked.bytes),
        }
    }

    /// Do the hashes name another root for a live segment than the one known?
    pub(super) fn has_other_root(&self, segment: u32, hashes: &[(Bin, Hash)]) -> bool {
        let bin = Bin::new(self.segments.bits(), u64::from(segment));
        self.segments.munro(segment).is_some_and(|munro| {
            hashes
                .iter()
                .any(|(other, hash)| *other == bin && *hash != munro.root)
        })
    }

    /// Puts our newest munro into the first control datagram of a new neighbour that shows no chunk near the live edge
    /// (RFC 7574 §6.1.2.3). Once: the RFC repeats it for datagrams that get lost, and this lane loses none.
    pub(super) fn tune_in(&mut self, link: LinkId) {
        let Some((newest, _)) = self.segments.newest() else {
            return;
        };
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        if !channel.tune_in || !channel.is_open() {
            return;
        }
        channel.tune_in = false;
        // Who has something of the segment before it will come upon this one by itself.
        let edge = self.segments.span(newest.saturating_sub(1)).start();
        let knows = channel.has.runs().last().is_some_and(|run| run.end() >= edge);
        let format: Format = channel.format;
        let mut munro = Vec::new();
        if !knows
            && !self.is_sign_all()
            && self.encode_munro(newest, &format, &mut munro)
            && let Some(channel) = self.channels.get_mut(link)
        {
            channel.control_datagram().extend_from_slice(&munro);
        }
    }

    // ---- proofs

    /// Asks for a live segment's proof, once, unless what it proves is known.
    pub(super) fn want_proof(&mut self, segment: u32) {
        if self.segments.munro(segment).is_none() {
            self.ask_for_proof(segment);
        }
    }

    /// The same, unless the hashes of all its chunks are known. Where every chunk is signed there are none.
    pub(super) fn want_leaves(&mut self, segment: u32) {
        if self.is_sign_all() {
            return self.want_proof(segment);
        }
        if !self.knows_leaves(segment) {
            self.ask_for_proof(segment);
        }
    }

    fn knows_leaves(&self, segment: u32) -> bool {
        let known = |chunk| self.tree.trusted(&self.segments, Bin::leaf(chunk)).is_some();
        let chunks = self.segments.chunks_of(segment);
        chunks.is_some_and(|chunks| chunks.chunks().all(known))
    }

    fn ask_for_proof(&mut self, segment: u32) {
        if self.metadata.live_key().is_none() || self.live.proofs.contains_key(segment) {
            return;
        }
        self.live.proofs.insert(segment, ProofState::default());
        self.outputs.push_back(Output::FetchProof { segment });
    }

    pub(super) fn proof(&mut self, segment: u32, proof: Option<Bytes>, now: Timestamp) {
        if self.metadata.live_key().is_none() || !self.live.proofs.contains_key(segment) {
            return;
        }
        let Some(proof) = proof else {
            return self.proof_failed(segment, now);
        };
        let good = SegmentProof::decode(&proof).ok().filter(|proof| {
            proof.segment == segment
                && proof.segment_bits == self.segments.bits()
                && proof.integrity == self.metadata.integrity()
                && proof.size.div_ceil(u64::from(self.segments.chunk_size())) <= 1 << self.segments.bits()
        });
        let Some(proof) = good else {
            self.refuse(None, segment, Refusal::Proof);
            return self.proof_failed(segment, now);
        };
        let chunks = proof.size.div_ceil(u64::from(self.segments.chunk_size())) as u32;
        if self.is_sign_all() {
            return self.chunk_proof(&proof, chunks, now);
        }
        // Hashes that do not make the munro teach nothing; it may be good all the same.
        let extent = Extent::of_leaves(&self.segments, segment, &proof.root, &proof.leaves);
        if extent.as_ref().is_some_and(|extent| extent.chunks != chunks) {
            self.refuse(None, segment, Refusal::Proof);
            return self.proof_failed(segment, now);
        }
        if let Some(known) = self.segments.munro(segment) {
            if known.root == proof.root {
                self.segments.set_size(segment, proof.size);
                if let Some(extent) = &extent {
                    self.tree.learn(&self.segments, extent);
                    self.verify_origin(segment, now);
                }
            }
            return;
        }
        let signature = proof.signatures[0];
        if let Some(why) = self.refusal(segment, signature.time, now) {
            self.refuse(None, segment, why);
            return self.give_proof_up(segment);
        }
        let claim = Claim {
            segment,
            root: proof.root,
            time: signature.time,
            signature: signature.signature,
            chunks,
            size: Some(proof.size),
            extent,
        };
        if !self.check_claim(claim, None, now) {
            self.proof_failed(segment, now);
        }
    }

    fn proof_failed(&mut self, segment: u32, now: Timestamp) {
        let Some(state) = self.live.proofs.get_mut(segment) else {
            return;
        };
        state.failures += 1;
        state.retry_at =
            (state.failures < PROOF_ATTEMPTS).then(|| now + PROOF_PAUSE * (1 << state.failures.min(8)));
        if state.retry_at.is_none() {
            self.give_proof_up(segment);
        }
    }

    fn give_proof_up(&mut self, segment: u32) {
        if let Some(state) = self.live.proofs.get_mut(segment) {
            state.failures = PROOF_ATTEMPTS;
            state.retry_at = None;
        }
    }

    /// Asks again for proofs, and hands out whole segments that would come late for want of one.
    pub(super) fn live_timeouts(&mut self, now: Timestamp) {
        let mut again = Vec::new();
        for (segment, state) in self.live.proofs.iter_mut() {
            if state.retry_at.is_some_and(|due| due <= now) {
                state.retry_at = None;
                again.push(segment);
            }
        }
        for segment in again {
            if self.knows_leaves(segment) || self.picker.deadline(segment).is_none() {
                self.live.proofs.remove(segment);
            } else {
                self.outputs.push_back(Output::FetchProof { segment });
            }
        }
        let late: Vec<u32> = self
            .origin
            .bodies()
            .filter(|(segment, since)| {
                let given_up = self
                    .live
                    .proofs
                    .get(*segment)
                    .is_some_and(|state| state.failures >= PROOF_ATTEMPTS);
                let needed = self
                    .picker
                    .deadline(*segment)
                    .is_some_and(|deadline| deadline.since(now) <= UNPROVEN_MARGIN);
                (needed && now.since(*since) >= PROOF_GRACE)
                    || (given_up && !self.checks.is_claimed(*segment))
            })
            .map(|(segment, _)| segment)
            .collect();
        for segment in late {
            self.unproven(segment);
        }
    }

    /// Hands a whole segment out as the origin sent it, and keeps nothing of it.
    fn unproven(&mut self, segment: u32) {
        let Some(last) = self.origin.body(segment) else {
            return;
        };
        let chunks: Option<Vec<Bytes>> = (self.segments.span(segment).start()..=last)
            .map(|chunk| self.origin.take(chunk))
            .collect();
        self.origin.forget_body(segment);
        match (self.picker.withdraw(segment).is_some(), chunks) {
            (true, Some(chunks)) => self.event(Event::Unproven { segment, chunks }),
            (true, None) => self.event(Event::SegmentFailed { segment }),
            (false, _) => {}
        }
    }

    // ---- every chunk signed (CIPM 2)

    /// A proof that has a signature for each chunk: with it the segment's chunks are known.
    fn chunk_proof(&mut self, proof: &SegmentProof, chunks: u32, now: Timestamp) {
        let segment = proof.segment;
        if proof.signatures.len() != chunks as usize || self.segments.munro(segment).is_some() {
            return;
        }
        let (first, last) = (
            proof.signatures[0].time,
            proof.signatures[proof.signatures.len() - 1].time,
        );
        let why = self
            .refusal(segment, first, now)
            .or_else(|| self.refusal(segment, last, now));
        if let Some(why) = why {
            self.refuse(None, segment, why);
            return self.give_proof_up(segment);
        }
        let start = self.segments.span(segment).start();
        for (chunk, signature) in (start..).zip(&proof.signatures) {
            self.live
                .chunk_signatures
                .insert(chunk, (signature.time, signature.signature));
        }
        self.learn(Claim {
            segment,
            root: proof.root,
            time: last,
            signature: [0; SIGNATURE_LENGTH],
            chunks,
            size: Some(proof.size),
            extent: None,
        });
        self.verify_origin(segment, now);
        self.undecided = true;
    }

    /// DATA whose signature came before it. `false` = the connection is over.
    pub(super) fn signed_data(&mut self, link: LinkId, chunk: u32, bytes: Bytes, now: Timestamp) -> bool {
        if !self.segments.fits(chunk, bytes.len()) {
            self.forged(link, chunk, &bytes);
            return false;
        }
        let signature = self.live.chunk_signatures.get(chunk).copied();
        let allowed = self
            .channels
            .get_mut(link)
            .is_some_and(|channel| channel.may_check(CHUNK_CHECKS, now));
        match signature {
            Some((time, signature)) if allowed && !self.checks.is_full() => {
                self.check_chunk(ChunkCheck {
                    chunk,
                    bytes,
                    time,
                    signature,
                    link: Some(link),
                });
                true
            }
            _ => self.incomplete(link, chunk, &bytes),
        }
    }

    /// Has the chunks that came from the origin checked, as far as there is room.
    pub(super) fn check_origin_chunks(&mut self, segment: u32, leaves: &[(u32, Hash)]) {
        self.origin.forget_body(segment);
        for &(chunk, _) in leaves {
            let Some(&(time, signature)) = self.live.chunk_signatures.get(chunk) else {
                continue;
            };
            if self.checks.is_full() || self.checks.has_chunk(chunk) {
                continue;
            }
            if let Some(bytes) = self.origin.peek(chunk).cloned() {
                self.check_chunk(ChunkCheck {
                    chunk,
                    bytes,
                    time,
                    signature,
                    link: None,
                });
            }
        }
    }

    fn check_chunk(&mut self, check: ChunkCheck) {
        let message = chunk_signing_input(check.chunk, check.time, &check.bytes);
        let signature = check.signature;
        let check = self.checks.chunk(check);
        self.outputs.push_back(Output::CheckSignature {
            check,
            message: message.into(),
            signature,
        });
    }

    fn chunk_checked(&mut self, check: ChunkCheck, valid: bool, now: Timestamp) {
        let ChunkCheck {
            chunk, bytes, link, ..
        } = check;
        let segment = self.segments.segment_of(chunk);
        if link.is_none() {
            self.origin.take(chunk);
        }
        match (valid, link) {
            // It came from elsewhere, or its segment left the window, while the check was under way.
            (true, _) if self.store.has().contains(chunk) || !self.segments.exists(chunk) => {
                self.discarded(&bytes, link);
            }
            (true, link) => {
                self.live
                    .chunk_signatures
                    .insert(chunk, (check.time, check.signature));
                let source = link.map_or(Source::Origin, Source::Peer);
                self.keep(chunk, bytes, source, now);
                self.verify_origin(segment, now);
            }
            (false, Some(link)) => self.forged(link, chunk, &bytes),
            (false, None) => {
                self.discarded(&bytes, None);
                self.withdraw(segment);
                self.event(Event::OriginMismatch { segment });
            }
        }
    }
}
