//! Prints the event logs' hashes of the native runs, one a line.

fn main() {
    for index in 0..shoal_sim_wasm::SCENARIOS.len() {
        println!("{:016x}", shoal_sim_wasm::log_hash(index, 1));
    }
}
