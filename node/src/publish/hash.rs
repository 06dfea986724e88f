//! Files to hashes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, bail};
use content::Init;
use indicatif::ProgressBar;
use ppspp::hash::{Hash, SubtreeHasher};
use ppspp::segment_table::{Segment, SegmentTable, segment_bits};
use sha2::{Digest, Sha256};

use super::plan::{Part, PlannedInit, PlannedSwarm};

/// Bytes read at a time.
const BUFFER_LENGTH: usize = 256 * 1024;

/// Reads all segments of a swarm and makes its table.
pub fn segment_table(
    swarm: &PlannedSwarm,
    chunk_size: u32,
    progress: &ProgressBar,
) -> anyhow::Result<SegmentTable> {
    let sizes = swarm.segments.iter().map(|part| part.length);
    let bits = segment_bits(sizes, chunk_size).with_context(|| swarm.playlist.clone())?;
    let mut segments = Vec::with_capacity(swarm.segments.len());
    for part in &swarm.segments {
        let mut hasher = SubtreeHasher::new(chunk_size, bits);
        read(part, progress, |bytes| hasher.update(bytes))?;
        let (size, root) = hasher.finish();
        segments.push(Segment { size, root });
    }
    let table = SegmentTable { segments };
    table.check().with_context(|| swarm.playlist.clone())?;
    Ok(table)
}

/// Reads an init section.
pub fn init(init: &PlannedInit, progress: &ProgressBar) -> anyhow::Result<Init> {
    let mut hasher = Sha256::new();
    read(&init.part, progress, |bytes| hasher.update(bytes))?;
    let sha256: [u8; 32] = hasher.finalize().into();
    Ok(Init {
        uri: init.uri.clone(),
        range: init.range,
        sha256: Hash::new(sha256),
    })
}

fn read(part: &Part, progress: &ProgressBar, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
    let context = || format!("{}: cannot read {}", part.origin, part.path.display());
    let mut file = File::open(&part.path).with_context(context)?;
    file.seek(SeekFrom::Start(part.offset)).with_context(context)?;
    let mut buffer = vec![0; BUFFER_LENGTH];
    let mut left = part.length;
    while left > 0 {
        let most = left.min(BUFFER_LENGTH as u64) as usize;
        let count = file.read(&mut buffer[..most]).with_context(context)?;
        if count == 0 {
            bail!(
                "{}: {} became shorter while it was read",
                part.origin,
                part.path.display()
            );
        }
        take(&buffer[..count]);
        progress.inc(count as u64);
        left -= count as u64;
    }
    Ok(())
}
