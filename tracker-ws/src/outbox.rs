//! What waits to be sent on a socket.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::registry::Delivery;

/// Room for so many is kept when nothing waits.
const KEPT: usize = 4;
/// Most frames that wait for others to be sent with.
const MOST_LATE: usize = 16;

/// What others have put there, and the socket's task takes.
#[derive(Debug)]
pub(crate) struct Outbox {
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    deliveries: VecDeque<Delivery>,
    /// So many of them may wait for others, and the others may not wait for anything.
    late: usize,
    task: Option<Waker>,
    /// Some were lost, for there were too many.
    overflown: bool,
}

impl Waiting {
    fn is_urgent(&self) -> bool {
        self.deliveries.len() > self.late || self.late >= MOST_LATE || self.overflown
    }
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

    /// Adds one. One that may wait wakes nobody: only the socket's own task puts such there.
    pub(crate) fn put(&self, delivery: Delivery) {
        let mut waiting = self.waiting();
        if waiting.deliveries.len() < self.most {
            waiting.late += usize::from(matches!(delivery, Delivery::Late(_)));
            waiting.deliveries.push_back(delivery);
        } else {
            waiting.overflown = true;
        }
        let task = match waiting.is_urgent() {
            true => waiting.task.take(),
            false => None,
        };
        drop(waiting);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Hands over those that wait, until `take` has enough and says so; none while there is no room, and none that may be
    /// late where there are no others, unless it `hurries`. The task is woken for the next one that is put there in any case,
    /// if that may not be late. Returns whether there are some that are to be hurried in the end.
    ///
    /// # Errors
    /// [`Overflown`]: then nothing is handed over any more.
    pub(crate) fn take(
        &self,
        context: &mut Context<'_>,
        room: bool,
        hurries: bool,
        mut take: impl FnMut(Delivery) -> bool,
    ) -> Result<bool, Overflown> {
        let mut waiting = self.waiting();
        if waiting.overflown {
            return Err(Overflown);
        }
        match &mut waiting.task {
            Some(task) => task.clone_from(context.waker()),
            task => *task = Some(context.waker().clone()),
        }
        let hands_over = room && (hurries || waiting.is_urgent());
        while hands_over && let Some(delivery) = waiting.deliveries.pop_front() {
            waiting.late -= usize::from(matches!(delivery, Delivery::Late(_)));
            if take(delivery) {
                break;
            }
        }
        if waiting.deliveries.is_empty() && waiting.deliveries.capacity() > KEPT {
            waiting.deliveries = VecDeque::new();
        }
        Ok(waiting.late > 0)
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
            outbox.take(&mut context, true, false, |delivery| {
                taken.push(delivery);
                count += 1;
                count == most
            })
        };
        assert_eq!(take(9), Ok(false));
        (0..5).for_each(|number| outbox.put(frame(number)));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(take(2), Ok(false));
        assert_eq!(take(9), Ok(false));
        // It is woken for what comes after that, too.
        outbox.put(frame(5));
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(take(9), Ok(false));
        assert_eq!(taken, (0..6).map(frame).collect::<Vec<_>>());
        assert!(outbox.waiting().deliveries.capacity() <= KEPT);
    }

    #[test]
    fn late_ones_wait_for_others() {
        let outbox = Outbox::new(100);
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut taken = Vec::new();
        let mut take = |hurries| {
            outbox.take(&mut context, true, hurries, |delivery| {
                taken.push(delivery);
                false
            })
        };
        let late = |number: usize| Delivery::Late(number.to_string());
        assert_eq!(take(false), Ok(false));
        outbox.put(late(0));
        outbox.put(late(1));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        assert_eq!(take(false), Ok(true));
        // In the order in which they came.
        outbox.put(frame(2));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(take(false), Ok(false));
        outbox.put(late(3));
        assert_eq!(take(false), Ok(true));
        assert_eq!(take(true), Ok(false));
        // Not too many.
        (4..4 + MOST_LATE).for_each(|number| outbox.put(late(number)));
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(take(false), Ok(false));
        let text = |delivery: &Delivery| match delivery {
            Delivery::Frame(text) | Delivery::Late(text) => text.clone(),
            Delivery::Close(..) => String::new(),
        };
        let all: Vec<String> = (0..4 + MOST_LATE).map(|number| number.to_string()).collect();
        assert_eq!(taken.iter().map(text).collect::<Vec<_>>(), all);
    }

    #[test]
    fn too_many_are_not_kept() {
        let outbox = Outbox::new(3);
        (0..1000).for_each(|number| outbox.put(frame(number)));
        assert_eq!(outbox.waiting().deliveries.len(), 3);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(outbox.take(&mut context, false, false, |_| false), Err(Overflown));
    }
}
