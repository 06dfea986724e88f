//! From text to [`Value`].

use std::borrow::Cow;
use std::fmt;

use crate::plain::plain_len;
use crate::value::{Number, Object, Value};

/// Why, and where, a text is not JSON, or not JSON that is read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub problem: &'static str,
    /// Line, from 1.
    pub line: usize,
    /// Byte in the line, from 1.
    pub column: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.problem, self.line, self.column)
    }
}

impl std::error::Error for Error {}

/// Reads a text that is one JSON value, in which objects and arrays nest at most `max_depth` deep (0: neither is
/// allowed).
///
/// # Errors
/// [`Error`] says what and where.
pub fn parse(text: &str, max_depth: usize) -> Result<Value<'_>, Error> {
    let mut reader = Reader { text, at: 0 };
    reader
        .document(max_depth)
        .map_err(|problem| reader.error(problem))
}

type Parsed<T> = Result<T, &'static str>;

const END: &str = "EOF inside a value";
const ESCAPE: &str = "invalid escape";

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, problem: &'static str) -> Error {
        let before = &self.text.as_bytes()[..self.at.min(self.text.len())];
        let line_start = before
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        Error {
            problem,
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            column: 1 + before.len() - line_start,
        }
    }

    fn document(&mut self, max_depth: usize) -> Parsed<Value<'a>> {
        let value = self.value(max_depth)?;
        match self.peek() {
            None => Ok(value),
            Some(_) => Err("text after the value"),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space; it is not taken.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn value(&mut self, depth: usize) -> Parsed<Value<'a>> {
        match self.peek().ok_or(END)? {
            b'"' => self.string().map(Value::String),
            b'{' => self.object(depth).map(Value::Object),
            b'[' => self.array(depth).map(Value::Array),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            _ => Err("expected a value"),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Parsed<Value<'a>> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err("expected a value")
        }
    }

    fn array(&mut self, depth: usize) -> Parsed<Vec<Value<'a>>> {
        let mut values = Vec::new();
        let depth = inside(depth)?;
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(values);
        }
        loop {
            values.push(self.value(depth)?);
            if self.ends(b']', "expected `,` or `]`")? {
                return Ok(values);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Parsed<Object<'a>> {
        let depth = inside(depth)?;
        self.at += 1;
        // Most objects of messages have fewer members.
        let mut members = Vec::with_capacity(8);
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Object(members));
        }
        loop {
            match self.peek().ok_or(END)? {
                b'"' => {}
                _ => return Err("expected a name in quotes"),
            }
            let name = self.string()?;
            match self.peek().ok_or(END)? {
                b':' => self.at += 1,
                _ => return Err("expected `:`"),
            }
            members.push((name, self.value(depth)?));
            if self.ends(b'}', "expected `,` or `}`")? {
                return Ok(Object(members));
            }
        }
    }

    /// After an element: takes the comma, or the end (then true).
    fn ends(&mut self, end: u8, expected: &'static str) -> Parsed<bool> {
        let next = self.peek().ok_or(END)?;
        if next != b',' && next != end {
            return Err(expected);
        }
        self.at += 1;
        Ok(next == end)
    }

    fn number(&mut self) -> Parsed<Number<'a>> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Number(&self.text[start..self.at]))
    }

    fn digits(&mut self) -> Parsed<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start {
            return Err("expected a digit");
        }
        Ok(())
    }

    /// A string; the next byte is its opening quote.
    fn string(&mut self) -> Parsed<Cow<'a, str>> {
        self.at += 1;
        let mut resolved = String::new();
        loop {
            let start = self.at;
            self.at += plain_len(&self.text.as_bytes()[start..]);
            // All bytes that end a run are ASCII, so runs begin and end between characters.
            let run = &self.text[start..self.at];
            match self.byte().ok_or("EOF inside a string")? {
                b'"' => {
                    self.at += 1;
                    if resolved.is_empty() {
                        return Ok(Cow::Borrowed(run));
                    }
                    resolved.push_str(run);
                    return Ok(Cow::Owned(resolved));
                }
                b'\\' => {
                    resolved.push_str(run);
                    self.at += 1;
                    resolved.push(self.escape()?);
                }
                _ => return Err("control character inside a string"),
            }
        }
    }

    /// What the escape stands for; its backslash is taken.
    fn escape(&mut self) -> Parsed<char> {
        let kind = self.byte().ok_or("EOF inside a string")?;
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                let code = if let 0xd800..=0xdbff = unit {
                    // The second half of a surrogate pair must follow.
                    if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                        return Err(ESCAPE);
                    }
                    self.at += 2;
                    let low = self.hex()?.wrapping_sub(0xdc00);
                    if low > 0x3ff {
                        return Err(ESCAPE);
                    }
                    0x10000 + ((unit - 0xd800) << 10) + low
                } else {
                    unit
                };
                char::from_u32(code).ok_or(ESCAPE)?
            }
            _ => return Err(ESCAPE),
        })
    }

    fn hex(&mut self) -> Parsed<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or(ESCAPE)?;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// The depth that is left inside an object or array.
fn inside(depth: usize) -> Parsed<usize> {
    depth.checked_sub(1).ok_or("nested deeper than allowed")
}
