//! A SourceBuffer with its operations one at a time, each a future that ends with `updateend`.
//!
//! A track's appender is the only one to call it, so the order of operations is the order of its calls.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::{ArrayBuffer, Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{SourceBuffer, TimeRanges};

use super::listener::Listener;
use super::window::{Buffered, Span};

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationError {
    /// The browser's quota is used up: evict and try again.
    Quota,
    /// The media was refused, or the operation is not possible now; the text says what.
    Refused(String),
    /// The player was detached.
    Closed,
}

#[derive(Default)]
struct State {
    waker: RefCell<Option<Waker>>,
    ended: Cell<bool>,
    failed: Cell<bool>,
    closed: Cell<bool>,
}

impl State {
    fn wake(&self) {
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// One SourceBuffer.
pub struct OperationQueue {
    buffer: SourceBuffer,
    mime: RefCell<String>,
    state: Rc<State>,
    listeners: RefCell<Vec<Listener>>,
}

impl OperationQueue {
    /// Takes the SourceBuffer over. `mime` is the type it was made with.
    pub fn new(buffer: SourceBuffer, mime: String) -> Self {
        let state = Rc::new(State::default());
        let on_error = state.clone();
        let on_end = state.clone();
        let listeners = vec![
            Listener::new(&buffer, "error", move || on_error.failed.set(true)),
            Listener::new(&buffer, "updateend", move || {
                on_end.ended.set(true);
                on_end.wake();
            }),
        ];
        Self {
            buffer,
            mime: RefCell::new(mime),
            state,
            listeners: RefCell::new(listeners),
        }
    }

    /// What it holds; nothing once it is removed from its media source.
    pub fn buffered(&self) -> Buffered {
        self.buffer
            .buffered()
            .map_or_else(|_| Buffered::default(), |ranges| read_ranges(&ranges))
    }

    /// Is an operation under way?
    pub fn updating(&self) -> bool {
        self.buffer.updating()
    }

    /// Appends a media segment.
    pub async fn append(&self, data: &ArrayBuffer) -> Result<(), OperationError> {
        self.run(|buffer| buffer.append_buffer_with_array_buffer(data))
            .await
    }

    /// Appends an init section.
    pub async fn append_init(&self, data: &Uint8Array) -> Result<(), OperationError> {
        self.run(|buffer| buffer.append_buffer_with_array_buffer_view(data))
            .await
    }

    /// Removes what lies between two media times (seconds).
    pub async fn remove(&self, start: f64, end: f64) -> Result<(), OperationError> {
        self.run(|buffer| buffer.remove(start, end)).await
    }

    /// Prepares for media of another type, if it is another.
    pub fn change_type(&self, mime: &str) -> Result<(), OperationError> {
        if *self.mime.borrow() == mime {
            return Ok(());
        }
        self.open()?;
        self.buffer
            .change_type(mime)
            .map_err(|error| self.refusal(&error))?;
        mime.clone_into(&mut self.mime.borrow_mut());
        Ok(())
    }

    /// Shifts what is appended from now on by so many seconds.
    pub fn set_timestamp_offset(&self, offset: f64) -> Result<(), OperationError> {
        self.open()?;
        if self.buffer.timestamp_offset() == offset {
            return Ok(());
        }
        // The plain setter cannot report the exception that a closed or busy buffer throws.
        Reflect::set(
            &self.buffer,
            &JsValue::from_str("timestampOffset"),
            &JsValue::from_f64(offset),
        )
        .map(|_| ())
        .map_err(|error| self.refusal(&error))
    }

    /// Ends the operation under way and all later ones with [`OperationError::Closed`].
    pub fn close(&self) {
        self.state.closed.set(true);
        self.state.wake();
        let listeners = self.listeners.take();
        Listener::retire(listeners);
    }

    fn open(&self) -> Result<(), OperationError> {
        if self.state.closed.get() {
            Err(OperationError::Closed)
        } else {
            Ok(())
        }
    }

    async fn run(
        &self,
        operation: impl FnOnce(&SourceBuffer) -> Result<(), JsValue>,
    ) -> Result<(), OperationError> {
        self.open()?;
        self.state.ended.set(false);
        self.state.failed.set(false);
        operation(&self.buffer).map_err(|error| self.refusal(&error))?;
        poll_fn(|context| {
            if self.state.closed.get() {
                return Poll::Ready(Err(OperationError::Closed));
            }
            if !self.state.ended.get() {
                *self.state.waker.borrow_mut() = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(match self.state.failed.get() {
                true => Err(OperationError::Refused("the browser cannot decode it".into())),
                false => Ok(()),
            })
        })
        .await
    }

    fn refusal(&self, error: &JsValue) -> OperationError {
        let member = |name| {
            Reflect::get(error, &JsValue::from_str(name))
                .ok()
                .and_then(|value| value.as_string())
        };
        if member("name").as_deref() == Some("QuotaExceededError") {
            return OperationError::Quota;
        }
        OperationError::Refused(member("message").unwrap_or_default())
    }
}

/// Copies a TimeRanges.
pub fn read_ranges(ranges: &TimeRanges) -> Buffered {
    Buffered(
        (0..ranges.length())
            .filter_map(|index| {
                Some(Span {
                    start: ranges.start(index).ok()?,
                    end: ranges.end(index).ok()?,
                })
            })
            .collect(),
    )
}
