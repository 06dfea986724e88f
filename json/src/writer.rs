//! From values to text.

use crate::plain::plain_len;

/// Writes one JSON value: objects and arrays by a function that writes what is in them. Inside an object every value
/// comes after its [`Writer::name`], or through one of the calls that take a name.
///
/// ```
/// let mut json = shoal_json::Writer::new();
/// json.object(|json| {
///     json.name("list").array(|json| json.number(1));
///     json.text_member("text", "two");
/// });
/// assert_eq!(json.into_text(), r#"{"list":[1],"text":"two"}"#);
/// ```
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    /// Depth of the object or array being written.
    depth: usize,
    pretty: bool,
    /// Something stands before the next element of the innermost object or array.
    follows: bool,
    /// The name of the next value is written.
    named: bool,
}

impl Writer {
    /// Writes without white space.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes without white space; there is room for so many bytes at once.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Writes every element on a line of its own, indented by two spaces a level.
    pub fn pretty() -> Self {
        Self {
            pretty: true,
            ..Self::default()
        }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// The name of the member whose value is written next.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.element();
        self.quoted(name);
        self.text.push_str(if self.pretty { ": " } else { ":" });
        self.named = true;
        self
    }

    /// An object; `members` writes what is in it.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.open('{');
        members(self);
        self.close('}');
    }

    /// An array; `elements` writes what is in it.
    pub fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.open('[');
        elements(self);
        self.close(']');
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        self.element();
        self.quoted(text);
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        self.element();
        self.text.push_str(&number.to_string());
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.element();
        self.text.push_str(if value { "true" } else { "false" });
    }

    /// A member that is a string.
    pub fn text_member(&mut self, name: &str, text: &str) {
        self.name(name).text(text);
    }

    /// A member that is a number.
    pub fn number_member(&mut self, name: &str, number: u64) {
        self.name(name).number(number);
    }

    /// What stands between elements.
    fn element(&mut self) {
        if std::mem::take(&mut self.named) {
            return;
        }
        if self.follows {
            self.text.push(',');
        }
        self.follows = true;
        if self.depth > 0 {
            self.line();
        }
    }

    fn line(&mut self) {
        if self.pretty {
            self.text.push('\n');
            for _ in 0..self.depth {
                self.text.push_str("  ");
            }
        }
    }

    fn open(&mut self, bracket: char) {
        self.element();
        self.text.push(bracket);
        self.depth += 1;
        self.follows = false;
    }

    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        if self.follows {
            self.line();
        }
        self.text.push(bracket);
        self.follows = true;
    }

    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        let mut rest = text;
        loop {
            let (plain, escaped) = rest.split_at(plain_len(rest.as_bytes()));
            self.text.push_str(plain);
            let Some(byte) = escaped.bytes().next() else {
                break;
            };
            self.escaped(byte);
            rest = &escaped[1..];
        }
        self.text.push('"');
    }

    fn escaped(&mut self, byte: u8) {
        let letter = match byte {
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            0x8 => 'b',
            0xc => 'f',
            b'"' | b'\\' => char::from(byte),
            _ => {
                let digit = |nibble| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                self.text.push_str("\\u00");
                self.text.push(digit(byte >> 4));
                self.text.push(digit(byte & 15));
                return;
            }
        };
        self.text.push('\\');
        self.text.push(letter);
    }
}
