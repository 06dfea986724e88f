//! `wasm-peer` → `js/src/wasm/`: cargo, wasm-bindgen (as a library), wasm-opt.

use crate::glue;
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

/// What wasm-opt does, by what it gains after gzip. Nothing here removes a check or a trap.
const PASSES: [&str; 7] = [
    // No address below 1024 is used: that is the far end of the stack. 1 KB.
    "--low-memory-unused",
    // Control flow built anew: 2 KB.
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    // LLVM has inlined what it found worth it; more makes the same code in other registers: 3 KB.
    "--one-caller-inline-max-function-size=0",
    // Functions of one generic one beside each other, for gzip: 2 KB. The names go afterwards.
    "--reorder-functions-by-name",
];

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
    let mut wasm_opt = command("node");
    // binaryen runs as wasm itself and recurses deeply.
    wasm_opt
        .arg("--stack-size=8000")
        .arg(tool)
        .args(FEATURES)
        .args(PASSES)
        .arg(wasm)
        .arg("-o")
        .arg(&smaller);
    process::run_quietly(&mut wasm_opt).context("wasm-opt failed")?;
    fs::rename(&smaller, wasm)?;
    println!(
        "wasm: {before} bytes, {} after wasm-opt",
        fs::metadata(wasm)?.len()
    );
    Ok(())
}
