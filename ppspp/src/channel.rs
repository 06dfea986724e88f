//! One remote peer in one swarm (RFC 7574 §3.11): its handshake, its availability, what is asked of it and by it.

use bytes::Bytes;
use core::cmp::Ordering;
use core::time::Duration;

use crate::live::SIGNATURE_LENGTH;
use crate::message::{Format, Message, code};
use crate::options::{Addressing, HashFunction, ProtocolOptions, SupportedMessages};
use crate::rate::{RateMeter, RoundTrip};
use crate::status::PeerStatus;
use crate::{ChunkMap, ChunkRange, LinkId, PeerId, Queue, SwarmMetadata, Timestamp};

/// Version 1 is RFC 7574.
const VERSION: u8 = 1;
/// Most runs of chunks a remote peer may have us remember for it to fetch.
const MAX_UPLOAD_RUNS: usize = 256;
/// A new neighbour counts for a while as if it had given as much as the others do: so many seconds of it.
const TRUST: f64 = 5.0;
/// A control datagram that has got this long takes no further message.
const CONTROL_DATAGRAM: usize = 16 * 1024;
/// Room for the messages of most control datagrams, in bytes.
const FIRST_ROOM: usize = 64;
/// Bytes of a channel ID in front of a datagram.
const CHANNEL_ID: usize = 4;
/// Seconds of upload that may be queued on a data channel, and bytes before it is known how fast they leave.
const QUEUED_SECONDS: f64 = 1.0;
const UNKNOWN_DRAIN: f64 = 64.0 * 1024.0;
/// What a link carries before anything was measured, in bytes per second: a guess that only orders links.
const UNKNOWN_RATE: f64 = 128.0 * 1024.0;
/// A live peer that turned out slow gets another chance after this.
const STALE_RATE: Duration = Duration::from_secs(2);
/// A round trip before anything was measured.
const UNKNOWN_ROUND_TRIP: Duration = Duration::from_millis(200);
/// Slack over the round trip that the request pipeline covers (profile §12.3).
const PIPELINE_SLACK: Duration = Duration::from_millis(250);
/// A chunk sent this long ago has left.
const DRAINED: Duration = Duration::from_millis(800);
/// Most bytes asked of one peer at a time.
const MAX_PIPELINE: usize = 2 << 20;

/// Where the three-way handshake stands (RFC 7574 §8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// We sent the first HANDSHAKE and repeat it until the other side joins the swarm.
    Opening {
        repeat_at: Timestamp,
        back_off: Duration,
    },
    /// We answered one and wait for a datagram on our channel.
    Waiting,
    /// Chunks may flow.
    Open,
}

