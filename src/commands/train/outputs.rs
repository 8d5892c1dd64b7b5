use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::data::{self, Prepared};
use super::{costs, curves, labels};
use crate::battle::{BattleId, HeldOut, Probabilities};
use crate::calibrators::CrossFitted;
use crate::commands::{self, Console, OrBadInput};
use crate::config::Config;
use crate::evaluation::{self, CascadeCost, Evaluation, EvaluationRequest, MemberCost};
use crate::finetune::{self, StepRecord};
use crate::manifest::{Environment, FORMAT_VERSION, Identity, Manifest, class_shares};
use crate::predictors::SavedPredictor;
use crate::predictors::language_model::Serving;
use crate::run_dir::{GrowingRun, RunDir};
use crate::tables;
use crate::tables::prompts::PromptRow;
use crate::tables::scores::MemberTable;
use crate::validation::{CrossPredictions, Member};

/// What the work of a training leaves behind, ready to be written.
pub(super) struct Outputs<'a> {
    pub(super) config: &'a Config,
    pub(super) prepared: &'a Prepared,
    pub(super) cross: &'a CrossPredictions,
    pub(super) held_out: &'a HeldOut<Vec<Probabilities>>,
    pub(super) post: &'a CrossFitted,
    pub(super) members: &'a [Member],
    pub(super) serving: &'a Serving,
}

/// What is printed of a finished run.
#[derive(Serialize)]
pub(super) struct Finished<'a> {
    run: String,
    report: std::path::PathBuf,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// Every member beside what it costs here.
    members: &'a [MemberCost],
    #[serde(skip_serializing_if = "Option::is_none")]
    cascade_cost: Option<&'a CascadeCost>,
}

