use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use super::EncodingError;
use super::files::TokenizerConfig;
use super::part::{Part, Piece, text_of};

/// The token that fills short sequences of a batch; it is masked, so that its id never matters, but it must
/// be a row of the embedding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PadToken {
    /// Its text.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// Where it is named.
    pub origin: PadOrigin,
}

/// Where the padding token is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadOrigin {
    /// `pad_token` of `tokenizer_config.json`.
    Config,
    /// The padding of `tokenizer.json`.
    Tokenizer,
    /// `eos_token` of `tokenizer_config.json`, as decoders without a padding token do.
    EndOfSequence,
}

/// A token of the text with its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlacedToken {
    pub(super) id: u32,
    pub(super) part: Part,
    /// The turn with which it leaves; `None` where it always stays.
    pub(super) turn: Option<usize>,
    /// Whether it goes on with the character that the token before it began.
    pub(super) continues: bool,
    /// Its number in the whole sequence before the cut; `None` for what stands in no text.
    pub(super) place: Option<usize>,
}

/// The tokenizer without the truncation and padding that its file may hide.
#[derive(Debug)]
pub(super) struct Tokens {
    inner: Tokenizer,
    padding: Option<(String, u32)>,
    control: HashSet<u32>,
    /// What stands for whatever the vocabulary lacks.
    unknown: Option<u32>,
}

impl Tokens {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, EncodingError> {
        let mut inner = Tokenizer::from_bytes(bytes)
            .map_err(|error| EncodingError::Form { file: "tokenizer.json", reason: error.to_string() })?;
        let padding = inner.get_padding().map(|padding| (padding.pad_token.clone(), padding.pad_id));
        inner.with_truncation(None).map_err(EncodingError::tokenizer)?;
        inner.with_padding(None);
        let unknown = unknown_token(bytes, &inner)?;
        let control = inner
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special)
            .map(|(id, _)| id)
            // It is special in many files but stands for text.
            .filter(|id| Some(*id) != unknown)
            .collect();
        Ok(Self { inner, padding, control, unknown })
    }

    pub(super) fn inner(&self) -> &Tokenizer {
        &self.inner
    }

    /// The padding token, found in the order of `PadOrigin`.
    ///
    /// # Errors
    /// `UnknownToken`, `PadContradiction` when it is not in the vocabulary as named, `NoPad` without any.
    pub(super) fn pad(&self, config: &TokenizerConfig) -> Result<PadToken, EncodingError> {
        let named = |role| config.special.get(role);
        let known = |role: &'static str, token: &str, origin| {
            let id = self
                .inner
                .token_to_id(token)
                .ok_or_else(|| EncodingError::UnknownToken { role, token: token.to_owned() })?;
            Ok(PadToken { token: token.to_owned(), id, origin })
        };
        if let Some(token) = named("pad_token") {
            return known("pad_token", token, PadOrigin::Config);
        }
        if let Some((token, written)) = &self.padding {
            let pad = known("padding.pad_token", token, PadOrigin::Tokenizer)?;
            if pad.id != *written {
                let (token, written) = (token.clone(), *written);
                return Err(EncodingError::PadContradiction { token, written, found: pad.id });
            }
            return Ok(pad);
        }
        let token = named("eos_token").ok_or(EncodingError::NoPad)?;
        known("eos_token", token, PadOrigin::EndOfSequence)
    }

    /// # Errors
    /// `Vocabulary` when a token has no row in an embedding of `rows` rows.
    pub(super) fn check_vocabulary(&self, rows: usize) -> Result<(), EncodingError> {
        let highest = self.inner.get_vocab(true).into_iter().max_by_key(|(_, id)| *id);
        match highest {
            Some((token, id)) if id as usize >= rows => Err(EncodingError::Vocabulary { token, id, rows }),
            _ => Ok(()),
        }
    }

    /// The ids of a text by itself, without special tokens around it.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>, EncodingError> {
        let encoding = self.inner.encode(text, false).map_err(EncodingError::tokenizer)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of the whole text that the pieces write, each with the piece that it comes from.
    pub(super) fn placed(&self, pieces: &[Piece]) -> Result<Vec<PlacedToken>, EncodingError> {
        let encoding = self.inner.encode(text_of(pieces), false).map_err(EncodingError::tokenizer)?;
        let mut ends = Vec::with_capacity(pieces.len());
        let mut end = 0;
        for piece in pieces {
            end += piece.text.len();
            ends.push(end);
        }
        let tokens = encoding.get_ids().iter().zip(encoding.get_offsets());
        let mut reached = 0;
        Ok(tokens
            .map(|(&id, &offsets)| {
                let piece = origin(pieces, &ends, offsets);
                let (part, turn) = piece.map_or((Part::Frame, None), |piece| (piece.part, piece.turn));
                let continues = offsets.0 < offsets.1 && offsets.0 < reached;
                reached = reached.max(offsets.1);
                PlacedToken { id, part, turn, continues, place: None }
            })
            .collect())
    }

    /// Whether the id steers the model, as the end of a turn does, and stands for no text.
    pub(super) fn is_control(&self, id: u32) -> bool {
        self.control.contains(&id)
    }

    /// Whether the id stands for whatever the vocabulary lacks.
    pub(super) fn stands_for_unknown(&self, id: u32) -> bool {
        self.unknown == Some(id)
    }

    /// The text of one token as the vocabulary spells it.
    pub(super) fn spelling(&self, id: u32) -> String {
        self.inner.id_to_token(id).unwrap_or_default()
    }

    pub(super) fn decoded(&self, ids: &[u32]) -> Result<String, EncodingError> {
        self.inner.decode(ids, false).map_err(EncodingError::tokenizer)
    }
}

