//! Scores between contents and distances, as a bias of the scores between contents.
//!
//! Each token has one score for each distance that the batch has, [batch, heads, length, 2 x length]; those of a row
//! are moved by one place from row to row, which two reshapes do: nothing is gathered by an index for each pair.

use super::GraphError;
use super::builder::{Builder, MICROSOFT, Value, dimension};
use super::writer::{Writer, names};
use crate::architectures::{Attention, Disentangled, Linear, Operations};

/// The bias, [batch, heads, asking, asked], where the layer has one.
pub(super) fn bias(
    writer: &mut Writer,
    attention: &Attention,
    [query, key]: [&str; 2],
) -> Result<Option<String>, GraphError> {
    let Some(parts) = attention.disentangled.as_deref() else { return Ok(None) };
    let mut terms = Vec::new();
    if let Some(linear) = &parts.key {
        terms.push(by_distance(writer, attention, (parts, linear), (query, Side::Asking))?);
    }
    if let Some(linear) = &parts.query {
        let asked = by_distance(writer, attention, (parts, linear), (key, Side::Asked))?;
        terms.push(writer.builder.node(
            ("", "Transpose"),
            &[&asked],
            &[("perm", Value::Ints(vec![0, 1, 3, 2]))],
        ));
    }
    let Some(sum) = terms.into_iter().reduce(|a, b| writer.builder.node(("", "Add"), &[&a, &b], &[])) else {
        return Ok(None);
    };
    let element = writer.element();
    let bytes = element.encode(&[attention.scale], "the scale of the scores")?;
    let scale = writer.builder.scalar(element, attention.scale, bytes);
    Ok(Some(writer.builder.node(("", "Mul"), &[&sum, &scale], &[])))
}

/// Whether the contents of a term ask or are asked.
#[derive(Clone, Copy)]
enum Side {
    Asking,
    Asked,
}

/// The scores of one side's contents with the distances, [batch, heads, own place, other place].
fn by_distance(
    writer: &mut Writer,
    attention: &Attention,
    (parts, linear): (&Disentangled, &Linear),
    (contents, side): (&str, Side),
) -> Result<String, GraphError> {
    let table = distance_table(writer, parts)?;
    let projected = writer.linear(linear, &table)?;
    let rows = rows(writer, parts, side);
    let builder = &mut writer.builder;
    let (heads, head_width) = (dimension(attention.heads), dimension(attention.head_width));
    let chosen = builder.node(("", "Gather"), &[&projected, &rows], &[]);
    // [1, heads, distances, head width] and [batch, heads, length, head width]. The order of axes is one that ONNX
    // Runtime 1.31 does not fuse into the product: in f16 on the processor that fusion leaves a graph it crashes on.
    let one_text = builder.integers(&[1, -1, heads, head_width]);
    let texts = builder.integers(&[0, 0, heads, head_width]);
    let heads_first = [("perm", Value::Ints(vec![0, 2, 1, 3]))];
    let chosen = builder.node(("", "Reshape"), &[&chosen, &one_text], &[]);
    let chosen = builder.node(("", "Transpose"), &[&chosen], &heads_first);
    let contents = builder.node(("", "Reshape"), &[contents, &texts], &[]);
    let contents = builder.node(("", "Transpose"), &[&contents], &heads_first);
    let transposed = [("transB", Value::Int(1))];
    let scores = builder.node((MICROSOFT, "FusedMatMul"), &[&contents, &chosen], &transposed);
    let lengths = Lengths::of(writer);
    Ok(lengths.shifted(&mut writer.builder, &scores))
}

/// The table of distances, normalised where the family does that.
fn distance_table(writer: &mut Writer, parts: &Disentangled) -> Result<String, GraphError> {
    let what = format!("distances of {}", parts.table.name);
    if let Some(table) = writer.shared.get(&what) {
        return Ok(table.clone());
    }
    let mut table = writer.weight(&parts.table)?;
    if let Some(norm) = &parts.norm {
        table = writer.norm(norm, &table)?;
    }
    writer.shared.insert(what, table.clone());
    Ok(table)
}

