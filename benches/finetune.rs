//! Seconds per step of `LoRA` on every linear map of `MiniLM`, 16 texts of 128 tokens, beside `peers/finetune_torch.py`;
//! `layers` as argument computes layers twice instead of keeping what is inside them; `bf16`, `int8` or `int4` keeps the
//! base in these numbers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop and print"
)]

mod lora;

use std::path::Path;
use std::time::Instant;

use tiebreak::architectures::AdapterSlot::{AttentionOutput, Down, Key, Query, Up, Value};
use tiebreak::checkpoint::{BaseNumbers, Checkpoint};
use tiebreak::compute::{AdapterSettings, Memory, Model};
use tiebreak::finetune::{Trainer, TrainingBatch};

const ROWS: usize = 16;
const LENGTH: usize = 128;
const STEPS: usize = 6;

fn trainer(memory: Memory, base: BaseNumbers) -> Trainer {
    let folder = std::env::var_os("TIEBREAK_MINILM").expect("TIEBREAK_MINILM names the folder of MiniLM");
    let checkpoint = Checkpoint::open(Path::new(&folder)).unwrap();
    let model = Model::load_in(base, &checkpoint.config, &checkpoint.weights).unwrap();
    let slots = vec![Query, Key, Value, AttentionOutput, Up, Down];
    let adapters = AdapterSettings { rank: 8, alpha: 16.0, dropout: 0.0, slots, seed: 1 };
    lora::trainer((&checkpoint, model), adapters, true, memory)
}

/// The tokens of the peer.
fn batch(step: usize) -> TrainingBatch {
    let row = |row: usize| -> Vec<u32> {
        let token = |place: usize| u32::try_from(1000 + (row * 7919 + place * 104_729) % 28_000);
        (0..LENGTH).map(|place| token(place).unwrap()).collect()
    };
    let rows: Vec<Vec<u32>> = (0..ROWS).map(|index| row(step * ROWS + index)).collect();
    lora::batch(&rows, step * ROWS)
}

fn main() {
    let layers = std::env::args().any(|argument| argument == "layers");
    let base = std::env::args().find_map(|argument| BaseNumbers::of_name(&argument)).unwrap_or_default();
    let mut trainer = trainer(if layers { Memory::LayerInputs } else { Memory::Everything }, base);
    let mut seconds = Vec::new();
    for step in 0..STEPS {
        let batch = batch(step);
        let started = Instant::now();
        trainer.step(&[batch]).unwrap();
        seconds.push(started.elapsed().as_secs_f64());
    }
    // The first step brings threads and memory.
    let steps = &mut seconds[1..];
    steps.sort_by(f64::total_cmp);
    println!(
        "{}",
        serde_json::json!({ "bench": "finetune", "seconds": steps[steps.len() / 2], "fastest": steps[0] })
    );
}
