//! Short names for what the module and its JavaScript glue call each other: 6 KB of both after gzip, because
//! wasm-bindgen's names carry hashes and whole types. And a way to start it that is all we need: 0.5 KB.

use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use wasm_bindgen_cli_support::Output;

/// How names begin that only the module and the glue use. What else is exported has its name from us.
const GENERATED: [&str; 3] = ["__wbg_", "__wbindgen_", "wasm_bindgen_"];

/// Where the glue begins to start the module: from any source, at once or not, in any browser.
const START: &str = "let wasmModule, wasmInstance, wasm;";
/// How it starts ours.
const OUR_START: &str = include_str!("glue_init.js");

/// Renames in the module what is generated, writes it with its glue to `out` and renames there too.
pub fn emit(mut output: Output, out: &Path) -> Result<()> {
    let mut names = HashMap::new();
    let mut rename = |name: &mut String| {
        if GENERATED.iter().any(|prefix| name.starts_with(prefix)) {
            let number = names.len();
            *name = names.entry(name.clone()).or_insert(format!("w{number}")).clone();
        }
    };
    let module = output.wasm_mut();
    for import in module.imports.iter_mut() {
        rename(&mut import.name);
    }
    for export in module.exports.iter_mut() {
        rename(&mut export.name);
    }
    output.emit(out)?;
    for file in fs::read_dir(out)? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension != "wasm") {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            fs::write(&file, replace_words(&text, &names))?;
        }
    }
    let glue = out.join("wasm_peer.js");
    let text = fs::read_to_string(&glue)?;
    let (before, start) = text.split_once(START).context("the glue starts in another way")?;
    ensure!(
        !start.contains("__wbindgen_start"),
        "the module wants to be started"
    );
    Ok(fs::write(&glue, [before, OUR_START].concat())?)
}

/// The text with every identifier that has another name replaced.
fn replace_words(text: &str, names: &HashMap<String, String>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let is_word = |character: char| character.is_alphanumeric() || character == '_' || character == '$';
        let word = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        let (word, others) = rest.split_at(word);
        replaced.push_str(names.get(word).map_or(word, String::as_str));
        let (between, others) = others.split_at(others.find(is_word).unwrap_or(others.len()));
        replaced.push_str(between);
        rest = others;
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_replaced() {
        let names = HashMap::from([("__wbg_now_1f".to_owned(), "w0".to_owned())]);
        let text = "{ __wbg_now_1f: () => wasm.__wbg_now_1f(), __wbg_now_1f2: 'ä' }";
        let want = "{ w0: () => wasm.w0(), __wbg_now_1f2: 'ä' }";
        assert_eq!(replace_words(text, &names), want);
        assert_eq!(replace_words("", &names), "");
    }
}