/// A chunk asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) chunk: u32,
    pub(crate) bytes: u32,
    pub(crate) sent: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) link: LinkId,
    pub(crate) peer: PeerId,
    /// Our channel ID: what the remote peer puts in front of its datagrams.
    pub(crate) local: u32,
    /// Its channel ID, once known.
    pub(crate) remote: Option<u32>,
    pub(crate) state: State,
    /// How messages on this channel look.
    pub(crate) format: Format,
    /// What it announced and has not discarded since.
    pub(crate) has: ChunkMap,
    /// Chunks it keeps behind the newest it announced (live discard window, RFC 7574 §6.2).
    pub(crate) discard_window: Option<u32>,
    /// What it told of its link and power.
    pub(crate) status: PeerStatus,
    /// The segment of its latest announcement: about where it downloads.
    pub(crate) position: Option<u32>,
    /// Chunks that it had when the channel was opened, and that we had.
    pub(crate) had: (u64, u64),
    /// It does not answer our requests.
    pub(crate) choked: bool,
    /// We do not answer its requests.
    pub(crate) choking: bool,
    /// What it asked for, in order, and when.
    uploads: Vec<(ChunkRange, Timestamp)>,
    /// Bytes that may be queued on the bulk channel now.
    pub(crate) free: usize,
    /// Bytes that could be queued when nothing was; how fast what is queued goes out, and when that was last told.
    room: usize,
    drain: RateMeter,
    told_free: Timestamp,
    /// When a chunk was sent last.
    pub(crate) last_chunk_sent: Timestamp,
    /// What we asked for, in order.
    pub(crate) requests: Vec<Request>,
    /// When DATA last came.
    last_data: Timestamp,
    /// When the latest request that has been answered was sent.
    pub(crate) answered_until: Timestamp,
    pub(crate) meter: RateMeter,
    pub(crate) round_trip: RoundTrip,
    /// Not asked before this time, after requests went unanswered.
    pub(crate) resting_until: Timestamp,
    pub(crate) silences: u32,
    /// DATA that could not be verified with the hashes sent.
    pub(crate) incomplete: u32,
    pub(crate) last_sent: Timestamp,
    pub(crate) last_received: Timestamp,
    pub(crate) sent_since_received: u32,
    /// Chunks of ours that the HANDSHAKE told it of.
    pub(crate) told: ChunkMap,
    /// Chunks of ours that it has not been told of.
    pub(crate) unannounced: ChunkMap,
    /// A segment is complete: it is told so even if it has all of it, for it to know where we are.
    pub(crate) announce_position: bool,
    /// When it is told at the latest.
    pub(crate) announce_at: Option<Timestamp>,
    /// Those of them that it is told of sooner, before others are, and when.
    pub(crate) soon: ChunkMap,
    pub(crate) soon_at: Option<Timestamp>,
    pub(crate) last_announced: Timestamp,
    /// When it last asked for chunks.
    pub(crate) last_asked: Option<Timestamp>,
    /// Media bytes received and sent, in all and since the last look of the choker.
    pub(crate) received_bytes: u64,
    opened: Timestamp,
    pub(crate) sent_bytes: u64,
    pub(crate) recently_received: u64,
    pub(crate) recently_sent: u64,
    /// It has not got our newest munro yet, to find the live edge by.
    pub(crate) tune_in: bool,
    pub(crate) exchange: PeerExchange,
    /// Signature checks on its account: how many in the second that began when.
    checks: (u32, Timestamp),
    /// Encoded messages for the next control datagrams, behind room for the channel ID.
    control: Vec<Vec<u8>>,
}

/// Where the exchange of peers with this one stands (RFC 7574 §3.10).
#[derive(Debug, Default)]
pub(crate) struct PeerExchange {
    /// When we last asked it for peers.
    pub(crate) asked: Option<Timestamp>,
    /// When we last answered its asking.
    pub(crate) answered: Option<Timestamp>,
    /// Whom we have named lately, and when.
    pub(crate) named: Vec<(LinkId, Timestamp)>,
    /// Certificates that may still come for our asking.
    pub(crate) expected: usize,
    /// Its own membership certificate, verified, and when that ends.
    pub(crate) certificate: Option<(Bytes, Timestamp)>,
    /// Certificates that wait to be checked.
    pub(crate) unchecked: Queue<Bytes>,
    /// It sent one that was no good: no more are looked at.
    pub(crate) distrusted: bool,
}

impl Channel {
    /// A channel whose first HANDSHAKE is about to be sent.
    pub(crate) fn new(
        metadata: &SwarmMetadata,
        link: LinkId,
        peer: PeerId,
        local: u32,
        now: Timestamp,
    ) -> Self {
        Self {
            link,
            peer,
            local,
            remote: None,
            state: State::Opening {
                repeat_at: now,
                back_off: Duration::from_secs(1),
            },
            format: format(metadata),
            has: ChunkMap::new(),
            discard_window: None,
            status: PeerStatus::default(),
            position: None,
            had: (0, 0),
            choked: false,
            choking: false,
            uploads: Vec::new(),
            free: 0,
            room: 0,
            drain: RateMeter::default(),
            told_free: now,
            last_chunk_sent: Timestamp::default(),
            requests: Vec::new(),
            last_data: now,
            answered_until: now,
            meter: RateMeter::default(),
            round_trip: RoundTrip::default(),
            resting_until: now,
            silences: 0,
            incomplete: 0,
            last_sent: now,
            last_received: now,
            sent_since_received: 0,
            told: ChunkMap::new(),
            unannounced: ChunkMap::new(),
            announce_position: false,
            announce_at: None,
            soon: ChunkMap::new(),
            soon_at: None,
            last_announced: Timestamp::default(),
            last_asked: None,
            received_bytes: 0,
            opened: now,
            sent_bytes: 0,
            recently_received: 0,
            recently_sent: 0,
            tune_in: false,
            exchange: PeerExchange::default(),
            checks: (0, now),
            control: Vec::new(),
        }
    }

