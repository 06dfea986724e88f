//! Running other programs.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The repository's root.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The folder of everything built: `target/`, or the one that `CARGO_TARGET_DIR` names.
pub fn target() -> PathBuf {
    target_of(&root())
}

/// The same of a package with a workspace of its own in this folder.
pub fn target_of(folder: &Path) -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR");
    // As cargo reads a relative one: from where it is started.
    folder.join(named.unwrap_or_else(|| "target".into()))
}

/// A command that starts in the repository's root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The cargo that started this program.
pub fn cargo() -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Set by the outer cargo for this package; inherited, they would make the inner one rebuild needlessly.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command
}

/// npm in one package's folder.
pub fn npm(folder: &str) -> Command {
    let mut command = command("npm");
    command
        .current_dir(root().join(folder))
        .env("NO_UPDATE_NOTIFIER", "1")
        .arg("--loglevel=error");
    command
}

/// How a command line reads, for messages.
fn line(command: &Command) -> String {
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    let mut line = parts
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    if let Some((end, _)) = line.char_indices().nth(200) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Runs a command with this program's standard streams. Fails unless it exits with 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a command that has nothing to say: its output is shown only when it fails.
pub fn run_quietly(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a command and returns its standard output, trimmed. Its errors are shown only when it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    let stdout = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed ({})\n{stdout}\n{}",
            line(command),
            output.status,
            stderr.trim()
        );
    }
    Ok(stdout)
}

/// Whether a command can be run and exits with 0. It prints nothing.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// [`succeeds`], for commands that may wait for a network that is not there: killed after `limit`.
#[expect(clippy::disallowed_methods, reason = "a build tool has a clock")]
pub fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut child) = quiet.spawn() else {
        return false;
    };
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(100)),
            _ => break,
        }
    }
    // It may have ended just now.
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// Whether a program is on PATH (or in the folders of system tools that PATH may lack).
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .any(|folder| folder.join(program).is_file())
}
