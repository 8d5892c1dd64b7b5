//! Forms of layers that the trait has and no family uses yet: the graph against the reference, on random weights.

use std::fs;

use safetensors::tensor::{Dtype, TensorView};
use tiebreak::architectures::{
    AdapterSlot, Attention, Embedding, Linear, Mask, Norm, NormKind, Operations, Parameter, RelativeBias,
    Role, Rotary, States,
};
use tiebreak::checkpoint::{Activation, Element, Family, RotaryScaling, Weights};
use tiebreak::compute::{Interpreter, PackedBatch, PaddedBatch, Parameters, Part};
use tiebreak::onnx::graph::{GraphForm, Writer};

use super::checkpoints_cases::{decoder_states, encoder_states, session};

const WIDTH: usize = 32;
const HEADS: usize = 2;

fn linear(name: &str, outputs: usize, has_bias: bool) -> Linear {
    Linear { name: name.to_owned(), inputs: WIDTH, outputs, has_bias, slot: AdapterSlot::Query }
}

fn norm(name: &str, width: usize, kind: NormKind) -> Norm {
    Norm { name: name.to_owned(), width, kind, epsilon: 1e-5 }
}

fn attention(mask: Mask) -> Attention {
    let head_width = WIDTH / HEADS;
    Attention {
        query: linear("a.q", WIDTH, true),
        key: linear("a.k", WIDTH, true),
        value: linear("a.v", WIDTH, false),
        heads: HEADS,
        key_value_heads: HEADS,
        head_width,
        scale: 0.3,
        softcap: None,
        mask,
        rotary: None,
        head_norms: None,
        relative_bias: None,
        disentangled: None,
    }
}

/// Attention, then a gated part, with every kind of norm on the way.
fn model<O: Operations>(operations: &mut O, attention: &Attention) -> Result<O::Tensor, O::Error> {
    let tokens = Embedding::table("tokens", 20, WIDTH);
    let embedding = Embedding { tokens, positions: None, segments: None, scale: 2.0 };
    let x = operations.embed_norm(&embedding, &norm("n0", WIDTH, NormKind::Root))?;
    let gathered = operations.attention(attention, &x)?;
    let output = linear("a.o", WIDTH, true);
    let x = operations.linear_add_norm(&output, &gathered, &x, &norm("n1", WIDTH, NormKind::RootOfOffset))?;
    let (gate, up) = (linear("gate", WIDTH, true), linear("up", WIDTH, false));
    let inner = operations.gated([&gate, &up], Activation::Silu, &x)?;
    let tanh = operations.linear_activate(&linear("t", WIDTH, true), Activation::GeluTanh, &inner)?;
    let (sum, y) = operations.add_norm(&tanh, &x, &norm("n2", WIDTH, NormKind::Layer))?;
    let y = operations.activate(Activation::GeluErf, &y)?;
    let y = operations.add(&y, &sum)?;
    operations.norm(&norm("n3", WIDTH, NormKind::Layer), &y)
}

/// Numbers that look random, the same in every run.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|n| (((n + 1) * (seed + 7) * 7919) % 1009) as f32 / 504.5 - 1.0).map(|v| 0.4 * v).collect()
}

