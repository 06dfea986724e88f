//! Swarms and the datagrams between them.

use bytes::Bytes;
use ppspp::neighbourhood::Outcome;
use ppspp::swarm::{Input, Reason};
use ppspp::{Event as SwarmEvent, Lane, LinkId, Output, Source, Timestamp};

use super::{Event, World};
use crate::access::{packets, wire_bytes};
use crate::connection::{HIGH_WATER, LOW_WATER, end_of, key};
use crate::content::sign;
use crate::log::Entry;
use crate::membership;
use crate::population::Cheat;

/// A lost packet of a chunk is noticed by those behind it and sent again: this part of a round trip, in eighths.
const FAST_RETRANSMIT: u64 = 10;
/// Nothing comes behind a lost control message: it waits for SCTP's timer, microseconds.
const RETRANSMIT_TIMER: u64 = 400_000;
/// Less room than this than there is: tell the swarm before it may want to serve.
const UNTOLD: usize = 16 * 1024;

impl World {
    /// Tells a swarm something and carries out what it answers.
    pub(super) fn swarm_input(&mut self, who: u32, input: Input) {
        let now = self.now;
        let Some(swarm) = self.peers[who as usize].swarm() else {
            return;
        };
        swarm.handle(now, input);
        self.drain_swarm(who);
    }

    pub(super) fn drain_swarm(&mut self, who: u32) {
        while let Some(output) = self.peers[who as usize]
            .swarm()
            .and_then(|swarm| swarm.poll_output())
        {
            match output {
                Output::Transmit { link, lane, datagram } => self.transmit(who, link, lane, datagram),
                Output::FetchOrigin {
                    fetch,
                    segment,
                    bytes,
                } => self.fetch(who, fetch.0, segment, bytes),
                Output::CancelOrigin { fetch } => self.cancel_fetch(who, fetch.0),
                Output::FetchProof { segment } => self.ask_for_proof(who, segment),
                // What a browser takes a fraction of a millisecond for.
                Output::CheckSignature {
                    check,
                    message,
                    signature,
                } => {
                    let valid = sign(&message) == signature;
                    self.answer(who, Input::SignatureChecked { check, valid });
                }
                Output::CheckCertificate { check, certificate } => {
                    let member = membership::check(&certificate);
                    self.answer(who, Input::CertificateChecked { check, member });
                }
                Output::Candidate { peer, via, .. } => {
                    if let Some(link) = self.peers[who as usize].link(via) {
                        let ends = &self.connections[link.connection as usize].ends;
                        let via = ends[usize::from(1 - link.side)].viewer;
                        self.named(who, peer, self.peers[via as usize].id);
                    }
                }
                Output::Disconnect { link, reason } => self.disconnect(who, link, reason),
                Output::Event(event) => self.swarm_event(who, event),
            }
        }
    }

    /// Tells a swarm what it asked for; what it says to that comes in its turn.
    fn answer(&mut self, who: u32, input: Input) {
        let now = self.now;
        if let Some(swarm) = self.peers[who as usize].swarm() {
            swarm.handle(now, input);
        }
    }

    fn swarm_event(&mut self, who: u32, event: SwarmEvent) {
        let now = self.now;
        let peer = &mut self.peers[who as usize];
        match event {
            SwarmEvent::Chunk { chunk, bytes, source } => {
                self.log.record(now, Entry::Chunk, who, chunk);
                match source {
                    Source::Peer(link) => {
                        peer.account.from_peers += u64::from(bytes);
                        self.exchanged(who, link, bytes, 0);
                    }
                    Source::Origin => peer.account.from_origin += u64::from(bytes),
                }
            }
            SwarmEvent::Segment {
                segment,
                p2p_bytes,
                http_bytes,
                ..
            } => {
                if p2p_bytes > 0 && http_bytes > 0 {
                    peer.neighbours.fell_short(now);
                    self.fill(who);
                }
                self.segment(who, segment);
            }
            SwarmEvent::SegmentFailed { segment } | SwarmEvent::OriginMismatch { segment } => {
                peer.account.failed_segments += 1;
                peer.play = true;
                if let Some(player) = &mut peer.player {
                    player.failed(segment);
                }
            }
            SwarmEvent::Discarded { bytes, link } => match link {
                Some(_) => peer.account.discarded_peers += bytes as u64,
                None => peer.account.discarded_origin += bytes as u64,
            },
            SwarmEvent::Uploaded { bytes, link } => {
                peer.account.uploaded += u64::from(bytes);
                self.exchanged(who, link, 0, bytes);
            }
            SwarmEvent::Unproven { segment, .. } => {
                peer.account.unproven += 1;
                self.completed(who, segment);
            }
            SwarmEvent::MunroRefused { .. } | SwarmEvent::CertificateRefused { .. } => {
                peer.account.refused += 1;
            }
            SwarmEvent::BadChunk { .. } => {}
        }
    }

