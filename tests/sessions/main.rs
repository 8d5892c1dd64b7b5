//! Sessions on small ONNX files made elsewhere, runs of language models through them, and what is said when
//! the library or the device is missing. Needs the ONNX Runtime library that `tiebreak setup` fetches.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "test code: what cannot be made must fail the test, and a child prints its result"
)]

mod judge;
mod library;
#[path = "../models/mod.rs"]
mod models;
mod pools;
mod predictors;
mod resumption;
mod runs;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;

use tiebreak::onnx::{PoolOptions, SessionPool};
use tiebreak::predictors::language_model::Sequences;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx").join(format!("{name}.onnx"))
}

fn options(device: &str) -> PoolOptions {
    PoolOptions::for_threads(device.parse().unwrap(), 2)
}

fn open(name: &str) -> SessionPool {
    SessionPool::open(&model(name), &options("cpu")).unwrap()
}

/// Rows of pseudo-random ids below 64, as (ids, type ids).
struct Rows(Vec<(Vec<u32>, Vec<u32>)>);

impl Rows {
    fn of_lengths(lengths: &[usize]) -> Self {
        let mut state = 1_u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        let row = |length: &usize| {
            ((0..*length).map(|_| next(64)).collect(), (0..*length).map(|_| next(2)).collect())
        };
        Self(lengths.iter().map(row).collect())
    }

    /// Lengths between 1 and `longest` in no order.
    fn mixed(count: usize, longest: usize) -> Self {
        Self::of_lengths(&(0..count).map(|row| 1 + row * 7919 % longest).collect::<Vec<_>>())
    }

    fn lengths(&self) -> Vec<usize> {
        self.0.iter().map(|(ids, _)| ids.len()).collect()
    }
}

impl Sequences for Rows {
    fn length(&self, item: usize) -> usize {
        self.0[item].0.len()
    }

    fn tokens(&self, item: usize) -> (Cow<'_, [u32]>, Cow<'_, [u32]>) {
        let (ids, types) = &self.0[item];
        (Cow::Borrowed(ids), Cow::Borrowed(types))
    }
}

/// This very program, to run one of its tests alone.
fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]);
    command
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
