//! The browser's peer

mod feeder;
mod fetch;
mod net;
