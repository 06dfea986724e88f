//! Chunks that were asked for and do not come.

use core::time::Duration;

use super::Decision;
use super::plan::{Asked, Plan};

/// A live chunk that was asked for this long ago may be asked of another peer instead.
const PATIENT: Duration = Duration::from_millis(700);

impl Plan<'_> {
    /// Near the deadline, chunks that would come late from the peer asked are taken away from it; `all` of them when
    /// the whole segment is fetched.
    pub(super) fn give_up_late(&mut self, missing: &[u32], left: Duration, all: bool) {
        for chunk in missing {
            let late = self
                .scratch
                .asked
                .get(*chunk)
                .filter(|asked| all || asked.expected > left.as_secs_f64().max(0.5));
            if let Some(&Asked { link, .. }) = late {
                self.scratch.asked.remove(*chunk);
                self.scratch.decisions.push(Decision::Cancel(link, *chunk));
            }
        }
    }

    /// A live chunk that has been waiting at a peer with more to do for us is asked of one that has nothing to do, if
    /// that would bring it sooner: so fast peers help out slow ones.
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
        let idle = self.lanes.iter_mut();
        let idle = idle.filter(|lane| lane.queued == 0.0 && lane.has.contains(chunk));
        let best = idle.min_by(|a, b| a.cost(bytes as f64).total_cmp(&b.cost(bytes as f64)));
        let Some(lane) = best.filter(|lane| lane.completion(bytes as f64) < asked.expected) else {
            return;
        };
        self.scratch.decisions.push(Decision::Cancel(asked.link, chunk));
        lane.room = lane.room.saturating_sub(bytes);
        lane.queued += bytes as f64;
        *asked = Asked {
            link: lane.link,
            sent: self.now,
            expected: lane.completion(0.0),
        };
        self.scratch.decisions.push(Decision::Request(lane.link, chunk));
    }
}
