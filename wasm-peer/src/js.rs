//! Plain JavaScript objects, built and read without a serialiser; and futures for JavaScript's event loop.

use core::pin::Pin;

use js_sys::{Array, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// An object with the given members.
pub(crate) fn object<const N: usize>(members: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in members {
        set(&object, name, value);
    }
    object
}

/// Sets a member.
pub(crate) fn set(object: &Object, name: &str, value: JsValue) {
    // Only a frozen object or a setter refuses, and these are ours.
    let _ = Reflect::set(object, &JsValue::from_str(name), &value);
}

/// A member; `undefined` when there is none.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// An array; an empty one when it is anything else.
pub(crate) fn array(value: &JsValue) -> Array {
    value.dyn_ref::<Array>().cloned().unwrap_or_default()
}

/// A number for JavaScript. Counters stay far below 2⁵³.
pub(crate) fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

/// An `Error` whose `name` says what kind it is.
pub(crate) fn error(name: &str, message: &str) -> js_sys::Error {
    let error = js_sys::Error::new(message);
    error.set_name(name);
    error
}

/// Runs a future by itself, beginning with the next microtask.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    spawn_boxed(Box::pin(future));
}

// For one type of future only: what starts a task is generic, and inlined wherever it is used.
#[inline(never)]
fn spawn_boxed(future: Pin<Box<dyn Future<Output = ()>>>) {
    wasm_bindgen_futures::spawn_local(future);
}

/// A promise of what a future results in.
pub(crate) fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    promise_boxed(Box::pin(future))
}

// As above.
#[inline(never)]
fn promise_boxed(future: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>) -> Promise {
    wasm_bindgen_futures::future_to_promise(future)
}
