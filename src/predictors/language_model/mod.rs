//! Language models as predictors: items (one sequence each) through the sessions of a model, their numbers
//! out, resumable at every batch and able to end in time.
//!
//! `Runner`, `compute` and `Journal` are about items; which battle and which order an item is, `LanguageModel`
//! knows, and what its numbers mean, the predictors `Classifier` and `Reward`.

mod asked;
mod cost;
mod deadline;
mod error;
mod forecast;
mod items;
mod journal;
mod model;
mod planning;
mod runner;
mod schedule;
mod serving;

pub use asked::{Asked, Numbers};
pub use cost::ModelCost;
pub use deadline::{Deadline, NotATimeLimit, Outcome, Outcomes, TimeLimit, outcomes};
pub use error::LanguageModelError;
pub use forecast::{Forecast, SpeedModel, Timing, sample, scaled};
pub use journal::{Identity, ItemValues, Journal, JournalError, Recovered};
pub use model::{LanguageModel, ModelFolder, WantedBudget};
pub use planning::Forecasted;
pub use runner::{Head, RunError, RunSummary, Runner, Sequences, Watch};
pub use schedule::{ScheduleOptions, rows_of, schedule, schedule_rows, shapes};
pub use serving::{JournalPlace, ModelInUse, Serving};

use crate::progress::ProgressTask;

/// What a run is asked for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Tokens of every item.
    pub lengths: &'a [usize],
    /// The items of each row; items that no row names are not computed.
    pub rows: &'a [Vec<usize>],
    /// How items are put into batches.
    pub schedule: ScheduleOptions,
    /// Whether another batch may be begun that would be done in so many seconds.
    pub admits: &'a dyn Fn(f64) -> bool,
}

/// The numbers of every item that was computed, by its number, and how the run went.
#[derive(Clone, Debug, PartialEq)]
pub struct Computed {
    /// `None` where the deadline left an item out.
    pub values: Vec<Option<Vec<f32>>>,
    /// This run alone, without what the journal held.
    pub summary: RunSummary,
}

/// Computes every item that the journal does not hold yet, and gives all of them.
///
/// # Errors
/// `RunError` that names the item; whatever was finished is in the journal.
pub fn compute(
    runner: &Runner<'_>,
    request: &Request<'_>,
    mut journal: Option<(&mut Journal, Recovered)>,
    progress: &dyn ProgressTask,
) -> Result<Computed, RunError> {
    let mut values: Vec<Option<Vec<f32>>> = vec![None; request.lengths.len()];
    if let Some((_, recovered)) = &mut journal {
        for (item, numbers) in std::mem::take(&mut recovered.items) {
            if let Some(place) = values.get_mut(item) {
                *place = Some(numbers);
            }
        }
    }
    let done: Vec<bool> = values.iter().map(Option::is_some).collect();
    progress.advance(done.iter().filter(|done| **done).count() as u64);
    let batches = schedule_rows(request.rows, request.lengths, &done, &request.schedule);
    let mut keep = |items: &[ItemValues]| {
        if let Some((journal, _)) = &mut journal {
            journal.append(items)?;
        }
        for (item, numbers) in items {
            values[*item] = Some(numbers.clone());
        }
        Ok(())
    };
    let summary = runner.run(batches, &mut Watch { keep: &mut keep, admits: request.admits, progress })?;
    Ok(Computed { values, summary })
}

/// Forecasts a run of items with these lengths by computing a sample of its batches, the longest among them.
/// The sequences must be those of `measured`; `planned` may be of another size (`--like FILE --rows N`).
///
/// # Errors
/// `RunError` as a run gives it.
pub fn dry_run(
    runner: &Runner<'_>,
    measured: &[usize],
    planned: &[usize],
    options: &ScheduleOptions,
) -> Result<Option<(SpeedModel, Forecast)>, RunError> {
    const SAMPLE: usize = 12;
    let batches = schedule(measured, &vec![false; measured.len()], options);
    let copies = runner.pool.copies();
    // The sessions slow each other down, so that all of them must be busy while one is measured.
    let chosen = sample(&shapes(&batches, measured), SAMPLE.max(6 * copies));
    let sampled = chosen.into_iter().map(|position| batches[position].clone()).collect();
    let mut forget = |_: &[ItemValues]| Ok(());
    let mut watch = Watch { keep: &mut forget, admits: &|_| true, progress: &crate::progress::Silent };
    let summary = runner.run(sampled, &mut watch)?;
    let planned_batches = schedule(planned, &vec![false; planned.len()], options);
    let model = SpeedModel::fit(&summary.timings);
    Ok(model.map(|model| (model, model.forecast(&shapes(&planned_batches, planned), copies))))
}
