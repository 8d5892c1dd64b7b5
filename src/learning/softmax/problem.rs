use linfa::dataset::Records;
use ndarray::Array2;

use super::SoftmaxError;
use super::minimise::{Limits, Objective, Solution};
use super::precondition::Curvature;
use super::rows::Rows;
use super::transpose::Transposed;
use crate::predictors::linear::{FitStatus, FittedSoftmax, Margin};

/// Steps before the curvature is looked at anew.
const ROUND: usize = 30;

/// Records, targets and weights, checked, with what every fit on them shares: fits under many
/// penalties, or on many subsets of the rows, repeat none of it.
pub(crate) struct Problem<'a> {
    transposed: &'a Transposed<'a>,
    rows: Rows,
    curvature: Curvature,
}

/// A fitted model with its margins on all rows of the problem, those of weight 0 included.
pub(crate) struct Solved {
    pub(crate) model: FittedSoftmax,
    pub(crate) margins: Vec<Margin>,
}

impl<'a> Problem<'a> {
    /// A row of weight 0 takes no part in fits, but has its margins computed.
    pub(crate) fn new(
        transposed: &'a Transposed<'a>,
        targets: &Array2<f64>,
        weights: Vec<f64>,
    ) -> Result<Self, SoftmaxError> {
        let records = transposed.records();
        let (rows, classes) = targets.dim();
        if rows != records.nsamples() || weights.len() != rows || classes != 3 {
            return Err(SoftmaxError::Shapes {
                records: records.nsamples(),
                targets: rows,
                classes,
                weights: weights.len(),
            });
        }
        let targets: Vec<[f64; 3]> = targets.rows().into_iter().map(|row| [row[0], row[1], row[2]]).collect();
        let weights = normalised(&targets, weights)?;
        if let Some(block) = records.blocks().iter().position(|block| !block.matrix.is_finite()) {
            return Err(SoftmaxError::NotFinite { block });
        }
        let rows = Rows { form: records.form(), targets, weights };
        let prior = vec![rows.form.of_shares(rows.shares()); rows.targets.len()];
        let curvature = Curvature::new(transposed, &rows, &prior, &vec![0.0; records.blocks().len()]);
        match curvature.not_finite() {
            Some(block) => Err(SoftmaxError::NotFinite { block }),
            None => Ok(Self { transposed, rows, curvature }),
        }
    }

    /// The minimum under one penalty a block, searched from a fitted model or from the prior, within
    /// these limits.
    pub(crate) fn solve(&self, penalties: &[f64], start: Option<&FittedSoftmax>, limits: Limits) -> Solved {
        let blocks = self.transposed.records().blocks();
        let mut parameters = Vec::new();
        for (index, (block, penalty)) in blocks.iter().zip(penalties).enumerate() {
            let from = start.and_then(|model| model.weights.get(index));
            match from.filter(|weights| weights.len() == block.size() && penalty.is_finite()) {
                Some(weights) => parameters.extend(weights.iter()),
                None => parameters.resize(parameters.len() + block.size(), 0.0),
            }
        }
        let intercepts =
            start.map_or_else(|| self.rows.form.of_shares(self.rows.shares()), |model| model.intercepts);
        parameters.extend(&intercepts[self.rows.form.intercepts()]);
        let objective = Objective { transposed: self.transposed, rows: &self.rows, penalties };
        let solution = self.minimise(&objective, parameters, limits);

        let mut rest = solution.parameters.as_slice();
        let weights = blocks.iter().map(|block| {
            let (own, others) = rest.split_at(block.size());
            rest = others;
            Array2::from_shape_fn((block.outputs.span().1, block.matrix.columns()), |(output, column)| {
                own[output * block.matrix.columns() + column]
            })
        });
        let weights = weights.collect();
        let mut intercepts = [0.0; 3];
        intercepts[self.rows.form.intercepts()].copy_from_slice(rest);
        let model = FittedSoftmax { form: self.rows.form, weights, intercepts, report: solution.report };
        Solved { model, margins: solution.margins }
    }

    /// In rounds: a fit that is not done after one has left the prior behind, and goes on with the
    /// curvature where it is.
    fn minimise(&self, objective: &Objective<'_>, start: Vec<f64>, limits: Limits) -> Solution {
        let first = self.curvature.preconditioner(self.transposed, objective.penalties);
        let round = |done: usize| Limits { iterations: ROUND.min(limits.iterations - done), ..limits };
        let mut solution = objective.minimise(start, &first, round(0));
        let mut done = solution.report.iterations;
        while solution.report.status == FitStatus::OutOfIterations && done < limits.iterations {
            let curvature =
                Curvature::new(self.transposed, &self.rows, &solution.margins, objective.penalties);
            let here = curvature.preconditioner(self.transposed, objective.penalties);
            solution = objective.minimise(solution.parameters, &here, round(done));
            done += solution.report.iterations;
        }
        solution.report.iterations = done;
        solution
    }
}

fn normalised(targets: &[[f64; 3]], weights: Vec<f64>) -> Result<Vec<f64>, SoftmaxError> {
    for (row, (target, weight)) in targets.iter().zip(&weights).enumerate() {
        let shares = target.iter().all(|share| (0.0..=1.0).contains(share));
        let sum = (target.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        if !shares || !sum || !weight.is_finite() || *weight < 0.0 {
            return Err(SoftmaxError::Row { row, target: *target, weight: *weight });
        }
    }
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return Err(SoftmaxError::NoRows);
    }
    Ok(weights.into_iter().map(|weight| weight / total).collect())
}
