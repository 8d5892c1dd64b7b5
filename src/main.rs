//! The command line of tiebreak.

use std::process::ExitCode;

use clap::Parser;
use tiebreak::cli::Cli;
use tiebreak::commands;

fn main() -> ExitCode {
    commands::run(&Cli::parse())
}
