use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::{
    CrossPredictions, Journal, Member, MemberScores, Plan, RawScores, TrainingSet, Unit, UnitResult,
    ValidationError,
};
use crate::battle::{Battle, LabeledBattle, Probabilities, Task};
use crate::learning::{Ahead, FitContext, FitError};
use crate::predictors::{Conditions, Pooling, PredictError, Predictor, SavedPredictor, predict_in_detail};
use crate::progress::{Progress, Silent};
use crate::splits::Fold;

/// Lets every member do once what depends neither on labels nor on folds.
///
/// # Errors
/// `ValidationError::Fit` when a member fails.
pub fn prepare(
    set: TrainingSet<'_>,
    members: &[Member],
    plan: &Plan<'_>,
    context: &FitContext<'_>,
) -> Result<(), ValidationError> {
    let rows: BTreeSet<usize> = plan.folds.iter().flat_map(|fold| fold.held_out.iter().copied()).collect();
    let judged: Vec<&LabeledBattle> = rows.into_iter().map(|row| &set.competition[row]).collect();
    let ahead = Ahead { judged: &judged, competition: set.competition, extra: set.extra, folds: plan.folds };
    for member in members {
        let context = FitContext { member: &member.name, ..*context };
        member
            .learner
            .prepare(&ahead, &context)
            .map_err(|source| ValidationError::Prepare { member: member.name.clone(), source })?;
    }
    Ok(())
}

/// Fits every member on every fold for every seed and predicts the rows that the fold holds out.
///
/// Units run side by side; each is kept in the journal as soon as it is done, and a unit found there is
/// not run again.
///
/// # Errors
/// `ValidationError` when a fit, a prediction or the journal fails.
pub fn cross_fit(
    set: TrainingSet<'_>,
    members: &[Member],
    plan: &Plan<'_>,
    context: &FitContext<'_>,
    journal: &dyn Journal,
) -> Result<CrossPredictions, ValidationError> {
    let extra: Vec<Vec<&LabeledBattle>> = plan.folds.iter().map(|fold| extra_of(&set, fold)).collect();
    let units = units_of(members, plan);
    let task = context.progress.start("cross-validation", Some(units.len() as u64), "fits");
    let alone: Vec<bool> = units.iter().map(|(member, ..)| members[*member].learner.runs_alone()).collect();
    let run = |(member, fold, unit): &(usize, usize, Unit), context: &FitContext<'_>| {
        let work = FoldWork { set: &set, fold: &plan.folds[*fold], extra: &extra[*fold], unit };
        let result = if let Some(result) = journal.load(unit)? {
            result
        } else {
            let result = work.run(&members[*member], context, plan.keep_predictors)?;
            journal.store(unit, &result)?;
            result
        };
        if !plan.keep_predictors {
            members[*member].learner.discard(&of_unit(unit, context));
        }
        task.advance(1);
        Ok(result)
    };
    let results = side_by_side(&units, &alone, context, &run)?;
    Ok(CrossPredictions {
        rows: average_seeds(&set, members.len(), &units, &results, plan)?,
        raw: raw_scores(set.competition.len(), members.len(), &units, &results),
        predictors: collect_predictors(members.len(), plan, &units, results),
        extra_left_out: extra.iter().map(|kept| set.extra.len() - kept.len()).collect(),
    })
}

/// Fits every member on all rows for every seed: per member one predictor for each seed.
///
/// # Errors
/// `ValidationError` when a fit or the journal fails.
pub fn fit_final(
    set: TrainingSet<'_>,
    members: &[Member],
    seeds: &[u64],
    context: &FitContext<'_>,
    journal: &dyn Journal,
) -> Result<Vec<Vec<SavedPredictor>>, ValidationError> {
    let extra = set.extra.iter().filter_map(|row| set.learned(row, None));
    let all: Vec<LabeledBattle> = set.competition.iter().cloned().chain(extra).collect();
    let units: Vec<(usize, Unit)> = members
        .iter()
        .enumerate()
        .flat_map(|(index, member)| {
            seeds
                .iter()
                .map(move |seed| (index, Unit { member: member.name.clone(), seed: *seed, fold: None }))
        })
        .collect();
    let task = context.progress.start("final fit", Some(units.len() as u64), "fits");
    let alone: Vec<bool> = units.iter().map(|(member, _)| members[*member].learner.runs_alone()).collect();
    let run = |(member, unit): &(usize, Unit), context: &FitContext<'_>| {
        let saved = if let Some(saved) = journal.load(unit)?.and_then(|result| result.predictor) {
            saved
        } else {
            let predictor = fit(&members[*member], &all, unit, context)?;
            let saved = predictor.saved();
            let predictor = Some(saved.clone());
            let result = UnitResult { predictions: Vec::new(), raw: RawScores::default(), predictor };
            journal.store(unit, &result)?;
            saved
        };
        task.advance(1);
        Ok(saved)
    };
    let fitted = side_by_side(&units, &alone, context, &run)?;
    let mut per_member: Vec<Vec<SavedPredictor>> = members.iter().map(|_| Vec::new()).collect();
    for ((member, _), saved) in units.iter().zip(fitted) {
        per_member[*member].push(saved);
    }
    Ok(per_member)
}

