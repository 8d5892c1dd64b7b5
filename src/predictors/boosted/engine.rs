use lightgbm3::Booster;

use super::Boosted;
use crate::features::TreeRows;
use crate::predictors::PredictError;

/// The trees of a predictor, read once for many rows.
pub(super) struct Trees {
    boosters: Vec<Booster>,
}

impl Trees {
    pub(super) fn read(saved: &Boosted) -> Result<Self, PredictError> {
        let columns = saved.features.tree_columns().len();
        let read = |model: &String| {
            let booster = Booster::from_string(model).map_err(|error| damaged(&error))?;
            let fits = usize::try_from(booster.num_features()) == Ok(columns) && booster.num_classes() == 2;
            if fits { Ok(booster) } else { Err(damaged(&"another number of columns or outputs")) }
        };
        // A text with a zero byte would panic on its way to C.
        if saved.models.iter().any(|model| model.contains('\0')) {
            return Err(damaged(&"a zero byte"));
        }
        let boosters = saved.models.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { boosters })
    }

    /// The mean sum of the trees for contrast and tie of each row; zeros without trees.
    pub(super) fn margins(&self, rows: &TreeRows) -> Result<Vec<[f64; 2]>, PredictError> {
        let values = rows.values();
        let mut margins = vec![[0.0; 2]; values.nrows()];
        let Some(cells) = values.as_slice().filter(|cells| !cells.is_empty()) else { return Ok(margins) };
        let columns = i32::try_from(values.ncols()).unwrap_or(i32::MAX);
        for booster in &self.boosters {
            let sums = booster
                .predict_with_params(cells, columns, true, "num_threads=1 verbosity=-1")
                .map_err(|error| PredictError::Unusable(format!("the trees cannot be evaluated: {error}")))?;
            for (margin, sum) in margins.iter_mut().zip(sums.chunks_exact(2)) {
                margin[0] += sum[0];
                margin[1] += sum[1];
            }
        }
        let count = self.boosters.len().max(1) as f64;
        Ok(margins.into_iter().map(|margin| margin.map(|sum| sum / count)).collect())
    }
}

fn damaged(why: &dyn std::fmt::Display) -> PredictError {
    PredictError::Unusable(format!("the saved trees are damaged: {why}"))
}
