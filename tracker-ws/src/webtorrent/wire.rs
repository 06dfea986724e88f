//! Frames as they are written, of JSON: what they mean is for [`super::message`].

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A string, of the frame where it has no escapes.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A value as it is written, which is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "&RawValue")]
pub(super) struct Json<'a>(#[serde(borrow)] pub(super) &'a str);

impl<'a> From<&'a RawValue> for Json<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self(raw.get())
    }
}

/// Members that are missing are as good as null.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(super) struct Wire<'a> {
    #[serde(borrow)]
    pub(super) action: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) info_hash: Option<Hashes<'a>>,
    #[serde(borrow)]
    pub(super) peer_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) event: Option<Text<'a>>,
    /// Bytes that are missing; a client that does not know sends null, or nothing.
    pub(super) left: Option<f64>,
    pub(super) numwant: Option<f64>,
    #[serde(borrow)]
    pub(super) offers: Option<Vec<WireOffer<'a>>>,
    #[serde(borrow)]
    pub(super) answer: Option<Json<'a>>,
    #[serde(borrow)]
    pub(super) to_peer_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) offer_id: Option<Text<'a>>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct WireOffer<'a> {
    #[serde(borrow)]
    pub(super) offer: Json<'a>,
    #[serde(borrow)]
    pub(super) offer_id: Text<'a>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Hashes<'a> {
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
