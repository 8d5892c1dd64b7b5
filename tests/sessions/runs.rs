//! Runs of items through a pool: what they give does not depend on how they were cut into batches.

use std::time::{Duration, Instant};

use tiebreak::onnx::{Device, PoolOptions, SessionPool};
use tiebreak::predictors::language_model::{
    Computed, Deadline, Outcomes, Request, RunError, Runner, ScheduleOptions, SpeedModel, compute, dry_run,
    outcomes, rows_of,
};
use tiebreak::progress::Silent;

use super::{Rows, child, model, open, says};

const WIDTH: usize = 32;

/// The mean over the tokens, in the order of the tokens.
pub(crate) fn mean(hidden: &[f32], length: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f32; WIDTH];
    for token in hidden.chunks(WIDTH) {
        sum.iter_mut().zip(token).for_each(|(sum, value)| *sum += value);
    }
    sum.into_iter().map(|sum| sum / length as f32).collect()
}

fn schedule(batch_tokens: usize) -> ScheduleOptions {
    ScheduleOptions { batch_tokens, orders: 2, one_pass_first: false }
}

fn computed(pool: &SessionPool, rows: &Rows, batch_tokens: usize) -> Result<Computed, RunError> {
    let lengths = rows.lengths();
    let runner = Runner { pool, sequences: rows, head: &mean };
    let items = rows_of(lengths.len(), 2);
    let schedule = schedule(batch_tokens);
    let request = Request { lengths: &lengths, rows: &items, schedule, admits: &|_| true };
    compute(&runner, &request, None, &Silent)
}

