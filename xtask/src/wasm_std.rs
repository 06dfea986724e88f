//! A standard library for the wasm target, built for size: 33 KB of the bundle after gzip.
//!
//! The one that comes with the compiler is built for speed, and every panic in it carries a message with its place
//! and the code that formats it. In this one a panic is the trap that it ends in anyway: all checks stay.

use crate::process::{self, target};
use crate::wasm_target::TRIPLE;
use anyhow::{Context, Result, ensure};
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// What holds for the standard library and for every crate that is linked with it. Panics: the flag is not stable
/// yet, the language that the crates are written in is (see [`Std::flags`]). Without reference types it is the glue
/// that keeps the JavaScript objects of the module, and not wrappers in the module around all functions: 2 KB.
const FLAGS: &str = "-Zunstable-options -Cpanic=immediate-abort -Ctarget-feature=-reference-types";

/// The package whose dependency the library is: otherwise cargo would build that of the repository.
const MANIFEST: &str = r#"[package]
name = "empty"
version = "0.0.0"
edition = "2024"

[workspace]

[profile.release]
opt-level = "z"
panic = "abort"
codegen-units = 1
"#;

/// A compiler's sysroot with the library for [`TRIPLE`]: built once a machine, kept for every checkout.
pub struct Std(PathBuf);

impl Std {
    /// The library for this compiler, if it has been built already.
    pub fn built(rustc: &str) -> Option<Self> {
        let folder = folder(rustc).ok()?;
        libraries(&folder).is_dir().then_some(Self(folder))
    }

    /// Builds it. The compiler's source of the library must be there ([`has_source`]).
    pub fn build(rustc: &str) -> Result<Self> {
        println!("standard library for {TRIPLE} (once a machine, some minutes)");
        let work = target().join("xtask/wasm-std");
        fs::create_dir_all(work.join("src"))?;
        fs::write(work.join("Cargo.toml"), MANIFEST)?;
        fs::write(work.join("src/lib.rs"), "")?;
        let mut cargo = process::cargo();
        cargo
            .current_dir(&work)
            .env("CARGO_TARGET_DIR", work.join("target"));
        cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
        // Link-time optimisation of the whole module wants bitcode.
        cargo.env("RUSTFLAGS", format!("{FLAGS} -Cembed-bitcode=yes"));
        cargo.args(["build", "--quiet", "--release", "--target", TRIPLE]);
        cargo.args([
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=optimize_for_size",
        ]);
        process::run_quietly(&mut cargo).context("the standard library cannot be built")?;

        // Under a name of its own until it is complete.
        let folder = folder(rustc)?;
        let unfinished = folder.with_extension(std::process::id().to_string());
        copy_libraries(
            &work.join("target").join(TRIPLE).join("release/deps"),
            &unfinished,
        )?;
        if fs::rename(&unfinished, &folder).is_err() {
            // Another checkout was faster.
            fs::remove_dir_all(&unfinished)?;
        }
        fs::remove_dir_all(&work)?;
        Self::built(rustc).context("the standard library was built, but is not there")
    }

    /// Compiler flags to build a crate with it.
    pub fn flags(&self) -> String {
        // Unstable features of the language stay off: build scripts that probe for them must not find any.
        format!("--sysroot={} {FLAGS} -Zallow-features=", self.0.display())
    }
}

/// Whether the compiler came with the library's source.
pub fn has_source(rustc: &str) -> bool {
    process::output(process::command(rustc).args(["--print", "sysroot"])).is_ok_and(|sysroot| {
        Path::new(&sysroot)
            .join("lib/rustlib/src/rust/library/std")
            .is_dir()
    })
}

/// `~/.cargo/shoal-std/…`: one folder for each compiler and way of building.
fn folder(rustc: &str) -> Result<PathBuf> {
    let version = process::output(process::command(rustc).arg("-vV"))?;
    let mut hasher = DefaultHasher::new();
    (&version, MANIFEST, FLAGS).hash(&mut hasher);
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let parent = cargo_home.context("there is no home folder")?.join("shoal-std");
    Ok(parent.join(format!("{:016x}", hasher.finish())))
}

fn libraries(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TRIPLE).join("lib")
}

/// Copies every `.rlib` but the empty crate's own.
fn copy_libraries(from: &Path, sysroot: &Path) -> Result<()> {
    let to = libraries(sysroot);
    fs::create_dir_all(&to)?;
    let mut count = 0;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty-") {
            fs::copy(entry.path(), to.join(&name))?;
            count += 1;
        }
    }
    ensure!(count > 0, "no standard library was built in {}", from.display());
    Ok(())
}
