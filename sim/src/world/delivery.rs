//! Players and the origin.

use core::ops::Range;

use ppspp::swarm::Input;
use ppspp::{FetchId, Timestamp};

use super::{Event, Mode, World};
use crate::log::Entry;
use crate::origin::Next;
use crate::peer::{Loader, NEVER};
use crate::player::Action;

impl World {
    /// A viewer's player looks at what is there.
    pub(super) fn play(&mut self, who: u32) {
        let now = self.now;
        let mut actions = core::mem::take(&mut self.actions);
        // What a demand brings at once (it is in the store) makes the player look again.
        loop {
            let peer = &mut self.peers[who as usize];
            peer.play = false;
            let Some(player) = &mut peer.player else { break };
            if player.step(now, &mut actions) {
                let position = (player.position() / 1000) as u32;
                self.log.record(now, Entry::Stall, who, position);
            }
            self.carry_out(who, &mut actions);
            if !self.peers[who as usize].play {
                break;
            }
        }
        self.actions = actions;
        let linger = (self.scenario.viewers.linger_s * 1e6) as u64;
        let peer = &mut self.peers[who as usize];
        if let Some(player) = &peer.player {
            peer.player_due = player.next_wake().unwrap_or(NEVER);
            if player.has_ended() && peer.goes_at == NEVER {
                peer.goes_at = Timestamp(now.0 + linger);
            }
        }
    }

    fn carry_out(&mut self, who: u32, actions: &mut Vec<Action>) {
        for action in actions.drain(..) {
            match (&mut self.peers[who as usize].loader, action) {
                (Some(Loader::Swarm(_)), Action::Demand { segment, deadline }) => {
                    self.swarm_input(who, Input::Demand { segment, deadline });
                }
                (Some(Loader::Swarm(_)), Action::Withdraw { segment }) => {
                    self.swarm_input(who, Input::Withdraw { segment });
                }
                (Some(Loader::Plain(loader)), Action::Demand { segment, deadline }) => {
                    loader.demand(segment, deadline);
                }
                (Some(Loader::Plain(loader)), Action::Withdraw { segment }) => {
                    if let Some(fetch) = loader.withdraw(segment) {
                        self.cancel_fetch(who, fetch);
                    }
                }
                (None, _) => {}
            }
        }
        self.plain_next(who);
    }

    fn plain_next(&mut self, who: u32) {
        if self.mode != Mode::Hybrid
            && let Some(Loader::Plain(loader)) = &mut self.peers[who as usize].loader
            && let Some(load) = loader.start_next()
        {
            self.fetch(who, load.fetch, load.segment, 0..u64::MAX);
        }
    }

    pub(super) fn seek(&mut self, who: u32, index: u32) {
        let now = self.now;
        let to = self.viewers[who as usize].seeks[index as usize].to;
        let mut actions = core::mem::take(&mut self.actions);
        let peer = &mut self.peers[who as usize];
        if let Some(player) = &mut peer.player
            && !player.has_ended()
        {
            player.seek(to, now, &mut actions);
            peer.play = true;
        }
        self.carry_out(who, &mut actions);
        self.actions = actions;
        self.settle(who);
    }

    /// The player has a segment.
    pub(super) fn completed(&mut self, who: u32, segment: u32) {
        self.log.record(self.now, Entry::Segment, who, segment);
        let peer = &mut self.peers[who as usize];
        if let Some(player) = &mut peer.player {
            player.completed(segment, self.now);
            peer.play = true;
        }
    }

    // ---- the origin

    /// One-way latency between a viewer and the origin (and the tracker beside it), microseconds.
    pub(super) fn origin_latency(&self, who: u32) -> u64 {
        let viewer = &self.viewers[who as usize];
        viewer.latency + viewer.region.latency(self.scenario.origin.region)
    }

    /// When a viewer's request that is sent now has been worked on. The first one makes the connection: a round trip
    /// each for TCP and TLS.
    fn request(&mut self, who: u32) -> Timestamp {
        let latency = self.origin_latency(who);
        let peer = &mut self.peers[who as usize];
        let set_up = if peer.origin_connected { 0 } else { 4 * latency };
        peer.origin_connected = true;
        let work = (self.scenario.origin.latency_ms * 1000.0) as u64;
        self.after(set_up + latency + work)
    }

    /// Bytes to the end of the segment where `bytes` has none.
    pub(super) fn fetch(&mut self, who: u32, number: u32, segment: u32, bytes: Range<u64>) {
        let at = self.request(who);
        let latency = self.origin_latency(who);
        let bytes = bytes.start..bytes.end.min(self.content.size(segment));
        let slot = self.origin.request(who, number, segment, bytes, latency);
        self.peers[who as usize].fetches.push((number, slot));
        self.queue.push(at, Event::Origin(Next::Ready(at, slot)));
    }

