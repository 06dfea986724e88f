//! The WebTorrent dialect on `/announce`: what the clients of BitTorrent's WebSocket trackers speak, which are existing
//! WebRTC peers. JSON text frames; IDs are strings of 20 characters, each standing for a byte.
//!
//! * `announce`: joins the swarm of an info hash, or says that it is still there; its offers go to random members, one
//!   each, and their answers come back the same way. `"event":"stopped"` leaves.
//! * `scrape`: how many members the named info hashes have.
//!
//! Nothing is proven here, so little is believed: a peer ID belongs to the socket that announced it first, and an answer
//! passes only along an offer that was handed out, once. Its swarms are not those of PPSP.

mod message;
mod outcome;
mod plain;
mod session;
mod torrent;
mod torrents;
mod wire;

pub(crate) use message::MAX_OFFERS;
pub(crate) use session::WebTorrent;
pub(crate) use torrents::{Torrents, TorrentsConfig};
