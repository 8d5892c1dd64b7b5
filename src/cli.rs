//! What can be typed: one subcommand is one file in `commands/`.

use clap::{Parser, Subcommand};

use crate::commands::{
    audit, blend, calibrate, check, doctor, encode, import, ingest, log, predict, pseudo, report, score,
    setup, simulate, split, submit, train, verify,
};

/// Predict which of two model responses a person will prefer: P(A wins), P(B wins), P(tie).
#[derive(Debug, Parser)]
#[command(name = "tiebreak", version, about, max_term_width = 100)]
pub struct Cli {
    /// Print one JSON object on standard output and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no remarks on standard error
    #[arg(long, global = true)]
    pub quiet: bool,
    /// How many threads to use; all cores if not given
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch the pinned ONNX Runtime library
    Setup(setup::Args),
    /// Say what is here: libraries, devices, cores, memory
    Doctor(doctor::Args),
    /// Make a simulated arena with known true probabilities
    Simulate(simulate::Args),
    /// Turn files of any supported format into one canonical Parquet file
    Ingest(ingest::Args),
    /// Look for duplicates, leaks, anomalies and the noise floor
    Audit(audit::Args),
    /// Assign folds, grouped by prompt and session
    Split(split::Args),
    /// Cross-validate, post-process and fit a run
    Train(train::Args),
    /// Predict battles with a run
    Predict(predict::Args),
    /// Label battles with a run: soft labels for `train`, with what they come from
    Pseudo(pseudo::Args),
    /// Predict, post-process, write and check a submission
    Submit(submit::Args),
    /// Check a submission: form, and with a reference run also sense
    Check(check::Args),
    /// Score predictions against labels
    Score(score::Args),
    /// Fit and judge calibrators on stored predictions
    Calibrate(calibrate::Args),
    /// Weigh several predictions against each other
    Blend(blend::Args),
    /// Write the report of a run or of any predictions
    Report(report::Args),
    /// The log of experiments and leaderboard scores
    Log(log::Args),
    /// Turn a checkpoint or an ONNX file into a model folder
    Import(import::Args),
    /// Show exactly what a model sees, or how much of a file its budget cuts away
    Encode(encode::Args),
    /// Compare token ids and logits with those of somebody's Python
    Verify(verify::Args),
}
