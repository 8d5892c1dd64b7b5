//! A model folder, or the one language model of a run, by its name on the command line.

use std::path::PathBuf;

use super::{BadInput, OrBadInput};
use crate::checkpoint::ModelCard;
use crate::encoding::{Encoder, EncodingBudget, StoredEncoder};
use crate::predictors::{SavedModel, SavedPredictor};
use crate::run_dir::RunDir;
use crate::sources::INGEST_VERSION;

/// Which model.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// An imported model: a name under models/, or a path
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// A run with one language model: a name under models/, or a path
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
}

/// What a model folder says, without its weights.
pub(super) struct ModelFolder {
    /// The folder.
    pub(super) path: PathBuf,
    /// What it holds.
    pub(super) card: ModelCard,
    /// From battles to token ids.
    pub(super) encoder: Encoder,
    /// The hash of the encoder's identity.
    identity_hash: String,
}

impl ModelFolder {
    /// Opens the model and checks that its files make the encoder that was stored; `max_tokens` takes the place of
    /// the stored budget.
    ///
    /// # Errors
    /// `BadInput` when there is no such model, its files do not fit each other, or it is not the one that the run asked.
    pub(super) fn open(which: &Which, max_tokens: Option<usize>) -> anyhow::Result<Self> {
        let (path, of_run) = match (&which.model, &which.run) {
            (_, Some(run)) => {
                let (directory, model) = model_of_run(run)?;
                // Where the run was moved with its model, the two still lie beside each other.
                let beside = directory.path().with_file_name(model.folder.file_name().unwrap_or_default());
                let own = directory.models_path().join(model.folder.file_name().unwrap_or_default());
                let path = if own.exists() {
                    own
                } else if model.folder.exists() {
                    model.folder.clone()
                } else {
                    beside
                };
                (path, model)
            }
            (model, None) => return Self::named(model.as_deref().unwrap_or_default(), max_tokens),
        };
        let found = Self::at(path, Some(of_run.budget.clone()), max_tokens)?;
        let fingerprint = found.card.fingerprint().or_bad_input()?;
        of_run.check(&found.identity_hash, &fingerprint).or_bad_input()?;
        Ok(found)
    }

    /// Opens an imported model by its name under `models/`, or its path; otherwise as [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn named(name: &str, max_tokens: Option<usize>) -> anyhow::Result<Self> {
        Self::at(RunDir::named(name).path().to_owned(), None, max_tokens)
    }

    fn at(path: PathBuf, of_run: Option<EncodingBudget>, max_tokens: Option<usize>) -> anyhow::Result<Self> {
        if !path.join(crate::checkpoint::files::CARD).is_file() {
            let message = format!(
                "`{}` is no model folder; `tiebreak import PATH --out {}` makes one",
                path.display(),
                path.display()
            );
            return Err(BadInput(message).into());
        }
        let card = ModelCard::read(&path).or_bad_input()?;
        let stored = StoredEncoder::read(&path).or_bad_input()?;
        let encoder = stored.open(&path, &card.label_order(), INGEST_VERSION).or_bad_input()?;
        let budget = of_run.unwrap_or(stored.budget);
        let max_tokens = max_tokens.unwrap_or(budget.max_tokens);
        check_positions(max_tokens, &card)?;
        let encoder = encoder.with_budget(EncodingBudget { max_tokens, ..budget }).or_bad_input()?;
        Ok(Self { path, card, encoder, identity_hash: stored.identity_hash })
    }
}

/// A text may not be longer than the positions that the model knows.
///
/// # Errors
/// `BadInput` that names both numbers.
pub(super) fn check_positions(max_tokens: usize, card: &ModelCard) -> anyhow::Result<()> {
    if max_tokens <= card.max_positions {
        return Ok(());
    }
    let message = format!(
        "a budget of {max_tokens} tokens is beyond the {} positions of the model; `--max-tokens {}` is the most it reads",
        card.max_positions, card.max_positions
    );
    Err(BadInput(message).into())
}

/// The run, and the one model that its predictors ask, with the budget that they were made with.
fn model_of_run(run: &str) -> anyhow::Result<(RunDir, SavedModel)> {
    let directory = RunDir::open(run).or_bad_input()?;
    let members = directory.read_manifest().or_bad_input()?.identity.members.len();
    let saved = directory.read_predictors(members).or_bad_input()?;
    let mut models: Vec<&SavedModel> = saved.iter().flatten().flat_map(SavedPredictor::models).collect();
    models.sort_unstable_by_key(|model| &model.folder);
    models.dedup();
    match models[..] {
        [model] => Ok((directory, model.clone())),
        [] => {
            Err(BadInput(format!("run `{run}` has no language model; name a model folder with `--model`"))
                .into())
        }
        _ => {
            let names: Vec<String> =
                models.iter().map(|model| format!("`{}`", model.folder.display())).collect();
            let message = format!(
                "run `{run}` has several language models ({}); name one with `--model`",
                names.join(", ")
            );
            Err(BadInput(message).into())
        }
    }
}
