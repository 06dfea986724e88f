//! WebSocket tracker

fn main() {}
