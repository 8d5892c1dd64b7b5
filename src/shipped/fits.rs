//! Which models a finished run ships, by the fold that they never saw.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::config::{Config, FinalFit};
use crate::run_dir::{RunDir, RunError};
use crate::tables;

/// What is shipped of every predictor: fits fold by fold and seed by seed, or fits on all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fits {
    fit: FinalFit,
    /// The folds that were trained, ascending.
    folds: Vec<u32>,
    seeds: usize,
    is_cascade: bool,
}

impl Fits {
    /// The fits of a run.
    ///
    /// # Errors
    /// `RunError::Damaged` when its configuration or its folds cannot be read.
    pub fn of(directory: &RunDir) -> Result<Self, RunError> {
        let damaged = |path: std::path::PathBuf, message| RunError::Damaged { path, message };
        let config = Config::read(&directory.config_path(), &[])
            .map_err(|error| damaged(directory.config_path(), error.to_string()))?;
        let assigned = tables::folds::read(&directory.splits_path())
            .map_err(|error| damaged(directory.splits_path(), error.to_string()))?;
        let mut folds: BTreeSet<u32> = assigned.into_iter().map(|row| row.fold).collect();
        if let Some(trained) = &config.validation.train_folds {
            folds.retain(|fold| trained.contains(fold));
        }
        Ok(Self {
            fit: config.final_fit.fit,
            folds: folds.into_iter().collect(),
            seeds: config.seeds.len(),
            is_cascade: !config.cascade.is_empty(),
        })
    }

    /// The folds that were trained, ascending.
    #[must_use]
    pub fn folds(&self) -> &[u32] {
        &self.folds
    }

    /// The fold that no model learned from: the one that was asked for, else the one that nothing shipped has seen.
    #[must_use]
    pub fn unseen(&self, asked: Option<u32>) -> Option<u32> {
        let shipped = match (self.fit, &self.folds[..]) {
            (FinalFit::Fold(fold), _) => Some(fold),
            (FinalFit::FoldMean | FinalFit::AverageWeights, [only]) => Some(*only),
            _ => None,
        };
        asked.or(shipped)
    }

    /// Which fits of each predictor are the model of a fold, one for each seed.
    ///
    /// # Errors
    /// Why the run has no model of that fold, and the way out.
    pub(super) fn of_fold(&self, fold: u32) -> Result<Range<usize>, String> {
        if self.is_cascade {
            return Err("a cascade has no folds of its own; take one of its runs".to_owned());
        }
        let Some(position) = self.folds.iter().position(|known| *known == fold) else {
            let folds: Vec<String> = self.folds.iter().map(ToString::to_string).collect();
            return Err(format!("that fold was not trained; the folds are {}", folds.join(", ")));
        };
        match self.fit {
            FinalFit::FoldMean => Ok(position * self.seeds..(position + 1) * self.seeds),
            FinalFit::Fold(only) if only == fold => Ok(0..self.seeds),
            fit => Err(format!(
                "only what `final.fit = \"{}\"` ships was kept; train the run with `--set final.fit=fold_mean`, which \
                 keeps the model of every fold, or with `--set final.fit=fold:{fold}`",
                String::from(fit)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(fit: FinalFit, folds: &[u32]) -> Fits {
        Fits { fit, folds: folds.to_vec(), seeds: 2, is_cascade: false }
    }

    #[test]
    fn the_models_of_a_fold_stand_seed_by_seed_in_the_order_of_the_folds() {
        let mean = fits(FinalFit::FoldMean, &[1, 3, 4]);
        assert_eq!(mean.of_fold(3).unwrap(), 2..4);
        assert!(mean.of_fold(0).unwrap_err().contains("the folds are 1, 3, 4"));
        assert_eq!(fits(FinalFit::Fold(3), &[1, 3]).of_fold(3).unwrap(), 0..2);
        assert!(
            fits(FinalFit::Fold(3), &[1, 3]).of_fold(1).unwrap_err().contains("`final.fit = \"fold:3\"`")
        );
        assert!(fits(FinalFit::Refit, &[0, 1]).of_fold(1).unwrap_err().contains("final.fit=fold_mean"));
    }

    #[test]
    fn what_is_shipped_has_seen_every_fold_but_that_of_a_single_model() {
        assert_eq!(fits(FinalFit::Refit, &[2]).unseen(None), None);
        assert_eq!(fits(FinalFit::FoldMean, &[0, 1]).unseen(None), None);
        assert_eq!(fits(FinalFit::FoldMean, &[0, 1]).unseen(Some(1)), Some(1));
        assert_eq!(fits(FinalFit::FoldMean, &[2]).unseen(None), Some(2));
        assert_eq!(fits(FinalFit::Fold(2), &[0, 2]).unseen(None), Some(2));
    }
}
