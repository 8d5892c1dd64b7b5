//! The user's own template: the texts are written between marks that show where they end up.

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;

use super::EncodingError;
use super::jinja;
use super::layout::Texts;
use super::part::{Part, Piece, Segment, framed};

const NAME: &str = "custom";

/// A compiled template of the user.
#[derive(Debug)]
pub(super) struct CustomTemplate {
    environment: Environment<'static>,
    source: String,
    special: std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Turn {
    prompt: String,
    response_a: Option<String>,
    response_b: Option<String>,
    response: Option<String>,
}

impl CustomTemplate {
    pub(super) fn new(
        source: &str,
        special: std::collections::BTreeMap<String, String>,
    ) -> Result<Self, EncodingError> {
        let mut environment = jinja::environment();
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| failed(&error))?;
        Ok(Self { environment, source: source.to_owned(), special })
    }

    /// # Errors
    /// `Template` when it fails, `TextChanged` when it does not write a text whole.
    pub(super) fn write(&self, texts: &Texts<'_>, single: bool) -> Result<Segment, EncodingError> {
        let marks = Marks::unused(texts, &self.source);
        let mut places = Vec::new();
        let mut marked = |part, turn, text: &str| {
            // An empty text stays empty, so that a template can ask for it.
            if text.is_empty() {
                return String::new();
            }
            places.push((part, turn));
            marks.around(places.len() - 1, text)
        };
        let turns: Vec<Turn> = texts
            .turns
            .iter()
            .enumerate()
            .map(|(index, turn)| {
                let prompt = marked(Part::Prompt, index, &turn.prompt);
                if single {
                    let (part, text) = turn.only();
                    let response = Some(marked(part, index, text));
                    return Turn { prompt, response_a: None, response_b: None, response };
                }
                let response_a = Some(marked(Part::ResponseA, index, turn.first.unwrap_or_default()));
                let response_b = Some(marked(Part::ResponseB, index, turn.second.unwrap_or_default()));
                Turn { prompt, response_a, response_b, response: None }
            })
            .collect();
        let template = self.environment.get_template(NAME).map_err(|error| failed(&error))?;
        let special = minijinja::Value::from(Serde(&self.special));
        let context = context! { turns => minijinja::Value::from(Serde(&turns)), ..special };
        let rendered = template.render(context).map_err(|error| failed(&error))?;
        marks.located(&rendered, &places)
    }
}

fn failed(error: &minijinja::Error) -> EncodingError {
    EncodingError::Template { which: "custom", reason: jinja::reason(error) }
}

/// Three characters that stand in no text: before a number, between it and its text, after the text.
struct Marks([char; 3]);

impl Marks {
    fn unused(texts: &Texts<'_>, source: &str) -> Self {
        let holds = |character: char| {
            source.contains(character)
                || texts.turns.iter().any(|turn| {
                    turn.prompt.contains(character)
                        || turn.first.is_some_and(|text| text.contains(character))
                        || turn.second.is_some_and(|text| text.contains(character))
                })
        };
        let mut free = ('\u{10_0000}'..='\u{10_FFFD}').filter(|character| !holds(*character));
        let mut next = || free.next().unwrap_or('\u{10_FFFD}');
        Self([next(), next(), next()])
    }

    fn around(&self, place: usize, text: &str) -> String {
        let [open, middle, close] = self.0;
        format!("{open}{place}{middle}{text}{close}")
    }

    fn located(&self, rendered: &str, places: &[(Part, usize)]) -> Result<Segment, EncodingError> {
        let [open, middle, close] = self.0;
        let broken = |place: usize| EncodingError::TextChanged {
            part: match places.get(place).map(|(part, _)| part) {
                Some(Part::ResponseA) => "response_a",
                Some(Part::ResponseB) => "response_b",
                _ => "prompt",
            },
        };
        let mut pieces = Vec::new();
        let mut rest = rendered;
        while let Some((before, after)) = rest.split_once(open) {
            let (number, after) = after.split_once(middle).ok_or_else(|| broken(0))?;
            let place: usize = number.parse().map_err(|_| broken(0))?;
            let (text, after) = after.split_once(close).ok_or_else(|| broken(place))?;
            if text.contains(open) {
                return Err(broken(place));
            }
            let (part, turn) = *places.get(place).ok_or_else(|| broken(place))?;
            pieces.push(Piece::frame(before));
            pieces.push(Piece::text(part, turn, text));
            rest = after;
        }
        if rest.contains([middle, close]) {
            return Err(broken(0));
        }
        pieces.push(Piece::frame(rest));
        Ok(framed(pieces))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{Battle, BattleId, Response, Turn};
    use crate::encoding::part::{Shown, text_of};
    use crate::encoding::recipe::MissingResponse;

    fn write(source: &str, prompt: &str) -> Result<Segment, EncodingError> {
        let turn = Turn {
            prompt: prompt.to_owned(),
            response_a: Response::Text("one".to_owned()),
            response_b: Response::Missing,
        };
        let battle = Battle::new(BattleId("r".to_owned()), None, vec![turn]).unwrap();
        let missing = MissingResponse::Empty {};
        let template = CustomTemplate::new(source, std::collections::BTreeMap::new())?;
        template.write(&Texts::of(&battle, Shown::Ab, &missing), false)
    }

    #[test]
    fn texts_are_located_and_empty_ones_can_be_asked_for() {
        let source = "{% for t in turns %}Q {{ t.prompt }} 1 {{ t.response_a }} 2 \
            {{ t.response_b or 'nothing' }}{% endfor %}";
        let pieces = write(source, "why \u{10_0000}?").unwrap();
        assert_eq!(text_of(&pieces), "Q why \u{10_0000}? 1 one 2 nothing");
        let parts: Vec<Part> = pieces.iter().map(|piece| piece.part).collect();
        assert_eq!(parts, [Part::Frame, Part::Prompt, Part::Frame, Part::ResponseA, Part::Frame]);
    }

    #[test]
    fn a_template_that_cuts_a_text_is_refused() {
        let failed = write("{{ turns[0].response_a[:4] }}", "q").unwrap_err();
        assert!(failed.to_string().contains("`response_a`"), "{failed}");
        assert!(write("{{ turns[0] ", "q").unwrap_err().to_string().contains("custom template fails"));
    }
}
