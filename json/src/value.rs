//! What a text says.

use std::borrow::Cow;

/// A JSON value; strings without escapes and numbers borrow from the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number<'a>),
    /// A string, its escapes resolved.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one that is written as a whole number from 0 and fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The object, if this is one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// A number, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number<'a>(pub(crate) &'a str);

/// Beyond 2⁵³ JSON numbers are not exact in a browser.
const MAX_EXACT: u64 = 1 << 53;

impl Number<'_> {
    /// The number, if it is written as a whole number from 0 (no fraction, no exponent) and fits.
    pub fn as_u64(self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The number rounded towards zero, if it is from 0 to 2⁵³: `12.9` and `1.29e1` are 12.
    pub fn truncated(self) -> Option<u64> {
        let (mantissa, exponent) = self.0.split_once(['e', 'E']).unwrap_or((self.0, "0"));
        let negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches('-');
        let whole = mantissa.find('.').unwrap_or(mantissa.len());
        // An exponent of more digits is as good as the largest: it leaves nothing, or makes the number too large.
        let exponent: i32 = exponent.parse().unwrap_or(if exponent.starts_with('-') {
            -i32::MAX
        } else {
            i32::MAX
        });
        let mut left = i64::from(exponent) + whole as i64;
        let mut value = 0_u64;
        for digit in mantissa.bytes().filter(u8::is_ascii_digit) {
            if negative && digit != b'0' {
                return None;
            }
            if left > 0 {
                value = push(value, digit - b'0')?;
            }
            left -= 1;
        }
        while value > 0 && left > 0 {
            value = push(value, 0)?;
            left -= 1;
        }
        Some(value)
    }
}

fn push(value: u64, digit: u8) -> Option<u64> {
    let value = value * 10 + u64::from(digit);
    (value <= MAX_EXACT).then_some(value)
}

/// An object's members, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<'a>(pub(crate) Vec<(Cow<'a, str>, Value<'a>)>);

/// A member that is given twice: readers that take the first and readers that take the last would not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice;

impl<'a> Object<'a> {
    /// The member of this name, if there is one.
    ///
    /// # Errors
    /// [`Twice`] when there is more than one.
    pub fn get(&self, name: &str) -> Result<Option<&Value<'a>>, Twice> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Twice),
            (member, None) => Ok(member.map(|(_, value)| value)),
        }
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}
