use super::attention::{projected, rotary_tables};
use super::builder::{Builder, MICROSOFT, Value, dimension};
use super::writer::{Writer, names};
use super::{GraphError, disentangled};
use crate::architectures::{Attention, Mask};

/// Added to the score of a token that is not to be seen: what ONNX Runtime adds for padding, and f16 holds it.
const UNSEEN: f32 = -10_000.0;

/// Attention of an encoder.
pub(super) fn attend(writer: &mut Writer, attention: &Attention, x: &str) -> Result<String, GraphError> {
    let refused = |form| Err(GraphError::Unsupported { layer: attention.query.name.clone(), form });
    if attention.softcap.is_some() {
        return refused("capped scores in an encoder");
    }
    if attention.key_value_heads != attention.heads {
        return refused("grouped heads in an encoder");
    }
    let rotated = attention.rotary.is_some() || attention.head_norms.is_some();
    let apart = rotated || attention.disentangled.is_some();
    // The packed operator takes its matrix as numbers of the graph's type only, and shows no queries, keys and values.
    let packs = !apart && writer.low_bits.is_none() && !writer.is_watching();
    match attention.mask {
        Mask::Padding if packs => packed(writer, attention, (x, 0)),
        Mask::Causal if packs => packed(writer, attention, (x, 1)),
        Mask::Padding => multi_head(writer, attention, (x, None, 0)),
        Mask::Surroundings { reach } => multi_head(writer, attention, (x, Some(reach), 0)),
        Mask::Causal if !apart => multi_head(writer, attention, (x, None, 1)),
        Mask::Causal => {
            refused("rotary positions, normalised heads or disentangled scores in a causal encoder")
        }
        Mask::SlidingCausal { .. } => refused("a sliding window without grouped heads"),
    }
}

