//! Leaving the page, and coming back to it from the browser's back/forward cache.

use std::rc::Weak;

use js_sys::Function;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::Inner;
use crate::js::{JsClosure, get};

/// Listens to `pagehide` and `pageshow` while it lives.
pub(super) struct Listeners {
    hide: JsClosure,
    show: JsClosure,
}

impl Listeners {
    pub(super) fn new(inner: &Weak<Inner>) -> Listeners {
        let (hiding, showing) = (inner.clone(), inner.clone());
        let listeners = Listeners {
            hide: Closure::new(move |_| {
                if let Some(inner) = hiding.upgrade() {
                    inner.page_hidden();
                }
            }),
            show: Closure::new(move |event: JsValue| {
                if get(&event, "persisted").is_truthy()
                    && let Some(inner) = showing.upgrade()
                {
                    inner.page_shown();
                }
            }),
        };
        listeners.each("addEventListener");
        listeners
    }

    fn each(&self, method: &str) {
        let global = js_sys::global();
        let method: Function = get(&global, method).unchecked_into();
        for (name, closure) in [("pagehide", &self.hide), ("pageshow", &self.show)] {
            let _ = method.call2(&global, &JsValue::from_str(name), closure.as_ref());
        }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.each("removeEventListener");
    }
}

impl Inner {
    /// The page goes away, perhaps into the back/forward cache. There is no time for a signature, hence for a
    /// signed `bye`: closing the connections tells the remotes at once, and LEAVE tells the tracker.
    fn page_hidden(&self) {
        self.suspend_tracker();
        self.close_all("page-hidden");
        self.deliver();
    }

    fn page_shown(&self) {
        self.resume_tracker();
        self.deliver();
    }
}