fn bits(values: &[Option<Vec<f32>>]) -> Vec<Vec<u32>> {
    values.iter().map(|item| item.as_ref().unwrap().iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn no_bit_depends_on_the_batch_budget_the_order_of_rows_or_the_threads() {
    let rows = Rows::mixed(60, 200);
    let pool = open("encoder");
    let reference = bits(&computed(&pool, &rows, 1).unwrap().values);
    for budget in [256, 1024, 8192] {
        assert_eq!(bits(&computed(&pool, &rows, budget).unwrap().values), reference, "budget {budget}");
    }
    let mut reversed =
        bits(&computed(&pool, &Rows(rows.0.iter().rev().cloned().collect()), 1024).unwrap().values);
    reversed.reverse();
    assert_eq!(reversed, reference);
    for (copies, threads) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let options = PoolOptions { copies, threads, ..PoolOptions::for_threads(Device::CPU, 1) };
        let pool = SessionPool::open(&model("encoder"), &options).unwrap();
        assert_eq!(bits(&computed(&pool, &rows, 1024).unwrap().values), reference, "{copies} x {threads}");
    }
}

#[test]
fn the_summary_counts_every_item_and_token_once() {
    let rows = Rows::mixed(40, 100);
    let summary = computed(&open("encoder"), &rows, 1024).unwrap().summary;
    let tokens: usize = rows.lengths().iter().sum();
    assert_eq!((summary.items, summary.tokens, summary.halved, summary.stopped), (40, tokens, 0, false));
    assert!(summary.padded_tokens >= tokens && summary.padded_tokens < tokens * 2);
    assert_eq!(summary.timings.iter().map(|timing| timing.rows).sum::<usize>(), 40);
}

#[test]
fn a_number_that_is_not_finite_names_its_item() {
    let rows = Rows(vec![(vec![1], vec![0]), (vec![2, 7], vec![0, 0]), (vec![7, 2, 2], vec![0, 0, 0])]);
    let pool = open("half_logits");
    let runner = Runner { pool: &pool, sequences: &rows, head: &|values, _| values.to_vec() };
    let items = rows_of(3, 2);
    let request = Request { lengths: &[1, 2, 3], rows: &items, schedule: schedule(64), admits: &|_| true };
    let message = compute(&runner, &request, None, &Silent).unwrap_err().to_string();
    says(&message, &["`inf`", "item 2 (3 tokens)", "half precision"]);
    let runner = Runner { head: &|values, _| vec![values[0] / 0.0], ..runner };
    assert!(matches!(compute(&runner, &request, None, &Silent), Err(RunError::NotFinite { .. })));
}

#[test]
fn an_item_that_does_not_fit_the_model_is_named() {
    let rows = Rows::of_lengths(&[4, 17]);
    let pool = open("fixed");
    let runner = Runner { pool: &pool, sequences: &rows, head: &mean };
    let items = rows_of(2, 2);
    let request = Request { lengths: &[4, 17], rows: &items, schedule: schedule(64), admits: &|_| true };
    let message = compute(&runner, &request, None, &Silent).unwrap_err().to_string();
    says(&message, &["item 1 (17 tokens)", "fixed to 16"]);
}

#[test]
fn a_graph_of_a_fixed_batch_gets_no_more_rows_than_it_takes() {
    let rows = Rows::mixed(5, 16);
    let (lengths, pool) = (rows.lengths(), open("fixed"));
    let runner = Runner { pool: &pool, sequences: &rows, head: &|values, _| values.to_vec() };
    let items = rows_of(lengths.len(), 1);
    let request = Request { lengths: &lengths, rows: &items, schedule: schedule(1024), admits: &|_| true };
    let computed = compute(&runner, &request, None, &Silent).unwrap();
    assert_eq!((computed.summary.items, computed.summary.halved, computed.summary.timings.len()), (5, 0, 5));
    let sizes: Vec<usize> = computed.values.iter().map(|values| values.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, lengths.iter().map(|length| 4 * length).collect::<Vec<_>>());
}

#[test]
fn after_a_deadline_no_batch_is_begun_and_the_rows_left_are_counted() {
    let rows = Rows::mixed(40, 100);
    let lengths = rows.lengths();
    let pool = open("encoder");
    let runner = Runner { pool: &pool, sequences: &rows, head: &mean };
    let begun = Instant::now();
    let schedule = ScheduleOptions { batch_tokens: 100, orders: 2, one_pass_first: true };
    let items = rows_of(lengths.len(), 2);
    let no_time = Deadline::new(begun, Duration::ZERO);
    let over =
        Request { lengths: &lengths, rows: &items, schedule, admits: &|seconds| no_time.admits(seconds) };
    let late = compute(&runner, &over, None, &Silent).unwrap();
    assert!(late.summary.stopped && late.values.iter().all(Option::is_none));
    let done: Vec<bool> = late.values.iter().map(Option::is_some).collect();
    assert_eq!(outcomes(&done, 2).1, Outcomes { complete: 0, one_pass: 0, fallback: 20 });
    let an_hour = Deadline::new(begun, Duration::from_hours(1));
    let in_time = Request { admits: &|seconds| an_hour.admits(seconds), ..over };
    let all = compute(&runner, &in_time, None, &Silent).unwrap();
    assert!(!all.summary.stopped);
    assert_eq!(bits(&all.values), bits(&computed(&pool, &rows, 1024).unwrap().values));
}

#[test]
fn a_dry_run_measures_a_part_and_forecasts_all_of_it() {
    let rows = Rows::mixed(400, 100);
    let lengths = rows.lengths();
    let pool = open("encoder");
    let runner = Runner { pool: &pool, sequences: &rows, head: &mean };
    let (model, forecast): (SpeedModel, _) =
        dry_run(&runner, &lengths, &lengths, &schedule(256)).unwrap().unwrap();
    assert!(forecast.seconds > 0.0 && forecast.batches > 50, "{forecast:?}");
    assert!(model.per_token > 0.0 || model.per_pair > 0.0 || model.fixed > 0.0);
    assert!(forecast.padded_tokens >= lengths.iter().sum());
}

/// The child of the test below: more than 500 padded tokens exhaust the memory.
#[test]
fn runs_with_little_memory() {
    if std::env::var_os("TIEBREAK_INJECT_MEMORY_TOKENS").is_none() {
        return;
    }
    let rows = Rows::mixed(40, 300);
    let computed = computed(&open("encoder"), &rows, 4000).unwrap();
    println!("RESULT halved {} {:?}", computed.summary.halved, bits(&computed.values));
    let long = Rows::of_lengths(&[600]);
    println!("RESULT alone {}", super::runs::computed(&open("encoder"), &long, 4000).unwrap_err());
}

#[test]
fn exhausted_memory_halves_the_batch_and_changes_no_number() {
    let output = child("runs::runs_with_little_memory").env("TIEBREAK_INJECT_MEMORY_TOKENS", "500").output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let expected = computed(&open("encoder"), &Rows::mixed(40, 300), 4000).unwrap();
    says(
        &text,
        &[
            &format!("{:?}", bits(&expected.values)),
            "RESULT alone item 0 (600 tokens)",
            "memory is exhausted",
        ],
    );
    assert!(!text.contains("halved 0"), "{text}");
}
