//! The order of a module's functions: similar ones near each other, as gzip looks back no further than 32 KB. 3 KB.

use anyhow::Result;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wasm_encoder::{NameMap, NameSection, Section};
use wasmparser::{Parser, Payload, TypeRef};

/// Two functions are as similar as they have runs of so many bytes in common.
const RUN: usize = 5;
/// A function is compared with those before it that have so many bytes together.
const WINDOW: usize = 30_000;

/// The module with names for its functions, which are in alphabetical order where they shall be in the module.
pub fn name_functions(module: &[u8]) -> Result<Vec<u8>> {
    let (mut imported, mut bodies) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(&module[body.range()]),
            _ => {}
        }
    }
    let mut places = vec![0; bodies.len()];
    for (place, function) in in_order(&bodies).into_iter().enumerate() {
        places[function] = place;
    }
    let mut names = NameMap::new();
    for (index, place) in (imported..).zip(places) {
        names.append(index, &format!("{place:06}"));
    }
    let mut section = NameSection::new();
    section.functions(&names);
    let mut named = module.to_vec();
    section.append_to(&mut named);
    Ok(named)
}

/// Begins with the first function and goes on with the one most like those before it.
fn in_order(bodies: &[&[u8]]) -> Vec<usize> {
    let runs: Vec<BTreeSet<&[u8]>> = bodies.iter().map(|body| body.windows(RUN).collect()).collect();
    let mut functions_with: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (function, runs) in runs.iter().enumerate() {
        for run in runs {
            functions_with.entry(run).or_default().push(function);
        }
    }
    // A long function has more in common with everything.
    let weights: Vec<f64> = runs
        .iter()
        .map(|runs| (runs.len() as f64).powf(0.85) + 3.0)
        .collect();

    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut order = Vec::with_capacity(bodies.len());
    // The functions in the window, how many of them have a run, and how many of its runs a function has.
    let (mut window, mut bytes) = (VecDeque::new(), 0);
    let mut owners: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut common = vec![0_i32; bodies.len()];
    let similarity = |common: &[i32], function: usize| f64::from(common[function]) / weights[function];
    // Of equals the first.
    let closer = |common: &[i32], a: usize, b: usize| -> Ordering {
        similarity(common, a)
            .total_cmp(&similarity(common, b))
            .then(b.cmp(&a))
    };
    while let Some(at) = (0..left.len()).max_by(|&a, &b| closer(&common, left[a], left[b])) {
        let function = left.remove(at);
        order.push(function);
        window.push_back(function);
        bytes += bodies[function].len();
        for run in &runs[function] {
            let owners = owners.entry(run).or_default();
            *owners += 1;
            if *owners == 1 {
                functions_with[run].iter().for_each(|&other| common[other] += 1);
            }
        }
        while let Some(&oldest) = window.front()
            && bytes - bodies[oldest].len() > WINDOW
        {
            window.pop_front();
            bytes -= bodies[oldest].len();
            for run in &runs[oldest] {
                let owners = owners.entry(run).or_default();
                *owners -= 1;
                if *owners == 0 {
                    functions_with[run].iter().for_each(|&other| common[other] -= 1);
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_follows_like() {
        let bodies: [&[u8]; 4] = [b"what is here", b"1234567890", b"what is there", b"0123456789"];
        assert_eq!(in_order(&bodies), [0, 2, 1, 3]);
        assert!(in_order(&[]).is_empty());
    }
}
