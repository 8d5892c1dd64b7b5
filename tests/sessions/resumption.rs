//! Runs that are aborted at every boundary of the journal, or killed, and continued: the same bytes.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tiebreak::onnx::{Device, PoolOptions, SessionPool};
use tiebreak::predictors::language_model::{
    Identity, Journal, Request, Runner, ScheduleOptions, compute, rows_of,
};
use tiebreak::progress::Silent;

use super::runs::mean;
use super::{Rows, child, model};

/// Computes `count` items with a journal in `folder` and writes `result` when all are there.
fn run_in(folder: &Path, count: usize, longest: usize) {
    let rows = Rows::mixed(count, longest);
    let lengths = rows.lengths();
    let pool = SessionPool::open(&model("encoder"), &PoolOptions::for_threads(Device::CPU, 2)).unwrap();
    let identity = Identity { input: format!("{count} rows"), model: "encoder".to_owned() };
    let (mut journal, recovered) = Journal::resume(&folder.join("journal"), &identity).unwrap();
    let recovered_items = recovered.items.len();
    let runner = Runner { pool: &pool, sequences: &rows, head: &mean };
    let schedule = ScheduleOptions { batch_tokens: 512, orders: 2, one_pass_first: false };
    let items = rows_of(lengths.len(), 2);
    let request = Request { lengths: &lengths, rows: &items, schedule, admits: &|_| true };
    let computed = compute(&runner, &request, Some((&mut journal, recovered)), &Silent).unwrap();
    assert_eq!(computed.summary.items + recovered_items, count, "an item was lost or computed twice");
    let bytes: Vec<u8> =
        computed.values.into_iter().flat_map(Option::unwrap).flat_map(f32::to_le_bytes).collect();
    std::fs::write(folder.join("result"), bytes).unwrap();
    journal.remove().unwrap();
}

/// The child of the tests below.
#[test]
fn runs_with_a_journal() {
    let Some(folder) = std::env::var_os("TIEBREAK_TEST_FOLDER") else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse().unwrap();
    run_in(Path::new(&folder), number("TIEBREAK_TEST_COUNT"), number("TIEBREAK_TEST_LONGEST"));
}

fn run_child(folder: &Path, count: usize, abort_after: Option<usize>) -> bool {
    let mut command = child("resumption::runs_with_a_journal");
    command.env("TIEBREAK_TEST_FOLDER", folder).env("TIEBREAK_TEST_COUNT", count.to_string());
    command.env("TIEBREAK_TEST_LONGEST", "120").stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(records) = abort_after {
        command.env("TIEBREAK_INJECT_ABORT_AFTER", records.to_string());
    }
    command.status().unwrap().success()
}

fn reference(count: usize, longest: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), count, longest);
    std::fs::read(folder.path().join("result")).unwrap()
}

#[test]
fn aborted_at_every_boundary_of_the_journal_a_run_ends_with_the_same_bytes() {
    const COUNT: usize = 60;
    let expected = reference(COUNT, 120);
    let mut boundaries = 0;
    for boundary in 0.. {
        let folder = tempfile::tempdir().unwrap();
        if run_child(folder.path(), COUNT, Some(boundary)) {
            break;
        }
        assert!(!folder.path().join("result").exists());
        assert!(run_child(folder.path(), COUNT, None));
        assert_eq!(std::fs::read(folder.path().join("result")).unwrap(), expected, "boundary {boundary}");
        assert!(!folder.path().join("journal").exists());
        boundaries += 1;
    }
    assert!(boundaries > 6, "only {boundaries} boundaries");
}

#[test]
fn aborted_again_and_again_a_run_still_ends() {
    const COUNT: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    let mut tries = 0;
    // Records of earlier tries are counted too, so that the boundary moves on with every try.
    while !run_child(folder.path(), COUNT, Some(tries)) {
        tries += 1;
    }
    assert!(tries > 6, "only {tries} tries");
    assert_eq!(std::fs::read(folder.path().join("result")).unwrap(), reference(COUNT, 120));
}

#[test]
fn killed_in_the_middle_of_a_large_run_it_continues_with_the_same_bytes() {
    const COUNT: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut command = child("resumption::runs_with_a_journal");
    command.env("TIEBREAK_TEST_FOLDER", folder.path()).env("TIEBREAK_TEST_COUNT", COUNT.to_string());
    command.env("TIEBREAK_TEST_LONGEST", "120").stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    let started = Instant::now();
    let size = || std::fs::metadata(&journal).map_or(0, |metadata| metadata.len());
    while size() < 500_000 && started.elapsed() < Duration::from_mins(1) {
        std::thread::yield_now();
    }
    running.kill().unwrap();
    assert!(!running.wait().unwrap().success(), "it was done before it could be killed");
    assert!(size() >= 500_000 && !folder.path().join("result").exists());
    assert!(run_child(folder.path(), COUNT, None));
    assert_eq!(std::fs::read(folder.path().join("result")).unwrap(), reference(COUNT, 120));
}
