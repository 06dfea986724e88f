//! The npm package in `js/` and the demo site.

use crate::process::{npm, root, run, run_quietly};
use crate::stamp::Stamp;
use crate::wasm;
use anyhow::{Context, Result, ensure};
use std::fs;

/// The wasm peer, `js/dist` and `demo-site/dist`. `dev`: see [`wasm::build`].
pub fn build_all(dev: bool) -> Result<()> {
    wasm::build(dev)?;
    build("js", &["js"])?;
    build("demo-site", &["demo-site", "js"])
}

/// Whether the package in `folder` has this script.
pub fn has_script(folder: &str, script: &str) -> bool {
    let package = fs::read(root().join(folder).join("package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_slice(&package).unwrap_or_default();
    package["scripts"][script].is_string()
}

/// Runs `npm run build` in `folder` when its `inputs` (folders) have changed.
fn build(folder: &str, inputs: &[&str]) -> Result<()> {
    let path = root().join(folder);
    if !has_script(folder, "build") {
        return Ok(());
    }
    ensure!(
        path.join("node_modules").exists(),
        "{folder}/node_modules is missing: {folder}/ needs a package-lock.json"
    );
    let inputs: Vec<_> = inputs.iter().map(|folder| root().join(folder)).collect();
    let stamp = Stamp::of(&format!("build-{folder}"), "", &inputs)?;
    if stamp.is_current(&[path.join("dist")]) {
        return Ok(());
    }
    println!("{folder}/dist");
    run_quietly(npm(folder).args(["run", "build"])).with_context(|| format!("{folder}/ does not build"))?;
    stamp.write()
}

/// Runs an npm script with its output shown.
pub fn script(folder: &str, script: &str) -> Result<()> {
    run(npm(folder).args(["run", script]))
}
