//! Reading members of messages: names what is wrong, and takes the forms the RFC's examples use where its schema says
//! otherwise. `null` is as good as absent.

use std::cell::Cell;

use json::{Object, Value};

use crate::error::{DecodeError, ErrorCode};
use crate::{MAX_TRANSACTION_ID, VERSION};

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

    /// The value of a word.
    fn of_word(text: &str) -> Option<Self> {
        let known = Self::WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, value)| *value)
    }

    /// As on the wire.
    fn word(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(_, value)| *value == self);
        known.map_or("", |(word, _)| word)
    }
}

/// Something that is an object on the wire.
pub(crate) trait Read: Sized {
    /// Reads its members.
    fn read(from: &Members<'_>) -> Self;
}

/// Reads the root object of a message: what `read` makes of it, unless it met a problem.
pub(crate) fn root<T>(root: &Value<'_>, read: impl FnOnce(&Members<'_>) -> T) -> Result<T, DecodeError> {
    let first = Cell::new(None);
    let message = read(&Members::of("", root, &first));
    match first.into_inner() {
        None => Ok(message),
        Some(error) => Err(error),
    }
}

/// The members of one object. A member that is not as it must be reads as absent, 0 or empty, and the first of them in
/// a message makes the whole message an error: so what reads messages has no branch for each member.
pub(crate) struct Members<'v> {
    /// What the object is, for messages; empty for the root.
    name: &'static str,
    /// None where a member that must be an object is none.
    object: Option<&'v Object<'v>>,
    /// The first problem of the message.
    first: &'v Cell<Option<DecodeError>>,
}

impl<'v> Members<'v> {
    fn of(name: &'static str, value: &'v Value<'v>, first: &'v Cell<Option<DecodeError>>) -> Self {
        let object = value.as_object();
        let members = Self { name, object, first };
        if object.is_none() {
            members.record(DecodeError::member(name, "invalid type, want an object"));
        }
        members
    }

    /// The message is refused because of this, unless it is already.
    #[inline(never)]
    pub(crate) fn record(&self, error: DecodeError) {
        let earlier = self.first.take();
        self.first.set(Some(earlier.unwrap_or(error)));
    }

    /// The message is refused because of a member of this object.
    #[inline(never)]
    pub(crate) fn refuse(&self, member: &'static str, problem: &'static str) {
        self.record(if self.name.is_empty() {
            DecodeError::member(member, problem)
        } else {
            DecodeError::member([self.name, member].join("."), problem)
        });
    }

    /// What a check found.
    pub(crate) fn check(&self, checked: Result<(), DecodeError>) {
        if let Err(error) = checked {
            self.record(error);
        }
    }

    #[inline(never)]
    fn get(&self, member: &'static str) -> Option<&'v Value<'v>> {
        match self.object?.get(member) {
            Ok(Some(Value::Null)) => None,
            Ok(value) => value,
            Err(json::Twice) => {
                self.refuse(member, "given twice");
                None
            }
        }
    }

