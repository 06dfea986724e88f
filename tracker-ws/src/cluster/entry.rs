//! A ban as nodes write it for each other. Its end is told as Unix time: it is the only thing that clocks have to agree on,
//! to the second or so.

use serde::{Deserialize, Serialize};
use tracker_protocol::server::Timestamp;

use crate::bans::{Ban, MAX_ID, Subject, Version};
use crate::clock::Clock;

const VERSION: u32 = 1;
/// Longest entry, bytes: a reason of 200 characters, escaped, and the rest.
pub(crate) const MAX_ENTRY: usize = 4096;
/// Longest reason, characters.
const MAX_REASON: usize = 200;
/// Longest subject, bytes: 64 digits.
const MAX_SUBJECT: usize = 64;

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    subject: String,
    id: u64,
    revision: u64,
    node: u32,
    /// Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lifted: bool,
}

/// Why an entry is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("{0} bytes, more than {MAX_ENTRY}")]
    TooLong(usize),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Member(&'static str),
}

/// Writes a ban.
pub(super) fn write(now: Timestamp, ban: &Ban) -> String {
    let until = |until: Timestamp| (Clock::unix_ms() + until / 1000).saturating_sub(now / 1000);
    let wire = Wire {
        v: VERSION,
        subject: ban.subject.to_string(),
        id: ban.id,
        revision: ban.version.revision,
        node: ban.version.node,
        until: ban.until.map(until),
        reason: ban.reason.clone(),
        lifted: ban.is_lifted,
    };
    // Texts and numbers can be written.
    serde_json::to_string(&wire).unwrap_or_default()
}

/// Reads what a node has written.
///
/// # Errors
/// [`EntryError`].
pub(super) fn read(now: Timestamp, text: &str) -> Result<Ban, EntryError> {
    if text.len() > MAX_ENTRY {
        return Err(EntryError::TooLong(text.len()));
    }
    let wire: Wire = serde_json::from_str(text)?;
    let refuse = |why| Err(EntryError::Member(why));
    if wire.v != VERSION {
        return refuse("v: another version");
    }
    if !(1..=MAX_ID).contains(&wire.id) || wire.revision > MAX_ID {
        return refuse("id, revision: too high");
    }
    if wire
        .reason
        .as_ref()
        .is_some_and(|reason| reason.chars().count() > MAX_REASON)
    {
        return refuse("reason: too long");
    }
    if wire.lifted && wire.until.is_none() {
        return refuse("lifted: for ever");
    }
    let Some(subject) = subject(&wire.subject) else {
        return refuse("subject: neither a peer nor a prefix");
    };
    // What ended before this node started has ended with it.
    let until = |until: u64| {
        (now / 1000)
            .saturating_add(until)
            .saturating_sub(Clock::unix_ms())
    };
    Ok(Ban {
        id: wire.id,
        subject,
        until: wire.until.map(|ms| until(ms).saturating_mul(1000)),
        reason: wire.reason,
        is_lifted: wire.lifted,
        version: Version {
            revision: wire.revision,
            node: wire.node,
        },
    })
}

/// As a ban's subject is shown.
fn subject(text: &str) -> Option<Subject> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text.len() {
        40 | 64 if text.bytes().all(is_digit) => Some(Subject::Peer(text.to_owned())),
        ..=MAX_SUBJECT => text.parse().ok().map(Subject::Prefix),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bans::Bans;

    fn made(subject: Subject, until: Option<Timestamp>) -> Ban {
        let bans = Bans::of_node(7);
        bans.add(0, subject, until, Some("wh\"y".to_owned())).unwrap().0
    }

    #[test]
    fn what_is_written_is_read() {
        let now = 50_000_000;
        for subject in [
            Subject::Peer("ab".repeat(32)),
            Subject::Peer("ab".repeat(20)),
            Subject::Prefix("192.0.2.0/24".parse().unwrap()),
            Subject::Prefix("2001:db8::/32".parse().unwrap()),
        ] {
            let good = made(subject, None);
            assert_eq!(read(now, &write(now, &good)).unwrap(), good);
        }
        let ends = made(Subject::Peer("ab".repeat(32)), Some(now + 60_000_000));
        let lifted = Ban {
            is_lifted: true,
            ..ends.clone()
        };
        for good in [ends, lifted] {
            // Another node started at another time.
            let until = read(9_000_000, &write(now, &good)).unwrap().until.unwrap();
            assert!((68_000_000..=69_000_000).contains(&until), "{until}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = write(0, &made(Subject::Peer("ab".repeat(32)), None));
        for (from, to, problem) in [
            ("\"v\":1", "\"v\":2", "v: another version"),
            ("abab", "xyxy", "subject: neither"),
            ("\"id\":", "\"id\":9007199254", "id, revision"),
            ("\"revision\":1", "\"revision\":9007199254740992", "id, revision"),
            (
                "\"reason\":\"",
                "\"lifted\":true,\"reason\":\"",
                "lifted: for ever",
            ),
            ("{", "[", "expected"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = read(0, &text).unwrap_err().to_string();
            assert!(error.contains(problem), "{from}: {error}");
        }
        let long = good.replace("wh", &"x".repeat(201));
        assert!(matches!(
            read(0, &long),
            Err(EntryError::Member("reason: too long"))
        ));
        let long = " ".repeat(MAX_ENTRY + 1);
        assert!(matches!(read(0, &long), Err(EntryError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn garbage_is_refused(text in ".{0,200}") {
            prop_assert!(read(0, &text).is_err());
        }

        /// Whatever is allowed fits.
        #[test]
        fn all_fit(reason in prop::collection::vec(any::<char>(), 0..=200)) {
            let bans = Bans::of_node(7);
            let reason: String = reason.into_iter().collect();
            let (ban, _) = bans.add(0, Subject::Peer("ab".repeat(32)), None, Some(reason)).unwrap();
            prop_assert_eq!(read(0, &write(0, &ban)).unwrap(), ban);
        }
    }
}
