//! How sure the predictions are.

use super::canvas::{Axis, draw, grouped, title_height};
use super::palette::MODEL;
use super::{Plot, Section};
use crate::battle::Task;
use crate::evaluation::Evaluation;

const WIDTH: f64 = 480.0;
const LEFT: f64 = 68.0;
const HEIGHT: f64 = 200.0;

pub(super) fn plot(evaluation: &Evaluation) -> Option<Plot> {
    let bins = &evaluation.confidence_histogram;
    let lowest = if evaluation.task == Task::TwoWay { 0.5 } else { 1.0 / 3.0 };
    let edge = |bin: usize| lowest + (1.0 - lowest) * bin as f64 / bins.len() as f64;
    let (fullest, most) = bins.iter().enumerate().max_by_key(|(bin, n)| (**n, std::cmp::Reverse(*bin)))?;
    if *most == 0 {
        return None;
    }
    let title = format!(
        "Most often the likeliest class gets a probability of {:.2} to {:.2} ({} of {} rows)",
        edge(fullest),
        edge(fullest + 1),
        grouped(&most.to_string()),
        grouped(&bins.iter().sum::<usize>().to_string())
    );
    let top = title_height(&title, WIDTH);
    let bottom = top + HEIGHT;
    let x = Axis { low: lowest, high: 1.0, from: LEFT, to: WIDTH - 18.0 };
    let y = Axis { low: 0.0, high: (*most as f64 * 1.05).max(1.0), from: bottom, to: top };
    let svg = draw(&title, (WIDTH, bottom + 46.0), |canvas| {
        canvas.y_axis(&y, (LEFT, x.to), "rows");
        for (bin, n) in bins.iter().enumerate().filter(|(_, n)| **n > 0) {
            canvas.rectangle(
                (x.at(edge(bin)) + 1.0, y.at(*n as f64)),
                (x.at(edge(bin + 1)) - 1.0, bottom),
                MODEL,
                1.0,
            );
        }
        canvas.x_axis(&x, (bottom, bottom), "probability of the likeliest class");
    });
    Some(Plot { name: "confidence".to_owned(), section: Section::Confidence, title, svg })
}
