use serde::{Deserialize, Serialize};

use super::language_model::{Forecasted, Outcome};
use super::{
    Conditions, PlannedRows, PredictError, PredictRun, PredictedRow, Predictor, RowDetail, SavedModel,
    SavedPredictor, predict_in_detail,
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
    sharing: Sharing,
}

/// Which members ask the same language models.
struct Sharing {
    /// Per member the first one whose whole recipe is the same; a light member is always its own.
    same_as: Vec<usize>,
    /// Per member how many models it is the first to ask.
    new_models: Vec<usize>,
}

impl Sharing {
    fn of(members: &[Box<dyn Predictor>]) -> Self {
        let saved: Vec<Option<SavedPredictor>> =
            members.iter().map(|member| member.wants_whole_file().then(|| member.saved())).collect();
        let texts: Vec<Option<String>> = saved
            .iter()
            .map(|saved| saved.as_ref().and_then(|saved| serde_json::to_string(saved).ok()))
            .collect();
        let same_as = texts.iter().enumerate().map(|(member, text)| {
            let earlier = texts[..member].iter().position(|other| text.is_some() && other == text);
            earlier.unwrap_or(member)
        });
        let of_members: Vec<Vec<&SavedModel>> = saved
            .iter()
            .map(|saved| saved.as_ref().map(SavedPredictor::models).unwrap_or_default())
            .collect();
        Self { same_as: same_as.collect(), new_models: new_models(&of_members) }
    }
}

/// Per member how many of its models no member before it asks.
pub(crate) fn new_models(of_members: &[Vec<&SavedModel>]) -> Vec<usize> {
    let mut seen: Vec<&SavedModel> = Vec::new();
    let mut counts = Vec::with_capacity(of_members.len());
    for models in of_members {
        let before = seen.len();
        for model in models {
            if !seen.iter().any(|known| known.asks_the_same(model)) {
                seen.push(model);
            }
        }
        counts.push(seen.len() - before);
    }
    counts
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
        let sharing = Sharing::of(&members);
        Ok(Self { pooling, weights, members, sharing })
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

impl Blend {
    /// What every member says; members that are the same are asked once, and the distinct models share the time.
    fn of_members(
        &self,
        battles: &[Battle],
        run: &dyn PredictRun,
    ) -> Result<Vec<Vec<PredictedRow>>, PredictError> {
        let stop = || run.stop();
        let mut left: usize = self.sharing.new_models.iter().sum();
        let mut found: Vec<Vec<PredictedRow>> = Vec::with_capacity(self.members.len());
        for (position, member) in self.members.iter().enumerate() {
            let first = self.sharing.same_as[position];
            if first < position {
                found.push(found[first].clone());
                continue;
            }
            let own = self.sharing.new_models[position];
            let deadline = run.deadline().map(|deadline| deadline.share(own, left));
            left -= own;
            let conditions = Conditions { deadline, stop: &stop, progress: run.progress() };
            found.push(predict_in_detail(member.as_ref(), battles, &conditions)?);
        }
        Ok(found)
    }

    /// The members with raw numbers, each distinct one once, and their columns.
    fn with_raw_numbers(&self) -> Vec<(usize, Vec<String>)> {
        let distinct = (0..self.members.len()).filter(|member| self.sharing.same_as[*member] == *member);
        distinct
            .map(|member| (member, self.members[member].raw_columns()))
            .filter(|(_, columns)| !columns.is_empty())
            .collect()
    }
}

impl Predictor for Blend {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        let members = self.of_members(battles, run)?;
        let with_raw = self.with_raw_numbers();
        for (row, battle) in battles.iter().enumerate() {
            let raw: Vec<f32> = with_raw
                .iter()
                .flat_map(|(member, columns)| {
                    let mut numbers = members[*member][row].raw.clone();
                    numbers.resize(columns.len(), f32::NAN);
                    numbers
                })
                .collect();
            let outcome = members.iter().map(|member| member[row].outcome).max().unwrap_or(Outcome::Complete);
            if !raw.is_empty() || outcome != Outcome::Complete {
                run.detail(row, RowDetail { raw, outcome });
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
        let several = self.with_raw_numbers();
        match &several[..] {
            [(_, columns)] => columns.clone(),
            _ => several
                .iter()
                .flat_map(|(member, columns)| columns.iter().map(move |name| format!("fit-{member}.{name}")))
                .collect(),
        }
    }

    fn wants_whole_file(&self) -> bool {
        self.members.iter().any(|member| member.wants_whole_file())
    }

    fn reads_one_order(&self) -> bool {
        self.members.iter().any(|member| member.reads_one_order())
    }

    fn forecast(&self, plan: &PlannedRows<'_>) -> Result<Vec<Forecasted>, PredictError> {
        let mut found = Vec::new();
        for (member, new) in self.members.iter().zip(&self.sharing.new_models) {
            // A model that a member before it asks computes nothing for it.
            if *new > 0 {
                found.extend(member.forecast(plan)?);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::encoding::{EncodingBudget, Orders, Truncation};

    #[test]
    fn a_model_counts_once_wherever_its_folders_lie_and_whoever_asks_it() {
        let budget = |max_tokens| EncodingBudget {
            max_tokens,
            truncation: Truncation::default(),
            orders: Orders::Both,
        };
        let model = |folder: &str, fingerprint: &str, max_tokens| SavedModel {
            folder: PathBuf::from(folder),
            fingerprint: fingerprint.to_owned(),
            encoder: "encoder".to_owned(),
            budget: budget(max_tokens),
        };
        let (one, copy) = (model("models/one", "x", 24), model("models/copy", "x", 24));
        let (longer, other) = (model("models/one", "x", 32), model("models/other", "y", 24));
        let of_members = [vec![&one], vec![], vec![&copy], vec![&longer, &other], vec![&other, &one]];
        assert_eq!(new_models(&of_members), [1, 0, 0, 2, 0]);
    }
}
