//! What a pool of sessions gives and refuses.

use std::path::Path;

use tiebreak::onnx::{
    BatchError, BatchOutput, Device, Element, Placement, PoolReport, SessionPool, flushes_denormals,
};

use super::{Rows, model, open, options};

fn run(pool: &SessionPool, rows: &[(Vec<u32>, Vec<u32>)]) -> Result<BatchOutput, BatchError> {
    let slices: Vec<_> = rows.iter().map(|(ids, types)| (ids.as_slice(), types.as_slice())).collect();
    let mut line = pool.line();
    line.submit(7, &slices)?;
    let (tag, output) = line.receive().unwrap();
    assert_eq!(tag, 7);
    output
}

#[test]
fn a_row_is_the_same_bit_for_bit_alone_and_in_any_batch() {
    let pool = open("encoder");
    let rows = Rows::of_lengths(&[37, 5, 64, 12, 1, 64]).0;
    let together = run(&pool, &rows).unwrap();
    assert_eq!((together.rows(), together.width(), together.padded_tokens()), (6, 32, 6 * 64));
    for (number, row) in rows.iter().enumerate() {
        let alone = run(&pool, std::slice::from_ref(row)).unwrap();
        assert_eq!(alone.row(0), together.row(number), "row {number}");
        assert_eq!(alone.row(0).len(), row.0.len() * 32);
    }
}

#[test]
fn the_threads_of_the_sessions_flush_denormals_and_ours_keeps_them() {
    assert!(!flushes_denormals());
    let pool = open("encoder");
    run(&pool, &Rows::of_lengths(&[9, 4]).0).unwrap();
    assert!(pool.report().flushes_denormals, "a session thread does not bear the mark");
    assert!(!flushes_denormals(), "the mark reached our own arithmetic");
    let again = open("encoder");
    assert!(again.report().flushes_denormals, "only the first session of the process flushes");
    assert!(!std::thread::spawn(flushes_denormals).join().unwrap());
}

#[test]
fn the_report_says_where_every_node_runs_and_survives_a_file() {
    let pool = open("encoder");
    let report = pool.report();
    assert_eq!(report.devices, ["cpu", "cpu"]);
    let Placement::Known { nodes } = &report.placement else { panic!("{:?}", report.placement) };
    assert_eq!(nodes.keys().collect::<Vec<_>>(), ["CPUExecutionProvider"]);
    let text = serde_json::to_string(report).unwrap();
    assert_eq!(&serde_json::from_str::<PoolReport>(&text).unwrap(), report);
}

#[test]
fn half_precision_is_read_and_infinity_is_found_in_its_row() {
    let pool = open("half_logits");
    let signature = &pool.report().signature;
    assert_eq!((signature.element, signature.inputs[0].element), (Element::F16, Element::I32));
    let rows = [(vec![3, 1], vec![0, 0]), (vec![7], vec![0])];
    let output = run(&pool, &rows).unwrap();
    assert_eq!((output.width(), output.row(0).len()), (3, 3));
    assert_eq!(output.not_finite(0), None);
    assert_eq!(output.not_finite(1), Some((1, f32::INFINITY)));
}

#[test]
fn a_graph_of_fixed_size_is_filled_and_too_long_a_row_is_refused() {
    let pool = open("fixed");
    let rows = Rows::of_lengths(&[5, 17]).0;
    let output = run(&pool, &rows[..1]).unwrap();
    assert_eq!((output.row(0).len(), output.width()), (5 * 4, 4));
    let message = run(&pool, &rows[1..]).unwrap_err().to_string();
    assert!(message.contains("17 tokens where the graph is fixed to 16"), "{message}");
}

#[test]
fn models_that_cannot_be_used_say_why() {
    let refused = |path: &Path| SessionPool::open(path, &options("cpu")).unwrap_err().to_string();
    let message = refused(&model("cached"));
    assert!(message.contains("`past_key_values.0.key`") && message.contains("key-value cache"), "{message}");
    let message = refused(&model("absent"));
    assert!(message.contains("absent.onnx"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.onnx");
    std::fs::write(&damaged, "not a model").unwrap();
    assert!(refused(&damaged).contains("damaged.onnx"));
}

#[test]
fn an_id_outside_the_vocabulary_fails_its_batch_and_not_the_pool() {
    let pool = open("encoder");
    let message = run(&pool, &[(vec![1, 64], vec![0, 0])]).unwrap_err().to_string();
    assert!(message.contains("1 rows of 2 tokens"), "{message}");
    run(&pool, &Rows::of_lengths(&[3]).0).unwrap();
}

#[test]
fn the_device_of_a_configuration_is_checked_when_it_is_read() {
    assert_eq!(serde_json::from_str::<Device>("\"cuda:0,1\"").unwrap().numbers(), [0, 1]);
    assert!(serde_json::from_str::<Device>("\"gpu\"").is_err());
}
