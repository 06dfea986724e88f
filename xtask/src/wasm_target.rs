//! A compiler for wasm32-unknown-unknown: rustup's, or Debian's where rustup cannot fetch the target.

use crate::process::{self, command, target};
use crate::setup;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target's name.
pub const TRIPLE: &str = "wasm32-unknown-unknown";

/// Debian's compiler (packages rustc-web and rust-web-src).
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Where Debian's compiler looks for the target's standard library.
const DEBIAN_STD: &str = "/usr/lib/rustlib/wasm32-unknown-unknown/lib";

/// Set (to anything) to use Debian's compiler although rustup has the target: for trying that path.
const FORCE_DEBIAN: &str = "SHOAL_DEBIAN_WASM";

/// The compiler that builds for the browser. Everything native stays on rustup's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Compiler {
    /// The toolchain that runs this program.
    Rustup,
    /// Debian's.
    Debian,
}

impl Compiler {
    /// cargo, set up for this compiler; artifacts go to `target/wasm/`.
    pub fn cargo(self) -> Result<Command> {
        let mut cargo = process::cargo();
        cargo.env("CARGO_TARGET_DIR", target().join("wasm"));
        // SHA-256 of every chunk: sha2 has a SIMD implementation for wasm.
        cargo.env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            "-C target-feature=+simd128",
        );
        if self == Self::Debian {
            cargo.env("RUSTC", DEBIAN_RUSTC).env("PATH", path_with_lld()?);
        }
        Ok(cargo)
    }

    /// Compiles nothing, to see whether the target's standard library is there and of this compiler's version.
    fn works(self) -> bool {
        let rustc = if self == Self::Rustup {
            "rustc"
        } else {
            DEBIAN_RUSTC
        };
        let folder = target().join("xtask");
        if fs::create_dir_all(&folder).is_err() {
            return false;
        }
        let mut check = command(rustc);
        check.args([
            "--target",
            TRIPLE,
            "--crate-type",
            "lib",
            "--crate-name",
            "probe",
            "--emit",
            "metadata",
        ]);
        check.arg("-").arg("--out-dir").arg(folder);
        check
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        check.status().is_ok_and(|status| status.success())
    }
}

/// The compiler to use; what it lacks is installed first.
pub fn find_or_install() -> Result<Compiler> {
    let rustup = std::env::var_os(FORCE_DEBIAN).is_none();
    if rustup && Compiler::Rustup.works() {
        return Ok(Compiler::Rustup);
    }
    if rustup && !debian_is_complete() {
        println!("Rust target {TRIPLE}");
        if process::succeeds(command("rustup").args(["target", "add", TRIPLE])) && Compiler::Rustup.works() {
            return Ok(Compiler::Rustup);
        }
    }
    if !debian_is_complete() {
        install_debian().with_context(|| {
            format!("`rustup target add {TRIPLE}` failed, and Debian's compiler cannot be set up instead")
        })?;
        ensure!(
            Compiler::Debian.works(),
            "Debian's compiler still finds no standard library for {TRIPLE}"
        );
    }
    Ok(Compiler::Debian)
}

fn debian_is_complete() -> bool {
    Path::new(DEBIAN_RUSTC).exists() && Compiler::Debian.works()
}

/// Debian's compiler has no standard library for the bare wasm target, but its source: build it, once a machine.
fn install_debian() -> Result<()> {
    setup::apt_install(&["rustc-web", "rust-web-src"])?;
    if Compiler::Debian.works() {
        return Ok(());
    }
    println!("standard library for {TRIPLE} (once a machine, some minutes)");
    let folder = target().join("xtask/wasm-std");
    fs::create_dir_all(folder.join("src"))?;
    // A workspace of its own: otherwise cargo takes the repository's.
    let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let mut build = process::cargo();
    build
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"));
    build
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    build.args([
        "build",
        "--quiet",
        "--release",
        "--target",
        TRIPLE,
        "-Zbuild-std=std,panic_abort",
    ]);
    process::run_quietly(&mut build)?;

    // Libraries of an older compiler would be found first.
    process::run_quietly(setup::as_root("rm").args(["-rf", DEBIAN_STD]))?;
    process::run_quietly(setup::as_root("mkdir").args(["-p", DEBIAN_STD]))?;
    process::run_quietly(
        setup::as_root("cp")
            .args(libraries(
                &folder.join("target").join(TRIPLE).join("release/deps"),
            )?)
            .arg(DEBIAN_STD),
    )
}

/// The built standard library: every `.rlib` but the empty crate's own.
fn libraries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut libraries = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            libraries.push(path);
        }
    }
    ensure!(
        !libraries.is_empty(),
        "no standard library was built in {}",
        folder.display()
    );
    Ok(libraries)
}

/// PATH with rustup's `rust-lld` first: Debian's compiler comes without one.
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
