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

/// The kinds of layer that have parameters of their own, where a family has several kinds.
const KINDS_OF_LAYERS: [&str; 2] = ["full_attention", "sliding_attention"];

/// Reads `rope_parameters`, or `rope_theta` and `rope_scaling` of older files. What is stated twice must be the same.
pub(super) fn read(path: &Path, config: &Value, keys: &RotaryKeys) -> Result<RotaryConfig, CheckpointError> {
    let newer = newer(path, config, keys)?;
    let older = object(path, config, "rope_scaling")?.filter(|_| keys.scaled);
    if let (Some(newer), Some(older)) = (&newer, &older) {
        check_agreement(path, newer, older)?;
    }
    // Newer files state the base inside; either place may be the one that has it.
    let inside = number(path, newer.as_ref().or(older.as_ref()).unwrap_or(&Value::Null), "rope_theta")?;
    let outside = number(path, config, keys.base)?;
    if let (Some(inside), Some(outside)) = (inside, outside)
        && inside != outside
    {
        let way_out = format!("the rotary parameters say {inside}; keep one of them");
        return Err(refused(path, keys.base, &outside.to_string(), way_out));
    }
    let parameters = newer.or(older).unwrap_or(Value::Null);
    for of in [&parameters, config] {
        let partial = number(path, of, "partial_rotary_factor")?;
        if let Some(partial) = partial.filter(|partial| *partial != 1.0) {
            let way_out = "only heads that are rotated as a whole are supported".to_owned();
            return Err(refused(path, "partial_rotary_factor", &partial.to_string(), way_out));
        }
    }
    let scaling = scaling(path, config, &parameters)?;
    Ok(RotaryConfig { base: inside.or(outside).unwrap_or(keys.usual_base), scaling })
}

/// `rope_parameters` of these layers. A family has one set of them, or one for each kind of layer, never the other.
fn newer(path: &Path, config: &Value, keys: &RotaryKeys) -> Result<Option<Value>, CheckpointError> {
    let Some(parameters) = object(path, config, "rope_parameters")? else { return Ok(None) };
    let is_of_kinds = |key: &String| KINDS_OF_LAYERS.contains(&key.as_str());
    let names: Vec<&String> = parameters.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    let wrong = names.into_iter().find(|key| is_of_kinds(key) != keys.layers.is_some());
    if let Some(wrong) = wrong {
        let way_out = match keys.layers {
            Some(_) => format!("this family has one set for each of {}", KINDS_OF_LAYERS.join(", ")),
            None => "all layers of this family have the same parameters".to_owned(),
        };
        return Err(refused(path, "rope_parameters", &format!("an object with `{wrong}`"), way_out));
    }
    match keys.layers {
        None => Ok(Some(parameters)),
        Some(layers) => object(path, &parameters, layers),
    }
}

/// What two places say of the same rotary positions.
fn check_agreement(path: &Path, newer: &Value, older: &Value) -> Result<(), CheckpointError> {
    let kinds = [kind(path, newer)?, kind(path, older)?];
    let same = |key: &String, stated: &Value| newer.get(key).is_none_or(|other| equal(other, stated));
    let stated = older.as_object().into_iter().flatten();
    let mut others = stated.filter(|(key, _)| !["rope_type", "type"].contains(&key.as_str()));
    if kinds[0] == kinds[1] && others.all(|(key, stated)| same(key, stated)) {
        return Ok(());
    }
    let way_out = "`rope_parameters` says otherwise; keep one of them".to_owned();
    Err(refused(path, "rope_scaling", &older.to_string(), way_out))
}

/// Whether two values are the same, 8 and 8.0 included.
fn equal(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

/// The object at a key; absence and `null` are none.
fn object(path: &Path, of: &Value, key: &str) -> Result<Option<Value>, CheckpointError> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(stated @ Value::Object(_)) => Ok(Some(stated.clone())),
        Some(other) => Err(refused(path, key, &other.to_string(), "it must be an object".to_owned())),
    }
}

/// The number above 0 at a key; absence and `null` are none.
fn number(path: &Path, of: &Value, key: &str) -> Result<Option<f64>, CheckpointError> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(stated) => match stated.as_f64().filter(|number| *number > 0.0) {
            Some(number) => Ok(Some(number)),
            None => Err(refused(path, key, &stated.to_string(), "it must be a number above 0".to_owned())),
        },
    }
}

/// The kind of scaling, by its newer or its older key.
fn kind<'a>(path: &Path, parameters: &'a Value) -> Result<&'a str, CheckpointError> {
    let mut found: Option<&str> = None;
    for key in ["rope_type", "type"] {
        let Some(stated) = parameters.get(key).filter(|stated| !stated.is_null()) else { continue };
        let Some(text) = stated.as_str() else {
            return Err(refused(path, key, &stated.to_string(), "it must be a name".to_owned()));
        };
        if let Some(earlier) = found.filter(|earlier| *earlier != text) {
            return Err(refused(path, key, text, format!("`rope_type` is `{earlier}`; keep one of them")));
        }
        found = Some(text);
    }
    Ok(found.unwrap_or("default"))
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
    match kind(path, parameters)? {
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

    #[test]
    fn what_is_no_number_or_is_said_in_two_ways_is_refused_with_its_key() {
        let linear = |factor: f64| json!({"rope_type": "linear", "factor": factor, "rope_theta": 1e4});
        for (config, key) in [
            (json!({"rope_theta": "10000"}), "`rope_theta`"),
            (json!({"rope_theta": 0}), "`rope_theta`"),
            (json!({"rope_parameters": {"rope_theta": true}}), "`rope_theta`"),
            (json!({"rope_theta": 1e6, "rope_parameters": {"rope_theta": 1e4}}), "`rope_theta`"),
            (json!({"rope_parameters": [1]}), "`rope_parameters`"),
            (json!({"rope_scaling": "linear"}), "`rope_scaling`"),
            (json!({"rope_parameters": {"rope_type": 3}}), "`rope_type`"),
            (json!({"rope_scaling": {"rope_type": "linear", "type": "default", "factor": 2}}), "`type`"),
            (json!({"rope_parameters": linear(2.0), "rope_scaling": linear(4.0)}), "`rope_scaling`"),
            (json!({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}}), "`rope_parameters`"),
        ] {
            let message = of(&config).unwrap_err();
            assert!(message.contains(key), "{config}: {message}");
        }
        let same = json!({"rope_theta": 10_000, "rope_parameters": linear(2.0), "rope_scaling": linear(2.0)});
        assert!(of(&same).is_ok());
        let keys =
            RotaryKeys { layers: Some("full_attention"), base: "rope_theta", usual_base: 1e6, scaled: true };
        let flat = json!({"rope_parameters": {"rope_theta": 3.0}});
        let message = read(Path::new("c"), &flat, &keys).unwrap_err().to_string();
        assert!(message.contains("`rope_parameters`") && message.contains("sliding_attention"), "{message}");
    }
}