/// Averages, of every member and seed, the weights of the fits of all folds; then those fits are not needed any more.
///
/// # Errors
/// `ValidationError` names the fit that failed.
pub fn average_folds(
    members: &[Member],
    plan: &Plan<'_>,
    context: &FitContext<'_>,
    journal: &dyn Journal,
) -> Result<Vec<Vec<SavedPredictor>>, ValidationError> {
    let folds: Vec<u32> = plan.folds.iter().map(|fold| fold.number).collect();
    let one = |member: &Member, seed: u64| {
        let unit = Unit { member: member.name.clone(), seed, fold: None };
        if let Some(saved) = journal.load(&unit)?.and_then(|result| result.predictor) {
            return Ok(saved);
        }
        let context = FitContext { seed, member: &member.name, fold: None, ..*context };
        let failed = |source| ValidationError::Fit { member: member.name.clone(), seed, fold: None, source };
        let saved = member.learner.average(&folds, &context).map_err(failed)?.saved();
        let predictor = Some(saved.clone());
        journal
            .store(&unit, &UnitResult { predictions: Vec::new(), raw: RawScores::default(), predictor })?;
        for fold in &folds {
            member.learner.discard(&FitContext { fold: Some(*fold), ..context });
        }
        Ok(saved)
    };
    members.iter().map(|member| plan.seeds.iter().map(|seed| one(member, *seed)).collect()).collect()
}

/// Runs units side by side, then those that take all threads one after the other; results in the order of the units.
fn side_by_side<U: Sync, R: Send>(
    units: &[U],
    alone: &[bool],
    context: &FitContext<'_>,
    run: &(impl Fn(&U, &FitContext<'_>) -> Result<R, ValidationError> + Sync),
) -> Result<Vec<R>, ValidationError> {
    let light = alone.iter().filter(|alone| !**alone).count();
    let shared = FitContext { threads: context.threads.div_ceil(light.max(1)).max(1), ..*context };
    let mut results = units
        .par_iter()
        .zip(alone)
        .map(|(unit, alone)| if *alone { Ok(None) } else { run(unit, &shared).map(Some) })
        .collect::<Result<Vec<Option<R>>, ValidationError>>()?;
    for (unit, result) in units.iter().zip(&mut results) {
        if result.is_none() {
            *result = Some(run(unit, context)?);
        }
    }
    Ok(results.into_iter().flatten().collect())
}

/// The extra rows that a fold may learn from: none whose prompt is a near-duplicate of a held-out one.
fn extra_of<'a>(set: &TrainingSet<'a>, fold: &Fold) -> Vec<&'a LabeledBattle> {
    let held_out: BTreeSet<u32> =
        fold.held_out.iter().filter_map(|row| set.clusters.get(*row)).copied().collect();
    let of_extra = set.clusters.get(set.competition.len()..).unwrap_or(&[]);
    let kept = set.extra.iter().zip(of_extra).filter(|(_, cluster)| !held_out.contains(cluster));
    kept.map(|(row, _)| row).collect()
}

fn units_of(members: &[Member], plan: &Plan<'_>) -> Vec<(usize, usize, Unit)> {
    let mut units = Vec::new();
    for (index, member) in members.iter().enumerate() {
        for (position, fold) in plan.folds.iter().enumerate() {
            for seed in plan.seeds {
                let unit = Unit { member: member.name.clone(), seed: *seed, fold: Some(fold.number) };
                units.push((index, position, unit));
            }
        }
    }
    units
}

struct FoldWork<'a> {
    set: &'a TrainingSet<'a>,
    fold: &'a Fold,
    extra: &'a [&'a LabeledBattle],
    unit: &'a Unit,
}

impl FoldWork<'_> {
    fn run(
        &self,
        member: &Member,
        context: &FitContext<'_>,
        keep_predictor: bool,
    ) -> Result<UnitResult, ValidationError> {
        let competition = self.fold.train.iter().map(|row| &self.set.competition[*row]);
        let fold = Some(self.fold.number);
        let extra = self.extra.iter().filter_map(|row| self.set.learned(row, fold));
        let train: Vec<LabeledBattle> = competition.cloned().chain(extra).collect();
        let predictor = fit(member, &train, self.unit, context)?;
        let unseen: Vec<Battle> =
            self.fold.held_out.iter().map(|row| self.set.competition[*row].battle.clone()).collect();
        let failed = |source| self.failed(source);
        let progress: &dyn Progress = if member.learner.runs_alone() { context.progress } else { &Silent };
        let stop = || context.stop.load(Ordering::Relaxed);
        let conditions = Conditions { deadline: None, stop: &stop, progress };
        let predicted = predict_in_detail(predictor.as_ref(), &unseen, &conditions).map_err(failed)?;
        let mut raw = RawScores { columns: predictor.raw_columns(), bits: Vec::new() };
        let mut predictions = Vec::with_capacity(predicted.len());
        for (place, (row, found)) in self.fold.held_out.iter().zip(predicted).enumerate() {
            let rows = unseen.len();
            let missing = || failed(PredictError::WrongCount { row: place, rows, count: 0 });
            predictions.push((*row, found.probabilities.ok_or_else(missing)?.ln()));
            if !raw.is_empty() {
                raw.bits.push(found.raw.iter().map(|number| number.to_bits()).collect());
            }
        }
        Ok(UnitResult { predictions, raw, predictor: keep_predictor.then(|| predictor.saved()) })
    }

    /// A prediction that was stopped is a unit that was stopped: it goes on like one.
    fn failed(&self, source: PredictError) -> ValidationError {
        let Unit { member, seed, fold } = self.unit.clone();
        match source {
            PredictError::Stopped => ValidationError::Fit { member, seed, fold, source: FitError::Stopped },
            source => ValidationError::Predict { member, seed, fold, source },
        }
    }
}

