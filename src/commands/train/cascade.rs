//! A cascade of two finished runs: nothing is trained; threshold, blends and calibrators are fitted to what both said
//! of rows that they never saw.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use super::data::{self, Prepared};
use super::outputs::{self, Finished};
use super::{Args, start};
use crate::battle::{Battle, BattleId, HeldOut, Probabilities, Provenance, Scored};
use crate::calibrators::{CascadeRecipe, CrossFittedCascade};
use crate::commands::{self, BadInput, Console, OrBadInput};
use crate::config::{Config, Validation};
use crate::evaluation::{self, CascadeCost, Evaluation, EvaluationRequest, PairCost};
use crate::manifest::{
    Environment, FORMAT_VERSION, Identity, Manifest, PseudoLabels, RunIdentity, class_shares,
};
use crate::predictors::PlannedRows;
use crate::predictors::language_model::Serving;
use crate::run_dir::{CascadeOfRuns, GrowingRun, RunDir};
use crate::shipped::{RunForecast, Shipped};
use crate::tables;
use crate::tables::prompts::PromptRow;
use crate::tables::scores::MemberTable;

/// Rows on which both runs are timed, and rows that their seconds are told for.
const SAMPLE: usize = 512;
const TOLD_ROWS: usize = 1000;

/// One of the two runs, loaded, so that its faults are found before any work.
struct Stage {
    /// As the configuration names it.
    named: String,
    directory: RunDir,
    shipped: Shipped,
}

/// Fits a cascade and writes its run.
///
/// # Errors
/// When a run is missing, both were judged on other rows or folds, or a file cannot be written.
pub(super) fn run(
    args: &Args,
    config: &Config,
    (console, started): (&Console, Instant),
) -> anyhow::Result<()> {
    let mut serving = args.serving.serving(console);
    // Both runs are timed as they were fitted.
    serving.max_tokens = None;
    let stages = stages(args, config, &serving)?;
    let folds_file = Some(stages[0].directory.splits_path());
    let with_folds =
        Config { validation: Validation { folds_file, ..Validation::default() }, ..config.clone() };
    let prepared = data::prepare(&with_folds, console)?;
    let held_out = held_out(&prepared, &stages)?;
    let growing = GrowingRun::begin(&args.run, start(args)).or_bad_input()?;
    let second = &config.cascade[1];
    let recipe = CascadeRecipe {
        uncertainty: second.uncertainty.unwrap_or_default(),
        max_share: second.max_share.unwrap_or(1.0),
        post_processing: config.post_processing,
    };
    let names = [0, 1].map(|stage| stages[stage].named.as_str());
    let fit = recipe.cross_fit(&held_out, names, config.task).or_bad_input()?;
    let forecasts = [time(&stages[0], &prepared, console)?, time(&stages[1], &prepared, console)?];
    let work = Work { config, prepared: &prepared, stages: &stages, held_out: &held_out, fit: &fit };
    work.write(growing, args, &forecasts, &serving, (console, started))
}

fn stages(args: &Args, config: &Config, serving: &Serving) -> anyhow::Result<[Stage; 2]> {
    let open = |number: usize| -> anyhow::Result<Stage> {
        let named = config.cascade[number].run.clone();
        let directory = RunDir::open(&named).or_bad_input()?;
        if directory.path() == RunDir::named(&args.run).path() {
            return Err(
                BadInput(format!("a cascade cannot ask itself: `{named}` is the run to be made")).into()
            );
        }
        let task = directory.read_manifest().or_bad_input()?.identity.task;
        if task != config.task {
            let message = format!(
                "run `{named}` has another `task` than the cascade; set the one that it was trained for"
            );
            return Err(BadInput(message).into());
        }
        let shipped = Shipped::load(&directory, serving).or_bad_input()?;
        Ok(Stage { named, directory, shipped })
    };
    let stages = [open(0)?, open(1)?];
    same_folds(&stages)?;
    Ok(stages)
}

/// Both runs must have held out the same rows together, else one of them was trained on rows that judge the other.
fn same_folds([first, second]: &[Stage; 2]) -> anyhow::Result<()> {
    let folds = |stage: &Stage| -> anyhow::Result<BTreeMap<BattleId, u32>> {
        let read = tables::folds::read(&stage.directory.splits_path()).or_bad_input()?;
        Ok(read.into_iter().map(|row| (row.id, row.fold)).collect())
    };
    let (one, other) = (folds(first)?, folds(second)?);
    let (first, second) = (&first.named, &second.named);
    let problem = one.iter().find_map(|(id, fold)| match other.get(id) {
        Some(found) if found == fold => None,
        Some(found) => {
            Some(format!("battle `{id}` is in fold {fold} of `{first}` and in fold {found} of `{second}`"))
        }
        None => Some(format!("battle `{id}` of `{first}` is no row of `{second}`")),
    });
    let problem = problem.or_else(|| {
        let extra = other.keys().find(|id| !one.contains_key(*id))?;
        Some(format!("battle `{extra}` of `{second}` is no row of `{first}`"))
    });
    problem.map_or(Ok(()), |problem| {
        Err(BadInput(format!(
            "both runs of a cascade must be judged on the same folds: {problem}; train both with the same data and the \
             same `--folds` or `validation.seed`"
        ))
        .into())
    })
}

