//! Graphs whose linear maps are whole numbers, and graphs that compute some layers in f32, beside graphs in f32 of the
//! same numbers; `low_bits.py` has the formula of the rounding and what ONNX Runtime's own programs make of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tiebreak::architectures::linear_maps;
use tiebreak::checkpoint::{
    Checkpoint, Element, IntegerType, LoadedHead, LowBits, ModelCard, Weights, load_head,
};
use tiebreak::compute::PaddedBatch;
use tiebreak::onnx::graph::{
    ImportOptions, ImportReport, WeightStorage, with_head, write_model, write_sites,
};

use super::checkpoints_cases::{Case, Loaded, fixture, golden, largest_difference, options, session};

/// How far the logits of whole numbers may be from those of the numbers that they stand for.
const TOLERANCE: f32 = 1e-4;

const FORMS: [LowBits; 3] = [
    LowBits { weights: IntegerType::Int8, block_size: 32 },
    LowBits { weights: IntegerType::Int4, block_size: 32 },
    LowBits { weights: IntegerType::Int4, block_size: 16 },
];

/// What the blocks of a row stand for, with scales in this number type.
fn meant(row: &[f32], form: LowBits, element: Element) -> Vec<f32> {
    let most = f32::from(form.weights.highest());
    let block = |block: &[f32]| {
        let lowest = block.iter().copied().fold(0.0, f32::min);
        let highest = block.iter().copied().fold(0.0, f32::max);
        let scale = element.decode(&element.encode(&[(highest - lowest) / most], "scale").unwrap())[0];
        let zero = (-lowest / scale).round_ties_even();
        let back = |value: f32| {
            let number = ((value / scale).round_ties_even() + zero).clamp(0.0, most);
            if scale == 0.0 { 0.0 } else { (number - zero) * scale }
        };
        block.iter().map(|&value| back(value)).collect::<Vec<f32>>()
    };
    row.chunks(form.block_size).flat_map(block).collect()
}

/// Puts what the blocks stand for in the place of every matrix of a linear map; scales are in f32 in the layers named, and
/// in `element` elsewhere.
fn round(checkpoint: &mut Checkpoint, form: LowBits, (element, in_f32): (Element, &[&str])) {
    for linear in linear_maps(&checkpoint.config) {
        let weight = linear.weight();
        let values = checkpoint.weights.get(&weight.name, &weight.shape).unwrap().values();
        let element = if in_f32.contains(&linear.name.as_str()) { Element::F32 } else { element };
        let values = values.chunks(linear.inputs).flat_map(|row| meant(row, form, element)).collect();
        checkpoint.weights.replace(&weight.name, values).unwrap();
    }
}

/// A model of a checkpoint whose weights were changed.
struct Written {
    root: TempDir,
    report: ImportReport,
    head: LoadedHead,
}

impl Written {
    fn new(case: &Case, checkpoint: &Checkpoint, options: &ImportOptions) -> Self {
        let head = load_head(checkpoint, &case.choice(&golden().verdict_tokens), None).unwrap();
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("model");
        let report = write_model((checkpoint, &head), &target, options, &|_, _| Ok(())).unwrap();
        Self { root, report, head }
    }

    fn logits(&self, case: &Case, batch: &PaddedBatch) -> Vec<Vec<f32>> {
        let session = session(&self.root.path().join("model/model.onnx"));
        let head = LoadedHead { head: self.head.head.clone(), outputs: self.head.outputs.clone() };
        Loaded::from_parts(session, self.report.card.graph, head).logits(case, batch)
    }
}

