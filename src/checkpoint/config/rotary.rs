use std::path::Path;

use serde_json::Value;

use super::refused;
use crate::checkpoint::CheckpointError;

/// How rotary frequencies are stretched for texts longer than those of the first training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RotaryScaling {
    /// Not at all.
    None,
    /// All of them are divided by the factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// As Llama 3.1 has it: wavelengths beyond `original / low` are divided by the factor, those below
    /// `original / high` stay, those between are interpolated.
    Llama3 {
        /// The factor.
        factor: f64,
        /// `low_freq_factor`.
        low: f64,
        /// `high_freq_factor`.
        high: f64,
        /// The length of the first training, in tokens.
        original: f64,
    },
}

/// Rotary positions as config.json states them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RotaryConfig {
    /// Base of the wavelengths.
    pub base: f64,
    /// How they are stretched.
    pub scaling: RotaryScaling,
}

/// The keys of one kind of rotary positions.
pub(super) struct RotaryKeys {
    /// The entry of `rope_parameters` for this kind of layer, where a family has several.
    pub(super) layers: Option<&'static str>,
    /// The key of the base in older files.
    pub(super) base: &'static str,
    /// The base where no key states it.
    pub(super) usual_base: f64,
    /// Whether `rope_scaling` of older files is about these layers.
    pub(super) scaled: bool,
}

/// The keys of families whose layers all rotate alike.
pub(super) const OF_ALL_LAYERS: RotaryKeys =
    RotaryKeys { layers: None, base: "rope_theta", usual_base: 10_000.0, scaled: true };

/// Reads `rope_parameters`, or `rope_theta` and `rope_scaling` of older files.
pub(super) fn read(path: &Path, config: &Value, keys: &RotaryKeys) -> Result<RotaryConfig, CheckpointError> {
    let present = |value: Option<&'_ Value>| value.filter(|value| !value.is_null()).cloned();
    let mut newer = present(config.get("rope_parameters"));
    if let Some(layers) = keys.layers {
        newer = newer.and_then(|parameters| present(parameters.get(layers)));
    }
    let older = present(config.get("rope_scaling")).filter(|_| keys.scaled);
    if let (Some(newer), Some(older)) = (&newer, &older)
        && kind(newer) != kind(older)
    {
        let way_out = "`rope_parameters` says otherwise; keep one of them".to_owned();
        return Err(refused(path, "rope_scaling", &older.to_string(), way_out));
    }
    let parameters = newer.or(older).unwrap_or(Value::Null);
    for of in [&parameters, config] {
        let partial = of.get("partial_rotary_factor").and_then(Value::as_f64);
        if let Some(partial) = partial.filter(|partial| *partial != 1.0) {
            let way_out = "only heads that are rotated as a whole are supported".to_owned();
            return Err(refused(path, "partial_rotary_factor", &partial.to_string(), way_out));
        }
    }
    let number = |of: &Value, key: &str| of.get(key).and_then(Value::as_f64);
    let base = number(&parameters, "rope_theta").or_else(|| number(config, keys.base));
    let scaling = scaling(path, config, &parameters)?;
    Ok(RotaryConfig { base: base.unwrap_or(keys.usual_base), scaling })
}

fn kind(parameters: &Value) -> &str {
    let stated = parameters.get("rope_type").or_else(|| parameters.get("type"));
    stated.and_then(Value::as_str).unwrap_or("default")
}

fn scaling(path: &Path, config: &Value, parameters: &Value) -> Result<RotaryScaling, CheckpointError> {
    let positive = |of: &Value, key: &str| match of.get(key).and_then(Value::as_f64) {
        Some(value) if value > 0.0 => Ok(value),
        _ => {
            let stated = of.get(key).unwrap_or(&Value::Null).to_string();
            Err(refused(path, key, &stated, "the scaled rotary positions need a positive number".to_owned()))
        }
    };
    if let Some(sections) = parameters.get("mrope_section").filter(|sections| !sections.is_null()) {
        let way_out = "positions of several axes are not supported".to_owned();
        return Err(refused(path, "mrope_section", &sections.to_string(), way_out));
    }
    match kind(parameters) {
        "default" => Ok(RotaryScaling::None),
        "linear" => Ok(RotaryScaling::Linear { factor: positive(parameters, "factor")? }),
        "llama3" => {
            let own = parameters.get("original_max_position_embeddings").is_some();
            let original = if own {
                positive(parameters, "original_max_position_embeddings")?
            } else {
                positive(config, "max_position_embeddings")?
            };
            Ok(RotaryScaling::Llama3 {
                factor: positive(parameters, "factor")?,
                low: positive(parameters, "low_freq_factor")?,
                high: positive(parameters, "high_freq_factor")?,
                original,
            })
        }
        other => {
            let way_out = "`default`, `linear` and `llama3` are supported".to_owned();
            Err(refused(path, "rope_type", other, way_out))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(config: &Value) -> Result<RotaryConfig, String> {
        read(Path::new("config.json"), config, &OF_ALL_LAYERS).map_err(|error| error.to_string())
    }

    #[test]
    fn older_and_newer_files_say_the_same() {
        let older = json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}});
        let newer = json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 2.0}});
        let expected = RotaryConfig { base: 5e5, scaling: RotaryScaling::Linear { factor: 2.0 } };
        assert_eq!(of(&older), Ok(expected));
        assert_eq!(of(&newer), Ok(expected));
        assert_eq!(of(&json!({})), Ok(RotaryConfig { base: 1e4, scaling: RotaryScaling::None }));
    }

    #[test]
    fn layers_of_two_kinds_have_their_own_entries() {
        let keys =
            RotaryKeys { layers: Some("full_attention"), base: "rope_theta", usual_base: 1e6, scaled: true };
        let config = json!({"rope_parameters": {"full_attention": {"rope_theta": 3.0}}});
        assert_eq!(read(Path::new("c"), &config, &keys).unwrap().base, 3.0);
        assert_eq!(read(Path::new("c"), &json!({}), &keys).unwrap().base, 1e6);
    }

    #[test]
    fn forms_that_are_not_computed_are_named() {
        let yarn = json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}});
        let message = of(&yarn).unwrap_err();
        assert!(message.contains("`rope_type` is `yarn`") && message.contains("llama3"), "{message}");
        assert!(of(&json!({"partial_rotary_factor": 0.5})).unwrap_err().contains("partial_rotary_factor"));
        let half = json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 64}});
        assert!(of(&half).unwrap_err().contains("high_freq_factor"));
        let both = json!({"rope_parameters": {"rope_type": "default"}, "rope_scaling": {"type": "linear"}});
        assert!(of(&both).unwrap_err().contains("rope_scaling"));
        assert!(of(&json!({"rope_scaling": {"mrope_section": [1, 2]}})).unwrap_err().contains("mrope"));
    }
}
