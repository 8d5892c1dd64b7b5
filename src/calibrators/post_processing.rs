use serde::{Deserialize, Serialize};

use super::choice::{GroupFolds, choose_calibrator};
use super::{
    BlendCandidate, CalibrationError, Calibrator, CalibratorKind, MAX_TEMPERATURE, MIN_TEMPERATURE,
    Temperature, fit_weights,
};
use crate::battle::{HeldOut, Probabilities, Task};
use crate::metrics::{Columns, LN_EPSILON};
use crate::predictors::Pooling;

/// The version of a stored post-processing.
const FORMAT_VERSION: u32 = 1;

/// How members are pooled and weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlendKind {
    /// What is best on most sets: `Geometric`.
    #[default]
    Auto,
    /// The plain mean of the probabilities.
    Equal,
    /// The weighted mean of the probabilities.
    Arithmetic,
    /// The normalised weighted mean of their logarithms.
    Geometric,
}

/// How many groups the pull towards equal weights is worth: the fewer groups there are, the closer to equal they stay.
/// Nothing is chosen on top of it, because a choice between few blends costs more than it gains.
const PULL: f64 = 1.0;

impl BlendKind {
    fn candidate(self, members: usize) -> BlendCandidate {
        match self {
            _ if members < 2 => BlendCandidate { pooling: Pooling::Arithmetic, pull: None },
            Self::Equal => BlendCandidate { pooling: Pooling::Arithmetic, pull: None },
            Self::Arithmetic => BlendCandidate { pooling: Pooling::Arithmetic, pull: Some(PULL) },
            Self::Auto | Self::Geometric => BlendCandidate { pooling: Pooling::Geometric, pull: Some(PULL) },
        }
    }
}

/// What post-processing to fit: blend, then calibrator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostProcessingRecipe {
    /// How members are blended.
    pub blend: BlendKind,
    /// How the blend is calibrated.
    pub calibrator: CalibratorKind,
    /// Decides the folds where rows have none.
    pub seed: u64,
}

/// Fitted post-processing: what happens to the members' predictions before they are shipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct PostProcessing {
    task: Task,
    pooling: Pooling,
    weights: Vec<f64>,
    calibrator: Calibrator,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format_version: u32,
    task: Task,
    pooling: Pooling,
    weights: Vec<f64>,
    calibrator: Calibrator,
}

impl From<PostProcessing> for Stored {
    fn from(PostProcessing { task, pooling, weights, calibrator }: PostProcessing) -> Self {
        Self { format_version: FORMAT_VERSION, task, pooling, weights, calibrator }
    }
}

impl TryFrom<Stored> for PostProcessing {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { format_version, task, pooling, weights, calibrator } = stored;
        if format_version != FORMAT_VERSION {
            return Err(format!(
                "post-processing has format_version `{format_version}`, this program reads `{FORMAT_VERSION}`; \
                 fit it again"
            ));
        }
        let sum: f64 = weights.iter().sum();
        // A weight that is not a number makes the sum one too.
        if weights.iter().any(|weight| *weight < 0.0) || sum.is_nan() || (sum - 1.0).abs() > 1e-9 {
            return Err(format!("weights `{weights:?}` are not non-negative numbers with sum 1"));
        }
        if let Calibrator::Temperature(Temperature { temperature, .. }) = &calibrator
            && !(MIN_TEMPERATURE..=MAX_TEMPERATURE).contains(temperature)
        {
            return Err(format!(
                "temperature `{temperature}` is not a number in {MIN_TEMPERATURE}..{MAX_TEMPERATURE}; fit it again"
            ));
        }
        Ok(Self { task, pooling, weights, calibrator })
    }
}

impl PostProcessing {
    /// Equal weights and no calibrator: what one does without any held-out prediction.
    #[must_use]
    pub fn nothing(members: usize, task: Task) -> Self {
        let weights = vec![1.0 / members.max(1) as f64; members.max(1)];
        Self { task, pooling: Pooling::Arithmetic, weights, calibrator: Calibrator::Identity {} }
    }

    /// The task it was fitted for.
    #[must_use]
    pub fn task(&self) -> Task {
        self.task
    }

    /// How members are pooled.
    #[must_use]
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// One weight a member, non-negative, with sum 1.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The calibrator behind the blend.
    #[must_use]
    pub fn calibrator(&self) -> &Calibrator {
        &self.calibrator
    }

