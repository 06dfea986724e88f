//! `cargo xtask demo`: a tracker, a site with the sample video, and a URL to open.

use crate::process::{root, run};
use crate::servers::{self, Server, binary};
use crate::{js, media, setup};
use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How many ports are tried from the wanted one on.
const PORTS: u16 = 100;

/// Builds, starts, prints the URL and stays until ctrl-c.
pub fn run_until_interrupted(port: u16) -> Result<()> {
    setup::for_build()?;
    setup::for_media()?;
    js::build_all(false)?;
    servers::build()?;
    let media = media::demo()?;

    let (sender, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // The receiver lives until the program ends.
        let _ = sender.send(());
    })
    .context("cannot listen for ctrl-c")?;

    let mut tracker = Server::tracker()?;
    run(binary("shoal")
        .arg("publish")
        .arg(media.join("index.m3u8"))
        .args(["--tracker", &tracker.url]))
    .context("the sample video cannot be published")?;
    let mut site = Server::site(free_port(port)?, &root().join("demo-site/dist"), &media)?;

    println!("\n  tracker  {}\n  demo     {}\n", tracker.url, site.url);
    println!("Open the demo in two windows or more. Ctrl-c ends it.");
    loop {
        match interrupted.recv_timeout(Duration::from_secs(1)) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                tracker.check()?;
                site.check()?;
            }
        }
    }
}

fn free_port(wanted: u16) -> Result<u16> {
    let last = wanted.saturating_add(PORTS);
    match (wanted..=last).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
        Some(port) => Ok(port),
        None => bail!("no port of 127.0.0.1 is free between {wanted} and {last}"),
    }
}
