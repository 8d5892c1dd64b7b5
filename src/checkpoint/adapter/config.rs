use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::mismatch;
use crate::checkpoint::CheckpointError;

/// The file that tells a PEFT adapter from a whole model.
pub(in crate::checkpoint) const CONFIG: &str = "adapter_config.json";

/// What `adapter_config.json` says of a `LoRA`.
#[derive(Debug, Deserialize)]
pub(super) struct AdapterConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    rank_pattern: Option<BTreeMap<String, usize>>,
    #[serde(default)]
    alpha_pattern: Option<BTreeMap<String, f64>>,
    /// A list of module names, or a regular expression.
    #[serde(default)]
    target_modules: Value,
    #[serde(default)]
    pub(super) modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    bias: Option<String>,
    #[serde(default)]
    layers_to_transform: Value,
    #[serde(default)]
    exclude_modules: Value,
    #[serde(default)]
    pub(super) task_type: Option<String>,
    #[serde(default)]
    pub(super) lora_dropout: Option<f64>,
}

/// Keys that change nothing once training is over. Any other that says something makes another computation of the
/// adapter, or another base.
const HARMLESS: [&str; 11] = [
    "auto_mapping",
    "base_model_name_or_path",
    "eva_config",
    "inference_mode",
    "layers_pattern",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "task_type",
];

/// Keys that are read.
const READ: [&str; 12] = [
    "peft_type",
    "r",
    "lora_alpha",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "target_modules",
    "modules_to_save",
    "bias",
    "layers_to_transform",
    "exclude_modules",
    "init_lora_weights",
];

impl AdapterConfig {
    pub(super) fn read(folder: &Path) -> Result<Self, CheckpointError> {
        let path = folder.join(CONFIG);
        let bytes = fs::read(&path).map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
        let json = |source| CheckpointError::Json { path: path.clone(), source };
        let value: Value = serde_json::from_slice(&bytes).map_err(json)?;
        let refused = |key: &str, stated: &Value| {
            let message = format!("`{key}` of {CONFIG} is {stated}, which is not merged; merge it in Python");
            Err(mismatch(folder, message))
        };
        for (key, stated) in value.as_object().into_iter().flatten() {
            let known = HARMLESS.contains(&key.as_str()) || READ.contains(&key.as_str());
            if !known && !is_empty(stated) {
                return refused(key, stated);
            }
        }
        // The other ways to begin change the base too, so that the difference to the stored one is not the adapter.
        let begun = value.get("init_lora_weights").unwrap_or(&Value::Null);
        let keeps_base = begun.is_null()
            || begun.is_boolean()
            || ["gaussian", "eva", "orthogonal"].iter().any(|kind| begun == kind);
        if !keeps_base {
            return refused("init_lora_weights", begun);
        }
        let config: Self = serde_json::from_value(value).map_err(json)?;
        if config.peft_type != "LORA" {
            return refused("peft_type", &Value::String(config.peft_type));
        }
        for pattern in config.patterns() {
            if pattern.trim_start_matches('^').contains(|c: char| "^$*+?()[]{}|\\".contains(c)) {
                let message =
                    format!("the pattern `{pattern}` of {CONFIG} is a regular expression; names are read");
                return Err(mismatch(folder, message));
            }
        }
        Ok(config)
    }

    fn patterns(&self) -> impl Iterator<Item = &String> {
        let ranks = self.rank_pattern.iter().flat_map(BTreeMap::keys);
        ranks.chain(self.alpha_pattern.iter().flat_map(BTreeMap::keys))
    }

    /// The rank that a module has.
    pub(super) fn rank(&self, module: &str) -> usize {
        self.rank_pattern.as_ref().and_then(|patterns| found(patterns, module)).unwrap_or(self.r)
    }