/// One operator with the three projections side by side, [width, 3 x width].
fn packed(
    writer: &mut Writer,
    attention: &Attention,
    (x, causal): (&str, i64),
) -> Result<String, GraphError> {
    let (weight, bias) = packed_projections(writer, attention)?;
    let mut inputs = vec![x.to_owned(), weight, bias, names::MASK.to_owned()];
    if let Some(bias) = relative_bias(writer, attention)? {
        inputs.extend([String::new(), bias]);
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let attributes = [
        ("num_heads", Value::Int(dimension(attention.heads))),
        ("scale", Value::Float(attention.scale)),
        ("unidirectional", Value::Int(causal)),
    ];
    Ok(writer.builder.node((MICROSOFT, "Attention"), &inputs, &attributes))
}

/// Projections, rotation and attention one after the other; `reach` is how far a token sees, where that is not
/// everything.
fn multi_head(
    writer: &mut Writer,
    attention: &Attention,
    (x, reach, causal): (&str, Option<usize>, i64),
) -> Result<String, GraphError> {
    let norms = attention.head_norms.as_deref();
    let query = projected(writer, attention, &attention.query, (x, norms.map(|norms| &norms[0])))?;
    let key = projected(writer, attention, &attention.key, (x, norms.map(|norms| &norms[1])))?;
    let value = projected(writer, attention, &attention.value, (x, None))?;
    let query = rotated(writer, attention, query)?;
    let key = rotated(writer, attention, key)?;
    let mut biases = Vec::new();
    biases.extend(reach.map(|reach| surroundings(writer, reach)).transpose()?);
    biases.extend(relative_bias(writer, attention)?);
    biases.extend(disentangled::bias(writer, attention, [&query, &key])?);
    let bias = biases.into_iter().reduce(|sum, bias| writer.builder.node(("", "Add"), &[&sum, &bias], &[]));
    let mut inputs = vec![&query, &key, &value, "", names::MASK];
    inputs.extend(bias.as_deref());
    let attributes = [
        ("num_heads", Value::Int(dimension(attention.heads))),
        ("scale", Value::Float(attention.scale)),
        ("unidirectional", Value::Int(causal)),
    ];
    // An encoder that is not causal says nothing of it, as ever: its graph keeps its bytes.
    let attributes = if causal == 1 { &attributes[..] } else { &attributes[..2] };
    Ok(writer.builder.node((MICROSOFT, "MultiHeadAttention"), &inputs, attributes))
}

/// Queries or keys turned by their positions, which count from the first place.
fn rotated(writer: &mut Writer, attention: &Attention, x: String) -> Result<String, GraphError> {
    if attention.rotary.is_none() {
        return Ok(x);
    }
    let [cosines, sines] = rotary_tables(writer, attention)?;
    let first = writer.builder.integers(&[0]);
    let inputs = [x.as_str(), &first, &cosines, &sines];
    let attributes = [("interleaved", Value::Int(0)), ("num_heads", Value::Int(dimension(attention.heads)))];
    Ok(writer.builder.node((MICROSOFT, "RotaryEmbedding"), &inputs, &attributes))
}

/// 0 where a token is near enough to be seen, [1, 1, asking, asked]; as low as ONNX Runtime's own masks elsewhere.
fn surroundings(writer: &mut Writer, reach: usize) -> Result<String, GraphError> {
    let what = format!("surroundings {reach}");
    if let Some(bias) = writer.shared.get(&what) {
        return Ok(bias.clone());
    }
    let element = writer.element();
    let mut number = |value: f32| {
        let bytes = element.encode(&[value], "the mask of the surroundings")?;
        Ok::<String, GraphError>(writer.builder.scalar(element, value, bytes))
    };
    let (seen, unseen) = (number(0.0)?, number(UNSEEN)?);
    let distance = distances(&mut writer.builder);
    let builder = &mut writer.builder;
    let distance = builder.node(("", "Abs"), &[&distance], &[]);
    let reach = builder.integer(dimension(reach));
    let far = builder.node(("", "Greater"), &[&distance, &reach], &[]);
    let bias = builder.node(("", "Where"), &[&far, &unseen, &seen], &[]);
    let axes = builder.integers(&[0, 1]);
    let bias = builder.node(("", "Unsqueeze"), &[&bias, &axes], &[]);
    writer.shared.insert(what, bias.clone());
    Ok(bias)
}

/// The place that is asked less the place that asks, [asking, asked].
fn distances(builder: &mut Builder) -> String {
    let [zero, one] = [0, 1].map(|value| builder.integer(value));
    let [first_axis, second_axis] = [0, 1].map(|axis| builder.integers(&[axis]));
    let ends = [("start", Value::Int(1)), ("end", Value::Int(2))];
    let length = builder.node(("", "Shape"), &[names::IDS], &ends);
    let length = builder.node(("", "Squeeze"), &[&length, &first_axis], &[]);
    let places = builder.node(("", "Range"), &[&zero, &length, &one], &[]);
    let asked = builder.node(("", "Unsqueeze"), &[&places, &first_axis], &[]);
    let asking = builder.node(("", "Unsqueeze"), &[&places, &second_axis], &[]);
    builder.node(("", "Sub"), &[&asked, &asking], &[])
}

/// W and b of queries, keys and values side by side. The stored matrices are [outputs, inputs], the operator
/// wants [inputs, outputs], so this is the copy that cannot stay in the checkpoint's file.
fn packed_projections(writer: &mut Writer, attention: &Attention) -> Result<(String, String), GraphError> {
    let parts = [&attention.query, &attention.key, &attention.value];
    let inputs = attention.query.inputs;
    let total = parts.iter().map(|part| part.outputs).sum();
    let prefix = attention.query.name.rsplit_once('.').map_or("attention", |(prefix, _)| prefix).to_owned();
    let element = writer.element();
    let weight = format!("{prefix}.packed.weight");
    let weight =
        writer.store.computed(&mut writer.builder, (&weight, &[inputs, total], element), |store| {
            let mut packed = vec![0.0; inputs * total];
            let mut first = 0;
            for part in parts {
                let values = store.values(&part.weight())?;
                for (output, row) in values.chunks_exact(inputs.max(1)).enumerate() {
                    for (input, value) in row.iter().enumerate() {
                        packed[input * total + first + output] = *value;
                    }
                }
                first += part.outputs;
            }
            Ok(packed)
        })?;
    let bias = format!("{prefix}.packed.bias");
    let bias = writer.store.computed(&mut writer.builder, (&bias, &[total], element), |store| {
        let mut packed = Vec::with_capacity(total);
        for part in parts {
            match part.bias() {
                Some(bias) => packed.extend(store.values(&bias)?),
                None => packed.extend(std::iter::repeat_n(0.0, part.outputs)),
            }
        }
        Ok(packed)
    })?;
    Ok((weight, bias))
}

/// The bias of the scores by distance, [1, heads, asking, asked], where there is one.
///
/// ONNX Runtime's own operator for it exists on CUDA only, so it is a look-up: from `max_distance` on all distances
/// share a bucket, so that a row a distance is a short table, [heads, 2 x `max_distance` + 1].
fn relative_bias(writer: &mut Writer, attention: &Attention) -> Result<Option<String>, GraphError> {
    let Some(bias) = &attention.relative_bias else { return Ok(None) };
    let (far, heads) = (bias.max_distance, attention.heads);
    let columns = 2 * far + 1;
    let name = format!("{}.by_distance", bias.table.name);
    let element = writer.element();
    let table = writer.store.computed(&mut writer.builder, (&name, &[heads, columns], element), |store| {
        let values = store.values(&bias.table)?;
        let bucket = |column: usize| bias.bucket(far.saturating_sub(column), column.saturating_sub(far));
        let row = |head: usize| (0..columns).map(move |column| bucket(column) * heads + head);
        Ok((0..heads).flat_map(row).map(|place| values.get(place).copied().unwrap_or(0.0)).collect())
    })?;
    let distance = distances(&mut writer.builder);
    let builder = &mut writer.builder;
    let first_axis = builder.integers(&[0]);
    let far = dimension(far);
    let [nearest, farthest] = [-far, far].map(|value| builder.integer(value));
    let distance = builder.node(("", "Clip"), &[&distance, &nearest, &farthest], &[]);
    let column = builder.node(("", "Add"), &[&distance, &farthest], &[]);
    let rows = builder.node(("", "Gather"), &[&table, &column], &[("axis", Value::Int(1))]);
    Ok(Some(builder.node(("", "Unsqueeze"), &[&rows, &first_axis], &[])))
}
