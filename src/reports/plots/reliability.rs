//! Reliability diagrams: what was predicted against what came true, with the band in which a calibrated
//! model would lie.

use super::canvas::{Anchor, Axis, Canvas, draw, title_height};
use super::palette::{INK, MODEL, MUTED, OTHER};
use super::{Plot, Section, file_name};
use crate::evaluation::{Evaluation, Reliability, ReliabilityBin};

const WIDTH: f64 = 400.0;
const LEFT: f64 = 62.0;
const SIDE: f64 = WIDTH - LEFT - 18.0;

pub(super) fn plots(evaluation: &Evaluation) -> Vec<Plot> {
    let before = |class: &str| evaluation.reliability_uncalibrated.iter().find(|other| other.class == class);
    let drawn = evaluation.reliability.iter().filter(|reliability| !reliability.bins.is_empty());
    drawn.map(|after| plot(after, before(&after.class))).collect()
}

fn plot(after: &Reliability, before: Option<&Reliability>) -> Plot {
    let title = title(after);
    let top = title_height(&title, WIDTH);
    let bottom = top + SIDE;
    let no_bins: &[ReliabilityBin] = &[];
    let earlier = before.map_or(no_bins, |before| before.bins.as_slice());
    let ends = after
        .bins
        .iter()
        .chain(earlier)
        .flat_map(|bin| [bin.predicted, bin.observed])
        .chain(after.bins.iter().flat_map(|bin| bin.consistency));
    let x = Axis::around(ends, 0.1, (LEFT, LEFT + SIDE));
    // Both axes show the same values, so that the diagonal is at 45 degrees; shares end at 0 and 1.
    let x = Axis { low: x.low.max(-0.02), high: x.high.min(1.02), ..x };
    let y = Axis { from: bottom, to: top, ..x };
    let svg = draw(&title, (WIDTH, bottom + 66.0), |canvas| {
        canvas.x_axis(&x, (top, bottom), "predicted probability");
        canvas.y_axis(&y, (LEFT, LEFT + SIDE), "share of rows where it came true");
        canvas.dashed((x.at(x.low), y.at(y.low)), (x.at(x.high), y.at(y.high)), MUTED);
        band(canvas, &after.bins, (&x, &y));
        let place = |bin: &ReliabilityBin| (x.at(bin.predicted), y.at(bin.observed));
        for bin in earlier {
            canvas.ring(place(bin), 4.0, OTHER);
        }
        let points: Vec<(f64, f64)> = after.bins.iter().map(place).collect();
        canvas.path(&points, MODEL, 1.2);
        for at in points {
            canvas.disc(at, 4.0, MODEL);
        }
        legend(canvas, bottom + 52.0, before.is_some());
    });
    Plot { name: file_name("reliability", &after.class), section: Section::Reliability, title, svg }
}

fn title(after: &Reliability) -> String {
    let is_inside =
        |bin: &&ReliabilityBin| bin.observed >= bin.consistency[0] && bin.observed <= bin.consistency[1];
    let inside = after.bins.iter().filter(is_inside).count();
    format!(
        "{}: {inside} of {} bins lie in the band of calibrated predictions",
        capital(&after.class),
        after.bins.len()
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn band(canvas: &mut Canvas, bins: &[ReliabilityBin], (x, y): (&Axis, &Axis)) {
    let inside = |value: f64| y.at(value.clamp(y.low, y.high));
    if let [bin] = bins {
        let at = x.at(bin.predicted);
        canvas.line((at, inside(bin.consistency[0])), (at, inside(bin.consistency[1])), MODEL, 1.0);
    }
    let lower = bins.iter().map(|bin| (x.at(bin.predicted), inside(bin.consistency[0])));
    let upper = bins.iter().rev().map(|bin| (x.at(bin.predicted), inside(bin.consistency[1])));
    let points: Vec<(f64, f64)> = lower.chain(upper).collect();
    canvas.polygon(&points, MODEL, 0.16);
}

fn legend(canvas: &mut Canvas, y: f64, with_before: bool) {
    canvas.rectangle((LEFT - 36.0, y - 6.0), (LEFT - 18.0, y + 6.0), MODEL, 0.16);
    canvas.text((LEFT - 12.0, y), "95 % if calibrated", INK, Anchor::Left);
    canvas.disc((LEFT + 126.0, y), 4.0, MODEL);
    let shipped = if with_before { "as shipped" } else { "as predicted" };
    canvas.text((LEFT + 136.0, y), shipped, INK, Anchor::Left);
    if with_before {
        canvas.ring((LEFT + 226.0, y), 4.0, OTHER);
        canvas.text((LEFT + 236.0, y), "before", INK, Anchor::Left);
    }
}
