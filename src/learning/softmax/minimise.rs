use super::precondition::Preconditioner;
use super::rows::Rows;
use super::transpose::Transposed;
use super::vectors::{add_scaled, dot, largest};
use crate::predictors::linear::{FitReport, FitStatus, Margin};

/// Pairs of steps and gradient changes that are remembered. The preconditioner carries most of the
/// curvature, and each pair costs two passes over all weights.
const MEMORY: usize = 4;
/// A step is good when the slope there is this much flatter than at its start.
const FLATTER: f64 = 0.1;
/// Points tried on one line; each costs one exponential a class and row, no pass over the features.
const POINTS_ON_A_LINE: usize = 40;

/// A slope this close to zero is rounding error.
const SLOPE_OF_NOTHING: f64 = 1e-22;

/// One problem under fixed penalties; a block with an infinite penalty takes no part.
pub(super) struct Objective<'a> {
    pub(super) transposed: &'a Transposed<'a>,
    pub(super) rows: &'a Rows,
    /// One a block.
    pub(super) penalties: &'a [f64],
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Largest absolute component of the gradient.
    pub(crate) tolerance: f64,
    /// What the next step is expected to gain, nats; zero to go by the gradient alone.
    pub(crate) gain: f64,
    /// Steps.
    pub(crate) iterations: usize,
}

/// A point with everything known there.
pub(super) struct Solution {
    /// Weights of the blocks, then intercepts.
    pub(super) parameters: Vec<f64>,
    pub(super) margins: Vec<Margin>,
    pub(super) report: FitReport,
}

impl Objective<'_> {
    fn blocks(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>, f64)> {
        let mut start = 0;
        let blocks = self.transposed.records().blocks().iter().zip(self.penalties).enumerate();
        blocks.map(move |(index, (block, penalty))| {
            let span = start..start + block.size();
            start = span.end;
            (index, span, *penalty)
        })
    }

    fn active(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>, f64)> {
        self.blocks().filter(|(_, span, penalty)| penalty.is_finite() && !span.is_empty())
    }

    /// The margins of parameters; linear in them.
    pub(super) fn margins(&self, parameters: &[f64]) -> Vec<Margin> {
        let intercepts = self.rows.form.intercepts();
        let mut base = [0.0; 3];
        let of_intercepts = &parameters[parameters.len() - intercepts.len()..];
        base[intercepts].copy_from_slice(of_intercepts);
        let mut margins = vec![base; self.rows.targets.len()];
        for (index, span, _) in self.active() {
            self.transposed.records().blocks()[index].add_products(&parameters[span], &mut margins);
        }
        margins
    }

    fn gradient(&self, parameters: &[f64], residuals: &[Margin]) -> Vec<f64> {
        let mut gradient = vec![0.0; parameters.len()];
        for (index, span, penalty) in self.active() {
            self.transposed.products(index, residuals, &mut gradient[span.clone()]);
            add_scaled(&mut gradient[span.clone()], penalty, &parameters[span]);
        }
        let intercepts = self.rows.form.intercepts();
        let first = parameters.len() - intercepts.len();
        for (position, output) in intercepts.enumerate() {
            gradient[first + position] = residuals.iter().map(|residual| residual[output]).sum();
        }
        gradient
    }

    /// The sum of penalty times the products of two vectors' weights.
    fn penalty_product(&self, a: &[f64], b: &[f64]) -> f64 {
        self.active().map(|(_, span, penalty)| penalty * dot(&a[span.clone()], &b[span])).sum()
    }

    fn value(&self, parameters: &[f64], margins: &[Margin]) -> f64 {
        self.rows.loss(margins) + 0.5 * self.penalty_product(parameters, parameters)
    }

    /// Preconditioned L-BFGS (Nocedal 1980) on a convex function.
    ///
    /// The margins are kept beside the parameters and are linear in them, so that points on a line
    /// cost no pass over the features: the step is found by Newton's method inside a bracket.
    pub(super) fn minimise(&self, start: Vec<f64>, by: &Preconditioner, limits: Limits) -> Solution {
        let mut parameters = start;
        let mut margins = self.margins(&parameters);
        let mut residuals = vec![[0.0; 3]; margins.len()];
        let nowhere = vec![[0.0; 3]; margins.len()];
        self.rows.along(0.0, (&margins, &nowhere), &mut residuals);
        let mut gradient = self.gradient(&parameters, &residuals);
        let mut memory = Memory::default();
        let mut status = FitStatus::OutOfIterations;
        let mut iterations = 0;
        loop {
            if largest(&gradient) <= limits.tolerance {
                status = FitStatus::Converged;
                break;
            }
            if iterations == limits.iterations {
                break;
            }
            let (direction, slope) = memory.direction(&gradient, by);
            // Half the slope is the gain of a Newton step (the squared decrement).
            if -0.5 * slope < limits.gain {
                status = FitStatus::Converged;
                break;
            }
            let change = self.margins(&direction);
            let line = Line { objective: self, margins: &margins, change: &change, slope };
            let step = line.search(&parameters, &direction, &mut residuals);
            if step <= 0.0 {
                if memory.forget() {
                    continue;
                }
                status = FitStatus::Stalled;
                break;
            }
            iterations += 1;
            add_scaled(&mut parameters, step, &direction);
            for (margin, change) in margins.iter_mut().zip(&change) {
                for (value, change) in margin.iter_mut().zip(change) {
                    *value += step * change;
                }
            }
            let before = std::mem::take(&mut gradient);
            gradient = self.gradient(&parameters, &residuals);
            memory.remember(direction, step, before, &gradient);
        }
        let objective = self.value(&parameters, &margins);
        let report = FitReport { status, iterations, objective, gradient: largest(&gradient) };
        Solution { parameters, margins, report }
    }
}

