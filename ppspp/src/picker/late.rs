//! Chunks that were asked for and do not come.

use core::time::Duration;

use super::Decision;
use super::plan::{Asked, Lane, Plan, best};

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

    /// A live chunk that has been waiting at a peer with more to do for us is asked of another, if that would bring it
    /// sooner: so fast peers help out slow ones. One with nothing to do is just asked; from one that has, it must come
    /// much sooner.
    pub(super) fn move_over(&mut self, chunk: u32) {
        let Some(asked) = self.scratch.asked.get_mut(chunk) else {
            return;
        };
        if self.now.since(asked.sent) < PATIENT {
            return;
        }
        let bytes = self.view.segments.chunk_length(chunk) as usize;
        // The only chunk that a peer is asked for is on its way by now.
        let busy = self.view.channels.get(asked.link);
        if busy.is_none_or(|busy| busy.outstanding() < 2 * bytes) {
            return;
        }
        let Some(lane) = best(&mut self.lanes, chunk, bytes, &|lane| lane.link != asked.link) else {
            return;
        };
        let gain = if lane.queued == 0.0 { 1.0 } else { MUCH_SOONER };
        if lane.completion(bytes as f64) >= asked.expected * gain {
            return;
        }
        self.scratch.decisions.push(Decision::Cancel(asked.link, chunk));
        *asked = lane.take(bytes, self.now);
        self.scratch.decisions.push(Decision::Request(lane.link, chunk));
    }

    /// A live chunk that is late with little time left is asked of one more peer: twice on its way it costs less than
    /// from the origin.
    pub(super) fn ask_another(&mut self, chunk: u32, left: Duration) {
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
                .is_some_and(|asked| asked.has_asked(chunk))
        };
        let Some(lane) = best(&mut self.lanes, chunk, bytes, &is_other) else {
            return;
        };
        if lane.completion(bytes as f64) >= left.as_secs_f64() {
            return;
        }
        *asked = lane.take(bytes, self.now).beside(*asked);
        self.scratch.decisions.push(Decision::Request(lane.link, chunk));
    }
}
