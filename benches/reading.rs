//! Reads one training file to labelled battles and prints rows and seconds as JSON.

use std::path::Path;
use std::time::Instant;

use tiebreak::progress::Silent;
use tiebreak::sources::{self, ReadOptions};

#[expect(clippy::print_stdout, reason = "the driver reads it")]
fn main() {
    let Some(file) = std::env::args().nth(1).filter(|argument| !argument.starts_with('-')) else {
        println!("usage: reading FILE; `make bench` runs it");
        return;
    };
    let started = Instant::now();
    let read = sources::read_labeled(Path::new(&file), &ReadOptions::default(), &Silent);
    match read {
        Ok(ingested) => {
            println!("{{\"rows\":{},\"seconds\":{}}}", ingested.rows.len(), started.elapsed().as_secs_f64());
        }
        Err(error) => {
            println!("{error}");
            std::process::exit(1);
        }
    }
}
