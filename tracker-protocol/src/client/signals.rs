//! Envelopes to and from other peers.

use super::requests::What;
use super::{Client, MAX_SEEN_SIGNALS, OFFER_LIFETIME_MS, Output, SIGNAL_SKEW_MS, State};
use crate::MAX_OFFERS;
use crate::request::{RequestBody, RequestExt};
use crate::signal::{Kind, Signal};

impl Client {
    pub(super) fn signal(&mut self, signal: Box<Signal>) {
        let to_us = signal.to == self.peer_id || (signal.to.is_empty() && signal.kind == Kind::Offer);
        let in_time = signal.ts.abs_diff(self.time_ms(self.now)) <= SIGNAL_SKEW_MS;
        if !to_us || !in_time || signal.from == self.peer_id || !self.wanted.contains_key(&signal.swarm) {
            return;
        }
        let id = (signal.from.clone(), signal.oid.clone(), signal.n);
        if self.seen.contains(&id) {
            return;
        }
        if self.seen.len() >= MAX_SEEN_SIGNALS {
            self.seen.remove(0);
        }
        self.seen.push(id);
        self.outputs.push(Output::Signal(signal));
    }

    pub(super) fn send_signal(&mut self, signal: Box<Signal>) {
        if signal.to.is_empty() {
            if self.offers.len() >= MAX_OFFERS {
                self.offers.remove(0);
            }
            self.offers.push(*signal);
            return;
        }
        let (to, oid) = (signal.to.clone(), signal.oid.clone());
        let joined = matches!(self.state, State::Joined { .. });
        let sent = match () {
            () if !joined => Err("no tracker".to_owned()),
            () if signal.check().is_err() => signal.check().map_err(|error| error.to_string()),
            () if self.requests.is_full() => Err("too many requests under way".to_owned()),
            () => self.send(
                RequestBody::Signal(signal),
                RequestExt::default(),
                What::Signal {
                    to: to.clone(),
                    oid: oid.clone(),
                },
            ),
        };
        if let Err(reason) = sent {
            self.outputs.push(Output::SignalFailed { to, oid, reason });
        }
    }

    /// The batch offers that can travel now: those of `swarm`, or of any wanted one.
    pub(super) fn take_offers(&mut self, swarm: Option<&str>) -> Vec<Signal> {
        let oldest = self.time_ms(self.now).saturating_sub(OFFER_LIFETIME_MS);
        let in_time = self.offers.drain(..).filter(|offer| offer.ts >= oldest);
        let (taken, kept) = in_time.partition(|offer| {
            swarm.map_or(self.wanted.contains_key(&offer.swarm), |swarm| {
                offer.swarm == swarm
            })
        });
        self.offers = kept;
        taken
    }
}
