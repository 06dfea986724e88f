//! The simulator as a WebAssembly module: `cargo xtask test` compares its runs with native ones.

#![allow(missing_docs, reason = "wasm-bindgen's own items")]

use wasm_bindgen::prelude::wasm_bindgen;

/// Runs a scenario: its log as [`shoal_sim::Report`] has it, or what is wrong with the scenario.
#[wasm_bindgen]
pub fn log_hash(scenario_toml: &str, seed: u64) -> Result<String, String> {
    match shoal_sim::run(scenario_toml, seed) {
        Ok(report) => Ok(report.log_hash),
        Err(error) => Err(error.to_string()),
    }
}
