use serde::{Deserialize, Serialize};

use super::language_model::{Forecasted, Outcome};
use super::{
    Conditions, PlannedRows, PredictError, PredictRun, Predictor, RowDetail, SavedPredictor,
    predict_in_detail,
};
use crate::battle::{Battle, NotProbabilities, Probabilities};

/// How the predictions of several members become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The weighted mean of the probabilities.
    #[default]
    Arithmetic,
    /// The renormalised weighted mean of the logarithms.
    Geometric,
}

impl Pooling {
    /// The pooled prediction of one row; a member of weight 0 is not looked at.
    ///
    /// # Errors
    /// `NotProbabilities` when a geometric mean has no mass left in any class.
    pub fn pool(self, members: &[Probabilities], weights: &[f64]) -> Result<Probabilities, NotProbabilities> {
        let mut pooled = [0.0_f64; 3];
        for (member, weight) in members.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            let values = match self {
                Self::Arithmetic => member.to_array(),
                Self::Geometric => member.ln(),
            };
            for (sum, value) in pooled.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        Probabilities::from_logits(match self {
            Self::Arithmetic => pooled.map(f64::ln),
            Self::Geometric => pooled,
        })
    }
}

/// A weighted mean of several predictors.
pub struct Blend {
    pooling: Pooling,
    weights: Vec<f64>,
    members: Vec<Box<dyn Predictor>>,
}

impl Blend {
    /// Members with one weight each.
    ///
    /// # Errors
    /// `PredictError::Unusable` when the numbers of weights and members differ, a weight is negative
    /// or not a number, or the weights do not sum to 1.
    pub fn new(
        pooling: Pooling,
        weights: Vec<f64>,
        members: Vec<Box<dyn Predictor>>,
    ) -> Result<Self, PredictError> {
        let sum: f64 = weights.iter().sum();
        let valid = weights.iter().all(|weight| *weight >= 0.0) && (sum - 1.0).abs() < 1e-9;
        if !valid || weights.len() != members.len() {
            return Err(PredictError::Unusable(format!(
                "a blend of {} members needs as many non-negative weights with sum 1, got {weights:?}",
                members.len()
            )));
        }
        Ok(Self { pooling, weights, members })
    }

    /// The plain mean of several predictors, such as those of the folds or of several seeds.
    ///
    /// # Errors
    /// `PredictError::Unusable` when there is no member.
    pub fn mean(members: Vec<Box<dyn Predictor>>) -> Result<Self, PredictError> {
        let count = members.len();
        let weights = vec![1.0 / count as f64; count];
        Self::new(Pooling::Arithmetic, weights, members)
    }
}

impl Predictor for Blend {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        let members = {
            let run: &dyn PredictRun = run;
            let stop = || run.stop();
            let conditions = Conditions { deadline: run.deadline(), stop: &stop, progress: run.progress() };
            let of_members = self.members.iter();
            of_members
                .map(|member| predict_in_detail(member.as_ref(), battles, &conditions))
                .collect::<Result<Vec<_>, _>>()?
        };
        for (row, battle) in battles.iter().enumerate() {
            // Members with raw numbers are fits of one model: those of the first are those of all.
            let raw = members.iter().map(|member| &member[row].raw).find(|raw| !raw.is_empty());
            let outcome = members.iter().map(|member| member[row].outcome).max().unwrap_or(Outcome::Complete);
            if raw.is_some() || outcome != Outcome::Complete {
                run.detail(row, RowDetail { raw: raw.cloned().unwrap_or_default(), outcome });
            }
            let of_row: Option<Vec<Probabilities>> =
                members.iter().map(|member| member[row].probabilities).collect();
            let Some(of_row) = of_row else { continue };
            let pooled = self
                .pooling
                .pool(&of_row, &self.weights)
                .map_err(|source| PredictError::NotProbabilities { id: battle.id.to_string(), source })?;
            run.emit(row, pooled);
        }
        Ok(())
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::Blend {
            pooling: self.pooling,
            weights: self.weights.clone(),
            members: self.members.iter().map(|member| member.saved()).collect(),
        }
    }

    fn raw_columns(&self) -> Vec<String> {
        self.members
            .iter()
            .map(|member| member.raw_columns())
            .find(|names| !names.is_empty())
            .unwrap_or_default()
    }

    fn wants_whole_file(&self) -> bool {
        self.members.iter().any(|member| member.wants_whole_file())
    }

    fn reads_one_order(&self) -> bool {
        self.members.iter().any(|member| member.reads_one_order())
    }

    fn forecast(&self, plan: &PlannedRows<'_>) -> Result<Option<Forecasted>, PredictError> {
        // Several fits of one model ask it the same sequences, which it computes once.
        self.members
            .iter()
            .map(|member| member.forecast(plan))
            .find(|found| !matches!(found, Ok(None)))
            .unwrap_or(Ok(None))
    }
}
