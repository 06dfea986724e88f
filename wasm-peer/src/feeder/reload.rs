//! Keeps the playlist of a live track up to date, and the times of its segments right.

use std::rc::Rc;

use crate::js::spawn;
use web_sys::AbortController;

use super::error::FeederError;
use super::listener::{now, sleep};
use super::rendition::Rendition;
use super::track::Track;

/// Milliseconds after which it is looked again if there is something to load: the rendition may have changed.
const LOOK: f64 = 1_000.0;
/// Milliseconds that loading a playlist may take: three target durations within these bounds.
const SHORTEST_LIMIT: f64 = 5_000.0;
/// See [`SHORTEST_LIMIT`].
const LONGEST_LIMIT: f64 = 20_000.0;

impl Track {
    /// Loads the playlist of the rendition that is being loaded again and again, while the player lives.
    pub fn follow(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        spawn(async move {
            while let Some(track) = weak.upgrade().filter(|track| track.host.alive()) {
                let wait = track.rendition().due().map_or(LOOK, |due| due - now());
                if wait > 0.0 {
                    drop(track);
                    sleep(wait.min(LOOK) as i32 + 1).await;
                } else {
                    track.reload().await;
                }
            }
        });
    }

    async fn reload(&self) {
        let rendition = self.rendition();
        let target = self.target().map_or(0, |loaded| loaded.media.target_duration);
        let Ok(abort) = AbortController::new() else {
            return self.host.report("no AbortController", true);
        };
        self.reloading.replace(Some(abort.clone()));
        let limit = (3_000.0 * target as f64).clamp(SHORTEST_LIMIT, LONGEST_LIMIT) as i32;
        let signal = abort.signal();
        spawn(async move {
            sleep(limit).await;
            // Does nothing to what is over.
            abort.abort();
        });
        match rendition.reload(&self.host, &signal).await {
            Ok(_) => self.host.wake(),
            // Not detached, but too slow.
            Err(FeederError::Detached) => {
                rendition.failed();
            }
            Err(error) => {
                let news = rendition.failed();
                let fatal = matches!(error, FeederError::Unsupported(_));
                if news || fatal {
                    self.host.report(&error.to_string(), fatal);
                }
            }
        }
    }

    fn rendition(&self) -> &Rendition {
        &self.renditions()[self.target_index()]
    }

    /// The media of a rendition has shown that its segments play `by` seconds later than was thought.
    pub(super) fn shift(&self, rendition: usize, by: f64) {
        self.renditions()[rendition].shift(&self.host, by);
        for load in self.loads.borrow_mut().iter_mut() {
            if load.rendition == rendition {
                load.span = load.span.later(by);
            }
        }
    }
}
