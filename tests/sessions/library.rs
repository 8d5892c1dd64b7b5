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
