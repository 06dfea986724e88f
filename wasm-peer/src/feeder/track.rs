//! One track: several loads under way ahead of the playhead, for one SourceBuffer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::ArrayBuffer;
use web_sys::AbortController;

use super::appender::Appender;
use super::host::Host;
use super::listener::sleep;
use super::loaded::{Init, Loaded};
use super::rendition::{RETRIES, Rendition};
use super::source::{LoadError, Loading};
use super::source_buffer::OperationQueue;
use super::window::{self, Buffered, Ledger, Span};

/// On a switch in danger, a load that starts within so many seconds of the playhead is finished: most of it is
/// probably here.
const URGENT: f64 = 1.0;

/// What a switch does to the segments of the rendition before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Loads under way go on.
    Calm,
    /// Loads that are not urgent are given up.
    InDanger,
    /// As `InDanger`, and what is buffered beyond the next segment is loaded again.
    Replace,
}

/// A media type with its SourceBuffer.
pub struct Track {
    pub(super) host: Rc<Host>,
    pub(super) buffer: OperationQueue,
    pub(super) ledger: RefCell<Ledger>,
    pub(super) appender: Appender,
    /// Ends the load of its live playlist that is under way.
    pub(super) reloading: RefCell<Option<AbortController>>,
    /// Ascending by start.
    pub(super) loads: RefCell<Vec<Load>>,
    renditions: Vec<Rendition>,
    /// The rendition whose segments are loaded from now on. Its playlist is loaded.
    target: Cell<usize>,
}

/// A segment being loaded, or waiting to be appended.
pub(super) struct Load {
    /// Names it here; the engine knows each attempt by an ID of its own.
    key: u32,
    id: u32,
    pub(super) rendition: usize,
    loaded: Rc<Loaded>,
    segment: usize,
    pub(super) span: Span,
    state: LoadState,
}

enum LoadState {
    Loading,
    Ready(ArrayBuffer),
    Appending,
}

/// A segment on its way into the SourceBuffer.
pub(super) struct Job {
    pub(super) key: u32,
    pub(super) rendition: usize,
    pub(super) loaded: Rc<Loaded>,
    pub(super) segment: usize,
    pub(super) span: Span,
    pub(super) init: Rc<Init>,
    pub(super) data: ArrayBuffer,
}

impl Track {
    /// A track whose rendition `target` has been loaded.
    pub fn new(
        host: Rc<Host>,
        renditions: Vec<Rendition>,
        target: usize,
        buffer: OperationQueue,
    ) -> Rc<Self> {
        Rc::new(Self {
            host,
            buffer,
            ledger: RefCell::default(),
            appender: Appender::default(),
            reloading: RefCell::default(),
            loads: RefCell::default(),
            renditions,
            target: Cell::new(target),
        })
    }

    /// Its renditions.
    pub fn renditions(&self) -> &[Rendition] {
        &self.renditions
    }

    /// Is its SourceBuffer busy?
    pub fn busy(&self) -> bool {
        self.appender.active() || self.buffer.updating()
    }

    /// The rendition whose segments are being loaded.
    pub fn target_index(&self) -> usize {
        self.target.get()
    }

    /// The playlist of that rendition as it is known now.
    pub fn target(&self) -> Option<Rc<Loaded>> {
        self.renditions[self.target.get()].loaded()
    }

    /// Cancels what is not needed any more, starts what is, appends what has come. `starting`: nothing can be
    /// played yet.
    pub fn step(self: &Rc<Self>, playhead: f64, starting: bool) {
        let goal = self.appender.goal();
        self.cancel(|load| !window::in_window(load.span, playhead));
        if let Some(loaded) = self.target().filter(|_| self.host.streaming.get()) {
            let limit = if starting {
                window::MAX_STARTING_LOADS
            } else {
                window::MAX_LOADS
            };
            let free = limit.saturating_sub(self.loads.borrow().len());
            let missing = self.missing(&loaded, playhead, goal, free);
            if let Some(first) = missing.first() {
                // Fetched beside the first segments, not after them.
                loaded.init(&self.host, *first);
            }
            for segment in missing {
                self.start(&loaded, segment);
            }
        }
        self.append_ready();
    }

    /// Tells the engine anew when each load is needed.
    pub fn refresh_deadlines(&self) {
        let loading: Vec<(u32, f64)> = self
            .loads
            .borrow()
            .iter()
            .filter(|load| matches!(load.state, LoadState::Loading))
            .map(|load| (load.id, load.span.start))
            .collect();
        for (id, start) in loading {
            self.host.source.set_deadline(id, self.host.deadline(start));
        }
    }

