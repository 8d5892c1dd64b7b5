//! `tiebreak pseudo`: what a run says of battles as soft labels for `train`, with what they come from.

mod inputs;
mod labelling;
mod selection;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

use self::inputs::{Inputs, file_name};
use self::labelling::{Given, Labellers};
use super::{BadInput, Console, LongRunArgs, OrBadInput, ServingArgs, forecast};
use crate::ancestry::{self, Ancestry};
use crate::battle::Probabilities;
use crate::files::AtomicFile;
use crate::manifest::{Choice, LabelledFold, Labeller, PseudoLabels, Selection, SelectionCounts};
use crate::predictors::language_model::{ModelInUse, Outcomes};
use crate::run_dir::RunDir;
use crate::shipped::Shipped;
use crate::sources::{Format, ReadOptions};

/// Arguments of `tiebreak pseudo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak pseudo --run first data/raw/test.csv --out data/labels.csv\n\n\
    The labels are the run's blended and calibrated probabilities. In the configuration of the next run:\n\n    \
    [[data]]\n    path = \"data/raw/test.csv\"\n    role = \"extra\"\n    labels = \"data/labels.csv\"\n\n\
    Rows that --deadline leaves to a fallback get no label.\n\n\
    With --every-fold no model labels for a fit that holds out votes which it learned from (blend and calibrator, a few\n\
    numbers, know all), and a whole training on the same folds is honest:\n\n    \
    tiebreak train --config teacher.toml --train train.csv --run teacher --set final.fit=fold_mean\n    \
    tiebreak pseudo --run teacher --every-fold data/raw/test.csv --out data/labels.csv\n\n\
    Beside labels.csv lies labels.ancestry.json: the run, its training data, the input, what was left out and why.\n\
    `train` takes it into its manifest, and warns where the run had learned from votes that `train` holds out.")]
pub struct Args {
    /// The run that labels: a name under models/, or a path
    #[arg(long)]
    run: String,
    /// Battles in any supported format; labels are not looked at
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the soft labels go
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Leave out rows whose largest probability is smaller
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    min_confidence: f64,
    /// Label at most so many rows
    #[arg(long, value_name = "N", value_parser = super::serving::positive)]
    max_rows: Option<usize>,
    /// Which rows those are: the most confident ones, or any
    #[arg(long, value_enum, default_value_t, requires = "max_rows")]
    choose: Choose,
    /// The seed of a random choice
    #[arg(long, value_name = "N", default_value_t = 0, requires = "choose")]
    seed: u64,
    /// Ask the model of this fold alone, which never saw it; the run must keep the models of its folds
    #[arg(long, value_name = "K")]
    fold: Option<u32>,
    /// Ask the models of every fold, each for the fit that will hold that fold out, with their mean for the final fit; the
    /// run must keep the models of its folds
    #[arg(long, conflicts_with = "fold")]
    every_fold: bool,
    /// The format of the files, if detection should not decide
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    serving: ServingArgs,
    #[command(flatten)]
    long: LongRunArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Choose {
    #[default]
    Confident,
    Random,
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "it must lie in 0..1".to_owned())
}

#[derive(Serialize)]
struct Labelled {
    out: PathBuf,
    ancestry: PathBuf,
    #[serde(flatten)]
    rows: SelectionCounts,
    /// Of each fold that labelled on its own; `rows` are then those of the mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    folds: Vec<LabelledFold>,
    /// Mean probabilities of the labels.
    class_shares: [f64; 3],
    /// Rows whose prompt the run had learned from.
    known_prompts: usize,
    outcomes: Outcomes,
    calibrator_fitted_at_this_budget: bool,
    models: Vec<ModelInUse>,
}

