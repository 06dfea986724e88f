//! The browser's peer: data channels, timers, the tracker's socket and origin fetches around the state machines of
//! `ppspp` and `tracker-protocol`. No policy lives here, and no player: that is in `js/`.
//!
//! * [`peer`]: what JavaScript sees
//! * [`engine`]: swarms, demands, origin fetches, the chunk store's budget
//! * [`net`]: identity, tracker socket, signalling, connections
//! * [`page`]: what the page does for all of it

mod engine;
mod js;
mod net;
mod page;
mod peer;