    /// May chunks flow?
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Is the first answer to the first HANDSHAKE still to be expected?
    pub(crate) fn is_young(&self) -> bool {
        matches!(self.state, State::Opening { back_off, .. } if back_off <= Duration::from_secs(2))
    }

    /// Adds a message to the next control datagram.
    pub(crate) fn queue(&mut self, message: &Message) {
        let format = self.format;
        message.encode(&format, self.control_datagram());
    }

    /// The control datagram that takes the next message.
    pub(crate) fn control_datagram(&mut self) -> &mut Vec<u8> {
        let full = |last: &Vec<u8>| last.len() >= CONTROL_DATAGRAM;
        if self.control.last().is_none_or(full) {
            let mut datagram = Vec::with_capacity(FIRST_ROOM);
            datagram.extend([0; CHANNEL_ID]);
            self.control.push(datagram);
        }
        let last = self.control.len() - 1;
        &mut self.control[last]
    }

    /// Does a control datagram wait to be sent?
    pub(crate) fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// The next control datagram that is due, if any.
    pub(crate) fn take_control(&mut self, now: Timestamp) -> Option<Bytes> {
        let remote = self.remote?;
        if self.control.is_empty() {
            return None;
        }
        let mut datagram = self.control.remove(0);
        datagram[..CHANNEL_ID].copy_from_slice(&remote.to_be_bytes());
        self.note_sent(now);
        Some(datagram.into())
    }

    /// A datagram without messages (RFC 7574 §3.12).
    pub(crate) fn keep_alive(&mut self, now: Timestamp) -> Option<Bytes> {
        let remote = self.remote?;
        self.note_sent(now);
        Some(Bytes::copy_from_slice(&remote.to_be_bytes()))
    }

    /// Does it give others what it gets? A peer that has had chunks from us and announces none, or chokes us, does not.
    pub(crate) fn shares(&self) -> bool {
        !self.choked && (self.sent_bytes == 0 || !self.has.is_empty())
    }

    /// The driver says how much may be queued on the bulk channel.
    pub(crate) fn set_free(&mut self, free: usize, now: Timestamp) {
        if free > self.free && self.free < self.room {
            self.drain.record(free - self.free, now.since(self.told_free));
        }
        self.room = self.room.max(free);
        self.free = free;
        self.told_free = now;
    }

    /// May another chunk be queued? No more than leaves within a second, so that CANCEL and CHOKE mean something and
    /// what else this peer sends does not wait behind it (profile §12.3); at least two, so that the link never idles.
    pub(crate) fn may_queue(&self, datagram: usize) -> bool {
        let queued = self.room.saturating_sub(self.free);
        let limit = self
            .drain
            .rate()
            .map_or(UNKNOWN_DRAIN, |rate| rate * QUEUED_SECONDS);
        self.free >= datagram && queued <= (limit as usize).max(datagram)
    }

    /// May a signature be checked on this peer's account? Counts it. At most `limit` are within a second.
    pub(crate) fn may_check(&mut self, limit: u32, now: Timestamp) -> bool {
        if now.since(self.checks.1) >= Duration::from_secs(1) {
            self.checks = (0, now);
        }
        self.checks.0 += 1;
        self.checks.0 <= limit
    }

    /// Was it in the swarm before us (`Greater`), after us (`Less`), or about when we came? Both sides know what both
    /// had when they met: a newcomer nothing, or what it fetched in its first moments.
    pub(crate) fn seniority(&self) -> Ordering {
        let (its, ours) = self.had;
        if its > 2 * ours {
            Ordering::Greater
        } else if ours > 2 * its {
            Ordering::Less
        } else {
            Ordering::Equal
        }
    }

