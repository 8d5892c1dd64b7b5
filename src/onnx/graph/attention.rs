use super::GraphError;
use super::builder::{MICROSOFT, Value, dimension};
use super::writer::{Writer, names};
use crate::architectures::{Attention, Linear, Mask, Norm, Operations};

/// Attention of an encoder: one operator with the three projections side by side, [width, 3 x width].
pub(super) fn packed(writer: &mut Writer, attention: &Attention, x: &str) -> Result<String, GraphError> {
    let refused = |form| Err(GraphError::Unsupported { layer: attention.query.name.clone(), form });
    if attention.rotary.is_some() || attention.head_norms.is_some() {
        return refused("rotary positions or normalised heads in an encoder");
    }
    if attention.softcap.is_some() {
        return refused("capped scores in an encoder");
    }
    if attention.key_value_heads != attention.heads {
        return refused("grouped heads in an encoder");
    }
    let causal = match attention.mask {
        Mask::Padding => 0,
        Mask::Causal => 1,
        Mask::SlidingCausal { .. } => return refused("a sliding window without grouped heads"),
    };
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

/// W and b of queries, keys and values side by side. The stored matrices are [outputs, inputs], the operator
/// wants [inputs, outputs], so this is the copy that cannot stay in the checkpoint's file.
fn packed_projections(writer: &mut Writer, attention: &Attention) -> Result<(String, String), GraphError> {
    let parts = [&attention.query, &attention.key, &attention.value];
    let inputs = attention.query.inputs;
    let total = parts.iter().map(|part| part.outputs).sum();
    let prefix = attention.query.name.rsplit_once('.').map_or("attention", |(prefix, _)| prefix).to_owned();
    let weight = format!("{prefix}.packed.weight");
    let weight = writer.store.computed(&mut writer.builder, (&weight, &[inputs, total]), |store| {
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
    let bias = writer.store.computed(&mut writer.builder, (&bias, &[total]), |store| {
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
    let table = writer.store.computed(&mut writer.builder, (&name, &[heads, columns]), |store| {
        let values = store.values(&bias.table)?;
        let bucket = |column: usize| bias.bucket(far.saturating_sub(column), column.saturating_sub(far));
        let row = |head: usize| (0..columns).map(move |column| bucket(column) * heads + head);
        Ok((0..heads).flat_map(row).map(|place| values.get(place).copied().unwrap_or(0.0)).collect())
    })?;
    let builder = &mut writer.builder;
    let [zero, one] = [0, 1].map(|value| builder.integer(value));
    let [first_axis, second_axis] = [0, 1].map(|axis| builder.integers(&[axis]));
    let ends = [("start", Value::Int(1)), ("end", Value::Int(2))];
    let length = builder.node(("", "Shape"), &[names::IDS], &ends);
    let length = builder.node(("", "Squeeze"), &[&length, &first_axis], &[]);
    let places = builder.node(("", "Range"), &[&zero, &length, &one], &[]);
    let asked = builder.node(("", "Unsqueeze"), &[&places, &first_axis], &[]);
    let asking = builder.node(("", "Unsqueeze"), &[&places, &second_axis], &[]);
    let distance = builder.node(("", "Sub"), &[&asked, &asking], &[]);
    let far = dimension(far);
    let [nearest, farthest] = [-far, far].map(|value| builder.integer(value));
    let distance = builder.node(("", "Clip"), &[&distance, &nearest, &farthest], &[]);
    let column = builder.node(("", "Add"), &[&distance, &farthest], &[]);
    let rows = builder.node(("", "Gather"), &[&table, &column], &[("axis", Value::Int(1))]);
    Ok(Some(builder.node(("", "Unsqueeze"), &[&rows, &first_axis], &[])))
}

/// Attention of a decoder: grouped heads, rotary positions, cap and window in one operator, on texts that are
/// padded on the right.
pub(super) fn grouped(writer: &mut Writer, attention: &Attention, x: &str) -> Result<String, GraphError> {
    let refused = |form| Err(GraphError::Unsupported { layer: attention.query.name.clone(), form });
    let window = match attention.mask {
        Mask::Causal => -1,
        Mask::SlidingCausal { window } => dimension(window),
        Mask::Padding => return refused("a decoder that sees what stands behind"),
    };
    if attention.relative_bias.is_some() {
        return refused("scores biased by distance in a decoder");
    }
    let norms = attention.head_norms.as_deref();
    let query = projected(writer, attention, &attention.query, (x, norms.map(|norms| &norms[0])))?;
    let key = projected(writer, attention, &attention.key, (x, norms.map(|norms| &norms[1])))?;
    let value = projected(writer, attention, &attention.value, (x, None))?;
    let [cosines, sines] = rotary_tables(writer, attention)?;
    let mut inputs = vec![&query, &key, &value, "", "", names::LAST_PLACES, names::LONGEST, &cosines, &sines];
    if attention.rotary.is_none() {
        inputs.truncate(7);
    }
    let attributes = [
        ("num_heads", Value::Int(dimension(attention.heads))),
        ("kv_num_heads", Value::Int(dimension(attention.key_value_heads))),
        ("scale", Value::Float(attention.scale)),
        ("softcap", Value::Float(attention.softcap.unwrap_or(0.0))),
        ("local_window_size", Value::Int(window)),
        ("do_rotary", Value::Int(attention.rotary.is_some().into())),
        ("rotary_interleaved", Value::Int(0)),
    ];
    // Keys and values of the past, which no prediction continues, are outputs too, and not optional.
    let operator = (MICROSOFT, "GroupQueryAttention");
    let [gathered, _, _] = writer.builder.node_with(operator, &inputs, &attributes, [true, true, true]);
    Ok(gathered)
}

/// A projection, its heads normalised where the family does that.
fn projected(
    writer: &mut Writer,
    attention: &Attention,
    linear: &Linear,
    (x, norm): (&str, Option<&Norm>),
) -> Result<String, GraphError> {
    let y = writer.linear(linear, &x.to_owned())?;
    let Some(norm) = norm else { return Ok(y) };
    let heads = writer.builder.integers(&[0, 0, -1, dimension(attention.head_width)]);
    let split = writer.builder.node(("", "Reshape"), &[&y, &heads], &[]);
    let normalised = writer.norm(norm, &split)?;
    let whole = writer.builder.integers(&[0, 0, -1]);
    Ok(writer.builder.node(("", "Reshape"), &[&normalised, &whole], &[]))
}

/// Cosines and sines of every position, shared by the layers that have the same.
fn rotary_tables(writer: &mut Writer, attention: &Attention) -> Result<[String; 2], GraphError> {
    let Some(rotary) = attention.rotary else { return Ok([String::new(), String::new()]) };
    let (positions, half) = (rotary.max_positions, rotary.width / 2);
    let mut names = [String::new(), String::new()];
    for (index, function) in ["cosines", "sines"].into_iter().enumerate() {
        let name = format!("rotary.{function}.{}.{}", rotary.base, rotary.width);
        names[index] = writer.store.computed(&mut writer.builder, (&name, &[positions, half]), |_| {
            let [cosines, sines] = rotary.tables(positions);
            Ok(if index == 0 { cosines } else { sines })
        })?;
    }
    Ok(names)
}
