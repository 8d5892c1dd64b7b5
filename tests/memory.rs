//! The memory that a step of training is expected to take beside what it takes, counted by the allocator.

#![allow(clippy::unwrap_used, reason = "test code: what cannot be made must fail the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tiebreak::architectures::AdapterSlot::{AttentionOutput, Down, Gate, Key, Query, Up, Value};
use tiebreak::checkpoint::{BaseNumbers, Checkpoint, Head, HeadChoice, load_head};
use tiebreak::compute::{AdapterSettings, BatchShape, Engine, Memory, Model, PaddedBatch, Planned};
use tiebreak::finetune::{
    AdamWSettings, Decay, Loss, Method, Schedule, Targets, Trainer, TrainerSettings, TrainingBatch,
};

/// The allocator of the system, which knows how much it has given and the most that this was.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe; it passes everything on")]
// SAFETY: every call goes to the allocator of the system as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), SeqCst) + layout.size();
        MOST.fetch_max(held, SeqCst);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), SeqCst);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CLASSES: usize = 3;
/// Steps have two batches, and moments exist from the second one on.
const STEPS: usize = 2;

/// What is trained, in which numbers, with what kept.
#[derive(Clone, Copy, Debug)]
struct How {
    whole: bool,
    /// Of adapters.
    rank: usize,
    dropout: f64,
    base: BaseNumbers,
    memory: Memory,
}

fn adapters(how: How) -> AdapterSettings {
    let slots = vec![Query, Key, Value, AttentionOutput, Gate, Up, Down];
    AdapterSettings { rank: how.rank, alpha: 8.0, dropout: how.dropout, slots, seed: 1 }
}

fn batch(texts: usize, length: usize, vocabulary: usize) -> TrainingBatch {
    let token = |place: usize| u32::try_from(place * 7919 % vocabulary).unwrap();
    let (ids, segments): (Vec<u32>, Vec<u32>) = ((0..length).map(token).collect(), vec![0; length]);
    let texts: Vec<(&[u32], &[u32])> = vec![(&ids, &segments); texts];
    let probabilities = [1.0, 0.0, 0.0].repeat(texts.len());
    let targets = Targets::new(CLASSES, probabilities, vec![1.0; texts.len()]).unwrap();
    TrainingBatch { texts: PaddedBatch::new(&texts, false).unwrap(), targets }
}

fn trainer(engine: Engine, checkpoint: &Checkpoint, how: How, head: &Head) -> Trainer {
    let mut model = Model::load_on(engine, how.base, (&checkpoint.config, &checkpoint.weights)).unwrap();
    let method = if how.whole { Method::Full } else { Method::Adapters(adapters(how)) };
    method.prepare(&mut model, head, true).unwrap();
    let settings = TrainerSettings {
        loss: Loss::CrossEntropy { label_smoothing: 0.0 },
        optimizer: AdamWSettings::default(),
        schedule: Schedule { warmup_steps: 0, total_steps: 10, decay: Decay::Constant },
        clip_norm: Some(1.0),
        memory: how.memory,
        seed: 0,
    };
    Trainer::new(model, settings).unwrap()
}

/// Bytes that a state takes while it is written and while it is read, and those of the largest tensor and of all.
fn taken_by_a_state(folder: &Path, how: How) -> [usize; 4] {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let choice = HeadChoice::Fresh { outputs: CLASSES, seed: 1, pooling: None };
    let head = load_head(&checkpoint, &choice, None).unwrap().head;
    let mut trainer = trainer(Engine::PROCESSOR, &checkpoint, how, &head);
    let batches = vec![batch(2, 8, checkpoint.config.vocabulary_size())];
    trainer.step(&batches).unwrap();
    let parameters = trainer.model().parameters();
    let sizes = parameters.trainable().map(|info| parameters.bytes(&info.parameter.name).unwrap());
    let sizes: Vec<usize> = sizes.collect();
    let target = tempfile::tempdir().unwrap();
    let path = target.path().join("state");
    let most = |work: &mut dyn FnMut()| {
        let before = HELD.load(SeqCst);
        MOST.store(before, SeqCst);
        work();
        MOST.load(SeqCst) - before
    };
    let written = most(&mut || trainer.save(&path, "").unwrap());
    let read = most(&mut || assert_eq!(trainer.restore(&path).unwrap(), ""));
    [written, read, sizes.iter().copied().max().unwrap_or(0), 3 * sizes.iter().sum::<usize>()]
}

