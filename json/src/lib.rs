//! JSON (RFC 8259) in little code: the tracker's messages and `shoal.json` are read and written with it.
//!
//! It is our own for the size of the browser's bundle: derived `serde` readers of the tracker's messages and
//! `serde_json` beneath them were 40 KB of it after gzip. Tests hold both directions against `serde_json`.
//!
//! * [`parse`] makes a [`Value`] that borrows from the text. How deep it may nest is the caller's to say; how long the
//!   text may be is the caller's to check before.
//! * [`Writer`] writes members in the order it is told.
//! * [`base64url`] is how members carry bytes.
//!
//! Numbers are never floating point here: the code that reads and prints fractions exactly is larger than all of this.

pub mod base64url;
mod plain;
mod reader;
mod value;
mod writer;

pub use reader::{Error, parse};
pub use value::{Number, Object, Twice, Value};
pub use writer::Writer;

#[cfg(test)]
mod tests;
