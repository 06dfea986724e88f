//! The table of all scenarios in the documentation, made from the results that are kept.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::outcome::Outcome;

const BEGIN: &str = "<!-- results: made by `cargo xtask sim`, do not edit -->";
const END: &str = "<!-- end of results -->";

/// All results of a folder, by name.
pub fn outcomes(folder: &Path) -> Result<Vec<Outcome>> {
    let mut files: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file)?;
            serde_json::from_str(&text).with_context(|| file.display().to_string())
        })
        .collect()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A figure with that of a baseline in parentheses.
fn compared(
    outcome: &Outcome,
    baseline: Option<&shoal_sim::Report>,
    figure: impl Fn(&shoal_sim::Report) -> String,
) -> String {
    match baseline {
        Some(baseline) => format!("{} ({})", figure(&outcome.hybrid), figure(baseline)),
        None => figure(&outcome.hybrid),
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut columns: Vec<(&str, Vec<String>)> = Vec::new();
    let mut row = |name, figure: &dyn Fn(&Outcome) -> String| {
        columns.push((name, outcomes.iter().map(figure).collect()));
    };
    row("viewers", &|o| o.hybrid.quality.viewers.to_string());
    row("origin copies of a segment", &|o| {
        format!("{:.1}", o.hybrid.traffic.origin_copies)
    });
    row("the same once all have arrived (live)", &|o| {
        format!("{:.1}", o.hybrid.traffic.origin_copies_steady)
    });
    row("origin's share of bytes", &|o| {
        percent(o.hybrid.traffic.origin_share)
    });
    row("peers' share of bytes", &|o| percent(o.hybrid.traffic.p2p_share));
    row("start-up, median, ms (plain HTTP)", &|o| {
        compared(o, o.plain.as_ref(), |r| {
            format!("{:.0}", r.quality.start_up_median_ms)
        })
    });
    row("start-up, 95 %, ms (plain HTTP)", &|o| {
        compared(o, o.plain.as_ref(), |r| {
            format!("{:.0}", r.quality.start_up_p95_ms)
        })
    });
    row("stalled (plain HTTP)", &|o| {
        compared(o, o.plain.as_ref(), |r| percent(r.quality.stall_ratio))
    });
    row("stalled with an unlimited origin", &|o| {
        o.unlimited
            .as_ref()
            .map_or("–".to_owned(), |r| percent(r.quality.stall_ratio))
    });
    row("discarded, from peers", &|o| {
        percent(o.hybrid.traffic.discarded_peers)
    });
    row("discarded, from the origin", &|o| {
        percent(o.hybrid.traffic.discarded_origin)
    });
    row("upload, busiest viewer / mean", &|o| {
        format!("{:.1}", o.hybrid.traffic.upload_max_over_mean)
    });
    row("control lane / peers' payload", &|o| {
        percent(o.hybrid.traffic.control_share)
    });
    row("HAVE bytes for a neighbour in a minute", &|o| {
        format!("{:.0}", o.hybrid.traffic.have_per_neighbour_minute)
    });
    row(
        "control lane for a neighbour in a minute once all have arrived, without requests (with them), bytes",
        &|o| {
            let traffic = &o.hybrid.traffic;
            match traffic.availability_per_neighbour_minute_steady {
                // Not measured yet.
                0.0 => "–".to_owned(),
                bytes => format!("{bytes:.0} ({:.0})", traffic.control_per_neighbour_minute_steady),
            }
        },
    );
    row("neighbours, mean", &|o| {
        format!("{:.1}", o.hybrid.traffic.neighbours_mean)
    });
    row("peers' share of what free-riders got (others)", &|o| {
        let traffic = &o.hybrid.traffic;
        match traffic.p2p_share_free_riders {
            0.0 => "–".to_owned(),
            riders => format!("{} ({})", percent(riders), percent(traffic.p2p_share_honest)),
        }
    });
    row("wrong bytes played / honest peers banned", &|o| {
        format!(
            "{} / {}",
            o.hybrid.traffic.bad_segments, o.hybrid.traffic.honest_banned
        )
    });
    row("simulator: peak memory, MiB", &|o| o.cost.peak_mib.to_string());
    row("simulator: µs of CPU for a viewer's second", &|o| {
        format!("{:.0}", o.cost.cpu_us_per_peer_second)
    });
    let mut text = String::from("| |");
    let headings: Vec<String> = outcomes
        .iter()
        .map(|outcome| format!(" {} |", outcome.name))
        .collect();
    text.extend(headings);
    text += "\n|---|";
    text.extend(outcomes.iter().map(|_| "---|"));
    for (name, cells) in columns {
        let _ = write!(text, "\n| {name} |");
        text.extend(cells.into_iter().map(|cell| format!(" {cell} |")));
    }
    text + "\n"
}

/// Replaces the part of a Markdown file between the markers.
pub fn update(docs: &Path, results: &Path) -> Result<()> {
    let outcomes = outcomes(results)?;
    let text = fs::read_to_string(docs).with_context(|| docs.display().to_string())?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{} has no line {BEGIN}", docs.display()))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{} has no line {END}", docs.display()))?;
    let mut made = format!("{before}{BEGIN}\n\n{}\n", table(&outcomes));
    for outcome in &outcomes {
        let _ = writeln!(
            made,
            "* `{}` (seed {}): {}",
            outcome.name, outcome.seed, outcome.shows
        );
    }
    made += "\n";
    made += END;
    made += after;
    fs::write(docs, made).with_context(|| docs.display().to_string())
}
