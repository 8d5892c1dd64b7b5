//! Where a judge's answer begins, and which tokens can stand there.

use std::sync::Arc;

use super::part::{Part, Shown};
use super::{Encoder, EncodingError, Side, Truncation};
use crate::battle::{Battle, BattleId, Response, Turn};

/// A small battle to try an encoder on.
#[must_use]
pub fn trial_battle() -> Battle {
    let text = |text: &str| Response::Text(text.to_owned());
    let turn = Turn { prompt: "?".to_owned(), response_a: text("a"), response_b: text("b") };
    Battle { id: BattleId("trial".to_owned()), system: None, turns: Arc::new([turn]) }
}

impl Encoder {
    /// The id of the one token that `text` is where the answer begins, directly behind the last words of the template:
    /// a blank in front belongs to the text. A token as a vocabulary spells it (`▁A`, `ĠA`) is understood.
    ///
    /// # Errors
    /// `NoAnswerPlace` when a sequence does not end with words of the template, so that what stands before the answer
    /// differs from battle to battle; `NotAnAnswer` names the tokens that the text is made of there.
    pub fn answer_token(&self, text: &str) -> Result<u32, EncodingError> {
        let before = self.words_before_answer()?;
        let spoken = spoken(text);
        let prompt = self.tokens.ids(&before)?;
        // What is new behind the longest common beginning, and whether it is one token more and nothing else: a text
        // may also change the token in front of it.
        let behind = |text: &str| -> Result<(Vec<u32>, bool), EncodingError> {
            let all = self.tokens.ids(&format!("{before}{text}"))?;
            let same = prompt.iter().zip(&all).take_while(|(one, other)| one == other).count();
            let new = all[same..].to_vec();
            let is_known = new.iter().all(|id| !self.tokens.stands_for_unknown(*id));
            let is_one = same == prompt.len() && new.len() == 1 && is_known;
            Ok((new, is_one))
        };
        let (found, is_one) = behind(&spoken)?;
        if is_one {
            return Ok(found[0]);
        }
        let other = spoken.strip_prefix(' ').map_or_else(|| format!(" {spoken}"), str::to_owned);
        let (_, is_other) = behind(&other)?;
        Err(EncodingError::NotAnAnswer {
            text: text.to_owned(),
            tokens: found.iter().map(|id| self.tokens.spelling(*id)).collect(),
            before: last_characters(&before),
            other: is_other.then_some(other),
        })
    }

    /// The whole text of a sequence that the answer follows.
    fn words_before_answer(&self) -> Result<String, EncodingError> {
        if matches!(self.budget().truncation, Truncation::Whole { side: Side::Right }) {
            let reason =
                "the truncation `whole`, `right` cuts it off; use `parts`, or another side".to_owned();
            return Err(EncodingError::NoAnswerPlace { reason });
        }
        let battle = trial_battle();
        let (laid, _) = self.laid(&battle, Shown::Ab)?;
        let last = laid.last().ok_or(EncodingError::NothingToRead)?.token;
        match last.part {
            Part::Frame => {}
            Part::Special => {
                let token = self.tokens.spelling(last.id);
                let reason =
                    format!("the tokenizer ends every sequence with `{token}`; use the template `chat`");
                return Err(EncodingError::NoAnswerPlace { reason });
            }
            _ => {
                let name = self.recipe().template.name();
                let reason = format!(
                    "the template `{name}` ends with a text of the battle; use `chat`, or `custom` with words of its \
                     own at the end, such as `Answer:`"
                );
                return Err(EncodingError::NoAnswerPlace { reason });
            }
        }
        Ok(self.text(&battle, Shown::Ab)?.pop().unwrap_or_default())
    }
}

/// A token as a vocabulary spells it, as it is spoken: both common marks of a word's beginning are a blank.
fn spoken(text: &str) -> String {
    match text.strip_prefix(['\u{2581}', '\u{120}']) {
        Some(rest) => format!(" {rest}"),
        None => text.to_owned(),
    }
}

fn last_characters(text: &str) -> String {
    const SHOWN: usize = 20;
    let skipped = text.chars().count().saturating_sub(SHOWN);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{
        EncodingBudget, EncodingRecipe, MissingResponse, Orders, Template, TokenizerFiles,
    };

    fn encoder(tokenizer: &str, template: &str, truncation: Truncation) -> Encoder {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(tokenizer);
        let template = Template::Custom { template: template.to_owned(), single: false };
        let recipe = EncodingRecipe { template, missing: MissingResponse::default() };
        let budget = EncodingBudget { max_tokens: 64, truncation, orders: Orders::Both };
        Encoder::new(&TokenizerFiles::read(&folder).unwrap(), recipe, budget).unwrap()
    }

    const WORDS: &str = "checkpoints/llama-causal-bf16";
    const ENDING: &str = "{{ turns[0].prompt }} {{ turns[0].response_a }} {{ turns[0].response_b }} w7";

    #[test]
    fn a_blank_in_front_belongs_to_the_verdict() {
        let words = encoder(WORDS, ENDING, Truncation::default());
        for text in [" w10", "\u{2581}w10", "\u{120}w10"] {
            assert_eq!(words.answer_token(text).unwrap(), 10, "{text}");
        }
        let message = words.answer_token("w10").unwrap_err().to_string();
        for part in ["`w10` is no single token", "`[UNK]`", "w7`", "write ` w10`"] {
            assert!(message.contains(part), "`{part}` is not in {message}");
        }
        let message = words.answer_token(" w10 w11").unwrap_err().to_string();
        assert!(message.contains("`w10`, `w11`") && message.contains("choose another word"), "{message}");
        assert!(words.answer_token("").is_err());
    }

    #[test]
    fn a_byte_level_vocabulary_tells_the_word_from_the_word_behind_a_blank() {
        let bytes = encoder("tokenizers/byte_level", &format!("{ENDING}\n"), Truncation::default());
        let (close, apart) = (bytes.answer_token("A"), bytes.answer_token(" A"));
        // A byte is always a token; whether the blank and the letter are one is the vocabulary's matter.
        let close = close.unwrap();
        assert_eq!(bytes.spelling(close), "A");
        match apart {
            Ok(id) => assert_ne!(id, close),
            Err(error) => assert!(error.to_string().contains("write `A`"), "{error}"),
        }
    }

    #[test]
    fn an_answer_needs_words_of_the_template_in_front_of_it() {
        let open = encoder(WORDS, "w7 {{ turns[0].response_b }}", Truncation::default());
        let message = open.answer_token(" w10").unwrap_err().to_string();
        assert!(message.contains("`custom` ends with a text of the battle"), "{message}");
        let cut = encoder(WORDS, ENDING, Truncation::Whole { side: Side::Right });
        assert!(cut.answer_token(" w10").unwrap_err().to_string().contains("cuts it off"));
        assert_eq!(
            encoder(WORDS, ENDING, Truncation::Whole { side: Side::Left }).answer_token(" w10").unwrap(),
            10
        );
    }
}
