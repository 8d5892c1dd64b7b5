use super::GraphError;
use super::builder::{MICROSOFT, Value, dimension};
use super::writer::{Writer, names};
use crate::architectures::{Attention, Linear, Mask, Norm, Operations};
use crate::checkpoint::RotaryScaling;

/// Attention of a decoder: grouped heads, rotary positions, cap and window in one operator, on texts that are
/// padded on the right.
pub(super) fn grouped(writer: &mut Writer, attention: &Attention, x: &str) -> Result<String, GraphError> {
    let refused = |form| Err(GraphError::Unsupported { layer: attention.query.name.clone(), form });
    let window = match attention.mask {
        Mask::Causal => -1,
        Mask::SlidingCausal { window } => dimension(window),
        Mask::Padding | Mask::Surroundings { .. } => {
            return refused("a decoder that sees what stands behind");
        }
    };
    if attention.relative_bias.is_some() || attention.disentangled.is_some() {
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
pub(super) fn projected(
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
pub(super) fn rotary_tables(writer: &mut Writer, attention: &Attention) -> Result<[String; 2], GraphError> {
    let Some(rotary) = attention.rotary else { return Ok([String::new(), String::new()]) };
    let (positions, half) = (rotary.max_positions, rotary.width / 2);
    let mut names = [String::new(), String::new()];
    for (index, function) in ["cosines", "sines"].into_iter().enumerate() {
        let name = format!("rotary.{function}.{}.{}{}", rotary.base, rotary.width, stretched(rotary.scaling));
        let element = writer.element();
        names[index] =
            writer.store.computed(&mut writer.builder, (&name, &[positions, half], element), |_| {
                let [cosines, sines] = rotary.tables(positions);
                Ok(if index == 0 { cosines } else { sines })
            })?;
    }
    Ok(names)
}

/// What tells the tables of one scaling from those of another.
fn stretched(scaling: RotaryScaling) -> String {
    match scaling {
        RotaryScaling::None => String::new(),
        RotaryScaling::Linear { factor } => format!(".linear.{factor}"),
        RotaryScaling::Llama3 { factor, low, high, original } => {
            format!(".llama3.{factor}.{low}.{high}.{original}")
        }
    }
}
