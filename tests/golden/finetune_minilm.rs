//! Training of the real `MiniLM`; `finetune_minilm.py` printed the losses. `TIEBREAK_MINILM` names its folder, as for
//! `checkpoints_minilm.rs`.

use std::path::Path;

use serde::Deserialize;
use tiebreak::architectures::AdapterSlot;
use tiebreak::checkpoint::{BaseNumbers, Checkpoint, Dense, Head, HeadActivation, Pooling};
use tiebreak::compute::{AdapterSettings, Engine, Memory, Model, PaddedBatch, adapter_names};
use tiebreak::finetune::{
    AdamWSettings, Decay, Loss, Method, Schedule, Targets, Trainer, TrainerSettings, TrainingBatch,
};

use super::finetune::start;

const ROWS: usize = 8;
const WIDTH: usize = 384;
const CLASSES: usize = 3;

#[derive(Deserialize)]
struct Golden {
    losses: Vec<f64>,
}

/// The same as in `finetune_minilm.py`.
fn tokens(row: usize) -> Vec<u32> {
    let inner = (0..20 + row * 13 % 41).map(|place| (1000 + (row * 7919 + place * 104_729) % 28_000) as u32);
    std::iter::once(101).chain(inner).chain([102]).collect()
}

fn trainer(engine: Engine, memory: Memory) -> Trainer {
    let folder = std::env::var_os("TIEBREAK_MINILM").expect("`make test` sets TIEBREAK_MINILM");
    let checkpoint = Checkpoint::open(Path::new(&folder)).unwrap();
    let source = (&checkpoint.config, &checkpoint.weights);
    let mut model = Model::load_on(engine, BaseNumbers::F32, source).unwrap();
    let weight = start(CLASSES * WIDTH, 50).into_iter().map(|value| 0.2 * value).collect();
    let layer = Dense { inputs: WIDTH, weight, bias: vec![0.0; CLASSES], activation: HeadActivation::Linear };
    let head = Head { pooling: Pooling::Mean, width: WIDTH, layers: vec![layer], softcap: None };
    let slots = vec![AdapterSlot::Query, AdapterSlot::Value];
    let adapters = AdapterSettings { rank: 8, alpha: 16.0, dropout: 0.0, slots, seed: 1 };
    Method::Adapters(adapters).prepare(&mut model, &head, true).unwrap();
    for layer in 0..6 {
        for (place, part) in ["query", "value"].into_iter().enumerate() {
            let [down, _] = adapter_names(&format!("encoder.layer.{layer}.attention.self.{part}"));
            let values = start(8 * WIDTH, 2 * layer + place);
            model.parameters_mut().change(&down, |numbers| numbers.copy_from_slice(&values)).unwrap();
        }
    }
    let rate = 1e-3;
    let settings = TrainerSettings {
        loss: Loss::CrossEntropy { label_smoothing: 0.0 },
        optimizer: AdamWSettings {
            learning_rate: rate,
            head_learning_rate: rate,
            ..AdamWSettings::default()
        },
        schedule: Schedule { warmup_steps: 0, total_steps: 10, decay: Decay::Constant },
        clip_norm: None,
        memory,
        seed: 0,
    };
    Trainer::new(model, settings).unwrap()
}

fn batch(step: usize) -> TrainingBatch {
    let rows: Vec<Vec<u32>> = (0..ROWS).map(|row| tokens(step * ROWS + row)).collect();
    let segments: Vec<Vec<u32>> = rows.iter().map(|ids| vec![0; ids.len()]).collect();
    let texts: Vec<(&[u32], &[u32])> = rows.iter().zip(&segments).map(|(a, b)| (&a[..], &b[..])).collect();
    let mut probabilities = vec![0.0; ROWS * CLASSES];
    for row in 0..ROWS {
        probabilities[row * CLASSES + (step * ROWS + row) % CLASSES] = 1.0;
    }
    let targets = Targets::new(CLASSES, probabilities, vec![1.0; ROWS]).unwrap();
    TrainingBatch { texts: PaddedBatch::new(&texts, false).unwrap(), targets }
}

/// The largest difference of ten losses from those of torch.
fn apart(engine: Engine, memory: Memory) -> f64 {
    let golden: Golden = serde_json::from_str(include_str!("finetune_minilm.json")).unwrap();
    let mut trainer = trainer(engine, memory);
    let losses: Vec<f64> = (0..10).map(|step| trainer.step(&[batch(step)]).unwrap().loss).collect();
    losses.iter().zip(&golden.losses).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn ten_losses_of_the_real_minilm_are_those_of_torch() {
    for memory in [Memory::Everything, Memory::LayerInputs] {
        let worst = apart(Engine::PROCESSOR, memory);
        println!("{memory:?}: {worst:.1e}");
        assert!(worst < 1e-5, "{memory:?}: {worst:e}");
    }
}

#[test]
fn ten_losses_of_the_real_minilm_by_the_steps_of_a_gpu_are_those_of_torch() {
    let worst = apart(Engine::double_of_gpu(), Memory::LayerInputs);
    println!("{worst:.1e}");
    assert!(worst < 1e-5, "{worst:e}");
}

/// On a machine with a GPU: `make test-cuda`.
#[cfg(feature = "cuda-training")]
#[test]
fn ten_losses_of_the_real_minilm_on_a_gpu_are_those_of_torch() {
    let engine = match Engine::cuda(0) {
        Ok(engine) => engine,
        Err(error) => return println!("SKIPPED, nothing was computed on a GPU: {error}"),
    };
    for memory in [Memory::Everything, Memory::LayerInputs] {
        let worst = apart(engine.clone(), memory);
        println!("{memory:?} on {engine}: {worst:.1e}");
        assert!(worst < 1e-4, "{memory:?}: {worst:e}");
    }
}
