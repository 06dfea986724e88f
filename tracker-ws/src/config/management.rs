//! Settings of management.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::{Invalid, invalid};

/// Least and most characters of a token.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=256;

/// Something that is shown to nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// This text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(secret)")
    }
}

/// Where operators come in, and what they prove themselves with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Management {
    /// Address and port to listen on; off where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// The bearer token (RFC 6750) that every call needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// A file with the token, in place of `token`; white space around it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl Management {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        match (&self.token, &self.token_file) {
            (Some(_), Some(_)) => invalid("management.token_file", "there is a token already"),
            (None, None) if self.listen.is_some() => invalid(
                "management.listen",
                "nobody may manage without a token or token_file",
            ),
            (Some(Secret(token)), None) => match wrong_with(token) {
                Some(wrong) => invalid("management.token", wrong),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The token, read from its file where it has one.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn read_token(&self) -> Result<Option<Secret>, io::Error> {
        let Some(path) = &self.token_file else {
            return Ok(self.token.clone());
        };
        let mut text = String::new();
        let longest = *TOKEN_LENGTH.end() as u64 + 64;
        File::open(path)?.take(longest).read_to_string(&mut text)?;
        let token = text.trim();
        match wrong_with(token) {
            Some(wrong) => Err(io::Error::new(io::ErrorKind::InvalidData, wrong)),
            None => Ok(Some(Secret(token.to_owned()))),
        }
    }
}

/// Why a text cannot be a token.
fn wrong_with(token: &str) -> Option<&'static str> {
    // Those of RFC 6750 §2.1.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if !TOKEN_LENGTH.contains(&token.len()) {
        return Some("a token has 16 to 256 characters");
    }
    let all = token.bytes().all(is_token);
    (!all).then_some("a token has letters, digits and -._~+/= only")
}
