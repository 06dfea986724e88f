//! Plain JavaScript objects, built and read without a serialiser; and futures for JavaScript's event loop.

use core::pin::Pin;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    /// An object that is built member by member.
    #[wasm_bindgen(extends = Object)]
    pub(crate) type Record;

    #[wasm_bindgen(constructor, js_class = "Object")]
    pub(crate) fn new() -> Record;

    /// Sets a member that is a string.
    #[wasm_bindgen(method, structural, indexing_setter)]
    pub(crate) fn text(this: &Record, name: &str, value: &str);

    /// Sets a member that is a number.
    #[wasm_bindgen(method, structural, indexing_setter)]
    pub(crate) fn number(this: &Record, name: &str, value: f64);

    /// Sets a member.
    #[wasm_bindgen(method, structural, indexing_setter)]
    pub(crate) fn value(this: &Record, name: &str, value: &JsValue);
}

impl Record {
    /// Sets a member that counts something. Counters stay far below 2⁵³.
    pub(crate) fn count(&self, name: &str, value: u64) {
        self.number(name, value as f64);
    }

    /// Sets a member that is a number, or `null` where there is none.
    pub(crate) fn number_or_null(&self, name: &str, value: Option<f64>) {
        self.value(name, &value.map_or(JsValue::NULL, JsValue::from_f64));
    }
}

/// A closure given to JavaScript. One type for all: each further one would cost its own glue.
pub(crate) type JsClosure = Closure<dyn Fn(JsValue)>;

/// A member; `undefined` when there is none.
#[inline(never)]
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// An array; an empty one when it is anything else.
#[inline(never)]
pub(crate) fn array(value: &JsValue) -> Array {
    value.dyn_ref::<Array>().cloned().unwrap_or_default()
}

/// A member that is a string.
#[inline(never)]
pub(crate) fn get_text(object: &JsValue, name: &str) -> Option<String> {
    get(object, name).as_string()
}

/// An `Error` whose `name` says what kind it is.
#[inline(never)]
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
