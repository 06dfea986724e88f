//! Publishing commands and the native peer

fn main() {}
