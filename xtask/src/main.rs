//! The build tool: cargo xtask demo | test | build

fn main() {}
