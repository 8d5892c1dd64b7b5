use serde::{Deserialize, Serialize};

/// What is shipped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Final {
    /// How the shipped predictor comes to be.
    pub fit: FinalFit,
}

/// How the shipped predictor comes to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FinalFit {
    /// Fitted anew on all rows.
    #[default]
    Refit,
    /// The mean of the predictors of the folds.
    FoldMean,
    /// The mean of the weights of the folds' fits, where all predictors are adapters on one checkpoint.
    AverageWeights,
    /// The predictor of one fold.
    Fold(u32),
}

impl From<FinalFit> for String {
    fn from(fit: FinalFit) -> Self {
        match fit {
            FinalFit::Refit => "refit".to_owned(),
            FinalFit::FoldMean => "fold_mean".to_owned(),
            FinalFit::AverageWeights => "average_weights".to_owned(),
            FinalFit::Fold(fold) => format!("fold:{fold}"),
        }
    }
}

impl TryFrom<String> for FinalFit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fold = text.strip_prefix("fold:").and_then(|number| number.parse().ok());
        match (text.as_str(), fold) {
            ("refit", _) => Ok(Self::Refit),
            ("fold_mean", _) => Ok(Self::FoldMean),
            (_, Some(fold)) => Ok(Self::Fold(fold)),
            ("average_weights", _) => Ok(Self::AverageWeights),
            _ => Err(format!(
                "final.fit `{text}` is not one of `refit`, `fold_mean`, `average_weights`, `fold:N`"
            )),
        }
    }
}
