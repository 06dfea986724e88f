//! The peer's side.