/// Labels battles.
///
/// # Errors
/// When the run or a file cannot be read, no row is left to label, or the labels cannot be written.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let started = Instant::now();
    let directory = RunDir::open(&args.run).or_bad_input()?;
    let mut serving = args.serving.serving(console);
    let options = ReadOptions { format: args.format, max_rows: None };
    if args.long.dry_run {
        let shipped = Labellers::whole(args, &directory, &serving)?;
        return forecast::run(&shipped, (&args.files, &options), &args.long, console);
    }
    let (known, unseen) = labelling::prompts(args, &directory)?;
    let journal = args.long.journal(&args.out)?;
    serving.journal = Some(journal.clone());
    let mut out = AtomicFile::create(&args.out)?;
    let mut beside = AtomicFile::create(&Ancestry::path(&args.out))?;
    let labellers = Labellers::load(args, &directory, &serving)?;
    let models = serving.in_use();
    super::serving::remarks(&models, console);
    let progress = console.progress();
    let inputs = Inputs::read(&args.files, &options, progress.as_ref())?;
    let deadline = args.long.deadline(started);
    let given = labellers.ask(&inputs.battles, (deadline, &journal), progress.as_ref())?;
    let given = Given::select(&given, &args.selection(), &inputs.ids());
    let outcomes = given.outcomes;
    let bytes = given.to_csv(&inputs.ids()).ok_or_else(|| nothing_left(&given.rows()))?;
    let labels = PseudoLabels {
        file: file_name(&args.out),
        content_hash: blake3::hash(&bytes).to_hex().to_string(),
        labeller: args.labeller(&directory, labellers.first()?)?,
        inputs: inputs.of_files(&given.kept()),
        selection: args.selection(),
        rows: given.rows(),
        class_shares: class_shares(&given.labels()),
        folds: given.folds(),
    };
    let result = Labelled {
        out: args.out.clone(),
        ancestry: Ancestry::path(&args.out),
        rows: labels.rows,
        folds: labels.folds.clone(),
        class_shares: labels.class_shares,
        known_prompts: inputs.count_known(&known),
        outcomes,
        calibrator_fitted_at_this_budget: super::serving::fitted_at_this_budget(&models),
        models,
    };
    let ancestry = Ancestry { format_version: ancestry::FORMAT_VERSION, labels, prompts: known, unseen };
    write_all(&mut out, &result.out, &bytes)?;
    write_all(&mut beside, &result.ancestry, &ancestry.to_json()?)?;
    // First what they come from: labels alone would pass for those of a teacher of one's own.
    beside.commit()?;
    out.commit()?;
    super::serving::finish(&journal, &outcomes)?;
    super::serving::left_over(&outcomes, console);
    result.remark(&args.run, console);
    console.result(&result, || result.text())
}

impl Args {
    fn selection(&self) -> Selection {
        let choose = match self.choose {
            Choose::Confident => Choice::Confident,
            Choose::Random => Choice::Random,
        };
        Selection { min_confidence: self.min_confidence, max_rows: self.max_rows, choose, seed: self.seed }
    }

    fn labeller(&self, directory: &RunDir, shipped: &Shipped) -> anyhow::Result<Labeller> {
        let identity = &shipped.manifest().identity;
        Ok(Labeller {
            run: directory.name(),
            fingerprint: directory.fingerprint().or_bad_input()?,
            fold: self.fold,
            task: identity.task,
            data: identity.data.clone(),
            pseudo_labels: identity.pseudo_labels.clone(),
        })
    }
}

fn class_shares(labels: &[Probabilities]) -> [f64; 3] {
    let mut shares = [0.0; 3];
    for probabilities in labels {
        for (share, p) in shares.iter_mut().zip(probabilities.to_array()) {
            *share += p;
        }
    }
    shares.map(|share| share / labels.len().max(1) as f64)
}

impl Labelled {
    fn remark(&self, run: &str, console: &Console) {
        if self.known_prompts > 0 {
            console.remark(&format!(
                "run `{run}` had learned from votes on the prompts of {} of the {} rows",
                self.known_prompts, self.rows.offered
            ));
        }
    }

    fn text(&self) -> String {
        let SelectionCounts { offered, kept, fallback, below_confidence, over_limit } = self.rows;
        let mut text = format!("{kept} of {offered} rows labelled: {}", self.out.display());
        for (count, why) in [
            (fallback, "left to a fallback by the deadline"),
            (below_confidence, "below the confidence that was asked for"),
            (over_limit, "beyond the number of rows that was asked for"),
        ] {
            if count > 0 {
                // Writing to a string cannot fail.
                let _ = write!(text, "\n{count} rows without a label: {why}");
            }
        }
        if !self.folds.is_empty() {
            let kept: Vec<String> = self
                .folds
                .iter()
                .map(|LabelledFold { fold, rows }| format!("{} by those of fold {fold}", rows.kept))
                .collect();
            let _ =
                write!(text, "\nfor the final fit, by the mean of the folds' models; {}", kept.join(", "));
        }
        let [a, b, tie] = self.class_shares;
        let _ = write!(
            text,
            "\nmean label: A {a:.3}, B {b:.3}, tie {tie:.3}\nwhat they come from: {}",
            self.ancestry.display()
        );
        text
    }
}

fn nothing_left(rows: &SelectionCounts) -> anyhow::Error {
    if rows.fallback > 0 {
        return anyhow::anyhow!(
            "no row is left to label, and nothing was written: the deadline left {} of {} rows to a fallback; the same \
             command with `--resume` goes on",
            rows.fallback,
            rows.offered
        );
    }
    BadInput(format!(
        "no row is left to label, and nothing was written: all {} are below `--min-confidence`; give a smaller one",
        rows.offered
    ))
    .into()
}

fn write_all(file: &mut AtomicFile, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::io::Write::write_all(file, bytes)
        .with_context(|| format!("cannot write `{}`; nothing was changed there", path.display()))
}
