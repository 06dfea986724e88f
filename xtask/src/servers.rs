//! The tracker and the static server as children of this program.

use crate::process::{cargo, command, run, target};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Builds the binaries `tracker-ws` and `shoal`.
pub fn build() -> Result<()> {
    run(cargo().args([
        "build",
        "--quiet",
        "--package",
        "tracker-ws",
        "--package",
        "shoal",
        "--bins",
    ]))
    .context("tracker-ws and shoal do not build")
}

/// One of the built binaries.
pub fn binary(name: &str) -> Command {
    command(target().join("debug").join(name))
}

/// A running server; it is stopped when this is dropped.
pub struct Server {
    child: Child,
    name: String,
    /// Where it listens, as it says itself.
    pub url: String,
}

impl Server {
    /// The tracker, on any free port of this machine's loopback.
    pub fn tracker() -> Result<Self> {
        Self::start(
            "tracker-ws",
            binary("tracker-ws").args(["--listen", "127.0.0.1:0"]),
        )
    }

    /// The static server for `site` at `/` and `media` at `/media/`.
    pub fn site(port: u16, site: &Path, media: &Path) -> Result<Self> {
        let mut serve = binary("shoal");
        serve
            .arg("serve")
            .arg(site)
            .args(["--listen", &format!("127.0.0.1:{port}")]);
        serve.arg("--mount").arg(format!("/media={}", media.display()));
        Self::start("shoal serve", &mut serve)
    }

    /// Starts a server and waits for the line in which it says where it listens.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().context("standard output is not piped")?;
        let mut server = Self {
            child,
            name: name.to_owned(),
            url: String::new(),
        };
        let mut lines = BufReader::new(stdout).lines();
        for line in lines.by_ref() {
            let line = line?;
            let url = line
                .split_whitespace()
                .find(|word| word.starts_with("ws://") || word.starts_with("http://"));
            if let Some(url) = url {
                server.url = url.to_owned();
                // A server whose output nobody reads would block, or fail, some time.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(server);
            }
        }
        server.check()?;
        bail!("{name} closed its output before it said where it listens")
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the server has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended ({status})", self.name),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself (ctrl-c reaches the whole process group): nothing is left to stop then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
