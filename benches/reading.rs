//! Reads one file of battles as every command does and prints one JSON line, like the programs in `peers/`:
//! `{"seconds": .., "rows": .., "peak_bytes": ..}`.
//!
//! `cargo bench --bench reading -- FILE`; the number of threads is set from outside with `RAYON_NUM_THREADS`.

#![allow(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::path::PathBuf;
use std::time::Instant;

use tiebreak::progress::Silent;
use tiebreak::sources::{ReadOptions, SourceError, read_labeled};

fn main() -> Result<(), SourceError> {
    // Cargo adds `--bench`; run without a file, as `cargo test --benches` does, there is nothing to measure.
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) else {
        return Ok(());
    };
    let started = Instant::now();
    let battles = read_labeled(&PathBuf::from(path), &ReadOptions::default(), &Silent)?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{{\"seconds\": {seconds}, \"rows\": {}, \"peak_bytes\": {}}}",
        battles.rows.len(),
        peak_bytes()
    );
    // The process ends here: giving back every text one by one is no part of reading.
    std::mem::forget(battles);
    Ok(())
}

/// The largest resident memory of this process so far; 0 where the system does not say.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
