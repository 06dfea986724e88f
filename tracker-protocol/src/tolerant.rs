//! Readers for the forms the RFC's examples use where its schema says otherwise, and the check of nesting.

use core::fmt;
use core::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::error::{DecodeError, EncodeError};

/// A number, or the same number as a string (`"concurrent_links": "5"`, `"error_code": "06"`).
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number from 0")
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
            Ok(value)
        }
        fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
            // 2^53: beyond it JSON numbers are not exact in a browser.
            if (0.0..=9_007_199_254_740_992.0).contains(&value) {
                Ok(value as u64)
            } else {
                Err(E::custom("number out of range"))
            }
        }
        fn visit_str<E: Error>(self, value: &str) -> Result<u64, E> {
            value.parse().map_err(|_| E::custom("not a number"))
        }
    }
    deserializer.deserialize_any(Number)
}

/// [`number`] for a member that may be absent or null.
pub(crate) fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Wrapped(u64);
    impl<'de> Deserialize<'de> for Wrapped {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            number(deserializer).map(Wrapped)
        }
    }
    Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
}

/// A string, or a number where a string is meant (`"transaction_id": 12345`).
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
            Ok(value.to_owned())
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
            Ok(value.to_string())
        }
    }
    deserializer.deserialize_any(Text)
}

/// An array, or the bare object where there is only one.
pub(crate) fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct OneOrMany<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array or an object")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                items.push(item);
            }
            Ok(items)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(|item| vec![item])
        }
    }
    deserializer.deserialize_any(OneOrMany(PhantomData))
}

/// Cheap checks of a frame before it is parsed: its length, and how deep it nests.
pub(crate) fn check_frame(frame: &str, max_depth: usize) -> Result<(), DecodeError> {
    if frame.len() > crate::MAX_FRAME {
        return Err(DecodeError::TooLong(frame.len()));
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in frame.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > max_depth {
                    return Err(DecodeError::TooDeep(max_depth));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Writes a root object, refusing what does not fit a frame.
pub(crate) fn write_frame<T: serde::Serialize>(root: &T) -> Result<String, EncodeError> {
    let frame = serde_json::to_string(root)?;
    if frame.len() > crate::MAX_FRAME {
        return Err(EncodeError::TooLong(frame.len()));
    }
    Ok(frame)
}

pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_ignores_brackets_in_strings() {
        assert!(check_frame(r#"{"a":"[[[[[[\"[[[["}"#, 1).is_ok());
        assert!(matches!(check_frame("[[1]]", 1), Err(DecodeError::TooDeep(1))));
        assert!(check_frame("[[1],[2],[3]]", 2).is_ok());
    }

    #[test]
    fn length_is_checked_first() {
        let long = " ".repeat(crate::MAX_FRAME + 1);
        assert!(matches!(check_frame(&long, 8), Err(DecodeError::TooLong(65537))));
    }
}
