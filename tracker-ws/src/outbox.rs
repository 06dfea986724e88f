//! What waits to be sent on a socket.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::registry::Delivery;
use crate::websocket::{put_text, take_small};

/// A batch of so many bytes takes no more frames.
const ENOUGH: usize = 64 * 1024;
/// Most frames that wait for others to be sent with.
const MOST_LATE: usize = 16;

/// What others have put there, and the socket's task takes.
#[derive(Debug)]
pub(crate) struct Outbox {
    most: usize,
    waiting: Mutex<Waiting>,
}

/// Frames as they are written, one after the other.
#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    frames: usize,
    /// So many of them may be late.
    late: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The last takes more, unless it has enough.
    last: Option<Batch>,
    /// Those before it.
    full: VecDeque<Batch>,
    /// Frames of all of them.
    frames: usize,
    /// So many of them may wait for others, and the others may not wait for anything.
    late: usize,
    /// How the socket is to be closed after them. What comes then is lost.
    close: Option<Close>,
    task: Option<Waker>,
    /// Some were lost, for there were too many.
    overflown: bool,
}

impl Waiting {
    fn is_urgent(&self) -> bool {
        self.frames > self.late || self.late >= MOST_LATE || self.overflown || self.close.is_some()
    }

    fn put(&mut self, is_late: bool, pieces: &[&str]) {
        if let Some(full) = self.last.take_if(|last| last.bytes.len() >= ENOUGH) {
            self.full.push_back(full);
        }
        let last = self.last.get_or_insert_with(|| Batch {
            bytes: take_small(),
            frames: 0,
            late: 0,
        });
        put_text(&mut last.bytes, pieces);
        last.frames += 1;
        last.late += usize::from(is_late);
        self.frames += 1;
        self.late += usize::from(is_late);
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let batch = match self.full.pop_front() {
            Some(batch) => batch,
            None => {
                // Nobody's memory stays.
                self.full = VecDeque::new();
                self.last.take()?
            }
        };
        self.frames -= batch.frames;
        self.late -= batch.late;
        Some(batch.bytes)
    }
}

/// A code and a reason.
pub(crate) type Close = (u16, &'static str);

/// What was taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Frames as they are written.
    pub(crate) frames: Option<Vec<u8>>,
    /// How the socket is to be closed after them.
    pub(crate) close: Option<Close>,
    /// Some are left, which are to be hurried in the end.
    pub(crate) some_late: bool,
}

/// The socket's reader is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflown;

impl Outbox {
    /// For so many frames at most.
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
        match delivery {
            Delivery::Frame(frame) => self.put_frame(false, &[&frame]),
            Delivery::Late(frame) => self.put_frame(true, &[&frame]),
            Delivery::Close(code, reason) => self.put_with(|waiting| waiting.close = Some((code, reason))),
        }
    }

    /// Adds a text frame, given in pieces.
    pub(crate) fn put_pieces(&self, pieces: &[&str]) {
        self.put_frame(false, pieces);
    }

    fn put_frame(&self, is_late: bool, pieces: &[&str]) {
        let most = self.most;
        self.put_with(|waiting| match waiting.frames < most {
            true => waiting.put(is_late, pieces),
            false => waiting.overflown = true,
        });
    }

    fn put_with(&self, put: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting();
        if waiting.close.is_none() {
            put(&mut waiting);
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

    /// Hands over a batch of those that wait, which are all of them or enough; none while there is no room, and none that may
    /// be late where there are no others, unless it `hurries`. The task is woken for the next one that is put there in any
    /// case, if that may not be late.
    ///
    /// # Errors
    /// [`Overflown`]: then nothing is handed over any more.
    pub(crate) fn take(
        &self,
        context: &mut Context<'_>,
        room: bool,
        hurries: bool,
    ) -> Result<Taken, Overflown> {
        let mut waiting = self.waiting();
        if waiting.overflown {
            return Err(Overflown);
        }
        match &mut waiting.task {
            Some(task) => task.clone_from(context.waker()),
            task => *task = Some(context.waker().clone()),
        }
        let mut taken = Taken::default();
        if room && (hurries || waiting.is_urgent()) {
            taken.frames = waiting.take();
            if waiting.frames == 0 {
                taken.close = mem::take(&mut waiting.close);
            }
        }
        taken.some_late = waiting.late > 0;
        Ok(taken)
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

    /// As they are written: each of a few bytes.
    fn written(numbers: impl IntoIterator<Item = usize>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in numbers {
            put_text(&mut bytes, &[&number.to_string()]);
        }
        bytes
    }

    fn taken(numbers: impl IntoIterator<Item = usize>) -> Result<Taken, Overflown> {
        Ok(Taken {
            frames: Some(written(numbers)),
            ..Taken::default()
        })
    }

    #[test]
    fn in_order_and_woken_once() {
        let outbox = Outbox::new(100);
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut take = |room| outbox.take(&mut context, room, false);
        assert_eq!(take(true), Ok(Taken::default()));
        (0..5).for_each(|number| outbox.put(frame(number)));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(take(false), Ok(Taken::default()));
        // It is woken for what comes after that, too.
        outbox.put_pieces(&["1", "2"]);
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(take(true), taken((0..5).chain([12])));
        assert_eq!(take(true), Ok(Taken::default()));
    }

    #[test]
    fn no_more_than_enough_at_a_time() {
        let outbox = Outbox::new(1000);
        let mut context = Context::from_waker(Waker::noop());
        let text = "a".repeat(1000);
        (0..200).for_each(|_| outbox.put_pieces(&[&text]));
        outbox.put(Delivery::Close(1000, "over"));
        // Too late.
        outbox.put(frame(0));
        let mut sizes = Vec::new();
        let close = loop {
            let taken = outbox.take(&mut context, true, false).unwrap();
            sizes.push(taken.frames.unwrap().len());
            if taken.close.is_some() {
                break taken.close;
            }
        };
        assert_eq!(close, Some((1000, "over")));
        assert_eq!(sizes.iter().sum::<usize>(), 200 * 1004);
        let (last, full) = sizes.split_last().unwrap();
        assert_eq!(full, [66 * 1004; 3]);
        assert!(*last < ENOUGH);
        assert_eq!(outbox.take(&mut context, true, true), Ok(Taken::default()));
        assert_eq!(outbox.waiting().full.capacity(), 0);
    }

    #[test]
    fn late_ones_wait_for_others() {
        let outbox = Outbox::new(100);
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut take = |hurries| outbox.take(&mut context, true, hurries);
        let late = |number: usize| Delivery::Late(number.to_string());
        let waits = Ok(Taken {
            some_late: true,
            ..Taken::default()
        });
        assert_eq!(take(false), Ok(Taken::default()));
        outbox.put(late(0));
        outbox.put(late(1));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        assert_eq!(take(false), waits);
        // In the order in which they came.
        outbox.put(frame(2));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(take(false), taken(0..3));
        outbox.put(late(3));
        assert_eq!(take(false), waits);
        assert_eq!(take(true), taken([3]));
        // Not too many.
        (4..4 + MOST_LATE).for_each(|number| outbox.put(late(number)));
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(take(false), taken(4..4 + MOST_LATE));
    }

    #[test]
    fn too_many_are_not_kept() {
        let outbox = Outbox::new(3);
        (0..1000).for_each(|number| outbox.put(frame(number)));
        assert_eq!(outbox.waiting().frames, 3);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(outbox.take(&mut context, false, false), Err(Overflown));
    }
}
