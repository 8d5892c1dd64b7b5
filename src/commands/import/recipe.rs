//! The encoder of an imported model: as it was asked for, or as the family and the head suggest.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use serde::Deserialize;

use crate::checkpoint::{ModelCard, OutputMeaning, VerdictToken};
use crate::commands::model_folder::check_positions;
use crate::commands::{BadInput, OrBadInput};
use crate::encoding::{
    Encoder, EncodingBudget, EncodingError, EncodingRecipe, Keep, Labels, MissingResponse, ModelForm, Orders,
    PartsTruncation, Side, Template, TokenizerFiles, Truncation, trial_battle,
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

    /// The same, or what the file of the template states.
    ///
    /// # Errors
    /// `BadInput` for a file that cannot be read.
    pub(super) fn longest(&self) -> anyhow::Result<Option<usize>> {
        let file = self.template.as_deref().map(Path::new).filter(|path| is_file(path));
        let stated = file.map(read).transpose()?.and_then(|file| file.budget.max_tokens);
        Ok(self.max_tokens().or(stated))
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
        let form = Form { outputs: &card.outputs, is_decoder: is_decoder(card), verdicts };
        let (encoder, choice) = self.built(&form, files, card.max_positions.min(USUAL_MAX_TOKENS))?;
        check_positions(encoder.budget().max_tokens, card)?;
        check_form(&encoder.recipe().template, card)?;
        encoder.check_vocabulary(card.vocabulary_size).or_bad_input()?;
        encoder.pad().or_bad_input()?;
        match encoder.encode(&trial_battle()) {
            Err(EncodingError::Battle { source, .. }) => Err(*source).or_bad_input(),
            other => other.map(|_| (encoder, choice)).or_bad_input(),
        }
    }

    /// The token of each verdict where the answer begins, and what must be said of those that are none there: these
    /// are taken as the vocabulary spells them.
    ///
    /// # Errors
    /// `BadInput` when a verdict is no single token by itself either.
    pub(super) fn verdicts(
        &self,
        outputs: Option<&[OutputMeaning]>,
        files: &TokenizerFiles,
        verdicts: &[String],
    ) -> anyhow::Result<(Vec<VerdictToken>, Vec<String>)> {
        let usual = OutputMeaning::usual(verdicts.len()).unwrap_or_default();
        let form = Form { outputs: outputs.unwrap_or(&usual), is_decoder: true, verdicts };
        let (encoder, _) = self.built(&form, files, USUAL_MAX_TOKENS)?;
        let (mut tokens, mut warnings) = (Vec::new(), Vec::new());
        for text in verdicts {
            let id = match encoder.answer_token(text) {
                Ok(id) => id,
                Err(reason) => {
                    let id = files.single_token(text).or_bad_input()?;
                    warnings.push(format!("{reason}; `kind = \"judge\"` will refuse this model"));
                    id
                }
            };
            tokens.push(VerdictToken { text: text.clone(), id });
        }
        // One reason may hold for all of them.
        warnings.dedup();
        Ok((tokens, warnings))
    }

    fn built(
        &self,
        form: &Form<'_>,
        files: &TokenizerFiles,
        usual: usize,
    ) -> anyhow::Result<(Encoder, String)> {
        let (file, choice) = self.asked_for(form, files)?;
        let part = file.budget;
        let budget = EncodingBudget {
            max_tokens: self.max_tokens().or(part.max_tokens).unwrap_or(usual),
            truncation: self.truncation.map(Policy::truncation).or(part.truncation).unwrap_or_default(),
            orders: self.orders.map(OrderChoice::orders).or(part.orders).unwrap_or_default(),
        };
        let recipe = EncodingRecipe { template: file.template, missing: file.missing };
        Ok((Encoder::new(files, recipe, budget).or_bad_input()?, choice))
    }

    fn asked_for(&self, form: &Form<'_>, files: &TokenizerFiles) -> anyhow::Result<(RecipeFile, String)> {
        let Some(name) = &self.template else {
            let (template, why) = suggested(form, files)?;
            return Ok((plain(template), why));
        };
        if is_file(Path::new(name)) {
            return Ok((read(Path::new(name))?, format!("`{name}` says so")));
        }
        let labels = Labels::default;
        let template = match name.as_str() {
            "concatenated" => Template::Concatenated { labels: labels(), pair: false },
            "interleaved" => Template::Interleaved { labels: labels() },
            "chat" => chat(form),
            "single" => Template::suggested_single(form.is_decoder, files).or_bad_input()?,
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

/// Whether a template is named by the file that it is in.
fn is_file(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "toml")
}

fn plain(template: Template) -> RecipeFile {
    RecipeFile { template, missing: MissingResponse::default(), budget: BudgetPart::default() }
}

fn read(path: &Path) -> anyhow::Result<RecipeFile> {
    let named = || format!("cannot read `{}`", path.display());
    let text = std::fs::read_to_string(path).with_context(named).or_bad_input()?;
    toml::from_str(&text).with_context(|| format!("`{}`", path.display())).or_bad_input()
}

/// What decides how a battle is written for a model.
struct Form<'a> {
    outputs: &'a [OutputMeaning],
    is_decoder: bool,
    /// The words of a judge, in the order of the outputs; none of another model.
    verdicts: &'a [String],
}

/// What fits a model best that says nothing itself; a judge is told how to answer.
fn suggested(form: &Form<'_>, files: &TokenizerFiles) -> anyhow::Result<(Template, String)> {
    let scores = form.outputs == [OutputMeaning::Score];
    let (template, why) =
        Template::suggested(ModelForm { scores, is_decoder: form.is_decoder }, files).or_bad_input()?;
    let template = if matches!(template, Template::Chat { .. }) { chat(form) } else { template };
    Ok((template, why.to_owned()))
}

fn is_decoder(card: &ModelCard) -> bool {
    card.family.is_some_and(crate::checkpoint::Family::is_decoder)
}

/// The comparison in the model's chat template; a judge is told which words its verdict is read from.
fn chat(form: &Form<'_>) -> Template {
    let sentence = |(meaning, word): (&OutputMeaning, &String)| {
        // The blank that a vocabulary wants in front of a word is no part of the word.
        let word = word.trim_start_matches([' ', '\u{2581}', '\u{120}']);
        match meaning {
            OutputMeaning::A => format!("`{word}` if response_a is better"),
            OutputMeaning::B => format!("`{word}` if response_b is better"),
            OutputMeaning::Tie => format!("`{word}` if they are equally good"),
            OutputMeaning::BothBad => format!("`{word}` if both are bad"),
            OutputMeaning::Score => format!("`{word}`"),
        }
    };
    let sentences: Vec<String> = form.outputs.iter().zip(form.verdicts).map(sentence).collect();
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
