//! `docs/shoal.schema.json` says what the reader accepts: the keywords it uses, but for patterns, are enough here.

use super::*;

const SCHEMA: &str = include_str!("../../../../docs/shoal.schema.json");
const VOD: &str = include_str!("../../../../fuzz/seeds/manifest/two_swarms.json");

/// Does a value keep to a schema?
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let members = schema.as_object().unwrap();
    members.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" | "pattern" => true,
        "$ref" => fits(root, root.pointer(&rule.as_str().unwrap()[1..]).unwrap(), value),
        "oneOf" => {
            rule.as_array()
                .unwrap()
                .iter()
                .filter(|one| fits(root, one, value))
                .count()
                == 1
        }
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64(),
            other => panic!("type {other}"),
        },
        "const" => value == rule,
        "enum" => rule.as_array().unwrap().contains(value),
        "minimum" => value.as_u64() >= rule.as_u64(),
        "maximum" => value.as_u64() <= rule.as_u64(),
        "minLength" => value.as_str().unwrap_or("").len() as u64 >= rule.as_u64().unwrap(),
        "maxLength" => value.as_str().unwrap_or("").len() as u64 <= rule.as_u64().unwrap(),
        "minItems" => value.as_array().map_or(0, Vec::len) as u64 >= rule.as_u64().unwrap(),
        "maxItems" => value.as_array().map_or(0, Vec::len) as u64 <= rule.as_u64().unwrap(),
        "items" => value
            .as_array()
            .is_none_or(|all| all.iter().all(|item| fits(root, rule, item))),
        "required" => rule
            .as_array()
            .unwrap()
            .iter()
            .all(|name| value.get(name.as_str().unwrap()).is_some()),
        "properties" => {
            let present = |(name, rule): (&String, &Value)| {
                value.get(name).is_none_or(|member| fits(root, rule, member))
            };
            rule.as_object().unwrap().iter().all(present)
        }
        "dependentRequired" => rule.as_object().unwrap().iter().all(|(name, others)| {
            value.get(name).is_none()
                || others
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|other| value.get(other.as_str().unwrap()).is_some())
        }),
        other => panic!("keyword {other}"),
    })
}

/// Every member of a file, by its pointer.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let pointer = format!("{at}/{name}");
        pointers(child, &pointer, all);
        all.push(pointer);
    }
}

#[test]
fn schema_and_reader_agree() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for golden in [VOD, live::GOLDEN] {
        let file: Value = serde_json::from_str(golden).unwrap();
        assert!(fits(&schema, &schema, &file));
        assert!(Manifest::parse(golden).is_ok());
        let mut all = Vec::new();
        pointers(&file, "", &mut all);
        for pointer in all {
            // Every member is described: a value that no member may have is refused where it is, by both.
            for wrong in [json!(true), json!(99_999_999_999_999_999_u64)] {
                let mut file = file.clone();
                *file.pointer_mut(&pointer).unwrap() = wrong;
                assert!(!fits(&schema, &schema, &file), "schema takes {pointer}");
                assert!(
                    Manifest::parse(file.to_string()).is_err(),
                    "reader takes {pointer}"
                );
            }
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let mut without = file.clone();
            if let Some(Value::Object(members)) = without.pointer_mut(parent) {
                members.remove(name);
                assert_eq!(
                    fits(&schema, &schema, &without),
                    Manifest::parse(without.to_string()).is_ok(),
                    "without {pointer}"
                );
            }
        }
    }
}