    /// The prediction to ship. `members` holds one prediction of each member, in the order of the fit.
    #[must_use]
    pub fn apply(&self, members: &[Probabilities]) -> Probabilities {
        self.calibrator.apply(self.blend(members), self.task)
    }

    /// The blend before calibration.
    #[must_use]
    pub fn blend(&self, members: &[Probabilities]) -> Probabilities {
        let of_task = |p: &Probabilities| match self.task {
            Task::ThreeWay => *p,
            Task::TwoWay => p.without_tie(),
        };
        if let [single] = members {
            return of_task(single);
        }
        let prepared: Vec<Probabilities> = members
            .iter()
            .map(|p| match self.pooling {
                Pooling::Arithmetic => of_task(p),
                // Members that each exclude another class would leave a geometric mean without mass.
                Pooling::Geometric => {
                    Probabilities::from_logits(of_task(p).ln().map(|ln| ln.max(LN_EPSILON)))
                        .unwrap_or(Probabilities::UNIFORM)
                }
            })
            .collect();
        let pooled = self.pooling.pool(&prepared, &self.weights).unwrap_or(Probabilities::UNIFORM);
        of_task(&pooled)
    }
}

impl PostProcessingRecipe {
    /// Fits blend weights, then chooses and fits the calibrator, all on the rows given.
    ///
    /// # Errors
    /// When there is no row or no member, the rows differ in their number of members, or the
    /// calibrator is a diagnostic that is never shipped.
    pub fn fit(
        &self,
        held_out: &HeldOut<Vec<Probabilities>>,
        task: Task,
    ) -> Result<PostProcessing, CalibrationError> {
        let columns = Columns::new(held_out);
        self.check(&columns)?;
        self.fit_columns(&columns, task)
    }

    /// Whether the rows and the recipe can be fitted at all.
    pub(super) fn check(&self, columns: &Columns<Vec<Probabilities>>) -> Result<(), CalibrationError> {
        if self.calibrator == CalibratorKind::Isotonic {
            return Err(CalibrationError::DiagnosticOnly);
        }
        let expected = columns.predictions.first().ok_or(CalibrationError::NoRows)?.len();
        if expected == 0 {
            return Err(CalibrationError::NoMembers);
        }
        let odd = columns.predictions.iter().position(|members| members.len() != expected);
        odd.map_or(Ok(()), |row| {
            let (id, found) = (columns.ids[row].to_string(), columns.predictions[row].len());
            Err(CalibrationError::MemberCount { id, found, expected })
        })
    }

    pub(super) fn fit_columns(
        &self,
        columns: &Columns<Vec<Probabilities>>,
        task: Task,
    ) -> Result<PostProcessing, CalibrationError> {
        let size = columns.predictions.first().map_or(0, Vec::len);
        let Some(folds) = GroupFolds::new(columns, self.seed) else {
            return Ok(PostProcessing::nothing(size, task));
        };
        let (candidate, blended) = self.cross_fitted_blend(columns, task, &folds);
        let kind = match self.calibrator {
            CalibratorKind::Auto => choose_calibrator(&columns.with(blended), task, self.seed)?,
            kind => kind,
        };
        let mut fitted = PostProcessing::nothing(size, task);
        fitted.pooling = candidate.pooling;
        fitted.weights = fit_weights(columns, candidate, task);
        let shipped = columns.predictions.iter().map(|members| fitted.blend(members)).collect();
        fitted.calibrator = kind.fit_columns(&columns.with(shipped), task)?;
        Ok(fitted)
    }

    /// What is blended how, with the blended prediction of every row by weights fitted on the other folds.
    pub(super) fn cross_fitted_blend(
        &self,
        columns: &Columns<Vec<Probabilities>>,
        task: Task,
        folds: &GroupFolds,
    ) -> (BlendCandidate, Vec<Probabilities>) {
        let size = columns.predictions.first().map_or(0, Vec::len);
        let candidate = self.blend.candidate(size);
        let result: Result<_, std::convert::Infallible> = folds.cross_fit(|train, rows| {
            let mut fitted = PostProcessing::nothing(size, task);
            fitted.pooling = candidate.pooling;
            fitted.weights = fit_weights(&columns.subset(train), candidate, task);
            Ok(rows.iter().map(|row| fitted.blend(&columns.predictions[*row])).collect())
        });
        match result {
            Ok(predictions) => (candidate, predictions),
        }
    }
}
