use rayon::prelude::*;

use super::chat::{ChatOptions, ChatTemplate, Message, message};
use super::custom::CustomTemplate;
use super::files::TokenizerConfig;
use super::layout::{self, Texts};
use super::part::{Part, PartCounts, Piece, Segment, Shown, framed};
use super::select::{Limits, Selected, select};
use super::tokenizer::{PadToken, PlacedToken, Tokens};
use super::wrapping::{Laid, Wrapping, once, wrapped};
use super::{
    ChatLayout, EncodingBudget, EncodingError, EncodingIdentity, EncodingRecipe, Template, TokenizerFiles,
    Truncation,
};
use crate::battle::Battle;

/// What a model reads of one battle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Token ids, at most `max_tokens`.
    pub ids: Vec<u32>,
    /// The segment of each token, as long as `ids`; all 0 without pairs.
    pub type_ids: Vec<u32>,
    /// What of the battle it shows.
    pub shown: Shown,
    /// Tokens kept and cut of each part.
    pub counts: PartCounts,
}

/// Turns battles into token ids: one for training, out-of-fold prediction and serving.
#[derive(Debug)]
pub struct Encoder {
    pub(super) tokens: Tokens,
    writer: Writer,
    recipe: EncodingRecipe,
    budget: EncodingBudget,
    wrapping: Wrapping,
    marker: Vec<u32>,
    config: TokenizerConfig,
    tokenizer_hash: String,
}

#[derive(Debug)]
enum Writer {
    Plain,
    Chat(ChatTemplate),
    Custom(CustomTemplate),
}