    /// What the product of a module's two matrices is multiplied by.
    pub(super) fn scaling(&self, module: &str) -> f64 {
        let alpha = self.alpha_pattern.as_ref().and_then(|patterns| found(patterns, module));
        let rank = self.rank(module) as f64;
        alpha.unwrap_or(self.lora_alpha) / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// Whether a module is one that the adapter is about; `None` where only a regular expression tells.
    pub(super) fn is_target(&self, module: &str) -> Option<bool> {
        let names = self.target_modules.as_array()?;
        Some(names.iter().filter_map(Value::as_str).any(|name| ends_with(module, name)))
    }

    /// Whether every target has matrices, rather than some layers of it only.
    pub(super) fn covers_all_layers(&self) -> bool {
        self.layers_to_transform.is_null() && self.exclude_modules.is_null()
    }

    /// Whether a weight was trained whole and saved with the adapter.
    pub(super) fn is_saved(&self, weight: &str) -> bool {
        let biases = self.bias.as_deref().is_some_and(|bias| bias != "none");
        let (module, end) = weight.rsplit_once('.').unwrap_or((weight, ""));
        let mut saved = self.modules_to_save.iter().flatten();
        (biases && end == "bias") || saved.any(|name| ends_with(module, name) || within(module, name))
    }
}

/// Whether a key says nothing.
fn is_empty(stated: &Value) -> bool {
    match stated {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// The first pattern that names the module, as the end of its path or, behind `^`, as all of it.
fn found<T: Copy>(patterns: &BTreeMap<String, T>, module: &str) -> Option<T> {
    let names = |pattern: &str| match pattern.strip_prefix('^') {
        Some(whole) => whole == module,
        None => ends_with(module, pattern),
    };
    patterns.iter().find(|(pattern, _)| names(pattern)).map(|(_, value)| *value)
}

/// Whether a path of modules ends with this name or path.
fn ends_with(module: &str, name: &str) -> bool {
    module.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Whether a path leads through a module of this name.
fn within(module: &str, name: &str) -> bool {
    module.starts_with(&format!("{name}.")) || module.contains(&format!(".{name}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<AdapterConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CONFIG), value.to_string()).unwrap();
        AdapterConfig::read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn patterns_overrule_rank_and_alpha_by_the_end_of_the_path() {
        let value = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"],
            "rank_pattern": {"layers.1.q_proj": 2, "^m.q_proj": 1}, "alpha_pattern": {"q_proj": 6}});
        let config = read(&value).unwrap();
        assert_eq!(config.rank("m.layers.1.q_proj"), 2);
        assert_eq!(config.rank("m.layers.11.q_proj"), 4);
        assert_eq!((config.rank("m.q_proj"), config.rank("a.m.q_proj")), (1, 4));
        assert_eq!(config.scaling("m.layers.1.q_proj"), 3.0);
        assert_eq!(config.scaling("m.layers.1.k_proj"), 2.0);
        assert_eq!(config.is_target("m.layers.1.q_proj"), Some(true));
        assert_eq!(config.is_target("m.layers.1.eq_proj"), Some(false));
    }

    #[test]
    fn rank_stabilised_adapters_are_divided_by_the_root() {
        let value = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": true,
            "modules_to_save": ["classifier"], "target_modules": "all"});
        let config = read(&value).unwrap();
        assert_eq!(config.scaling("m"), 4.0);
        assert!(config.is_saved("classifier.weight") && config.is_saved("classifier.dense.bias"));
        assert!(!config.is_saved("m.bias"));
        assert_eq!(config.is_target("m"), None);
    }

    #[test]
    fn other_kinds_of_adapter_are_named() {
        let base = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8});
        let with = |key: &str, value: Value| {
            let mut config = base.clone();
            config[key] = value;
            read(&config).unwrap_err()
        };
        assert!(with("peft_type", json!("IA3")).contains("IA3"));
        assert!(with("use_dora", json!(true)).contains("use_dora"));
        assert!(with("init_lora_weights", json!("pissa")).contains("pissa"));
        assert!(with("rank_pattern", json!({"layers.[01].q": 2})).contains("regular expression"));
    }
}
