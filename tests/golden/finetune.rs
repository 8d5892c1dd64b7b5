//! Training against transformers and torch; `finetune.py` printed the losses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tiebreak::checkpoint::{BaseNumbers, Checkpoint, HeadChoice, load_head};
use tiebreak::compute::{AdapterSettings, Engine, Memory, Model, PaddedBatch, adapter_names};
use tiebreak::finetune::{
    AdamWSettings, Decay, Loss, Method, Schedule, StepReport, Targets, Trainer, TrainerSettings,
    TrainingBatch,
};

/// The largest difference of a loss.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
pub(crate) struct Golden {
    settings: Settings,
    steps: BTreeMap<String, Vec<Step>>,
    pub(crate) cases: Vec<Case>,
    pub(crate) narrow: Vec<Case>,
}

#[derive(Deserialize)]
struct Settings {
    rank: usize,
    alpha: f64,
    label_smoothing: f64,
    learning_rate: f64,
    head_learning_rate: f64,
    weight_decay: f64,
    clip_norm: f64,
    warmup_steps: u64,
    total_steps: u64,
    eta: f64,
}

#[derive(Deserialize)]
struct Step {
    input_ids: Vec<Vec<u32>>,
    targets: Vec<Vec<f64>>,
    weights: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) checkpoint: String,
    pub(crate) method: String,
    #[serde(default)]
    pub(crate) base: BaseNumbers,
    pub(crate) adapted: Vec<String>,
    pub(crate) losses: Vec<f64>,
    pub(crate) norms: Vec<f64>,
}

impl Case {
    fn is_reward(&self) -> bool {
        self.checkpoint.ends_with("-reward")
    }
}

