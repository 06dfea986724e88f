//! Both directions, held against `serde_json`.

use proptest::prelude::*;

use crate::{Error, Number, Twice, Value, Writer, parse};

/// The same value as `serde_json` sees it.
fn as_oracle(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(bool) => (*bool).into(),
        Value::Number(Number(text)) => serde_json::from_str(text).unwrap(),
        Value::String(text) => text.as_ref().into(),
        Value::Array(values) => values.iter().map(as_oracle).collect(),
        // Like `serde_json`, the last of several wins.
        Value::Object(object) => {
            let members = object
                .iter()
                .map(|(name, value)| (name.to_owned(), as_oracle(value)));
            serde_json::Value::Object(members.collect())
        }
    }
}

/// Writes what `serde_json` writes for it; fractions and negative numbers are left out.
fn write(writer: &mut Writer, value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => writer.text(text),
        serde_json::Value::Bool(value) => writer.bool(*value),
        serde_json::Value::Array(values) => {
            writer.array(|writer| values.iter().for_each(|value| write(writer, value)));
        }
        serde_json::Value::Object(members) => writer.object(|writer| {
            for (name, value) in members {
                write(writer.name(name), value);
            }
        }),
        other => writer.number(other.as_u64().unwrap()),
    }
}

/// A text is read as `serde_json` reads it, or refused as it refuses it.
fn check(text: &str) -> Result<(), TestCaseError> {
    let oracle = serde_json::from_str::<serde_json::Value>(text);
    match parse(text, 128) {
        // The oracle makes numbers floating point, which have an end.
        Err(error) => prop_assert!(oracle.is_err(), "{text:?}: {error}"),
        Ok(value) => match oracle {
            Err(error) if error.to_string().starts_with("number out of range") => {}
            oracle => prop_assert_eq!(as_oracle(&value), oracle.unwrap()),
        },
    }
    Ok(())
}

fn problem(text: &str, max_depth: usize) -> Error {
    parse(text, max_depth).unwrap_err()
}

