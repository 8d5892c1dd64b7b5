//! Imported graphs and the candle reference against transformers; `checkpoints.py`, `families.py` and
//! `adapters.py` made the checkpoints and printed the numbers. `checkpoints_check.py` runs `onnx.checker` over the same graphs.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Shape, TensorRef};
use serde::Deserialize;
use tempfile::TempDir;
use tiebreak::architectures::States;
use tiebreak::checkpoint::OutputMeaning::{A, B, BothBad, Score, Tie};
use tiebreak::checkpoint::{
    Checkpoint, Element, GraphKind, HeadChoice, LoadedHead, ModelCard, Pooling, load_head,
};
use tiebreak::compute::{Model, PaddedBatch};
use tiebreak::onnx::find_library;
use tiebreak::onnx::graph::{ImportOptions, ImportReport, WeightStorage, import};

/// How far a graph may be from transformers, and how far the reference.
const GRAPH_TOLERANCE: f32 = 2e-5;
const REFERENCE_TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    verdict_tokens: Vec<u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    checkpoint: String,
    /// The adapter that is put on it.
    #[serde(default)]
    adapter: Option<String>,
    kind: Kind,
    input_ids: Vec<Vec<u32>>,
    token_type_ids: Vec<Vec<u32>>,
    right: Vec<Vec<f32>>,
    /// Of the same rows, padded on the left; absent where the place that is pooled is then padding.
    left: Option<Vec<Vec<f32>>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Classifier,
    Mean,
    Causal,
}

fn golden() -> Golden {
    let read = |text: &str| -> Golden { serde_json::from_str(text).unwrap() };
    let mut golden = read(include_str!("checkpoints.json"));
    golden.cases.extend(read(include_str!("families.json")).cases);
    golden.cases.extend(read(include_str!("adapters.json")).cases);
    golden
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(file!()).parent().unwrap().join("../fixtures/checkpoints").join(name)
}

pub(crate) fn adapter_fixture(name: &str) -> PathBuf {
    Path::new(file!()).parent().unwrap().join("../fixtures/adapters").join(name)
}

impl Case {
    fn choice(&self, verdict_tokens: &[u32]) -> HeadChoice {
        match self.kind {
            Kind::Classifier => HeadChoice::Own,
            Kind::Causal => HeadChoice::Verdicts { tokens: verdict_tokens.to_vec() },
            Kind::Mean => HeadChoice::Fresh { outputs: 3, seed: 1, pooling: None },
        }
    }

    fn batch(&self, pad_left: bool) -> PaddedBatch {
        let texts: Vec<(&[u32], &[u32])> = self
            .input_ids
            .iter()
            .zip(&self.token_type_ids)
            .map(|(ids, types)| (&ids[..], &types[..]))
            .collect();
        PaddedBatch::new(&texts, pad_left).unwrap()
    }

    /// What transformers gave; `None` where it was not asked.
    fn expected(&self, pad_left: bool) -> Option<&[Vec<f32>]> {
        if pad_left { self.left.as_deref() } else { Some(&self.right) }
    }

    fn open(&self) -> Checkpoint {
        let base = fixture(&self.checkpoint);
        match &self.adapter {
            Some(adapter) => Checkpoint::open_adapter(&adapter_fixture(adapter), &base).unwrap(),
            None => Checkpoint::open(&base).unwrap(),
        }
    }

    fn is_decoder(&self) -> bool {
        self.open().config.family().is_decoder()
    }

    fn name(&self) -> &str {
        self.adapter.as_deref().unwrap_or(&self.checkpoint)
    }

    /// The logits of every row, from states [rows, length, width] of a padded batch.
    fn logits(&self, head: &LoadedHead, states: &[f32], batch: &PaddedBatch) -> Vec<Vec<f32>> {
        let rows = states.chunks_exact(states.len() / batch.rows);
        rows.zip(batch.valid.chunks_exact(batch.length))
            .map(|(row, valid)| {
                let first = valid.iter().position(|&valid| valid).unwrap();
                let length = valid.iter().filter(|&&valid| valid).count();
                if self.kind == Kind::Mean {
                    let pooled = head.head.pool(&row[first * head.head.width..], length);
                    return pooled.into_iter().map(|value| value as f32).collect();
                }
                // transformers pools the first place and calls it the first token, padding or not.
                let from_start = head.head.pooling == Pooling::First;
                let start = if from_start { 0 } else { first * head.head.width };
                head.head.logits(&row[start..], length)
            })
            .collect()
    }
}

