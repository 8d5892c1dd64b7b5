use std::collections::BTreeMap;

use super::SimulationError;
use super::kinds::{Kind, Language};

/// Something to talk about: what is asked, and what can be said of it, rightly and wrongly.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) kind: Kind,
    /// How the subject is called in the language, ready to stand in a sentence.
    pub(super) name: &'static str,
    /// Words that belong to it.
    pub(super) terms: Vec<&'static str>,
    /// Questions only asked of this one.
    pub(super) questions: Vec<&'static str>,
    /// Answers that are right.
    pub(super) right: Vec<&'static str>,
    /// Answers that are wrong, or miss the point.
    pub(super) wrong: Vec<&'static str>,
    /// Further true sentences.
    pub(super) facts: Vec<&'static str>,
}

/// Everything that can be said in one language.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub(super) language: Language,
    topics: BTreeMap<Kind, Vec<Topic>>,
    phrases: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Texts {
    /// The phrases under a key; none where the key is unknown.
    pub(super) fn phrases(&self, key: &str) -> &[&'static str] {
        self.phrases.get(key).map_or(&[], Vec::as_slice)
    }

    /// The topics of a kind.
    pub(super) fn topics(&self, kind: Kind) -> &[Topic] {
        self.topics.get(&kind).map_or(&[], Vec::as_slice)
    }
}

macro_rules! built_in {
    ($($file:literal),* $(,)?) => {
        /// The texts: `CODE-PART.txt`; `LAYOUT.md` beside them says how they are written.
        const FILES: &[(&str, &str)] = &[$(($file, include_str!(concat!("texts/", $file)))),*];
    };
}

built_in!(
    "en-phrases.txt",
    "en-fillers.txt",
    "en-factual.txt",
    "en-advice.txt",
    "en-lists.txt",
    "en-creative.txt",
    "en-unsafe.txt",
    "de-phrases.txt",
    "de-topics.txt",
    "es-phrases.txt",
    "es-topics.txt",
    "fr-phrases.txt",
    "fr-topics.txt",
    "ja-phrases.txt",
    "ja-topics.txt",
    "ru-phrases.txt",
    "ru-topics.txt",
    "zh-phrases.txt",
    "zh-topics.txt",
);

/// The texts of all languages, in the order of `Language::ALL`.
pub(super) fn library() -> Result<Vec<Texts>, SimulationError> {
    let mut library: Vec<Texts> = Language::ALL
        .into_iter()
        .map(|language| Texts { language, topics: BTreeMap::new(), phrases: BTreeMap::new() })
        .collect();
    for (file, text) in FILES {
        let language = file.get(..2).and_then(Language::from_code);
        let Some(texts) = library.iter_mut().find(|texts| Some(texts.language) == language) else {
            return Err(broken(file, 0, "its name starts with no language"));
        };
        read(texts, file, text)?;
    }
    Ok(library)
}

pub(super) fn broken(file: &'static str, line: usize, problem: &str) -> SimulationError {
    SimulationError::Text { file, line, problem: problem.to_owned() }
}

fn read(texts: &mut Texts, file: &'static str, text: &'static str) -> Result<(), SimulationError> {
    let mut topic: Option<Topic> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let Some(mark) = line.chars().next() else { continue };
        let rest = line[mark.len_utf8()..].trim();
        match (mark, &mut topic) {
            ('@', _) => {
                let (key, phrase) =
                    rest.split_once(' ').ok_or_else(|| broken(file, index + 1, "no phrase"))?;
                texts.phrases.entry(key).or_default().push(phrase.trim());
            }
            ('#', _) => {
                let begun =
                    begin(rest).ok_or_else(|| broken(file, index + 1, "not `# kind | name | terms`"))?;
                keep(texts, topic.replace(begun));
            }
            ('?', Some(topic)) => topic.questions.push(rest),
            ('=', Some(topic)) => topic.right.push(rest),
            ('!', Some(topic)) => topic.wrong.push(rest),
            ('+', Some(topic)) => topic.facts.push(rest),
            _ => return Err(broken(file, index + 1, "starts with none of @ # ? = ! +")),
        }
    }
    keep(texts, topic);
    Ok(())
}

fn begin(heading: &'static str) -> Option<Topic> {
    let mut parts = heading.split('|').map(str::trim);
    let word = parts.next()?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
    let name = parts.next()?;
    let terms = parts.next()?.split(';').map(str::trim).collect();
    Some(Topic { kind, name, terms, questions: vec![], right: vec![], wrong: vec![], facts: vec![] })
}

fn keep(texts: &mut Texts, topic: Option<Topic>) {
    if let Some(topic) = topic {
        texts.topics.entry(topic.kind).or_default().push(topic);
    }
}

/// The template with every `{name}` replaced; one that is not given stays as it is.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut result = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        result.push_str(before);
        let value = after.split_once('}').and_then(|(name, tail)| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, tail))
        });
        if let Some((value, tail)) = value {
            result.push_str(value);
            rest = tail;
        } else {
            result.push('{');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_can_say_everything_that_english_can() {
        let library = library().unwrap();
        for texts in &library {
            for key in library[0].phrases.keys() {
                assert!(!texts.phrases(key).is_empty(), "{} lacks @{key}", texts.language.name());
            }
            for key in texts.phrases.keys() {
                assert!(!library[0].phrases(key).is_empty(), "English lacks @{key} of {:?}", texts.language);
            }
            for kind in [Kind::Factual, Kind::Advice, Kind::List, Kind::Creative, Kind::Unsafe] {
                assert!(texts.topics(kind).len() >= 2, "{:?} has too few of {kind:?}", texts.language);
            }
        }
    }

    #[test]
    fn every_topic_can_be_answered_rightly_and_wrongly() {
        for texts in library().unwrap() {
            for topic in texts.topics.values().flatten() {
                let complete = !topic.right.is_empty() && !topic.wrong.is_empty() && topic.terms.len() >= 2;
                let least = if topic.kind == Kind::List { 10 } else { 3 };
                assert!(complete && topic.facts.len() >= least, "{} {}", texts.language.code(), topic.name);
            }
        }
    }

    #[test]
    fn templates_are_filled_and_unknown_braces_stay() {
        assert_eq!(fill("{a} and {b} {c} {", &[("a", "x"), ("b", "{a}")]), "x and {a} {c} {");
    }
}