#[test]
fn errors_say_where() {
    let error = problem("{\n  \"version\": }", 9);
    assert_eq!(error.to_string(), "expected a value at line 2 column 14");
    assert_eq!(
        problem("", 9).to_string(),
        "EOF inside a value at line 1 column 1"
    );
    for (text, named) in [
        ("{", "EOF"),
        ("[1", "EOF"),
        ("\"ab", "EOF inside a string"),
        ("\"a\nb\"", "control character"),
        ("[1 2]", "`,` or `]`"),
        ("{\"a\":1]", "`,` or `}`"),
        ("{a:1}", "name"),
        ("{\"a\" 1}", "`:`"),
        ("nul", "value"),
        ("1 2", "after"),
        ("01", "after"),
        ("-", "digit"),
        ("1.", "digit"),
        ("1e+", "digit"),
        (r#""\x""#, "escape"),
        (r#""\u12g4""#, "escape"),
        (r#""\ud800""#, "escape"),
        (r#""\ud800\u0020""#, "escape"),
        (r#""\udc00""#, "escape"),
    ] {
        let error = problem(text, 9).to_string();
        assert!(error.contains(named), "{text}: {error}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    assert!(parse("[[1],[2],{}]", 2).is_ok());
    assert!(parse(r#"{"a":"[[[[[[\"[[[["}"#, 1).is_ok());
    for text in ["[[[", "[{\"a\":[]}]", &"[".repeat(100_000)] {
        assert!(problem(text, 2).problem.contains("deeper"), "{text:.20}");
    }
    assert!(problem("[]", 0).problem.contains("deeper"));
    assert!(parse("1", 0).is_ok());
}

#[test]
fn strings_borrow_unless_they_have_escapes() {
    use std::borrow::Cow::{Borrowed, Owned};
    assert!(matches!(parse("\"aé\"", 0), Ok(Value::String(Borrowed("aé")))));
    match parse(r#""\u00e9\ud83d\ude00\/\"""#, 0) {
        Ok(Value::String(Owned(text))) => assert_eq!(text, "é😀/\""),
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_given_twice_are_told() {
    let value = parse(r#"{"a":1,"b":2,"\u0061":3}"#, 1).unwrap();
    let object = value.as_object().unwrap();
    assert_eq!(object.get("a"), Err(Twice));
    assert_eq!(object.get("b").unwrap().and_then(Value::as_u64), Some(2));
    assert_eq!(object.get("c"), Ok(None));
}

#[test]
fn numbers() {
    for (text, whole, truncated) in [
        ("0", Some(0), Some(0)),
        ("-0", None, Some(0)),
        ("-0.0e9", None, Some(0)),
        ("-1", None, None),
        ("-0.5", None, None),
        ("12.9", None, Some(12)),
        ("1.29e1", None, Some(12)),
        ("129E-1", None, Some(12)),
        ("129E-99999999999", None, Some(0)),
        ("0e99999999999", None, Some(0)),
        ("1e15", None, Some(1_000_000_000_000_000)),
        ("1e16", None, None),
        ("1e99999999999", None, None),
        ("0.00001e+7", None, Some(100)),
        ("9007199254740992", Some(1 << 53), Some(1 << 53)),
        ("9007199254740993", Some((1 << 53) + 1), None),
        ("18446744073709551615", Some(u64::MAX), None),
        ("18446744073709551616", None, None),
    ] {
        let Ok(Value::Number(number)) = parse(text, 0) else {
            panic!("{text}")
        };
        assert_eq!(
            (number.as_u64(), number.truncated()),
            (whole, truncated),
            "{text}"
        );
    }
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let text = proptest::collection::vec(any::<char>(), 0..8).prop_map(String::from_iter);
    let leaf = prop_oneof![
        any::<u64>().prop_map(Into::into),
        any::<bool>().prop_map(Into::into),
        text.clone().prop_map(serde_json::Value::from),
        "[\\x00-\\x7f]{0,8}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn written_as_the_oracle_writes(value in any_value()) {
        let (mut plain, mut pretty) = (Writer::new(), Writer::pretty());
        write(&mut plain, &value);
        write(&mut pretty, &value);
        let plain = plain.into_text();
        prop_assert_eq!(&plain, &value.to_string());
        prop_assert_eq!(pretty.into_text(), serde_json::to_string_pretty(&value).unwrap());
        prop_assert_eq!(as_oracle(&parse(&plain, 9).unwrap()), value);
    }

    #[test]
    fn read_as_the_oracle_reads(text in "[\\[\\]{}:,\"\\\\ 0-9eE.+\\-nulltruefas]{0,12}") {
        check(&text)?;
    }

    #[test]
    fn damaged_texts(value in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = serde_json::to_string_pretty(&value).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check(&String::from_utf8_lossy(&bytes))?;
        check(&String::from_utf8_lossy(&bytes[..at]))?;
    }

    #[test]
    fn escapes(text in "\"(\\\\[nu\"d/]|[\\\\u0-9a-fDEF]|\\\\ud[89abcdef][0-9a-f]{2}){0,4}\"") {
        check(&text)?;
    }

    #[test]
    fn truncation_is_that_of_floating_point(text in "(0|[1-9][0-9]{0,14})(\\.[0-9]{1,3})?(e-?[0-9])?") {
        let Ok(Value::Number(number)) = parse(&text, 0) else { panic!("{text}") };
        let float: f64 = text.parse().unwrap();
        // Where the fraction is lost in floating point, both may differ by one.
        let near = number.truncated().map_or(float >= 9_007_199_254_740_992.0, |number| {
            (float.trunc() - number as f64).abs() <= if float > 1e12 { 1.0 } else { 0.0 }
        });
        prop_assert!(near, "{}: {:?}, {}", text, number.truncated(), float);
    }
}
