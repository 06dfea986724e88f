//! File names of segment tables.

use std::collections::HashSet;

/// Longest name made from a playlist's, in bytes: below every file system's limit.
const MAX_NAME_LENGTH: usize = 100;

/// Hands out names that are unique, also where case does not count.
#[derive(Default)]
pub struct TableNames {
    taken: HashSet<String>,
}

impl TableNames {
    /// Path of the table, relative to `shoal.json`, of the playlist or file of this URI.
    pub fn name(&mut self, playlist: &str) -> String {
        let stem = playlist.strip_suffix(".m3u8").unwrap_or(playlist);
        let safe = |character: char| {
            if character.is_ascii_alphanumeric() || "-_.".contains(character) {
                character
            } else {
                '_'
            }
        };
        let stem: String = stem.chars().take(MAX_NAME_LENGTH).map(safe).collect();
        let stem = stem.trim_start_matches('.');
        let stem = if stem.is_empty() { "table" } else { stem };
        let mut name = stem.to_owned();
        let mut number = 2;
        while !self.taken.insert(name.to_ascii_lowercase()) {
            name = format!("{stem}-{number}");
            number += 1;
        }
        format!("shoal/{name}.segments")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_and_unique() {
        let mut names = TableNames::default();
        for (playlist, want) in [
            ("video_0.m3u8", "shoal/video_0.segments"),
            ("v0/x.m3u8", "shoal/v0_x.segments"),
            ("v0_x.m3u8", "shoal/v0_x-2.segments"),
            ("V0_X.m3u8", "shoal/V0_X-3.segments"),
            ("movie.mp4", "shoal/movie.mp4.segments"),
            ("a%20b é.m3u8", "shoal/a_20b__.segments"),
            (".m3u8", "shoal/table.segments"),
        ] {
            assert_eq!(names.name(playlist), want);
        }
        assert_eq!(
            names.name(&"x".repeat(3000)).len(),
            "shoal/.segments".len() + MAX_NAME_LENGTH
        );
    }
}
