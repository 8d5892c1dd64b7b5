use std::path::Path;

use serde_json::Value;

use super::refused;
use crate::checkpoint::CheckpointError;

/// A value of a switch that the graph has. `null` and absence always count as the plain form.
#[derive(Clone, Copy)]
pub(super) enum Plain {
    False,
    Text(&'static str),
}

/// A key of config.json that would change the graph, with the values that it may have.
pub(super) type Switch = (&'static str, &'static [Plain]);

/// What every kind of BERT has in one form only.
pub(super) const OF_ENCODERS: &[Switch] = &[
    ("position_embedding_type", &[Plain::Text("absolute")]),
    ("is_decoder", &[Plain::False]),
    ("add_cross_attention", &[Plain::False]),
];

/// Refuses a value that no graph here expresses, and names it.
pub(super) fn check(path: &Path, config: &Value, switches: &[Switch]) -> Result<(), CheckpointError> {
    for (key, accepted) in switches {
        let stated = config.get(key).unwrap_or(&Value::Null);
        let is_plain = |plain: &Plain| match plain {
            Plain::False => stated == &Value::Bool(false),
            Plain::Text(text) => stated == text,
        };
        if !stated.is_null() && !accepted.iter().any(is_plain) {
            let way_out = "only the plain form is supported".to_owned();
            return Err(refused(path, key, &stated.to_string(), way_out));
        }
    }
    Ok(())
}
