//! The order of a module's functions: similar ones near each other, as gzip looks back no further than 32 KB. 4 KB.

use crate::process::target;
use crate::size::gzip_size;
use anyhow::Result;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use wasm_encoder::{NameMap, NameSection, Section};
use wasmparser::{Parser, Payload, TypeRef};

/// Two functions are as similar as they have runs of so many bytes in common.
const RUN: usize = 6;

/// What makes a function similar to those before it. No measure is the best for every module.
#[derive(Clone, Copy)]
struct Measure {
    /// It is compared with those that have so many bytes together.
    window: usize,
    /// A long function has more in common with everything: what it has counts for less by this power of its length.
    bias: f64,
}

const MEASURES: [Measure; 6] = [
    Measure::new(25_000, 0.8),
    Measure::new(25_000, 0.85),
    Measure::new(30_000, 0.8),
    Measure::new(30_000, 0.85),
    Measure::new(34_000, 0.8),
    Measure::new(34_000, 0.85),
];

impl Measure {
    const fn new(window: usize, bias: f64) -> Self {
        Self { window, bias }
    }
}

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
    for (place, function) in best_order(&bodies)?.into_iter().enumerate() {
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

/// Of the orders by all measures the one that gzip makes most of.
fn best_order(bodies: &[&[u8]]) -> Result<Vec<usize>> {
    let file = target().join("xtask/order");
    let mut orders = Vec::new();
    for measure in MEASURES {
        let order = in_order(bodies, measure);
        let code: Vec<&[u8]> = order.iter().map(|&function| bodies[function]).collect();
        fs::write(&file, code.concat())?;
        orders.push((gzip_size(&file)?, order));
    }
    fs::remove_file(file)?;
    let best = orders.into_iter().min_by_key(|(size, _)| *size);
    Ok(best.map(|(_, order)| order).unwrap_or_default())
}

/// Begins with the first function and goes on with the one most like those before it.
fn in_order(bodies: &[&[u8]], measure: Measure) -> Vec<usize> {
    let runs: Vec<BTreeSet<&[u8]>> = bodies.iter().map(|body| body.windows(RUN).collect()).collect();
    let mut functions_with: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (function, runs) in runs.iter().enumerate() {
        for run in runs {
            functions_with.entry(run).or_default().push(function);
        }
    }
    let weights: Vec<f64> = runs
        .iter()
        .map(|runs| (runs.len() as f64).powf(measure.bias) + 3.0)
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
            && bytes - bodies[oldest].len() > measure.window
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
        assert_eq!(in_order(&bodies, MEASURES[0]), [0, 2, 1, 3]);
        assert!(in_order(&[], MEASURES[0]).is_empty());
    }
}
