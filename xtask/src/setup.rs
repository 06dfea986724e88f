//! Installing what is missing, and nothing else.

use crate::process::{self, command, installed, npm, root};
use crate::{stamp::Stamp, wasm_target};
use anyhow::{Context, Result, bail, ensure};
use std::process::Command;

/// The npm packages of the repository, in the order in which they are needed.
pub const NPM_FOLDERS: [&str; 4] = ["xtask", "js", "demo-site", "playwright-tests"];

/// The oldest Node that the npm packages run on.
const NODE_MAJOR: u32 = 20;

/// Everything that any command needs.
pub fn all() -> Result<()> {
    wasm_target::forget_failure();
    for_build()?;
    for_media()?;
    for_cluster()?;
    for_python()?;
    for_browser()
}

/// What `build` needs: the wasm target and the npm packages.
pub fn for_build() -> Result<()> {
    for_npm()?;
    wasm_target::find_or_install().map(drop)
}

/// What making media needs.
pub fn for_media() -> Result<()> {
    apt_if_missing(&[("ffmpeg", "ffmpeg"), ("ffprobe", "ffmpeg")])
}

/// What tests of several trackers need: the engine through which they are one.
pub fn for_cluster() -> Result<()> {
    apt_if_missing(&[("redis-server", "redis-server")])
}

/// What the test of the tracker's API needs: it makes an environment of its own below `target/`.
fn for_python() -> Result<()> {
    match process::output(command("python3").args(["-c", "import ensurepip"])) {
        Ok(_) => Ok(()),
        Err(_) => apt_install(&["python3-venv"]),
    }
}

/// What the browser tests need besides.
pub fn for_browser() -> Result<()> {
    let mut needed = vec![("ip", "iproute2"), ("unshare", "util-linux")];
    if std::env::var_os("SHOAL_CHROMIUM").is_none() {
        needed.push(("chromium", "chromium"));
    }
    apt_if_missing(&needed)
}

/// What the npm packages need: Node and their dependencies.
pub fn for_npm() -> Result<()> {
    check_node()?;
    NPM_FOLDERS.iter().try_for_each(|folder| npm_dependencies(folder))
}

fn check_node() -> Result<()> {
    let version = process::output(command("node").arg("--version"))
        .with_context(|| format!("Node {NODE_MAJOR} or newer is needed; install it and try again"))?;
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= NODE_MAJOR => Ok(()),
        _ => bail!(
            "Node {NODE_MAJOR} or newer is needed, this is {version}; install a newer one and try again"
        ),
    }
}

fn npm_dependencies(folder: &str) -> Result<()> {
    let path = root().join(folder);
    if !path.join("package-lock.json").exists() {
        return Ok(());
    }
    let inputs = [path.join("package.json"), path.join("package-lock.json")];
    let stamp = Stamp::of(&format!("npm-{folder}"), "", &inputs)?;
    if stamp.is_current(&[path.join("node_modules")]) {
        return Ok(());
    }
    println!("npm packages of {folder}/");
    // No install scripts: nothing here needs them, and they are how a bad package does harm.
    let mut install = npm(folder);
    install.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    process::run_quietly(&mut install)
        .with_context(|| format!("the npm packages of {folder}/ cannot be installed"))?;
    stamp.write()
}

/// `needed`: programs and the Debian packages that have them.
fn apt_if_missing(needed: &[(&str, &str)]) -> Result<()> {
    let mut packages: Vec<&str> = needed
        .iter()
        .filter(|(program, _)| !installed(program))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    if packages.is_empty() {
        Ok(())
    } else {
        apt_install(&packages)
    }
}

/// Installs Debian packages, with sudo when this is not root.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    ensure!(
        installed("apt-get"),
        "please install {names}: this machine has no apt-get to do it with"
    );
    println!("Debian packages {names}");
    let install = ["install", "--yes", "--no-install-recommends", "-qq"];
    process::run_quietly(as_root("apt-get").args(["update", "-qq"]))
        .and_then(|()| process::run_quietly(as_root("apt-get").args(install).args(packages)))
        .with_context(|| format!("the Debian packages {names} cannot be installed"))
}

/// A command that runs as root: as it is, or through sudo (never asking for a password).
pub fn as_root(program: &str) -> Command {
    let mut command = if is_root() {
        command("env")
    } else {
        let mut sudo = command("sudo");
        sudo.args(["--non-interactive", "env"]);
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    command
}

/// Whether this program runs as root.
pub fn is_root() -> bool {
    process::output(command("id").arg("-u")).is_ok_and(|id| id == "0")
}
