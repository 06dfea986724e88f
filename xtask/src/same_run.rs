//! The same scenario and seed in the simulator built natively and as WebAssembly: the machines in it have to do the same.

use crate::process::{self, cargo, command, root, target};
use crate::wasm_target::{self, TRIPLE};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::process::Command;
use wasm_bindgen_cli_support::Bindgen;

const SCENARIO: &str = "sim/scenarios/live-40.toml";

/// Run by Node: the module's folder, the scenario.
const PROGRAM: &str = "const [module, scenario] = process.argv.slice(1); \
    console.log(require(module).log_hash(require('fs').readFileSync(scenario, 'utf8'), 1n));";

/// Fails when the two event logs differ.
pub fn check() -> Result<()> {
    let scenario = root().join(SCENARIO);
    let mut native = cargo();
    native
        .args(["run", "--quiet", "--release", "--package", "shoal-sim", "--"])
        .args(["--seed", "1", "--log-hash"])
        .arg(&scenario);
    let module = build()?;
    let mut node = command("node");
    node.args(["--eval", PROGRAM]).arg(module).arg(&scenario);
    let (native, wasm) = (output(&mut native)?, output(&mut node)?);
    ensure!(!native.is_empty(), "the run has no log");
    if native != wasm {
        bail!("{SCENARIO}: native log {native}, in WebAssembly {wasm}");
    }
    println!("{SCENARIO}: log {native} natively and in WebAssembly");
    Ok(())
}

/// The simulator as a module for Node; its path.
fn build() -> Result<std::path::PathBuf> {
    let mut cargo = wasm_target::find_or_install()?.cargo()?;
    cargo.args(["build", "--quiet", "--release", "--target", TRIPLE]);
    cargo.args([
        "--package",
        "shoal-sim",
        "--no-default-features",
        "--features",
        "wasm",
    ]);
    process::run(cargo.args(["--example", "log_hash"])).context("the simulator does not build for wasm")?;
    let built = target()
        .join("wasm")
        .join(TRIPLE)
        .join("release/examples/log_hash.wasm");
    let out = target().join("sim-wasm");
    fs::create_dir_all(&out)?;
    Bindgen::new()
        .input_path(built)
        .nodejs(true)?
        .typescript(false)
        .generate(&out)
        .context("wasm-bindgen failed")?;
    // Whatever the folder's parents say: `require` is for CommonJS.
    fs::write(out.join("package.json"), r#"{ "type": "commonjs" }"#)?;
    Ok(out.join("log_hash.js"))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context("cannot start")?;
    ensure!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
