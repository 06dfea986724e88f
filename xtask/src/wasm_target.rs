//! A compiler for wasm32-unknown-unknown, with a standard library built for size where its source can be had: for
//! rustup's compiler, or for Debian's where rustup cannot fetch it.

use crate::process::{self, command, target};
use crate::setup;
use crate::wasm_std::{self, Std};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The target's name.
pub const TRIPLE: &str = "wasm32-unknown-unknown";

const RUSTUP_RUSTC: &str = "rustc";

/// Debian's compiler (packages rustc-web and rust-web-src).
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Set (to anything) to use Debian's compiler although rustup has all that is needed: for trying that path.
const FORCE_DEBIAN: &str = "SHOAL_DEBIAN_WASM";

/// rustup without a network tries for longer than anybody waits; what it fetches here is a few megabytes.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(180);

/// The compiler that builds for the browser. Everything native stays on rustup's.
pub struct Compiler {
    rustc: &'static str,
    /// Without it: the one that rustup has for the target.
    std: Option<Std>,
}

impl Compiler {
    /// Whether it is the toolchain that runs this program.
    pub fn is_rustup(&self) -> bool {
        self.rustc == RUSTUP_RUSTC
    }

    /// cargo, set up for this compiler; artifacts go to `target/wasm/`.
    pub fn cargo(&self) -> Result<Command> {
        let mut cargo = process::cargo();
        cargo.env("CARGO_TARGET_DIR", target().join("wasm"));
        // SHA-256 of every chunk: sha2 has a SIMD implementation for wasm.
        let mut flags = "-C target-feature=+simd128".to_owned();
        // Partial redundancies removed make paths faster, and code larger: 2 KB of the bundle after gzip.
        flags.push_str(" -Cllvm-args=-enable-pre=false -Cllvm-args=-enable-load-pre=false");
        if let Some(std) = &self.std {
            flags = format!("{flags} {}", std.flags());
            cargo.env("RUSTC_BOOTSTRAP", "1").env("PATH", path_with_lld()?);
        }
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
        if !self.is_rustup() {
            cargo.env("RUSTC", self.rustc);
        }
        Ok(cargo)
    }
}

/// The compiler to use; what it lacks is installed first.
pub fn find_or_install() -> Result<Compiler> {
    if let Some(compiler) = built() {
        return Ok(compiler);
    }
    let unavailable = unavailable_mark();
    if !unavailable.exists() {
        match build() {
            Ok(compiler) => return Ok(compiler),
            Err(error) => {
                println!("{error:#}");
                println!("The bundle is built with the precompiled standard library: over its size budget.");
                println!("`cargo xtask setup` tries again.");
            }
        }
    }
    precompiled()?;
    fs::create_dir_all(target().join("xtask"))?;
    fs::write(unavailable, "")?;
    Ok(Compiler {
        rustc: RUSTUP_RUSTC,
        std: None,
    })
}

/// The compiler for builds in which panics should say what happened.
pub fn find_for_dev() -> Result<Compiler> {
    if works() {
        let rustc = RUSTUP_RUSTC;
        return Ok(Compiler { rustc, std: None });
    }
    find_or_install()
}

/// Makes the next [`find_or_install`] try what failed before on this machine.
pub fn forget_failure() {
    // It is there only after a failure.
    let _ = fs::remove_file(unavailable_mark());
}

fn unavailable_mark() -> PathBuf {
    target().join("xtask/no-wasm-std")
}

fn compilers() -> &'static [&'static str] {
    if std::env::var_os(FORCE_DEBIAN).is_some() {
        &[DEBIAN_RUSTC]
    } else {
        &[RUSTUP_RUSTC, DEBIAN_RUSTC]
    }
}

/// A compiler whose standard library has been built for size already.
fn built() -> Option<Compiler> {
    compilers().iter().find_map(|rustc| {
        let std = Some(Std::built(rustc)?);
        Some(Compiler { rustc, std })
    })
}

/// Builds a standard library, from the source that is here or else can be fetched.
fn build() -> Result<Compiler> {
    let here = |rustc: &&'static str| wasm_std::has_source(rustc).then_some(*rustc);
    let rustc = match compilers().iter().find_map(here) {
        Some(rustc) => rustc,
        None => fetch_source()?,
    };
    let std = Some(Std::build(rustc)?);
    Ok(Compiler { rustc, std })
}

/// The source of the standard library, and the compiler that it belongs to.
fn fetch_source() -> Result<&'static str> {
    if compilers().contains(&RUSTUP_RUSTC) {
        println!("Rust component rust-src");
        process::succeeds_within(
            command("rustup").args(["component", "add", "rust-src"]),
            DOWNLOAD_LIMIT,
        );
        if wasm_std::has_source(RUSTUP_RUSTC) {
            return Ok(RUSTUP_RUSTC);
        }
    }
    setup::apt_install(&["rustc-web", "rust-web-src"])
        .context("rustup cannot fetch the standard library's source, nor can Debian's be installed")?;
    ensure!(
        wasm_std::has_source(DEBIAN_RUSTC),
        "Debian's compiler comes without the standard library's source"
    );
    Ok(DEBIAN_RUSTC)
}

/// rustup's precompiled standard library for the target.
fn precompiled() -> Result<()> {
    if works() {
        return Ok(());
    }
    println!("Rust target {TRIPLE}");
    process::succeeds_within(command("rustup").args(["target", "add", TRIPLE]), DOWNLOAD_LIMIT);
    ensure!(
        works(),
        "`rustup target add {TRIPLE}` failed, and there is no source to build a standard library for it from"
    );
    Ok(())
}

/// Compiles nothing, to see whether rustup's standard library for the target is there.
fn works() -> bool {
    let folder = target().join("xtask");
    if fs::create_dir_all(&folder).is_err() {
        return false;
    }
    let mut check = command(RUSTUP_RUSTC);
    check.args(["--target", TRIPLE, "--crate-type", "lib", "--crate-name", "probe"]);
    check.args(["--emit", "metadata", "-", "--out-dir"]).arg(folder);
    check.stdin(Stdio::null());
    process::succeeds(&mut check)
}

/// PATH with rustup's `rust-lld` first: Debian's compiler comes without one, and a sysroot of libraries alone too.
fn path_with_lld() -> Result<OsString> {
    let sysroot = process::output(command("rustc").args(["--print", "sysroot"]))?;
    let version = process::output(command("rustc").arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc names no host")?;
    let tools = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin");
    ensure!(
        tools.join("rust-lld").exists(),
        "rust-lld is missing in {}",
        tools.display()
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(
        std::iter::once(tools).chain(std::env::split_paths(&path)),
    )?)
}
