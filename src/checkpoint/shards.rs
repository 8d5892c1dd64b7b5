use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CheckpointError;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const PICKLES: [&str; 5] = ["bin", "pt", "pth", "ckpt", "pkl"];

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// The files to map, and the map of an index: which tensor should be in which of them.
pub(super) fn shard_names(folder: &Path) -> Result<(Vec<String>, BTreeMap<String, String>), CheckpointError> {
    let index = folder.join(INDEX);
    if folder.join(SINGLE).is_file() {
        return Ok((vec![SINGLE.to_owned()], BTreeMap::new()));
    }
    if !index.is_file() {
        return Err(no_weights(folder));
    }
    let bytes = fs::read(&index).map_err(|source| CheckpointError::Read { path: index.clone(), source })?;
    let parsed: ShardIndex = serde_json::from_slice(&bytes)
        .map_err(|source| CheckpointError::Json { path: index.clone(), source })?;
    let names: BTreeSet<String> = parsed.weight_map.values().cloned().collect();
    if let Some(name) = names.iter().find(|name| Path::new(name).file_name() != Some(name.as_ref())) {
        let message = format!("the shard `{name}` is not the name of a file beside it");
        return Err(CheckpointError::Damaged { path: index, message });
    }
    Ok((names.into_iter().collect(), parsed.weight_map))
}

fn no_weights(folder: &Path) -> CheckpointError {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) => return CheckpointError::Read { path: folder.to_owned(), source },
    };
    let mut pickles: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension().and_then(|end| end.to_str()).is_some_and(|end| PICKLES.contains(&end))
        })
        // The arguments of a training run are a pickle too, and no weights.
        .filter(|path| path.file_name().is_none_or(|name| name != "training_args.bin"))
        .collect();
    pickles.sort();
    match pickles.into_iter().next() {
        Some(path) => CheckpointError::Pickle { path },
        None => CheckpointError::NoWeights { folder: folder.to_owned() },
    }
}
