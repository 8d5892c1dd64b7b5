//! A finished run as one predictor: its members, the mean over their fits, then post-processing.

use crate::battle::{Battle, Probabilities, Task};
use crate::calibrators::PostProcessing;
use crate::manifest::Manifest;
use crate::predictors::{Blend, PredictError, Predictor, predict_all};
use crate::progress::Progress;
use crate::run_dir::{RunDir, RunError};

/// A run could not predict.
#[derive(Debug, thiserror::Error)]
pub enum ShippedError {
    /// The run directory cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A member cannot be loaded or cannot predict.
    #[error("run `{run}`, predictor `{member}`: {source}")]
    Member {
        /// The run.
        run: String,
        /// The member.
        member: String,
        /// What went wrong.
        #[source]
        source: PredictError,
    },
}

/// What a finished run ships.
pub struct Shipped {
    run: String,
    manifest: Manifest,
    members: Vec<(String, Box<dyn Predictor>)>,
    post_processing: PostProcessing,
}

/// What a run says of some battles, in their order.
pub struct ShippedPredictions {
    /// Blended and calibrated.
    pub probabilities: Vec<Probabilities>,
    /// Per battle the raw prediction of each member.
    pub members: Vec<Vec<Probabilities>>,
}

/// Rows between two looks at the bar; large enough to keep all cores busy.
const CHUNK: usize = 2048;

impl Shipped {
    /// Loads a run.
    ///
    /// # Errors
    /// `ShippedError` when a file is missing or damaged, or needs a part that this program was built without.
    pub fn load(directory: &RunDir) -> Result<Self, ShippedError> {
        let manifest = directory.read_manifest()?;
        let run = directory.name();
        let names = &manifest.identity.members;
        let saved = directory.read_predictors(names.len())?;
        let mut members = Vec::with_capacity(names.len());
        for (name, fits) in names.iter().zip(saved) {
            let failed = |source| ShippedError::Member { run: run.clone(), member: name.clone(), source };
            let mut fits =
                fits.into_iter().map(|fit| fit.load().map_err(failed)).collect::<Result<Vec<_>, _>>()?;
            let predictor: Box<dyn Predictor> = match fits.pop() {
                Some(only) if fits.is_empty() => only,
                Some(last) => {
                    fits.push(last);
                    Box::new(Blend::mean(fits).map_err(failed)?)
                }
                None => return Err(failed(PredictError::Unusable("no fit is saved".to_owned()))),
            };
            members.push((name.clone(), predictor));
        }
        Ok(Self { post_processing: directory.read_post_processing()?, run, manifest, members })
    }

    /// What decides the run.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Predicts battles in their order.
    ///
    /// # Errors
    /// `ShippedError::Member` when a member fails.
    pub fn predict(
        &self,
        battles: &[Battle],
        progress: &dyn Progress,
    ) -> Result<ShippedPredictions, ShippedError> {
        let task = progress.start("prediction", Some(battles.len() as u64), "rows");
        let mut result = ShippedPredictions { probabilities: Vec::new(), members: Vec::new() };
        for chunk in battles.chunks(CHUNK) {
            let mut of_members = Vec::with_capacity(self.members.len());
            for (name, predictor) in &self.members {
                of_members.push(predict_all(predictor.as_ref(), chunk).map_err(|source| {
                    ShippedError::Member { run: self.run.clone(), member: name.clone(), source }
                })?);
            }
            for row in 0..chunk.len() {
                let raw: Vec<Probabilities> =
                    of_members.iter().map(|member| self.conform(member[row])).collect();
                result.probabilities.push(self.post_processing.apply(&raw));
                result.members.push(raw);
            }
            task.advance(chunk.len() as u64);
        }
        Ok(result)
    }

    fn conform(&self, probabilities: Probabilities) -> Probabilities {
        match self.manifest.identity.task {
            Task::ThreeWay => probabilities,
            Task::TwoWay => probabilities.without_tie(),
        }
    }
}
