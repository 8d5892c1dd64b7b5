//! One typed TOML file decides a run. Parsing checks the values and opens nothing; an unknown key is an
//! error; flags and `--set key=value` override; the resolved file is saved beside the model.

mod cascade;
mod data;
mod final_fit;
mod overrides;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use cascade::CascadeStage;
pub use data::{DataSource, Deduplicate, Role, Ties};
pub use final_fit::{Final, FinalFit};

use crate::battle::Task;
use crate::calibrators::PostProcessingRecipe;
use crate::recipes::LearnerRecipe;
use overrides::override_key;

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML, or a key or value is not ours.
    #[error("`{}`: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where they are known.
        message: String,
    },
    /// `--set` was given something else than `key=value`, or a key that leads nowhere.
    #[error(
        "`--set {argument}`: {message}; write `--set validation.folds=3` or `--set predictor.0.kind=\"linear\"`"
    )]
    BadOverride {
        /// What was given.
        argument: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is predicted.
    #[serde(default)]
    pub task: Task,
    /// One fit of every predictor for each seed; their predictions are averaged.
    #[serde(default = "default_seeds")]
    pub seeds: Vec<u64>,
    /// Where battles come from; `--train` replaces the competition data.
    #[serde(default)]
    pub data: Vec<DataSource>,
    /// How rows are held out.
    #[serde(default)]
    pub validation: Validation,
    /// What is trained; several are blended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predictor: Vec<PredictorEntry>,
    /// Instead of predictors two finished runs: the cheap one for every row, the expensive one for uncertain rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cascade: Vec<CascadeStage>,
    /// What is shipped.
    #[serde(default, rename = "final")]
    pub final_fit: Final,
    /// How predictions are blended and calibrated.
    #[serde(default)]
    pub post_processing: PostProcessingRecipe,
}

fn default_seeds() -> Vec<u64> {
    vec![1]
}

/// How rows are held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Validation {
    /// How many folds; not used with `folds_file`.
    pub folds: u32,
    /// The seed of the assignment.
    pub seed: u64,
    /// A CSV `id,fold` that assigns them instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds_file: Option<PathBuf>,
    /// Only these folds are trained and scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_folds: Option<Vec<u32>>,
}

impl Default for Validation {
    fn default() -> Self {
        Self { folds: 5, seed: 0, folds_file: None, train_folds: None }
    }
}

/// One predictor: a name of your choice and its recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictorEntry {
    /// How tables and files call it; the kind if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is and how it is fitted.
    #[serde(flatten)]
    pub recipe: LearnerRecipe,
}