pub(crate) fn largest_difference(found: &[Vec<f32>], expected: &[Vec<f32>]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let rows = found.iter().zip(expected);
    rows.flat_map(|(found, expected)| {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).map(|(a, b)| if a.is_nan() { f32::INFINITY } else { (a - b).abs() })
    })
    .fold(0.0, f32::max)
}

pub(crate) fn session(graph: &Path) -> Session {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    let environment =
        ENVIRONMENT.get_or_init(|| ort::init_from(find_library().unwrap()).unwrap().build().unwrap());
    let builder = Session::builder(environment).unwrap();
    builder.with_intra_threads(1).unwrap().with_flush_to_zero().unwrap().commit_from_file(graph).unwrap()
}

pub(crate) fn encoder_states(session: &mut Session, batch: &PaddedBatch) -> Vec<f32> {
    let shape = [batch.rows, batch.length];
    let ids: Vec<i32> = batch.ids.iter().map(|&id| i32::try_from(id).unwrap()).collect();
    let mask: Vec<i32> = batch.valid.iter().map(|&valid| i32::from(valid)).collect();
    let segments: Vec<i32> = batch.segments.iter().map(|&segment| i32::try_from(segment).unwrap()).collect();
    let tensor = |values| TensorRef::from_array_view((shape, values)).unwrap();
    let takes_segments = session.inputs().iter().any(|input| input.name() == "token_type_ids");
    let mut inputs = ort::inputs! {
        "input_ids" => tensor(&ids[..]),
        "attention_mask" => tensor(&mask[..]),
    };
    if takes_segments {
        inputs.push(("token_type_ids".into(), tensor(&segments[..]).into()));
    }
    let outputs = session.run(inputs).unwrap();
    outputs["hidden"].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

pub(crate) fn decoder_states(session: &mut Session, batch: &PaddedBatch) -> Vec<f32> {
    let ids: Vec<i64> = batch.ids.iter().map(|&id| i64::from(id)).collect();
    let last: Vec<i32> = batch.last_places().into_iter().map(|place| i32::try_from(place).unwrap()).collect();
    let longest = [i32::try_from(batch.length).unwrap()];
    let inputs = ort::inputs! {
        "input_ids" => TensorRef::from_array_view(([batch.rows, batch.length], &ids[..])).unwrap(),
        "seqlens_k" => TensorRef::from_array_view(([batch.rows], &last[..])).unwrap(),
        "total_sequence_length" => TensorRef::from_array_view((Shape::new([]), &longest[..])).unwrap(),
    };
    let outputs = session.run(inputs).unwrap();
    outputs["hidden"].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

fn imported(case: &Case, options: ImportOptions) -> (TempDir, ImportReport, LoadedHead) {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("model");
    let base = fixture(&case.checkpoint);
    let report = match &case.adapter {
        Some(adapter) => {
            let options = ImportOptions { base: Some(base), ..options };
            import(&adapter_fixture(adapter), &target, &options).unwrap()
        }
        None => import(&base, &target, &options).unwrap(),
    };
    let card = ModelCard::read(&target).unwrap();
    assert_eq!(card, report.card);
    card.verify(&target).unwrap();
    let head = LoadedHead { head: card.read_head(&target).unwrap().unwrap(), outputs: card.outputs };
    (root, report, head)
}

/// The logits of an imported model, its batch padded on the right or, for encoders, the left.
fn graph_logits(case: &Case, options: ImportOptions, pad_left: bool) -> Vec<Vec<f32>> {
    let (root, report, head) = imported(case, options);
    let mut session = session(&root.path().join("model/model.onnx"));
    let batch = case.batch(pad_left);
    match report.card.graph {
        GraphKind::Encoder => case.logits(&head, &encoder_states(&mut session, &batch), &batch),
        GraphKind::Decoder => {
            let states = decoder_states(&mut session, &batch);
            states.chunks_exact(head.head.width).map(|state| head.head.logits(state, 1)).collect()
        }
        other => panic!("{other:?} is not of this test"),
    }
}

fn options(case: &Case, storage: WeightStorage) -> ImportOptions {
    ImportOptions { head: case.choice(&golden().verdict_tokens), storage, ..ImportOptions::default() }
}

#[test]
fn the_graphs_give_the_logits_of_transformers() {
    for case in golden().cases {
        for storage in [WeightStorage::Packed, WeightStorage::Linked] {
            let right = graph_logits(&case, options(&case, storage), false);
            let worst = largest_difference(&right, &case.right);
            println!("{} {storage:?}, padded right: {worst:.1e}", case.name());
            assert!(worst < GRAPH_TOLERANCE, "{}: {worst:e}", case.name());
            let Some(expected) = case.expected(true) else { continue };
            // A decoder's graph pads on the right only; transformers, padded on the left, must agree with it.
            let left =
                if case.is_decoder() { right } else { graph_logits(&case, options(&case, storage), true) };
            let worst = largest_difference(&left, expected);
            println!("{} {storage:?}, transformers padded left: {worst:.1e}", case.name());
            assert!(worst < GRAPH_TOLERANCE, "{}: {worst:e}", case.name());
        }
    }
}

#[test]
fn the_reference_gives_the_logits_of_transformers_on_either_side() {
    let golden = golden();
    for case in &golden.cases {
        let checkpoint = case.open();
        let head = load_head(&checkpoint, &case.choice(&golden.verdict_tokens), None).unwrap();
        let model = Model::load(&checkpoint.config, &checkpoint.weights).unwrap();
        for pad_left in [false, true] {
            let Some(expected) = case.expected(pad_left) else { continue };
            let batch = case.batch(pad_left);
            let states = model.hidden_states(&batch, States::All).unwrap();
            let found = case.logits(&head, &states, &batch);
            let worst = largest_difference(&found, expected);
            println!("{}, padded left {pad_left}: {worst:.1e}", case.name());
            assert!(worst < REFERENCE_TOLERANCE, "{}: {worst:e}", case.name());
        }
    }
}

#[test]
fn the_last_states_of_the_reference_are_those_of_the_last_tokens() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.checkpoint == "gemma2-classifier").unwrap();
    let checkpoint = Checkpoint::open(&fixture(&case.checkpoint)).unwrap();
    let model = Model::load(&checkpoint.config, &checkpoint.weights).unwrap();
    let batch = case.batch(true);
    let all = model.hidden_states(&batch, States::All).unwrap();
    let width = checkpoint.config.width();
    let expected: Vec<Vec<f32>> = batch
        .last_places()
        .into_iter()
        .enumerate()
        .map(|(row, place)| all[(row * batch.length + place) * width..][..width].to_vec())
        .collect();
    let last = model.hidden_states(&batch, States::Last).unwrap();
    let last: Vec<Vec<f32>> = last.chunks_exact(width).map(<[f32]>::to_vec).collect();
    assert!(largest_difference(&last, &expected) < 1e-6);
}

