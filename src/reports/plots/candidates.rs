//! What each calibrator and each member of a blend is worth.

use super::canvas::{Anchor, Axis, cut, draw, text_width, title_height};
use super::palette::{GRID, INK, MODEL, MUTED};
use super::{Plot, Section};
use crate::evaluation::{Candidate, PostProcessingSummary};

const WIDTH: f64 = 480.0;
const ROW: f64 = 28.0;

/// The normal quantile of a 95 % interval.
const TWO_SIDED: f64 = 1.959_963_984_540_054;

pub(super) fn plots(post_processing: &PostProcessingSummary) -> Vec<Plot> {
    let mut plots = Vec::new();
    if post_processing.members.len() > 1 {
        plots.push(plot("members", "equal weights", &post_processing.members));
    }
    if post_processing.calibrators.len() > 1 {
        plots.push(plot("calibrators", "the blend as it is", &post_processing.calibrators));
    }
    plots
}

fn plot(what: &str, reference: &str, candidates: &[Candidate]) -> Plot {
    let title = title(what, candidates);
    let top = title_height(&title, WIDTH);
    let bottom = top + candidates.len() as f64 * ROW + 6.0;
    let names =
        candidates.iter().map(|candidate| text_width(&name(candidate))).fold(40.0, f64::max).min(190.0);
    let ends = candidates.iter().flat_map(interval).chain([0.0]);
    let axis = Axis::around(ends, 0.002, (names + 22.0, WIDTH - 76.0));
    let svg = draw(&title, (WIDTH, bottom + 46.0), |canvas| {
        canvas.x_axis(&axis, (top, bottom), &format!("log loss less that of {reference} (nats)"));
        canvas.dashed((axis.at(0.0), top), (axis.at(0.0), bottom), MUTED);
        for (number, candidate) in candidates.iter().enumerate() {
            let y = top + (number as f64 + 0.5) * ROW;
            let color = if candidate.chosen { MODEL } else { MUTED };
            canvas.text((12.0, y), &cut(&name(candidate), names), INK, Anchor::Left);
            canvas.line((axis.from, y), (axis.to, y), GRID, 0.7);
            let [low, high] = interval(candidate);
            canvas.line((axis.at(low), y), (axis.at(high), y), color, 3.0);
            if candidate.chosen {
                canvas.disc((axis.at(candidate.delta_log_loss), y), 5.0, color);
            } else {
                canvas.ring((axis.at(candidate.delta_log_loss), y), 4.5, color);
            }
            let value = format!("{:+.4}", candidate.delta_log_loss);
            canvas.text((WIDTH - 12.0, y), &value, MUTED, Anchor::Right);
        }
    });
    Plot { name: what.to_owned(), section: Section::PostProcessing, title, svg }
}

fn interval(candidate: &Candidate) -> [f64; 2] {
    let half = TWO_SIDED * candidate.delta_standard_error;
    let half = if half.is_finite() { half } else { 0.0 };
    [candidate.delta_log_loss - half, candidate.delta_log_loss + half]
}

fn name(candidate: &Candidate) -> String {
    let weight = candidate.weight.map_or_else(String::new, |weight| format!(" ({weight:.2})"));
    format!("{}{weight}", candidate.name)
}

fn title(what: &str, candidates: &[Candidate]) -> String {
    let chosen: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.chosen).collect();
    match (what, chosen.as_slice()) {
        ("calibrators", [one]) => {
            let [low, high] = interval(one);
            let word = if low > 0.0 || high < 0.0 { "changes" } else { "hardly changes" };
            format!(
                "Of the calibrators “{}” is shipped: it {word} the log loss ({:+.4} nats)",
                one.name, one.delta_log_loss
            )
        }
        (_, some) => {
            format!("{} of {} {what} are shipped; filled marks show which", some.len(), candidates.len())
        }
    }
}
