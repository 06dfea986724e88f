//! Chunks that were asked for and do not come.

use core::time::Duration;

use super::Decision;
use super::plan::{Asked, Lane, Plan, best};
use crate::channel::Channel;

/// A live chunk that was asked for this long ago may be asked of another peer instead.
const PATIENT: Duration = Duration::from_millis(700);
/// From a peer that is busy, a chunk must come in this part of the time it would take where it waits.
const MUCH_SOONER: f64 = 0.5;

impl Plan<'_> {
    /// Near the deadline, chunks that would come late from the peer asked are taken away from it; `all` of them when
    /// the whole segment is fetched.
    pub(super) fn give_up_late(&mut self, missing: &[u32], left: Duration, all: bool) {
        for chunk in missing {
            // What was late before may be late again, whatever is expected of the next.
            let late = |asked: &&Asked| all || asked.again || asked.expected > left.as_secs_f64().max(0.5);
            let late = self.scratch.asked.get(*chunk).filter(late);
            if let Some(&Asked { link, .. }) = late {
                self.scratch.asked.remove(*chunk);
                self.scratch.decisions.push(Decision::Cancel(link, *chunk));
            }
        }
    }

    /// A live chunk that does not come is asked of one more peer, if that would bring it sooner.
    ///
    /// From a peer with more to do for us it moves over: so fast peers help out slow ones. To one with nothing to do if
    /// that is sooner at all, to a busy one if it is much sooner. Where a chunk is late, with as much time `left`, it
    /// is asked of the other besides: twice on its way it costs less than from the origin.
    pub(super) fn help_out(&mut self, chunk: u32, left: Option<Duration>) {
        let Some(asked) = self.scratch.asked.get_mut(chunk) else {
            return;
        };
        if self.now.since(asked.sent) < PATIENT {
            return;
        }
        let bytes = self.view.segments.chunk_length(chunk) as usize;
        let channels = self.view.channels;
        let is_other = |lane: &Lane<'_>| {
            !channels
                .get(lane.link)
                .is_some_and(|other| other.has_asked(chunk))
        };
        let Some(lane) = best(&mut self.lanes, chunk, bytes, &is_other) else {
            return;
        };
        let completion = lane.completion(bytes as f64);
        let gain = if lane.queued == 0.0 { 1.0 } else { MUCH_SOONER };
        // The only chunk that a peer is asked for is on its way by now.
        let is_busy = |channel: &Channel| channel.outstanding() >= 2 * bytes;
        if completion < asked.expected * gain && channels.get(asked.link).is_some_and(is_busy) {
            self.scratch.decisions.push(Decision::Cancel(asked.link, chunk));
            *asked = lane.take(bytes, self.now);
        } else if left.is_some_and(|left| completion < left.as_secs_f64()) {
            *asked = lane.take(bytes, self.now).beside(*asked);
        } else {
            return;
        }
        self.scratch.decisions.push(Decision::Request(lane.link, chunk));
    }
}