/// What both runs said out of fold, beside the labels.
fn held_out(prepared: &Prepared, stages: &[Stage; 2]) -> anyhow::Result<HeldOut<Vec<Probabilities>>> {
    let read = |stage: &Stage| -> anyhow::Result<BTreeMap<BattleId, Probabilities>> {
        let path = stage.directory.out_of_fold_parquet_path();
        Ok(tables::predictions::read(&path).or_bad_input()?.into_iter().collect())
    };
    let (cheap, expensive) = (read(&stages[0])?, read(&stages[1])?);
    if let Some(id) =
        cheap.keys().chain(expensive.keys()).find(|id| cheap.contains_key(*id) != expensive.contains_key(*id))
    {
        return Err(BadInput(format!(
            "battle `{id}` was predicted out of fold by one of `{}` and `{}` alone; train both with the same \
             `validation.train_folds`",
            stages[0].named, stages[1].named
        ))
        .into());
    }
    let row = |position: usize| {
        let labeled = &prepared.competition[position];
        let id = &labeled.battle.id;
        Some(Scored {
            id: id.clone(),
            group: prepared.groups[position].clone(),
            fold: Some(prepared.assignment[position]),
            prediction: vec![*cheap.get(id)?, *expensive.get(id)?],
            target: labeled.target,
        })
    };
    let rows: Vec<_> = (0..prepared.competition.len()).filter_map(row).collect();
    let folds: std::collections::BTreeSet<u32> = rows.iter().filter_map(|row| row.fold).collect();
    Ok(HeldOut::new(rows, Provenance::CrossFitted { folds: u32::try_from(folds.len()).unwrap_or(u32::MAX) }))
}

/// How long a run takes for 1,000 rows like the first ones.
fn time(stage: &Stage, prepared: &Prepared, console: &Console) -> anyhow::Result<RunForecast> {
    let sample: Vec<Battle> =
        prepared.competition.iter().take(SAMPLE).map(|row| row.battle.clone()).collect();
    let progress = console.progress();
    let plan = PlannedRows { battles: &sample, rows: TOLD_ROWS, progress: progress.as_ref() };
    Ok(stage.shipped.forecast(&plan)?)
}

/// What the work leaves behind, ready to be written.
struct Work<'a> {
    config: &'a Config,
    prepared: &'a Prepared,
    stages: &'a [Stage; 2],
    held_out: &'a HeldOut<Vec<Probabilities>>,
    fit: &'a CrossFittedCascade,
}