    /// A member that must be there, read by one of the calls for those that may be absent; its default when it is not.
    pub(crate) fn required<T: Default>(&self, member: &'static str, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.refuse(member, "missing");
            T::default()
        })
    }

    /// The version of the message, which must be the one that is spoken here.
    pub(crate) fn version(&self) {
        let version = self.number("version");
        if version != VERSION {
            self.record(DecodeError::Version(version));
        }
    }

    /// The error code that is this number, read from a member.
    pub(crate) fn error_code(&self, member: &'static str, number: u64) -> ErrorCode {
        ErrorCode::from_number(number).unwrap_or_else(|| {
            self.refuse(member, "not one of 0 to 6");
            ErrorCode::NoError
        })
    }

    /// A string.
    #[inline(never)]
    pub(crate) fn optional_text(&self, member: &'static str) -> Option<String> {
        let text = self.get(member)?.as_str();
        if text.is_none() {
            self.refuse(member, "not a string");
        }
        text.map(str::to_owned)
    }

    /// A string that must be there.
    #[inline(never)]
    pub(crate) fn text(&self, member: &'static str) -> String {
        self.required(member, self.optional_text(member))
    }

    /// A string that must be there, or a number where a string is meant (`"transaction_id": 12345`).
    pub(crate) fn text_or_number(&self, member: &'static str) -> String {
        match self.get(member).and_then(Value::as_u64) {
            Some(number) => number.to_string(),
            None => self.text(member),
        }
    }

    /// The `transaction_id`; empty when it is too long.
    pub(crate) fn transaction_id(&self) -> String {
        let id = self.text_or_number("transaction_id");
        if id.len() <= MAX_TRANSACTION_ID {
            return id;
        }
        self.refuse("transaction_id", "longer than 64 bytes");
        String::new()
    }

    /// A number, or the same number as a string (`"concurrent_links": "5"`, `"error_code": "06"`). Fractions are
    /// dropped.
    #[inline(never)]
    pub(crate) fn optional_number(&self, member: &'static str) -> Option<u64> {
        let number = match self.get(member)? {
            Value::Number(number) => number.as_u64().or_else(|| number.truncated()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.refuse(member, "not a number from 0");
        }
        number
    }

    /// A number, 0 where it is absent.
    pub(crate) fn number_or_zero(&self, member: &'static str) -> u64 {
        self.optional_number(member).unwrap_or_default()
    }

    /// A number that must be there.
    #[inline(never)]
    pub(crate) fn number(&self, member: &'static str) -> u64 {
        self.required(member, self.optional_number(member))
    }

    /// One of the words of an enumeration.
    pub(crate) fn optional_word<T: Word>(&self, member: &'static str) -> Option<T> {
        let word = self.get(member)?.as_str().and_then(T::of_word);
        if word.is_none() {
            self.refuse(member, T::PROBLEM);
        }
        word
    }

    /// One of the words of an enumeration; any other value is as good as absent.
    pub(crate) fn known_word<T: Word>(&self, member: &'static str) -> Option<T> {
        self.get(member)?.as_str().and_then(T::of_word)
    }

    /// One of the words of an enumeration, that must be there.
    pub(crate) fn word<T: Word>(&self, member: &'static str) -> T {
        self.optional_word(member).unwrap_or_else(|| {
            self.refuse(member, "missing");
            T::WORDS[0].1
        })
    }

    /// `true` or `false`.
    pub(crate) fn optional_bool(&self, member: &'static str) -> Option<bool> {
        match self.get(member)? {
            Value::Bool(value) => Some(*value),
            _ => {
                self.refuse(member, "not true or false");
                None
            }
        }
    }

    /// An object.
    #[inline(never)]
    pub(crate) fn optional_object(&self, member: &'static str) -> Option<Members<'v>> {
        let value = self.get(member)?;
        Some(Members::of(member, value, self.first))
    }

    /// An object that must be there.
    #[inline(never)]
    pub(crate) fn members(&self, member: &'static str) -> Members<'v> {
        self.optional_object(member).unwrap_or_else(|| {
            self.refuse(member, "missing");
            Members {
                name: member,
                object: None,
                first: self.first,
            }
        })
    }

    /// An object, read.
    pub(crate) fn optional<T: Read>(&self, member: &'static str) -> Option<T> {
        self.optional_object(member).map(|members| T::read(&members))
    }

    /// An object that must be there, read.
    pub(crate) fn object<T: Read>(&self, member: &'static str) -> T {
        T::read(&self.members(member))
    }

    /// An object, read, or its default where it is absent.
    pub(crate) fn object_or_default<T: Read + Default>(&self, member: &'static str) -> T {
        self.optional(member).unwrap_or_default()
    }

    /// The elements of an array, or a bare value where there is only one; none where the member is absent.
    fn elements(&self, member: &'static str) -> &'v [Value<'v>] {
        match self.get(member) {
            None => &[],
            Some(Value::Array(values)) => values,
            Some(value) => std::slice::from_ref(value),
        }
    }

    /// An array of objects, or the bare object where there is only one.
    pub(crate) fn one_or_many<T: Read>(&self, member: &'static str) -> Vec<T> {
        let mut all = Vec::new();
        for value in self.elements(member) {
            all.push(T::read(&Members::of(member, value, self.first)));
        }
        all
    }

    /// An array of strings.
    #[inline(never)]
    pub(crate) fn texts(&self, member: &'static str) -> Vec<String> {
        let mut all = Vec::new();
        for value in self.elements(member) {
            match value.as_str() {
                Some(text) => all.push(text.to_owned()),
                None => self.refuse(member, "not an array of strings"),
            }
        }
        all
    }

    /// An array of numbers of 16 bits.
    pub(crate) fn numbers16(&self, member: &'static str) -> Vec<u16> {
        let mut all = Vec::new();
        for value in self.elements(member) {
            match value.as_u64().and_then(|number| u16::try_from(number).ok()) {
                Some(number) => all.push(number),
                None => self.refuse(member, "not an array of numbers from 0 to 65535"),
            }
        }
        all
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
        let value = parse(frame, 3).unwrap();
        type Reading = fn(&Members<'_>);
        let readings: [(Reading, &str); 5] = [
            (|root| _ = root.text("peer_id"), "peer_id: missing"),
            (|root| _ = root.number("nothing"), "nothing: missing"),
            (
                |root| _ = root.one_or_many::<Text>("swarm_action"),
                "swarm_action.swarm_id: not a string",
            ),
            (
                |root| _ = root.one_or_many::<Twice>("swarm_action"),
                "swarm_action.twice: given twice",
            ),
            (
                |root| _ = (root.object::<Text>("signal"), root.text("peer_id")),
                "signal: missing",
            ),
        ];
        for (read, text) in readings {
            assert_eq!(root(&value, read).unwrap_err().to_string(), text);
        }
        assert!(root(&value, |_| ()).is_ok());
        assert!(root(&Value::Null, |_| ()).is_err());
    }

    struct Text;

    impl Read for Text {
        fn read(from: &Members<'_>) -> Self {
            from.text("swarm_id");
            Self
        }
    }

    struct Twice;

    impl Read for Twice {
        fn read(from: &Members<'_>) -> Self {
            from.optional_number("twice");
            Self
        }
    }
}
