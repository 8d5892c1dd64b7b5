//! Sessions on small ONNX files made elsewhere, and what is said when the library or the device is missing.
//!
//! A process can load one library only, so each failure of it runs in a child: this very program, told by
//! `TIEBREAK_TEST_CHILD` what to open.

#![allow(clippy::unwrap_used, reason = "test code: what cannot be made must fail the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tiebreak::onnx::{
    BatchError, BatchOutput, Device, Element, Placement, PoolOptions, SessionPool, flushes_denormals,
};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx").join(format!("{name}.onnx"))
}

fn options(device: &str) -> PoolOptions {
    PoolOptions::for_threads(device.parse().unwrap(), 2)
}

fn open(name: &str) -> SessionPool {
    SessionPool::open(&model(name), &options("cpu")).unwrap()
}

/// Rows of pseudo-random ids below 64 with the given lengths, as (ids, type ids).
fn rows(lengths: &[usize]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let mut state = 1_u32;
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    lengths
        .iter()
        .map(|length| ((0..*length).map(|_| next(64)).collect(), (0..*length).map(|_| next(2)).collect()))
        .collect()
}

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
    let rows = rows(&[37, 5, 64, 12, 1, 64]);
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
    run(&pool, &rows(&[9, 4])).unwrap();
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
    assert_eq!(&serde_json::from_str::<tiebreak::onnx::PoolReport>(&text).unwrap(), report);
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
    let rows = rows(&[5, 17]);
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
    run(&pool, &rows(&[3])).unwrap();
}

/// Opens the encoder on the device that the parent named and prints what came of it.
#[test]
fn child() {
    let Ok(device) = std::env::var("TIEBREAK_TEST_CHILD") else { return };
    match SessionPool::open(&model("encoder"), &options(&device)) {
        Ok(pool) => println!("RESULT {} | {}", pool.report().devices.join(","), pool.report().choice),
        Err(error) => println!("RESULT error {error}"),
    }
}

fn in_child(device: &str, library: Option<&Path>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture"]).env("TIEBREAK_TEST_CHILD", device);
    if let Some(path) = library {
        command.env("ORT_DYLIB_PATH", path);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let text = String::from_utf8(stdout).unwrap();
    text.lines().find_map(|line| line.split_once("RESULT ")).unwrap().1.to_owned()
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn a_missing_library_names_the_command_that_fetches_it() {
    let absent = Path::new("absent/libonnxruntime.so");
    says(&in_child("cpu", Some(absent)), &["`absent/libonnxruntime.so`", "`tiebreak setup`", "1.31.1"]);
    says(&in_child("cuda", Some(absent)), &["`tiebreak setup --gpu`"]);
}

#[test]
fn a_file_that_is_no_library_is_refused_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    std::fs::write(&path, "text").unwrap();
    says(&in_child("cpu", Some(&path)), &["error cannot load ONNX Runtime", "`tiebreak setup`"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_old_library_is_refused_with_its_version_and_a_foreign_one_without_a_panic() {
    let old = "const char* version(void) { return \"1.10.0\"; }\n\
               struct Base { void* (*api)(unsigned); const char* (*version)(void); } base = { 0, version };\n\
               const struct Base* OrtGetApiBase(void) { return &base; }\n";
    let folder = tempfile::tempdir().unwrap();
    for (name, text, parts) in
        [("old", old, ["is version 1.10.0", "at least 1."]), ("other", "int nothing;", ["other.so", "OrtGetApiBase"])]
    {
        let (source, library) = (folder.path().join(format!("{name}.c")), folder.path().join(format!("{name}.so")));
        std::fs::write(&source, text).unwrap();
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        assert!(built.unwrap().success());
        let said = in_child("cpu", Some(&library));
        says(&said, &parts);
        says(&said, &["`tiebreak setup`"]);
    }
}

#[test]
fn cuda_fails_loudly_and_auto_says_why_it_took_the_processor() {
    let pool = open("encoder");
    if pool.report().library.providers.len() > 1 {
        // A library with CUDA: whether it works depends on the machine, so only that nothing is silent is tested.
        let said = in_child("cuda", None);
        assert!(said.starts_with("cuda:0 |") || said.starts_with("error `--device cuda` cannot be used"), "{said}");
        return;
    }
    let library = pool.report().library.path.clone();
    for device in ["cuda", "tensorrt", "cuda:0,1"] {
        let said = in_child(device, Some(&library));
        says(&said, &[&format!("error `--device {device}` cannot be used"), "built without", "`tiebreak setup --gpu`"]);
    }
    let said = in_child("auto", Some(&library));
    says(&said, &["cpu,cpu | the processor, because", "built without CUDAExecutionProvider"]);
}

#[test]
fn the_device_of_a_configuration_is_checked_when_it_is_read() {
    assert_eq!(serde_json::from_str::<Device>("\"cuda:0,1\"").unwrap().numbers(), [0, 1]);
    assert!(serde_json::from_str::<Device>("\"gpu\"").is_err());
}
