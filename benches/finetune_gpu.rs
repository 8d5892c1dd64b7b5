//! Tokens a second, peak memory and utilisation of a `LoRA` step on a GPU, beside `peers/finetune_gpu_torch.py`, which also
//! makes the checkpoint of random weights in the shape of Gemma-2: `make bench-cuda`.
//!
//! Arguments: FOLDER ROWS LENGTH [double]; bf16 base, rank 16 beside every map, layers computed twice. `double` runs the
//! steps of a GPU on the processor, to try the program where there is none. `PEAK_TFLOPS` is that of the device: 989 of an
//! H100 in bf16 if not given.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop and print"
)]

mod lora;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tiebreak::architectures::AdapterSlot::{AttentionOutput, Down, Gate, Key, Query, Up, Value};
use tiebreak::checkpoint::{BaseNumbers, Checkpoint};
use tiebreak::compute::{AdapterSettings, Engine, Memory, Model};
use tiebreak::finetune::{Trainer, TrainingBatch};

const STEPS: usize = 5;

fn trainer(engine: Engine, folder: &Path) -> Trainer {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let source = (&checkpoint.config, &checkpoint.weights);
    let model = Model::load_on(engine, BaseNumbers::Bf16, source).unwrap();
    let slots = vec![Query, Key, Value, AttentionOutput, Gate, Up, Down];
    let adapters = AdapterSettings { rank: 16, alpha: 32.0, dropout: 0.0, slots, seed: 1 };
    lora::trainer((&checkpoint, model), adapters, false, Memory::LayerInputs)
}

/// The tokens of the peer.
fn batch(step: usize, [rows, length, vocabulary]: [usize; 3]) -> TrainingBatch {
    let token =
        |row: usize, place: usize| u32::try_from(1 + (row + place * 7919) % (vocabulary - 1)).unwrap();
    let ids: Vec<Vec<u32>> =
        (0..rows).map(|row| (0..length).map(|place| token(step * rows + row, place)).collect()).collect();
    lora::batch(&ids, step * rows)
}

/// Works, and gives the least free memory that was seen meanwhile.
fn watched<T>(engine: &Engine, work: impl FnOnce() -> T) -> (T, u64) {
    let (done, least) = (AtomicBool::new(false), AtomicU64::new(u64::MAX));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                least.fetch_min(engine.free_memory().unwrap_or(u64::MAX), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    });
    (result, least.into_inner())
}

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [folder, rows, length, ..] = &arguments[..] else {
        return println!("SKIPPED: it takes FOLDER ROWS LENGTH; `make bench-cuda` gives them");
    };
    let [rows, length] = [rows, length].map(|text| text.parse::<usize>().unwrap());
    let engine = match Engine::cuda(0) {
        Ok(engine) => engine,
        Err(_) if arguments.last().is_some_and(|last| last == "double") => Engine::double_of_gpu(),
        Err(error) => return println!("SKIPPED, nothing was measured: {error}"),
    };
    let free = engine.free_memory().unwrap_or(0);
    let mut trainer = trainer(engine.clone(), Path::new(folder));
    let maps = trainer.model().linear_maps();
    let weights: usize = maps.iter().map(|linear| linear.inputs * linear.outputs).sum();
    let vocabulary = trainer.model().config().vocabulary_size();
    let (mut seconds, least) = watched(&engine, || {
        let step = |step: usize| {
            let batch = batch(step, [rows, length, vocabulary]);
            let started = Instant::now();
            trainer.step(&[batch]).unwrap();
            started.elapsed().as_secs_f64()
        };
        (0..STEPS).map(step).collect::<Vec<f64>>()
    });
    // The first step brings kernels and memory.
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let tokens_per_second = (rows * length) as f64 / median;
    // Forth, and back to the inputs: what is computed twice, attention and adapters do not count.
    let useful = 4.0 * weights as f64 * tokens_per_second / 1e12;
    let peak = std::env::var("PEAK_TFLOPS").map_or(989.0, |text| text.parse().unwrap());
    println!(
        "{}",
        serde_json::json!({
            "bench": "finetune_gpu", "device": engine.to_string(), "seconds": median,
            "tokens_per_second": tokens_per_second, "peak_bytes": free.saturating_sub(least),
            "useful_tflops": useful, "utilisation": useful / peak
        })
    );
}