/// The rows of the table for the distances `other - own` from `1 - length` to `length`, which is one more than there
/// are: it fills the row that the shift needs.
fn rows(writer: &mut Writer, parts: &Disentangled, side: Side) -> String {
    let (what, sign) = match side {
        Side::Asking => ("rows.asking", -1),
        Side::Asked => ("rows.asked", 1),
    };
    if let Some(rows) = writer.shared.get(what) {
        return rows.clone();
    }
    let lengths = Lengths::of(writer);
    let longest = dimension(parts.max_positions);
    // The distance that a row of the table is about is the asking place less the asked one.
    let all: Vec<i64> = (1 - longest..=longest).map(|ahead| dimension(parts.row(sign * ahead))).collect();
    let builder = &mut writer.builder;
    let all = builder.named_integers(&format!("disentangled.{what}"), &all);
    let middle = builder.integers(&[longest]);
    let start = builder.node(("", "Sub"), &[&middle, &lengths.length], &[]);
    let end = builder.node(("", "Add"), &[&middle, &lengths.length], &[]);
    let axis = builder.integers(&[0]);
    let rows = builder.node(("", "Slice"), &[&all, &start, &end, &axis], &[]);
    writer.shared.insert(what.to_owned(), rows.clone());
    rows
}

/// Lists of one integer that follow from the length of the batch.
struct Lengths {
    length: String,
    before: String,
    row: String,
    end: String,
    shape: String,
}

impl Lengths {
    fn of(writer: &mut Writer) -> Self {
        let names = ["length", "before", "row", "end", "shape"];
        let found = names.map(|name| writer.shared.get(&format!("lengths.{name}")).cloned());
        if let [Some(length), Some(before), Some(row), Some(end), Some(shape)] = found {
            return Self { length, before, row, end, shape };
        }
        let lengths = Self::computed(&mut writer.builder);
        let values = [&lengths.length, &lengths.before, &lengths.row, &lengths.end, &lengths.shape];
        for (name, value) in names.into_iter().zip(values) {
            writer.shared.insert(format!("lengths.{name}"), value.clone());
        }
        lengths
    }

    fn computed(builder: &mut Builder) -> Self {
        let one = builder.integers(&[1]);
        let ends = [("start", Value::Int(1)), ("end", Value::Int(2))];
        let length = builder.node(("", "Shape"), &[names::IDS], &ends);
        let before = builder.node(("", "Sub"), &[&length, &one], &[]);
        let row = builder.node(("", "Add"), &[&length, &before], &[]);
        let count = builder.node(("", "Mul"), &[&length, &row], &[]);
        let end = builder.node(("", "Add"), &[&before, &count], &[]);
        let same = builder.integers(&[0, 0]);
        let shape = builder.node(("", "Concat"), &[&same, &length, &row], &[("axis", Value::Int(0))]);
        Self { length, before, row, end, shape }
    }

    /// From scores by distance, [batch, heads, own, 2 x length], to scores by place: the place 0 is one column
    /// further left in each row than in the one above it, and rows that are one number shorter do just that.
    fn shifted(&self, builder: &mut Builder, scores: &str) -> String {
        let flat = builder.integers(&[0, 0, -1]);
        let flat = builder.node(("", "Reshape"), &[scores, &flat], &[]);
        let axis = builder.integers(&[2]);
        let kept = builder.node(("", "Slice"), &[&flat, &self.before, &self.end, &axis], &[]);
        let rows = builder.node(("", "Reshape"), &[&kept, &self.shape], &[]);
        let [zero, last] = [0, 3].map(|value| builder.integers(&[value]));
        builder.node(("", "Slice"), &[&rows, &zero, &self.length, &last], &[])
    }
}