    /// A live segment's proof: a small file beside it, from the same server.
    pub(super) fn ask_for_proof(&mut self, who: u32, segment: u32) {
        let at = self.request(who);
        self.queue.push(at, Event::ProofAsked(who, segment));
    }

    pub(super) fn proof_asked(&mut self, viewer: u32, segment: u32) {
        let event = Event::Proof {
            viewer,
            segment,
            proof: self.content.proof(segment, self.now),
        };
        self.queue.push(self.after(self.origin_latency(viewer)), event);
    }

    // ---- the playlist

    /// Asks for the playlist; the next time comes with the answer.
    pub(super) fn ask_for_playlist(&mut self, who: u32) {
        let at = self.request(who);
        let peer = &mut self.peers[who as usize];
        peer.playlist_due = NEVER;
        peer.playlist_asked = self.now;
        self.queue.push(at, Event::Playlist(who));
    }

    pub(super) fn playlist_asked(&mut self, who: u32) {
        let (first, next) = self.content.listed(self.now);
        let at = self.after(self.origin_latency(who));
        self.queue.push(at, Event::Listed(who, first, next));
    }

    /// A playlist is here: again after the target duration, or half of it when nothing is new (RFC 8216 §6.3.4).
    pub(super) fn listed(&mut self, who: u32, first: u32, next: u32) {
        let target = self.content.segment_us();
        let mut actions = core::mem::take(&mut self.actions);
        let peer = &mut self.peers[who as usize];
        if let Some(player) = &mut peer.player {
            let news = player.listed(first, next, self.now, &mut actions);
            let wait = if news { target } else { target / 2 };
            if !player.is_complete() {
                peer.playlist_due = Timestamp(peer.playlist_asked.0 + wait).max(self.now);
            }
            peer.play = true;
        }
        self.carry_out(who, &mut actions);
        self.actions = actions;
        self.settle(who);
    }

    pub(super) fn cancel_fetch(&mut self, who: u32, number: u32) {
        let fetches = &mut self.peers[who as usize].fetches;
        if let Some(at) = fetches.iter().position(|(other, _)| *other == number) {
            let (_, slot) = fetches.swap_remove(at);
            self.origin.abort(slot);
        }
    }

    pub(super) fn origin_event(&mut self, next: Next) {
        let mut nexts = core::mem::take(&mut self.nexts);
        match next {
            Next::Ready(_, slot) => self.origin.ready(slot, self.now, &mut nexts),
            Next::Served(_) => self.origin.served(self.now, &mut nexts),
            Next::Arrives(_, slot, length) => self.origin_arrives(slot, length),
        }
        self.schedule_origin(&mut nexts);
        self.nexts = nexts;
    }

    fn schedule_origin(&mut self, nexts: &mut Vec<Next>) {
        for next in nexts.drain(..) {
            let (Next::Ready(at, _) | Next::Served(at) | Next::Arrives(at, ..)) = next;
            self.queue.push(at, Event::Origin(next));
        }
    }

    /// Bytes reach a viewer's downlink, wanted or not.
    fn origin_arrives(&mut self, slot: u32, length: u32) {
        let Some(fetch) = self.origin.get(slot) else {
            return;
        };
        let downlink = &mut self.peers[fetch.viewer as usize].downlink;
        let through = downlink.receive(length as usize, self.now);
        if through <= self.now {
            return self.origin_data(slot, length);
        }
        self.queue.push(through, Event::OriginData(slot, length));
    }

    /// Bytes are through the downlink.
    pub(super) fn origin_data(&mut self, slot: u32, length: u32) {
        let Some(fetch) = self.origin.get(slot) else {
            return;
        };
        let (who, number, segment, end) = (fetch.viewer, fetch.number, fetch.segment, fetch.end);
        let mut nexts = Vec::new();
        let start = self.origin.taken(slot, length, self.now, &mut nexts);
        self.schedule_origin(&mut nexts);
        let Some(start) = start else { return };
        self.log.record(self.now, Entry::Origin, who, length);
        let reached = start + u64::from(length);
        if reached == end {
            self.peers[who as usize]
                .fetches
                .retain(|(other, _)| *other != number);
        }
        match &mut self.peers[who as usize].loader {
            Some(Loader::Swarm(_)) => {
                let data = self.content.bytes(segment, start..reached);
                let fetch = FetchId(number);
                self.swarm_input(who, Input::OriginData { fetch, data });
                if reached == end {
                    self.swarm_input(
                        who,
                        Input::OriginEnd {
                            fetch,
                            range_ignored: None,
                        },
                    );
                }
            }
            Some(Loader::Plain(loader)) => {
                let complete = if reached == end {
                    loader.complete(number)
                } else {
                    None
                };
                self.peers[who as usize].account.from_origin += u64::from(length);
                if let Some(segment) = complete {
                    self.completed(who, segment);
                    self.plain_next(who);
                }
            }
            None => {}
        }
        self.settle(who);
    }
}
