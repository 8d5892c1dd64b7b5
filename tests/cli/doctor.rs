//! `tiebreak doctor` and `tiebreak setup` from the outside.

use super::models::Models;
use super::workshop::Said;

#[test]
fn every_device_is_tried_and_what_does_not_open_says_why() {
    let models = Models::new();
    let said = models.run("--json doctor").json();
    assert!(said["cores"].as_u64().unwrap() >= 1);
    assert!(said["onnx_runtime"]["providers"][0] == "CPUExecutionProvider", "{said}");
    let devices = said["devices"].as_array().unwrap();
    let names: Vec<&str> = devices.iter().map(|trial| trial["device"].as_str().unwrap()).collect();
    assert!(names.len() >= 3 && names[0] == "cpu" && names[1] == "cuda:0", "{names:?}");
    assert_eq!(devices[0]["opens"], true);
    assert!(devices[0]["detail"].as_str().unwrap().contains("CPUExecutionProvider 2"), "{said}");
    for trial in devices {
        assert!(!trial["detail"].as_str().unwrap().is_empty(), "{trial}");
        assert!(trial["opens"] == false || trial["compiled_in"] == true, "{trial}");
    }
    let text = models.run("doctor").stdout;
    assert!(text.contains("compiled in") && text.contains("cuda:0"), "{text}");
}

#[test]
fn a_missing_library_is_a_diagnosis_with_its_way_out() {
    let models = Models::new();
    let said = Said::of(models.command("--json doctor").env("ORT_DYLIB_PATH", "absent.so")).json();
    assert!(said["onnx_runtime"].is_null() && said["devices"].as_array().unwrap().is_empty());
    let problem = said["onnx_runtime_problem"].as_str().unwrap();
    assert!(problem.contains("absent.so") && problem.contains("`tiebreak setup`"), "{problem}");
}

#[test]
fn a_library_that_cannot_be_fetched_names_its_wheel_and_leaves_nothing() {
    let models = Models::new();
    for (flags, wheel) in [("", "onnxruntime=="), (" --gpu", "onnxruntime-gpu==")] {
        let mut command = models.command(&format!("setup --python absent-python{flags}"));
        let said = Said::of(command.env("TIEBREAK_RUNTIME", models.path("runtime")));
        assert_eq!(said.code, Some(1), "{}", said.stderr);
        assert!(said.stderr.contains(wheel) && said.stderr.contains("`absent-python`"), "{}", said.stderr);
        assert_eq!(std::fs::read_dir(models.path("runtime")).unwrap().count(), 0);
    }
}