fn largest_difference(attention: &Attention, is_decoder: bool) -> f32 {
    let mut shapes: Vec<(&str, Vec<usize>)> =
        vec![("tokens", vec![20, WIDTH]), ("distances", vec![8, HEADS])];
    for name in ["a.q", "a.k", "a.v", "a.o", "gate", "up", "t"] {
        shapes.push((name, vec![WIDTH, WIDTH]));
    }
    let mut parameters = Parameters::default();
    let mut add = |name: String, shape: Vec<usize>| {
        let values = numbers(shape.iter().product(), parameters.iter().count());
        parameters.insert(Parameter { name, shape, role: Role::Matrix }, Part::Base, values).unwrap();
    };
    for (name, shape) in shapes {
        let is_table = ["tokens", "distances"].contains(&name);
        let full = if is_table { name.to_owned() } else { format!("{name}.weight") };
        add(full, shape);
        if !is_table {
            add(format!("{name}.bias"), vec![WIDTH]);
        }
    }
    for name in ["n0", "n1", "n2", "n3", "heads"] {
        let width = if name == "heads" { WIDTH / HEADS } else { WIDTH };
        add(format!("{name}.weight"), vec![width]);
        add(format!("{name}.bias"), vec![width]);
    }

    let root = tempfile::tempdir().unwrap();
    let bytes: Vec<(&String, Vec<usize>, Vec<u8>)> = parameters
        .iter()
        .map(|info| {
            let Parameter { name, shape, .. } = &info.parameter;
            let values = parameters.numbers(name).unwrap();
            (name, shape.clone(), Element::F32.encode(&values, name).unwrap())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    fs::write(root.path().join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let weights = Weights::open(root.path(), Family::Bert).unwrap();

    let form = GraphForm { is_decoder, segments: true, ..GraphForm::default() };
    let mut writer = Writer::create(&weights, root.path(), form).unwrap();
    let hidden = model(&mut writer, attention).unwrap();
    let written = writer.finish(&hidden, WIDTH, States::All).unwrap();
    let path = root.path().join("model.onnx");
    fs::write(&path, written.bytes).unwrap();

    let ids: Vec<u32> = (0..17).collect();
    let texts: [(&[u32], &[u32]); 3] = [(&ids, &[0; 17]), (&ids[3..12], &[0; 9]), (&ids[5..6], &[0])];
    let batch = PaddedBatch::new(&texts, false).unwrap();
    let mut session = session(&path);
    let found =
        if is_decoder { decoder_states(&mut session, &batch) } else { encoder_states(&mut session, &batch) };
    let packed = PackedBatch::with_padding(&batch, tiebreak::compute::Positions::OfPlaces);
    let mut interpreter = Interpreter::new(&parameters, &packed);
    let expected = model(&mut interpreter, attention).unwrap().numbers().unwrap();
    let places = found.chunks_exact(WIDTH).zip(expected.chunks_exact(WIDTH)).zip(&batch.valid);
    let valid = places.filter(|(_, valid)| **valid).flat_map(|((a, b), _)| a.iter().zip(b));
    valid.map(|(a, b)| if a.is_nan() { f32::INFINITY } else { (a - b).abs() }).fold(0.0, f32::max)
}

#[test]
fn an_encoder_may_bias_its_scores_by_distance() {
    for both_directions in [true, false] {
        let mut attention = attention(Mask::Padding);
        assert!(largest_difference(&attention, false) < 1e-5);
        let table = Embedding::table("distances", 8, HEADS);
        attention.relative_bias = Some(RelativeBias { table, max_distance: 12, both_directions });
        let worst = largest_difference(&attention, false);
        println!("biased by distance, both directions {both_directions}: {worst:.1e}");
        assert!(worst < 1e-5, "{worst:e}");
    }
}

#[test]
fn a_decoder_may_normalise_its_heads_and_do_without_rotary_positions() {
    let mut attention = attention(Mask::Causal);
    let worst = largest_difference(&attention, true);
    println!("without rotary positions: {worst:.1e}");
    assert!(worst < 1e-5, "{worst:e}");
    attention.rotary =
        Some(Rotary { base: 500.0, width: WIDTH / HEADS, max_positions: 20, scaling: RotaryScaling::None });
    let head_norm = norm("heads", WIDTH / HEADS, NormKind::Root);
    attention.head_norms = Some(Box::new([head_norm.clone(), head_norm]));
    let worst = largest_difference(&attention, true);
    println!("rotary positions, normalised heads: {worst:.1e}");
    assert!(worst < 1e-5, "{worst:e}");
}

#[test]
fn an_encoder_graph_may_be_causal_and_says_what_it_cannot_be() {
    let worst = largest_difference(&attention(Mask::Causal), false);
    println!("causal without grouped heads: {worst:.1e}");
    assert!(worst < 1e-5, "{worst:e}");
    let root = tempfile::tempdir().unwrap();
    fs::write(
        root.path().join("model.safetensors"),
        safetensors::serialize::<&str, TensorView, _>([], None).unwrap(),
    )
    .unwrap();
    let weights = Weights::open(root.path(), Family::Bert).unwrap();
    let mut writer = Writer::create(&weights, root.path(), GraphForm::default()).unwrap();
    let mut attention = attention(Mask::Padding);
    attention.softcap = Some(1.0);
    let message = writer.attention(&attention, &"x".to_owned()).unwrap_err().to_string();
    assert!(message.contains("`a.q`") && message.contains("capped scores"), "{message}");
}