#[test]
fn whole_numbers_give_the_logits_of_the_numbers_that_they_stand_for() {
    for case in golden().cases {
        for form in FORMS {
            let batch = case.batch(false);
            let mut checkpoint = case.open();
            let low_bits = ImportOptions { low_bits: Some(form), ..options(&case, WeightStorage::Packed) };
            let rounded = Written::new(&case, &checkpoint, &low_bits);
            round(&mut checkpoint, form, (Element::F32, &[]));
            let full = Written::new(&case, &checkpoint, &options(&case, WeightStorage::Packed));
            let [found, expected] = [&rounded, &full].map(|model| model.logits(&case, &batch));
            let worst = largest_difference(&found, &expected);
            let from_stored = largest_difference(&expected, &case.right);
            println!("{} {form:?}: {worst:.1e}; rounding moved it by {from_stored:.1e}", case.name());
            assert!(worst < TOLERANCE, "{} {form:?}: {worst:e}", case.name());
        }
    }
}

#[test]
fn a_text_alone_gives_what_it_gives_in_a_batch_bit_for_bit() {
    for case in golden().cases {
        for form in FORMS {
            let low_bits = ImportOptions { low_bits: Some(form), ..options(&case, WeightStorage::Packed) };
            let mut loaded = Loaded::new(&case, low_bits);
            let together = loaded.logits(&case, &case.batch(false));
            let texts = case.input_ids.iter().zip(&case.token_type_ids).zip(&together);
            for ((ids, types), expected) in texts {
                let batch = PaddedBatch::new(&[(&ids[..], &types[..])], false).unwrap();
                let alone = loaded.logits(&case, &batch);
                // ONNX Runtime has another kernel for a single token, whose last digits differ.
                if ids.len() > 1 {
                    assert_eq!(alone[0], *expected, "{} {form:?}", case.name());
                } else {
                    let worst = largest_difference(&alone, std::slice::from_ref(expected));
                    assert!(worst < 1e-5, "{} {form:?}: {worst:e}", case.name());
                }
            }
        }
    }
}

#[test]
fn the_card_and_the_report_say_what_was_rounded_and_tables_stay() {
    for case in golden().cases {
        let form = LowBits { weights: IntegerType::Int4, block_size: 32 };
        let low_bits = ImportOptions { low_bits: Some(form), ..options(&case, WeightStorage::Packed) };
        let checkpoint = case.open();
        let written = Written::new(&case, &checkpoint, &low_bits);
        let card = ModelCard::read(&written.root.path().join("model")).unwrap();
        assert_eq!(card.low_bits, Some(form));
        let mut named: Vec<&str> = written.report.rounded.iter().map(|weight| weight.name.as_str()).collect();
        let mut expected: Vec<String> =
            linear_maps(&checkpoint.config).into_iter().map(|linear| linear.weight().name).collect();
        named.sort_unstable();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(named, expected, "{}", case.name());
        for weight in &written.report.rounded {
            // A step is a fifteenth of what a block spans, and rounding is off by less than half of one.
            assert!((0.005..0.15).contains(&weight.relative_error), "{weight:?}");
        }
    }
}

#[test]
fn another_head_leaves_the_whole_numbers_as_they_are() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.checkpoint == "bert-classifier").unwrap();
    let low_bits = ImportOptions { low_bits: Some(FORMS[1]), ..options(case, WeightStorage::Packed) };
    let written = Written::new(case, &case.open(), &low_bits);
    let (model, target) = (written.root.path().join("model"), written.root.path().join("other"));
    let mut head = written.head.head.clone();
    head.layers[0].bias[0] += 1.0;
    let card = with_head(&model, &target, &head, &|_, _| Ok(())).unwrap();
    assert_eq!(card.low_bits, Some(FORMS[1]));
    card.verify(&target).unwrap();
    for name in ["model.onnx", "model.onnx.data"] {
        assert_eq!(card.files[name], written.report.card.files[name]);
    }
}

