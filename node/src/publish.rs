//! `shoal publish`: hashes what a playlist names and writes `shoal.json` and segment tables (ARCHITECTURE.md,
//! "Content formats"). Media and playlists are only read. The same input always gives the same bytes.

mod hash;
mod names;
mod plan;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use content::manifest::{MAX_CHUNK_SIZE, MAX_SWARMS, MAX_TRACKERS, MIN_CHUNK_SIZE};
use content::{Content, Manifest, SwarmEntry, TrackerKey, Vod};
use indicatif::{ProgressBar, ProgressStyle};

use crate::write;

use names::TableNames;
use plan::{Plan, PlannedSwarm};

/// Arguments of `shoal publish`.
#[derive(clap::Args)]
pub struct Arguments {
    /// An HLS playlist (.m3u8: multivariant or media, VoD), or any other file to publish as it is.
    #[arg(value_name = "PLAYLIST-OR-FILE")]
    input: PathBuf,
    /// Tracker to announce to, ws:// or wss://; may be given several times.
    #[arg(long = "tracker", value_name = "URL", required = true)]
    trackers: Vec<String>,
    /// The trackers' public key, with which peers check each other's membership certificates.
    #[arg(long, value_name = "BASE64URL")]
    tracker_key: Option<TrackerKey>,
    /// Bytes in a chunk, the unit peers exchange: 1024 to 64512.
    #[arg(long, value_name = "BYTES", default_value_t = 16384)]
    #[arg(value_parser = clap::value_parser!(u32).range(i64::from(MIN_CHUNK_SIZE)..=i64::from(MAX_CHUNK_SIZE)))]
    chunk_size: u32,
    /// Folder to write shoal.json and shoal/ to, for a read-only media folder [default: beside the input].
    /// Serve what is in it as if it lay beside the input.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.trackers.len() > MAX_TRACKERS {
        bail!(
            "{} trackers, at most {MAX_TRACKERS} can be given",
            arguments.trackers.len()
        );
    }
    let plan = Plan::new(&arguments.input)?;
    if plan.swarms.len() > MAX_SWARMS {
        bail!(
            "{}: {} playlists, at most {MAX_SWARMS} fit",
            arguments.input.display(),
            plan.swarms.len()
        );
    }
    let progress = progress_bar(plan.bytes());
    let mut tables = Vec::new();
    let mut manifest = Manifest {
        chunk_size: arguments.chunk_size,
        trackers: arguments.trackers.clone(),
        tracker_key: arguments.tracker_key,
        swarms: Vec::new(),
    };
    let mut names = TableNames::default();
    for planned in &plan.swarms {
        progress.set_message(planned.playlist.clone());
        let (entry, table) = hash_swarm(planned, arguments.chunk_size, &mut names, &progress)?;
        tables.extend(entry.vod().map(|vod| (vod.table.clone(), table)));
        manifest.swarms.push(entry);
    }
    progress.finish_and_clear();

    let json = manifest.to_json();
    // Read back by the code every peer reads it with: what was written is accepted, or not written.
    if let Err(error) = Manifest::parse(&json) {
        bail!("not publishing: {error}");
    }
    let out = arguments.out.as_deref().unwrap_or(&plan.root);
    let manifest_path = out.join("shoal.json");
    warn_of_others(&manifest_path, &manifest);
    for (name, table) in &tables {
        write::atomically(&out.join(name), table)?;
    }
    // Last, so that whatever it names is there.
    write::atomically(&manifest_path, json.as_bytes())?;
    summary(&manifest, &manifest_path);
    Ok(())
}

fn hash_swarm(
    planned: &PlannedSwarm,
    chunk_size: u32,
    names: &mut TableNames,
    progress: &ProgressBar,
) -> anyhow::Result<(SwarmEntry, Vec<u8>)> {
    let table = hash::segment_table(planned, chunk_size, progress)?;
    let inits = planned
        .inits
        .iter()
        .map(|init| hash::init(init, progress))
        .collect::<Result<_, _>>()?;
    let entry = SwarmEntry {
        playlist: planned.playlist.clone(),
        swarm_id: table.swarm_id().into(),
        segment_bits: table
            .segment_bits(chunk_size)
            .with_context(|| planned.playlist.clone())?,
        inits,
        codecs: planned.codecs.clone(),
        content: Content::Vod(Vod {
            segments: table.segments.len() as u32,
            bytes: table.bytes(),
            table: names.name(&planned.playlist),
        }),
    };
    Ok((entry, table.encode()))
}

/// On standard error, and only if that is a terminal.
fn progress_bar(bytes: u64) -> ProgressBar {
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}

/// A folder has one shoal.json: say so when publishing one file of it takes another's place.
fn warn_of_others(path: &Path, manifest: &Manifest) {
    let Some(earlier) = fs::read(path).ok().and_then(|json| Manifest::parse(json).ok()) else {
        return;
    };
    for swarm in earlier
        .swarms
        .iter()
        .filter(|swarm| manifest.swarm(&swarm.playlist).is_none())
    {
        eprintln!(
            "warning: {} no longer covers {}, which it did",
            path.display(),
            swarm.playlist
        );
    }
}

fn summary(manifest: &Manifest, path: &Path) {
    for swarm in &manifest.swarms {
        let Some(vod) = swarm.vod() else { continue };
        println!(
            "{}: {} segment{}, {} bytes, swarm {}",
            swarm.playlist,
            vod.segments,
            if vod.segments == 1 { "" } else { "s" },
            vod.bytes,
            swarm.swarm_id
        );
    }
    println!("wrote {}", path.display());
}
