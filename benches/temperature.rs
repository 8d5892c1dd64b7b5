//! Fits one temperature to 1,000,000 triples of probabilities in memory; prints one JSON line.
//!
//! Run: `cargo bench --bench temperature`. The peer is `benches/peers/temperature_sklearn.py`, on the
//! same data: both make them by the same generator and print the temperature that they find.

use std::time::Instant;

use tiebreak::battle::{Class, Probabilities, Target, Task};
use tiebreak::calibrators::fit_temperature;

const ROWS: u64 = 1_000_000;
const RUNS: usize = 7;

/// `SplitMix64`, which a few lines of NumPy repeat exactly.
fn uniform(index: u64) -> f64 {
    let mut x = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
}

/// Logits in -3..3, and a label drawn from the softmax of 0.7 times them.
fn row(row: u64) -> (Probabilities, Target) {
    let logits = [0, 1, 2].map(|class| 6.0 * uniform(4 * row + class) - 3.0);
    let truth = logits.map(|z| (0.7 * z).exp());
    let position = uniform(4 * row + 3) * truth.iter().sum::<f64>();
    let class = if position < truth[0] {
        Class::A
    } else if position < truth[0] + truth[1] {
        Class::B
    } else {
        Class::Tie
    };
    (Probabilities::from_logits(logits).unwrap_or(Probabilities::UNIFORM), Target::one_hot(class))
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
fn main() {
    let (predictions, targets): (Vec<Probabilities>, Vec<Target>) = (0..ROWS).map(row).unzip();
    let mut seconds = Vec::with_capacity(RUNS);
    let mut temperature = 0.0;
    for _ in 0..RUNS {
        let start = Instant::now();
        temperature = fit_temperature(&predictions, &targets, Task::ThreeWay).temperature;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_unstable_by(f64::total_cmp);
    println!(
        r#"{{"bench":"temperature","program":"tiebreak","rows":{ROWS},"seconds":{:.6},"min_seconds":{:.6},"max_seconds":{:.6},"temperature":{temperature:.9}}}"#,
        seconds[RUNS / 2],
        seconds[0],
        seconds[RUNS - 1],
    );
}