#[test]
fn whole_numbers_go_with_half_precision_and_with_linked_weights() {
    for case in golden().cases {
        let form = LowBits { weights: IntegerType::Int8, block_size: 32 };
        let plain = ImportOptions { low_bits: Some(form), ..options(&case, WeightStorage::Packed) };
        let expected = Loaded::new(&case, plain.clone()).logits(&case, &case.batch(false));
        let linked = ImportOptions { storage: WeightStorage::Linked, ..plain.clone() };
        assert_eq!(Loaded::new(&case, linked).logits(&case, &case.batch(false)), expected, "{}", case.name());
        let half = ImportOptions { element: Element::F16, ..plain };
        let found = Loaded::new(&case, half).logits(&case, &case.batch(false));
        let mut checkpoint = case.open();
        round(&mut checkpoint, form, (Element::F16, &[]));
        let full = Written::new(&case, &checkpoint, &options(&case, WeightStorage::Packed));
        let worst = largest_difference(&found, &full.logits(&case, &case.batch(false)));
        println!("{} int8 in f16: {worst:.1e}", case.name());
        assert!(worst < 0.05, "{}: {worst:e}", case.name());
    }
}

/// Multiplies a matrix.
fn multiply(weights: &mut Weights, name: &str, by: f32) {
    let shape = weights.shape(name).unwrap().to_vec();
    let values = weights.get(name, &shape).unwrap().values();
    weights.replace(name, values.into_iter().map(|value| value * by).collect()).unwrap();
}

/// A llama whose first feed-forward part computes with large numbers and gives what it gave.
fn outgrown(case: &Case, by: f32) -> Checkpoint {
    let mut checkpoint = case.open();
    multiply(&mut checkpoint.weights, "layers.0.mlp.up_proj.weight", by);
    multiply(&mut checkpoint.weights, "layers.0.mlp.down_proj.weight", 1.0 / by);
    checkpoint
}

fn in_f32(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// On the processor ONNX Runtime computes f16 in f32 and drops the casts between its operators, so that only a GPU would
/// show the infinite numbers of the plain graph; what is asked for in f32 is in f32 in the file, wherever it runs.
#[test]
fn layers_in_f32_have_their_weights_in_f32_and_give_the_logits_of_the_model() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.checkpoint == "llama-classifier").unwrap();
    // A power of 2, so that only the exponents of the numbers change.
    let checkpoint = outgrown(case, 32_768.0);
    let half = ImportOptions { element: Element::F16, ..options(case, WeightStorage::Packed) };
    let batch = case.batch(false);
    for low_bits in [None, Some(LowBits { weights: IntegerType::Int8, block_size: 16 })] {
        let names = ["layers.0.mlp.up_proj", "layers.0.mlp.down_proj"];
        let mixed = ImportOptions { in_f32: in_f32(&names), low_bits, ..half.clone() };
        let written = Written::new(case, &checkpoint, &mixed);
        assert_eq!(written.report.card.in_f32, [names[1], names[0]]);
        let graph = fs::read(written.root.path().join("model/model.onnx")).unwrap();
        let end = if low_bits.is_some() { "int8.f32" } else { "f32" };
        for name in names {
            let constant = format!("{name}.weight.{end}");
            assert!(graph.windows(constant.len()).any(|part| part == constant.as_bytes()), "{constant}");
        }
        assert!(!String::from_utf8_lossy(&graph).contains("layers.1.mlp.up_proj.weight.f32"));
        let mut rounded = outgrown(case, 32_768.0);
        if let Some(form) = low_bits {
            round(&mut rounded, form, (Element::F16, &names));
        }
        let full = Written::new(case, &rounded, &options(case, WeightStorage::Packed));
        let worst = largest_difference(&written.logits(case, &batch), &full.logits(case, &batch));
        println!("llama, one feed-forward part in f32, {low_bits:?}: {worst:.1e}");
        assert!(worst < 0.05, "{worst:e}");
    }
}

#[test]
fn sums_in_f32_are_as_near_as_half_precision_allows_in_every_family() {
    for case in golden().cases {
        let half = ImportOptions { element: Element::F16, ..options(&case, WeightStorage::Packed) };
        let mixed = ImportOptions { in_f32: in_f32(&["residual"]), ..half };
        let found = Loaded::new(&case, mixed).logits(&case, &case.batch(false));
        let worst = largest_difference(&found, &case.right);
        println!("{} f16 with sums in f32: {worst:.1e}", case.name());
        assert!(worst < 0.05, "{}: {worst:e}", case.name());
    }
}