    /// Forgets queued messages: the channel they were for is gone.
    pub(crate) fn clear_control(&mut self) {
        self.control.clear();
    }

    /// A datagram was sent.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(crate) fn note_sent(&mut self, now: Timestamp) {
        self.last_sent = now;
        self.sent_since_received = self.sent_since_received.saturating_add(1);
    }

    /// Measured or guessed bytes per second. Requests that wait longer than the measured rate explains lower it.
    pub(crate) fn rate(&self, now: Timestamp) -> f64 {
        let rate = self.meter.rate().unwrap_or(UNKNOWN_RATE);
        let Some(oldest) = self.requests.first() else {
            // What was measured long ago, it may have been busy then.
            let stale = self.format.signature_length.is_some() && now.since(self.last_data) > STALE_RATE;
            return if stale { rate.max(UNKNOWN_RATE / 2.0) } else { rate };
        };
        let waiting = now.since(self.last_data.max(oldest.sent)).as_secs_f64();
        rate.min(f64::from(oldest.bytes) / waiting.max(f64::EPSILON))
            .max(1.0)
    }

    /// Measured or guessed round trip.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip.or(UNKNOWN_ROUND_TRIP)
    }

    /// Bytes asked for and not yet here.
    pub(crate) fn outstanding(&self) -> usize {
        self.requests.iter().map(|request| request.bytes as usize).sum()
    }

    /// How many bytes should be asked for at a time: what the link carries in a round trip and a little more, so
    /// that it never runs dry, and not more, so that a request for something urgent does not wait (§12.3).
    pub(crate) fn pipeline(&self, chunk_size: u32) -> usize {
        let chunk = chunk_size as usize;
        let carried = |rate: f64| (rate * (self.round_trip() + PIPELINE_SLACK).as_secs_f64()) as usize;
        let smallest = 2 * chunk;
        let carried = self.meter.rate().map_or(2 * smallest, carried);
        carried.clamp(smallest, MAX_PIPELINE.max(smallest))
    }

    /// DATA for one of our requests came: measures, and takes the request off the list.
    pub(crate) fn answered(&mut self, chunk: u32, bytes: usize, now: Timestamp) -> bool {
        // Late is not silent: whose answers come after all is asked again at once.
        self.silences = 0;
        self.resting_until = now;
        let Some(index) = self.requests.iter().position(|request| request.chunk == chunk) else {
            return false;
        };
        let request = self.requests.remove(index);
        let busy_since = self.last_data.max(request.sent);
        if self.last_data <= request.sent {
            self.round_trip.record(now.since(request.sent));
        }
        self.meter.record(bytes, now.since(busy_since));
        self.last_data = now;
        self.answered_until = self.answered_until.max(request.sent);
        true
    }

    /// Drops a request without an answer; `true` if it was there.
    pub(crate) fn forget_request(&mut self, chunk: u32) -> bool {
        let before = self.requests.len();
        self.requests.retain(|request| request.chunk != chunk);
        self.requests.len() < before
    }

    /// Is this chunk on its way from here, as far as we know?
    pub(crate) fn has_asked(&self, chunk: u32) -> bool {
        self.requests.iter().any(|request| request.chunk == chunk)
    }

    /// How long nothing has come although something was asked for.
    pub(crate) fn silence(&self, now: Timestamp) -> Duration {
        self.requests.first().map_or(Duration::ZERO, |oldest| {
            now.since(self.last_data.max(oldest.sent))
        })
    }

    /// Time stood still for this process: what waited did not wait that long.
    pub(crate) fn forgive(&mut self, pause: Duration) {
        self.last_data += pause;
        self.answered_until += pause;
        for request in &mut self.requests {
            request.sent += pause;
        }
    }

    /// The remote peer asked for chunks; runs past the bound are not remembered, a REQUEST is only a hint (§3.7).
    pub(crate) fn enqueue_upload(&mut self, run: ChunkRange, now: Timestamp) {
        if self.uploads.len() < MAX_UPLOAD_RUNS {
            self.uploads.push((run, now));
        }
    }

    /// Bytes it gave in a second, on average, as if it had begun with [`TRUST`] seconds of what is `usual`.
    pub(crate) fn gave_rate(&self, usual: f64, now: Timestamp) -> f64 {
        let age = now.since(self.opened).as_secs_f64();
        (self.received_bytes as f64 + usual * TRUST) / (age + TRUST)
    }

    /// Bytes that wait to be sent to it, as far as is known.
    pub(crate) fn backlog(&self, now: Timestamp) -> usize {
        if now.since(self.last_chunk_sent) > DRAINED {
            return 0;
        }
        self.room.saturating_sub(self.free)
    }

    /// Since when what it asked for first has been waiting.
    pub(crate) fn waiting_since(&self) -> Option<Timestamp> {
        self.uploads.first().map(|(_, since)| *since)
    }

    /// What it asked for, run by run: the first chunk of each, and since when it has been waiting.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (u32, Timestamp)> {
        self.uploads.iter().map(|(run, since)| (run.start(), *since))
    }

    /// Lets the run at this place of [`Self::waiting`] go first.
    pub(crate) fn bring_forward(&mut self, at: usize) {
        if at < self.uploads.len() {
            let run = self.uploads.remove(at);
            self.uploads.insert(0, run);
        }
    }

    /// Forgets what it asked for.
    pub(crate) fn clear_uploads(&mut self) {
        self.uploads.clear();
    }

    /// The remote peer no longer wants chunks, or has got them.
    pub(crate) fn cancel_upload(&mut self, range: ChunkRange) {
        for (run, since) in core::mem::take(&mut self.uploads) {
            let mut rest = ChunkMap::new();
            rest.insert(run);
            rest.remove(range);
            // Holes make more runs of one; a REQUEST is a hint, so the last ones go.
            for run in rest.runs() {
                self.enqueue_upload(*run, since);
            }
        }
    }

    /// Takes the next chunk to upload that the remote peer does not have by now.
    pub(crate) fn next_upload(&mut self) -> Option<u32> {
        loop {
            let (run, _) = self.uploads.first_mut()?;
            let first = run.start();
            match first
                .checked_add(1)
                .and_then(|next| ChunkRange::new(next, run.end()))
            {
                Some(rest) => *run = rest,
                None => {
                    self.uploads.remove(0);
                }
            }
            if !self.has.contains(first) {
                return Some(first);
            }
        }
    }
}