fn fit(
    member: &Member,
    train: &[LabeledBattle],
    unit: &Unit,
    context: &FitContext<'_>,
) -> Result<Box<dyn Predictor>, ValidationError> {
    let context = of_unit(unit, context);
    member.learner.fit(train, &context).map_err(|source| ValidationError::Fit {
        member: member.name.clone(),
        seed: unit.seed,
        fold: unit.fold,
        source,
    })
}

fn of_unit<'a>(unit: &'a Unit, context: &FitContext<'a>) -> FitContext<'a> {
    FitContext { member: &unit.member, seed: unit.seed, fold: unit.fold, ..*context }
}

fn average_seeds(
    set: &TrainingSet<'_>,
    members: usize,
    units: &[(usize, usize, Unit)],
    results: &[UnitResult],
    plan: &Plan<'_>,
) -> Result<Vec<Option<Vec<Probabilities>>>, ValidationError> {
    let mut of_seeds: Vec<Vec<Vec<Probabilities>>> = vec![vec![Vec::new(); members]; set.competition.len()];
    for ((member, _, unit), result) in units.iter().zip(results) {
        for (row, ln) in &result.predictions {
            let damaged = || {
                ValidationError::Journal(format!(
                    "the record of {unit:?} is damaged; start afresh with `--force`"
                ))
            };
            let place = of_seeds.get_mut(*row).ok_or_else(damaged)?;
            let probabilities = Probabilities::from_logits(*ln).map_err(|_| damaged())?;
            place[*member].push(conform(probabilities, set.task));
        }
    }
    let weights = vec![1.0 / plan.seeds.len() as f64; plan.seeds.len()];
    let rows = of_seeds.into_iter().map(|row| {
        let complete = row.iter().all(|seeds| seeds.len() == plan.seeds.len());
        complete.then(|| row.iter().map(|seeds| mean(seeds, &weights)).collect::<Option<Vec<_>>>()).flatten()
    });
    Ok(rows.collect())
}

/// What stood before the predictions of each member; of several seeds the first, since raw numbers of two fits
/// have no common scale.
fn raw_scores(
    rows: usize,
    members: usize,
    units: &[(usize, usize, Unit)],
    results: &[UnitResult],
) -> Vec<MemberScores> {
    let mut scores = vec![MemberScores::default(); members];
    for ((member, _, _), result) in units.iter().zip(results) {
        if result.raw.is_empty() {
            continue;
        }
        let of_member = &mut scores[*member];
        of_member.columns.clone_from(&result.raw.columns);
        of_member.rows.resize(rows, Vec::new());
        for ((row, _), bits) in result.predictions.iter().zip(&result.raw.bits) {
            match of_member.rows.get_mut(*row) {
                Some(place) if place.is_empty() => {
                    *place = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
                }
                _ => {}
            }
        }
    }
    scores
}

/// The mean over the seeds; of one seed the prediction itself, to the last bit.
fn mean(seeds: &[Probabilities], weights: &[f64]) -> Option<Probabilities> {
    match seeds {
        [] => None,
        [only] => Some(*only),
        several => Pooling::Arithmetic.pool(several, weights).ok(),
    }
}

/// A prediction as the task wants it: without a tie where there is none.
fn conform(probabilities: Probabilities, task: Task) -> Probabilities {
    match task {
        Task::ThreeWay => probabilities,
        Task::TwoWay => probabilities.without_tie(),
    }
}

fn collect_predictors(
    members: usize,
    plan: &Plan<'_>,
    units: &[(usize, usize, Unit)],
    results: Vec<UnitResult>,
) -> Vec<Vec<Vec<SavedPredictor>>> {
    let mut predictors = vec![vec![Vec::new(); plan.folds.len()]; members];
    for ((member, fold, _), result) in units.iter().zip(results) {
        if let Some(predictor) = result.predictor {
            predictors[*member][*fold].push(predictor);
        }
    }
    predictors
}
