//! Frames: read with descriptions left as they are, for they are only passed on.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Most offers of one announce that are handed out; further ones are ignored.
pub(crate) const MAX_OFFERS: usize = 10;
/// Most info hashes in one scrape.
pub(super) const MAX_SCRAPED: usize = 64;
/// Characters of an info hash or ID.
const ID_LEN: usize = 20;

/// An info hash, peer ID or offer ID: 20 characters up to U+00FF.
pub(super) type Id = Arc<str>;

/// Its characters as the bytes that they stand for, in hexadecimal.
pub(super) fn to_hex(id: &Id) -> String {
    let bytes: Vec<u8> = id.chars().map(|character| character as u8).collect();
    tracker_protocol::to_hex(&bytes)
}

/// What a client says.
#[derive(Debug)]
pub(super) enum Message<'a> {
    Announce(Announce<'a>),
    /// Of these info hashes.
    Scrape(Vec<Id>),
}

#[derive(Debug)]
pub(super) struct Announce<'a> {
    pub(super) info_hash: Id,
    pub(super) peer_id: Id,
    pub(super) what: What<'a>,
}

#[derive(Debug)]
pub(super) enum What<'a> {
    /// It is there; `complete` says whether it has everything. Offers with their IDs, for as many members.
    Here {
        complete: bool,
        completed_now: bool,
        offers: Vec<(Cow<'a, str>, &'a RawValue)>,
    },
    /// It goes.
    Stopped,
    /// An answer to an offer.
    Answer {
        to: Id,
        offer_id: Cow<'a, str>,
        answer: &'a RawValue,
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

/// A string, of the frame where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    action: Option<Text<'a>>,
    #[serde(borrow)]
    info_hash: Option<Hashes<'a>>,
    #[serde(borrow)]
    peer_id: Option<Text<'a>>,
    #[serde(borrow)]
    event: Option<Text<'a>>,
    /// Bytes that are missing; a client that does not know sends null, or nothing.
    left: Option<f64>,
    numwant: Option<f64>,
    #[serde(borrow)]
    offers: Option<Vec<WireOffer<'a>>>,
    #[serde(borrow)]
    answer: Option<&'a RawValue>,
    #[serde(borrow)]
    to_peer_id: Option<Text<'a>>,
    #[serde(borrow)]
    offer_id: Option<Text<'a>>,
}

enum Hashes<'a> {
    One(Text<'a>),
    Many(Vec<Text<'a>>),
}

/// By hand: derived, everything would be copied before it is known what it is.
impl<'de: 'a, 'a> Deserialize<'de> for Hashes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Hashes<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string or an array of strings")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Hashes::One(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Hashes::One(Text(Cow::Owned(text.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = texts.next_element()? {
                    all.push(text);
                }
                Ok(Hashes::Many(all))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

#[derive(Deserialize)]
struct WireOffer<'a> {
    #[serde(borrow)]
    offer: &'a RawValue,
    #[serde(borrow)]
    offer_id: Text<'a>,
}

fn check(name: &'static str, text: &str) -> Result<(), Malformed> {
    let is_ascii = text.len() == ID_LEN && text.is_ascii();
    if is_ascii || (text.chars().count() == ID_LEN && text.chars().all(|char| char <= '\u{ff}')) {
        Ok(())
    } else {
        Err(Malformed::Id(name))
    }
}

fn id(name: &'static str, text: &str) -> Result<Id, Malformed> {
    check(name, text).map(|()| text.into())
}

fn required(name: &'static str, text: Option<&str>) -> Result<Id, Malformed> {
    id(name, text.ok_or(Malformed::Missing(name))?)
}

fn offer_id(text: Text<'_>) -> Result<Cow<'_, str>, Malformed> {
    check("offer_id", &text).map(|()| text.0)
}

/// A session description, as far as this is looked at.
fn description<'a>(name: &'static str, raw: &'a RawValue) -> Result<&'a RawValue, Malformed> {
    match raw.get().starts_with('{') {
        true => Ok(raw),
        false => Err(Malformed::Description(name)),
    }
}

impl<'a> Message<'a> {
    pub(super) fn read(frame: &'a str) -> Result<Self, Malformed> {
        let wire: Wire<'a> = serde_json::from_str(frame)?;
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
                let hashes = hashes.iter().map(|hash| id("info_hash", hash));
                Ok(Self::Scrape(hashes.collect::<Result<_, _>>()?))
            }
            Some(_) => Err(Malformed::Action),
            None => Err(Malformed::Missing("action")),
        }
    }
}

fn announce(wire: Wire<'_>) -> Result<Announce<'_>, Malformed> {
    let info_hash = match &wire.info_hash {
        Some(Hashes::One(hash)) => id("info_hash", hash)?,
        Some(Hashes::Many(_)) => return Err(Malformed::Id("info_hash")),
        None => return Err(Malformed::Missing("info_hash")),
    };
    let event = wire.event.as_deref();
    let what = if let Some(answer) = wire.answer {
        What::Answer {
            to: required("to_peer_id", wire.to_peer_id.as_deref())?,
            offer_id: offer_id(wire.offer_id.ok_or(Malformed::Missing("offer_id"))?)?,
            answer: description("answer", answer)?,
        }
    } else if event == Some("stopped") {
        What::Stopped
    } else {
        let wanted = wire.numwant.map_or(MAX_OFFERS, |wanted| wanted.max(0.0) as usize);
        let offers = wire.offers.into_iter().flatten().take(wanted.min(MAX_OFFERS));
        let offers = offers.map(|offer| {
            let description = description("offer", offer.offer)?;
            Ok((offer_id(offer.offer_id)?, description))
        });
        What::Here {
            complete: wire.left == Some(0.0),
            completed_now: event == Some("completed"),
            offers: offers.collect::<Result<_, Malformed>>()?,
        }
    };
    Ok(Announce {
        info_hash,
        peer_id: required("peer_id", wire.peer_id.as_deref())?,
        what,
    })
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    // A string is always JSON.
    serde_json::to_string(text).unwrap_or_default()
}

/// What members get of another.
pub(super) struct Push {
    /// The same for all of them.
    head: String,
}

impl Push {
    pub(super) fn new(info_hash: &str, from: &str) -> Self {
        let (info_hash, from) = (quoted(info_hash), quoted(from));
        Self {
            head: format!(r#"{{"action":"announce","info_hash":{info_hash},"peer_id":{from},"offer_id":"#),
        }
    }

    /// Its `offer`, or its `answer`.
    pub(super) fn frame(&self, kind: &str, offer_id: &str, description: &RawValue) -> String {
        let offer_id = quoted(offer_id);
        let parts = [&self.head, &offer_id, ",\"", kind, "\":", description.get(), "}"];
        parts.concat()
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
        let pushed = Push::new(HASH, PEER).frame("offer", &offers[0].0, offers[0].1);
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
