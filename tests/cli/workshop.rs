//! A folder with labels and predictions for the commands that judge predictions of any file.

use std::fmt::Write;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Runs a command.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("an output");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect("one JSON object")
    }

    /// One message on standard error that says all of `parts`, and exit code 2.
    #[track_caller]
    pub(crate) fn refuses(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(2), "{}{}", self.stdout, self.stderr);
        assert!(self.stdout.is_empty(), "{}", self.stdout);
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not in: {}", self.stderr);
        }
    }
}

pub(crate) struct Workshop(TempDir);

/// A number in 0..1 that looks random.
fn uniform(index: usize) -> f64 {
    let mut x = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
}

fn softmax(logits: [f64; 3]) -> [f64; 3] {
    let weights = logits.map(f64::exp);
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

const HEADER: &str = "id,winner_model_a,winner_model_b,winner_tie\n";

impl Workshop {
    /// `rows` labelled rows in groups of four, with `good.csv`, `sharp.csv` (overconfident), `flat.csv`
    /// (knows nothing), `labels.csv`, `groups.csv` and `folds.csv`.
    pub(crate) fn new(rows: usize) -> Self {
        let workshop = Self(TempDir::new().expect("a folder"));
        let [mut good, mut sharp, mut flat, mut labels] = [0; 4].map(|_| HEADER.to_owned());
        let (mut groups, mut folds) = ("id,group\n".to_owned(), "id,fold\n".to_owned());
        for row in 0..rows {
            let z = [0, 1, 2].map(|class| 4.0 * uniform(4 * row + class) - 2.0);
            let truth = softmax(z);
            let position = uniform(4 * row + 3);
            let label = match position {
                p if p < truth[0] => "1,0,0",
                p if p < truth[0] + truth[1] => "0,1,0",
                _ => "0,0,1",
            };
            for (file, factor) in [(&mut good, 1.0), (&mut sharp, 2.5), (&mut flat, 0.0)] {
                let [a, b, tie] = softmax(z.map(|value| factor * value));
                writeln!(file, "r{row},{a},{b},{tie}").expect("a string");
            }
            writeln!(labels, "r{row},{label}").expect("a string");
            writeln!(groups, "r{row},g{}", row / 4).expect("a string");
            writeln!(folds, "r{row},{}", row / 4 % 5).expect("a string");
        }
        let files = [
            ("good", good),
            ("sharp", sharp),
            ("flat", flat),
            ("labels", labels),
            ("groups", groups),
            ("folds", folds),
        ];
        for (name, text) in files {
            workshop.write(&format!("{name}.csv"), &text);
        }
        workshop
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a written file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("a file")
    }

    pub(crate) fn run(&self, arguments: &str) -> Said {
        let mut command = Command::cargo_bin("tiebreak").expect("the binary");
        Said::of(command.current_dir(self.path()).args(arguments.split(' ')))
    }

    /// The lines of a file but the first, turned around.
    pub(crate) fn reverse(&self, from: &str, to: &str) {
        let text = self.read(from);
        let mut lines = text.lines();
        let header = lines.next().expect("a header");
        let rows: Vec<&str> = lines.rev().collect();
        self.write(to, &format!("{header}\n{}\n", rows.join("\n")));
    }
}