impl<'a> Finished<'a> {
    pub(super) fn of(directory: &RunDir, evaluation: &'a Evaluation, environment: &'a Environment) -> Self {
        Self {
            run: directory.path().display().to_string(),
            report: directory.report_path().join("report.html"),
            evaluation,
            members: &environment.members,
            cascade_cost: environment.cascade.as_ref(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = commands::score::text(self.evaluation);
        let _ = write!(text, "\n{}", commands::report::costs(self.members));
        if let Some(summary) = &self.evaluation.post_processing {
            let _ = write!(text, "\n{}", summary.verdict);
        }
        if let Some(cascade) = &self.evaluation.cascade {
            let _ = write!(
                text,
                "\n{}\nout of fold: {} {:.5}, {} {:.5}, cascade {:.5}",
                cascade.verdict,
                cascade.cheap,
                cascade.cheap_log_loss,
                cascade.expensive,
                cascade.expensive_log_loss,
                cascade.cascade_log_loss
            );
        }
        if let Some((cost, (gain, [low, high]))) = self
            .cascade_cost
            .and_then(|cost| Some((cost, cost.gain_per_second.zip(cost.gain_per_second_interval)?)))
        {
            let _ = write!(
                text,
                "\n{:.3} extra seconds for 1,000 rows: {gain:.5} nats a second, 95 % interval {low:.5} to {high:.5}",
                cost.extra_seconds
            );
        }
        for warning in &self.evaluation.warnings {
            let _ = write!(text, "\nwarning: {warning}");
        }
        format!("{text}\nrun: {}\nreport: {}", self.run, self.report.display())
    }
}

impl Outputs<'_> {
    /// Writes every file of the run; the manifest, which makes it a finished one, comes last.
    pub(super) fn write(
        &self,
        growing: GrowingRun,
        shipped: &[Vec<SavedPredictor>],
        args: &super::Args,
        (console, started): (&Console, Instant),
    ) -> anyhow::Result<()> {
        let directory = growing.directory().clone();
        let steps = finetune::steps_of(&growing.workspace())?;
        let learning_curves = curves::learning_curves(&steps);
        let evaluation = Evaluation { learning_curves, ..self.evaluate(args)? };
        directory.write_predictors(shipped)?;
        let models = shipped.iter().flatten().flat_map(SavedPredictor::models);
        growing.keep_models(models.map(|model| model.folder.as_path()))?;
        directory.write_post_processing(&self.post.fitted)?;
        write_steps(&directory, &steps)?;
        directory.write_metrics(&evaluation)?;
        self.write_tables(&directory)?;
        let manifest = self.manifest(shipped, (console, started))?;
        directory.write_manifest(&manifest)?;
        commands::report::write_run(&directory)?;
        let directory = growing.finish()?;
        commands::log::append_run(&directory, &evaluation, &manifest)?;
        let finished = Finished::of(&directory, &evaluation, &manifest.environment);
        console.result(&finished, || finished.text())
    }

    fn evaluate(&self, args: &super::Args) -> anyhow::Result<Evaluation> {
        let truth = match &args.truth {
            Some(file) => Some(tables::predictions::read(file).or_bad_input()?.into_iter().collect()),
            None => None,
        };
        let folds = self.prepared.folds.len();
        let split = format!(
            "out of fold: {}, {folds} folds grouped by normalised prompt and session",
            data::describe(self.prepared)
        );
        let mut summary = self.post.summary.clone();
        for (member, name) in summary.members.iter_mut().zip(self.config.predictor_names()) {
            member.name = name;
        }
        let request = EvaluationRequest {
            before: Some(&self.post.before),
            post_processing: Some(&summary),
            battles: &self.prepared.competition,
            truth: truth.as_ref(),
            seed: self.config.validation.seed,
            ..EvaluationRequest::new(&self.post.held_out, self.config.task, &split)
        };
        let mut evaluation = evaluation::evaluate(&request)?;
        evaluation.warnings.extend(labels::warnings(self.prepared));
        for member in self.members {
            let of_member = member.learner.warnings().into_iter();
            evaluation.warnings.extend(of_member.map(|said| format!("predictor `{}`: {said}", member.name)));
        }
        Ok(evaluation)
    }

    /// What each member said out of fold, with the raw numbers behind it.
    fn member_tables(&self) -> Vec<MemberTable> {
        let held_out = self.held_out.rows();
        let judged: Vec<usize> =
            (0..self.cross.rows.len()).filter(|row| self.cross.rows[*row].is_some()).collect();
        let table = |(position, member): (usize, &Member)| {
            let scores = &self.cross.raw[position];
            let raw_of = |row: &usize| scores.rows.get(*row).cloned().unwrap_or_default();
            MemberTable {
                name: member.name.clone(),
                probabilities: held_out.iter().map(|row| row.prediction.get(position).copied()).collect(),
                raw_columns: scores.columns.clone(),
                raw: judged.iter().map(raw_of).collect(),
            }
        };
        self.members.iter().enumerate().map(table).collect()
    }

    fn write_tables(&self, directory: &RunDir) -> anyhow::Result<()> {
        write_held_out(directory, &self.post.held_out)?;
        let ids: Vec<BattleId> = self.held_out.rows().iter().map(|row| row.id.clone()).collect();
        let scores = tables::scores::to_parquet(&ids, None, &self.member_tables())?;
        RunDir::write(&directory.scores_path(), &scores)?;
        write_splits(directory, self.prepared)?;
        write_prompts(directory, &self.prepared.prompts)?;
        RunDir::write(&directory.config_path(), self.config.to_toml()?.as_bytes())?;
        Ok(())
    }

    /// Every member beside what it costs.
    fn costs(&self, shipped: &[Vec<SavedPredictor>]) -> anyhow::Result<Vec<MemberCost>> {
        let kinds = self.config.predictor.iter().map(|entry| entry.recipe.kind().to_owned());
        let named = self.config.predictor_names().into_iter().zip(kinds).zip(shipped);
        let named = named.map(|((name, kind), fits)| {
            Ok((name, kind, costs::of_member(fits, &self.prepared.competition, self.serving)?))
        });
        let named = named.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(evaluation::member_costs(self.held_out, &named, &self.config.post_processing, self.config.task)?)
    }

    fn manifest(
        &self,
        shipped: &[Vec<SavedPredictor>],
        (console, started): (&Console, Instant),
    ) -> anyhow::Result<Manifest> {
        Ok(Manifest {
            format_version: FORMAT_VERSION,
            identity: Identity {
                tiebreak: env!("CARGO_PKG_VERSION").to_owned(),
                task: self.config.task,
                config_hash: data::config_hash(self.config)?,
                data: self.prepared.sources.clone(),
                folds_hash: self.prepared.folds_hash(),
                members: self.config.predictor_names(),
                extra_left_out: self.cross.extra_left_out.clone(),
                class_shares: class_shares(&self.prepared.competition),
                prompts_hash: self.prepared.prompts_hash(),
                models: data::fingerprints(self.serving, self.members),
                runs: Vec::new(),
                pseudo_labels: self.prepared.pseudo_labels(),
            },
            environment: Environment {
                members: self.costs(shipped)?,
                training: self.trained_on(),
                ..environment(self.serving, (console, started))
            },
        })
    }

    /// The members that train a language model, and where.
    fn trained_on(&self) -> BTreeMap<String, String> {
        let of = |member: &Member| Some((member.name.clone(), member.learner.trains_on()?));
        self.members.iter().filter_map(of).collect()
    }
}

/// Where a run was made and how long it took.
pub(super) fn environment(serving: &Serving, (console, started): (&Console, Instant)) -> Environment {
    let finished = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    Environment {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        elapsed_seconds: started.elapsed().as_secs_f64(),
        threads: console.threads(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        finished_unix_seconds: finished,
        models: serving.in_use(),
        members: Vec::new(),
        training: BTreeMap::new(),
        cascade: None,
    }
}

/// Writes the out-of-fold predictions that the metrics are of.
pub(super) fn write_held_out(directory: &RunDir, held_out: &HeldOut) -> anyhow::Result<()> {
    let predictions: Vec<(BattleId, Probabilities)> =
        held_out.rows().iter().map(|row| (row.id.clone(), row.prediction)).collect();
    RunDir::write(&directory.out_of_fold_csv_path(), &tables::predictions::to_csv(&predictions))?;
    RunDir::write(&directory.out_of_fold_parquet_path(), &tables::predictions::to_parquet(&predictions)?)?;
    Ok(())
}

/// Writes which row was in which fold.
pub(super) fn write_splits(directory: &RunDir, prepared: &Prepared) -> anyhow::Result<()> {
    let rows = prepared.competition.iter().zip(prepared.groups.iter().zip(&prepared.assignment));
    let folds: Vec<tables::folds::FoldRow> = rows
        .map(|(row, (group, fold))| tables::folds::FoldRow {
            id: row.battle.id.clone(),
            group: Some(group.clone()),
            fold: *fold,
        })
        .collect();
    Ok(RunDir::write(&directory.splits_path(), &tables::folds::to_csv(&folds))?)
}

/// Writes the prompts whose votes were learned from.
pub(super) fn write_prompts<'a>(
    directory: &RunDir,
    prompts: impl IntoIterator<Item = &'a PromptRow>,
) -> anyhow::Result<()> {
    Ok(RunDir::write(&directory.prompts_path(), &tables::prompts::to_csv(prompts))?)
}

/// What fine-tuning did step by step, where there was any.
fn write_steps(directory: &RunDir, steps: &[StepRecord]) -> anyhow::Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for step in steps {
        serde_json::to_writer(&mut text, step)?;
        text.push(b'\n');
    }
    Ok(RunDir::write(&directory.steps_path(), &text)?)
}
