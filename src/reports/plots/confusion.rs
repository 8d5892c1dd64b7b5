//! What was voted against what was likeliest.

use super::canvas::{Anchor, draw, grouped, title_height};
use super::palette::{GRID, INK, MODEL, MUTED};
use super::{Plot, Section};
use crate::battle::{Class, Task};
use crate::evaluation::Evaluation;

const WIDTH: f64 = 480.0;
const LEFT: f64 = 96.0;
const CELL: (f64, f64) = (122.0, 52.0);

pub(super) fn plot(evaluation: &Evaluation) -> Plot {
    let n_classes = if evaluation.task == Task::TwoWay { 2 } else { 3 };
    let classes = &Class::ALL[..n_classes];
    let share = |row: Class, column: Class| {
        let cells = &evaluation.confusion[row.index()];
        let total: f64 = cells.iter().sum();
        if total > 0.0 { cells[column.index()] / total } else { 0.0 }
    };
    let found: Vec<String> = classes
        .iter()
        .map(|class| format!("{} in {:.0} %", class.label(), 100.0 * share(*class, *class)))
        .collect();
    let title = format!("The likeliest class is the vote: {} of their rows", found.join(", "));
    let top = title_height(&title, WIDTH) + 38.0;
    let size = (WIDTH, top + n_classes as f64 * CELL.1 + 14.0);
    let svg = draw(&title, size, |canvas| {
        let middle = LEFT + n_classes as f64 * CELL.0 / 2.0;
        canvas.text((middle, top - 30.0), "likeliest class (rows, share of the vote)", INK, Anchor::Middle);
        canvas.text((14.0, top + n_classes as f64 * CELL.1 / 2.0), "vote", INK, Anchor::Upwards);
        for (row, vote) in classes.iter().enumerate() {
            let y = top + row as f64 * CELL.1;
            canvas.text((LEFT - 8.0, y + CELL.1 / 2.0), vote.label(), MUTED, Anchor::Right);
            for (column, predicted) in classes.iter().enumerate() {
                let x = LEFT + column as f64 * CELL.0;
                if row == 0 {
                    canvas.text((x + CELL.0 / 2.0, top - 11.0), predicted.label(), MUTED, Anchor::Middle);
                }
                let (from, to) = ((x + 1.0, y + 1.0), (x + CELL.0 - 1.0, y + CELL.1 - 1.0));
                canvas.rectangle(from, to, GRID, 0.35);
                // Pale enough for dark text on the fullest cell.
                canvas.rectangle(from, to, MODEL, 0.6 * share(*vote, *predicted));
                let rows = evaluation.confusion[vote.index()][predicted.index()];
                let text =
                    format!("{} ({:.0} %)", grouped(&format!("{rows:.0}")), 100.0 * share(*vote, *predicted));
                canvas.text((x + CELL.0 / 2.0, y + CELL.1 / 2.0), &text, INK, Anchor::Middle);
            }
        }
    });
    Plot { name: "confusion".to_owned(), section: Section::Confidence, title, svg }
}
