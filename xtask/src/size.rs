//! The size budget of the npm package: what a viewer downloads, after gzip.

use crate::process::root;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// One entry of `js/size-budget.json`: files of `js/dist` that are downloaded together, and the most bytes they may
/// have after gzip: `"name": { "files": ["…"], "maxGzipBytes": 1000 }`.
pub struct Entry {
    name: String,
    files: Vec<String>,
    limit: u64,
}

/// The budget; empty without the file.
pub fn budget() -> Result<Vec<Entry>> {
    let file = root().join("js/size-budget.json");
    if !file.exists() {
        return Ok(Vec::new());
    }
    let budget: Value =
        serde_json::from_slice(&std::fs::read(&file)?).context("js/size-budget.json is no JSON")?;
    let members = budget.as_object().context("js/size-budget.json is no object")?;
    members
        .iter()
        .map(|(name, value)| {
            entry(name, value)
                .with_context(|| format!("js/size-budget.json: {name} is not of the form it must have"))
        })
        .collect()
}

fn entry(name: &str, value: &Value) -> Option<Entry> {
    let files = value["files"]
        .as_array()?
        .iter()
        .map(|file| Some(file.as_str()?.to_owned()));
    Some(Entry {
        name: name.to_owned(),
        files: files.collect::<Option<_>>()?,
        limit: value["maxGzipBytes"].as_u64()?,
    })
}

impl Entry {
    /// Measures the files; fails when they are larger than allowed.
    pub fn check(&self) -> Result<()> {
        let mut size = 0;
        for file in &self.files {
            size += gzip_size(&root().join("js/dist").join(file))?;
        }
        println!("{}: {size} of {} bytes after gzip", self.name, self.limit);
        ensure!(
            size <= self.limit,
            "{} is {} bytes over its budget",
            self.name,
            size - self.limit
        );
        Ok(())
    }
}

/// Bytes of a file after gzip.
pub fn gzip_size(file: &Path) -> Result<u64> {
    let gzip = Command::new("gzip")
        .args(["-9", "--no-name", "--stdout", "--"])
        .arg(file)
        .output()?;
    ensure!(
        gzip.status.success(),
        "{}",
        String::from_utf8_lossy(&gzip.stderr).trim()
    );
    Ok(gzip.stdout.len() as u64)
}
