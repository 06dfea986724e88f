//! The size budget of the npm package: what a viewer downloads, after gzip.

use crate::process::root;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// One line of `js/size-budget.json`: a file of `js/dist`, or several joined by ` + `, and the most bytes they may
/// have after gzip.
pub struct Entry {
    files: String,
    limit: u64,
}

/// The budget; empty without the file.
pub fn budget() -> Result<Vec<Entry>> {
    let file = root().join("js/size-budget.json");
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read(&file)?;
    let budget: Value = serde_json::from_slice(&text).context("js/size-budget.json is no JSON")?;
    let members = budget.as_object().context("js/size-budget.json is no object")?;
    let entry = |(files, limit): (&String, &Value)| {
        let limit = limit
            .as_u64()
            .with_context(|| format!("js/size-budget.json: {files}: not a number of bytes"))?;
        Ok(Entry {
            files: files.clone(),
            limit,
        })
    };
    members.iter().map(entry).collect()
}

impl Entry {
    /// Measures the files; fails when they are larger than allowed.
    pub fn check(&self) -> Result<()> {
        let mut size = 0;
        for file in self.files.split(" + ") {
            size += gzip_size(&root().join("js/dist").join(file))?;
        }
        println!("{}: {size} of {} bytes after gzip", self.files, self.limit);
        ensure!(
            size <= self.limit,
            "{} is {} bytes over its budget",
            self.files,
            size - self.limit
        );
        Ok(())
    }
}

fn gzip_size(file: &Path) -> Result<u64> {
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
