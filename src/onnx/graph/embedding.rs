use super::GraphError;
use super::builder::{MICROSOFT, Value};
use super::writer::{Writer, names};
use crate::architectures::{Embedding, Norm, NormKind, Operations, Parameter};
use crate::checkpoint::Element;

/// The sum of the rows of the tables.
pub(super) fn embed(writer: &mut Writer, embedding: &Embedding) -> Result<String, GraphError> {
    let table = writer.weight(&embedding.tokens)?;
    let mut x = writer.builder.node(("", "Gather"), &[&table, names::IDS], &[]);
    if embedding.scale != 1.0 {
        let element = writer.element();
        let bytes = element.encode(&[embedding.scale], "the scale of the embedding")?;
        let scale = writer.builder.scalar(element, embedding.scale, bytes);
        x = writer.builder.node(("", "Mul"), &[&x, &scale], &[]);
    }
    if let Some(positions) = &embedding.positions {
        let table = position_table(writer, positions, embedding)?;
        let ends = [("start", Value::Int(1)), ("end", Value::Int(2))];
        let length = writer.builder.node(("", "Shape"), &[names::IDS], &ends);
        let zero = writer.builder.integers(&[0]);
        let rows = writer.builder.node(("", "Slice"), &[&table, &zero, &length, &zero], &[]);
        x = writer.builder.node(("", "Add"), &[&x, &rows], &[]);
    }
    let is_done = |table: &Parameter| is_single(table) && embedding.positions.is_some();
    if let Some(segments) = embedding.segments.as_ref().filter(|table| !is_done(table)) {
        let mut rows = writer.weight(segments)?;
        if !is_single(segments) {
            rows = writer.builder.node(("", "Gather"), &[&rows, names::SEGMENTS], &[]);
        }
        x = writer.builder.node(("", "Add"), &[&x, &rows], &[]);
    }
    Ok(x)
}

/// The same, normalised: in the narrow types of accelerators in one node where ONNX Runtime has it. On processors that node
/// is slower than its parts.
pub(super) fn embed_norm(
    writer: &mut Writer,
    embedding: &Embedding,
    norm: &Norm,
) -> Result<String, GraphError> {
    let positions = embedding.positions.as_ref();
    let fits = embedding.scale == 1.0 && writer.element() != Element::F32;
    let (Some(positions), NormKind::Layer) = (positions.filter(|_| fits), norm.kind) else {
        let x = writer.embed(embedding)?;
        return writer.norm(norm, &x);
    };
    let tokens = writer.weight(&embedding.tokens)?;
    let positions = position_table(writer, positions, embedding)?;
    let (mut input, mut segments) = ("", String::new());
    if let Some(table) = embedding.segments.as_ref().filter(|table| !is_single(table)) {
        segments = writer.weight(table)?;
        input = names::SEGMENTS;
    }
    let [scale, bias] = writer.norm_weights(norm, writer.element())?;
    let inputs = [names::IDS, input, &tokens, &positions, &segments, &scale, &bias];
    let epsilon = [("epsilon", Value::Float(norm.epsilon))];
    let operator = (MICROSOFT, "EmbedLayerNormalization");
    // The second output, lengths from a mask, is not optional and not used.
    let [x, _] = writer.builder.node_with(operator, &inputs, &epsilon, [true, true]);
    Ok(x)
}

/// The table of positions. The only row of a table of segments belongs to every token, and is added to it.
fn position_table(
    writer: &mut Writer,
    positions: &Parameter,
    embedding: &Embedding,
) -> Result<String, GraphError> {
    let Some(segment) = embedding.segments.as_ref().filter(|table| is_single(table)) else {
        return writer.weight(positions);
    };
    let name = format!("{}.with_segment", positions.name);
    let element = writer.element();
    writer.store.computed(&mut writer.builder, (&name, &positions.shape, element), |store| {
        let (mut rows, segment) = (store.values(positions)?, store.values(segment)?);
        for row in rows.chunks_exact_mut(segment.len().max(1)) {
            row.iter_mut().zip(&segment).for_each(|(value, added)| *value += added);
        }
        Ok(rows)
    })
}

/// Whether a table has one row, which no input needs to choose.
fn is_single(table: &Parameter) -> bool {
    table.shape.first() == Some(&1)
}
