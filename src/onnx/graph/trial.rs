use super::builder::{Builder, Value, dimension, types};
use super::messages::{Size, Tensor};
use super::writer::names;

/// Rows and columns of its table.
const WIDTH: usize = 4;

/// A small graph that every execution provider can compute: rows of a table, times the table.
pub(in crate::onnx) fn trial_graph() -> Vec<u8> {
    let mut builder = Builder::default();
    builder.input(names::IDS, types::INT64, &["batch", "sequence"]);
    let numbers: Vec<u8> = (0_u8..16).flat_map(|number| f32::from(number).to_le_bytes()).collect();
    builder.add_tensor(Tensor {
        dims: vec![dimension(WIDTH); 2],
        data_type: types::FLOAT,
        name: "table".to_owned(),
        raw_data: Some(numbers),
        ..Default::default()
    });
    let rows = builder.node(("", "Gather"), &["table", names::IDS], &[("axis", Value::Int(0))]);
    let product = builder.node(("", "MatMul"), &[&rows, "table"], &[]);
    let sizes = vec![
        Size::Named("batch".to_owned()),
        Size::Named("sequence".to_owned()),
        Size::Value(dimension(WIDTH)),
    ];
    builder.output(&product, names::HIDDEN, sizes);
    builder.encode("trial")
}
