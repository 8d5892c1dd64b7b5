use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use lightgbm3::{Booster, Dataset};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::BoostedRecipe;
use super::curve::Curve;
use super::loss::{Slope, slopes};
use crate::battle::{Battle, LabeledBattle};
use crate::features::{FeatureSet, TreeRows};
use crate::learning::training::Training;
use crate::learning::{FitContext, FitError};
use crate::predictors::Boosted;
use crate::progress::ProgressTask;

/// The second derivative of a battle of average uncertainty, by either output: at the uniform prior
/// 1/6 by the contrast and 2/9 by the tie.
const AVERAGE_CURVATURE: f64 = 0.2;

/// Losses are summed in at most this many clusters of whole groups, which bounds the memory.
const CLUSTERS: usize = 512;

/// The rows of a fit in both orders, and what trees are grown by.
struct Grower<'a> {
    /// The battles as they are, then all of them with their sides exchanged; row-major.
    cells: Vec<f32>,
    columns: i32,
    labels: Vec<f32>,
    training: &'a Training<'a>,
    targets: Vec<[f64; 3]>,
    parameters: Value,
    context: &'a FitContext<'a>,
}

/// One fit: which rows it sees, how long it goes on.
struct Plan<'a> {
    weights: &'a [f64],
    held_out: &'a [HeldOutRow],
    rounds: u32,
    idle_rounds: u32,
    task: &'a dyn ProgressTask,
}

/// A row that is held out of a fit.
struct HeldOutRow {
    row: usize,
    weight: f64,
    /// The cluster that its loss is summed in.
    cluster: usize,
}

/// What a fit gave.
struct Grown {
    booster: Booster,
    tie: f64,
    /// After each number of rounds, the held-out loss of each cluster.
    curve: Vec<Vec<f64>>,
}

/// Chooses the number of rounds on inner folds, then grows them on all rows.
pub(super) fn fit(
    recipe: &BoostedRecipe,
    train: &[LabeledBattle],
    context: &FitContext<'_>,
) -> Result<Boosted, FitError> {
    let training = Training::new(train)?;
    let features = FeatureSet::new(&recipe.groups);
    let battles: Vec<&Battle> = training.rows.iter().map(|row| &row.battle).collect();
    let schema_hash = features.schema_hash();
    let prior = |tie: f64| Boosted {
        features: features.clone(),
        schema_hash: schema_hash.clone(),
        tie,
        rounds: 0,
        models: Vec::new(),
    };
    let weights = normalised(&training.weights)?;
    let tie = tie_logit(&weights, &training);
    let rows = features.extract_for_trees(&battles);
    if !can_split(&rows) || recipe.max_rounds == 0 {
        return Ok(prior(tie));
    }
    let grower = Grower::new(recipe, &rows, &training, context)?;
    let rounds = grower.rounds(recipe, &weights)?;
    if rounds == 0 {
        return Ok(prior(tie));
    }
    let task = context.progress.start("boosting", Some(u64::from(rounds)), "rounds");
    let plan = Plan { weights: &weights, held_out: &[], rounds, idle_rounds: u32::MAX, task: task.as_ref() };
    let grown = grower.grow(&plan)?;
    let kept = u32::try_from(grown.booster.num_iterations()).unwrap_or(0);
    if kept == 0 {
        return Ok(prior(tie));
    }
    let text = grown.booster.save_string().map_err(|error| failed(&error))?;
    // What follows the trees names the number of threads, and is not read again.
    let model = text.split_inclusive("end of trees\n").next().unwrap_or(&text).to_owned();
    Ok(Boosted { features, schema_hash, tie: grown.tie, rounds: kept, models: vec![model] })
}

impl<'a> Grower<'a> {
    fn new(
        recipe: &BoostedRecipe,
        rows: &TreeRows,
        training: &'a Training<'a>,
        context: &'a FitContext<'a>,
    ) -> Result<Self, FitError> {
        let swapped = rows.swapped();
        let cells: Vec<f32> = rows.values().iter().chain(swapped.values()).copied().collect();
        let columns = i32::try_from(rows.values().ncols()).map_err(|error| failed(&error))?;
        let labels = vec![0.0; 2 * rows.values().nrows()];
        let targets = training.targets.rows().into_iter().map(|row| [row[0], row[1], row[2]]).collect();
        Ok(Self {
            cells,
            columns,
            labels,
            training,
            targets,
            parameters: parameters(recipe, context),
            context,
        })
    }

