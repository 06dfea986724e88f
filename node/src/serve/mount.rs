//! Other folders below a path.

use std::path::PathBuf;
use std::str::FromStr;

/// A folder served below a path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Starts with a slash, ends without one.
    pub prefix: String,
    /// The folder.
    pub folder: PathBuf,
}

impl FromStr for Mount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (prefix, folder) = text.split_once('=').ok_or("want PREFIX=DIR")?;
        let prefix = prefix.trim_end_matches('/');
        let names = prefix
            .strip_prefix('/')
            .ok_or("the prefix starts with / and is longer than that")?;
        // The characters that need no escaping and mean nothing to the router.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let known = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(plain);
        if !names.split('/').all(known) {
            return Err("the prefix is names of letters, digits and -._~ with slashes between".into());
        }
        if folder.is_empty() {
            return Err("no folder after =".into());
        }
        Ok(Self {
            prefix: prefix.into(),
            folder: folder.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let mount = |prefix: &str, folder: &str| {
            Ok(Mount {
                prefix: prefix.into(),
                folder: folder.into(),
            })
        };
        assert_eq!("/js=dist".parse(), mount("/js", "dist"));
        assert_eq!("/a/b-1.x/=/d=e".parse(), mount("/a/b-1.x", "/d=e"));
        for wrong in [
            "",
            "js=dist",
            "/js",
            "/=dist",
            "=dist",
            "/js=",
            "/{x}=d",
            "/*x=d",
            "//a=d",
            "/a/../b=d",
            "/a//b=d",
        ] {
            assert!(wrong.parse::<Mount>().is_err(), "{wrong}");
        }
    }
}