/// The part of `tokenizer.json` that names the unknown token.
#[derive(Deserialize)]
struct UnknownFile {
    model: UnknownOfModel,
}

/// Unigram models name it by its place, the others by its text.
#[derive(Deserialize)]
struct UnknownOfModel {
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    unk_id: Option<u32>,
}

/// The unknown token as the model in `tokenizer.json` names it; byte-level vocabularies lack nothing and have none.
fn unknown_token(bytes: &[u8], tokenizer: &Tokenizer) -> Result<Option<u32>, EncodingError> {
    let file: UnknownFile = serde_json::from_slice(bytes)
        .map_err(|error| EncodingError::Form { file: "tokenizer.json", reason: error.to_string() })?;
    let named = file.model.unk_token.filter(|token| !token.is_empty());
    Ok(file.model.unk_id.or_else(|| tokenizer.token_to_id(&named?)))
}

/// The piece that a token comes from. One that holds any byte of the frame is frame, so that cutting a text
/// never takes the template's words with it; between two texts it is the earlier one's.
fn origin<'a>(pieces: &'a [Piece], ends: &[usize], (start, end): (usize, usize)) -> Option<&'a Piece> {
    // Offsets that were trimmed to nothing point behind the blanks that they stand for.
    let (start, end) = if start == end { (start.saturating_sub(1), start.max(1)) } else { (start, end) };
    let first = ends.partition_point(|&piece_end| piece_end <= start);
    let last = ends.partition_point(|&piece_end| piece_end < end).min(pieces.len().saturating_sub(1));
    let mut touched = pieces.get(first..=last)?.iter().filter(|piece| !piece.text.is_empty());
    touched.clone().find(|piece| piece.part == Part::Frame).or_else(|| touched.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_touches_the_frame_is_frame() {
        let pieces = [
            Piece::frame("ab"),
            Piece::text(Part::Prompt, 0, "cd"),
            Piece::text(Part::ResponseA, 0, ""),
            Piece::text(Part::ResponseB, 0, "ef"),
            Piece::frame("g"),
        ];
        let ends = [2, 4, 4, 6, 7];
        let part = |offsets| origin(&pieces, &ends, offsets).map(|piece| piece.part);
        assert_eq!(part((0, 2)), Some(Part::Frame));
        assert_eq!(part((1, 3)), Some(Part::Frame));
        assert_eq!(part((2, 4)), Some(Part::Prompt));
        assert_eq!(part((3, 5)), Some(Part::Prompt));
        assert_eq!(part((4, 6)), Some(Part::ResponseB));
        assert_eq!(part((5, 7)), Some(Part::Frame));
        assert_eq!(part((4, 4)), Some(Part::Prompt));
        assert_eq!(part((0, 0)), Some(Part::Frame));
    }
    #[test]
    fn the_unknown_token_is_the_one_that_the_file_names_whatever_its_spelling() {
        let file = |unknown: &str| {
            format!(
                r#"{{"version":"1.0","added_tokens":[
                {{"id":0,"content":"<oov>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}},
                {{"id":1,"content":"<chunk>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}}],
                "pre_tokenizer":{{"type":"Whitespace"}},
                "model":{{"type":"WordLevel","vocab":{{"<oov>":0,"<chunk>":1,"spunk":2}},"unk_token":"{unknown}"}}}}"#
            )
        };
        let tokens = Tokens::new(file("<oov>").as_bytes()).unwrap();
        assert_eq!(tokens.ids("spunk nothing").unwrap(), [2, 0]);
        assert_eq!([0, 1, 2].map(|id| tokens.stands_for_unknown(id)), [true, false, false]);
        // A control token whose spelling happens to hold the letters is one all the same.
        assert_eq!([0, 1, 2].map(|id| tokens.is_control(id)), [false, true, false]);
    }
}
