//! The encoder of an imported model: as it was asked for, or as the family and the head suggest.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use serde::Deserialize;

use crate::battle::{Battle, BattleId, Response, Turn};
use crate::checkpoint::{ModelCard, OutputMeaning};
use crate::commands::model_folder::check_positions;
use crate::commands::{BadInput, OrBadInput};
use crate::encoding::{
    Encoder, EncodingBudget, EncodingError, EncodingRecipe, Keep, Labels, MissingResponse, ModelForm, Orders,
    PartsTruncation, Side, Template, TokenizerFiles, Truncation,
};

/// How battles are written for the model and cut to length.
#[derive(Debug, clap::Args)]
pub(super) struct RecipeArgs {
    /// concatenated, interleaved, chat, single, single-chat, or a TOML file with `template` and perhaps `missing` and
    /// `budget`; without it the family and the head decide, and the choice is printed
    #[arg(long, value_name = "NAME|FILE.toml")]
    template: Option<String>,
    /// Tokens of one sequence at most; the positions of the model, at most 1024, if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
    /// What is left out of a longer one [default: head-tail]
    #[arg(long, value_name = "POLICY")]
    truncation: Option<Policy>,
    /// In which orders the responses are read [default: both]
    #[arg(long)]
    orders: Option<OrderChoice>,
}

/// What is left out of a sequence that is too long.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    /// The middle of each part that is too long
    HeadTail,
    /// The end of each part that is too long
    Head,
    /// The beginning of each part that is too long
    Tail,
    /// The beginning of the whole sequence
    Left,
    /// The end of the whole sequence
    Right,
    /// The middle of the whole sequence
    Middle,
}

/// In which orders the responses are read.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OrderChoice {
    /// A first
    Ab,
    /// B first
    Ba,
    /// Both
    Both,
}

/// A recipe in a file; what it leaves open, the defaults fill.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    template: Template,
    #[serde(default)]
    missing: MissingResponse,
    #[serde(default)]
    budget: BudgetPart,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BudgetPart {
    max_tokens: Option<usize>,
    truncation: Option<Truncation>,
    orders: Option<Orders>,
}

/// The longest sequence without a word from the person.
const USUAL_MAX_TOKENS: usize = 1024;

impl RecipeArgs {
    /// The longest text, where it was stated.
    pub(super) fn max_tokens(&self) -> Option<usize> {
        self.max_tokens.and_then(|tokens| usize::try_from(tokens).ok())
    }

    /// The encoder of a model, tried on a small battle, and why it is this one.
    ///
    /// # Errors
    /// `BadInput` when what was asked for does not exist, or does not fit the model.
    pub(super) fn encoder(
        &self,
        card: &ModelCard,
        files: &TokenizerFiles,
        verdicts: &[String],
    ) -> anyhow::Result<(Encoder, String)> {
        let (file, choice) = self.asked_for(card, files, verdicts)?;
        let usual = card.max_positions.min(USUAL_MAX_TOKENS);
        let part = file.budget;
        let budget = EncodingBudget {
            max_tokens: self.max_tokens().or(part.max_tokens).unwrap_or(usual),
            truncation: self.truncation.map(Policy::truncation).or(part.truncation).unwrap_or_default(),
            orders: self.orders.map(OrderChoice::orders).or(part.orders).unwrap_or_default(),
        };
        check_positions(budget.max_tokens, card)?;
        check_form(&file.template, card)?;
        let recipe = EncodingRecipe { template: file.template, missing: file.missing };
        let encoder = Encoder::new(files, recipe, budget).or_bad_input()?;
        encoder.check_vocabulary(card.vocabulary_size).or_bad_input()?;
        encoder.pad().or_bad_input()?;
        match encoder.encode(&trial()) {
            Err(EncodingError::Battle { source, .. }) => Err(*source).or_bad_input(),
            other => other.map(|_| (encoder, choice)).or_bad_input(),
        }
    }

