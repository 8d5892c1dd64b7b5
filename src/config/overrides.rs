//! `--set key=value`.

use super::ConfigError;

/// Sets one dotted key; a part that is a number picks an entry of a list.
pub(super) fn override_key(table: &mut toml::Table, argument: &str) -> Result<(), ConfigError> {
    let bad = |message: &str| ConfigError::BadOverride {
        argument: argument.to_owned(),
        message: message.to_owned(),
    };
    let (key, value) = argument.split_once('=').ok_or_else(|| bad("it holds no `=`"))?;
    // A bare word is meant as text: `task=two_way` reads better than `task="two_way"`.
    let parsed: toml::Table = toml::from_str(&format!("value = {value}"))
        .or_else(|_| toml::from_str(&format!("value = {}", toml::Value::String(value.to_owned()))))
        .map_err(|_| bad("the value is no TOML value"))?;
    let value = parsed.get("value").cloned().ok_or_else(|| bad("the value is no TOML value"))?;
    let parts: Vec<&str> = key.trim().split('.').collect();
    let (last, path) = parts.split_last().ok_or_else(|| bad("the key is empty"))?;
    let mut place = table;
    for (depth, part) in path.iter().enumerate() {
        if part.parse::<usize>().is_ok() {
            continue;
        }
        let entry = place.entry((*part).to_owned()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let index = path.get(depth + 1).and_then(|next| next.parse::<usize>().ok());
        place = match (entry, index) {
            (toml::Value::Table(inner), None) => inner,
            (toml::Value::Array(list), Some(index)) => match list.get_mut(index) {
                Some(toml::Value::Table(inner)) => inner,
                _ => return Err(bad("the list has no such entry")),
            },
            _ => return Err(bad("the key leads through a value that is no table")),
        };
    }
    place.insert((*last).to_owned(), value);
    Ok(())
}
