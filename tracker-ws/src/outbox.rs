//! What waits to be sent on a socket.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::registry::Delivery;

/// Room for so many is kept when nothing waits.
const KEPT: usize = 4;

/// What others have put there, and the socket's task takes.
#[derive(Debug)]
pub(crate) struct Outbox {
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    deliveries: VecDeque<Delivery>,
    task: Option<Waker>,
    /// Some were lost, for there were too many.
    overflown: bool,
}

/// The socket's reader is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflown;

impl Outbox {
    /// For so many at most.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            waiting: Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one.
    pub(crate) fn put(&self, delivery: Delivery) {
        let mut waiting = self.waiting();
        match waiting.deliveries.len() < self.most {
            true => waiting.deliveries.push_back(delivery),
            false => waiting.overflown = true,
        }
        let task = waiting.task.take();
        drop(waiting);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Hands over those that wait, until `take` has enough and says so; none while there is no room. The
    /// task is woken for the next one that is put there in any case.
    ///
    /// # Errors
    /// [`Overflown`]: then nothing is handed over any more.
    pub(crate) fn take(
        &self,
        context: &mut Context<'_>,
        room: bool,
        mut take: impl FnMut(Delivery) -> bool,
    ) -> Result<(), Overflown> {
        let mut waiting = self.waiting();
        if waiting.overflown {
            return Err(Overflown);
        }
        match &mut waiting.task {
            Some(task) => task.clone_from(context.waker()),
            task => *task = Some(context.waker().clone()),
        }
        while room && let Some(delivery) = waiting.deliveries.pop_front() {
            if take(delivery) {
                break;
            }
        }
        if waiting.deliveries.is_empty() && waiting.deliveries.capacity() > KEPT {
            waiting.deliveries = VecDeque::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn frame(number: usize) -> Delivery {
        Delivery::Frame(number.to_string())
    }

    #[test]
    fn in_order_and_woken_once() {
        let outbox = Outbox::new(100);
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut taken = Vec::new();
        let mut take = |most: usize| {
            let mut count = 0;
            outbox.take(&mut context, true, |delivery| {
                taken.push(delivery);
                count += 1;
                count == most
            })
        };
        assert_eq!(take(9), Ok(()));
        (0..5).for_each(|number| outbox.put(frame(number)));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(take(2), Ok(()));
        assert_eq!(take(9), Ok(()));
        // It is woken for what comes after that, too.
        outbox.put(frame(5));
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(take(9), Ok(()));
        assert_eq!(taken, (0..6).map(frame).collect::<Vec<_>>());
        assert!(outbox.waiting().deliveries.capacity() <= KEPT);
    }

    #[test]
    fn too_many_are_not_kept() {
        let outbox = Outbox::new(3);
        (0..1000).for_each(|number| outbox.put(frame(number)));
        assert_eq!(outbox.waiting().deliveries.len(), 3);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(outbox.take(&mut context, false, |_| false), Err(Overflown));
    }
}
