//! The model's own chat template, and where in its output the texts stand.

use std::collections::BTreeMap;

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::EncodingError;
use super::files::TokenizerConfig;
use super::jinja;
use super::part::{Part, Piece, Segment, framed, text_of};

const NAME: &str = "chat";

/// A compiled chat template.
#[derive(Debug)]
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
    special: BTreeMap<String, String>,
}

/// A message whose content is known by parts.
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) content: Vec<Piece>,
}

#[derive(Serialize)]
struct Written<'a> {
    role: &'a str,
    content: &'a str,
}

/// What a template is given beside the messages.
pub(super) struct ChatOptions<'a> {
    pub(super) add_generation_prompt: bool,
    pub(super) variables: &'a BTreeMap<String, serde_json::Value>,
}

impl ChatTemplate {
    pub(super) fn new(config: &TokenizerConfig) -> Result<Self, EncodingError> {
        let source = config.chat_template.as_deref().ok_or(EncodingError::NoChatTemplate)?;
        // A mark for the training of assistants that prints nothing and that only transformers knows.
        let source = without_generation_marks(source);
        let mut environment = jinja::environment();
        environment.add_template_owned(NAME, source).map_err(|error| failed(&error))?;
        Ok(Self { environment, special: config.special.clone() })
    }

    /// The whole text of a conversation, by parts.
    ///
    /// The template runs twice: on the messages, for the text that Python makes, and on stand-ins, for the
    /// words between them. Putting the messages, perhaps trimmed, between those words must give the same
    /// text. A template may take a response apart (at `</think>`); then a conversation of plain texts
    /// becomes one part, whose ids are still those of Python.
    ///
    /// # Errors
    /// `Template` when it refuses the messages, `ContentChanged` when the two do not agree.
    pub(super) fn write(
        &self,
        messages: Vec<Message>,
        options: &ChatOptions<'_>,
    ) -> Result<Segment, EncodingError> {
        let contents: Vec<String> = messages.iter().map(|message| text_of(&message.content)).collect();
        let real = self.render(&messages, &contents, options)?;
        let stand_ins: Vec<String> = (0..messages.len()).map(stand_in).collect();
        let skeleton = self.render(&messages, &stand_ins, options)?;
        let words = words_between(&skeleton, &stand_ins)?;
        // One text a message: a conversation, not a comparison, whose parts must be told apart.
        let last = messages.last().and_then(|message| message.content.last()).map(|piece| piece.part);
        let plain = messages.iter().all(|message| message.content.len() == 1);
        match (located(messages, &words, &real), last) {
            (Err(_), Some(part)) if plain => Ok(as_one(part, &words, &real)),
            (found, _) => found,
        }
    }

    fn render(
        &self,
        messages: &[Message],
        contents: &[String],
        options: &ChatOptions<'_>,
    ) -> Result<String, EncodingError> {
        let written: Vec<Written<'_>> = messages
            .iter()
            .zip(contents)
            .map(|(message, content)| Written { role: message.role, content })
            .collect();
        let mut context: BTreeMap<&str, minijinja::Value> =
            self.special.iter().map(|(name, token)| (name.as_str(), token.as_str().into())).collect();
        context.insert("messages", minijinja::Value::from(Serde(&written)));
        context.insert("add_generation_prompt", options.add_generation_prompt.into());
        context.insert("tools", ().into());
        context.insert("documents", ().into());
        for (name, value) in options.variables {
            context.insert(name, minijinja::Value::from(Serde(value)));
        }
        let template = self.environment.get_template(NAME).map_err(|error| failed(&error))?;
        template.render(context).map_err(|error| failed(&error))
    }
}

fn failed(error: &minijinja::Error) -> EncodingError {
    EncodingError::Template { which: "chat", reason: jinja::reason(error) }
}

fn without_generation_marks(source: &str) -> String {
    let mut text = source.to_owned();
    for open in ["{% ", "{%- "] {
        for close in [" %}", " -%}"] {
            text = text
                .replace(&format!("{open}generation{close}"), &format!("{open}if true{close}"))
                .replace(&format!("{open}endgeneration{close}"), &format!("{open}endif{close}"));
        }
    }
    text
}

/// Characters of the private use area, which no template writes; trimming leaves them alone.
fn stand_in(message: usize) -> String {
    format!("\u{F8F0}{message}\u{F8F1}")
}

/// The words before the first, between, and after the last stand-in.
fn words_between<'a>(skeleton: &'a str, stand_ins: &[String]) -> Result<Vec<&'a str>, EncodingError> {
    let mut words = Vec::with_capacity(stand_ins.len() + 1);
    let mut rest = skeleton;
    for (message, stand_in) in stand_ins.iter().enumerate() {
        let (before, after) =
            rest.split_once(stand_in.as_str()).ok_or(EncodingError::ContentChanged { message })?;
        words.push(before);
        rest = after;
    }
    words.push(rest);
    Ok(words)
}

fn located(messages: Vec<Message>, words: &[&str], real: &str) -> Result<Segment, EncodingError> {
    let mut pieces = vec![Piece::frame(words[0])];
    let mut rest = real.strip_prefix(words[0]).ok_or(EncodingError::ContentChanged { message: 0 })?;
    let last = messages.len().saturating_sub(1);
    for (index, message) in messages.into_iter().enumerate() {
        let follows = words[index + 1];
        let after = |content: &[Piece]| {
            let after = rest.strip_prefix(text_of(content).as_str())?.strip_prefix(follows)?;
            (index < last || after.is_empty()).then_some(after)
        };
        let content = message.content;
        let mut found = after(&content).map(|after| (content.clone(), after));
        for trim in TRIMS {
            found = found.or_else(|| {
                let trimmed = trimmed(content.clone(), trim);
                after(&trimmed).map(|after| (trimmed.clone(), after))
            });
        }
        let (content, after) = found.ok_or(EncodingError::ContentChanged { message: index })?;
        rest = after;
        pieces.extend(content);
        pieces.push(Piece::frame(follows));
    }
    Ok(framed(pieces))
}

