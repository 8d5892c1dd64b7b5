//! A finished run as one predictor: its members, the mean over their fits, then post-processing.

mod cascade;
mod fits;

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::battle::{Battle, Probabilities, Task};
use crate::calibrators::PostProcessing;
use crate::manifest::Manifest;
use crate::predictors::language_model::{Forecasted, Outcome, Serving};
use crate::predictors::{
    Blend, Conditions, PlannedRows, Pooling, PredictError, PredictedRow, Predictor, SavedModel,
    SavedPredictor, new_models, predict_in_detail,
};
use crate::progress::Silent;
use crate::run_dir::{RunDir, RunError};

pub use fits::Fits;

use cascade::CascadeOfShipped;

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
    /// The model of a fold was not kept.
    #[error("run `{run}`, fold {fold}: {problem}")]
    Fold {
        /// The run.
        run: String,
        /// The fold.
        fold: u32,
        /// Why there is none, and the way out.
        problem: String,
    },
    /// A run that a cascade asks is another one, or gone.
    #[error("cascade `{cascade}`: run `{run}`: {problem}")]
    Stage {
        /// The cascade.
        cascade: String,
        /// The run that it asks.
        run: String,
        /// What is wrong, and the way out.
        problem: String,
    },
}

/// What a finished run ships.
pub struct Shipped {
    run: String,
    manifest: Manifest,
    members: Vec<(String, Box<dyn Predictor>)>,
    /// Per member how many language models it is the first to ask.
    new_models: Vec<usize>,
    post_processing: PostProcessing,
    /// Instead of members two other runs.
    cascade: Option<Box<CascadeOfShipped>>,
    /// What answers where no member does: the class shares of the training data, A and B alike.
    shares: Probabilities,
}

/// What a run says of some battles, in their order.
pub struct ShippedPredictions {
    /// Blended and calibrated.
    pub probabilities: Vec<Probabilities>,
    /// What came of each row: the worst over the members.
    pub outcomes: Vec<Outcome>,
    /// The raw predictions of each member.
    pub members: Vec<MemberPredictions>,
}

/// What one member says of some battles.
pub struct MemberPredictions {
    /// Its name.
    pub name: String,
    /// The names of its raw numbers; none for most members.
    pub raw_columns: Vec<String>,
    /// Its prediction of each row.
    pub rows: Vec<PredictedRow>,
}

/// How long a run would take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunForecast {
    /// Battles.
    pub rows: usize,
    /// Tokens of all language models, without padding.
    pub tokens: usize,
    /// Batches of all language models.
    pub batches: usize,
    /// Seconds from the first row read to the last one predicted; loading and writing are left out.
    pub seconds: f64,
    /// Rows a second.
    pub rows_per_second: f64,
    /// Seconds of the members without a language model, scaled from a sample.
    pub other_seconds: f64,
    /// Each language model.
    pub models: Vec<Forecasted>,
}

/// Rows between two looks at the bar; large enough to keep all cores busy.
const CHUNK: usize = 2048;

impl Shipped {
    /// Loads a run; language models that are not at the place that was recorded are also looked for beside it.
    ///
    /// # Errors
    /// `ShippedError` when a file is missing or damaged, or needs a part that this program was built without.
    pub fn load(directory: &RunDir, serving: &Serving) -> Result<Self, ShippedError> {
        Self::load_fold(directory, serving, None)
    }

