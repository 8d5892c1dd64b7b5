//! The command line of tiebreak.

use std::process::ExitCode;

use clap::Parser;
use tiebreak::cli::Cli;
use tiebreak::commands;

fn main() -> ExitCode {
    announce_threads();
    commands::run(&Cli::parse())
}

/// candle reads /proc/cpuinfo before each product of two matrices, to know how many threads there are, unless this
/// variable says it: a quarter of the time in which a small model is trained.
#[expect(unsafe_code, reason = "no other thread runs yet that could read the environment")]
fn announce_threads() {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    if std::env::var_os(VARIABLE).is_none() {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        // SAFETY: this is the first thing that the process does, on its only thread.
        unsafe { std::env::set_var(VARIABLE, threads.to_string()) };
    }
}