/// What messages look like in this swarm, unless the initiator of a channel chose another addressing.
pub(crate) fn format(metadata: &SwarmMetadata) -> Format {
    Format {
        chunk_size: metadata.chunk_size(),
        signature_length: metadata.live_key().map(|_| SIGNATURE_LENGTH as u8),
        addressing: Addressing::ChunkRanges32,
    }
}

/// The messages we understand: all but ACK, which reliable channels do not need, and addresses that cannot be dialled
/// from a browser.
const SUPPORTED: SupportedMessages = SupportedMessages::of(&[
    code::HANDSHAKE,
    code::DATA,
    code::HAVE,
    code::INTEGRITY,
    code::PEX_REQ,
    code::SIGNED_INTEGRITY,
    code::REQUEST,
    code::CANCEL,
    code::CHOKE,
    code::UNCHOKE,
    code::PEX_RESCERT,
]);

/// Our options; `initiator`: the first HANDSHAKE says more (RFC 7574 §7.3, §7.4).
pub(crate) fn our_options(
    metadata: &SwarmMetadata,
    addressing: Addressing,
    initiator: bool,
) -> ProtocolOptions {
    let live = metadata.live_settings();
    ProtocolOptions {
        version: Some(VERSION),
        minimum_version: initiator.then_some(VERSION),
        swarm_id: initiator.then(|| metadata.swarm_id().bytes().clone()),
        integrity: Some(metadata.integrity()),
        hash_function: Some(HashFunction::Sha256),
        live_signature: metadata.live_key().map(|key| key.algorithm() as u8),
        addressing: Some(addressing),
        live_discard_window: live.map(|live| u64::from(live.discard_window) << metadata.segment_bits()),
        supported_messages: Some(SUPPORTED),
        chunk_size: Some(metadata.chunk_size()),
    }
}