    /// Has everything from the playhead to the end been appended?
    pub fn complete(&self, playhead: f64) -> bool {
        if self.busy() || !self.loads.borrow().is_empty() {
            return false;
        }
        let Some(loaded) = self.target().filter(|loaded| loaded.ended()) else {
            return false;
        };
        let Some(last) = loaded.list.spans.last() else {
            return true;
        };
        let buffered = self.buffer.buffered();
        self.ledger.borrow().has(*last, playhead, &buffered)
            && self.missing(&loaded, playhead, f64::INFINITY, 1).is_empty()
    }

    /// Is something on its way for this time?
    pub fn awaits(&self, start: f64, end: f64) -> bool {
        self.loads
            .borrow()
            .iter()
            .any(|load| load.span.start < end && load.span.end > start)
    }

    /// Is a segment of this time listed that could still be loaded?
    pub fn wants(&self, start: f64, end: f64) -> bool {
        self.target()
            .is_some_and(|loaded| !self.missing(&loaded, start, end - start, 1).is_empty())
    }

    /// Has a load missed its deadline by more than a second?
    pub fn late(&self) -> bool {
        let limit = self.host.playhead() - 1.0;
        let loads = self.loads.borrow();
        loads
            .iter()
            .any(|load| matches!(load.state, LoadState::Loading) && load.span.start < limit)
    }

    /// The rendition that plays at this time, if it is buffered.
    pub fn rendition_at(&self, time: f64) -> Option<usize> {
        self.ledger.borrow().rendition_at(time)
    }

    /// The segments of the rendition being loaded, from the one that plays at `time` to those loaded ahead.
    pub fn window(&self, time: f64) -> Vec<(Rc<str>, u32)> {
        let Some(loaded) = self.target() else {
            return Vec::new();
        };
        window::wanted(
            &loaded.list.spans,
            time,
            self.appender.goal(),
            window::MAX_LOADS,
            |_| false,
        )
        .into_iter()
        .map(|segment| (loaded.playlist.clone(), loaded.number(segment)))
        .collect()
    }

    /// Loads another rendition from now on; its playlist must be loaded.
    pub fn switch(&self, rendition: usize, how: Switch, playhead: f64) {
        let Some(loaded) = self.renditions[rendition].loaded() else {
            return;
        };
        if self.target.get() == rendition {
            return;
        }
        let keep = if how == Switch::Replace {
            let spans = &loaded.list.spans;
            let playing = spans.partition_point(|span| span.end <= playhead);
            let keep = spans.get(playing + 1).map_or(f64::INFINITY, |next| next.end);
            self.ledger.borrow_mut().forget_from(keep);
            keep
        } else {
            f64::INFINITY
        };
        self.target.set(rendition);
        if how != Switch::Calm {
            self.cancel(|load| {
                load.span.start >= keep
                    || load.span.start > playhead + URGENT && matches!(load.state, LoadState::Loading)
            });
        }
    }

    /// Gives everything up.
    pub fn close(&self) {
        let loads = self.loads.take();
        if let Some(abort) = self.reloading.take() {
            abort.abort();
        }
        self.buffer.close();
        for load in loads
            .iter()
            .filter(|load| matches!(load.state, LoadState::Loading))
        {
            self.host.source.cancel(load.id);
        }
    }

    fn missing(&self, loaded: &Loaded, playhead: f64, goal: f64, limit: usize) -> Vec<usize> {
        let buffered = self.buffer.buffered();
        let (ledger, loads) = (self.ledger.borrow(), self.loads.borrow());
        window::wanted(&loaded.list.spans, playhead, goal, limit, |span| {
            let middle = (span.start + span.end) / 2.0;
            loads
                .iter()
                .any(|load| load.span.start <= middle && middle < load.span.end)
                || ledger.has(span, playhead, &buffered)
        })
    }

    fn cancel(&self, unwanted: impl Fn(&Load) -> bool) {
        let mut cancelled = Vec::new();
        self.loads.borrow_mut().retain(|load| {
            if matches!(load.state, LoadState::Appending) || !unwanted(load) {
                return true;
            }
            if matches!(load.state, LoadState::Loading) {
                cancelled.push(load.id);
            }
            false
        });
        for id in cancelled {
            self.host.source.cancel(id);
        }
    }

