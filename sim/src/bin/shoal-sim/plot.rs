//! Plots of results, as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::outcome::Outcome;

const SIZE: (u32, u32) = (720, 420);
const COLOURS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];

/// A named line.
struct Line<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
}

fn draw(path: &Path, title: &str, x: &str, y: &str, lines: &[Line<'_>]) -> Result<()> {
    let most = |of: fn(&(f64, f64)) -> f64| {
        let all = lines.iter().flat_map(|line| &line.points).map(of);
        all.fold(0.0, f64::max).max(1e-9)
    };
    let (width, height) = (most(|point| point.0), most(|point| point.1) * 1.05);
    let failed = |error: &dyn std::fmt::Display| anyhow!("{}: {error}", path.display());
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..width, 0.0..height)
        .map_err(|error| failed(&error))?;
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .light_line_style(WHITE)
        .draw()
        .map_err(|error| failed(&error))?;
    for (line, colour) in lines.iter().zip(COLOURS) {
        let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2));
        chart
            .draw_series(series)
            .map_err(|error| failed(&error))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .position(SeriesLabelPosition::MiddleRight)
        .draw()
        .map_err(|error| failed(&error))?;
    area.present().map_err(|error| failed(&error))
}

/// How many viewers had their first segment within which time.
pub fn start_up(outcome: &Outcome, path: &Path) -> Result<()> {
    let runs = [
        ("with peers", Some(&outcome.hybrid)),
        ("plain HTTP", outcome.plain.as_ref()),
        ("unlimited origin", outcome.unlimited.as_ref()),
    ];
    let lines: Vec<Line<'_>> = runs
        .into_iter()
        .filter_map(|(name, report)| {
            let times = &report?.quality.start_up_percentiles_ms;
            let points = times
                .iter()
                .enumerate()
                .map(|(of_100, &time)| (time, of_100 as f64));
            Some(Line {
                name,
                points: points.collect(),
            })
        })
        .collect();
    let title = format!("{}: time to the first segment", outcome.name);
    draw(path, &title, "milliseconds", "% of the viewers", &lines)
}

/// How often the origin sent each segment.
pub fn copies(outcome: &Outcome, path: &Path) -> Result<()> {
    let runs = [
        ("with peers", Some(&outcome.hybrid)),
        ("plain HTTP", outcome.plain.as_ref()),
    ];
    let lines: Vec<Line<'_>> = runs
        .into_iter()
        .filter_map(|(name, report)| {
            let copies = &report?.traffic.origin_copies_by_segment;
            let points = copies
                .iter()
                .enumerate()
                .map(|(segment, &copies)| (segment as f64, copies));
            Some(Line {
                name,
                points: points.collect(),
            })
        })
        .collect();
    let title = format!("{}: copies sent by the origin", outcome.name);
    draw(path, &title, "segment", "copies", &lines)
}

/// Scenarios that differ in the number of viewers alone.
const SCALE: [&str; 4] = ["live-scale-10", "live-scale-100", "live-1000", "live-flash-10000"];

/// How often the origin sends a live segment once all have arrived, by the decimal logarithm of the viewers; and how often if
/// that went on to grow as it does from the first number of viewers to the second.
pub fn scale(outcomes: &[Outcome], path: &Path) -> Result<()> {
    let points: Vec<(f64, f64)> = SCALE
        .iter()
        .filter_map(|name| outcomes.iter().find(|outcome| outcome.name == *name))
        .map(|outcome| {
            let viewers = f64::from(outcome.hybrid.quality.viewers);
            (viewers.log10(), outcome.hybrid.traffic.origin_copies_steady)
        })
        .collect();
    let [first @ (x, y), second, .., last] = points[..] else {
        return Ok(());
    };
    let slope = (second.1 - y) / (second.0 - x);
    let lines = [
        Line {
            name: "logarithm",
            points: vec![first, (last.0, y + slope * (last.0 - x))],
        },
        Line {
            name: "with peers",
            points,
        },
    ];
    let title = "copies of a live segment sent by the origin, once all have arrived";
    draw(path, title, "decimal logarithm of the viewers", "copies", &lines)
}