/// Do a remote peer's options mean this swarm as we know it? `initiator`: it opened the channel, and may choose how
/// chunks are addressed on it; else it has to answer in `addressing`, which we chose.
pub(crate) fn compatible(
    metadata: &SwarmMetadata,
    options: &ProtocolOptions,
    addressing: Addressing,
    initiator: bool,
) -> bool {
    let ours = our_options(metadata, addressing, true);
    let swarm = match &options.swarm_id {
        Some(id) => Some(id) == ours.swarm_id.as_ref(),
        None => !initiator,
    };
    let version = options.version.is_some_and(|version| version >= VERSION)
        && options
            .minimum_version
            .map_or(!initiator, |minimum| minimum <= VERSION);
    let addressed = match options.addressing {
        Some(Addressing::ChunkRanges32 | Addressing::Bins32) if initiator => true,
        other => other == ours.addressing,
    };
    swarm
        && version
        && addressed
        && options.integrity == ours.integrity
        && options.hash_function == ours.hash_function
        && options.live_signature == ours.live_signature
        && options.live_discard_window.is_some() == ours.live_discard_window.is_some()
        && options.chunk_size == ours.chunk_size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment_table::Segment;
    use crate::{Hash, SegmentTable};

    fn range(start: u32, end: u32) -> ChunkRange {
        ChunkRange::new(start, end).unwrap()
    }

    fn channel() -> Channel {
        let segments = vec![Segment {
            size: 20_000,
            root: Hash::of_chunk(b"x"),
        }];
        let table = SegmentTable { segments };
        let metadata = SwarmMetadata::new(table.swarm_id(), 1000, 5, table).unwrap();
        Channel::new(&metadata, LinkId(1), PeerId([0; 32]), 7, Timestamp(0))
    }

    #[test]
    fn uploads_keep_order_and_honour_cancel_and_have() {
        let mut channel = channel();
        channel.enqueue_upload(range(10, 14), Timestamp(0));
        channel.enqueue_upload(range(3, 4), Timestamp(0));
        channel.cancel_upload(range(12, 13));
        channel.has.insert(range(10, 10));
        let order: Vec<u32> = core::iter::from_fn(|| channel.next_upload()).collect();
        assert_eq!(order, [11, 14, 3, 4]);
    }

    #[test]
    fn uploads_are_bounded() {
        let mut channel = channel();
        (0..10_000).for_each(|chunk| channel.enqueue_upload(range(chunk, chunk), Timestamp(0)));
        assert_eq!(channel.uploads.len(), MAX_UPLOAD_RUNS);
    }

    #[test]
    fn the_pipeline_follows_rate_and_round_trip() {
        let mut channel = channel();
        assert_eq!(channel.pipeline(1000), 4000);
        let ask = |channel: &mut Channel, chunk, at| {
            channel.requests.push(Request {
                chunk,
                bytes: 1000,
                sent: Timestamp(at),
            });
        };
        ask(&mut channel, 1, 1_000_000);
        assert!(channel.answered(1, 1000, Timestamp(1_100_000)));
        assert!(!channel.answered(1, 1000, Timestamp(1_100_000)));
        assert_eq!(channel.round_trip(), Duration::from_millis(100));
        assert_eq!(channel.pipeline(1000), 3500);
        ask(&mut channel, 2, 2_000_000);
        assert!(
            channel.rate(Timestamp(4_000_000)) < 501.0,
            "a waiting request lowers the rate"
        );
        assert_eq!(channel.silence(Timestamp(4_000_000)), Duration::from_secs(2));
        channel.forgive(Duration::from_secs(2));
        assert_eq!(channel.silence(Timestamp(4_000_000)), Duration::ZERO);
    }
}
