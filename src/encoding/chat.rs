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
    /// words between them. Putting the messages between those words must give the same text.
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
        located(messages, &words, &real)
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
        let mut content = message.content;
        let mut found = after(&content);
        if found.is_none() {
            trim(&mut content);
            found = after(&content);
        }
        rest = found.ok_or(EncodingError::ContentChanged { message: index })?;
        pieces.extend(content);
        pieces.push(Piece::frame(follows));
    }
    Ok(framed(pieces))
}

/// Takes the blanks off both ends of the text that the pieces write together.
fn trim(pieces: &mut [Piece]) {
    for piece in pieces.iter_mut() {
        piece.text = piece.text.trim_start().to_owned();
        if !piece.text.is_empty() {
            break;
        }
    }
    for piece in pieces.iter_mut().rev() {
        piece.text = piece.text.trim_end().to_owned();
        if !piece.text.is_empty() {
            break;
        }
    }
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
        let upper = CHAT_ML.replace("m.content", "m.content | upper");
        assert!(matches!(write(&upper, &["A", "b"]), Err(EncodingError::ContentChanged { message: 1 })));
    }

    #[test]
    fn a_refusal_of_the_template_is_passed_on() {
        let refuses = "{{ raise_exception('System role not supported') }}";
        assert!(write(refuses, &["a"]).unwrap_err().to_string().contains("System role not supported"));
        let marked = "{% generation %}{{ messages[0].content }}{% endgeneration %}";
        assert_eq!(text_of(&write(marked, &["a"]).unwrap()), "a");
    }
}
