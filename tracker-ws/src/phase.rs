//! How a tracker ends: first it may drain, then it stops.

use tokio::sync::watch;

/// Where a tracker is in its life; never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Takes no more sockets, and lets those it has go one by one.
    Draining,
    /// Lets all go at once.
    Stopping,
}

/// Waits until this phase is reached, or a later one.
pub(crate) async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    // An error means that the server is gone, which is the same.
    let _ = phases.wait_for(|now| *now >= phase).await;
}

/// Ends a running [`crate::Server`].
#[derive(Clone, Debug)]
pub struct Shutdown {
    phase: watch::Sender<Phase>,
}

impl Shutdown {
    pub(crate) fn new() -> (Self, watch::Receiver<Phase>) {
        let (phase, phases) = watch::channel(Phase::Serving);
        (Self { phase }, phases)
    }

    /// Takes no more sockets, tells the peers on those that are open to move, each at a moment of its own, says goodbye,
    /// then lets [`crate::Server::run`] return. How long that takes is in the settings: [`crate::Config::drain_period`].
    pub fn drain(&self) {
        self.enter(Phase::Draining);
    }

    /// Takes no more sockets, says goodbye on all at once, then lets [`crate::Server::run`] return.
    pub fn stop(&self) {
        self.enter(Phase::Stopping);
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }
}