    fn asked_for(
        &self,
        card: &ModelCard,
        files: &TokenizerFiles,
        verdicts: &[String],
    ) -> anyhow::Result<(RecipeFile, String)> {
        let Some(name) = &self.template else {
            let (template, why) = suggested(card, files, verdicts)?;
            return Ok((plain(template), why));
        };
        if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
            return Ok((read(Path::new(name))?, format!("`{name}` says so")));
        }
        let labels = Labels::default;
        let template = match name.as_str() {
            "concatenated" => Template::Concatenated { labels: labels(), pair: false },
            "interleaved" => Template::Interleaved { labels: labels() },
            "chat" => chat(card, verdicts),
            "single" => Template::suggested_single(is_decoder(card), files).or_bad_input()?,
            "single-chat" => Template::SingleChat { variables: BTreeMap::new() },
            _ => {
                let message = format!(
                    "`--template {name}` is none of concatenated, interleaved, chat, single, single-chat, and no .toml file"
                );
                return Err(BadInput(message).into());
            }
        };
        Ok((plain(template), "`--template` says so".to_owned()))
    }
}

impl Policy {
    fn truncation(self) -> Truncation {
        let parts = |keep| Truncation::Parts(PartsTruncation { keep, ..PartsTruncation::default() });
        let whole = |side| Truncation::Whole { side };
        match self {
            Self::HeadTail => parts(Keep::HeadTail),
            Self::Head => parts(Keep::Head),
            Self::Tail => parts(Keep::Tail),
            Self::Left => whole(Side::Left),
            Self::Right => whole(Side::Right),
            Self::Middle => whole(Side::Middle),
        }
    }
}

impl OrderChoice {
    fn orders(self) -> Orders {
        match self {
            Self::Ab => Orders::Ab,
            Self::Ba => Orders::Ba,
            Self::Both => Orders::Both,
        }
    }
}

fn plain(template: Template) -> RecipeFile {
    RecipeFile { template, missing: MissingResponse::default(), budget: BudgetPart::default() }
}

fn read(path: &Path) -> anyhow::Result<RecipeFile> {
    let named = || format!("cannot read `{}`", path.display());
    let text = std::fs::read_to_string(path).with_context(named).or_bad_input()?;
    toml::from_str(&text).with_context(|| format!("`{}`", path.display())).or_bad_input()
}

/// What fits a model best that says nothing itself; a judge is told how to answer.
fn suggested(
    card: &ModelCard,
    files: &TokenizerFiles,
    verdicts: &[String],
) -> anyhow::Result<(Template, String)> {
    let scores = card.outputs[..] == [OutputMeaning::Score];
    let (template, why) =
        Template::suggested(ModelForm { scores, is_decoder: is_decoder(card) }, files).or_bad_input()?;
    let template = if matches!(template, Template::Chat { .. }) { chat(card, verdicts) } else { template };
    Ok((template, why.to_owned()))
}

fn is_decoder(card: &ModelCard) -> bool {
    card.family.is_some_and(crate::checkpoint::Family::is_decoder)
}

/// The comparison in the model's chat template; a judge is told which words its verdict is read from.
fn chat(card: &ModelCard, verdicts: &[String]) -> Template {
    let sentence = |(meaning, word): (&OutputMeaning, &String)| match meaning {
        OutputMeaning::A => format!("`{word}` if response_a is better"),
        OutputMeaning::B => format!("`{word}` if response_b is better"),
        OutputMeaning::Tie => format!("`{word}` if they are equally good"),
        OutputMeaning::BothBad => format!("`{word}` if both are bad"),
        OutputMeaning::Score => format!("`{word}`"),
    };
    let sentences: Vec<String> = card.outputs.iter().zip(verdicts).map(sentence).collect();
    let ending = match sentences[..] {
        [] => String::new(),
        _ => format!("\n\nWhich response is better? Answer with one word: {}.", sentences.join(", ")),
    };
    Template::plain_chat(ending)
}

/// A score belongs to one response, a verdict to two.
fn check_form(template: &Template, card: &ModelCard) -> anyhow::Result<()> {
    let scores = card.outputs[..] == [OutputMeaning::Score];
    let message = match (template.is_single(), scores) {
        (true, true) | (false, false) => return Ok(()),
        (true, false) => format!(
            "the template `{}` shows one response, and the {} outputs of the model compare two; use concatenated, \
             interleaved or chat",
            template.name(),
            card.outputs.len()
        ),
        (false, true) => format!(
            "the template `{}` shows both responses, and the one output of the model scores one; use single or single-chat",
            template.name()
        ),
    };
    Err(BadInput(message).into())
}

fn trial() -> Battle {
    let text = |text: &str| Response::Text(text.to_owned());
    let turn = Turn { prompt: "?".to_owned(), response_a: text("a"), response_b: text("b") };
    Battle { id: BattleId("trial".to_owned()), system: None, turns: Arc::new([turn]) }
}
