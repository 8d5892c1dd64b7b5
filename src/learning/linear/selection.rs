use rayon::prelude::*;

use super::training::Training;
use crate::learning::FitError;
use crate::learning::softmax::{Limits, Problem, Transposed, cross_entropy};
use crate::predictors::linear::{FittedSoftmax, Form, Penalties};

/// When a fit on inner folds ends: what is compared is held-out loss, to some 1e-5 nats.
const INNER: Limits = Limits { tolerance: 1e-5, gain: 1e-5, iterations: 60 };

/// Penalties tried for scaled dense features, strongest first.
const DENSE: [f64; 11] = [3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4, 3e-5];
/// Penalties tried for TF-IDF vectors, whose length is about 1.
const LEXICAL: [f64; 8] = [0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4, 3e-5];

/// A path over dense features ends after this many penalties in a row that were noticeably worse than
/// the best; one over terms, where weak penalties are slow to fit, after the first.
const WORSE: usize = 2;
/// Nats of mean held-out loss below which two penalties are as good as each other.
const NOTICEABLE: f64 = 1e-4;

/// What a gain in held-out loss must exceed to count: a number of its standard errors clustered by
/// group, and a number of those that take rows for independent.
///
/// On votes without a signal the second is the right one and finds out chance. The first asks whether
/// the gain holds from prompt to prompt; with ten prompts it is too coarse to ask for more.
type Threshold = (f64, f64);

/// For a block of features to be used beside the others.
const OF_A_BLOCK: Threshold = (0.5, 1.0);
/// For all of them together to be used instead of the prior.
const OF_ALL: Threshold = (0.5, 2.0);

/// The search for penalties on inner folds.
pub(super) struct Search<'a> {
    folds: Vec<Fold<'a>>,
    targets: Vec<[f64; 3]>,
    weights: Vec<f64>,
    groups: Vec<usize>,
    n_groups: usize,
}

struct Fold<'a> {
    problem: Problem<'a>,
    held_out: Vec<usize>,
}

/// Penalties of the four blocks with the held-out loss that they give.
#[derive(Clone)]
struct Tried {
    penalties: [f64; 4],
    /// Held-out loss of each row, weighted.
    losses: Vec<f64>,
    /// The model of each fold: where the next fit starts.
    models: Vec<Option<FittedSoftmax>>,
}

