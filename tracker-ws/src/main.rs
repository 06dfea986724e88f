//! `tracker-ws`: the tracker as a program.

mod options;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracker_ws::{Changes, Config, Invalid, Server};

use options::Options;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tracker-ws: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    let config = options.settings()?;
    if options.print_config {
        return print(&config.to_toml());
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(config.log.filter())
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(serve(options, config))
}

async fn serve(options: &Options, config: Config) -> anyhow::Result<()> {
    let server = Server::bind(config).await?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for ctrl-c")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let management = server.management_url();
    let management = management.map_or(String::new(), |url| format!(" and {url} (management)"));
    print(&format!("tracker-ws listening on {}{management}\n", server.url()))?;
    let shutdown = server.shutdown();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {
                tracing::info!("draining; a second signal ends it at once");
                shutdown.drain();
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        shutdown.stop();
    });
    let reload = server.reload();
    let reloads = async {
        while hangup.recv().await.is_some() {
            match options.settings() {
                Ok(config) => {
                    // It reads files, and the tracker goes on meanwhile.
                    let reload = reload.clone();
                    let applied = tokio::task::spawn_blocking(move || reload.apply(config));
                    if let Ok(changes) = applied.await {
                        log_changes(changes);
                    }
                }
                Err(error) => tracing::error!("settings stay as they are: {error:#}"),
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = server.run() => Ok(()),
        () = reloads => Ok(()),
    }
}

fn log_changes(changes: Result<Changes, Invalid>) {
    match changes {
        Ok(Changes {
            applied,
            need_restart,
        }) => {
            if !need_restart.is_empty() {
                tracing::warn!("settings that need a restart: {}", need_restart.join("; "));
            }
            match applied.is_empty() {
                true => tracing::info!("settings read again, none changed"),
                false => tracing::info!("settings changed: {}", applied.join("; ")),
            }
        }
        Err(error) => tracing::error!("settings stay as they are: {error}"),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("cannot write to stdout")
}
