//! Log loss along one property of the rows.

use super::canvas::{Anchor, Axis, Canvas, cut, draw, grouped, text_width, title_height};
use super::palette::{GRID, INK, MODEL, MUTED, OTHER};
use super::{Plot, Section, file_name};
use crate::evaluation::{Evaluation, Slice, Slicing};

const WIDTH: f64 = 480.0;
const ROW: f64 = 26.0;

/// More slices than this, such as rare languages, are left to the table.
const MOST: usize = 24;

/// The normal quantile of a 95 % interval.
const TWO_SIDED: f64 = 1.959_963_984_540_054;

pub(super) fn plot(slicing: &Slicing, evaluation: &Evaluation) -> Option<Plot> {
    let slices = &slicing.slices[..slicing.slices.len().min(MOST)];
    let title = title(slicing, slices)?;
    let top = title_height(&title, WIDTH);
    let bottom = top + slices.len() as f64 * ROW + 6.0;
    let names = slices.iter().map(|slice| text_width(&slice.name)).fold(40.0, f64::max).min(176.0);
    let rows = slices.iter().map(|slice| text_width(&grouped(&slice.n.to_string()))).fold(30.0, f64::max);
    let overall = evaluation.scores.log_loss;
    let ends = slices.iter().flat_map(ends).chain([overall]);
    let axis = Axis::around(ends, 0.05, (names + 22.0, WIDTH - rows - 22.0));
    let svg = draw(&title, (WIDTH, bottom + 68.0), |canvas| {
        canvas.x_axis(&axis, (top, bottom), "log loss (nats per row)");
        canvas.dashed((axis.at(overall), top), (axis.at(overall), bottom), MODEL);
        for (number, slice) in slices.iter().enumerate() {
            let y = top + (number as f64 + 0.5) * ROW;
            canvas.text((12.0, y), &cut(&slice.name, names), INK, Anchor::Left);
            canvas.text((WIDTH - 12.0, y), &grouped(&slice.n.to_string()), MUTED, Anchor::Right);
            canvas.line((axis.from, y), (axis.to, y), GRID, 0.7);
            row(canvas, slice, &axis, y);
        }
        canvas.text((WIDTH - 12.0, bottom + 12.0), "rows", MUTED, Anchor::Right);
        legend(canvas, bottom + 52.0);
    });
    Some(Plot { name: file_name("slices", &slicing.property), section: Section::Slices, title, svg })
}

fn ends(slice: &Slice) -> [f64; 4] {
    // One tiny slice with a wide interval must not squeeze all others.
    let half = (TWO_SIDED * slice.standard_error).min(0.5);
    [slice.log_loss - half, slice.log_loss + half, slice.prior_log_loss, slice.log_loss]
}

fn title(slicing: &Slicing, slices: &[Slice]) -> Option<String> {
    // The extremes among tiny slices are chance.
    let least = slices.iter().map(|slice| slice.n).sum::<usize>() / 50;
    let large = || slices.iter().filter(|slice| slice.n >= least);
    let by_loss = |one: &&Slice, other: &&Slice| one.log_loss.total_cmp(&other.log_loss);
    let (easiest, hardest) = (large().min_by(by_loss)?, large().max_by(by_loss)?);
    let property = &slicing.property;
    if slices.len() == 1 {
        return Some(format!("By {property}: all rows are of one kind ({})", easiest.name));
    }
    Some(format!(
        "By {property}: from {:.3} nats ({}) to {:.3} ({})",
        easiest.log_loss, easiest.name, hardest.log_loss, hardest.name
    ))
}

fn row(canvas: &mut Canvas, slice: &Slice, axis: &Axis, y: f64) {
    let half = TWO_SIDED * slice.standard_error;
    let inside = |value: f64| axis.at(value.clamp(axis.low, axis.high));
    if half.is_finite() {
        canvas.line((inside(slice.log_loss - half), y), (inside(slice.log_loss + half), y), MODEL, 3.0);
    }
    canvas.diamond((inside(slice.prior_log_loss), y), 5.5, OTHER);
    canvas.disc((inside(slice.log_loss), y), 4.5, MODEL);
}

fn legend(canvas: &mut Canvas, y: f64) {
    canvas.line((14.0, y), (34.0, y), MODEL, 3.0);
    canvas.disc((24.0, y), 4.5, MODEL);
    canvas.text((42.0, y), "this model, 95 %", INK, Anchor::Left);
    canvas.diamond((182.0, y), 5.5, OTHER);
    canvas.text((194.0, y), "class prior, same rows", INK, Anchor::Left);
    canvas.dashed((364.0, y), (386.0, y), MODEL);
    canvas.text((392.0, y), "all rows", INK, Anchor::Left);
}