impl<'a> Search<'a> {
    /// `assignment` is the inner fold of each row; without one nothing can be learned of the penalties.
    pub(super) fn new(
        transposed: &'a Transposed<'a>,
        training: &Training<'_>,
        assignment: &[u32],
    ) -> Result<Self, FitError> {
        let mut numbers = assignment.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        let fold = |number: u32| -> Result<Option<Fold<'a>>, FitError> {
            let held_out: Vec<usize> =
                (0..assignment.len()).filter(|row| assignment[*row] == number).collect();
            let mut weights = training.weights.clone();
            for row in &held_out {
                weights[*row] = 0.0;
            }
            if weights.iter().all(|weight| *weight <= 0.0) {
                return Ok(None);
            }
            Ok(Some(Fold { problem: Problem::new(transposed, &training.targets, weights)?, held_out }))
        };
        let folds =
            numbers.into_iter().filter_map(|number| fold(number).transpose()).collect::<Result<_, _>>()?;
        let targets = training.targets.rows().into_iter().map(|row| [row[0], row[1], row[2]]).collect();
        let (groups, n_groups) = training.group_numbers();
        Ok(Self { folds, targets, weights: training.weights.clone(), groups, n_groups })
    }

    /// One block after the other, each along its path of penalties: first the dense features, then what
    /// the terms add to them, then the dense ones once more beside the terms.
    pub(super) fn choose(&self, patience: f64, stopped: &dyn Fn() -> bool) -> Result<Penalties, FitError> {
        let prior = self.tried([f64::INFINITY; 4], &vec![None; self.folds.len()]);
        let mut best = prior.clone();
        if self.folds.len() > 1 {
            for (block, path) in [(0, &DENSE[..]), (2, &DENSE), (1, &LEXICAL), (3, &LEXICAL)] {
                best = self.along(best, block, path, (patience, stopped))?;
            }
            let lexical = best.penalties[1].is_finite() || best.penalties[3].is_finite();
            for block in [0, 2].into_iter().filter(|_| lexical) {
                best = self.once_more(best, block, (patience, stopped))?;
            }
        }
        if !self.gains(&best, &prior, OF_ALL) {
            best = prior;
        }
        let finite = best.penalties.map(|penalty| penalty.is_finite().then_some(penalty));
        Ok(Penalties { odd: finite[0], lexical_odd: finite[1], even: finite[2], lexical_even: finite[3] })
    }

    fn tried(&self, penalties: [f64; 4], starts: &[Option<FittedSoftmax>]) -> Tried {
        let of_fold = |(fold, start): (&Fold<'_>, &Option<FittedSoftmax>)| {
            let solved = fold.problem.solve(&penalties, start.as_ref(), INNER);
            let losses: Vec<f64> = fold
                .held_out
                .iter()
                .map(|row| {
                    let logits = Form::SwapEquivariant.logits(solved.margins[*row]);
                    self.weights[*row] * cross_entropy(logits, self.targets[*row])
                })
                .collect();
            (losses, Some(solved.model))
        };
        let results: Vec<_> = self.folds.par_iter().zip(starts).map(of_fold).collect();
        let mut losses = vec![0.0; self.targets.len()];
        let mut models = Vec::with_capacity(results.len());
        for (fold, (of_rows, model)) in self.folds.iter().zip(results) {
            for (row, loss) in fold.held_out.iter().zip(of_rows) {
                losses[*row] = loss;
            }
            models.push(model);
        }
        Tried { penalties, losses, models }
    }

    /// From no use of a block to ever weaker penalties on it.
    fn along(
        &self,
        start: Tried,
        block: usize,
        path: &[f64],
        (patience, stopped): (f64, &dyn Fn() -> bool),
    ) -> Result<Tried, FitError> {
        let mut tried = vec![start];
        let (mut best, mut worse) = (0, 0);
        for penalty in path {
            if stopped() {
                return Err(FitError::Stopped);
            }
            let last = &tried[tried.len() - 1];
            let mut penalties = last.penalties;
            penalties[block] = *penalty;
            let next = self.tried(penalties, &last.models);
            let behind = (sum(&next.losses) - sum(&tried[best].losses)) / sum(&self.weights);
            if behind < 0.0 {
                best = tried.len();
            }
            worse = if behind > NOTICEABLE { worse + 1 } else { 0 };
            tried.push(next);
            if worse == if path.len() == LEXICAL.len() { 1 } else { WORSE } {
                break;
            }
        }
        Ok(self.strongest_good(tried, best, (block, patience)))
    }

    /// The penalty of one block again, now that the others are known: stronger and weaker neighbours.
    fn once_more(
        &self,
        start: Tried,
        block: usize,
        (patience, stopped): (f64, &dyn Fn() -> bool),
    ) -> Result<Tried, FitError> {
        let around = start.penalties[block];
        let Some(position) = DENSE.iter().position(|penalty| penalty.to_bits() == around.to_bits()) else {
            return Ok(start);
        };
        let with = |place: usize| {
            let mut penalties = start.penalties;
            penalties[block] = DENSE[place];
            self.tried(penalties, &start.models)
        };
        let mut tried = vec![start.clone()];
        if position + 1 < DENSE.len() {
            tried.push(with(position + 1));
        }
        if stopped() {
            return Err(FitError::Stopped);
        }
        let weaker_is_better = tried.len() == 2 && sum(&tried[1].losses) < sum(&tried[0].losses);
        if !weaker_is_better && position > 0 {
            tried.truncate(1);
            tried.insert(0, with(position - 1));
        }
        let best = (0..tried.len())
            .fold(0, |best, at| if sum(&tried[at].losses) < sum(&tried[best].losses) { at } else { best });
        Ok(self.strongest_good(tried, best, (block, patience)))
    }

    /// The first of these, strongest first, that is within `patience` standard errors of the best; the
    /// block is left out when the best does not gain enough over that.
    fn strongest_good(&self, mut tried: Vec<Tried>, best: usize, (block, patience): (usize, f64)) -> Tried {
        let good = (0..best).find(|at| {
            if tried[*at].penalties[block].is_infinite() {
                return !self.gains(&tried[best], &tried[*at], OF_A_BLOCK);
            }
            let behind = self.gain(&tried[best], &tried[*at]);
            behind.mean <= patience * behind.error_of_groups
        });
        tried.swap_remove(good.unwrap_or(best))
    }

    fn gains(&self, one: &Tried, over: &Tried, (of_groups, of_rows): Threshold) -> bool {
        let gain = self.gain(one, over);
        gain.mean > of_groups * gain.error_of_groups && gain.mean > of_rows * gain.error_of_rows
    }

    fn gain(&self, one: &Tried, over: &Tried) -> Gain {
        let total = sum(&self.weights);
        let differences: Vec<f64> =
            over.losses.iter().zip(&one.losses).map(|(over, one)| over - one).collect();
        let mean = sum(&differences) / total;
        let mut of_groups = vec![0.0; self.n_groups];
        let mut of_rows = 0.0;
        for ((difference, weight), group) in differences.iter().zip(&self.weights).zip(&self.groups) {
            let excess = difference - weight * mean;
            of_groups[*group] += excess;
            of_rows += excess * excess;
        }
        let squares: f64 = of_groups.iter().map(|excess| excess * excess).sum();
        let count = self.n_groups as f64;
        let correction = if self.n_groups > 1 { count / (count - 1.0) } else { 1.0 };
        Gain {
            mean,
            error_of_groups: (correction * squares).sqrt() / total,
            error_of_rows: of_rows.sqrt() / total,
        }
    }
}

/// A difference of mean held-out losses, nats.
struct Gain {
    mean: f64,
    /// Its standard error clustered by group.
    error_of_groups: f64,
    /// The same if rows were independent.
    error_of_rows: f64,
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}