impl Work<'_> {
    fn write(
        &self,
        growing: GrowingRun,
        args: &Args,
        forecasts: &[RunForecast; 2],
        serving: &Serving,
        (console, started): (&Console, Instant),
    ) -> anyhow::Result<()> {
        let directory = growing.directory().clone();
        let evaluation = self.evaluate(args.truth.as_deref())?;
        let cost = CascadeCost::of(&self.fit.summary, [forecasts[0].seconds, forecasts[1].seconds]);
        let runs = self.runs()?;
        let environment = Environment {
            members: self.members(forecasts)?,
            cascade: Some(cost),
            ..outputs::environment(serving, (console, started))
        };
        let manifest =
            Manifest { format_version: FORMAT_VERSION, identity: self.identity(&runs)?, environment };
        directory.write_cascade(&CascadeOfRuns { runs, rule: self.fit.fitted.clone() })?;
        directory.write_metrics(&evaluation)?;
        outputs::write_held_out(&directory, &self.fit.held_out)?;
        RunDir::write(&directory.scores_path(), &self.scores()?)?;
        outputs::write_splits(&directory, self.prepared)?;
        outputs::write_prompts(&directory, &self.prompts()?)?;
        RunDir::write(&directory.config_path(), self.config.to_toml()?.as_bytes())?;
        directory.write_manifest(&manifest)?;
        commands::report::write_run(&directory)?;
        let directory = growing.finish()?;
        commands::log::append_run(&directory, &evaluation, &manifest)?;
        let finished = Finished::of(&directory, &evaluation, &manifest.environment);
        console.result(&finished, || finished.text())
    }

    fn evaluate(&self, truth: Option<&Path>) -> anyhow::Result<Evaluation> {
        let truth = match truth {
            Some(file) => Some(tables::predictions::read(file).or_bad_input()?.into_iter().collect()),
            None => None,
        };
        let [cheap, expensive] = [0, 1].map(|stage| self.stages[stage].named.as_str());
        let split = format!(
            "out of fold: {}; a cascade of `{cheap}` and `{expensive}` on their folds",
            data::describe(self.prepared)
        );
        let before = self.held_out.map(|_, row| row.prediction[0]);
        let request = EvaluationRequest {
            before: Some(&before),
            battles: &self.prepared.competition,
            truth: truth.as_ref(),
            ..EvaluationRequest::new(&self.fit.held_out, self.config.task, &split)
        };
        let mut evaluation = evaluation::evaluate(&request)?;
        evaluation.cascade = Some(self.fit.summary.clone());
        evaluation.warnings.extend(self.warnings()?);
        Ok(evaluation)
    }

    /// What the runs warned of their predictors, and what the cascade adds.
    fn warnings(&self) -> anyhow::Result<Vec<String>> {
        let mut warnings = Vec::new();
        for stage in self.stages {
            let said = stage.directory.read_metrics().or_bad_input()?.warnings;
            let carries_over = |said: &String| {
                ["predictor `", "pseudo-labels `"].iter().any(|start| said.starts_with(start))
            };
            let of_members = said.into_iter().filter(carries_over);
            warnings.extend(of_members.map(|warning| format!("run `{}`, {warning}", stage.named)));
        }
        match self.fit.fitted.routes() {
            None => warnings.push(format!("cascade: {}", self.fit.summary.verdict)),
            Some(routes) => {
                let given_up =
                    [&routes.sure, &routes.unsure].map(|route| !route.calibrator().kind().is_symmetric());
                if given_up.contains(&true) {
                    warnings.push(
                        "cascade: the calibrator of a route gives up the symmetry between A and B".to_owned(),
                    );
                }
            }
        }
        Ok(warnings)
    }

    /// The prompts whose votes either run learned from.
    fn prompts(&self) -> anyhow::Result<BTreeSet<PromptRow>> {
        let mut prompts = self.prepared.prompts.clone();
        for stage in self.stages {
            prompts.extend(stage.directory.read_prompts().or_bad_input()?);
        }
        Ok(prompts)
    }

    /// The pseudo-labels that either run learned from.
    fn pseudo_labels(&self) -> Vec<PseudoLabels> {
        let mut all: Vec<PseudoLabels> = Vec::new();
        for labels in self.stages.iter().flat_map(|stage| &stage.shipped.manifest().identity.pseudo_labels) {
            if !all.contains(labels) {
                all.push(labels.clone());
            }
        }
        all
    }

    fn runs(&self) -> anyhow::Result<[RunIdentity; 2]> {
        let of = |stage: &Stage| -> anyhow::Result<RunIdentity> {
            Ok(RunIdentity { run: stage.named.clone(), fingerprint: stage.directory.fingerprint()? })
        };
        Ok([of(&self.stages[0])?, of(&self.stages[1])?])
    }

    fn identity(&self, runs: &[RunIdentity; 2]) -> anyhow::Result<Identity> {
        Ok(Identity {
            tiebreak: env!("CARGO_PKG_VERSION").to_owned(),
            task: self.config.task,
            config_hash: data::config_hash(self.config)?,
            data: self.prepared.sources.clone(),
            folds_hash: self.prepared.folds_hash(),
            members: Vec::new(),
            extra_left_out: Vec::new(),
            class_shares: class_shares(&self.prepared.competition),
            prompts_hash: self.prepared.prompts_hash(),
            models: Vec::new(),
            runs: runs.to_vec(),
            pseudo_labels: self.pseudo_labels(),
        })
    }

    /// Both runs as members beside what they cost.
    fn members(&self, forecasts: &[RunForecast; 2]) -> anyhow::Result<Vec<evaluation::MemberCost>> {
        let named = self.stages.iter().zip(forecasts).map(|(stage, forecast)| {
            let tokens = forecast.tokens as f64 / TOLD_ROWS as f64;
            let seconds = Some(forecast.seconds / TOLD_ROWS as f64);
            let cost = PairCost { tokens: Some(tokens).filter(|tokens| *tokens > 0.0), seconds };
            (stage.named.clone(), "run".to_owned(), cost)
        });
        let named: Vec<_> = named.collect();
        Ok(evaluation::member_costs(self.held_out, &named, &self.config.post_processing, self.config.task)?)
    }

    /// What both runs said out of fold.
    fn scores(&self) -> anyhow::Result<Vec<u8>> {
        let rows = self.held_out.rows();
        let ids: Vec<BattleId> = rows.iter().map(|row| row.id.clone()).collect();
        let tables: Vec<MemberTable> = self
            .stages
            .iter()
            .enumerate()
            .map(|(position, stage)| MemberTable {
                name: stage.named.clone(),
                probabilities: rows.iter().map(|row| Some(row.prediction[position])).collect(),
                raw_columns: Vec::new(),
                raw: vec![Vec::new(); rows.len()],
            })
            .collect();
        Ok(tables::scores::to_parquet(&ids, None, &tables)?)
    }
}
