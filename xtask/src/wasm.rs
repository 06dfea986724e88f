//! `wasm-peer` → `js/src/wasm/`: cargo, wasm-bindgen (as a library), wasm-opt.

use crate::glue;
use crate::order;
use crate::process::{self, command, root, target};
use crate::stamp::Stamp;
use crate::wasm_target::{self, TRIPLE};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use wasm_bindgen_cli_support::Bindgen;

/// What rustc may emit for this target with our flags, and every browser with WebRTC and SIMD has.
const FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-reference-types",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
];

/// How wasm-opt goes about it, by what it gains after gzip. Nothing here, and in the passes, removes a check or a trap.
const SETTINGS: [&str; 4] = [
    // No address below 1024 is used: that is the far end of the stack. 1 KB.
    "--low-memory-unused",
    // LLVM has inlined what it found worth it; more makes the same code in other registers: 3 KB.
    "--one-caller-inline-max-function-size=0",
    // But what is no larger than a call.
    "--always-inline-max-function-size=5",
    // What is computed again compresses better than what is kept in one more local: 1 KB.
    "--skip-pass=local-cse",
];

const PASSES: [&str; 8] = [
    // Control flow built anew: 2 KB.
    "--flatten",
    "--rereloop",
    "-Oz",
    // What is the same in all calls of a function needs no argument; twice, as each round finds more: 1 KB.
    "--gufa-optimizing",
    "-Oz",
    "--gufa-optimizing",
    "-Oz",
    // Functions of one generic one beside each other: where [`order`] begins.
    "--reorder-functions-by-name",
];

/// Once the functions are named by their order. Names themselves never come out.
const LAST_PASSES: [&str; 2] = ["-Oz", "--reorder-functions-by-name"];

/// Builds the wasm peer and its JavaScript glue. `dev`: unoptimised, with names.
pub fn build(dev: bool) -> Result<()> {
    let profile = if dev { "dev" } else { "wasm" };
    let compiler = if dev {
        wasm_target::find_for_dev()?
    } else {
        wasm_target::find_or_install()?
    };
    let mut cargo = compiler.cargo()?;
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "wasm-peer",
        "--target",
        TRIPLE,
        "--profile",
        profile,
    ]);
    process::run(&mut cargo).context("the wasm peer does not build")?;

    let folder = if dev { "debug" } else { "wasm" };
    let built = target()
        .join("wasm")
        .join(TRIPLE)
        .join(folder)
        .join("wasm_peer.wasm");
    let out = root().join("js/src/wasm");
    let outputs = ["wasm_peer.js", "wasm_peer.d.ts", "wasm_peer_bg.wasm"].map(|name| out.join(name));
    let stamp = Stamp::of(
        "wasm",
        profile,
        &[
            built.clone(),
            root().join("xtask/package-lock.json"),
            root().join("xtask/src/glue.rs"),
            root().join("xtask/src/glue_init.js"),
            root().join("xtask/src/order.rs"),
            root().join("xtask/src/wasm.rs"),
        ],
    )?;
    if stamp.is_current(&outputs) {
        return Ok(());
    }
    bindgen(&built, &out, dev)?;
    if !dev {
        optimise(&out.join("wasm_peer_bg.wasm"))?;
    }
    stamp.write()
}

fn bindgen(input: &Path, out: &Path, dev: bool) -> Result<()> {
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::create_dir_all(out)?;
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(input)
        .web(true)?
        .typescript(true)
        .debug(dev)
        .keep_debug(dev);
    bindgen.remove_producers_section(!dev);
    let mut output = bindgen.generate_output().context("wasm-bindgen failed")?;
    if dev {
        output.emit(out)
    } else {
        glue::emit(output, out)
    }
}

fn optimise(wasm: &Path) -> Result<()> {
    let tool = root().join("xtask/node_modules/binaryen/bin/wasm-opt");
    ensure!(
        tool.exists(),
        "wasm-opt is missing: cargo xtask setup installs it"
    );
    let before = fs::metadata(wasm)?.len();
    let smaller = wasm.with_extension("opt");
    let run = |passes: &[&str]| -> Result<()> {
        let mut wasm_opt = command("node");
        // binaryen runs as wasm itself and recurses deeply.
        wasm_opt.arg("--stack-size=8000").arg(&tool);
        wasm_opt.args(FEATURES).args(SETTINGS).args(passes);
        wasm_opt.arg(wasm).arg("-o").arg(&smaller);
        process::run_quietly(&mut wasm_opt).context("wasm-opt failed")?;
        Ok(fs::rename(&smaller, wasm)?)
    };
    run(&PASSES)?;
    fs::write(wasm, order::name_functions(&fs::read(wasm)?)?)?;
    run(&LAST_PASSES)?;
    println!(
        "wasm: {before} bytes, {} after wasm-opt",
        fs::metadata(wasm)?.len()
    );
    Ok(())
}
