//! Skipping work whose inputs have not changed.

use crate::process;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The state of a piece of work's inputs, kept in `target/xtask/` when the work has been done.
pub struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    /// `inputs`: files and folders (followed, without `node_modules`, `dist` and hidden ones). `version`: whatever
    /// else the result depends on.
    pub fn of(name: &str, version: &str, inputs: &[PathBuf]) -> Result<Self> {
        let mut files = BTreeSet::new();
        for input in inputs {
            collect(input, &mut files)?;
        }
        let mut hasher = DefaultHasher::new();
        version.hash(&mut hasher);
        for file in files {
            file.hash(&mut hasher);
            fs::read(&file)
                .with_context(|| format!("cannot read {}", file.display()))?
                .hash(&mut hasher);
        }
        let file = process::target().join("xtask").join(format!("{name}.stamp"));
        Ok(Self {
            file,
            hash: format!("{:016x}", hasher.finish()),
        })
    }

    /// Whether the work was done for these inputs and all its `outputs` are there.
    pub fn is_current(&self, outputs: &[PathBuf]) -> bool {
        let done = fs::read_to_string(&self.file).is_ok_and(|hash| hash == self.hash);
        done && outputs.iter().all(|output| output.exists())
    }

    /// The work is done.
    pub fn write(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.file, &self.hash).with_context(|| format!("cannot write {}", self.file.display()))
    }
}

fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name != "node_modules" && name != "dist" && !name.starts_with('.') {
                collect(&entry.path(), files)?;
            }
        }
    } else if path.exists() {
        files.insert(path.to_owned());
    }
    Ok(())
}
