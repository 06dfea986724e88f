//! Frames: read with descriptions left as they are, for they are only passed on.

use std::borrow::Cow;
use std::fmt::Write;

use super::plain;
use super::wire::{Hashes, Json, Text, Wire};

/// Most offers of one announce that are handed out; further ones are ignored.
pub(crate) const MAX_OFFERS: usize = 10;
/// Most info hashes in one scrape.
pub(super) const MAX_SCRAPED: usize = 64;
/// Characters of an info hash or ID.
const ID_LEN: usize = 20;

/// An info hash, peer ID or offer ID: 20 characters up to U+00FF. Of the frame where it has no escapes.
pub(super) type Id<'a> = Cow<'a, str>;

/// Its characters as the bytes that they stand for, in hexadecimal.
pub(super) fn to_hex(id: &str) -> String {
    let bytes: Vec<u8> = id.chars().map(|character| character as u8).collect();
    tracker_protocol::to_hex(&bytes)
}

/// What a client says.
#[derive(Debug)]
pub(super) enum Message<'a> {
    Announce(Announce<'a>),
    /// Of these info hashes.
    Scrape(Vec<Id<'a>>),
}

#[derive(Debug)]
pub(super) struct Announce<'a> {
    pub(super) info_hash: Id<'a>,
    pub(super) peer_id: Id<'a>,
    pub(super) what: What<'a>,
}

#[derive(Debug)]
pub(super) enum What<'a> {
    /// It is there; `complete` says whether it has everything. Offers with their IDs, for as many members. Descriptions
    /// are JSON as it was written.
    Here {
        complete: bool,
        completed_now: bool,
        offers: Vec<(Id<'a>, &'a str)>,
    },
    /// It goes.
    Stopped,
    /// An answer to an offer.
    Answer {
        to: Id<'a>,
        offer_id: Id<'a>,
        answer: &'a str,
    },
}

