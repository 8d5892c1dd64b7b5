//! Prior, model and floor on one scale.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Axis, cut, draw, text_width, title_height};
use super::palette::{FLOOR, GRID, INK, MODEL, MUTED, OTHER};
use super::{Plot, Section};
use crate::battle::Task;
use crate::evaluation::{Evaluation, Interval};

const WIDTH: f64 = 480.0;
const ROW: f64 = 28.0;

struct Mark {
    name: String,
    value: f64,
    interval: Option<Interval>,
    color: RGBColor,
}

pub(super) fn plot(evaluation: &Evaluation) -> Plot {
    let marks = marks(evaluation);
    let title = title(evaluation);
    let top = title_height(&title, WIDTH);
    let bottom = top + marks.len() as f64 * ROW + 6.0;
    let names = marks.iter().map(|mark| text_width(&mark.name)).fold(0.0, f64::max).min(170.0);
    let ends = marks
        .iter()
        .flat_map(|mark| mark.interval.unwrap_or([mark.value; 2]).into_iter().chain([mark.value]));
    let axis = Axis::around(ends, 0.02, (names + 22.0, WIDTH - 66.0));
    let svg = draw(&title, (WIDTH, bottom + 46.0), |canvas| {
        canvas.x_axis(&axis, (top, bottom), "log loss (nats per row; less is better)");
        for (row, mark) in marks.iter().enumerate() {
            let y = top + (row as f64 + 0.5) * ROW;
            canvas.text((12.0, y), &cut(&mark.name, names), INK, Anchor::Left);
            canvas.line((axis.from, y), (axis.to, y), GRID, 0.7);
            if let Some([low, high]) = mark.interval {
                canvas.line((axis.at(low), y), (axis.at(high), y), mark.color, 3.0);
            }
            canvas.disc((axis.at(mark.value), y), 5.5, mark.color);
            canvas.text((WIDTH - 12.0, y), &format!("{:.4}", mark.value), MUTED, Anchor::Right);
        }
    });
    Plot { name: "scale".to_owned(), section: Section::Scale, title, svg }
}

fn title(evaluation: &Evaluation) -> String {
    let delta = evaluation.scores.delta_to_prior;
    let [low, high] = evaluation.scores.delta_to_prior_interval;
    let side = if delta < 0.0 { "below" } else { "above" };
    let doubt = if low < 0.0 && high > 0.0 { ", which chance could explain" } else { "" };
    let floor = evaluation.floor.as_ref().map_or_else(String::new, |floor| {
        format!(" and {:.4} above the floor", evaluation.scores.log_loss - floor.log_loss)
    });
    format!("The model is {:.4} nats {side} the prior{doubt}{floor}", delta.abs())
}

fn marks(evaluation: &Evaluation) -> Vec<Mark> {
    let mark = |name: &str, value: f64, color| Mark { name: name.to_owned(), value, interval: None, color };
    let classes: f64 = if evaluation.task == Task::TwoWay { 2.0 } else { 3.0 };
    let mut marks = vec![
        mark("all classes equal", classes.ln(), MUTED),
        mark("class prior", evaluation.scores.prior_log_loss, OTHER),
    ];
    if let Some(comparison) = &evaluation.comparison {
        // Of a path its end tells more than its beginning.
        let name = comparison.baseline.rsplit('/').next().unwrap_or_default();
        marks.push(mark(name, comparison.baseline_log_loss, OTHER));
    }
    let with_interval = |name: &str, scores: &crate::evaluation::Scores, color| Mark {
        interval: Some(scores.log_loss_interval),
        ..mark(name, scores.log_loss, color)
    };
    marks.extend(
        evaluation.uncalibrated.as_ref().map(|before| with_interval("before post-processing", before, MUTED)),
    );
    marks.push(with_interval("this model, 95 %", &evaluation.scores, MODEL));
    marks.extend(evaluation.floor.as_ref().map(|floor| mark("floor", floor.log_loss, FLOOR)));
    marks
}
