//! The tracker over real sockets.

mod auth;
mod certificates;
mod client;
mod conformance;
mod drain;
mod http;
mod lifetime;
mod limits;
mod membership;
mod peer;
mod post;
mod poster;
mod process;
mod reload;
mod settings;
mod signalling;
mod webtorrent;
