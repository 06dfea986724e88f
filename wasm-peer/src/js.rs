//! Plain JavaScript objects, built and read without a serialiser.

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

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
