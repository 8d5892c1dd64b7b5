//! How the loss fell in training.

use super::canvas::{Anchor, Axis, Canvas, draw, text_width, title_height};
use super::palette::{GRID, INK, MODEL, MUTED, OTHER};
use super::{Plot, Section, file_name};
use crate::evaluation::LearningCurve;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = WIDTH - 16.0;

/// The curves of one predictor; none where it made no step.
pub(super) fn plot(curve: &LearningCurve) -> Option<Plot> {
    let points = || curve.fits.iter().flat_map(|fit| fit.training.iter().chain(&fit.held_out));
    points().next()?;
    let title = title(curve);
    let top = title_height(&title, WIDTH) + 4.0;
    let bottom = top + HEIGHT;
    let steps = Axis::around(points().map(|point| point[0]).chain([0.0]), 1.0, (LEFT, RIGHT));
    let losses =
        Axis::around(points().map(|point| point[1]).chain(curve.prior_log_loss), 0.02, (bottom, top));
    let place = |point: &[f64; 2]| (steps.at(point[0]), losses.at(point[1]));
    let svg = draw(&title, (WIDTH, bottom + 68.0), |canvas| {
        canvas.x_axis(&steps, (top, bottom), "step");
        canvas.y_axis(&losses, (LEFT, RIGHT), "loss (nats)");
        if let Some(prior) = curve.prior_log_loss {
            canvas.dashed((LEFT, losses.at(prior)), (RIGHT, losses.at(prior)), OTHER);
        }
        for fit in &curve.fits {
            canvas.path(&fit.training.iter().map(place).collect::<Vec<_>>(), MUTED, 0.9);
        }
        for fit in &curve.fits {
            canvas.path(&fit.held_out.iter().map(place).collect::<Vec<_>>(), MODEL, 1.8);
            if let Some(best) = fit.best() {
                canvas.disc(place(&best), 4.0, MODEL);
            }
        }
        legend(canvas, bottom + 54.0, curve);
    });
    let name = file_name("learning", &curve.predictor);
    Some(Plot { name, section: Section::Learning, title, svg })
}

fn title(curve: &LearningCurve) -> String {
    let bests: Vec<f64> = curve.fits.iter().filter_map(|fit| Some(fit.best()?[1])).collect();
    let name = &curve.predictor;
    if bests.is_empty() {
        return format!("“{name}”: the training loss of {} fits; no rows were kept back", curve.fits.len());
    }
    let mean = bests.iter().sum::<f64>() / bests.len() as f64;
    let prior = curve
        .prior_log_loss
        .map_or_else(String::new, |prior| format!(", {:+.3} to the class shares", mean - prior));
    format!("“{name}” reaches {mean:.3} nats on rows kept back from training{prior}")
}

fn legend(canvas: &mut Canvas<'_>, y: f64, curve: &LearningCurve) {
    let has_held_out = curve.fits.iter().any(|fit| !fit.held_out.is_empty());
    let entries = [
        (true, MUTED, "training (smoothed)"),
        (has_held_out, MODEL, "kept back, best marked"),
        (curve.prior_log_loss.is_some(), OTHER, "class shares"),
    ];
    let mut x = LEFT;
    canvas.line((LEFT, y - 14.0), (RIGHT, y - 14.0), GRID, 0.7);
    for (_, color, text) in entries.into_iter().filter(|(is_there, ..)| *is_there) {
        canvas.line((x, y), (x + 18.0, y), color, 2.4);
        canvas.text((x + 24.0, y), text, INK, Anchor::Left);
        x += 42.0 + text_width(text);
    }
}
