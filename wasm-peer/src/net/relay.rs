//! Which envelopes of the auxiliary channel are passed on (peer-protocol §12.6): the decision alone.

use ppspp::neighbourhood::{Bucket, Pace};
use ppspp::{PeerId, Timestamp};

/// Envelopes passed on for one sender: an offer, or the answer to one, is a single envelope.
const OF_ONE: Pace = Pace {
    burst: 5,
    period: 12_000_000,
};
/// Senders remembered at most, so that a new connection is no new allowance. The one longest silent makes room.
const MAX_SENDERS: usize = 64;

/// Where an envelope goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It is for us, from somebody whom the neighbour knows.
    Ours,
    /// To this neighbour.
    Forward(PeerId),
    /// Nowhere.
    Refused,
}

/// An envelope that came over a connection.
pub(super) struct Arrival<'a> {
    /// Whose connection.
    pub(super) neighbour: &'a PeerId,
    /// Who signed it, it says.
    pub(super) from: &'a PeerId,
    /// For whom.
    pub(super) to: &'a PeerId,
    /// Are we in its swarm?
    pub(super) in_swarm: bool,
}

/// What has been passed on, and for whom.
#[derive(Default)]
pub(super) struct Relay {
    senders: Vec<(PeerId, Bucket)>,
    refused: u32,
}

impl Relay {
    /// Decides about an envelope. Only a neighbour's own envelopes are passed on, and only to a neighbour that is
    /// connected: one hop, so there are no loops.
    pub(super) fn route(
        &mut self,
        now: Timestamp,
        me: &PeerId,
        arrival: &Arrival<'_>,
        is_up: impl Fn(&PeerId) -> bool,
    ) -> Route {
        let Arrival {
            neighbour, from, to, ..
        } = arrival;
        let passes = *from == *neighbour;
        let route = match () {
            () if !arrival.in_swarm || *from == me || from == to => Route::Refused,
            () if *to == me && !passes => Route::Ours,
            () if *to != me && passes && is_up(to) && self.admit(now, from) => Route::Forward(**to),
            () => Route::Refused,
        };
        self.refused += u32::from(route == Route::Refused);
        route
    }

    /// Envelopes that went nowhere.
    pub(super) fn refused(&self) -> u32 {
        self.refused
    }

    fn admit(&mut self, now: Timestamp, sender: &PeerId) -> bool {
        let known = self.senders.iter().position(|(peer, _)| peer == sender);
        let mut bucket = known.map_or_else(Bucket::default, |at| self.senders.remove(at).1);
        let may = OF_ONE.take(&mut bucket, now);
        if self.senders.len() >= MAX_SENDERS {
            self.senders.remove(0);
        }
        self.senders.push((*sender, bucket));
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: PeerId = PeerId([0; 32]);
    const A: PeerId = PeerId([1; 32]);
    const B: PeerId = PeerId([2; 32]);
    const C: PeerId = PeerId([3; 32]);

    fn route(relay: &mut Relay, now: u64, neighbour: PeerId, from: PeerId, to: PeerId) -> Route {
        let arrival = Arrival {
            neighbour: &neighbour,
            from: &from,
            to: &to,
            in_swarm: true,
        };
        relay.route(Timestamp(now), &ME, &arrival, |peer| *peer == A || *peer == B)
    }

    #[test]
    fn only_own_envelopes_go_on_and_only_to_neighbours() {
        let mut relay = Relay::default();
        for (neighbour, from, to, expected) in [
            (A, A, B, Route::Forward(B)),
            (A, C, B, Route::Refused),
            (A, A, C, Route::Refused),
            (A, A, A, Route::Refused),
            (A, B, A, Route::Refused),
            (A, B, ME, Route::Ours),
            (A, C, ME, Route::Ours),
            (A, A, ME, Route::Refused),
            (A, ME, ME, Route::Refused),
            (A, ME, B, Route::Refused),
        ] {
            assert_eq!(route(&mut relay, 0, neighbour, from, to), expected);
        }
        assert_eq!(relay.refused(), 7);
        let arrival = Arrival {
            neighbour: &A,
            from: &A,
            to: &B,
            in_swarm: false,
        };
        assert_eq!(relay.route(Timestamp(0), &ME, &arrival, |_| true), Route::Refused);
    }

    #[test]
    fn five_a_minute_for_each_sender() {
        let mut relay = Relay::default();
        let mut passed = |now, neighbour| {
            let tries = 0..10;
            tries
                .filter(|_| route(&mut relay, now, neighbour, neighbour, A) == Route::Forward(A))
                .count()
        };
        assert_eq!(
            [passed(0, B), passed(11_999_999, B), passed(12_000_000, B)],
            [5, 0, 1]
        );
        assert_eq!(passed(72_000_000, B), 5);
    }

    #[test]
    fn coming_again_is_no_new_allowance_and_memory_is_bounded() {
        let mut relay = Relay::default();
        for _ in 0..5 {
            assert_eq!(route(&mut relay, 0, B, B, A), Route::Forward(A));
        }
        for number in 0..(MAX_SENDERS as u8 - 1) {
            let other = PeerId([number + 10; 32]);
            route(&mut relay, 0, other, other, A);
        }
        assert_eq!(route(&mut relay, 0, B, B, A), Route::Refused);
        for number in 0..200 {
            let other = PeerId([number; 32]);
            route(&mut relay, 0, other, other, B);
            assert!(relay.senders.len() <= MAX_SENDERS);
        }
    }
}
