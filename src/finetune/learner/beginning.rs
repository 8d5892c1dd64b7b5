//! What training begins with: a checkpoint, or one that each fit makes first, from its own training rows alone.

use std::path::Path;

use super::recipe::{FinetuneRecipe, HeadStart, TuningMethod};
use super::setup::Setup;
use super::training::{Places, Rows};
use crate::battle::{Battle, Response};
use crate::finetune::scratch::begin;
use crate::finetune::{FinetuneError, ScratchRecipe};
use crate::learning::FitContext;
use crate::predictors::language_model::Serving;

/// What training begins with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beginning<'a> {
    /// The folder of a checkpoint.
    Checkpoint(&'a Path),
    /// Random weights.
    Scratch(&'a ScratchRecipe),
}

impl FinetuneRecipe {
    /// What training begins with.
    ///
    /// # Errors
    /// `FinetuneError::Settings` when that is nothing or two things, or the recipe does not fit random weights.
    pub(super) fn beginning(&self) -> Result<Beginning<'_>, FinetuneError> {
        let fault = |message: &str| Err(FinetuneError::Settings(message.to_owned()));
        match (&self.model, &self.from_scratch) {
            (Some(folder), None) => Ok(Beginning::Checkpoint(folder)),
            (None, None) => fault(
                "neither `model`, the folder of a checkpoint, nor `from_scratch`, the size of a new model, is given",
            ),
            (Some(folder), Some(_)) => fault(&format!(
                "`model` is `{}` beside `from_scratch`: training begins with a checkpoint or without, remove one",
                folder.display()
            )),
            (None, Some(_)) if self.method != TuningMethod::Full => {
                fault("`from_scratch` needs `method = \"full\"`: random weights must be trained whole")
            }
            (None, Some(_)) if self.head == HeadStart::Own => {
                fault("`head` is `own`, it must be `fresh`: a model `from_scratch` has no head yet")
            }
            (None, Some(scratch)) => scratch.check().map(|()| Beginning::Scratch(scratch)),
        }
    }
}

/// Opens what a recipe begins with, so that its faults are found before any work. From scratch that is a model that has
/// read nothing, whose fingerprint is one of the recipe and of how models are begun.
pub(super) fn opened(recipe: &FinetuneRecipe, serving: &Serving) -> Result<Setup, FinetuneError> {
    match recipe.beginning()? {
        Beginning::Checkpoint(folder) => Setup::open(recipe, folder, serving.ingest_version),
        Beginning::Scratch(scratch) => {
            let failed = |source| FinetuneError::Read { path: std::env::temp_dir(), source };
            let folder = tempfile::tempdir().map_err(failed)?;
            begin(folder.path(), scratch, std::iter::empty(), (recipe.max_tokens, 1))?;
            Setup::open(recipe, folder.path(), serving.ingest_version)
        }
    }
}

/// The checkpoint that a fit from scratch begins with, made or found; `None` of a fit that has one given. Its tokenizer
/// knows the texts of the training rows and of none that is kept back or held out.
pub(super) fn begun(
    setup: &Setup,
    serving: &Serving,
    rows: &Rows<'_>,
    (places, context): (&Places, &FitContext<'_>),
) -> Result<Option<Setup>, FinetuneError> {
    let recipe = &setup.recipe;
    let Some(scratch) = &recipe.from_scratch else { return Ok(None) };
    let label = format!("{}: tokenizer", places.name);
    let task = context.progress.start(&label, Some(rows.train.len() as u64), "battles");
    let texts = rows.train.iter().flat_map(|example| {
        task.advance(1);
        texts(&example.row.battle)
    });
    begin(&places.begun(), scratch, texts, (recipe.max_tokens, context.seed))?;
    drop(task);
    Ok(Some(Setup::open(recipe, &places.begun(), serving.ingest_version)?))
}

fn texts(battle: &Battle) -> impl Iterator<Item = &str> {
    let of_turns = battle.turns.iter().flat_map(|turn| {
        let responses =
            [&turn.response_a, &turn.response_b].into_iter().filter_map(|response| match response {
                Response::Missing => None,
                Response::Text(text) => Some(text.as_str()),
            });
        std::iter::once(turn.prompt.as_str()).chain(responses)
    });
    battle.system.as_deref().into_iter().chain(of_turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_begins_with_a_checkpoint_or_from_scratch_and_never_with_both_or_neither() {
        let scratch = "method = \"full\"\nfrom_scratch = { layers = 1 }\n";
        let recipe: FinetuneRecipe = toml::from_str(scratch).unwrap();
        recipe.check().unwrap();
        assert_eq!(recipe.learning_rates(), [1e-3, 1e-3]);
        assert_eq!(toml::from_str::<FinetuneRecipe>(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
        for (text, said) in [
            ("", "neither `model`"),
            ("model = \"m\"\nmethod = \"full\"\nfrom_scratch = {}", "`model` is `m` beside"),
            ("from_scratch = {}", "needs `method = \"full\"`"),
            ("method = \"full\"\nhead = \"own\"\nfrom_scratch = {}", "it must be `fresh`"),
            ("method = \"full\"\nfrom_scratch = { width = 30 }", "`from_scratch.heads` is `4`"),
        ] {
            let message = toml::from_str::<FinetuneRecipe>(text).unwrap().check().unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
        assert!(toml::from_str::<FinetuneRecipe>("from_scratch = { depth = 1 }").is_err());
    }
}