#[test]
fn what_cannot_be_in_f32_is_refused_by_name() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.checkpoint == "llama-classifier").unwrap();
    let refusal = |element, name: &str| {
        let options =
            ImportOptions { element, in_f32: in_f32(&[name]), ..options(case, WeightStorage::Packed) };
        let head = load_head(&case.open(), &options.head, None).unwrap();
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("model");
        let error = write_model((&case.open(), &head), &target, &options, &|_, _| Ok(())).unwrap_err();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        error.to_string()
    };
    let message = refusal(Element::F16, "layers.9.mlp.up_proj");
    assert!(message.contains("`layers.9.mlp.up_proj`") && message.contains("no such layer"), "{message}");
    let message = refusal(Element::F16, "layers.0.self_attn.q_proj");
    assert!(message.contains("goes into attention"), "{message}");
    let message = refusal(Element::F32, "residual");
    assert!(message.contains("the whole graph computes in f32"), "{message}");
}

/// The largest number of a value.
fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.map(f32::abs).fold(0.0, f32::max)
}

/// What the graph that looks at a model says of one text, by site.
fn looked_at(folder: &Path, options: &ImportOptions, batch: &PaddedBatch) -> Vec<(String, f32)> {
    let root = tempfile::tempdir().unwrap();
    let sites = write_sites(folder, root.path(), options).unwrap();
    let found =
        super::checkpoints_cases::decoder_states(&mut session(&root.path().join("model.onnx")), batch);
    assert_eq!(found.len(), sites.len());
    sites.into_iter().map(|site| site.name).zip(found).collect()
}

#[test]
fn the_largest_numbers_of_a_model_are_those_of_its_formulas() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.checkpoint == "llama-classifier").unwrap();
    let checkpoint = case.open();
    let read = |name: &str| {
        let shape = checkpoint.weights.shape(name).unwrap();
        checkpoint.weights.get(name, shape).unwrap().values()
    };
    let (table, scale) = (read("embed_tokens.weight"), read("layers.0.input_layernorm.weight"));
    let query = read("layers.0.self_attn.q_proj.weight");
    let width = checkpoint.config.width();
    let ids = &case.input_ids[0];
    let batch = PaddedBatch::new(&[(&ids[..], &case.token_type_ids[0][..])], false).unwrap();
    let found = looked_at(&fixture(&case.checkpoint), &options(case, WeightStorage::Packed), &batch);
    let of = |name: &str| found.iter().find(|(known, _)| known == name).unwrap().1;

    let rows: Vec<&[f32]> = ids.iter().map(|&id| &table[id as usize * width..][..width]).collect();
    assert_eq!(of("embedding"), largest(rows.iter().flat_map(|row| row.iter().copied())));
    let normalised: Vec<Vec<f32>> = rows
        .iter()
        .map(|row| {
            let square = row.iter().map(|x| x * x).sum::<f32>() / width as f32;
            // The stored epsilon is far below what is seen of the result.
            let factor = 1.0 / (square + 1e-6).sqrt();
            row.iter().zip(&scale).map(|(x, weight)| x * factor * weight).collect()
        })
        .collect();
    let products = normalised.iter().flat_map(|x| {
        query.chunks(width).map(move |weights| weights.iter().zip(x).map(|(w, x)| w * x).sum::<f32>())
    });
    let expected = largest(products).max(largest(normalised.iter().flatten().copied()));
    let distance = (of("layers.0.self_attn.q_proj") / expected - 1.0).abs();
    assert!(distance < 1e-3, "{distance:e}");
    assert!(found.iter().any(|(name, _)| name == "layer 1: residual"), "{found:?}");
}
