//! A media playlist on disk that a packager rewrites, in place or by renaming.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use content::hls::{self, MAX_LENGTH, MediaPlaylist, Playlist};

use super::stamp::{Reading, Stamp, read};

/// A file that cannot be read as a playlist, or that ends earlier than the version before, is believed to be half
/// written for so long after it last changed. Also how long it may be away while it is replaced.
const DOUBT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct PlaylistFile {
    path: PathBuf,
    /// What it was when it was last looked at, and since when.
    seen: Option<Stamp>,
    since: Instant,
    /// What it was when it was last read and taken.
    taken: Option<Stamp>,
    /// Number after the last segment of the version taken.
    end: u64,
    gone: bool,
}

/// What there is to know of it.
#[derive(Debug)]
pub enum Look {
    /// Nothing new.
    Same,
    /// A new version.
    New(String, MediaPlaylist),
    /// It cannot be used, for good.
    Broken(String),
    /// It is not there (said once).
    Gone,
}

impl PlaylistFile {
    /// The file at that path, not looked at yet.
    pub fn new(path: PathBuf, now: Instant) -> Self {
        Self {
            path,
            seen: None,
            since: now,
            taken: None,
            end: 0,
            gone: false,
        }
    }

    /// Looks at it. Every version comes back once, when it was the same at two calls: then it is no longer being
    /// written, or nearly so.
    pub fn look(&mut self, now: Instant) -> Look {
        let stamp = match Stamp::of(&self.path) {
            Ok(stamp) => stamp,
            Err(_) => {
                if self.seen.take().is_some() {
                    self.since = now;
                }
                self.taken = None;
                if self.gone || now.duration_since(self.since) < DOUBT {
                    return Look::Same;
                }
                self.gone = true;
                return Look::Gone;
            }
        };
        self.gone = false;
        if self.seen != Some(stamp) {
            (self.seen, self.since) = (Some(stamp), now);
            return Look::Same;
        }
        if self.taken == Some(stamp) {
            return Look::Same;
        }
        let doubtful = now.duration_since(self.since) < DOUBT;
        let broken = match read(&self.path, MAX_LENGTH as u64) {
            Ok(Reading::Whole(read, bytes)) if read == stamp => match parse(bytes) {
                Ok((text, playlist)) => {
                    let end = playlist
                        .media_sequence
                        .saturating_add(playlist.segments.len() as u64);
                    // A version cut at the end of a line is a playlist too.
                    if doubtful && (end < self.end || !text.ends_with('\n')) {
                        return Look::Same;
                    }
                    (self.taken, self.end) = (Some(stamp), end);
                    return Look::New(text, playlist);
                }
                Err(why) => why,
            },
            Ok(Reading::TooLong(bytes)) => format!("{bytes} bytes, more than any playlist"),
            Ok(_) => return Look::Same,
            Err(error) if error.kind() == ErrorKind::NotFound => return Look::Same,
            Err(error) => error.to_string(),
        };
        if doubtful {
            return Look::Same;
        }
        self.taken = Some(stamp);
        Look::Broken(broken)
    }
}

fn parse(bytes: Vec<u8>) -> Result<(String, MediaPlaylist), String> {
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    match hls::parse(&text) {
        Ok(Playlist::Media(playlist)) => Ok((text, playlist)),
        Ok(Playlist::Multivariant(_)) => Err("a multivariant playlist, named as a media playlist".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::origin::clock;

    fn text(first: u64, segments: u64) -> String {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        for number in first..first + segments {
            text += &format!("#EXTINF:2,\n{number}.ts\n");
        }
        text
    }

    #[test]
    fn half_written_versions_are_waited_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.m3u8");
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut file = PlaylistFile::new(path.clone(), start);
        assert!(matches!(file.look(at(0)), Look::Same), "it may come");
        assert!(matches!(file.look(at(1000)), Look::Gone));
        assert!(matches!(file.look(at(1025)), Look::Same), "said once");

        fs::write(&path, text(0, 2)).unwrap();
        assert!(matches!(file.look(at(1050)), Look::Same));
        assert!(matches!(file.look(at(1100)), Look::New(_, playlist) if playlist.segments.len() == 2));
        assert!(matches!(file.look(at(1150)), Look::Same));

        // Written in place, and caught between two writes.
        for half in [&text(0, 1)[..], &text(1, 3)[..70], "", "#EXTM3U\n"] {
            fs::write(&path, half).unwrap();
            for ms in [2000, 2050, 2100] {
                assert!(matches!(file.look(at(ms)), Look::Same), "{half:?}");
            }
        }
        fs::write(&path, text(1, 2)).unwrap();
        assert!(matches!(file.look(at(2150)), Look::Same));
        assert!(matches!(file.look(at(2200)), Look::New(..)));

        // A packager that starts over is believed in the end.
        fs::write(&path, text(0, 1)).unwrap();
        assert!(matches!(file.look(at(4000)), Look::Same));
        assert!(matches!(file.look(at(4900)), Look::Same));
        assert!(matches!(file.look(at(5000)), Look::New(_, playlist) if playlist.segments.len() == 1));

        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(file.look(at(6000)), Look::Same));
        assert!(matches!(file.look(at(7000)), Look::Broken(_)));
        assert!(matches!(file.look(at(7050)), Look::Same), "said once");
        fs::remove_file(&path).unwrap();
        assert!(matches!(file.look(at(7100)), Look::Same));
        assert!(matches!(file.look(at(8100)), Look::Gone));
    }
}
