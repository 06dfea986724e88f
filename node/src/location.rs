//! Where a playlist's URI lies on disk, and what it is called in `shoal.json`.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters: such a name reads the same wherever it stands in a URI.
const NOT_IN_NAMES: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A file below the folder that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The path below the folder as it stands in URIs, without `.` and `..`.
    parts: Vec<String>,
}

/// Why a URI names no file below the folder that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLocal {
    /// Has a scheme or a host.
    Remote,
    /// Starts at the server's root, which is nowhere on disk.
    Rooted,
    /// Leaves the folder.
    Escapes,
    /// Names a folder.
    Folder,
    /// Cannot be a file's name.
    Name,
}

impl fmt::Display for NotLocal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Remote => "is on another server: only files beside the playlist can be published",
            Self::Rooted => {
                "starts at the server's root: only URIs relative to the playlist can be published"
            }
            Self::Escapes => "leaves the playlist's folder: publish a playlist above both",
            Self::Folder => "names a folder",
            Self::Name => "names no file",
        })
    }
}

impl Location {
    /// The file of that name in the published folder itself.
    pub fn named(name: &str) -> Self {
        Self {
            parts: vec![utf8_percent_encode(name, NOT_IN_NAMES).to_string()],
        }
    }

    /// Resolves a URI written in the playlist at this location (RFC 3986 §5.2). Query and fragment are dropped.
    pub fn join(&self, uri: &str) -> Result<Self, NotLocal> {
        let path = uri.split(['?', '#']).next().unwrap_or("");
        if has_scheme(uri) || path.starts_with("//") {
            return Err(NotLocal::Remote);
        }
        if path.starts_with('/') {
            return Err(NotLocal::Rooted);
        }
        let mut parts = self.parts.clone();
        parts.pop();
        let mut ends_in_name = false;
        for part in path.split('/') {
            let name = file_name(part)?;
            ends_in_name = !matches!(name.as_str(), "" | "." | "..");
            match name.as_str() {
                "" | "." => {}
                ".." => drop(parts.pop().ok_or(NotLocal::Escapes)?),
                _ => parts.push(part.to_owned()),
            }
        }
        if ends_in_name {
            Ok(Self { parts })
        } else {
            Err(NotLocal::Folder)
        }
    }

    /// The URI relative to `shoal.json`.
    pub fn uri(&self) -> String {
        let uri = self.parts.join("/");
        // A colon in the first name would make a scheme of what is before it (RFC 3986 §4.2).
        if has_scheme(&uri) { format!("./{uri}") } else { uri }
    }

    /// The file below `root`.
    pub fn path(&self, root: &Path) -> PathBuf {
        let mut path = root.to_path_buf();
        path.extend(self.parts.iter().filter_map(|part| file_name(part).ok()));
        path
    }
}

/// The name on disk of one path segment of a URI.
fn file_name(part: &str) -> Result<String, NotLocal> {
    let name = percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| NotLocal::Name)?;
    let separator = |character| matches!(character, '/' | '\0') || std::path::is_separator(character);
    if name.contains(separator) {
        Err(NotLocal::Name)
    } else {
        Ok(name.into_owned())
    }
}

fn has_scheme(uri: &str) -> bool {
    let scheme = match uri.split_once([':', '/', '?', '#']) {
        Some((scheme, _)) if uri.as_bytes()[scheme.len()] == b':' => scheme,
        _ => return false,
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(base: &str, uri: &str) -> Result<(String, String), NotLocal> {
        let base = Location::named("index.m3u8").join(base)?;
        let found = base.join(uri)?;
        Ok((
            found.uri(),
            found.path(Path::new("root")).to_str().unwrap().to_owned(),
        ))
    }

    #[test]
    fn inside() {
        for (base, uri, want, path) in [
            ("x.m3u8", "a.ts", "a.ts", "root/a.ts"),
            ("v0/x.m3u8", "a.ts?t=1#f", "v0/a.ts", "root/v0/a.ts"),
            ("v0/x.m3u8", "../a.ts", "a.ts", "root/a.ts"),
            ("v0/x.m3u8", "./b//../c/./a.ts", "v0/c/a.ts", "root/v0/c/a.ts"),
            ("x.m3u8", "a%20b%C3%A9.ts", "a%20b%C3%A9.ts", "root/a bé.ts"),
            ("x.m3u8", "a bé.ts", "a bé.ts", "root/a bé.ts"),
            ("x.m3u8", "./a:b.ts", "./a:b.ts", "root/a:b.ts"),
            ("x.m3u8", "d/a:b.ts", "d/a:b.ts", "root/d/a:b.ts"),
        ] {
            assert_eq!(resolve(base, uri), Ok((want.into(), path.into())), "{base} {uri}");
        }
        assert_eq!(Location::named("a b%c:d.mp4").uri(), "a%20b%25c%3Ad.mp4");
        assert_eq!(
            Location::named("a b%c:d.mp4").path(Path::new("")),
            Path::new("a b%c:d.mp4")
        );
    }

    #[test]
    fn outside() {
        for (uri, want) in [
            ("https://x/a.ts", NotLocal::Remote),
            ("data:video/mp2t,x", NotLocal::Remote),
            ("//x/a.ts", NotLocal::Remote),
            ("/a.ts", NotLocal::Rooted),
            ("../a.ts", NotLocal::Escapes),
            ("b/../../a.ts", NotLocal::Escapes),
            ("%2e%2E/a.ts", NotLocal::Escapes),
            ("a%2f..%2f..%2fb.ts", NotLocal::Name),
            ("a%00.ts", NotLocal::Name),
            ("a%ff.ts", NotLocal::Name),
            ("a/", NotLocal::Folder),
            ("a/..", NotLocal::Folder),
            ("?x", NotLocal::Folder),
            ("", NotLocal::Folder),
        ] {
            assert_eq!(resolve("x.m3u8", uri), Err(want), "{uri:?}");
        }
    }
}
