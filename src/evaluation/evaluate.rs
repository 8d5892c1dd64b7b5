use std::collections::BTreeMap;

use super::compare::same_rows;
use super::{
    Evaluation, EvaluationError, FORMAT_VERSION, Floor, compare, confidence_histogram, confusion,
    distance_to_truth, floor_of_votes, reliability, scores, slicings, worst_rows,
};
use crate::battle::{BattleId, Class, HeldOut, LabeledBattle, Probabilities, Provenance, Task};
use crate::calibrators::PostProcessingSummary;
use crate::metrics::{Columns, MIN_RELIABLE_GROUPS};

/// How many of the worst rows are kept.
const WORST_ROWS: usize = 20;

/// Other predictions on the same rows.
#[derive(Clone, Copy, Debug)]
pub struct Baseline<'a> {
    /// The file or run.
    pub name: &'a str,
    /// Its predictions; targets and groups are those of the predictions that are scored.
    pub predictions: &'a HeldOut,
}

/// What to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationRequest<'a> {
    /// The predictions to score: post-processed ones, cross-fitted.
    pub held_out: &'a HeldOut,
    /// The same rows before post-processing.
    pub before: Option<&'a HeldOut>,
    /// Three classes or two.
    pub task: Task,
    /// What was scored, in words: file, rows, folds.
    pub split: &'a str,
    /// What post-processing did.
    pub post_processing: Option<&'a PostProcessingSummary>,
    /// The battles, in any order; those that are missing have no text in the report.
    pub battles: &'a [LabeledBattle],
    /// What to compare with.
    pub baseline: Option<Baseline<'a>>,
    /// The true probabilities of simulated battles.
    pub truth: Option<&'a BTreeMap<BattleId, Probabilities>>,
    /// Decides what is resampled.
    pub seed: u64,
}

impl<'a> EvaluationRequest<'a> {
    /// The scores of some predictions and nothing beside them.
    #[must_use]
    pub fn new(held_out: &'a HeldOut, task: Task, split: &'a str) -> Self {
        Self {
            held_out,
            before: None,
            task,
            split,
            post_processing: None,
            battles: &[],
            baseline: None,
            truth: None,
            seed: 0,
        }
    }
}

/// Everything that a report says about predictions. The order of the rows changes no bit.
///
/// # Errors
/// When there is no row, or the predictions before post-processing or of the baseline are of other rows.
pub fn evaluate(request: &EvaluationRequest<'_>) -> Result<Evaluation, EvaluationError> {
    let &EvaluationRequest { held_out, task, seed, .. } = request;
    let columns = Columns::new(held_out);
    let before = request.before.map(Columns::new);
    if let Some(before) = &before {
        same_rows(&columns.ids, &before.ids, "the set of predictions before post-processing")?;
    }
    let battles: BTreeMap<&BattleId, &LabeledBattle> =
        request.battles.iter().map(|labeled| (&labeled.battle.id, labeled)).collect();
    let truth = request.truth.and_then(|truth| distance_to_truth(&columns, truth));
    let floor = match &truth {
        Some(truth) => {
            Some(Floor { source: "known true probabilities".to_owned(), log_loss: truth.floor, n: truth.n })
        }
        None => floor_of_votes(&columns, &battles),
    };
    let scores_of = |held_out: &HeldOut| scores(held_out, task, seed);
    Ok(Evaluation {
        format_version: FORMAT_VERSION,
        task,
        scores: scores_of(held_out)?,
        split: request.split.to_owned(),
        provenance: held_out.provenance().clone(),
        uncalibrated: request.before.map(scores_of).transpose()?,
        comparison: request.baseline.map(|b| compare(held_out, b.predictions, b.name, seed)).transpose()?,
        warnings: warnings(&columns, held_out.provenance(), task),
        reliability: reliability(&columns, task, seed),
        reliability_uncalibrated: before.map_or_else(Vec::new, |before| reliability(&before, task, seed)),
        confidence_histogram: confidence_histogram(&columns.predictions, task),
        confusion: confusion(&columns),
        slicings: slicings(&columns, &battles, task),
        worst: worst_rows(&columns, &battles, WORST_ROWS),
        floor,
        truth,
        post_processing: request.post_processing.cloned(),
        cascade: None,
        learning_curves: Vec::new(),
    })
}

/// What must be said beside the numbers.
fn warnings(columns: &Columns<Probabilities>, provenance: &Provenance, task: Task) -> Vec<String> {
    let mut warnings = Vec::new();
    match (columns.len(), columns.groups.count()) {
        (1, _) => {
            warnings.push("one row: there is no standard error, and 0 is printed in its place".to_owned());
        }
        (_, 1) => warnings.push(
            "all rows are of one group: the errors treat rows as independent and are likely far too small"
                .to_owned(),
        ),
        (_, groups) if groups < MIN_RELIABLE_GROUPS => warnings.push(format!(
            "only {groups} groups: intervals are unreliable (Student's t with {} degrees of freedom is used)",
            groups - 1
        )),
        _ => {}
    }
    let classes: &[Class] = if task == Task::TwoWay { &Class::ALL[..2] } else { &Class::ALL };
    for class in classes.iter().filter(|class| columns.targets.iter().all(|t| t.of(**class) <= 0.0)) {
        warnings.push(format!("no row was `{}`", class.label()));
    }
    let lost = |(p, t): &(&Probabilities, &crate::battle::Target)| {
        Class::ALL.iter().any(|class| t.of(*class) > 0.0 && p.of(*class) < f64::EPSILON)
    };
    let impossible = columns.predictions.iter().zip(&columns.targets).filter(lost).count();
    if impossible > 0 {
        warnings.push(format!(
            "{impossible} rows were said to be impossible (probability 0) and happened: each costs 36 nats"
        ));
    }
    if let Provenance::Declared { file } = provenance {
        warnings.push(format!(
            "nobody checked that the predictions of `{file}` are on rows their model never saw"
        ));
    }
    warnings
}
