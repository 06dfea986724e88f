//! The command `shoal`: publishes media for peer-to-peer delivery, signs live streams, and serves a folder for trying
//! things.

mod codecs;
mod location;
mod origin;
mod publish;
mod serve;
mod write;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Peer-to-peer delivery of ordinary HTTP video.
#[derive(Parser)]
#[command(name = "shoal", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write shoal.json and segment tables beside a playlist or file; media is never touched.
    Publish(publish::Arguments),
    /// Sign a live stream's segments as a packager writes them, and serve it with its proofs and shoal.json.
    Origin(origin::Arguments),
    /// Serve a folder over HTTP, for trying things.
    Serve(serve::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Publish(arguments) => publish::run(&arguments),
        Command::Origin(arguments) => origin::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