impl Config {
    /// Reads a file and applies `overrides`, each `dotted.key=value` in TOML.
    ///
    /// # Errors
    /// `ConfigError` when the file cannot be read, a key is unknown, or a value is out of range.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path, overrides)
    }

    fn parse(text: &str, path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let invalid = |message: String| ConfigError::Invalid { path: path.to_owned(), message };
        // Parsed once directly, because only then a message knows its line.
        let direct: Self = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let config = if overrides.is_empty() {
            direct
        } else {
            let mut table: toml::Table = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
            for argument in overrides {
                override_key(&mut table, argument)?;
            }
            table.try_into().map_err(|error: toml::de::Error| invalid(error.to_string()))?
        };
        config.check().map_err(invalid)?;
        Ok(config)
    }

    /// The configuration as it is saved beside the model.
    ///
    /// # Errors
    /// `ConfigError::Invalid` when a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self)
            .map_err(|error| ConfigError::Invalid { path: "config.toml".into(), message: error.to_string() })
    }

    /// The name of every predictor: its own, or its kind, numbered where it repeats.
    #[must_use]
    pub fn predictor_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for entry in &self.predictor {
            let base = entry.name.clone().unwrap_or_else(|| entry.recipe.kind().to_owned());
            let mut name = base.clone();
            let mut number = 2;
            while names.contains(&name) {
                name = format!("{base}-{number}");
                number += 1;
            }
            names.push(name);
        }
        names
    }

    fn check(&self) -> Result<(), String> {
        self.check_cascade()?;
        if self.predictor.is_empty() && self.cascade.is_empty() {
            return Err("no `[[predictor]]`; name at least one, such as `kind = \"linear\"`".to_owned());
        }
        if self.seeds.is_empty() {
            return Err("`seeds` is empty; give at least one, such as `seeds = [1]`".to_owned());
        }
        if self.validation.folds < 2 {
            return Err(format!("validation.folds `{}` is below 2", self.validation.folds));
        }
        for entry in &self.predictor {
            let plain = |name: &String| name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
            if entry.name.as_ref().is_some_and(|name| name.is_empty() || !plain(name)) {
                return Err("a predictor's `name` may hold letters, digits, `-`, `_` and `.` only".to_owned());
            }
        }
        for source in &self.data {
            if !(source.weight > 0.0 && source.weight.is_finite()) {
                return Err(format!(
                    "weight `{}` of `{}` must be positive and finite",
                    source.weight,
                    source.path.display()
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, overrides: &[&str]) -> Result<Config, ConfigError> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Config::parse(text, Path::new("test.toml"), &overrides)
    }

    #[test]
    fn the_shortest_configuration_has_defaults_and_survives_being_written() {
        let config = parse("[[predictor]]\nkind = \"prior\"\n", &[]).unwrap();
        assert_eq!((config.validation.folds, config.seeds.clone()), (5, vec![1]));
        assert_eq!(parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
    }

    #[test]
    fn unknown_keys_and_values_are_errors() {
        for text in [
            "[[predictor]]\nkind = \"prior\"\nstrength = 3\n",
            "[[predictor]]\nkind = \"magic\"\n",
            "sneed = 1\n[[predictor]]\nkind = \"prior\"\n",
            "[final]\nfit = \"average_products\"\n[[predictor]]\nkind = \"prior\"\n",
            "task = \"three\"\n[[predictor]]\nkind = \"prior\"\n",
            "predictor = []\n",
            "seeds = []\n[[predictor]]\nkind = \"prior\"\n",
            "[[predictor]]\nname = \"a/b\"\nkind = \"prior\"\n",
        ] {
            assert!(matches!(parse(text, &[]), Err(ConfigError::Invalid { .. })), "{text}");
        }
    }

    #[test]
    fn a_cascade_is_two_runs_and_nothing_else() {
        let two = "[[cascade]]\nrun = \"a\"\n[[cascade]]\nrun = \"b\"\nuncertainty = \"top_probability\"\n";
        let config = parse(two, &["cascade.1.max_share=0.4"]).unwrap();
        assert_eq!(config.cascade[1].max_share, Some(0.4));
        assert_eq!(parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
        for (text, says) in [
            ("[[cascade]]\nrun = \"a\"\n".to_owned(), "write two"),
            (two.replace("\"b\"", "\"a\""), "both entries"),
            (two.replace("\"a\"\n", "\"a\"\nmax_share = 0.5\n"), "second `[[cascade]]`"),
            (format!("{two}max_share = 1.5\n"), "max_share `1.5`"),
            (format!("{two}[[predictor]]\nkind = \"prior\"\n"), "in a run of its own"),
            (format!("{two}[validation]\nfolds = 3\n"), "the folds and the fits of its runs"),
            (format!("{two}[[data]]\npath = \"x\"\nrole = \"extra\"\n"), "`extra` data"),
            (two.replace("top_probability", "doubt"), "doubt"),
        ] {
            let message = parse(&text, &[]).unwrap_err().to_string();
            assert!(message.contains(says), "`{says}` is not in {message}");
        }
    }

    #[test]
    fn overrides_reach_tables_and_list_entries() {
        let text = "[[predictor]]\nkind = \"prior\"\n";
        let config = parse(text, &["validation.folds=3", "predictor.0.name=base", "task=two_way"]).unwrap();
        assert_eq!((config.validation.folds, config.task), (3, Task::TwoWay));
        assert_eq!(config.predictor_names(), ["base"]);
        assert!(matches!(parse(text, &["folds"]), Err(ConfigError::BadOverride { .. })));
        assert!(matches!(parse(text, &["predictor.4.name=x"]), Err(ConfigError::BadOverride { .. })));
        assert!(parse(text, &["validation.fold=3"]).is_err());
    }

    #[test]
    fn predictors_of_one_kind_get_names_of_their_own() {
        let config =
            parse("[[predictor]]\nkind = \"prior\"\n[[predictor]]\nkind = \"prior\"\n", &[]).unwrap();
        assert_eq!(config.predictor_names(), ["prior", "prior-2"]);
    }

    #[test]
    fn every_configuration_of_the_repository_is_read_and_survives_being_written() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let config = Config::read(&entry.unwrap().path(), &[]).unwrap();
            assert_eq!(parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
            seen += 1;
        }
        assert!(seen > 5);
        let nested = "[[predictor]]\nkind = \"classifier\"\nmodel = \"m\"\norders = \"ab\"\nbatch_tokens = 9\n\
                      truncation = { kind = \"parts\", keep = \"head\" }\n";
        let config = parse(nested, &["predictor.0.max_tokens=64"]).unwrap();
        assert_eq!(parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
    }
}