    fn start(self: &Rc<Self>, loaded: &Rc<Loaded>, segment: usize) {
        let id = self.host.next_id();
        let rendition = self.target.get();
        let span = loaded.list.spans[segment];
        if loaded.gap(segment) {
            return self.skip(span, rendition);
        }
        let request = match loaded.request(segment, id, self.host.deadline(span.start)) {
            Ok(request) => request,
            Err(error) => return self.host.report(&error.to_string(), true),
        };
        let load = Load {
            key: id,
            id,
            rendition,
            loaded: loaded.clone(),
            segment,
            span,
            state: LoadState::Loading,
        };
        {
            let mut loads = self.loads.borrow_mut();
            let at = loads.partition_point(|other| other.span.start <= span.start);
            loads.insert(at, load);
        }
        let mut loading = self.host.source.load(request);
        let (weak, key) = (Rc::downgrade(self), id);
        crate::js::spawn(async move {
            let mut retries = RETRIES.iter();
            loop {
                let result = loading.await;
                let Some(track) = weak.upgrade() else { return };
                let error = match result {
                    Ok(data) => return track.arrived(key, data),
                    // If nobody here asked for that, the next step asks for the segment again.
                    Err(LoadError::Cancelled) => return track.forget(key),
                    Err(error) => error,
                };
                let Some(delay) = retries.next().copied().or_else(|| track.failed(key, &error)) else {
                    return;
                };
                drop(track);
                sleep(delay).await;
                let Some(next) = weak.upgrade().and_then(|track| track.retry(key)) else {
                    return;
                };
                loading = next;
            }
        });
    }

    /// Starts a load that failed again, unless it has been cancelled meanwhile.
    fn retry(&self, key: u32) -> Option<Loading> {
        let id = self.host.next_id();
        let (loaded, segment, start) = {
            let mut loads = self.loads.borrow_mut();
            let load = loads.iter_mut().find(|load| load.key == key)?;
            load.id = id;
            (load.loaded.clone(), load.segment, load.span.start)
        };
        let deadline = self.host.deadline(start);
        Some(self.host.source.load(loaded.request(segment, id, deadline).ok()?))
    }

    fn arrived(self: &Rc<Self>, key: u32, data: ArrayBuffer) {
        let mut loads = self.loads.borrow_mut();
        let Some(load) = loads.iter_mut().find(|load| load.key == key) else {
            return;
        };
        load.state = LoadState::Ready(data);
        drop(loads);
        self.host.wake();
    }

    /// A load has failed as often as it is tried at once. In live, returns the milliseconds to wait for another try
    /// while it is listed and there is time for one; after that the segment is left out. Otherwise playback ends.
    fn failed(self: &Rc<Self>, key: u32, error: &LoadError) -> Option<i32> {
        let (playlist, number, rendition, span) = {
            let loads = self.loads.borrow();
            let load = loads.iter().find(|load| load.key == key)?;
            let number = load.loaded.number(load.segment);
            (load.loaded.playlist.clone(), number, load.rendition, load.span)
        };
        let live = self.host.live.get();
        let listed = self.target().is_some_and(|loaded| span.end > loaded.list.start());
        let wait = RETRIES[RETRIES.len() - 1];
        if live && listed && self.host.deadline(span.start) > f64::from(wait) {
            return Some(wait);
        }
        let message = format!("segment {number} of {playlist}: {error}");
        self.host.report(&message, !live);
        self.forget(key);
        self.skip(span, rendition);
        None
    }

    /// Nothing will come for this span: it counts as a segment that is all hole.
    fn skip(&self, span: Span, rendition: usize) {
        self.ledger
            .borrow_mut()
            .place(span, rendition, 0.0, &Buffered::default());
        self.host.wake();
    }

    pub(super) fn forget(&self, key: u32) {
        self.loads.borrow_mut().retain(|load| load.key != key);
    }

    /// The earliest segment of the window, if it has come: later ones wait for it.
    pub(super) fn next_job(&self) -> Option<Job> {
        let first = {
            let loads = self.loads.borrow();
            let load = loads
                .first()
                .filter(|load| matches!(load.state, LoadState::Ready(_)))?;
            (load.loaded.clone(), load.segment)
        };
        let init = first.0.init(&self.host, first.1)?;
        let mut loads = self.loads.borrow_mut();
        let load = loads.first_mut()?;
        let LoadState::Ready(data) = std::mem::replace(&mut load.state, LoadState::Appending) else {
            return None;
        };
        Some(Job {
            key: load.key,
            rendition: load.rendition,
            loaded: load.loaded.clone(),
            segment: load.segment,
            span: load.span,
            init,
            data,
        })
    }

    /// Puts a segment back that could not be appended now.
    pub(super) fn put_back(&self, job: Job) {
        let mut loads = self.loads.borrow_mut();
        if let Some(load) = loads.iter_mut().find(|load| load.key == job.key) {
            load.state = LoadState::Ready(job.data);
        }
    }
}
