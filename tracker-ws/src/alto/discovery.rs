//! Where a server's maps are: named by the operator, or found in its directories.

use std::time::Duration;

use super::directory::{self, Directory, Maps};
use super::error::AltoError;
use crate::fetch::{Kind, Location, Resource, Trust};

/// Most directories that are read, the root included.
const MAX_DIRECTORIES: usize = 8;

static DIRECTORY: Kind = Kind {
    accept: "application/alto-directory+json,application/alto-error+json",
    media_types: &[directory::DIRECTORY],
    limit: 1024 * 1024,
    is_guarded: false,
};

/// A root directory, and those it leads to as far as they are needed; each with its last version.
#[derive(Debug)]
pub(super) struct Discovery {
    known: Vec<Resource>,
}

impl Discovery {
    pub(super) fn new(root: Location) -> Self {
        Self {
            known: vec![Resource::new(root, &DIRECTORY)],
        }
    }

    /// Where the maps are now. Directories are asked for one after the other, the root first, until both are found.
    ///
    /// # Errors
    /// [`AltoError`]: one cannot be read or is wrong, or there are no such maps in any.
    pub(super) async fn find(&mut self, trust: &Trust, limit: Duration) -> Result<Maps, AltoError> {
        let mut read: Vec<Directory> = Vec::new();
        loop {
            let at = read.len();
            let resource = &mut self.known[at];
            resource.refresh(trust, limit).await?;
            let url = resource.url().clone();
            let wrong = |problem| AltoError::Directory {
                url: url.to_string(),
                problem,
            };
            let found = match Directory::parse(&url, resource.text()) {
                Ok(found) => found,
                Err(problem) => {
                    // Next time in full, whatever the server calls it.
                    resource.forget_version();
                    return Err(wrong(problem));
                }
            };
            read.push(found);
            let missing = match directory::choose(&read) {
                Ok(maps) => {
                    self.known.truncate(read.len());
                    return Ok(maps);
                }
                Err(missing) => missing,
            };
            self.expect(&read);
            if self.known.len() == read.len() {
                return Err(AltoError::Directory {
                    url: self.known[0].url().to_string(),
                    problem: missing,
                });
            }
        }
    }

    /// Those that the directories which were read name are the ones to read after them, each once.
    fn expect(&mut self, read: &[Directory]) {
        let mut known: Vec<Resource> = self.known.drain(..).collect();
        let root = known[0].url().clone();
        let mut urls = vec![root];
        for url in read.iter().flat_map(Directory::directories) {
            if urls.len() < MAX_DIRECTORIES && !urls.contains(url) {
                urls.push(url.clone());
            }
        }
        let resource = |url: Location| match known.iter().position(|one| *one.url() == url) {
            Some(index) => known.swap_remove(index),
            None => Resource::new(url, &DIRECTORY),
        };
        self.known = urls.into_iter().map(resource).collect();
    }
}
