//! Two finished runs as one: the cheap one for every row, the expensive one for the rows on which it is unsure.

use super::{MemberPredictions, RunForecast, Shipped, ShippedError, ShippedPredictions};
use crate::battle::{Battle, Probabilities};
use crate::calibrators::Cascade;
use crate::manifest::RunIdentity;
use crate::predictors::language_model::{Outcome, Serving};
use crate::predictors::{Conditions, PlannedRows, PredictedRow};
use crate::run_dir::{CascadeOfRuns, RunDir, RunError};

/// A loaded cascade.
pub(super) struct CascadeOfShipped {
    cheap: Shipped,
    expensive: Shipped,
    rule: Cascade,
}

impl CascadeOfShipped {
    /// Loads both runs, which are looked for as they were named, then beside the cascade.
    pub(super) fn load(
        CascadeOfRuns { runs, rule }: CascadeOfRuns,
        directory: &RunDir,
        serving: &Serving,
    ) -> Result<Self, ShippedError> {
        let load = |run: &RunIdentity| {
            let found = find(run, directory)?;
            if found.fingerprint()? != run.fingerprint {
                return Err(ShippedError::Stage {
                    cascade: directory.name(),
                    run: run.run.clone(),
                    problem: format!(
                        "`{}` is not the run that the cascade was fitted to; restore that run, or train the cascade again",
                        found.path().display()
                    ),
                });
            }
            Shipped::load(&found, serving)
        };
        Ok(Self { cheap: load(&runs[0])?, expensive: load(&runs[1])?, rule })
    }

    pub(super) fn has_language_model(&self) -> bool {
        self.cheap.has_language_model() || self.expensive.has_language_model()
    }

    pub(super) fn reads_one_order(&self) -> Option<&str> {
        self.cheap.reads_one_order().or_else(|| self.expensive.reads_one_order())
    }

    pub(super) fn models(&self) -> usize {
        self.cheap.models() + self.expensive.models()
    }

    /// Asks the cheap run for all battles and the expensive one for those that the rule sends on. Whatever the deadline
    /// leaves out keeps its cheap prediction.
    pub(super) fn predict(
        &self,
        battles: &[Battle],
        conditions: &Conditions<'_>,
    ) -> Result<ShippedPredictions, ShippedError> {
        // The models of both share the time, and what the cheap ones leave of theirs is the others'.
        let deadline = conditions.deadline.map(|deadline| deadline.share(self.cheap.models(), self.models()));
        let cheap = self.cheap.predict(battles, &Conditions { deadline, ..*conditions })?;
        let again: Vec<usize> =
            (0..battles.len()).filter(|row| self.rule.asks_again(cheap.probabilities[*row])).collect();
        let unsure: Vec<Battle> = again.iter().map(|row| battles[*row].clone()).collect();
        // A run that is asked nothing has nothing to load into a session or to write into a journal.
        let expensive =
            (!unsure.is_empty()).then(|| self.expensive.predict(&unsure, conditions)).transpose()?;
        let mut of_rows: Vec<Option<(Probabilities, Outcome)>> = vec![None; battles.len()];
        if let Some(found) = &expensive {
            for (row, said) in again.iter().zip(found.probabilities.iter().zip(&found.outcomes)) {
                of_rows[*row] = Some((*said.0, *said.1));
            }
        }
        let mut outcomes = cheap.outcomes.clone();
        let probabilities =
            cheap.probabilities.iter().zip(&of_rows).zip(&mut outcomes).map(|((cheap, again), outcome)| {
                let Some((expensive, of_expensive)) = *again else { return self.rule.apply(*cheap, None) };
                *outcome = (*outcome).max(of_expensive);
                // What the expensive run falls back on says nothing that the cheap one does not.
                self.rule.apply(*cheap, Some(expensive).filter(|_| of_expensive != Outcome::Fallback))
            });
        let probabilities = probabilities.collect();
        let every: Vec<usize> = (0..battles.len()).collect();
        let mut members = of_run(&self.cheap, &cheap, &every, battles.len());
        if let Some(found) = &expensive {
            members.extend(of_run(&self.expensive, found, &again, battles.len()));
        }
        Ok(ShippedPredictions { probabilities, outcomes, members })
    }

    /// The forecast of the cheap run for all rows, and of the expensive one for the share that was observed when the
    /// threshold was fitted.
    pub(super) fn forecast(&self, plan: &PlannedRows<'_>) -> Result<RunForecast, ShippedError> {
        let cheap = self.cheap.forecast(plan)?;
        let rows = self.rule.routes().map_or(0, |routes| count(routes.share, plan.rows));
        if rows == 0 {
            return Ok(cheap);
        }
        let sample = &plan.battles[..plan.battles.len().min(rows)];
        let expensive = self.expensive.forecast(&PlannedRows { rows, battles: sample, ..*plan })?;
        let seconds = cheap.seconds + expensive.seconds;
        Ok(RunForecast {
            rows: plan.rows,
            tokens: cheap.tokens + expensive.tokens,
            batches: cheap.batches + expensive.batches,
            seconds,
            rows_per_second: plan.rows as f64 / seconds.max(f64::MIN_POSITIVE),
            other_seconds: cheap.other_seconds + expensive.other_seconds,
            models: cheap.models.into_iter().chain(expensive.models).collect(),
        })
    }
}

/// The run as it was named, else of the same name beside the cascade.
fn find(run: &RunIdentity, directory: &RunDir) -> Result<RunDir, RunError> {
    let named = RunDir::open(&run.run);
    let beside = || {
        let path = directory.path().parent()?.join(RunDir::named(&run.run).name());
        RunDir::open(&path.to_string_lossy()).ok()
    };
    named.or_else(|error| beside().ok_or(error))
}

/// What the members of a run said, and the run itself, over all rows; nothing for a row that it was not asked.
fn of_run(run: &Shipped, said: &ShippedPredictions, asked: &[usize], rows: usize) -> Vec<MemberPredictions> {
    let spread = |name: String, raw_columns: &[String], of_asked: &mut dyn Iterator<Item = PredictedRow>| {
        let raw = vec![f32::NAN; raw_columns.len()];
        let unasked = PredictedRow { probabilities: None, raw, outcome: Outcome::Complete };
        let mut all = vec![unasked; rows];
        for (row, found) in asked.iter().zip(of_asked) {
            all[*row] = found;
        }
        MemberPredictions { name, raw_columns: raw_columns.to_vec(), rows: all }
    };
    let mut calibrated = said.probabilities.iter().zip(&said.outcomes).map(|(probabilities, outcome)| {
        PredictedRow { probabilities: Some(*probabilities), raw: Vec::new(), outcome: *outcome }
    });
    let itself = spread(run.run.clone(), &[], &mut calibrated);
    let members = said.members.iter().map(|member| {
        let name = format!("{}.{}", run.run, member.name);
        spread(name, &member.raw_columns, &mut member.rows.iter().cloned())
    });
    std::iter::once(itself).chain(members).collect()
}

/// How many rows a share of them is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a number of rows")]
fn count(share: f64, rows: usize) -> usize {
    (share * rows as f64).ceil() as usize
}