    /// Loads of a run the models of one fold alone, where it keeps them, or all that it ships.
    ///
    /// Blend and calibrator are those of the run: they were fitted to what each fold's model said of rows that it
    /// never saw, those of this fold among them.
    ///
    /// # Errors
    /// As `load`, and `ShippedError::Fold`.
    pub fn load_fold(directory: &RunDir, serving: &Serving, fold: Option<u32>) -> Result<Self, ShippedError> {
        let manifest = directory.read_manifest()?;
        let run = directory.name();
        let fits = fold.map(|fold| {
            let no_model = |problem| ShippedError::Fold { run: run.clone(), fold, problem };
            Fits::of(directory)?.of_fold(fold).map_err(no_model)
        });
        let fits = fits.transpose()?;
        if let Some(cascade) = directory.read_cascade()? {
            let cascade = CascadeOfShipped::load(cascade, directory, serving)?;
            return Ok(Self {
                post_processing: PostProcessing::nothing(1, manifest.identity.task),
                shares: directory.class_shares(&manifest)?,
                run,
                manifest,
                members: Vec::new(),
                new_models: Vec::new(),
                cascade: Some(Box::new(cascade)),
            });
        }
        let names = &manifest.identity.members;
        let mut saved = directory.read_predictors(names.len())?;
        if let Some(fits) = fits {
            for member in &mut saved {
                *member = member.get(fits.clone()).map(<[_]>::to_vec).unwrap_or_default();
            }
        }
        let mut serving = serving.clone();
        serving.own = Some(directory.models_path());
        serving.beside = directory.path().parent().map(std::path::Path::to_owned);
        let models =
            |fits: &Vec<SavedPredictor>| fits.iter().flat_map(SavedPredictor::models).cloned().collect();
        let of_members: Vec<Vec<SavedModel>> = saved.iter().map(models).collect();
        let new_models =
            new_models(&of_members.iter().map(|models| models.iter().collect()).collect::<Vec<_>>());
        let mut members = Vec::with_capacity(names.len());
        for (name, fits) in names.iter().zip(saved) {
            let failed = |source| ShippedError::Member { run: run.clone(), member: name.clone(), source };
            let loaded = fits.into_iter().map(|fit| fit.load(&serving).map_err(failed));
            let mut fits = loaded.collect::<Result<Vec<_>, _>>()?;
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
        let shares = directory.class_shares(&manifest)?;
        Ok(Self {
            post_processing: directory.read_post_processing()?,
            run,
            manifest,
            members,
            new_models,
            shares,
            cascade: None,
        })
    }

    /// What decides the run.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether a language model takes part.
    #[must_use]
    pub fn has_language_model(&self) -> bool {
        self.members.iter().any(|(_, predictor)| predictor.wants_whole_file())
            || self.cascade.as_ref().is_some_and(|cascade| cascade.has_language_model())
    }

    /// The first member that would have to compute battles anew when their sides are exchanged.
    #[must_use]
    pub fn reads_one_order(&self) -> Option<&str> {
        let own = self.members.iter().find(|(_, member)| member.reads_one_order());
        own.map(|(name, _)| name.as_str()).or_else(|| self.cascade.as_ref()?.reads_one_order())
    }

    /// How many distinct language models it asks.
    fn models(&self) -> usize {
        self.cascade.as_ref().map_or_else(|| self.new_models.iter().sum(), |cascade| cascade.models())
    }

    /// Predicts battles in their order.
    ///
    /// After the deadline language models begin no batch any more: a row that one of them left out is predicted
    /// by the mean of the members that have all of it, else of those that have a part, else by the class shares
    /// of the training data; of a cascade by its cheap run.
    ///
    /// # Errors
    /// `ShippedError::Member` when a member fails or is stopped.
    pub fn predict(
        &self,
        battles: &[Battle],
        conditions: &Conditions<'_>,
    ) -> Result<ShippedPredictions, ShippedError> {
        if let Some(cascade) = &self.cascade {
            return cascade.predict(battles, conditions);
        }
        let mut of_members: Vec<Option<Vec<PredictedRow>>> = self.members.iter().map(|_| None).collect();
        // The light ones first: they are the fallback of the others.
        for (place, (name, predictor)) in of_members.iter_mut().zip(&self.members) {
            if !predictor.wants_whole_file() {
                *place = Some(self.in_chunks((name, predictor.as_ref()), battles, conditions)?);
            }
        }
        // Distinct models share the time that is left, whichever members ask them.
        let mut left = self.models();
        for ((place, (name, predictor)), own) in
            of_members.iter_mut().zip(&self.members).zip(&self.new_models)
        {
            if place.is_none() {
                let deadline = conditions.deadline.map(|deadline| deadline.share(*own, left));
                let conditions = Conditions { deadline, ..*conditions };
                let predicted = predict_in_detail(predictor.as_ref(), battles, &conditions);
                *place = Some(predicted.map_err(|source| self.failed(name, source))?);
                left -= own;
            }
        }
        let members = self.members.iter().zip(of_members.into_iter().flatten());
        let members = members.map(|((name, predictor), rows)| MemberPredictions {
            name: name.clone(),
            raw_columns: predictor.raw_columns(),
            rows,
        });
        Ok(self.pooled(members.collect(), battles.len()))
    }

    fn in_chunks(
        &self,
        (name, predictor): (&str, &dyn Predictor),
        battles: &[Battle],
        conditions: &Conditions<'_>,
    ) -> Result<Vec<PredictedRow>, ShippedError> {
        let task = conditions.progress.start(name, Some(battles.len() as u64), "rows");
        let mut rows = Vec::with_capacity(battles.len());
        for chunk in battles.chunks(CHUNK) {
            if (conditions.stop)() {
                return Err(self.failed(name, PredictError::Stopped));
            }
            let predicted = predict_in_detail(predictor, chunk, &Conditions::unhurried(&Silent));
            rows.extend(predicted.map_err(|source| self.failed(name, source))?);
            task.advance(chunk.len() as u64);
        }
        Ok(rows)
    }

    /// Blends and calibrates every row that has all members, and falls back where one is missing.
    fn pooled(&self, mut members: Vec<MemberPredictions>, rows: usize) -> ShippedPredictions {
        for row in members.iter_mut().flat_map(|member| &mut member.rows) {
            row.probabilities = row.probabilities.map(|probabilities| self.conform(probabilities));
        }
        let mut result = ShippedPredictions {
            probabilities: Vec::with_capacity(rows),
            outcomes: Vec::new(),
            members: Vec::new(),
        };
        for row in 0..rows {
            let of_row = members.iter().map(|member| &member.rows[row]);
            result
                .outcomes
                .push(of_row.clone().map(|found| found.outcome).max().unwrap_or(Outcome::Complete));
            let raw: Option<Vec<Probabilities>> = of_row.map(|found| found.probabilities).collect();
            result.probabilities.push(match raw {
                Some(raw) => self.post_processing.apply(&raw),
                None => self.fallback(&members, row),
            });
        }
        result.members = members;
        result
    }

    /// The plain mean of the members that computed the most of a row: no calibrator was fitted to it.
    fn fallback(&self, members: &[MemberPredictions], row: usize) -> Probabilities {
        let mean_of = |outcome: Outcome| {
            let of_row = members.iter().map(|member| &member.rows[row]);
            let found: Vec<Probabilities> = of_row
                .filter(|found| found.outcome == outcome)
                .filter_map(|found| found.probabilities)
                .collect();
            let weights = vec![1.0 / found.len().max(1) as f64; found.len()];
            if found.is_empty() { None } else { Pooling::Arithmetic.pool(&found, &weights).ok() }
        };
        mean_of(Outcome::Complete)
            .or_else(|| mean_of(Outcome::OnePass))
            .unwrap_or_else(|| self.conform(self.shares))
    }

    /// How long `rows` battles like these would take.
    ///
    /// # Errors
    /// `ShippedError::Member` when the sample cannot be computed.
    pub fn forecast(&self, plan: &PlannedRows<'_>) -> Result<RunForecast, ShippedError> {
        const SAMPLE: usize = 512;
        if let Some(cascade) = &self.cascade {
            return cascade.forecast(plan);
        }
        let sample = &plan.battles[..plan.battles.len().min(SAMPLE)];
        let (mut models, mut other_seconds) = (Vec::new(), 0.0);
        for ((name, predictor), new) in self.members.iter().zip(&self.new_models) {
            if predictor.wants_whole_file() {
                // What a member before it asks costs nothing.
                if *new == 0 {
                    continue;
                }
                models.extend(predictor.forecast(plan).map_err(|source| self.failed(name, source))?);
            } else {
                let started = Instant::now();
                self.in_chunks((name, predictor.as_ref()), sample, &Conditions::unhurried(&Silent))?;
                let of_sample = started.elapsed().as_secs_f64();
                other_seconds += of_sample * plan.rows as f64 / sample.len().max(1) as f64;
            }
        }
        let of_models = models.iter().map(|model| model.tokenization_seconds + model.model_seconds);
        let seconds = other_seconds + of_models.sum::<f64>();
        Ok(RunForecast {
            rows: plan.rows,
            tokens: models.iter().map(|model| model.tokens).sum(),
            batches: models.iter().map(|model| model.batches).sum(),
            seconds,
            rows_per_second: plan.rows as f64 / seconds.max(f64::MIN_POSITIVE),
            other_seconds,
            models,
        })
    }

    fn failed(&self, member: &str, source: PredictError) -> ShippedError {
        ShippedError::Member { run: self.run.clone(), member: member.to_owned(), source }
    }

    fn conform(&self, probabilities: Probabilities) -> Probabilities {
        match self.manifest.identity.task {
            Task::ThreeWay => probabilities,
            Task::TwoWay => probabilities.without_tie(),
        }
    }
}
