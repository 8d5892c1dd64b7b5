//! Softmax regression with soft targets and weighted rows: our own solver behind linfa's traits.
//!
//! Minimised is `sum_i w_i CE(y_i, softmax(z_i)) / sum_i w_i + sum_b lambda_b / 2 |W_b|^2` over blocks
//! `b` of features, each with its own penalty; intercepts are not penalised.

mod cholesky;
mod gram;
mod minimise;
mod precondition;
mod problem;
mod rows;
mod transpose;
mod vectors;

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, FitWith};
use ndarray::Array2;

pub(crate) use minimise::Limits;
pub(crate) use problem::Problem;
pub(crate) use rows::cross_entropy;

pub(crate) use transpose::Transposed;

use crate::predictors::linear::{FittedSoftmax, SoftmaxRecords};

/// A softmax regression could not be fitted.
#[derive(Debug, thiserror::Error)]
pub enum SoftmaxError {
    /// A penalty is negative or not a number.
    #[error("penalty `{penalty}` of block {block} must be at least 0; `inf` leaves the block out")]
    Penalty {
        /// Which block, from 0.
        block: usize,
        /// What was given.
        penalty: f64,
    },
    /// There are neither as many penalties as blocks nor a single one for all.
    #[error("{penalties} penalties for {blocks} blocks of features: give one for all or one a block")]
    PenaltyCount {
        /// How many penalties were given.
        penalties: usize,
        /// How many blocks the records have.
        blocks: usize,
    },
    /// The tolerance must be positive.
    #[error("tolerance `{0}` must be positive and finite")]
    Tolerance(f64),
    /// Records, targets and weights disagree about the number of rows, or targets have not 3 columns.
    #[error(
        "records have {records} rows, targets {targets} x {classes}, weights {weights}; needed are equal rows and 3 classes"
    )]
    Shapes {
        /// Rows of the records.
        records: usize,
        /// Rows of the targets.
        targets: usize,
        /// Columns of the targets.
        classes: usize,
        /// Weights.
        weights: usize,
    },
    /// A row's target is no distribution, or its weight is negative or not finite.
    #[error(
        "row {row}: target `{target:?}` must be three shares with sum 1 and weight `{weight}` finite and at least 0"
    )]
    Row {
        /// Which row, from 0.
        row: usize,
        /// Its target.
        target: [f64; 3],
        /// Its weight.
        weight: f64,
    },
    /// No row has a positive weight.
    #[error("no row of positive weight to learn from")]
    NoRows,
    /// A feature is not finite, or so large that its square is not.
    #[error("block {block} of the features holds a value that is not finite or too large to be squared")]
    NotFinite {
        /// Which block, from 0.
        block: usize,
    },
    /// A fault that linfa found.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

/// The recipe of a softmax regression, not yet checked.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftmaxParams(SoftmaxValidParams);

/// The checked recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftmaxValidParams {
    penalties: Vec<f64>,
    tolerance: f64,
    iterations: usize,
}

impl Default for SoftmaxParams {
    fn default() -> Self {
        Self::new()
    }
}

impl SoftmaxParams {
    /// Penalty 1, tolerance 1e-6, at most 500 iterations.
    #[must_use]
    pub fn new() -> Self {
        Self(SoftmaxValidParams { penalties: vec![1.0], tolerance: 1e-6, iterations: 500 })
    }

    /// The same penalty `lambda` for every block. scikit-learn's `C` is `1 / (lambda * sum of weights)`.
    #[must_use]
    pub fn penalty(self, lambda: f64) -> Self {
        self.penalties(vec![lambda])
    }

    /// One penalty a block; an infinite one leaves the block out.
    #[must_use]
    pub fn penalties(mut self, lambdas: Vec<f64>) -> Self {
        self.0.penalties = lambdas;
        self
    }

    /// The largest absolute component of the gradient at which the fit ends.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// The most steps; when they are used up, the report of the fit says so.
    #[must_use]
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.0.iterations = iterations;
        self
    }
}

impl ParamGuard for SoftmaxParams {
    type Checked = SoftmaxValidParams;
    type Error = SoftmaxError;

    fn check_ref(&self) -> Result<&SoftmaxValidParams, SoftmaxError> {
        for (block, penalty) in self.0.penalties.iter().copied().enumerate() {
            if penalty.is_nan() || penalty < 0.0 {
                return Err(SoftmaxError::Penalty { block, penalty });
            }
        }
        if !(self.0.tolerance > 0.0 && self.0.tolerance.is_finite()) {
            return Err(SoftmaxError::Tolerance(self.0.tolerance));
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<SoftmaxValidParams, SoftmaxError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl SoftmaxValidParams {
    /// One penalty a block.
    fn for_blocks(&self, blocks: usize) -> Result<Vec<f64>, SoftmaxError> {
        match self.penalties.as_slice() {
            [one] => Ok(vec![*one; blocks]),
            each if each.len() == blocks => Ok(each.to_vec()),
            other => Err(SoftmaxError::PenaltyCount { penalties: other.len(), blocks }),
        }
    }

    fn fit_from(
        &self,
        start: Option<&FittedSoftmax>,
        dataset: &DatasetBase<SoftmaxRecords<'_>, Array2<f64>>,
    ) -> Result<FittedSoftmax, SoftmaxError> {
        let penalties = self.for_blocks(dataset.records().blocks().len())?;
        let transposed = Transposed::new(dataset.records());
        let weights = match dataset.weights() {
            Some(weights) => weights.iter().map(|weight| f64::from(*weight)).collect(),
            None => vec![1.0; dataset.targets().nrows()],
        };
        let limits = Limits { tolerance: self.tolerance, gain: 0.0, iterations: self.iterations };
        let problem = Problem::new(&transposed, dataset.targets(), weights)?;
        Ok(problem.solve(&penalties, start, limits).model)
    }
}

/// Targets are one row of shares of A, B and tie a record.
impl Fit<SoftmaxRecords<'_>, Array2<f64>, SoftmaxError> for SoftmaxValidParams {
    type Object = FittedSoftmax;

    fn fit(
        &self,
        dataset: &DatasetBase<SoftmaxRecords<'_>, Array2<f64>>,
    ) -> Result<FittedSoftmax, SoftmaxError> {
        self.fit_from(None, dataset)
    }
}

/// The model given is where the fit starts; the result is the same up to the tolerance.
impl<'a> FitWith<'a, SoftmaxRecords<'a>, Array2<f64>, SoftmaxError> for SoftmaxValidParams {
    type ObjectIn = Option<FittedSoftmax>;
    type ObjectOut = FittedSoftmax;

    fn fit_with(
        &self,
        model: Option<FittedSoftmax>,
        dataset: &'a DatasetBase<SoftmaxRecords<'a>, Array2<f64>>,
    ) -> Result<FittedSoftmax, SoftmaxError> {
        self.fit_from(model.as_ref(), dataset)
    }
}
