//! The tracker over real sockets.

mod access;
mod auth;
mod certificates;
mod client;
mod cluster;
mod conformance;
mod drain;
mod engine;
mod front_settings;
mod http;
mod lifetime;
mod limits;
mod membership;
mod peer;
mod post;
mod poster;
mod process;
mod proxies;
mod reload;
mod settings;
mod signalling;
mod tls;
mod tokens;
mod webtorrent;
