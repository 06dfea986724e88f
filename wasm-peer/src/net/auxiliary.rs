//! What neighbours say on the auxiliary channel: their status, and envelopes to be passed on (peer-protocol §12.2,
//! §12.6).

use std::rc::Rc;

use ppspp::neighbourhood::Pace;
use ppspp::{PeerId, SwarmId};
use tracker_protocol::client::Input;
use tracker_protocol::{AuxFrame, PeerStatus, Signal};

use super::link::{Link, Phase};
use super::relay::{Arrival, Route};
use super::{Inner, NetEvent};

/// Frames read from one neighbour; the rest is dropped unread.
const FRAMES: Pace = Pace {
    burst: 32,
    period: 500_000,
};
/// Status records taken from one neighbour.
const STATUSES: Pace = Pace {
    burst: 1,
    period: 5_000_000,
};
/// The own status goes to a neighbour this often at most, milliseconds: late enough that none is dropped.
const STATUS_PAUSE: f64 = 6_000.0;
/// A neighbour that sends this many malformed frames is no neighbour any more.
const MAX_BAD_FRAMES: u32 = 3;

impl Inner {
    pub(super) fn set_status(&self, status: PeerStatus) {
        if *self.status.borrow() == status {
            return;
        }
        self.status.replace(status.clone());
        self.tell_tracker(Input::Status(status));
        let links = self.links.borrow().clone();
        for link in links.iter().filter(|link| link.phase.get() == Phase::Up) {
            self.status_changed(link);
        }
    }

    /// Sends the own status, now or as soon as the neighbour takes another.
    pub(super) fn status_changed(&self, link: &Link) {
        let now = self.clock.now();
        if link.status_after.get() > now {
            link.status_due.set(Some(link.status_after.get()));
            self.timer.arm(now, link.status_after.get());
            return;
        }
        link.status_due.set(None);
        let frame = AuxFrame::Status(self.status.borrow().clone()).encode();
        if frame.is_ok_and(|frame| link.send_aux(&frame)) {
            link.status_after.set(now + STATUS_PAUSE);
        }
    }

    /// A text frame, or `None` for what cannot be one.
    pub(super) fn aux_arrived(&self, link: &Link, text: Option<String>) {
        let now = self.clock.timestamp();
        let mut frames = link.aux_frames.get();
        let may = FRAMES.take(&mut frames, now);
        link.aux_frames.set(frames);
        if !may {
            return;
        }
        let frame = text
            .as_deref()
            .and_then(|text| Some((text, AuxFrame::decode(text).ok()?)));
        match frame {
            None => {
                link.bad_frames.set(link.bad_frames.get() + 1);
                if link.bad_frames.get() >= MAX_BAD_FRAMES {
                    self.close_link(link, "aux-malformed", None);
                }
            }
            Some((_, AuxFrame::Status(status))) => {
                let mut statuses = link.statuses.get();
                if STATUSES.take(&mut statuses, now) {
                    link.statuses.set(statuses);
                    self.emit(NetEvent::PeerStatus {
                        link: link.id,
                        status,
                    });
                }
            }
            Some((text, AuxFrame::Relay { signal, .. })) => self.relay_arrived(link, text, *signal),
            Some((_, AuxFrame::Other(_))) => {}
        }
    }

    fn relay_arrived(&self, link: &Link, text: &str, signal: Signal) {
        let ids = (PeerId::from_hex(&signal.from), PeerId::from_hex(&signal.to));
        let (Some(from), Some(to), Some(swarm)) = (ids.0, ids.1, SwarmId::from_hex(&signal.swarm)) else {
            return;
        };
        let arrival = Arrival {
            neighbour: &link.peer,
            from: &from,
            to: &to,
            in_swarm: self.is_joined(&swarm),
        };
        let me = self.identity.peer_id();
        let route = self
            .relay
            .borrow_mut()
            .route(self.clock.timestamp(), &me, &arrival, |peer| {
                self.neighbour(peer).is_some()
            });
        match route {
            Route::Ours => self.signal_arrived(signal, Some(link.peer)),
            // As it came: the signature is of its sender. A neighbour whose channel is full misses it.
            Route::Forward(to) => {
                if let Some(target) = self.neighbour(&to) {
                    target.send_aux(text);
                }
            }
            Route::Refused => {}
        }
    }

    /// Sends an envelope by the neighbour `via`. False when it cannot go.
    pub(super) fn relay(&self, via: &PeerId, signal: Signal) -> bool {
        let swarm = signal.swarm.clone();
        let frame = AuxFrame::Relay {
            swarm,
            signal: Box::new(signal),
        };
        let link = self.neighbour(via);
        link.is_some_and(|link| frame.encode().is_ok_and(|frame| link.send_aux(&frame)))
    }

    /// The connection with a peer, if it is up.
    fn neighbour(&self, peer: &PeerId) -> Option<Rc<Link>> {
        let link = self.link_of(peer);
        link.filter(|link| link.phase.get() == Phase::Up)
    }
}
