//! The one `setTimeout` behind all of the network's timers.

use std::cell::Cell;

use js_sys::Function;
use ppspp::Timestamp;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Performance;

use crate::js::get;

/// The page's clocks.
pub(crate) struct Clock {
    performance: Performance,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock {
            performance: get(&js_sys::global(), "performance").unchecked_into(),
        }
    }

    /// Milliseconds since the page began: for time-outs, as it never jumps.
    pub(crate) fn now(&self) -> f64 {
        self.performance.now()
    }

    /// [`Clock::now`] for the machines of `ppspp`.
    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp((self.now() * 1000.0) as u64)
    }

    /// Microseconds since 1970: for what is compared with other machines' clocks.
    pub(crate) fn unix_us(&self) -> u64 {
        (js_sys::Date::now() * 1000.0) as u64
    }
}

/// Calls one function at the earliest time asked for. The function looks at what is due and arms the timer
/// again.
pub(crate) struct Timer {
    closure: Closure<dyn Fn()>,
    set_timeout: Function,
    clear_timeout: Function,
    handle: Cell<Option<f64>>,
    due: Cell<f64>,
}

impl Timer {
    pub(crate) fn new(on_due: impl Fn() + 'static) -> Timer {
        let global = js_sys::global();
        let function = |name: &str| get(&global, name).unchecked_into();
        Timer {
            closure: Closure::new(on_due),
            set_timeout: function("setTimeout"),
            clear_timeout: function("clearTimeout"),
            handle: Cell::new(None),
            due: Cell::new(f64::INFINITY),
        }
    }

    /// Makes sure that the function runs at `due` ([`Clock::now`]) or before; `now` is the time of the call.
    pub(crate) fn arm(&self, now: f64, due: f64) {
        if self.handle.get().is_some() && self.due.get() <= due {
            return;
        }
        self.stop();
        if !due.is_finite() {
            return;
        }
        // A browser rounds down: one millisecond more spares a call that finds nothing due.
        let delay = (due - now).clamp(0.0, 3_600_000.0) + 1.0;
        let handle = self.set_timeout.call2(
            &JsValue::UNDEFINED,
            self.closure.as_ref(),
            &JsValue::from_f64(delay),
        );
        if let Some(handle) = handle.ok().and_then(|handle| handle.as_f64()) {
            self.handle.set(Some(handle));
            self.due.set(due);
        }
    }

    /// To be called first by the function: the time-out has been used up.
    pub(crate) fn fired(&self) {
        self.handle.set(None);
        self.due.set(f64::INFINITY);
    }

    pub(crate) fn stop(&self) {
        if let Some(handle) = self.handle.take() {
            let _ = self
                .clear_timeout
                .call1(&JsValue::UNDEFINED, &JsValue::from_f64(handle));
        }
        self.due.set(f64::INFINITY);
    }
}
