//! Lists of messages, as the arena releases and preference pairs hold them.

use serde_json::Value;

use super::Counts;
use super::error::Fault;
use crate::battle::{Response, Turn};
use crate::tables::{Cell, json_value};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
}

/// One message of a conversation; `None` where its content is `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) text: Option<String>,
}

/// The messages of a cell: a list of `{role, content}`, typed or as JSON text.
pub(super) fn messages(cell: &Cell<'_>, column: &str, counts: &mut Counts) -> Result<Vec<Message>, Fault> {
    match &cell.plain() {
        Cell::Null | Cell::Quoted(_) => Ok(Vec::new()),
        Cell::Value(value) => of_value(value, counts).map_err(|problem| Fault::new(column, cell, problem)),
        Cell::Text(text) => {
            let (value, lone_surrogates) = json_value(text).map_err(|error| {
                Fault::new(column, cell, format!("is not a JSON list of messages: {error}"))
            })?;
            counts.lone_surrogates += lone_surrogates;
            of_value(&value, counts).map_err(|problem| Fault::new(column, cell, problem))
        }
    }
}

/// The messages of a JSON value; an image is counted once a conversation.
pub(super) fn of_value(value: &Value, counts: &mut Counts) -> Result<Vec<Message>, String> {
    let items = value.as_array().ok_or("is no list of messages")?;
    let mut images = false;
    let mut messages = Vec::with_capacity(items.len());
    for item in items {
        let role = match item.get("role").and_then(Value::as_str) {
            Some("system") => Role::System,
            Some("user" | "human") => Role::User,
            Some("assistant") => Role::Assistant,
            Some(other) => return Err(format!("has a message of the unknown role `{other}`")),
            None => return Err("has an element without `role`".to_owned()),
        };
        messages.push(Message { role, text: content(item.get("content"), &mut images)? });
    }
    counts.images += u64::from(images);
    Ok(messages)
}

/// The text of a message: plain, or the text parts of a list one below the other.
fn content(value: Option<&Value>, images: &mut bool) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Array(parts)) => {
            let mut texts = Vec::new();
            for part in parts {
                let kind = part.get("type").and_then(Value::as_str);
                *images |= kind.is_some_and(|kind| kind.contains("image"))
                    || part.get("image").is_some_and(|image| !image.is_null());
                texts.extend(part.get("text").and_then(Value::as_str).or(part.as_str()));
            }
            Ok((!texts.is_empty()).then(|| texts.join("\n")))
        }
        Some(_) => Err("has a message whose `content` is neither text nor a list of parts".to_owned()),
    }
}

/// The conversation with one model: prompts, each with the answer to it.
#[derive(Debug, Default)]
pub(super) struct Side {
    system: Option<String>,
    turns: Vec<(String, Response)>,
}

impl Side {
    /// Cuts messages into turns. Several messages of one speaker in a row are one, joined by an empty line.
    pub(super) fn of(messages: Vec<Message>) -> Self {
        let mut side = Self::default();
        let mut last = Role::Assistant;
        for Message { role, text } in messages {
            match role {
                Role::System => append(side.system.get_or_insert_default(), text),
                Role::User if last == Role::User => {
                    if let Some((prompt, _)) = side.turns.last_mut() {
                        append(prompt, text);
                    }
                }
                Role::User => side.turns.push((text.unwrap_or_default(), Response::Missing)),
                Role::Assistant => side.answer(text, last == Role::Assistant),
            }
            if role != Role::System {
                last = role;
            }
        }
        side
    }

    fn answer(&mut self, text: Option<String>, continues: bool) {
        let Some(text) = text else { return };
        match self.turns.last_mut() {
            None => self.turns.push((String::new(), Response::Text(text))),
            Some((_, Response::Text(before))) if continues => append(before, Some(text)),
            Some((_, response)) => *response = Response::Text(text),
        }
    }

    /// Only the first `count` turns.
    pub(super) fn truncated(mut self, count: usize) -> Self {
        self.turns.truncate(count);
        self
    }
}