    /// A segment came out of the swarm complete.
    fn segment(&mut self, who: u32, segment: u32) {
        let limit = (self.scenario.viewers.cache_mib * 1_048_576.0) as usize;
        let peer = &mut self.peers[who as usize];
        if let Some(swarm) = peer.swarm() {
            // Only where somebody changes bytes is there a reason to look.
            let bad = self.scenario.cheats.polluters > 0.0
                && swarm
                    .read_segment(segment)
                    .is_none_or(|chunks| !self.content.is_segment(segment, &chunks));
            let stored = swarm.stored_bytes();
            if stored > limit {
                swarm.evict(stored - limit);
            }
            peer.account.bad_segments += u32::from(bad);
        }
        self.completed(who, segment);
    }

    fn transmit(&mut self, who: u32, id: LinkId, lane: Lane, datagram: Bytes) {
        let Some(link) = self.peers[who as usize].link(id) else {
            return;
        };
        match lane {
            Lane::Control => self.transmit_control(who, link.connection, link.side, datagram),
            Lane::Bulk => {
                let length = datagram.len() + self.content.claimed(&datagram);
                let Some(datagram) = self.falsify(who, datagram) else {
                    return;
                };
                let connection = &mut self.connections[link.connection as usize];
                let end = &mut connection.ends[usize::from(link.side)];
                end.queued += length;
                end.told = end.told.saturating_sub(length);
                end.queue.push_back((datagram, length));
                if end.queue.len() == 1 {
                    let key = key(link.connection, link.side);
                    self.peers[who as usize]
                        .uplink
                        .enqueue(key, wire_bytes(length), self.now);
                    self.arm_uplink(who);
                }
            }
        }
    }

    /// What a cheat does with a chunk it is about to send.
    fn falsify(&self, who: u32, datagram: Bytes) -> Option<Bytes> {
        match self.viewers[who as usize].cheat {
            Cheat::None | Cheat::FreeRider => Some(datagram),
            Cheat::Liar => None,
            Cheat::Polluter => {
                let mut bytes = Vec::from(datagram);
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                Some(bytes.into())
            }
        }
    }

    fn transmit_control(&mut self, who: u32, connection: u32, side: u8, data: Bytes) {
        let wire = wire_bytes(data.len());
        let peer = &mut self.peers[who as usize];
        peer.account.control.count(&data, &self.format);
        let sent = peer.uplink.control(wire, self.now);
        let delay = self.path_delay(connection, wire, Lane::Control);
        let end = &mut self.connections[connection as usize].ends[usize::from(side)];
        let at = Timestamp(sent.0 + delay).max(end.control_at);
        end.control_at = at;
        self.queue.push(
            at,
            Event::Arrives {
                connection,
                side: 1 - side,
                wire: wire as u32,
                data,
            },
        );
    }

    /// Microseconds from one uplink to the other side's downlink.
    fn path_delay(&mut self, connection: u32, wire: usize, lane: Lane) -> u64 {
        let network = &self.scenario.network;
        let latency = self.connections[connection as usize].latency;
        let jitter = (network.jitter_ms * 1000.0) as u64;
        let mut delay = latency + self.rng.u64(0..=jitter);
        if network.loss > 0.0 && self.rng.f64() < network.loss * packets(wire) as f64 {
            delay += match lane {
                Lane::Control => RETRANSMIT_TIMER,
                Lane::Bulk => 2 * latency * FAST_RETRANSMIT / 8,
            };
        }
        delay
    }

