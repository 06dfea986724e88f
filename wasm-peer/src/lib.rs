//! The browser's peer: data channels, timers, the tracker's socket, origin fetches and the MSE feeder around the
//! state machines of `ppspp` and `tracker-protocol`. No policy lives here.
//!
//! * [`peer`]: what JavaScript sees
//! * [`engine`]: swarms, demands, origin fetches, the chunk store's budget
//! * [`net`]: identity, tracker socket, signalling, connections
//! * [`feeder`]: HLS → MediaSource
//! * [`fetch`]: HTTP with ranges and abort

mod crypto;
mod engine;
mod feeder;
mod fetch;
mod js;
mod net;
mod peer;
