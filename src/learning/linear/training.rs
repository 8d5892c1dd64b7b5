use ndarray::Array2;

use super::{LinearRecipe, feature_set};
use crate::battle::Battle;
use crate::features::{FeatureSet, Lexical, LexicalMatrices};
use crate::learning::FitError;
pub(super) use crate::learning::training::Training;
use crate::predictors::linear::{Matrix, Scaler, SoftmaxRecords};

/// The features of the training rows, with what is needed to compute them again.
pub(super) struct Features {
    pub(super) set: FeatureSet,
    pub(super) scaler: Scaler,
    pub(super) vocabulary: Option<Lexical>,
    odd: Array2<f64>,
    even: Array2<f64>,
    lexical: LexicalMatrices,
}

impl Features {
    pub(super) fn new(recipe: &LinearRecipe, training: &Training<'_>) -> Result<Self, FitError> {
        let battles: Vec<&Battle> = training.rows.iter().map(|row| &row.battle).collect();
        let set = feature_set(recipe);
        let dense = set.extract(&battles);
        let scaler = Scaler::fit(&dense, &set.columns())
            .map_err(|error| FitError::Failed(format!("the features cannot be scaled: {error}")))?;
        let (odd, even) = scaler.transform(&dense);
        let vocabulary = recipe.use_lexical.then(|| recipe.lexical.fit(&battles));
        let lexical = vocabulary.as_ref().map_or_else(
            || {
                let empty = || sprs::CsMatI::zero((battles.len(), 0));
                LexicalMatrices { odd: empty(), even: empty() }
            },
            |vocabulary| vocabulary.transform(&battles),
        );
        Ok(Self { set, scaler, vocabulary, odd, even, lexical })
    }

    /// Four blocks: odd dense, odd lexical, even dense, even lexical.
    pub(super) fn records(&self) -> Result<SoftmaxRecords<'_>, FitError> {
        SoftmaxRecords::swap_equivariant(
            self.odd.nrows(),
            vec![Matrix::double(&self.odd), Matrix::Sparse(&self.lexical.odd)],
            vec![Matrix::double(&self.even), Matrix::Sparse(&self.lexical.even)],
        )
        .ok_or_else(|| FitError::Failed("dense and lexical features differ in their rows".to_owned()))
    }
}
