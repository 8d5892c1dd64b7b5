//! What the benchmarks of a `LoRA` step share.

use tiebreak::checkpoint::{Checkpoint, HeadChoice, load_head};
use tiebreak::compute::{AdapterSettings, Memory, Model, PaddedBatch};
use tiebreak::finetune::{
    AdamWSettings, Decay, Loss, Method, Schedule, Targets, Trainer, TrainerSettings, TrainingBatch,
};

const CLASSES: usize = 3;

/// Trains these adapters and a fresh head of a model, with its bias or without.
pub(crate) fn trainer(
    (checkpoint, mut model): (&Checkpoint, Model),
    adapters: AdapterSettings,
    head_bias: bool,
    memory: Memory,
) -> Trainer {
    let head = HeadChoice::Fresh { outputs: CLASSES, seed: 1, pooling: None };
    let head = load_head(checkpoint, &head, None).unwrap().head;
    Method::Adapters(adapters).prepare(&mut model, &head, head_bias).unwrap();
    let settings = TrainerSettings {
        loss: Loss::CrossEntropy { label_smoothing: 0.0 },
        optimizer: AdamWSettings::default(),
        schedule: Schedule { warmup_steps: 0, total_steps: 10, decay: Decay::Constant },
        clip_norm: Some(1.0),
        memory,
        seed: 0,
    };
    Trainer::new(model, settings).unwrap()
}

/// Texts of one length, `first` being the number of the first of all that are trained on: verdicts take turns.
pub(crate) fn batch(texts: &[Vec<u32>], first: usize) -> TrainingBatch {
    let segments = vec![0; texts.first().map_or(0, Vec::len)];
    let mut probabilities = vec![0.0; texts.len() * CLASSES];
    (0..texts.len()).for_each(|row| probabilities[row * CLASSES + (first + row) % CLASSES] = 1.0);
    let targets = Targets::new(CLASSES, probabilities, vec![1.0; texts.len()]).unwrap();
    let texts: Vec<(&[u32], &[u32])> = texts.iter().map(|ids| (&ids[..], &segments[..])).collect();
    TrainingBatch { texts: PaddedBatch::new(&texts, false).unwrap(), targets }
}
