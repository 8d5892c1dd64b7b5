use std::path::PathBuf;

use super::FrameTooLong;

/// A battle cannot be encoded, or an encoder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EncodingError {
    /// A file of the tokenizer cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of the tokenizer has another form.
    #[error("`{file}` is not a file of a tokenizer: {reason}; save the model again with `save_pretrained`")]
    Form {
        /// Its name.
        file: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A value of the recipe or the budget is out of its range.
    #[error("encoding: `{field}` is `{value}`, it must be {must}")]
    Recipe {
        /// The key.
        field: String,
        /// Its value.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// The model has no chat template.
    #[error(
        "the model has no chat template (`chat_template.jinja`, or `chat_template` in \
         `tokenizer_config.json`); use the template `concatenated`, `single` or `custom`"
    )]
    NoChatTemplate,
    /// A template does not compile or refuses the conversation.
    #[error("the {which} template fails: {reason}")]
    Template {
        /// Which one.
        which: &'static str,
        /// What the template engine said, with the line.
        reason: String,
    },
    /// The chat template writes something else than the messages it was given.
    #[error(
        "the chat template changes message {message} beyond trimming it, so that its parts cannot be told \
         apart; use the template `custom`"
    )]
    ContentChanged {
        /// Its place, from 0.
        message: usize,
    },
    /// A custom template takes a text apart.
    #[error(
        "the custom template cuts or rewrites `{part}`; write the texts whole, what is too long is cut by \
         `truncation`"
    )]
    TextChanged {
        /// Which text.
        part: &'static str,
    },
    /// The tokenizer cannot join two texts.
    #[error("the tokenizer has no form for a pair of texts: {reason}; set `pair = false`")]
    NoPair {
        /// What the tokenizer said.
        reason: String,
    },
    /// The tokenizer fails on a text.
    #[error("the tokenizer fails: {reason}")]
    Tokenizer {
        /// What it said.
        reason: String,
    },
    /// A named special token is not in the vocabulary.
    #[error("`{role}` is `{token}`, which `tokenizer.json` does not know; the files belong to two models")]
    UnknownToken {
        /// The key that names it.
        role: &'static str,
        /// The token.
        token: String,
    },
    /// The padding of tokenizer.json contradicts the vocabulary.
    #[error("`tokenizer.json` pads with id {written}, but its token `{token}` has id {found}")]
    PadContradiction {
        /// The token.
        token: String,
        /// The id that the padding names.
        written: u32,
        /// The id in the vocabulary.
        found: u32,
    },
    /// A text that must be one token is several, or none.
    #[error("`{text}` is no single token but {}; choose another word", named(tokens))]
    NotOneToken {
        /// The text.
        text: String,
        /// What the tokenizer makes of it.
        tokens: Vec<String>,
    },
    /// Nothing fixed stands in front of the answer of a judge.
    #[error("there is no place for the answer of a judge: {reason}")]
    NoAnswerPlace {
        /// Why, and the way out.
        reason: String,
    },
    /// A verdict is not one token where the answer begins.
    #[error(
        "the verdict `{text}` is no single token behind `{before}`, where the answer begins, but {}; {}",
        named(tokens),
        other.as_ref().map_or_else(|| "choose another word".to_owned(), |other| format!("write `{other}`"))
    )]
    NotAnAnswer {
        /// The verdict.
        text: String,
        /// What the tokenizer makes of it there.
        tokens: Vec<String>,
        /// The last words before it.
        before: String,
        /// The same with, or without, the blank in front, where that is one token.
        other: Option<String>,
    },
    /// There is nothing to pad with.
    #[error(
        "no padding token is named in `tokenizer_config.json` (`pad_token`, or `eos_token` in its place)"
    )]
    NoPad,
    /// The vocabulary is larger than the embedding of the model.
    #[error(
        "token `{token}` has id {id}, but the model's embedding has {rows} rows; the tokenizer has tokens \
         that the model was not resized for"
    )]
    Vocabulary {
        /// The token of the highest id.
        token: String,
        /// Its id.
        id: u32,
        /// Rows of the embedding.
        rows: usize,
    },
    /// The words of the template alone do not fit.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
    /// There is not one token.
    #[error("the sequence is empty: neither the template nor the tokenizer adds anything to empty texts")]
    NothingToRead,
    /// `encoder.json` of a model folder cannot be used.
    #[error("`{}`: {problem}; import the model again", path.display())]
    Stored {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The files of a model folder no longer make the encoder that was stored.
    #[error(
        "`{}` belongs to another encoder ({stored:.12}) than the files beside it make ({found:.12}): the tokenizer, its \
         special tokens or chat template, the recipe, the order of the outputs or this program has changed, and the \
         model would read other tokens than it was made for; import the model again",
        path.display()
    )]
    Identity {
        /// The file.
        path: PathBuf,
        /// The hash in it.
        stored: String,
        /// The hash of what is there.
        found: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] crate::files::WriteError),
    /// A battle fails.
    #[error("battle `{id}`: {source}")]
    Battle {
        /// Which one.
        id: String,
        /// Why.
        #[source]
        source: Box<EncodingError>,
    },
}

fn named(tokens: &[String]) -> String {
    tokens.iter().map(|token| format!("`{token}`")).collect::<Vec<_>>().join(", ")
}

impl EncodingError {
    pub(super) fn recipe(field: &str, value: &str, must: &'static str) -> Self {
        Self::Recipe { field: field.to_owned(), value: value.to_owned(), must }
    }

    pub(super) fn tokenizer(reason: impl std::fmt::Display) -> Self {
        Self::Tokenizer { reason: reason.to_string() }
    }
}
