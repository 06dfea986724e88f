//! The settings as a TOML file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use toml::de::{DeTable, DeValue};

use super::Config;

/// Where in a file something is, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.line, self.column)
    }
}

/// Why a file gives no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says something that makes no sense.
    #[error("{path}:{place}: {reason}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: Place,
        /// What is wrong, with the key it is about.
        reason: String,
    },
}

impl Config {
    /// Reads a file; what it does not say is the default.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        parse(&text).map_err(|(at, reason)| ConfigError::Content {
            path: path.to_owned(),
            place: place(&text, at),
            reason,
        })
    }

    /// The settings as such a file, without those that are secrets: a comment names the ones that are set.
    pub fn to_toml(&self) -> String {
        let (shown, secrets) = self.without_secrets();
        let comment = match secrets.is_empty() {
            true => String::new(),
            false => format!("# Set, and not shown: {}\n", secrets.join(", ")),
        };
        // Numbers, texts and lists of texts can all be written.
        comment + &toml::to_string(&shown).unwrap_or_default()
    }

    /// The settings that others may see, and the keys of the rest.
    fn without_secrets(&self) -> (Self, Vec<&'static str>) {
        let (mut shown, mut secrets) = (self.clone(), Vec::new());
        if shown.management.token.take().is_some() {
            secrets.push("management.token");
        }
        // A name or password of the engine's.
        if shown.cluster.take_if(|url| url.contains('@')).is_some() {
            secrets.push("cluster");
        }
        (shown, secrets)
    }
}

/// The keys whose values differ, with both values as they would be written; a list or table as a whole.
pub(crate) fn differences(old: &Config, new: &Config) -> Vec<(String, String)> {
    let table = |config| toml::Table::try_from(config).unwrap_or_default();
    let (old, new) = (table(old), table(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let value = |table: &toml::Table, key: &str| match table.get(key) {
        None => "none".to_owned(),
        Some(value) => redacted(value.clone()).to_string(),
    };
    let differ = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    differ
        .map(|key| {
            (
                key.clone(),
                format!("{} → {}", value(&old, key), value(&new, key)),
            )
        })
        .collect()
}

/// Without the secrets in it.
fn redacted(mut value: toml::Value) -> toml::Value {
    if let Some(table) = value.as_table_mut()
        && let Some(token) = table.get_mut("token")
    {
        *token = "(secret)".into();
    }
    value
}

/// Errors are with the byte where they are.
fn parse(text: &str) -> Result<Config, (usize, String)> {
    let table = DeTable::parse(text);
    let config: Config = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let reason = match error.message().split_once(", expected") {
            // The list of all keys would hide which one it is about.
            Some((unknown, _)) if unknown.starts_with("unknown field") => unknown,
            _ => error.message(),
        };
        let key = table.as_ref().ok().and_then(|table| key_at(table.get_ref(), at));
        let reason = match key {
            Some(key) => format!("{key}: {reason}"),
            None => reason.to_owned(),
        };
        (at, reason)
    })?;
    config.check().map_err(|invalid| {
        let at = table
            .as_ref()
            .map_or(0, |table| start_of(table.get_ref(), &invalid.key));
        (at, invalid.to_string())
    })?;
    Ok(config)
}

/// The key whose value is at this byte.
fn key_at(table: &DeTable<'_>, at: usize) -> Option<String> {
    let (key, value) = table.iter().find(|(_, value)| value.span().contains(&at))?;
    let key = key.get_ref();
    Some(match value.get_ref() {
        DeValue::Table(inner) => match key_at(inner, at) {
            Some(inner) => format!("{key}.{inner}"),
            None => key.to_string(),
        },
        _ => key.to_string(),
    })
}

/// Where the value of a key starts, or of the table it is in.
fn start_of(table: &DeTable<'_>, key: &str) -> usize {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let Some(value) = table.get(first) else { return 0 };
    match value.get_ref() {
        DeValue::Table(inner) if inner.contains_key(rest) => start_of(inner, rest),
        _ => value.span().start,
    }
}

fn place(text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: 1 + before.matches('\n').count(),
        column: 1 + before[line_start..].chars().count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut config = Config::default();
        assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
        config.listen = "[::1]:9".parse().unwrap();
        config.log = super::super::LogLevel::Debug;
        config.webtorrent = true;
        config.interval = std::time::Duration::from_millis(12_500);
        config.track_timeout = Some(std::time::Duration::from_secs(70));
        config.origins = vec!["wss://a.example".to_owned()];
        config.allow_origins = vec!["https://b.example".to_owned(), "http://c.example:8".to_owned()];
        config.key = Some("a \"key\".pem".into());
        config.create_key = true;
        config.signals.burst = 7;
        config.cluster = Some("redis://engine.example".to_owned());
        config.management = super::super::Management {
            listen: Some("127.0.0.1:9".parse().unwrap()),
            token: None,
            token_file: Some("token".into()),
        };
        assert_eq!(parse(&config.to_toml()), Ok(config));
    }

    #[test]
    fn secrets_are_not_written() {
        let config = Config {
            cluster: Some("rediss://tracker:password@engine.example".to_owned()),
            management: super::super::Management {
                token: Some(super::super::Secret::new("0123456789abcdef".to_owned())),
                ..super::super::Management::default()
            },
            ..Config::default()
        };
        let expected = "# Set, and not shown: management.token, cluster\n".to_owned();
        assert_eq!(config.to_toml(), expected + &Config::default().to_toml());
    }

    #[test]
    fn differences_tell_no_secrets() {
        let with = |token: &str| Config {
            management: super::super::Management {
                token: Some(super::super::Secret::new(token.to_owned())),
                ..super::super::Management::default()
            },
            ..Config::default()
        };
        let (old, new) = (with("0123456789abcdef"), with("fedcba9876543210"));
        let expected = "{ token = \"(secret)\" } → { token = \"(secret)\" }";
        assert_eq!(
            differences(&old, &new),
            [("management".to_owned(), expected.to_owned())]
        );
        assert!(!format!("{old:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(parse(""), Ok(Config::default()));
    }

    #[test]
    fn places_are_counted_in_characters() {
        let text = "a\nüb = 1";
        assert_eq!(place(text, 4), Place { line: 2, column: 2 });
        assert_eq!(place(text, 99), Place { line: 2, column: 7 });
    }
}
