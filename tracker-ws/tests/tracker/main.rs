//! The tracker over real sockets.

mod auth;
mod certificates;
mod client;
mod http;
mod lifetime;
mod limits;
mod membership;
mod peer;
mod process;
mod signalling;
