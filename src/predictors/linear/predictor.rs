use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Block, FitReport, Form, Margin, Matrix, Outputs, Scaler};
use crate::battle::Battle;
use crate::features::{FeatureSet, Lexical};
use crate::predictors::{PredictError, PredictRun, Predictor, SavedPredictor};

/// Battles whose features are in memory at once.
const BATCH: usize = 4_096;

/// A swap-equivariant softmax regression over dense and lexical features: exchanging the two sides of
/// a battle exchanges its probabilities, bit for bit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// The dense features.
    pub features: FeatureSet,
    /// Their schema when the weights were learned.
    pub schema_hash: String,
    /// How the dense features are scaled, with one weight a column each below.
    pub scaler: Scaler,
    /// Weights of the scaled odd columns, on the contrast of A against B.
    pub odd: Vec<f64>,
    /// Weights of the scaled even columns, on the logit of a tie.
    pub even: Vec<f64>,
    /// The vocabulary with its weights, where lexical features earn their place.
    pub lexical: Option<LexicalWeights>,
    /// The logit of a tie when all features are zero.
    pub tie: f64,
    /// The strength of regularisation that was chosen.
    pub penalties: Penalties,
    /// How the fit went.
    pub fit: FitReport,
}

/// The lexical part of the model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LexicalWeights {
    /// The vocabulary.
    pub vocabulary: Lexical,
    /// One weight a term on its difference; empty when differences are not used.
    pub odd: Vec<f64>,
    /// One weight a term on the size of its difference; empty when sizes are not used.
    pub even: Vec<f64>,
}

/// One penalty a block of features; `None` is infinite: the block is not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Penalties {
    /// Of the dense features that speak for A against B.
    pub odd: Option<f64>,
    /// Of the dense features that speak for or against a tie.
    pub even: Option<f64>,
    /// Of the differences of terms.
    pub lexical_odd: Option<f64>,
    /// Of the sizes of the differences of terms.
    pub lexical_even: Option<f64>,
}

impl Linear {
    fn check(&self) -> Result<(), PredictError> {
        let unusable = |why: String| Err(PredictError::Unusable(why));
        let now = self.features.schema_hash();
        if now != self.schema_hash {
            return unusable(format!(
                "the linear predictor was trained on features of schema `{}`, this program computes `{now}`; train it again",
                self.schema_hash
            ));
        }
        let terms = self.lexical.iter().all(|lexical| {
            let count = lexical.vocabulary.terms().len();
            [&lexical.odd, &lexical.even].iter().all(|weights| weights.is_empty() || weights.len() == count)
        });
        let dense = self.odd.len() == self.scaler.odd.len() && self.even.len() == self.scaler.even.len();
        if !dense || !terms || !self.scaler.fits(self.features.columns().len()) {
            return unusable(
                "the saved linear predictor is damaged: weights and columns differ in number".to_owned(),
            );
        }
        Ok(())
    }

    fn margins(&self, battles: &[&Battle]) -> Vec<Margin> {
        let mut margins = vec![[0.0, self.tie, 0.0]; battles.len()];
        let mut add = |matrix: Matrix<'_>, outputs: Outputs, weights: &[f64]| {
            if !weights.is_empty() {
                Block { matrix, outputs }.add_products(weights, &mut margins);
            }
        };
        if !(self.odd.is_empty() && self.even.is_empty()) {
            let (odd, even): (Array2<f64>, Array2<f64>) =
                self.scaler.transform(&self.features.extract(battles));
            add(Matrix::double(&odd), Outputs::Contrast, &self.odd);
            add(Matrix::double(&even), Outputs::Tie, &self.even);
        }
        if let Some(lexical) = &self.lexical {
            let matrices = lexical.vocabulary.transform(battles);
            add(Matrix::Sparse(&matrices.odd), Outputs::Contrast, &lexical.odd);
            add(Matrix::Sparse(&matrices.even), Outputs::Tie, &lexical.even);
        }
        margins
    }
}

impl Predictor for Linear {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        self.check()?;
        for (batch, battles) in battles.chunks(BATCH).enumerate() {
            if run.stop() {
                return Err(PredictError::Stopped);
            }
            let of_batch: Vec<&Battle> = battles.iter().collect();
            for (offset, margin) in self.margins(&of_batch).into_iter().enumerate() {
                let probabilities = Form::SwapEquivariant.probabilities(margin).map_err(|source| {
                    PredictError::NotProbabilities { id: battles[offset].id.to_string(), source }
                })?;
                run.emit(batch * BATCH + offset, probabilities);
            }
        }
        Ok(())
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::Linear(Box::new(self.clone()))
    }
}
