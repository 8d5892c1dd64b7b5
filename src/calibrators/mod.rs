//! Calibrators and post-processing: fitted on held-out predictions and on nothing else.
//!
//! Every calibrator but the isotonic one is an affine map of two [`Coordinates`] of a prediction. The
//! swap-symmetric ones (temperature, symmetric scaling) commute bit for bit with exchanging A and B.

mod affine;
mod blend_weights;
mod cascade;
mod choice;
mod coordinates;
mod cross_fit;
mod isotonic;
mod newton;
mod position;
mod position_bias;
mod post_processing;
mod simplex;
mod structured_matrix;
mod summary;
mod symmetric;
mod temperature;
mod vector;

use serde::{Deserialize, Serialize};

pub use affine::AffineMap;
pub use blend_weights::{BlendCandidate, fit_weights};
pub use cascade::{
    Cascade, CascadePoint, CascadeRecipe, CascadeSummary, CrossFittedCascade, Routes, Uncertainty,
};
pub use choice::{GroupFolds, simplest_within_one_standard_error};
pub use coordinates::Coordinates;
pub use cross_fit::{CrossFitted, cross_fit_calibrator};
pub use isotonic::{Isotonic, Steps};
pub use position::Position;
pub use position_bias::position_bias;
pub use post_processing::{BlendKind, PostProcessing, PostProcessingRecipe};
pub use structured_matrix::StructuredMatrix;
pub use summary::{Candidate, PositionBias, PostProcessingSummary};
pub use symmetric::Symmetric;
pub use temperature::{MAX_TEMPERATURE, MIN_TEMPERATURE, Temperature, fit_temperature};
pub use vector::Vector;

use crate::battle::{HeldOut, Probabilities, Task};
use crate::metrics::Columns;

/// A calibrator or a blend could not be fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// There is nothing to fit on.
    #[error("no held-out row to fit a calibrator on")]
    NoRows,
    /// The rows do not have one prediction of every member.
    #[error("battle `{id}` has predictions of {found} members instead of {expected}")]
    MemberCount {
        /// The row.
        id: String,
        /// How many predictions it has.
        found: usize,
        /// How many the first row has.
        expected: usize,
    },
    /// No member at all.
    #[error("a blend needs the predictions of at least one member")]
    NoMembers,
    /// The calibrator is for looking at, not for shipping.
    #[error(
        "calibrator `isotonic` is a diagnostic and cannot be part of a run: it can lose whole nats on new \
         battles; use `auto`, `temperature`, `symmetric`, `position`, `vector` or `structured_matrix`"
    )]
    DiagnosticOnly,
}

/// A fitted calibrator: a map of probabilities to probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibrator {
    /// Leaves every prediction as it is.
    Identity {},
    /// One temperature for all logits.
    Temperature(Temperature),
    /// Swap-symmetric scaling, three parameters.
    Symmetric(Symmetric),
    /// One offset of A against B.
    Position(Position),
    /// One factor and one offset a class.
    Vector(Vector),
    /// Matrix scaling, penalised towards the identity.
    StructuredMatrix(StructuredMatrix),
    /// A monotone step function a class; a diagnostic, never shipped.
    Isotonic(Isotonic),
}

/// Which calibrator to fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibratorKind {
    /// The simplest one whose cross-fitted loss is within one standard error of the best; asymmetric
    /// ones only where the position-bias test rejects as well.
    #[default]
    Auto,
    /// None.
    Identity,
    /// One parameter.
    Temperature,
    /// Three parameters, swap-symmetric.
    Symmetric,
    /// One parameter, asymmetric.
    Position,
    /// Six parameters, asymmetric.
    Vector,
    /// Twelve penalised parameters, asymmetric.
    StructuredMatrix,
    /// A diagnostic, never shipped.
    Isotonic,
}

impl CalibratorKind {
    /// The kinds that `auto` chooses from, fewest parameters first.
    pub const SHIPPED: [Self; 6] = [
        Self::Identity,
        Self::Temperature,
        Self::Symmetric,
        Self::Position,
        Self::Vector,
        Self::StructuredMatrix,
    ];

    /// The name, as configurations spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Identity => "identity",
            Self::Temperature => "temperature",
            Self::Symmetric => "symmetric",
            Self::Position => "position",
            Self::Vector => "vector",
            Self::StructuredMatrix => "structured_matrix",
            Self::Isotonic => "isotonic",
        }
    }

    /// Whether the calibrator commutes with exchanging A and B.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Identity | Self::Temperature | Self::Symmetric)
    }

    /// Fits on held-out predictions. In the two-way task only A against B is calibrated, and a tie in
    /// a target counts half for each.
    ///
    /// # Errors
    /// `NoRows` when there is no row.
    pub fn fit(self, held_out: &HeldOut, task: Task) -> Result<Calibrator, CalibrationError> {
        self.fit_columns(&Columns::new(held_out), task)
    }

    /// As `fit`, on columns in canonical order.
    pub(crate) fn fit_columns(
        self,
        columns: &Columns<Probabilities>,
        task: Task,
    ) -> Result<Calibrator, CalibrationError> {
        if columns.is_empty() {
            return Err(CalibrationError::NoRows);
        }
        let rows = affine::Rows::new(columns, task);
        Ok(match self {
            Self::Auto => choice::choose_calibrator(columns, task, 0)?.fit_columns(columns, task)?,
            Self::Identity => Calibrator::Identity {},
            Self::Temperature => {
                let targets: Vec<_> = columns.targets.iter().map(|t| affine::target_of(*t, task)).collect();
                Calibrator::Temperature(fit_temperature(&columns.predictions, &targets, task))
            }
            Self::Symmetric => Calibrator::Symmetric(Symmetric::fit(&rows)),
            Self::Position => Calibrator::Position(Position::fit(&rows)),
            Self::Vector => Calibrator::Vector(Vector::fit(&rows)),
            Self::StructuredMatrix => Calibrator::StructuredMatrix(StructuredMatrix::fit(&rows)),
            Self::Isotonic => Calibrator::Isotonic(Isotonic::fit(columns)),
        })
    }
}

impl Calibrator {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> CalibratorKind {
        match self {
            Self::Identity {} => CalibratorKind::Identity,
            Self::Temperature(_) => CalibratorKind::Temperature,
            Self::Symmetric(_) => CalibratorKind::Symmetric,
            Self::Position(_) => CalibratorKind::Position,
            Self::Vector(_) => CalibratorKind::Vector,
            Self::StructuredMatrix(_) => CalibratorKind::StructuredMatrix,
            Self::Isotonic(_) => CalibratorKind::Isotonic,
        }
    }

    /// The calibrated prediction. In the two-way task a tie has no mass before and none afterwards.
    #[must_use]
    pub fn apply(&self, prediction: Probabilities, task: Task) -> Probabilities {
        let map = match self {
            Self::Identity {} => {
                return match task {
                    Task::ThreeWay => prediction,
                    Task::TwoWay => prediction.without_tie(),
                };
            }
            Self::Isotonic(isotonic) => return isotonic.apply(prediction),
            Self::Temperature(temperature) => temperature.map(),
            Self::Symmetric(symmetric) => symmetric.map(),
            Self::Position(position) => position.map(),
            Self::Vector(vector) => vector.map(),
            Self::StructuredMatrix(matrix) => matrix.map(),
        };
        map.apply(Coordinates::of(prediction)).probabilities(task)
    }
}
