use super::{Boosted, BoostedNotBuilt};
use crate::features::TreeRows;
use crate::predictors::PredictError;

/// Nothing can be read without LightGBM.
pub(super) struct Trees;

impl Trees {
    pub(super) fn read(_: &Boosted) -> Result<Self, PredictError> {
        Err(PredictError::Unusable(BoostedNotBuilt.to_string()))
    }

    #[expect(clippy::unused_self, reason = "the signature of the engine that is built in")]
    pub(super) fn margins(&self, _: &TreeRows) -> Result<Vec<[f64; 2]>, PredictError> {
        Err(PredictError::Unusable(BoostedNotBuilt.to_string()))
    }
}
