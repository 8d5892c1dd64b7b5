//! Imported graphs and the candle reference against transformers; `checkpoints.py`, `families.py` and `adapters.py`
//! made the checkpoints and printed the numbers. `checkpoints_check.py` runs `onnx.checker` over the same graphs.

use tiebreak::architectures::States;
use tiebreak::checkpoint::OutputMeaning::{A, B, BothBad, Score, Tie};
use tiebreak::checkpoint::{Checkpoint, Element, GraphKind, HeadChoice, Pooling, load_head};
use tiebreak::compute::{Model, PaddedBatch};
use tiebreak::onnx::graph::{ImportOptions, WeightStorage};

use super::checkpoints_cases::{
    Loaded, decoder_states, fixture, golden, imported, largest_difference, options, session,
};

/// How far a graph may be from transformers, and how far the reference.
const GRAPH_TOLERANCE: f32 = 2e-5;
const REFERENCE_TOLERANCE: f32 = 1e-5;

#[test]
fn the_graphs_give_the_logits_of_transformers() {
    for case in golden().cases {
        for storage in [WeightStorage::Packed, WeightStorage::Linked] {
            let mut loaded = Loaded::new(&case, options(&case, storage));
            let right = loaded.logits(&case, &case.batch(false));
            let worst = largest_difference(&right, &case.right);
            println!("{} {storage:?}, padded right: {worst:.1e}", case.name());
            assert!(worst < GRAPH_TOLERANCE, "{}: {worst:e}", case.name());
            let Some(expected) = case.expected(true) else { continue };
            // A decoder's graph pads on the right only; transformers, padded on the left, must agree with it.
            let left = if case.is_decoder() { right } else { loaded.logits(&case, &case.batch(true)) };
            let worst = largest_difference(&left, expected);
            println!("{} {storage:?}, transformers padded left: {worst:.1e}", case.name());
            assert!(worst < GRAPH_TOLERANCE, "{}: {worst:e}", case.name());
        }
    }
}

#[test]
fn a_text_alone_gives_the_logits_that_it_gives_in_a_batch() {
    for case in golden().cases {
        let mut loaded = Loaded::new(&case, options(&case, WeightStorage::Packed));
        let texts = case.input_ids.iter().zip(&case.token_type_ids);
        let alone = texts.flat_map(|(ids, types)| {
            let batch = PaddedBatch::new(&[(&ids[..], &types[..])], false).unwrap();
            loaded.logits(&case, &batch)
        });
        let worst = largest_difference(&alone.collect::<Vec<_>>(), &case.right);
        println!("{}, each text alone: {worst:.1e}", case.name());
        assert!(worst < GRAPH_TOLERANCE, "{}: {worst:e}", case.name());
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
        let found = Loaded::new(&case, half).logits(&case, &case.batch(false));
        let worst = largest_difference(&found, &case.right);
        println!("{} f16: {worst:.1e}", case.name());
        assert!(worst < 0.05, "{}: {worst:e}", case.name());
    }
}

/// On processors the fused node takes several times as long as its parts.
#[test]
fn only_graphs_in_half_precision_have_sums_and_their_normalisation_in_one_node() {
    for case in golden().cases {
        let [single, half] = [Element::F32, Element::F16].map(|element| {
            let options = ImportOptions { element, ..options(&case, WeightStorage::Packed) };
            let (root, _, _) = imported(&case, options);
            let graph = std::fs::read(root.path().join("model/model.onnx")).unwrap();
            let has = |operator: &str| graph.windows(operator.len()).any(|part| part == operator.as_bytes());
            ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization"].map(has)
        });
        assert_eq!(single, [false; 3], "{}", case.name());
        assert!(half[0] || half[1], "{}", case.name());
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
