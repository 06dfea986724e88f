//! The simulator as a WebAssembly module: `cargo xtask test` runs [`SCENARIOS`] here and natively, and compares the
//! hashes of their event logs.

/// What is run: static content with real bytes, a live stream with stubs; 200 viewers each.
pub const SCENARIOS: [&str; 2] = [
    include_str!("../../scenarios/checks/vod-200-bytes.toml"),
    include_str!("../../scenarios/checks/live-200.toml"),
];

/// The event log's hash of scenario `index`; 0 when there is no such scenario.
pub fn log_hash(index: usize, seed: u64) -> u64 {
    SCENARIOS
        .get(index)
        .and_then(|scenario| shoal_sim::run(scenario, seed).ok())
        .and_then(|report| u64::from_str_radix(&report.log_hash, 16).ok())
        .unwrap_or(0)
}

/// [`log_hash`] for JavaScript: a `BigInt`, signed.
#[unsafe(no_mangle)]
pub extern "C" fn log_hash_of(index: u32, seed: u32) -> u64 {
    log_hash(index as usize, u64::from(seed))
}