    /// The number of rounds that the inner folds speak for.
    fn rounds(&self, recipe: &BoostedRecipe, weights: &[f64]) -> Result<u32, FitError> {
        let inner = self.training.folds(recipe.inner_folds, self.context.seed)?;
        let numbers: BTreeSet<u32> = inner.iter().copied().collect();
        let (groups, count) = self.training.group_numbers();
        let clusters: Vec<usize> = groups.iter().map(|group| group % CLUSTERS).collect();
        let mut sizes = vec![0.0; count.min(CLUSTERS)];
        clusters.iter().zip(weights).for_each(|(cluster, weight)| sizes[*cluster] += weight);
        let mut curve = Curve::new(sizes);
        let steps = u64::from(recipe.max_rounds) * numbers.len() as u64;
        let task = self.context.progress.start("boosting on inner folds", Some(steps), "rounds");
        let of_fold = |number: u32| -> Result<Vec<Vec<f64>>, FitError> {
            let held_out: Vec<HeldOutRow> = (0..inner.len())
                .filter(|row| inner[*row] == number)
                .map(|row| HeldOutRow { row, weight: weights[row], cluster: clusters[row] })
                .collect();
            let mut seen = weights.to_vec();
            for held_out in &held_out {
                seen[held_out.row] = 0.0;
            }
            if seen.iter().all(|weight| *weight <= 0.0) {
                return Ok(Vec::new());
            }
            let plan = Plan {
                weights: &seen,
                held_out: &held_out,
                rounds: recipe.max_rounds,
                idle_rounds: recipe.idle_rounds,
                task: task.as_ref(),
            };
            Ok(self.grow(&plan)?.curve)
        };
        // Fits run beside each other, each on one thread: LightGBM's own threads meet after every tree
        // and wait in a loop for the one that has no core.
        let curves = numbers.into_iter().collect::<Vec<_>>().into_par_iter().map(of_fold);
        for rounds in curves.collect::<Result<Vec<_>, _>>()? {
            curve.add(&rounds);
        }
        Ok(u32::try_from(curve.choose(recipe.patience)).unwrap_or(u32::MAX))
    }

    /// Grows trees. Held-out rows lie in the data with slopes of zero: they change no tree, and their
    /// loss is known after every round.
    fn grow(&self, plan: &Plan<'_>) -> Result<Grown, FitError> {
        let dataset = Dataset::from_slice(&self.cells, &self.labels, self.columns, true)
            .map_err(|error| failed(&error))?;
        let tie = tie_logit(plan.weights, self.training);
        let mut parameters = self.parameters.clone();
        parameters["num_iterations"] = json!(plan.rounds);
        let mut watch =
            Watch { plan, tie, targets: &self.targets, curve: Vec::new(), least: f64::INFINITY, idle: 0 };
        let mut stopped = false;
        let booster = Booster::train_with_custom_objective(dataset, &parameters, |sums, _, first, second| {
            stopped |= self.context.stop.load(Ordering::Relaxed);
            watch.round(sums, first, second, stopped);
        })
        .map_err(|error| failed(&error))?;
        if stopped {
            return Err(FitError::Stopped);
        }
        Ok(Grown { booster, tie, curve: watch.curve })
    }
}

/// Gives LightGBM its slopes and keeps the held-out loss.
struct Watch<'a> {
    plan: &'a Plan<'a>,
    tie: f64,
    targets: &'a [[f64; 3]],
    curve: Vec<Vec<f64>>,
    least: f64,
    idle: u32,
}

