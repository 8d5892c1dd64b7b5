//! Which stage may use which, and which crate may be named where; `ARCHITECTURE.md` says why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::assigning_clones,
    clippy::format_push_string,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "test code: what cannot be made must fail the test, and brevity reads better than speed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every stage and the stages it may name. All may name `battle`, `progress` and `files`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("battle", &[]),
    ("progress", &[]),
    ("files", &[]),
    ("metrics", &[]),
    ("tables", &[]),
    ("features", &[]),
    ("ties", &[]),
    ("splits", &[]),
    ("checkpoint", &[]),
    ("architectures", &["checkpoint"]),
    ("compute", &["architectures", "checkpoint"]),
    ("onnx", &["architectures", "checkpoint"]),
    ("encoding", &["checkpoint"]),
    (
        "finetune",
        &[
            "compute",
            "architectures",
            "checkpoint",
            "onnx",
            "ties",
            "encoding",
            "predictors",
            "learning",
            "splits",
            "tables",
        ],
    ),
    ("sources", &["tables"]),
    ("submissions", &["tables"]),
    ("simulation", &["ties"]),
    ("predictors", &["features", "ties", "metrics", "checkpoint", "encoding", "onnx"]),
    ("learning", &["predictors", "features", "metrics", "splits", "encoding", "ties"]),
    ("recipes", &["learning", "finetune", "predictors"]),
    ("audit", &["features", "tables", "metrics", "splits", "learning", "predictors"]),
    ("validation", &["learning", "predictors", "splits"]),
    ("calibrators", &["metrics", "ties", "predictors"]),
    ("evaluation", &["metrics", "calibrators", "features"]),
    ("reports", &["evaluation"]),
];

/// External crates and the only places (by path prefix under `src/`) that may name them.
const CRATES: &[(&str, &[&str])] = &[
    ("polars", &["tables", "sources"]),
    ("ort", &["onnx"]),
    ("prost", &["onnx/graph"]),
    ("candle_core", &["compute"]),
    ("pulp", &["compute/kernels"]),
    ("memmap2", &["checkpoint"]),
    ("safetensors", &["checkpoint", "onnx/graph", "finetune"]),
    ("tokenizers", &["encoding"]),
    ("minijinja_contrib", &["encoding"]),
    ("lightgbm3", &["predictors/boosted", "learning/boosted"]),
    ("linfa", &["predictors/linear", "learning", "features"]),
    ("linfa_preprocessing", &["predictors/linear", "learning", "features"]),
    ("plotters", &["reports/plots"]),
    ("clap", &["cli.rs", "main.rs", "commands"]),
    ("anyhow", &["commands", "main.rs"]),
    ("comfy_table", &["commands"]),
    ("indicatif", &["commands"]),
    ("signal_hook", &["commands"]),
    ("minijinja", &["reports", "encoding"]),
];

/// The only files that may contain unsafe code.
const UNSAFE: &[&str] = &["main.rs", "checkpoint/mapped.rs", "onnx/placement.rs"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file below `src/` with its path there, comments and strings taken out.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            (name, code_of(&fs::read_to_string(&path).unwrap()))
        })
        .collect()
}

fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The first name of every path behind `prefix`, also in `prefix{a, b::c}`.
fn names_behind(code: &str, prefix: &str) -> BTreeSet<String> {
    let identifier =
        |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut names = BTreeSet::new();
    for (start, _) in code.match_indices(prefix) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[start + prefix.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for character in list.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.insert(identifier(item.trim()));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(character);
            }
            names.insert(identifier(item.trim()));
        } else {
            names.insert(identifier(rest));
        }
    }
    names.remove("");
    names
}

/// The stages that a file names: through `crate::`, and through enough `super::` to leave its stage.
fn stages_used(name: &str, code: &str) -> BTreeSet<String> {
    let mut used = names_behind(code, "crate::");
    let depth = name.trim_end_matches("/mod.rs").matches('/').count() + 1;
    used.extend(names_behind(code, &"super::".repeat(depth)));
    used
}

fn stage_of(name: &str) -> &str {
    name.split('/').next().unwrap_or(name).trim_end_matches(".rs")
}

#[test]
fn stages_use_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let stages: BTreeSet<&str> = allowed.keys().copied().collect();
    let mut wrong = Vec::new();
    for (name, code) in files() {
        let stage = stage_of(&name);
        let Some(may_use) = allowed.get(stage) else { continue };
        for used in stages_used(&name, &code) {
            let common = ["battle", "progress", "files"].contains(&used.as_str()) && stage != "battle";
            let top = ["ancestry", "commands", "cli", "config", "run_dir", "manifest", "pipeline", "shipped"]
                .contains(&used.as_str());
            let forbidden = stages.contains(used.as_str()) && !may_use.contains(&used.as_str()) && !common;
            if used != stage && (forbidden || top) {
                wrong.push(format!("`src/{name}` must not use `{used}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_is_a_known_stage_and_the_order_has_no_cycle() {
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        MAY_USE.iter().map(|(stage, uses)| (*stage, uses.iter().copied().collect())).collect();
    for (name, _) in files() {
        let stage = stage_of(&name);
        let known = left.contains_key(stage)
            || [
                "main", "lib", "ancestry", "cli", "commands", "config", "run_dir", "manifest", "pipeline",
                "shipped",
            ]
            .contains(&stage);
        assert!(known, "`src/{name}` belongs to no stage of tests/architecture.rs");
    }
    while !left.is_empty() {
        let free: Vec<&str> = left
            .iter()
            .filter(|(_, uses)| uses.iter().all(|u| !left.contains_key(u)))
            .map(|(s, _)| *s)
            .collect();
        assert!(!free.is_empty(), "these stages use each other in a circle: {:?}", left.keys());
        for stage in free {
            left.remove(stage);
        }
    }
}

#[test]
fn external_crates_are_named_only_where_they_belong() {
    let mut wrong = Vec::new();
    for (name, code) in files() {
        for (package, places) in CRATES {
            let uses = code.lines().any(|line| {
                line.trim_start().starts_with(&format!("use {package}::"))
                    || line.trim_start().starts_with(&format!("use {package}::{{"))
            }) || !names_behind(&code, &format!("{package}::")).is_empty();
            if uses && !places.iter().any(|place| name.starts_with(place)) {
                wrong.push(format!("`src/{name}` must not name `{package}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stands_only_in_the_listed_files() {
    for (name, code) in files() {
        let has_unsafe =
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
        assert!(!has_unsafe || UNSAFE.contains(&name.as_str()), "`src/{name}` contains unsafe code");
    }
}

#[test]
fn main_reads_as_the_pipeline() {
    let main = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 40, "src/main.rs is no longer a short page");
}

#[test]
fn the_rules_themselves_can_fail() {
    let code = "use crate::{battle::Battle, commands};\nuse super::super::reports::html;";
    let used = stages_used("metrics/inner/file.rs", code);
    assert!(used.contains("commands") && used.contains("battle"));
    assert!(stages_used("metrics/file.rs", code).contains("reports"));
}