impl Encoder {
    /// An encoder of the files, the recipe and the budget, all checked here.
    ///
    /// # Errors
    /// Each fault of the files or the recipe, by name.
    pub fn new(
        files: &TokenizerFiles,
        recipe: EncodingRecipe,
        budget: EncodingBudget,
    ) -> Result<Self, EncodingError> {
        recipe.template.check()?;
        budget.check()?;
        let tokens = Tokens::new(&files.tokenizer)?;
        let config = TokenizerConfig::of(files)?;
        let writer = match &recipe.template {
            Template::Chat { .. } | Template::SingleChat { .. } => Writer::Chat(ChatTemplate::new(&config)?),
            Template::Custom { template, .. } => {
                Writer::Custom(CustomTemplate::new(template, config.special.clone())?)
            }
            _ => Writer::Plain,
        };
        // A chat template writes the special tokens itself, as transformers has it.
        let wrapping = if recipe.template.is_chat() {
            Wrapping::default()
        } else {
            Wrapping::learned(tokens.inner(), recipe.template.is_pair())?
        };
        let marker = marker_ids(&tokens, &budget.truncation)?;
        let tokenizer_hash = blake3::hash(&files.tokenizer).to_hex().to_string();
        Ok(Self { tokens, writer, recipe, budget, wrapping, marker, config, tokenizer_hash })
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> &EncodingRecipe {
        &self.recipe
    }

    /// The budget.
    #[must_use]
    pub fn budget(&self) -> &EncodingBudget {
        &self.budget
    }

    /// The same encoder with another budget; its identity stays.
    ///
    /// # Errors
    /// `Recipe` when a value is out of its range.
    pub fn with_budget(mut self, budget: EncodingBudget) -> Result<Self, EncodingError> {
        budget.check()?;
        self.marker = marker_ids(&self.tokens, &budget.truncation)?;
        self.budget = budget;
        Ok(self)
    }

    /// The token to pad batches with.
    ///
    /// # Errors
    /// When none is named, or the vocabulary contradicts its name.
    pub fn pad(&self) -> Result<PadToken, EncodingError> {
        self.tokens.pad(&self.config)
    }

    /// A token as the vocabulary spells it; nothing for an id that it lacks.
    #[must_use]
    pub fn spelling(&self, id: u32) -> String {
        self.tokens.spelling(id)
    }

    /// Checks that every token, and the padding, has a row in the model's embedding.
    ///
    /// # Errors
    /// `Vocabulary` names the token of the highest id.
    pub fn check_vocabulary(&self, embedding_rows: usize) -> Result<(), EncodingError> {
        self.tokens.check_vocabulary(embedding_rows)
    }

    /// What decides the ids of a battle that fits. `ingest_version` is that of the readers of battle files,
    /// `label_order` names the outputs of the model.
    #[must_use]
    pub fn identity(&self, ingest_version: u32, label_order: &[String]) -> EncodingIdentity {
        EncodingIdentity {
            format_version: EncodingIdentity::FORMAT_VERSION,
            ingest_version,
            tokenizer: self.tokenizer_hash.clone(),
            special_tokens: self.config.special.clone(),
            chat_template: self.config.chat_template.clone().filter(|_| self.recipe.template.is_chat()),
            recipe: self.recipe.clone(),
            label_order: label_order.to_vec(),
        }
    }

    /// The sequences of one battle: both orders, one of them, or each response alone.
    ///
    /// # Errors
    /// `Battle` names the battle that cannot be encoded.
    pub fn encode(&self, battle: &Battle) -> Result<Vec<Sequence>, EncodingError> {
        let shown = self.budget.shown(&self.recipe.template);
        shown.iter().map(|shown| self.sequence(battle, *shown)).collect()
    }

    /// The sequences of many battles, in their order and the same for any number of threads.
    ///
    /// # Errors
    /// `Battle` names the first battle that cannot be encoded.
    pub fn encode_all(&self, battles: &[Battle]) -> Result<Vec<Vec<Sequence>>, EncodingError> {
        let encoded: Vec<Result<Vec<Sequence>, EncodingError>> =
            battles.par_iter().map(|battle| self.encode(battle)).collect();
        encoded.into_iter().collect()
    }

    /// One sequence of a battle.
    ///
    /// # Errors
    /// `Battle` names the battle that cannot be encoded.
    pub fn sequence(&self, battle: &Battle, shown: Shown) -> Result<Sequence, EncodingError> {
        let (laid, counts) = self.laid(battle, shown)?;
        let ids = laid.iter().map(|laid| laid.token.id).collect();
        let type_ids = laid.iter().map(|laid| laid.type_id).collect();
        Ok(Sequence { ids, type_ids, shown, counts })
    }

    /// The whole text of a sequence before anything is cut, one text for each segment.
    ///
    /// # Errors
    /// `Battle` when the template refuses the battle.
    pub fn text(&self, battle: &Battle, shown: Shown) -> Result<Vec<String>, EncodingError> {
        let segments = self.segments(battle, shown).map_err(|source| of_battle(battle, source))?;
        Ok(segments.iter().map(|segment| super::part::text_of(segment)).collect())
    }

    pub(super) fn laid(
        &self,
        battle: &Battle,
        shown: Shown,
    ) -> Result<(Vec<Laid>, PartCounts), EncodingError> {
        self.laid_unnamed(battle, shown).map_err(|source| of_battle(battle, source))
    }

    fn laid_unnamed(&self, battle: &Battle, shown: Shown) -> Result<(Vec<Laid>, PartCounts), EncodingError> {
        let mut segments: Vec<Vec<PlacedToken>> = self
            .segments(battle, shown)?
            .iter()
            .map(|segment| self.tokens.placed(segment))
            .collect::<Result<_, _>>()?;
        for (place, token) in segments.iter_mut().flatten().enumerate() {
            token.place = Some(place);
        }
        let wrapping = once(&self.wrapping, &segments);
        let limits = Limits {
            max_tokens: self.budget.max_tokens,
            special: wrapping.len(),
            truncation: &self.budget.truncation,
            marker: &self.marker,
        };
        let steers =
            |token: &&PlacedToken| token.part.text_index().is_some() && self.tokens.is_control(token.id);
        let control_tokens = segments.iter().flatten().filter(steers).count();
        let Selected { segments, counts } = select(segments, &limits)?;
        let laid = wrapped(&wrapping, segments);
        if laid.is_empty() {
            return Err(EncodingError::NothingToRead);
        }
        Ok((laid, PartCounts { control_tokens, ..counts }))
    }

    fn segments(&self, battle: &Battle, shown: Shown) -> Result<Vec<Segment>, EncodingError> {
        let texts = Texts::of(battle, shown, &self.recipe.missing);
        let one = |pieces: Vec<Piece>| vec![framed(pieces)];
        Ok(match (&self.recipe.template, &self.writer) {
            (Template::Concatenated { labels, pair: true }, _) => layout::comparison_pair(&texts, labels),
            (Template::Concatenated { labels, pair: false }, _) => {
                one(layout::comparison(&texts, ChatLayout::Concatenated, labels))
            }
            (Template::Interleaved { labels }, _) => {
                one(layout::comparison(&texts, ChatLayout::Interleaved, labels))
            }
            (Template::Single { labels, pair: true }, _) => layout::single_pair(&texts, labels),
            (Template::Single { labels, pair: false }, _) => vec![layout::single(&texts, labels)],
            (template, Writer::Chat(chat)) => vec![chat_segment(template, chat, &texts)?],
            (template, Writer::Custom(custom)) => vec![custom.write(&texts, template.is_single())?],
            // The writer was made for the template, so that nothing is left; an empty text says it.
            (_, Writer::Plain) => Vec::new(),
        })
    }
}

fn of_battle(battle: &Battle, source: EncodingError) -> EncodingError {
    EncodingError::Battle { id: battle.id.to_string(), source: Box::new(source) }
}

fn marker_ids(tokens: &Tokens, truncation: &Truncation) -> Result<Vec<u32>, EncodingError> {
    match truncation {
        Truncation::Parts(parts) => parts.marker.as_deref().map_or(Ok(Vec::new()), |text| tokens.ids(text)),
        Truncation::Whole { .. } => Ok(Vec::new()),
    }
}

fn chat_segment(
    template: &Template,
    chat: &ChatTemplate,
    texts: &Texts<'_>,
) -> Result<Segment, EncodingError> {
    match template {
        Template::Chat { instruction, layout, labels, ending, add_generation_prompt, variables } => {
            let mut content = vec![Piece::frame(instruction)];
            content.extend(layout::comparison(texts, *layout, labels));
            content.push(Piece::frame(ending));
            let options = ChatOptions { add_generation_prompt: *add_generation_prompt, variables };
            chat.write(vec![Message { role: "user", content }], &options)
        }
        Template::SingleChat { variables } => {
            let messages = texts.turns.iter().enumerate().flat_map(|(index, turn)| {
                let (part, response) = turn.only();
                [
                    message("user", Part::Prompt, (index, &turn.prompt)),
                    message("assistant", part, (index, response)),
                ]
            });
            chat.write(messages.collect(), &ChatOptions { add_generation_prompt: false, variables })
        }
        _ => Ok(Vec::new()),
    }
}