#[test]
fn a_decoder_that_is_pooled_over_all_its_tokens_gives_all_its_states() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.checkpoint == "gemma2-classifier").unwrap();
    let head = HeadChoice::Fresh { outputs: 3, seed: 1, pooling: Some(Pooling::Mean) };
    let (root, report, head) = imported(case, ImportOptions { head, ..ImportOptions::default() });
    assert_eq!(report.card.graph, GraphKind::DecoderStates);
    let batch = case.batch(false);
    let states = decoder_states(&mut session(&root.path().join("model/model.onnx")), &batch);
    let checkpoint = Checkpoint::open(&fixture(&case.checkpoint)).unwrap();
    let model = Model::load(&checkpoint.config, &checkpoint.weights).unwrap();
    let reference = model.hidden_states(&batch, States::All).unwrap();
    let [found, expected] = [states, reference].map(|states| case.logits(&head, &states, &batch));
    let worst = largest_difference(&found, &expected);
    println!("gemma2 pooled by the mean: {worst:.1e}");
    assert!(worst < GRAPH_TOLERANCE, "{worst:e}");
}

#[test]
fn a_graph_in_half_precision_is_near_and_another_file() {
    for case in golden().cases {
        let half = ImportOptions { element: Element::F16, ..options(&case, WeightStorage::Packed) };
        let found = graph_logits(&case, half, false);
        let worst = largest_difference(&found, &case.right);
        println!("{} f16: {worst:.1e}", case.name());
        assert!(worst < 0.05, "{}: {worst:e}", case.name());
    }
}

#[test]
fn what_the_outputs_mean_comes_from_the_checkpoint() {
    let meaning = |name: &str| {
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        load_head(&checkpoint, &HeadChoice::Own, None).unwrap().outputs
    };
    assert_eq!(meaning("bert-four-f16"), [Tie, A, BothBad, B]);
    assert_eq!(meaning("gemma2-classifier"), [A, B, Tie]);
    assert_eq!(meaning("gemma2-reward-bf16"), [Score]);
}