/// A line through the current point.
struct Line<'a> {
    objective: &'a Objective<'a>,
    margins: &'a [Margin],
    change: &'a [Margin],
    /// At the current point; negative.
    slope: f64,
}

impl Line<'_> {
    /// A step to where the slope is nearly zero, or 0 when no step goes down; the residuals are left as
    /// they are at the step returned.
    ///
    /// The slope of a convex function rises along the line: wherever it is negative, the objective is
    /// below its start.
    fn search(&self, parameters: &[f64], direction: &[f64], residuals: &mut [Margin]) -> f64 {
        if self.slope > -SLOPE_OF_NOTHING || self.slope.is_nan() {
            return 0.0;
        }
        let slope_of_penalty = self.objective.penalty_product(parameters, direction);
        let curvature_of_penalty = self.objective.penalty_product(direction, direction);
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut step = 1.0;
        let mut residuals_are_at = f64::NAN;
        for _ in 0..POINTS_ON_A_LINE {
            let loss = self.objective.rows.along(step, (self.margins, self.change), residuals);
            residuals_are_at = step;
            let slope = loss.slope + slope_of_penalty + step * curvature_of_penalty;
            if slope.abs() <= FLATTER * self.slope.abs() {
                return step;
            }
            if slope < 0.0 {
                low = step;
            } else {
                high = step;
            }
            let newton = step - slope / (loss.curvature + curvature_of_penalty);
            step = if newton > low && newton < high {
                // Never more than tenfold: far away the curvature may be all but zero.
                if high.is_finite() { newton } else { newton.min(10.0 * step) }
            } else if high.is_finite() {
                f64::midpoint(low, high)
            } else {
                4.0 * step
            };
        }
        if residuals_are_at.to_bits() != f64::to_bits(low) {
            self.objective.rows.along(low, (self.margins, self.change), residuals);
        }
        low
    }
}

/// What the last steps showed of the curvature.
#[derive(Default)]
struct Memory {
    pairs: Vec<Pair>,
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse: f64,
}

impl Memory {
    /// A direction downhill and the slope along it.
    fn direction(&mut self, gradient: &[f64], by: &Preconditioner) -> (Vec<f64>, f64) {
        let direction = self.two_loops(gradient, by);
        let slope = dot(&direction, gradient);
        if slope < 0.0 || !self.forget() {
            return (direction, slope);
        }
        let direction = self.two_loops(gradient, by);
        let slope = dot(&direction, gradient);
        (direction, slope)
    }

    fn two_loops(&self, gradient: &[f64], by: &Preconditioner) -> Vec<f64> {
        let mut work = gradient.to_vec();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let share = pair.inverse * dot(&pair.step, &work);
            add_scaled(&mut work, -share, &pair.change);
            shares.push(share);
        }
        let mut result = by.apply(&work);
        for (pair, share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let correction = share - pair.inverse * dot(&pair.change, &result);
            add_scaled(&mut result, correction, &pair.step);
        }
        for value in &mut result {
            *value = -*value;
        }
        result
    }

    fn remember(&mut self, mut direction: Vec<f64>, step: f64, before: Vec<f64>, gradient: &[f64]) {
        for value in &mut direction {
            *value *= step;
        }
        let mut change = before;
        for (change, now) in change.iter_mut().zip(gradient) {
            *change = now - *change;
        }
        let product = dot(&direction, &change);
        if product > 1e-14 * (dot(&direction, &direction) * dot(&change, &change)).sqrt() {
            if self.pairs.len() == MEMORY {
                self.pairs.remove(0);
            }
            self.pairs.push(Pair { step: direction, change, inverse: 1.0 / product });
        }
    }

    /// Whether there was anything to forget.
    fn forget(&mut self) -> bool {
        !std::mem::take(&mut self.pairs).is_empty()
    }
}
