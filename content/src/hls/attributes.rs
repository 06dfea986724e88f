//! Attribute lists (RFC 8216 §4.2).

use super::lines::{checked_uri, decimal, integer};
use super::{MAX_TEXT_LENGTH, PlaylistError, Problem};

/// Most attributes of one tag: no tag of the specification has half as many.
const MAX_ATTRIBUTES: usize = 64;

/// The attributes of one tag.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    line: u32,
    tag: &'static str,
    list: Vec<(&'a str, Value<'a>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Quoted(&'a str),
    Bare(&'a str),
}

impl<'a> Attributes<'a> {
    /// Reads `NAME=value,NAME="value"`; blanks around names and values are tolerated.
    pub(super) fn parse(line: u32, tag: &'static str, text: &'a str) -> Result<Self, PlaylistError> {
        let fail = |problem| Err(PlaylistError::new(line, problem));
        let mut list: Vec<(&str, Value<'_>)> = Vec::new();
        let mut rest = text.trim_matches(' ');
        while !rest.is_empty() {
            let Some((name, after)) = rest.split_once('=') else {
                return fail(Problem::AttributeList(tag));
            };
            let name = name.trim_matches(' ');
            let known = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(known) {
                return fail(Problem::AttributeList(tag));
            }
            let after = after.trim_start_matches(' ');
            let value;
            (value, rest) = match after.strip_prefix('"') {
                Some(quoted) => {
                    let Some((value, after)) = quoted.split_once('"') else {
                        return fail(Problem::AttributeList(tag));
                    };
                    (Value::Quoted(value), after.trim_start_matches(' '))
                }
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    let (value, after) = after.split_at(end);
                    let value = value.trim_end_matches(' ');
                    if value.is_empty() || value.contains('"') {
                        return fail(Problem::AttributeList(tag));
                    }
                    (Value::Bare(value), after)
                }
            };
            rest = match rest.strip_prefix(',') {
                Some(more) => more.trim_start_matches(' '),
                None if rest.is_empty() => rest,
                None => return fail(Problem::AttributeList(tag)),
            };
            if list.len() == MAX_ATTRIBUTES {
                return fail(Problem::TooManyAttributes(tag));
            }
            if list.iter().any(|(earlier, _)| *earlier == name) {
                let attribute = name.chars().take(40).collect();
                return fail(Problem::DuplicateAttribute { tag, attribute });
            }
            list.push((name, value));
        }
        Ok(Self { line, tag, list })
    }

    fn get(&self, name: &str) -> Option<Value<'a>> {
        self.list
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| *value)
    }

    fn wrong(&self, attribute: &'static str, want: &'static str) -> PlaylistError {
        PlaylistError::new(
            self.line,
            Problem::Attribute {
                tag: self.tag,
                attribute,
                want,
            },
        )
    }

    /// The error of an attribute that must be there.
    pub(super) fn missing(&self, attribute: &'static str) -> PlaylistError {
        PlaylistError::new(
            self.line,
            Problem::MissingAttribute {
                tag: self.tag,
                attribute,
            },
        )
    }

    /// A quoted string.
    pub(super) fn string(&self, name: &'static str) -> Result<Option<String>, PlaylistError> {
        let problem = match self.get(name) {
            None => return Ok(None),
            Some(Value::Bare(_)) => return Err(self.wrong(name, "a quoted string")),
            Some(Value::Quoted(text)) if text.len() > MAX_TEXT_LENGTH => Problem::TextTooLong(text.len()),
            Some(Value::Quoted(text)) if text.contains(char::is_control) => Problem::ControlCharacter,
            Some(Value::Quoted(text)) => return Ok(Some(text.into())),
        };
        Err(PlaylistError::new(self.line, problem))
    }

    /// A URI in quotes.
    pub(super) fn uri(&self) -> Result<Option<String>, PlaylistError> {
        match self.get("URI") {
            None => Ok(None),
            Some(Value::Bare(_)) => Err(self.wrong("URI", "a quoted string")),
            Some(Value::Quoted(uri)) => checked_uri(self.line, uri).map(Some),
        }
    }

    /// An enumerated string.
    pub(super) fn word(&self, name: &'static str) -> Result<Option<&'a str>, PlaylistError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bare(word)) => Ok(Some(word)),
            Some(Value::Quoted(_)) => Err(self.wrong(name, "an enumerated string")),
        }
    }

    /// `YES` or `NO`, the latter by default.
    pub(super) fn yes(&self, name: &'static str) -> Result<bool, PlaylistError> {
        match self.word(name)? {
            None | Some("NO") => Ok(false),
            Some("YES") => Ok(true),
            Some(_) => Err(self.wrong(name, "YES or NO")),
        }
    }

    /// A decimal integer.
    pub(super) fn integer(&self, name: &'static str) -> Result<Option<u64>, PlaylistError> {
        let want = "a decimal integer";
        self.word(name)?
            .map(|word| integer(word).ok_or_else(|| self.wrong(name, want)))
            .transpose()
    }

    /// A decimal floating-point number.
    pub(super) fn decimal(&self, name: &'static str) -> Result<Option<f64>, PlaylistError> {
        let want = "a decimal number";
        self.word(name)?
            .map(|word| decimal(word).ok_or_else(|| self.wrong(name, want)))
            .transpose()
    }

    /// A resolution, `width x height`.
    pub(super) fn resolution(&self, name: &'static str) -> Result<Option<(u32, u32)>, PlaylistError> {
        let Some(word) = self.word(name)? else {
            return Ok(None);
        };
        let side = |text| integer(text).and_then(|side| u32::try_from(side).ok());
        let sides = word
            .split_once(['x', 'X'])
            .and_then(|(width, height)| Some((side(width)?, side(height)?)));
        sides.map(Some).ok_or_else(|| self.wrong(name, "a resolution"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Attributes<'_>, Problem> {
        Attributes::parse(7, "TAG", text).map_err(|error| *error.problem)
    }

    #[test]
    fn forms() {
        let list = parse(r#"A=1,B-2="x,y=z", C = word ,R=640x360,F=29.97,Y=YES,U="é",E="""#).unwrap();
        assert_eq!(list.integer("A"), Ok(Some(1)));
        assert_eq!(list.string("B-2"), Ok(Some("x,y=z".into())));
        assert_eq!(list.word("C"), Ok(Some("word")));
        assert_eq!(list.resolution("R"), Ok(Some((640, 360))));
        assert_eq!(list.decimal("F"), Ok(Some(29.97)));
        assert_eq!((list.yes("Y"), list.yes("N")), (Ok(true), Ok(false)));
        assert_eq!(list.string("U"), Ok(Some("é".into())));
        assert_eq!(list.string("E"), Ok(Some(String::new())));
        assert_eq!(list.integer("missing"), Ok(None));
        assert_eq!(
            list.integer("C").unwrap_err().to_string(),
            "line 7: TAG: C is not a decimal integer"
        );
        assert!(list.string("A").is_err());
        assert!(list.word("B-2").is_err());
        assert!(list.resolution("A").is_err());
        assert!(list.yes("C").is_err());
        assert!(parse("").unwrap().list.is_empty());
    }

    #[test]
    fn hostile_lists() {
        for text in [
            "A", "=1", "A=", "A=,B=1", "A=\"x", "A=\"x\"y", "a=1", "A=x\"y\"", "A=1,,B=2", "Ä=1", ",",
        ] {
            assert_eq!(
                parse(text).unwrap_err(),
                Problem::AttributeList("TAG"),
                "{text:?}"
            );
        }
        assert!(
            matches!(parse("A=1,B=2,A=3"), Err(Problem::DuplicateAttribute { attribute, .. }) if attribute == "A")
        );
        let many: String = (0..65).map(|number| format!("A{number}=1,")).collect();
        assert_eq!(parse(&many).unwrap_err(), Problem::TooManyAttributes("TAG"));
    }
}
