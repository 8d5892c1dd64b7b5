use super::SimulationError;
use super::dice::Dice;
use super::kinds::{Kind, Language};
use super::tasks::{Materials, Task, any, blank, frame, one};
use super::texts::{Texts, broken, fill};

/// One sentence in every language, in the order of `Language::ALL`.
pub(super) type Sentence = [&'static str; Language::ALL.len()];

const FILE: &str = "translations.txt";

/// The parallel sentences: blocks of lines, one a language, begun by its two letters.
pub(super) fn sentences() -> Result<Vec<Sentence>, SimulationError> {
    let mut result: Vec<Sentence> = Vec::new();
    for (index, line) in include_str!("texts/translations.txt").lines().enumerate() {
        let Some((code, text)) = line.split_once(' ') else { continue };
        let at = Language::ALL.into_iter().position(|language| language.code() == code);
        let at = at.ok_or_else(|| broken(FILE, index + 1, "starts with no language"))?;
        if at == 0 {
            result.push([""; Language::ALL.len()]);
        }
        match result.last_mut() {
            Some(sentence) => sentence[at] = text,
            None => return Err(broken(FILE, index + 1, "a sentence begins with its English line")),
        }
    }
    if result.iter().flatten().any(|text| text.is_empty()) {
        return Err(broken(FILE, 0, "a sentence lacks a language"));
    }
    Ok(result)
}

/// A sentence to translate; the wrong answer translates another one or leaves it as it is.
pub(super) fn translation_task(materials: &Materials, texts: &Texts, dice: &mut Dice) -> Task {
    let mut task = blank(texts, Kind::Translation);
    let sentences = &materials.sentences;
    let (asked, other) = (dice.below(sentences.len()), dice.below(sentences.len()));
    let from = position(texts.language);
    let to = (from + dice.between(1, Language::ALL.len() - 1)) % Language::ALL.len();
    let (Some(asked), Some(other)) = (sentences.get(asked), sentences.get(other)) else { return task };
    let wrong = if asked == other || dice.chance(0.3) { asked[from] } else { other[to] };
    let target = one(texts, &format!("language.{}", Language::ALL[to].code()), 0);
    let with = |template: &str, text: &str| fill(template, &[("target", target), ("text", text)]);
    let answer = any(texts, "translation.answer", dice);
    task.right = with(answer, asked[to]);
    task.wrong = with(answer, wrong);
    task.facts = texts.phrases("translation.note").to_vec();
    let question = with(any(texts, "ask.translation", dice), asked[from]);
    frame(texts, &mut task, &question, dice);
    task
}

fn position(language: Language) -> usize {
    Language::ALL.into_iter().position(|known| known == language).unwrap_or(0)
}
