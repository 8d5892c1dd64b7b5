use std::fs;
use std::path::Path;

use super::GraphError;
use super::folder::StagedFolder;
use super::import::{Addition, marks};
use crate::checkpoint::{Head, HeadForm, ModelCard, files, write_head};

/// Makes a model folder with the graph of another one and a new head of the same outputs, trained by now; the graph and
/// its weights are the same files (hard links), copied where the system has none. What `add` puts in, such as
/// `encoder.json`, takes the place of what was there.
///
/// # Errors
/// `GraphError` when a file cannot be read or written.
pub fn with_head(
    model: &Path,
    target: &Path,
    head: &Head,
    add: &Addition<'_>,
) -> Result<ModelCard, GraphError> {
    let mut card = ModelCard::read(model)?;
    let folder = StagedFolder::create(target, true)?;
    let replaced = [files::HEAD, files::ENCODER];
    for name in card.files.keys().filter(|name| !replaced.contains(&name.as_str())) {
        let (from, to) = (model.join(name), folder.path().join(name));
        let linked = fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(|_| ()));
        linked.map_err(|source| GraphError::Folder { path: from, source })?;
    }
    write_head(head, &folder.path().join(files::HEAD))?;
    card.head = Some(HeadForm::of(head));
    card.source.fresh_head = false;
    card.files.clear();
    add(folder.path(), &card).map_err(GraphError::Addition)?;
    card.files = marks(folder.path())?;
    card.write(folder.path())?;
    folder.commit()?;
    Ok(card)
}