fn append(text: &mut String, more: Option<String>) {
    let Some(more) = more else { return };
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(&more);
}

/// Puts the two sides beside each other, turn by turn; the system prompt and the prompts of A are kept.
pub(super) fn beside(a: Side, b: Side, counts: &mut Counts) -> (Option<String>, Vec<Turn>) {
    let longest = a.turns.len().max(b.turns.len());
    counts.uneven_turns += u64::from(a.turns.len() != b.turns.len());
    counts.no_turns += u64::from(longest == 0);
    let different = a.turns.iter().zip(&b.turns).any(|((left, _), (right, _))| left != right);
    counts.different_prompts += u64::from(different);
    let (mut left, mut right) = (a.turns.into_iter(), b.turns.into_iter());
    let turns = (0..longest.max(1))
        .map(|_| {
            let (mut prompt, response_a) = left.next().unwrap_or((String::new(), Response::Missing));
            let (other, response_b) = right.next().unwrap_or((String::new(), Response::Missing));
            if prompt.is_empty() {
                prompt = other;
            }
            Turn { prompt, response_a, response_b }
        })
        .collect();
    (a.system.or(b.system), turns)
}

/// The messages of a dialogue in one text, as HH-RLHF holds it; `None` for any other text.
pub(super) fn dialogue(text: &str) -> Option<Vec<Message>> {
    const SPEAKERS: [(&str, Role); 2] = [("\n\nHuman:", Role::User), ("\n\nAssistant:", Role::Assistant)];
    let mut rest = text;
    let mut messages = Vec::new();
    while !rest.trim().is_empty() {
        let (mark, role) = SPEAKERS.into_iter().find(|(mark, _)| rest.starts_with(mark))?;
        let body = &rest[mark.len()..];
        let end = SPEAKERS.iter().filter_map(|(mark, _)| body.find(mark)).min().unwrap_or(body.len());
        messages.push(Message { role, text: Some(body[..end].trim().to_owned()) });
        rest = &body[end..];
    }
    (!messages.is_empty()).then_some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(a: &str, b: &str) -> (Option<String>, Vec<Turn>, Counts) {
        let mut counts = Counts::default();
        let side = |text: &str, counts: &mut Counts| {
            Side::of(messages(&Cell::Text(text.to_owned().into()), "conversation_a", counts).unwrap())
        };
        let (a, b) = (side(a, &mut counts), side(b, &mut counts));
        let (system, turns) = beside(a, b, &mut counts);
        (system, turns, counts)
    }

    #[test]
    fn parts_images_system_prompts_and_uneven_sides_are_put_in_order() {
        let (system, turns, counts) = turns(
            r#"[{"role":"system","content":"be brief"},
                {"role":"user","content":[{"type":"text","text":"what is"},{"type":"image","image":"x"},{"type":"text","text":"this"}]},
                {"role":"assistant","content":"a"},{"role":"user","content":"more"},{"role":"assistant","content":null}]"#,
            r#"[{"role":"user","content":"what is\nthis"},{"role":"assistant","content":""}]"#,
        );
        assert_eq!(system.as_deref(), Some("be brief"));
        assert_eq!(turns.len(), 2);
        assert_eq!(turns[0].prompt, "what is\nthis");
        assert_eq!(turns[0].response_b, Response::Text(String::new()));
        assert_eq!(
            (turns[1].response_a.clone(), turns[1].response_b.clone()),
            (Response::Missing, Response::Missing)
        );
        assert_eq!((counts.images, counts.uneven_turns, counts.different_prompts), (1, 1, 0));
    }

    #[test]
    fn a_dialogue_in_one_text_is_cut_into_messages() {
        let found =
            dialogue("\n\nHuman: hi\n\nthere\n\nAssistant: hello\n\nHuman: bye\n\nAssistant:").unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], Message { role: Role::User, text: Some("hi\n\nthere".to_owned()) });
        assert_eq!(found[3].text.as_deref(), Some(""));
        assert!(dialogue("hello\n\nHuman: hi").is_none() && dialogue("").is_none());
    }
}