/// Bytes that training takes beside what was there before: as estimated, and as the allocator saw it.
fn estimated_and_taken(
    folder: &Path,
    how: How,
    (engine, on_gpu): (Engine, bool),
    (texts, length): (usize, usize),
) -> [usize; 2] {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let choice = HeadChoice::Fresh { outputs: CLASSES, seed: 1, pooling: None };
    let head: Head = load_head(&checkpoint, &choice, None).unwrap().head;
    let adapters = adapters(how);
    let planned = Planned {
        config: &checkpoint.config,
        head: &head,
        adapters: (!how.whole).then_some(&adapters),
        whole: how.whole,
        base: how.base,
        memory: how.memory,
        on_gpu,
    };
    let [weights, trained] = planned.parameters();
    let step = planned.step(BatchShape { texts, tokens: texts * length, longest: length });
    let batches = vec![batch(texts, length, checkpoint.config.vocabulary_size()); 2];
    let before = HELD.load(SeqCst);
    let mut trainer = trainer(engine, &checkpoint, how, &head);
    let parameters = trainer.model().parameters();
    let of = |name: &String| parameters.bytes(name).unwrap();
    let held = parameters.iter().map(|info| of(&info.parameter.name)).sum::<usize>();
    // Where the tensors are, zero points of 4 bits have a byte each.
    assert!(weights == held || on_gpu && held < weights * 21 / 20, "{weights} {held}");
    assert_eq!(trained, parameters.trainable().map(|info| of(&info.parameter.name)).sum::<usize>());
    MOST.store(HELD.load(SeqCst), SeqCst);
    for _ in 0..STEPS {
        trainer.step(&batches).unwrap();
    }
    [weights + 3 * trained + step, MOST.load(SeqCst) - before]
}

#[test]
fn the_estimate_is_near_what_the_allocator_gives_in_every_family_and_way() {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints");
    // The first step brings threads and what they keep.
    let how = How { whole: true, rank: 4, dropout: 0.0, base: BaseNumbers::F32, memory: Memory::Everything };
    estimated_and_taken(&root.join("bert-base"), how, (Engine::PROCESSOR, false), (96, 30));
    let mut wrong = Vec::new();
    let mut look = |folder: &Path, (engine, on_gpu): (Engine, bool), form: (usize, usize)| {
        // Tensors are composed of more, and not all of it is there at once.
        let range = if on_gpu { 0.78..1.12 } else { 0.8..1.02 };
        for memory in [Memory::Everything, Memory::LayerInputs] {
            for (whole, dropout, base) in [
                (false, 0.0, BaseNumbers::F32),
                (false, 0.1, BaseNumbers::F32),
                (false, 0.0, BaseNumbers::Int8),
                (true, 0.0, BaseNumbers::F32),
            ] {
                let how = How { whole, rank: 4, dropout, base, memory };
                let [estimated, taken] = estimated_and_taken(folder, how, (engine.clone(), on_gpu), form);
                let share = estimated as f64 / taken as f64;
                let said = format!(
                    "{} {how:?}, on tensors {on_gpu}: {share:.3}, {estimated} estimated, {taken} taken",
                    folder.file_name().unwrap().display()
                );
                println!("{said}");
                if !range.contains(&share) {
                    wrong.push(said);
                }
            }
        }
    };
    for name in [
        "bert-base",
        "roberta-classifier",
        "deberta-v2-reward",
        "deberta-v3-classifier",
        "modernbert-classifier",
        "llama-classifier",
        "qwen3-reward",
        "gemma2-classifier",
        "gemma3-classifier",
    ] {
        look(&root.join(name), (Engine::PROCESSOR, false), (48, 30));
        look(&root.join(name), (Engine::double_of_gpu(), true), (48, 30));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Here, because what a second test takes would be counted, too. Large adapters beside a tiny model: what is not a tensor
    // counts for nothing beside them.
    let how = How { whole: false, rank: 2000, ..how };
    let [written, read, largest, all] = taken_by_a_state(&root.join("llama-classifier"), how);
    println!(
        "a state of {all} bytes: {written} to write it, {read} to read it, {largest} the largest tensor"
    );
    let beside = 400_000;
    assert!(all > 10 * (largest + beside), "{largest} {all}");
    assert!(written < largest + beside && read < beside, "{written} {read} {largest} {all}");
}
