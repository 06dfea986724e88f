//! The three-way handshake (RFC 7574 §3.1, §8.4).

use bytes::Bytes;
use core::time::Duration;

use super::{Lane, Output, Swarm};
use crate::channel::{self, Channel, State};
use crate::datagram::Messages;
use crate::message::Message;
use crate::options::Addressing;
use crate::{ChunkMap, ChunkRange, LinkId, PeerId, Timestamp};

/// Two first HANDSHAKEs sent within this time of each other have crossed: both arrive.
const CROSSED: Duration = Duration::from_secs(1);
/// HAVEs allowed beside an unfinished handshake.
const EARLY_HAVES: usize = 16;

impl Swarm {
    pub(super) fn random_channel_id(&mut self) -> u32 {
        loop {
            let id = self.rng.u32(1..);
            if self.channels.values().all(|channel| channel.local != id) {
                return id;
            }
        }
    }

    pub(super) fn new_channel(&mut self, link: LinkId, peer: PeerId, now: Timestamp) -> Channel {
        let local = self.random_channel_id();
        let mut channel = Channel::new(&self.metadata, link, peer, local, now);
        channel.format.addressing = self.config.addressing;
        channel
    }

    pub(super) fn link_up(&mut self, link: LinkId, peer: PeerId, now: Timestamp) {
        // Its first HANDSHAKE is due at once.
        let channel = self.new_channel(link, peer, now);
        self.channels.insert(link, channel);
        self.check_at = now;
    }

    /// The remote peer left, or never completed its handshake: it may come back by opening a channel.
    pub(super) fn reopen(&mut self, link: LinkId, now: Timestamp) {
        let Some(peer) = self.channels.get(link).map(|channel| channel.peer) else {
            return;
        };
        let mut channel = self.new_channel(link, peer, now);
        channel.state = State::Opening {
            repeat_at: now + super::LONGEST_BACK_OFF,
            back_off: super::LONGEST_BACK_OFF,
        };
        self.checks.forget_link(link);
        self.channels.insert(link, channel);
    }

    /// A HANDSHAKE with a few HAVEs: allowed as minor payload before it is complete (RFC 7574 §3.1.1).
    pub(super) fn send_handshake(&mut self, link: LinkId, destination: u32, initiator: bool, now: Timestamp) {
        let runs: &[ChunkRange] = if self.upload { self.store.has().runs() } else { &[] };
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        let mut datagram = destination.to_be_bytes().to_vec();
        let options = channel::our_options(&self.metadata, channel.format.addressing, initiator);
        Message::Handshake {
            source: channel.local,
            options,
        }
        .encode(&channel.format, &mut datagram);
        let early = datagram.len() + EARLY_HAVES * 9;
        // As the last that is sent, it is the one that counts.
        channel.told = ChunkMap::new();
        for run in runs.iter().take(EARLY_HAVES) {
            // A range may be many bins.
            if datagram.len() < early {
                Message::Have(*run).encode(&channel.format, &mut datagram);
                channel.told.insert(*run);
            }
        }
        channel.had.1 = runs.iter().take(EARLY_HAVES).map(|run| run.count()).sum();
        channel.note_sent(now);
        let datagram = datagram.into();
        self.outputs.push_back(Output::Transmit {
            link,
            lane: Lane::Control,
            datagram,
        });
    }

    /// A datagram to channel 0: somebody opens a channel. Whatever is wrong with it is answered by silence.
    pub(super) fn opened(&mut self, link: LinkId, data: Bytes, now: Timestamp) {
        let mut messages = Messages::new(data, channel::format(&self.metadata));
        let Some(Ok(Message::Handshake { source, options })) = messages.next() else {
            return;
        };
        let ours = self.config.addressing;
        if source == 0 || !channel::compatible(&self.metadata, &options, ours, true) {
            return;
        }
        let Some(peer) = self.channels.get(link).map(|channel| channel.peer) else {
            return;
        };
        let fresh = self.new_channel(link, peer, now);
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        match channel.state {
            // Both sides opened at once: the lower channel ID stays the initiator's. The other side needs our
            // HANDSHAKE again if it joined the swarm only after the first.
            State::Opening { .. } if source > channel.local => {
                if now.since(channel.last_sent) > CROSSED {
                    self.send_handshake(link, 0, true, now);
                }
                return;
            }
            State::Opening { .. } => {}
            State::Waiting | State::Open if channel.remote == Some(source) => {
                // A repetition: the answer got lost, or the peer wants our availability again.
                messages.set_format(channel.format);
                self.send_handshake(link, source, false, now);
                self.announce_all(link);
                // What it has got since the first is not announced again either.
                return self.messages(link, messages, now);
            }
            // The peer left the swarm and came back.
            State::Waiting | State::Open => {
                let status = channel.status;
                *channel = fresh;
                channel.status = status;
            }
        }
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        channel.remote = Some(source);
        channel.state = State::Waiting;
        channel.last_received = now;
        channel.discard_window = window(options.live_discard_window);
        channel.format.addressing = options.addressing.unwrap_or(Addressing::ChunkRanges32);
        messages.set_format(channel.format);
        self.send_handshake(link, source, false, now);
        self.messages(link, messages, now);
        self.note_what_it_had(link);
    }

    /// The datagram with its HANDSHAKE has been read, and with it what the peer has from the start.
    pub(super) fn note_what_it_had(&mut self, link: LinkId) {
        if let Some(channel) = self.channels.get_mut(link) {
            channel.had.0 = channel.has.count();
        }
    }

    /// The answer to our first HANDSHAKE; `false` when it is none that we can live with.
    pub(super) fn answered(&mut self, link: LinkId, first: Message, now: Timestamp) -> bool {
        let Message::Handshake { source, options } = first else {
            return false;
        };
        let Some(channel) = self.channels.get_mut(link) else {
            return false;
        };
        if !channel::compatible(&self.metadata, &options, channel.format.addressing, false) {
            return false;
        }
        channel.remote = Some(source);
        channel.discard_window = window(options.live_discard_window);
        self.established(link);
        self.flush_channel(link, now);
        // The other side holds state until it hears from us on its channel: speak at once.
        if let Some(channel) = self.channels.get_mut(link)
            && channel.sent_since_received == 0
            && let Some(datagram) = channel.keep_alive(now)
        {
            self.outputs.push_back(Output::Transmit {
                link,
                lane: Lane::Control,
                datagram,
            });
        }
        true
    }

    /// The handshake is complete: say all that was held back.
    pub(super) fn established(&mut self, link: LinkId) {
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        channel.state = State::Open;
        channel.tune_in = true;
        self.undecided = true;
        if self.upload {
            self.announce_all(link);
        } else {
            channel.choking = true;
            channel.queue(&Message::Choke);
        }
        self.send_certificate(link);
    }
}

/// A discard window of all ones discards nothing (RFC 7574 §7.9).
fn window(option: Option<u64>) -> Option<u32> {
    option
        .and_then(|chunks| u32::try_from(chunks).ok())
        .filter(|chunks| *chunks != u32::MAX)
}
