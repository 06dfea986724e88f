//! Event listeners and waiting, owned by what they serve.

use js_sys::{Function, Promise};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use wasm_bindgen_futures::JsFuture;
use web_sys::EventTarget;

/// An event listener that is removed when it is dropped.
pub struct Listener {
    target: EventTarget,
    event: &'static str,
    closure: Closure<dyn FnMut()>,
}

impl Listener {
    /// Calls `on_event` for every such event of the target.
    pub fn new(target: &EventTarget, event: &'static str, on_event: impl FnMut() + 'static) -> Self {
        let closure = Closure::new(on_event);
        // These can fail for a target of a foreign realm only.
        let _ = target.add_event_listener_with_callback(event, function(&closure));
        Self {
            target: target.clone(),
            event,
            closure,
        }
    }

    /// Removes listeners now and drops their closures on the next turn: one of them may be running.
    pub fn retire(listeners: Vec<Self>) {
        listeners.iter().for_each(Self::remove);
        crate::js::spawn(async move { drop(listeners) });
    }

    fn remove(&self) {
        let _ = self
            .target
            .remove_event_listener_with_callback(self.event, function(&self.closure));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Calls a function again and again until it is dropped.
pub struct Interval {
    handle: Option<i32>,
    closure: Option<Closure<dyn FnMut()>>,
}

impl Interval {
    /// Every so many milliseconds (fewer times where the browser throttles timers).
    pub fn new(milliseconds: i32, on_time: impl FnMut() + 'static) -> Self {
        let closure = Closure::new(on_time);
        let handle = web_sys::window().and_then(|window| {
            window
                .set_interval_with_callback_and_timeout_and_arguments_0(function(&closure), milliseconds)
                .ok()
        });
        Self {
            handle,
            closure: Some(closure),
        }
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        if let (Some(handle), Some(window)) = (self.handle, web_sys::window()) {
            window.clear_interval_with_handle(handle);
        }
        let closure = self.closure.take();
        crate::js::spawn(async move { drop(closure) });
    }
}

/// Waits so many milliseconds.
pub async fn sleep(milliseconds: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
        }
    });
    let _ = JsFuture::from(promise).await;
}

/// Milliseconds of the page's monotonic clock.
pub fn now() -> f64 {
    web_sys::window()
        .and_then(|window| window.performance())
        .map_or_else(js_sys::Date::now, |clock| clock.now())
}

fn function(closure: &Closure<dyn FnMut()>) -> &Function {
    closure.as_ref().unchecked_ref()
}
