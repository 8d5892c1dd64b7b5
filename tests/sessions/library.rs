//! What is said when the library or the device is missing. A process can load one library only, so each
//! failure of it runs in a child: this very program, told by `TIEBREAK_TEST_CHILD` what to open.

use std::path::Path;
use std::process::{Command, Output};

use tiebreak::onnx::SessionPool;

use super::{child, model, open, options, says};

/// Opens the encoder on the device that the parent named and prints what came of it.
#[test]
fn opens_a_device() {
    let Ok(device) = std::env::var("TIEBREAK_TEST_CHILD") else { return };
    match SessionPool::open(&model("encoder"), &options(&device)) {
        Ok(pool) => println!("RESULT {} | {}", pool.report().devices.join(","), pool.report().choice),
        Err(error) => println!("RESULT error {error}"),
    }
}

fn in_child(device: &str, library: Option<&Path>) -> String {
    let mut command = child("library::opens_a_device");
    command.env("TIEBREAK_TEST_CHILD", device);
    if let Some(path) = library {
        command.env("ORT_DYLIB_PATH", path);
    }
    result_of(command)
}

/// What the child says when fetched libraries are looked for in `runtime`.
fn in_child_with(device: &str, runtime: &Path) -> String {
    let mut command = child("library::opens_a_device");
    command.env("TIEBREAK_TEST_CHILD", device).env_remove("ORT_DYLIB_PATH").env("TIEBREAK_RUNTIME", runtime);
    result_of(command)
}

fn result_of(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let text = String::from_utf8(stdout).unwrap();
    text.lines().find_map(|line| line.split_once("RESULT ")).unwrap().1.to_owned()
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
    for (name, text, parts) in [
        ("old", old, ["is version 1.10.0", "at least 1."]),
        ("other", "int nothing;", ["other.so", "OrtGetApiBase"]),
    ] {
        let (source, library) =
            (folder.path().join(format!("{name}.c")), folder.path().join(format!("{name}.so")));
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
        assert!(
            said.starts_with("cuda:0 |") || said.starts_with("error `--device cuda` cannot be used"),
            "{said}"
        );
        return;
    }
    let library = pool.report().library.path.clone();
    for device in ["cuda", "tensorrt", "cuda:0,1"] {
        let said = in_child(device, Some(&library));
        says(
            &said,
            &[
                &format!("error `--device {device}` cannot be used"),
                "built without",
                "`tiebreak setup --gpu`",
            ],
        );
    }
    let said = in_child("auto", Some(&library));
    says(&said, &["cpu,cpu | the processor, because", "built without CUDAExecutionProvider"]);
}

#[test]
fn without_a_fetched_library_every_place_is_named_and_the_build_that_the_device_needs() {
    let folder = tempfile::tempdir().unwrap();
    for (device, command) in [
        ("cpu", "`tiebreak setup` fetches"),
        ("auto", "`tiebreak setup` fetches"),
        ("cuda", "`tiebreak setup --gpu`"),
        ("tensorrt:1", "`tiebreak setup --gpu`"),
    ] {
        let said = in_child_with(device, folder.path());
        says(
            &said,
            &["error no ONNX Runtime library", "onnxruntime-1.31.1", "onnxruntime-gpu-1.31.1", command],
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_fetched_library_that_is_not_whole_is_refused_before_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let installed = folder.path().join("onnxruntime-1.31.1");
    std::fs::create_dir(&installed).unwrap();
    std::fs::write(installed.join("libonnxruntime.so.1.31.1"), "half of it").unwrap();
    let stamp = |wheel: &str| {
        let files = r#"[{"name":"libonnxruntime.so.1.31.1","size_bytes":20,"blake3":"00"}]"#;
        let text = format!(r#"{{"format_version":1,"wheel":"{wheel}","files":{files}}}"#);
        std::fs::write(installed.join("installed.json"), text).unwrap();
    };
    stamp("onnxruntime==1.31.1");
    let said = in_child_with("cpu", folder.path());
    says(
        &said,
        &["error `", "libonnxruntime.so.1.31.1` is damaged", "10 bytes instead of 20", "`tiebreak setup`"],
    );
    stamp("onnxruntime==1.20.0");
    says(&in_child_with("cpu", folder.path()), &["installed.json` is damaged", "onnxruntime==1.20.0"]);
    std::fs::write(installed.join("installed.json"), "{").unwrap();
    says(&in_child_with("cpu", folder.path()), &["installed.json` is damaged"]);
}

/// The child of the test below.
#[test]
fn loads_two_libraries() {
    if std::env::var_os("TIEBREAK_TEST_TWO").is_none() {
        return;
    }
    let first = open("encoder").report().library.path.clone();
    let second = tiebreak::onnx::describe(Path::new("other/libonnxruntime.so")).unwrap_err();
    let again = tiebreak::onnx::describe(&first).is_ok();
    println!("RESULT {second} | the first again: {again}");
}

#[test]
fn a_process_loads_one_library_and_says_so_when_asked_for_another() {
    let mut command = child("library::loads_two_libraries");
    command.env("TIEBREAK_TEST_TWO", "1");
    says(&result_of(command), &["in use already", "one only", "the first again: true"]);
}

#[test]
fn the_trial_of_devices_never_takes_a_compiled_provider_for_a_device() {
    let library = open("encoder").report().library.clone();
    let trials = tiebreak::onnx::try_devices(&library, 0).unwrap();
    let names: Vec<&str> = trials.iter().map(|trial| trial.device.as_str()).collect();
    assert_eq!(names, ["cpu", "cuda:0", "tensorrt:0"]);
    assert!(trials[0].opens && trials[0].compiled_in, "{trials:?}");
    for trial in &trials[1..] {
        assert!(!trial.opens || (trial.compiled_in && !trial.detail.starts_with("unknown")), "{trial:?}");
        if !trial.compiled_in {
            says(&trial.detail, &["built without", "`tiebreak setup --gpu`"]);
        }
    }
}
