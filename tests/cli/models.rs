//! A folder in which models are imported, and copies of the tiny checkpoints that tests may change.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::Value;
use tempfile::TempDir;

use super::workshop::Said;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) struct Models(TempDir);

impl Models {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A folder with a copy of a tiny checkpoint as `from`.
    pub(crate) fn with(checkpoint: &str) -> Self {
        let models = Self::new();
        models.copy(&format!("checkpoints/{checkpoint}"), "from");
        models
    }

    /// Copies the files of a fixture's folder, written anew, so that they may be changed.
    pub(crate) fn copy(&self, fixture_name: &str, to: &str) {
        fs::create_dir_all(self.path(to)).unwrap();
        for entry in fs::read_dir(fixture(fixture_name)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                fs::write(self.path(to).join(path.file_name().unwrap()), bytes).unwrap();
            }
        }
    }

    /// Copies one file of a fixture.
    pub(crate) fn copy_file(&self, fixture_name: &str, to: &str) {
        let path = self.path(to);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, fs::read(fixture(fixture_name)).unwrap()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Changes one JSON file.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = self.json(name);
        change(&mut value);
        self.write(name, &value.to_string());
    }

    /// Writes `from/model.safetensors` again, some weights under another name or not at all.
    pub(crate) fn rename_weights(&self, change: impl Fn(&str) -> Option<String>) {
        let path = self.path("from/model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let views: Vec<(String, TensorView)> =
            file.tensors().into_iter().filter_map(|(name, view)| Some((change(&name)?, view))).collect();
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    /// The program with these arguments, one blank between two.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("tiebreak").unwrap();
        command.current_dir(self.0.path()).args(arguments.split(' '));
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Said {
        Said::of(&mut self.command(arguments))
    }

    /// Imports `from` as `models/m`.
    pub(crate) fn import(&self, flags: &str) -> Said {
        self.run(format!("--json import from --out models/m {flags}").trim_end())
    }

    /// An import that must be refused with all of `parts`, and must leave nothing.
    #[track_caller]
    pub(crate) fn import_refuses(&self, flags: &str, parts: &[&str]) {
        self.import(flags).refuses(parts);
        self.leaves_nothing();
    }

    /// That a failed import left neither a model nor a beginning of one.
    #[track_caller]
    pub(crate) fn leaves_nothing(&self) {
        let left = fs::read_dir(self.path("models")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "a failed import left something");
    }
}

/// A battle in the form of Kaggle's LMSYS test file.
pub(crate) const HEADER: &str = "id,prompt,response_a,response_b\n";

pub(crate) fn row(id: &str, [prompt, a, b]: [&str; 3]) -> String {
    let cell = |text: &str| {
        let json = serde_json::to_string(&[text]).unwrap();
        format!("\"{}\"", json.replace('"', "\"\""))
    };
    format!("{id},{},{},{}\n", cell(prompt), cell(a), cell(b))
}
