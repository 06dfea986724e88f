//! Reading members of messages: names what is wrong, and takes the forms the RFC's examples use where its schema says
//! otherwise. `null` is as good as absent.

use json::{Object, Value};

use crate::error::DecodeError;

/// The JSON of a frame of the tracker's, its length and nesting checked.
pub(crate) fn parse(frame: &str, max_depth: usize) -> Result<Value<'_>, DecodeError> {
    parse_within(frame, crate::MAX_FRAME, max_depth)
}

/// The JSON of a frame of at most so many bytes, its nesting checked.
pub(crate) fn parse_within(
    frame: &str,
    max_length: usize,
    max_depth: usize,
) -> Result<Value<'_>, DecodeError> {
    if frame.len() > max_length {
        return Err(DecodeError::TooLong(frame.len()));
    }
    Ok(json::parse(frame, max_depth)?)
}

/// One of the words an enumeration has on the wire.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// Every value with its word.
    const WORDS: &'static [(&'static str, Self)];
    /// What to say of any other word.
    const PROBLEM: &'static str;

    /// As on the wire.
    fn word(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(_, value)| *value == self);
        known.map_or("", |(word, _)| word)
    }
}

/// Something that is an object on the wire.
pub(crate) trait Read: Sized {
    /// Reads its members.
    fn read(from: &Members<'_>) -> Result<Self, DecodeError>;
}

/// The members of one object.
pub(crate) struct Members<'v> {
    /// What the object is, for messages; empty for the root.
    name: &'static str,
    object: &'v Object<'v>,
}

impl<'v> Members<'v> {
    /// The members of `value`, if it is an object.
    pub(crate) fn of(name: &'static str, value: &'v Value<'v>) -> Result<Self, DecodeError> {
        match value.as_object() {
            Some(object) => Ok(Self { name, object }),
            None => Err(DecodeError::member(name, "invalid type, want an object")),
        }
    }

    /// An error of a member of this object.
    pub(crate) fn error(&self, member: &'static str, problem: &'static str) -> DecodeError {
        if self.name.is_empty() {
            DecodeError::member(member, problem)
        } else {
            DecodeError::member([self.name, member].join("."), problem)
        }
    }

    fn get(&self, member: &'static str) -> Result<Option<&'v Value<'v>>, DecodeError> {
        match self.object.get(member) {
            Ok(Some(Value::Null)) => Ok(None),
            Ok(value) => Ok(value),
            Err(json::Twice) => Err(self.error(member, "given twice")),
        }
    }

    /// A member that must be there, read by one of the calls for those that may be absent.
    pub(crate) fn required<T>(
        &self,
        member: &'static str,
        value: Result<Option<T>, DecodeError>,
    ) -> Result<T, DecodeError> {
        value?.ok_or_else(|| self.error(member, "missing"))
    }