pub(crate) fn golden() -> Golden {
    serde_json::from_str(include_str!("finetune.json")).unwrap()
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

/// The first A of an adapter, the same in finetune.py.
pub(crate) fn start(count: usize, number: usize) -> Vec<f32> {
    (0..count)
        .map(|n| ((((n + 3) * (number + 11) * 7919) % 1013) as f64 / 506.0 - 1.0) * 0.2)
        .map(|v| v as f32)
        .collect()
}

impl Golden {
    pub(crate) fn adapters(&self) -> AdapterSettings {
        use tiebreak::architectures::AdapterSlot::*;
        let slots = vec![Query, Key, Value, AttentionOutput, Gate, Up, Down];
        AdapterSettings { rank: self.settings.rank, alpha: self.settings.alpha, dropout: 0.0, slots, seed: 1 }
    }

    /// A reward is trained on pairs, everything else on rows.
    pub(crate) fn loss(&self, case: &Case, label_smoothing: f64) -> Loss {
        if case.is_reward() {
            return Loss::RaoKupper { eta: self.settings.eta };
        }
        Loss::CrossEntropy { label_smoothing }
    }

    /// Nothing trained yet.
    pub(crate) fn trainer(&self, case: &Case, memory: Memory) -> Trainer {
        self.trainer_with(Engine::PROCESSOR, case, memory, self.adapters())
    }

    /// The same on another engine, with other adapters.
    pub(crate) fn trainer_with(
        &self,
        engine: Engine,
        case: &Case,
        memory: Memory,
        adapters: AdapterSettings,
    ) -> Trainer {
        let checkpoint = Checkpoint::open(&fixture(&case.checkpoint)).unwrap();
        let source = (&checkpoint.config, &checkpoint.weights);
        let mut model = Model::load_on(engine, case.base, source).unwrap();
        let head = load_head(&checkpoint, &HeadChoice::Own, None).unwrap().head;
        let method = match case.method.as_str() {
            "adapters" => Method::Adapters(adapters),
            "full" => Method::Full,
            _ => Method::Head,
        };
        method.prepare(&mut model, &head, !checkpoint.config.family().is_decoder()).unwrap();
        for (number, name) in case.adapted.iter().enumerate() {
            let own = model.linear_maps().into_iter().find(|linear| name.ends_with(&linear.name)).unwrap();
            let [down, _] = adapter_names(&own.name);
            let values = start(self.settings.rank * own.inputs, number);
            model.parameters_mut().change(&down, |numbers| numbers.copy_from_slice(&values)).unwrap();
        }
        Trainer::new(model, self.settings_of(case, memory)).unwrap()
    }

    pub(crate) fn settings_of(&self, case: &Case, memory: Memory) -> TrainerSettings {
        let s = &self.settings;
        let optimizer = AdamWSettings {
            learning_rate: s.learning_rate,
            head_learning_rate: s.head_learning_rate,
            weight_decay: s.weight_decay,
            ..AdamWSettings::default()
        };
        let decay = Decay::Cosine;
        let schedule = Schedule { warmup_steps: s.warmup_steps, total_steps: s.total_steps, decay };
        let loss = self.loss(case, s.label_smoothing);
        let clip_norm = Some(s.clip_norm);
        TrainerSettings { loss, optimizer, schedule, clip_norm, memory, seed: 3 }
    }

    /// The examples of a step in batches of these numbers of them; of a reward an example is two texts.
    pub(crate) fn batches(&self, case: &Case, step: usize, sizes: &[usize]) -> Vec<TrainingBatch> {
        let step = &self.steps[&case.checkpoint][step];
        let texts_each = if case.is_reward() { 2 } else { 1 };
        let mut start = 0;
        let batch = |&size: &usize| {
            let rows = start..start + size;
            let texts = texts_each * start..texts_each * (start + size);
            start += size;
            let segments: Vec<Vec<u32>> =
                step.input_ids[texts.clone()].iter().map(|ids| vec![0; ids.len()]).collect();
            let texts: Vec<(&[u32], &[u32])> =
                step.input_ids[texts].iter().zip(&segments).map(|(a, b)| (&a[..], &b[..])).collect();
            let targets = &step.targets[rows.clone()];
            let (classes, weights) = (targets[0].len(), step.weights[rows].to_vec());
            TrainingBatch {
                texts: PaddedBatch::new(&texts, false).unwrap(),
                targets: Targets::new(classes, targets.concat(), weights).unwrap(),
            }
        };
        sizes.iter().map(batch).collect()
    }

    pub(crate) fn run(
        &self,
        case: &Case,
        trainer: &mut Trainer,
        steps: std::ops::Range<usize>,
        sizes: &[usize],
    ) -> Vec<StepReport> {
        steps.map(|step| trainer.step(&self.batches(case, step, sizes)).unwrap()).collect()
    }
}

#[test]
fn the_losses_of_ten_steps_are_those_of_torch() {
    let golden = golden();
    for case in &golden.cases {
        let mut trainer = golden.trainer(case, Memory::Everything);
        let reports = golden.run(case, &mut trainer, 0..10, &[6]);
        let worst = reports
            .iter()
            .zip(&case.losses)
            .map(|(report, loss)| (report.loss - loss).abs())
            .fold(0.0, f64::max);
        let norm = reports
            .iter()
            .zip(&case.norms)
            .map(|(r, norm)| (r.gradient_norm / norm - 1.0).abs())
            .fold(0.0, f64::max);
        println!("{} {}: {worst:.1e}, norms {norm:.1e}", case.checkpoint, case.method);
        assert!(worst < TOLERANCE, "{} {}: {worst:e}", case.checkpoint, case.method);
        assert!(norm < 1e-4, "{} {}: {norm:e}", case.checkpoint, case.method);
    }
}

#[test]
fn small_batches_and_layers_that_are_computed_twice_give_the_same_training() {
    let golden = golden();
    for case in golden.cases.iter().filter(|case| case.method != "head") {
        let mut trainer = golden.trainer(case, Memory::LayerInputs);
        let reports = golden.run(case, &mut trainer, 0..10, &[1, 3, 2]);
        let worst = reports
            .iter()
            .zip(&case.losses)
            .map(|(report, loss)| (report.loss - loss).abs())
            .fold(0.0, f64::max);
        println!("{} {}: {worst:.1e}", case.checkpoint, case.method);
        assert!(worst < TOLERANCE, "{} {}: {worst:e}", case.checkpoint, case.method);
    }
}

#[test]
fn every_tensor_that_is_trained_gets_a_gradient_and_no_other() {
    let golden = golden();
    for case in &golden.cases {
        let trainer = golden.trainer(case, Memory::Everything);
        let batch = &golden.batches(case, 0, &[6])[0];
        let loss = golden.loss(case, 0.0);
        for memory in [Memory::Everything, Memory::LayerInputs] {
            let back = |outputs: &[f32]| {
                Ok::<_, tiebreak::finetune::FinetuneError>(loss.of(outputs, &batch.targets, 1.0)?.gradient)
            };
            let gradients = trainer.model().gradients(&batch.texts, (memory, None), back).unwrap();
            let trained: Vec<&String> =
                trainer.model().parameters().trainable().map(|info| &info.parameter.name).collect();
            assert_eq!(gradients.keys().collect::<Vec<_>>(), trained, "{} {}", case.checkpoint, case.method);
        }
    }
}

#[test]
fn a_training_that_was_interrupted_goes_on_with_the_same_bits() {
    let golden = golden();
    let folder = tempfile::tempdir().unwrap();
    for case in golden
        .cases
        .iter()
        .filter(|case| ["bert-classifier", "gemma2-classifier"].contains(&&*case.checkpoint))
    {
        let [half, whole, resumed] = ["half", "whole", "resumed"].map(|name| folder.path().join(name));
        let mut unbroken = golden.trainer(case, Memory::Everything);
        golden.run(case, &mut unbroken, 0..10, &[4, 2]);
        unbroken.save(&whole, "step 10").unwrap();

        let mut first = golden.trainer(case, Memory::Everything);
        golden.run(case, &mut first, 0..4, &[4, 2]);
        first.save(&half, "step 4").unwrap();
        drop(first);
        let mut second = golden.trainer(case, Memory::Everything);
        assert_eq!(second.restore(&half).unwrap(), "step 4");
        golden.run(case, &mut second, 4..10, &[4, 2]);
        second.save(&resumed, "step 10").unwrap();
        assert!(std::fs::read(&whole).unwrap() == std::fs::read(&resumed).unwrap(), "{}", case.checkpoint);
    }
}

/// With as much dropout as shows.
fn dropping(golden: &Golden, case: &Case, memory: Memory) -> Trainer {
    let adapters = AdapterSettings { dropout: 0.3, ..golden.adapters() };
    golden.trainer_with(Engine::PROCESSOR, case, memory, adapters)
}

#[test]
fn dropout_does_not_know_batches_nor_how_often_a_layer_is_computed() {
    let golden = golden();
    for case in golden.cases.iter().filter(|case| case.method == "adapters") {
        let run = |memory, sizes: &[usize]| {
            let mut trainer = dropping(&golden, case, memory);
            golden.run(case, &mut trainer, 0..4, sizes).iter().map(|report| report.loss).collect::<Vec<_>>()
        };
        let [whole, parts] = [run(Memory::Everything, &[6]), run(Memory::LayerInputs, &[1, 3, 2])];
        let worst = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < TOLERANCE, "{}: {worst:e}", case.checkpoint);
        // The first B is 0, so that what is left out in front of A shows from the second step on.
        let shown = whole[1..].iter().zip(&case.losses[1..]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(shown > 1e-4, "{}: {shown:e}", case.checkpoint);
        let mut trainer = dropping(&golden, case, Memory::Everything);
        let batch = &golden.batches(case, 0, &[6])[0].texts;
        let before = trainer.model().logits(batch).unwrap();
        // The learning rate of the first step is 0.
        golden.run(case, &mut trainer, 0..2, &[6]);
        assert_ne!(trainer.model().logits(batch).unwrap(), before);
        assert_eq!(trainer.model().logits(batch).unwrap(), trainer.model().logits(batch).unwrap());
    }
}

#[test]
fn dropout_goes_on_with_the_same_bits_and_belongs_to_the_state() {
    let golden = golden();
    let folder = tempfile::tempdir().unwrap();
    let case = golden.cases.iter().find(|case| case.method == "adapters").unwrap();
    let [half, whole, resumed] = ["half", "whole", "resumed"].map(|name| folder.path().join(name));
    let mut unbroken = dropping(&golden, case, Memory::Everything);
    golden.run(case, &mut unbroken, 0..8, &[4, 2]);
    unbroken.save(&whole, "").unwrap();
    let mut first = dropping(&golden, case, Memory::Everything);
    golden.run(case, &mut first, 0..3, &[4, 2]);
    first.save(&half, "").unwrap();
    let mut second = dropping(&golden, case, Memory::Everything);
    second.restore(&half).unwrap();
    golden.run(case, &mut second, 3..8, &[4, 2]);
    second.save(&resumed, "").unwrap();
    assert!(std::fs::read(&whole).unwrap() == std::fs::read(&resumed).unwrap());
    let error = golden.trainer(case, Memory::Everything).restore(&half).unwrap_err().to_string();
    assert!(error.contains("other settings"), "{error}");
}

#[test]
fn the_state_of_another_training_is_refused() {
    let golden = golden();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let case = |method: &str| golden.cases.iter().find(|case| case.method == method).unwrap();
    golden.trainer(case("head"), Memory::Everything).save(&path, "").unwrap();
    let error = golden.trainer(case("adapters"), Memory::Everything).restore(&path).unwrap_err().to_string();
    assert!(error.contains("it is the state of another training"), "{error}");
    let error = golden.trainer(case("head"), Memory::LayerInputs).restore(&path).unwrap_err().to_string();
    assert!(error.contains("other settings"), "{error}");
    std::fs::write(&path, b"damaged").unwrap();
    assert!(golden.trainer(case("head"), Memory::Everything).restore(&path).is_err());
}

#[test]
fn a_loss_that_is_not_a_number_stops_with_its_step_and_changes_nothing() {
    let golden = golden();
    let case = &golden.cases[0];
    let mut trainer = golden.trainer(case, Memory::Everything);
    golden.run(case, &mut trainer, 0..2, &[6]);
    let mut broken = golden.trainer(case, Memory::Everything).into_model();
    broken.parameters_mut().change("encoder.layer.0.output.dense.bias", |bias| bias[0] = f32::NAN).unwrap();
    let settings = TrainerSettings {
        loss: Loss::CrossEntropy { label_smoothing: 0.0 },
        optimizer: AdamWSettings::default(),
        schedule: Schedule { warmup_steps: 0, total_steps: 1, decay: Decay::Constant },
        clip_norm: None,
        memory: Memory::Everything,
        seed: 0,
    };
    let mut trainer = Trainer::new(broken, settings).unwrap();
    let before = trainer.model().head().unwrap();
    let error = trainer.step(&golden.batches(case, 0, &[6])).unwrap_err().to_string();
    assert!(error.starts_with("step 1: the loss is NaN"), "{error}");
    assert_eq!(trainer.model().head().unwrap(), before);
    assert_eq!(trainer.steps(), 0);
}
