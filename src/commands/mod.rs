//! One subcommand, one file: each reads as a paragraph of the pipeline.

pub mod audit;
mod battles;
pub mod blend;
pub mod calibrate;
pub mod check;
mod console;
pub mod doctor;
pub mod encode;
mod forecast;
pub mod import;
pub mod ingest;
mod interrupt;
mod judged;
pub mod log;
mod model_folder;
pub mod predict;
pub mod pseudo;
pub mod report;
pub mod score;
mod serving;
pub mod setup;
pub mod simulate;
pub mod split;
pub mod submit;
pub mod train;
pub mod verify;

use std::process::ExitCode;

pub use console::{BadInput, Console, OrBadInput};
pub use serving::{LongRunArgs, ServingArgs};

use crate::cli::{Cli, Command};

/// Runs what was typed and says how it went: 0 done, 1 the work failed, 2 the input was wrong.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let console = Console::new(cli.json, cli.quiet, cli.threads);
    match dispatch(&cli.command, &console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => console.failed(&error),
    }
}

fn dispatch(command: &Command, console: &Console) -> anyhow::Result<()> {
    match command {
        Command::Audit(args) => audit::run(args, console),
        Command::Blend(args) => blend::run(args, console),
        Command::Calibrate(args) => calibrate::run(args, console),
        Command::Check(args) => check::run(args, console),
        Command::Doctor(args) => doctor::run(args, console),
        Command::Encode(args) => encode::run(args, console),
        Command::Import(args) => import::run(args, console),
        Command::Ingest(args) => ingest::run(args, console),
        Command::Log(args) => log::run(args, console),
        Command::Predict(args) => predict::run(args, console),
        Command::Pseudo(args) => pseudo::run(args, console),
        Command::Report(args) => report::run(args, console),
        Command::Score(args) => score::run(args, console),
        Command::Setup(args) => setup::run(args, console),
        Command::Simulate(args) => simulate::run(args, console),
        Command::Split(args) => split::run(args, console),
        Command::Submit(args) => submit::run(args, console),
        Command::Train(args) => train::run(args, console),
        Command::Verify(args) => verify::run(args, console),
    }
}