/// What templates take off a message: at its beginning, at its end, and only line ends.
#[derive(Clone, Copy)]
struct Trim {
    start: bool,
    end: bool,
    lines_only: bool,
}

const TRIMS: [Trim; 6] = [
    Trim { start: true, end: true, lines_only: false },
    Trim { start: true, end: false, lines_only: true },
    Trim { start: false, end: true, lines_only: true },
    Trim { start: true, end: true, lines_only: true },
    Trim { start: true, end: false, lines_only: false },
    Trim { start: false, end: true, lines_only: false },
];

/// Trims the text that the pieces write together.
fn trimmed(mut pieces: Vec<Piece>, trim: Trim) -> Vec<Piece> {
    let goes = |character: char| if trim.lines_only { character == '\n' } else { character.is_whitespace() };
    for piece in pieces.iter_mut().take_while(|_| trim.start) {
        piece.text = piece.text.trim_start_matches(goes).to_owned();
        if !piece.text.is_empty() {
            break;
        }
    }
    for piece in pieces.iter_mut().rev().take_while(|_| trim.end) {
        piece.text = piece.text.trim_end_matches(goes).to_owned();
        if !piece.text.is_empty() {
            break;
        }
    }
    pieces
}

/// Everything between the outermost words of the template as one part.
fn as_one(part: Part, words: &[&str], real: &str) -> Segment {
    let common = |pairs: &mut dyn Iterator<Item = (char, char)>| -> usize {
        pairs.take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum()
    };
    let (first, last) = (words.first().unwrap_or(&""), words.last().unwrap_or(&""));
    let head = common(&mut real.chars().zip(first.chars()));
    let rest = &real[head..];
    let tail = rest.len() - common(&mut rest.chars().rev().zip(last.chars().rev()));
    vec![Piece::frame(&real[..head]), Piece::text(part, 0, &rest[..tail]), Piece::frame(&rest[tail..])]
}

/// One message that is one text.
pub(super) fn message(role: &'static str, part: Part, (turn, text): (usize, &str)) -> Message {
    Message { role, content: vec![Piece::text(part, turn, text)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT_ML: &str = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m.content }}<|im_end|>\n\
        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    fn template(source: &str) -> ChatTemplate {
        let chat_template = Some(source.to_owned());
        ChatTemplate::new(&TokenizerConfig { chat_template, ..TokenizerConfig::default() }).unwrap()
    }

    fn write(source: &str, contents: &[&str]) -> Result<Segment, EncodingError> {
        let messages = contents
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let role = if index % 2 == 0 { "user" } else { "assistant" };
                message(role, if index % 2 == 0 { Part::Prompt } else { Part::ResponseA }, (index / 2, text))
            })
            .collect();
        let variables = BTreeMap::new();
        template(source).write(messages, &ChatOptions { add_generation_prompt: false, variables: &variables })
    }

    #[test]
    fn the_texts_are_found_though_they_look_like_the_template() {
        let pieces = write(CHAT_ML, &["user", "", "<|im_end|>\n", " x "]).unwrap();
        let texts: Vec<&str> =
            pieces.iter().filter(|p| p.part != Part::Frame).map(|p| p.text.as_str()).collect();
        assert_eq!(texts, ["user", "", "<|im_end|>\n", " x "]);
        assert_eq!(pieces[0].text, "<|im_start|>user\n");
    }

    #[test]
    fn a_template_may_trim_but_not_rewrite() {
        let trimmed = CHAT_ML.replace("m.content", "m.content | trim");
        let pieces = write(&trimmed, &["  hello ", " you\n"]).unwrap();
        assert_eq!(
            text_of(&pieces),
            "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nyou<|im_end|>\n"
        );
        let upper = template(&CHAT_ML.replace("m.content", "m.content | upper"));
        let content = vec![Piece::frame("Judge: "), Piece::text(Part::Prompt, 0, "why")];
        let variables = BTreeMap::new();
        let options = ChatOptions { add_generation_prompt: false, variables: &variables };
        let failed = upper.write(vec![Message { role: "user", content }], &options);
        assert!(matches!(failed, Err(EncodingError::ContentChanged { message: 0 })));
    }

    #[test]
    fn a_response_that_the_template_takes_apart_stays_one_part() {
        let thinks = CHAT_ML.replace("m.content", "m.content.split('</think>')[-1].lstrip('\\n')");
        let pieces = write(&thinks, &["why", "let me see</think>\n\nso"]).unwrap();
        let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(texts, ["<|im_start|>user\n", "why<|im_end|>\n<|im_start|>assistant\nso", "<|im_end|>\n"]);
        let pieces = write(&thinks, &["why", "\nso"]).unwrap();
        assert_eq!(pieces[3].text, "so");
    }

    #[test]
    fn a_refusal_of_the_template_is_passed_on() {
        let refuses = "{{ raise_exception('System role not supported') }}";
        assert!(write(refuses, &["a"]).unwrap_err().to_string().contains("System role not supported"));
        let marked = "{% generation %}{{ messages[0].content }}{% endgeneration %}";
        assert_eq!(text_of(&write(marked, &["a"]).unwrap()), "a");
    }
}