/// Why a frame is refused: the `failure reason`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("not JSON of the right form: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}: missing")]
    Missing(&'static str),
    #[error("{0}: not 20 characters up to U+00FF")]
    Id(&'static str),
    #[error("{0}: not an object")]
    Description(&'static str),
    #[error("action: not announce or scrape")]
    Action,
    #[error("info_hash: missing; all of them are not told")]
    FullScrape,
    #[error("info_hash: more than 64")]
    TooMany,
}

fn check(name: &'static str, text: &str) -> Result<(), Malformed> {
    let is_ascii = text.len() == ID_LEN && text.is_ascii();
    if is_ascii || (text.chars().count() == ID_LEN && text.chars().all(|char| char <= '\u{ff}')) {
        Ok(())
    } else {
        Err(Malformed::Id(name))
    }
}

fn id<'a>(name: &'static str, text: Text<'a>) -> Result<Id<'a>, Malformed> {
    check(name, &text).map(|()| text.0)
}

fn required<'a>(name: &'static str, text: Option<Text<'a>>) -> Result<Id<'a>, Malformed> {
    id(name, text.ok_or(Malformed::Missing(name))?)
}

/// A session description, as far as this is looked at.
fn description<'a>(name: &'static str, Json(text): Json<'a>) -> Result<&'a str, Malformed> {
    match text.starts_with('{') {
        true => Ok(text),
        false => Err(Malformed::Description(name)),
    }
}

impl<'a> Message<'a> {
    pub(super) fn read(frame: &'a str) -> Result<Self, Malformed> {
        let wire = match plain::read(frame) {
            Some(wire) => wire,
            None => serde_json::from_str::<Wire<'a>>(frame)?,
        };
        match wire.action.as_deref() {
            Some("announce") => Ok(Self::Announce(announce(wire)?)),
            Some("scrape") => {
                let hashes = match wire.info_hash {
                    None => return Err(Malformed::FullScrape),
                    Some(Hashes::One(hash)) => vec![hash],
                    Some(Hashes::Many(hashes)) => hashes,
                };
                if hashes.len() > MAX_SCRAPED {
                    return Err(Malformed::TooMany);
                }
                let hashes = hashes.into_iter().map(|hash| id("info_hash", hash));
                Ok(Self::Scrape(hashes.collect::<Result<_, _>>()?))
            }
            Some(_) => Err(Malformed::Action),
            None => Err(Malformed::Missing("action")),
        }
    }
}

fn announce(wire: Wire<'_>) -> Result<Announce<'_>, Malformed> {
    let info_hash = match wire.info_hash {
        Some(Hashes::One(hash)) => id("info_hash", hash)?,
        Some(Hashes::Many(_)) => return Err(Malformed::Id("info_hash")),
        None => return Err(Malformed::Missing("info_hash")),
    };
    let event = wire.event.as_deref();
    let what = if let Some(answer) = wire.answer {
        What::Answer {
            to: required("to_peer_id", wire.to_peer_id)?,
            offer_id: required("offer_id", wire.offer_id)?,
            answer: description("answer", answer)?,
        }
    } else if event == Some("stopped") {
        What::Stopped
    } else {
        let wanted = wire.numwant.map_or(MAX_OFFERS, |wanted| wanted.max(0.0) as usize);
        let offers = wire.offers.into_iter().flatten().take(wanted.min(MAX_OFFERS));
        let offers = offers.map(|offer| {
            let description = description("offer", offer.offer)?;
            Ok((id("offer_id", offer.offer_id)?, description))
        });
        What::Here {
            complete: wire.left == Some(0.0),
            completed_now: event == Some("completed"),
            offers: offers.collect::<Result<_, Malformed>>()?,
        }
    };
    Ok(Announce {
        info_hash,
        peer_id: required("peer_id", wire.peer_id)?,
        what,
    })
}

/// Appends text as a JSON string.
fn quote(out: &mut String, text: &str) {
    if text.bytes().all(plain::is_ordinary) {
        out.extend(["\"", text, "\""]);
    } else {
        // A string is always JSON.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    quote(&mut out, text);
    out
}

/// What members get of another.
pub(super) struct Push {
    text: String,
    /// So much of it is the same for all of them.
    head: usize,
}

impl Push {
    pub(super) fn new(info_hash: &str, from: &str) -> Self {
        let mut text = String::with_capacity(256);
        text.push_str(r#"{"action":"announce","info_hash":"#);
        quote(&mut text, info_hash);
        text.push_str(r#","peer_id":"#);
        quote(&mut text, from);
        text.push_str(r#","offer_id":"#);
        let head = text.len();
        Self { text, head }
    }

    /// Its `offer`, or its `answer`: the frame in pieces, for the description is long.
    pub(super) fn frame<'a>(&'a mut self, kind: &str, offer_id: &str, description: &'a str) -> [&'a str; 3] {
        self.text.truncate(self.head);
        quote(&mut self.text, offer_id);
        // Writing to a string does not fail.
        let _ = write!(self.text, r#","{kind}":"#);
        [&self.text, description, "}"]
    }
}

/// The answer to what was refused.
pub(super) fn failure(action: &str, info_hash: Option<&str>, reason: &str) -> String {
    let info_hash = info_hash.map_or_else(String::new, |hash| format!(r#","info_hash":{}"#, quoted(hash)));
    format!(
        r#"{{"action":"{action}","failure reason":{}{info_hash}}}"#,
        quoted(reason)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "aaaaaaaaaaaaaaaaaaaa";
    const PEER: &str = "-WW0001-\u{ff}\u{0}345678901b";

    #[test]
    fn binary_strings_come_back_as_they_were() {
        let frame = format!(
            r#"{{"action":"announce","info_hash":"{HASH}","peer_id":{},"left":null,"numwant":5,"offers":
            [{{"offer":{{"type":"offer","sdp":"v=0\r\n"}},"offer_id":"12345678901234567890"}}]}}"#,
            quoted(PEER)
        );
        let Message::Announce(announce) = Message::read(&frame).unwrap() else {
            panic!()
        };
        assert_eq!((&*announce.info_hash, &*announce.peer_id), (HASH, PEER));
        let What::Here { complete, offers, .. } = announce.what else {
            panic!("{:?}", announce.what)
        };
        assert!(!complete);
        let pushed = Push::new(HASH, PEER)
            .frame("offer", &offers[0].0, offers[0].1)
            .concat();
        let pushed: serde_json::Value = serde_json::from_str(&pushed).unwrap();
        let expected = serde_json::json!({"action":"announce","info_hash":HASH,"peer_id":PEER,
            "offer_id":"12345678901234567890","offer":{"type":"offer","sdp":"v=0\r\n"}});
        assert_eq!(pushed, expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let announce = |rest: &str| format!(r#"{{"action":"announce","info_hash":"{HASH}"{rest}}}"#);
        for (frame, said) in [
            ("{".to_owned(), "not JSON"),
            ("{}".to_owned(), "action: missing"),
            (r#"{"action":"x"}"#.to_owned(), "action: not"),
            (r#"{"action":"announce"}"#.to_owned(), "info_hash: missing"),
            (
                r#"{"action":"announce","info_hash":"short"}"#.to_owned(),
                "info_hash: not 20",
            ),
            (announce(""), "peer_id: missing"),
            (
                announce(r#","peer_id":"wwwwwwwwwwwwwwwwwwwŵ""#),
                "peer_id: not 20",
            ),
            (announce(r#","answer":{}"#), "to_peer_id: missing"),
            (
                announce(r#","offers":[{"offer":7,"offer_id":"12345678901234567890"}]"#),
                "offer: not an object",
            ),
            (r#"{"action":"scrape"}"#.to_owned(), "all of them are not told"),
            (
                format!(r#"{{"action":"scrape","info_hash":{:?}}}"#, vec![HASH; 65]),
                "more than 64",
            ),
        ] {
            let error = Message::read(&frame).unwrap_err().to_string();
            assert!(error.contains(said), "{error} for {frame}");
        }
    }

    #[test]
    fn no_more_offers_than_wanted_and_than_ten() {
        let offer = r#"{"offer":{},"offer_id":"12345678901234567890"}"#;
        let offers = |numwant: &str| {
            let frame = format!(
                r#"{{"action":"announce","info_hash":"{HASH}","peer_id":"{HASH}"{numwant},"offers":[{}]}}"#,
                vec![offer; 20].join(",")
            );
            match Message::read(&frame).unwrap() {
                Message::Announce(Announce {
                    what: What::Here { offers, .. },
                    ..
                }) => offers.len(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(offers(""), 10);
        assert_eq!(offers(r#","numwant":null"#), 10);
        assert_eq!(offers(r#","numwant":3"#), 3);
        assert_eq!(offers(r#","numwant":-1"#), 0);
        assert_eq!(offers(r#","numwant":1e99"#), 10);
    }
}
