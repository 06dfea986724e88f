//! A playlist's lines.

use super::{MAX_TEXT_LENGTH, PlaylistError, Problem};

/// One line that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// `#EXT…` with its name, and what follows the colon ("" without one).
    Tag(&'a str, &'a str),
    /// A URI.
    Uri(&'a str),
}

/// Numbered (from 1) lines of a playlist, without blank ones and comments (RFC 8216 §4.1).
pub(super) fn lines(text: &str) -> impl Iterator<Item = (u32, Line<'_>)> + Clone {
    text.split('\n').zip(1_u32..).filter_map(|(line, number)| {
        let line = line.trim_matches([' ', '\t', '\r']);
        let line = match line.strip_prefix('#') {
            None if line.is_empty() => return None,
            None => Line::Uri(line),
            Some(tag) if tag.starts_with("EXT") => {
                let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                Line::Tag(name, value)
            }
            Some(_comment) => return None,
        };
        Some((number, line))
    })
}

/// A URI as it may stand in a playlist.
pub(super) fn checked_uri(line: u32, uri: &str) -> Result<String, PlaylistError> {
    let problem = if uri.is_empty() {
        Problem::EmptyUri
    } else if uri.len() > MAX_TEXT_LENGTH {
        Problem::TextTooLong(uri.len())
    } else if uri.contains(char::is_control) {
        Problem::ControlCharacter
    } else {
        return Ok(uri.into());
    };
    Err(PlaylistError::new(line, problem))
}

/// A decimal integer (RFC 8216 §4.2): digits only, below 2^64.
pub(super) fn integer(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A non-negative decimal floating-point number (RFC 8216 §4.2): digits with at most one point. Digits beyond the
/// 15th are dropped, which no duration notices.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { integer(whole)? };
    if whole >= 1_000_000_000_000 {
        return None;
    }
    let (mut mantissa, mut scale) = (whole, 1_u64);
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        if mantissa < 100_000_000_000_000 && scale < 1_000_000_000_000_000 {
            mantissa = mantissa * 10 + u64::from(digit - b'0');
            scale *= 10;
        }
    }
    Some(mantissa as f64 / scale as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds_of_lines() {
        let text = "#EXTM3U\r\n\n# comment\n#EXTINF:2.0,title:x\n  a b.ts \t\r\n#EXT-X-ENDLIST";
        assert_eq!(
            lines(text).collect::<Vec<_>>(),
            [
                (1, Line::Tag("EXTM3U", "")),
                (4, Line::Tag("EXTINF", "2.0,title:x")),
                (5, Line::Uri("a b.ts")),
                (6, Line::Tag("EXT-X-ENDLIST", "")),
            ]
        );
    }

    #[test]
    fn numbers() {
        for (text, want) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
        ] {
            assert_eq!(integer(text), want, "{text:?}");
        }
        assert_eq!(integer("18446744073709551615"), Some(u64::MAX));
        assert_eq!(integer("18446744073709551616"), None);
        for text in [
            "",
            ".",
            "-1",
            "1e3",
            "1.2.3",
            "inf",
            "NaN",
            "1000000000000",
            "1,5",
            "٣",
        ] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
        assert_eq!(decimal("4"), Some(4.0));
        assert_eq!(decimal("4."), Some(4.0));
        assert_eq!(decimal(".5"), Some(0.5));
        assert_eq!(decimal("0.023220"), Some(0.02322));
        assert_eq!(decimal("9.99999999999999999999999999"), Some(9.99999999999999));
    }

    proptest! {
        #[test]
        fn decimals_agree_with_the_standard_library(whole in 0_u64..1_000_000, fraction in "[0-9]{0,8}") {
            let text = format!("{whole}.{fraction}");
            prop_assert_eq!(decimal(&text), text.parse::<f64>().ok());
        }
    }
}