    /// A string.
    pub(crate) fn optional_text(&self, member: &'static str) -> Result<Option<String>, DecodeError> {
        match self.get(member)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.to_string())),
            Some(_) => Err(self.error(member, "not a string")),
        }
    }

    /// A string that must be there.
    pub(crate) fn text(&self, member: &'static str) -> Result<String, DecodeError> {
        self.required(member, self.optional_text(member))
    }

    /// A string that must be there, or a number where a string is meant (`"transaction_id": 12345`).
    pub(crate) fn text_or_number(&self, member: &'static str) -> Result<String, DecodeError> {
        match self.get(member)?.and_then(Value::as_u64) {
            Some(number) => Ok(number.to_string()),
            None => self.text(member),
        }
    }

    /// A number, or the same number as a string (`"concurrent_links": "5"`, `"error_code": "06"`). Fractions are
    /// dropped.
    pub(crate) fn optional_number(&self, member: &'static str) -> Result<Option<u64>, DecodeError> {
        let Some(value) = self.get(member)? else {
            return Ok(None);
        };
        let number = match value {
            Value::Number(number) => number.as_u64().or_else(|| number.truncated()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number
            .map(Some)
            .ok_or_else(|| self.error(member, "not a number from 0"))
    }

    /// A number, 0 where it is absent.
    pub(crate) fn number_or_zero(&self, member: &'static str) -> Result<u64, DecodeError> {
        self.optional_number(member).map(Option::unwrap_or_default)
    }

    /// A number that must be there.
    pub(crate) fn number(&self, member: &'static str) -> Result<u64, DecodeError> {
        self.required(member, self.optional_number(member))
    }

    /// One of the words of an enumeration.
    pub(crate) fn optional_word<T: Word>(&self, member: &'static str) -> Result<Option<T>, DecodeError> {
        let Some(value) = self.get(member)? else {
            return Ok(None);
        };
        let known = value
            .as_str()
            .and_then(|text| T::WORDS.iter().find(|(word, _)| *word == text));
        match known {
            Some((_, value)) => Ok(Some(*value)),
            None => Err(self.error(member, T::PROBLEM)),
        }
    }

    /// One of the words of an enumeration; any other value is as good as absent.
    pub(crate) fn known_word<T: Word>(&self, member: &'static str) -> Result<Option<T>, DecodeError> {
        let text = self.get(member)?.and_then(Value::as_str);
        let known = text.and_then(|text| T::WORDS.iter().find(|(word, _)| *word == text));
        Ok(known.map(|(_, value)| *value))
    }

    /// `true` or `false`.
    pub(crate) fn optional_bool(&self, member: &'static str) -> Result<Option<bool>, DecodeError> {
        match self.get(member)? {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.error(member, "not true or false")),
        }
    }

    /// One of the words of an enumeration, that must be there.
    pub(crate) fn word<T: Word>(&self, member: &'static str) -> Result<T, DecodeError> {
        self.required(member, self.optional_word(member))
    }

    /// An object.
    pub(crate) fn optional_object(&self, member: &'static str) -> Result<Option<Members<'v>>, DecodeError> {
        match self.get(member)? {
            None => Ok(None),
            Some(value) => Members::of(member, value).map(Some),
        }
    }

    /// An object, read.
    pub(crate) fn optional<T: Read>(&self, member: &'static str) -> Result<Option<T>, DecodeError> {
        match self.optional_object(member)? {
            None => Ok(None),
            Some(members) => T::read(&members).map(Some),
        }
    }

    /// An object that must be there, read.
    pub(crate) fn object<T: Read>(&self, member: &'static str) -> Result<T, DecodeError> {
        self.required(member, self.optional(member))
    }

    /// An object, read, or its default where it is absent.
    pub(crate) fn object_or_default<T: Read + Default>(
        &self,
        member: &'static str,
    ) -> Result<T, DecodeError> {
        self.optional(member).map(Option::unwrap_or_default)
    }

    /// The elements of an array, or a bare value where there is only one; none where the member is absent.
    fn elements(&self, member: &'static str) -> Result<&'v [Value<'v>], DecodeError> {
        Ok(match self.get(member)? {
            None => &[],
            Some(Value::Array(values)) => values,
            Some(value) => std::slice::from_ref(value),
        })
    }

    /// An array of objects, or the bare object where there is only one.
    pub(crate) fn one_or_many<T: Read>(&self, member: &'static str) -> Result<Vec<T>, DecodeError> {
        let mut all = Vec::new();
        for value in self.elements(member)? {
            all.push(T::read(&Members::of(member, value)?)?);
        }
        Ok(all)
    }

    /// An array of strings.
    pub(crate) fn texts(&self, member: &'static str) -> Result<Vec<String>, DecodeError> {
        let mut all = Vec::new();
        for value in self.elements(member)? {
            let text = value.as_str();
            all.push(
                text.ok_or_else(|| self.error(member, "not an array of strings"))?
                    .to_owned(),
            );
        }
        Ok(all)
    }

    /// An array of numbers of 16 bits.
    pub(crate) fn numbers16(&self, member: &'static str) -> Result<Vec<u16>, DecodeError> {
        let mut all = Vec::new();
        for value in self.elements(member)? {
            let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
            all.push(number.ok_or_else(|| self.error(member, "not an array of numbers from 0 to 65535"))?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_checked_first() {
        let long = " ".repeat(crate::MAX_FRAME + 1);
        assert!(matches!(parse(&long, 8), Err(DecodeError::TooLong(65537))));
        assert!(matches!(parse("[[1]]", 1), Err(DecodeError::Json(_))));
    }

    #[test]
    fn errors_name_the_member_and_its_object() {
        let frame = r#"{"swarm_action":[{"swarm_id":5,"twice":1,"twice":1}],"nothing":null}"#;
        let root = parse(frame, 3).unwrap();
        let root = Members::of("", &root).unwrap();
        let value = root.object.get("swarm_action").unwrap().unwrap();
        let Value::Array(actions) = value else { panic!() };
        let action = Members::of("swarm_action", &actions[0]).unwrap();
        for (error, text) in [
            (root.text("peer_id").unwrap_err(), "peer_id: missing"),
            (root.number("nothing").unwrap_err(), "nothing: missing"),
            (
                action.text("swarm_id").unwrap_err(),
                "swarm_action.swarm_id: not a string",
            ),
            (
                action.optional_number("twice").unwrap_err(),
                "swarm_action.twice: given twice",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