impl Watch<'_> {
    /// `sums`, `first` and `second` hold all rows in both orders for the contrast, then the same for
    /// the tie. Slopes of zero everywhere end the fit: no split gains anything.
    fn round(&mut self, sums: &[f64], first: &mut [f32], second: &mut [f32], stopped: bool) {
        let rows = self.targets.len();
        // The margins of the predictor: odd and even parts of both orders.
        let margin = |row: usize| {
            [(sums[row] - sums[rows + row]) / 2.0, f64::midpoint(sums[2 * rows + row], sums[3 * rows + row])]
        };
        let margins: Vec<[f64; 2]> = (0..rows).map(margin).collect();
        let slopes = slopes(&margins, self.tie, self.targets);
        let ended = self.note(&slopes) || stopped;
        first.fill(0.0);
        second.fill(0.0);
        self.plan.task.advance(1);
        if ended {
            return;
        }
        for (row, slope) in slopes.iter().enumerate() {
            // Each order counts half, so that a battle counts once.
            let weight = self.plan.weights[row] / 2.0;
            let [contrast, curvature] = slope.contrast.map(|value| single(weight * value));
            let [tie, tie_curvature] = slope.tie.map(|value| single(weight * value));
            (first[row], first[rows + row]) = (contrast, -contrast);
            (second[row], second[rows + row]) = (curvature, curvature);
            (first[2 * rows + row], first[3 * rows + row]) = (tie, tie);
            (second[2 * rows + row], second[3 * rows + row]) = (tie_curvature, tie_curvature);
        }
    }

    /// Keeps the loss of the held-out rows; whether it has not fallen for long.
    fn note(&mut self, slopes: &[Slope]) -> bool {
        if self.plan.held_out.is_empty() {
            return false;
        }
        let clusters = self.plan.held_out.iter().map(|held_out| held_out.cluster + 1).max().unwrap_or(0);
        let mut losses = vec![0.0; clusters];
        for HeldOutRow { row, weight, cluster } in self.plan.held_out {
            losses[*cluster] += weight * slopes[*row].loss;
        }
        let total: f64 = losses.iter().sum();
        self.curve.push(losses);
        self.idle = if total < self.least { 0 } else { self.idle + 1 };
        self.least = self.least.min(total);
        self.idle >= self.plan.idle_rounds
    }
}

/// Whether some column has enough rows on both sides of some value; LightGBM, which drops columns
/// without 20 rows a side, would say on stdout that none is left.
fn can_split(rows: &TreeRows) -> bool {
    const LEAST: usize = 40;
    let count = rows.values().nrows();
    if count < 2 * LEAST {
        return false;
    }
    rows.values().columns().into_iter().any(|column| {
        let mut values = column.to_vec();
        let low = *values.select_nth_unstable_by(LEAST - 1, f32::total_cmp).1;
        let high = *values.select_nth_unstable_by(count - LEAST, f32::total_cmp).1;
        low < high
    })
}

/// Weights with mean 1, so that penalties mean the same whatever their unit.
fn normalised(weights: &[f64]) -> Result<Vec<f64>, FitError> {
    let total: f64 = weights.iter().sum();
    if total <= 0.0 || !total.is_finite() {
        return Err(FitError::NoBattles);
    }
    let scale = weights.len() as f64 / total;
    Ok(weights.iter().map(|weight| weight * scale).collect())
}

/// The logit of a tie against a side, from the weighted targets (which are smoothed already).
fn tie_logit(weights: &[f64], training: &Training<'_>) -> f64 {
    let total: f64 = weights.iter().sum();
    let ties: f64 =
        weights.iter().zip(training.targets.column(2)).map(|(weight, share)| weight * share).sum();
    let share = ties / total;
    (2.0 * share / (1.0 - share)).ln()
}

fn parameters(recipe: &BoostedRecipe, context: &FitContext<'_>) -> Value {
    json!({
        "objective": "none",
        "metric": "none",
        "num_class": 2,
        "learning_rate": recipe.learning_rate,
        "num_leaves": recipe.leaves,
        // Rows that are held out count as rows of a leaf, but have no curvature.
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": recipe.min_leaf_battles * AVERAGE_CURVATURE,
        "lambda_l2": recipe.leaf_penalty * AVERAGE_CURVATURE,
        "min_gain_to_split": 1e-6,
        "bagging_fraction": recipe.row_share,
        "bagging_freq": u32::from(recipe.row_share < 1.0),
        "feature_fraction": recipe.column_share,
        "seed": context.seed % (1 << 31),
        "deterministic": true,
        "force_row_wise": true,
        "num_threads": 1,
        "verbosity": -1,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "LightGBM takes slopes in single precision")]
fn single(value: f64) -> f32 {
    value as f32
}

fn failed(error: &dyn std::fmt::Display) -> FitError {
    FitError::Failed(format!("the trees cannot be grown: {error}"))
}