    /// Schedules the end of the message an uplink will have sent first.
    pub(super) fn arm_uplink(&mut self, who: u32) {
        let peer = &mut self.peers[who as usize];
        if let Some(at) = peer.uplink.next()
            && at < peer.uplink_at
        {
            peer.uplink_at = at.max(self.now);
            self.queue.push(peer.uplink_at, Event::Uplink(who));
        }
    }

    /// An uplink may have sent a message.
    pub(super) fn uplink(&mut self, who: u32) {
        let now = self.now;
        if self.peers[who as usize].uplink_at != now {
            return;
        }
        self.peers[who as usize].uplink_at = crate::peer::NEVER;
        loop {
            let connections = &self.connections;
            let sent = self.peers[who as usize].uplink.sent(now, |key| {
                let (connection, side) = end_of(key);
                let queue = &connections[connection as usize].ends[usize::from(side)].queue;
                queue.get(1).map(|(_, length)| wire_bytes(*length))
            });
            let Some(key) = sent else { break };
            let (connection, side) = end_of(key);
            self.bulk_sent(who, connection, side);
        }
        self.arm_uplink(who);
        self.settle(who);
    }

    fn bulk_sent(&mut self, who: u32, connection: u32, side: u8) {
        let end = &mut self.connections[connection as usize].ends[usize::from(side)];
        let Some((data, length)) = end.queue.pop_front() else {
            return;
        };
        let before = end.queued;
        end.queued -= length;
        let drained = before > LOW_WATER && end.queued <= LOW_WATER;
        let link = end.link;
        let wire = wire_bytes(length);
        let delay = self.path_delay(connection, wire, Lane::Bulk);
        let at = self.after(delay);
        self.queue.push(
            at,
            Event::Arrives {
                connection,
                side: 1 - side,
                wire: wire as u32,
                data,
            },
        );
        if drained {
            self.writable(who, connection, side, link);
        }
    }

    /// Tells a swarm how much room there is.
    pub(super) fn writable(&mut self, who: u32, connection: u32, side: u8, link: LinkId) {
        let end = &mut self.connections[connection as usize].ends[usize::from(side)];
        let free = HIGH_WATER.saturating_sub(end.queued);
        end.told = free;
        self.swarm_input(who, Input::Writable { link, free });
    }

    /// A datagram reaches a downlink.
    pub(super) fn arrives(&mut self, connection: u32, side: u8, wire: u32, data: Bytes) {
        let end = &self.connections[connection as usize].ends[usize::from(side)];
        if !end.up {
            return;
        }
        let through = self.peers[end.viewer as usize]
            .downlink
            .receive(wire as usize, self.now);
        if through <= self.now {
            return self.datagram(connection, side, data);
        }
        let event = Event::Datagram {
            connection,
            side,
            data,
        };
        self.queue.push(through, event);
    }

    /// A datagram is through.
    pub(super) fn datagram(&mut self, connection: u32, side: u8, data: Bytes) {
        let end = &self.connections[connection as usize].ends[usize::from(side)];
        if !end.up {
            return;
        }
        let (who, link) = (end.viewer, end.link);
        self.log.record(self.now, Entry::Datagram, who, data.len() as u32);
        // It may ask for chunks, and the swarm is told of room only when the buffer has drained.
        if HIGH_WATER - end.queued.min(HIGH_WATER) >= end.told + UNTOLD {
            self.writable(who, connection, side, link);
        }
        self.swarm_input(who, Input::Datagram { link, data });
        self.settle(who);
    }

    /// A swarm gives a connection up.
    fn disconnect(&mut self, who: u32, link: LinkId, reason: Reason) {
        let Some(link) = self.peers[who as usize].link(link) else {
            return;
        };
        let ends = &self.connections[link.connection as usize].ends;
        let other = ends[usize::from(1 - link.side)].viewer;
        self.log.record(self.now, Entry::Dropped, who, other);
        self.hang_up(link.connection, link.side);
        if reason == Reason::Forged {
            let banned = self.peers[other as usize].id;
            self.peers[who as usize].neighbours.ban(banned);
            self.honest_banned += u32::from(self.viewers[other as usize].cheat != Cheat::Polluter);
        }
        self.closed(who, other, Outcome::Ended);
    }
}
