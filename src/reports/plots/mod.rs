//! One plot, one file; each is a function from an evaluation to an SVG whose title is a sentence of what to
//! see in it.

mod candidates;
mod canvas;
mod confidence;
mod confusion;
mod learning;
mod palette;
mod reliability;
mod scale;
mod slices;

use serde::Serialize;

pub(super) use palette::themed;

use crate::evaluation::Evaluation;

/// One drawing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Plot {
    /// The name of its file without the ending.
    pub(super) name: String,
    /// The part of the report that it belongs to.
    pub(super) section: Section,
    /// What to see in it.
    pub(super) title: String,
    /// The drawing.
    pub(super) svg: String,
}

/// The parts of a report that hold plots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Section {
    Scale,
    Reliability,
    Confidence,
    Slices,
    PostProcessing,
    Learning,
}

/// Every plot that the evaluation has data for, in reading order.
pub(super) fn all(evaluation: &Evaluation) -> Vec<Plot> {
    let mut plots = vec![scale::plot(evaluation)];
    plots.extend(reliability::plots(evaluation));
    plots.extend(confidence::plot(evaluation));
    plots.push(confusion::plot(evaluation));
    plots.extend(evaluation.slicings.iter().filter_map(|slicing| slices::plot(slicing, evaluation)));
    if let Some(post_processing) = &evaluation.post_processing {
        plots.extend(candidates::plots(post_processing));
    }
    plots.extend(evaluation.learning_curves.iter().filter_map(learning::plot));
    plots
}

/// A file name of letters, digits and hyphens.
fn file_name(prefix: &str, name: &str) -> String {
    let simple: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let parts: Vec<&str> =
        std::iter::once(prefix).chain(simple.split('-').filter(|part| !part.is_empty())).collect();
    parts.join("-")
}
