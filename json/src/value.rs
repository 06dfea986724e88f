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
        let before = |text: &[u8], end: fn(&u8) -> bool| text.iter().position(end).unwrap_or(text.len());
        let text = self.0.as_bytes();
        let (mantissa, exponent) = text.split_at(before(text, |byte| matches!(byte, b'e' | b'E')));
        let (whole, _) = mantissa.split_at(before(mantissa, |byte| *byte == b'.'));
        // A larger exponent is as good as this: it leaves nothing, or makes the number too large.
        let exponent_size = digits(exponent).fold(0, |size, digit| {
            (size * 10 + i64::from(digit)).min(i64::from(i32::MAX))
        });
        let mut left = digits(whole).count() as i64;
        if exponent.contains(&b'-') {
            left -= exponent_size;
        } else {
            left += exponent_size;
        }
        let mut value = 0_u64;
        for digit in digits(mantissa) {
            if mantissa.first() == Some(&b'-') && digit != 0 {
                return None;
            }
            if left > 0 {
                value = push(value, digit)?;
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

fn digits(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    digits.map(|digit| digit - b'0')
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
