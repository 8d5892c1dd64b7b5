use std::fmt::Write;

use super::{Oddity, SimulatedBattle};
use crate::battle::{Class, Probabilities, Response, Target, Turn};

/// The files of an arena, in the form of the competition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum File {
    /// Battles with model names and votes.
    Train,
    /// Battles alone.
    Test,
    /// A submission of thirds.
    SampleSubmission,
    /// The true probabilities of every row.
    Truth,
    /// The drawn votes of the test rows.
    TestLabels,
}

impl File {
    /// All files.
    pub const ALL: [Self; 5] =
        [Self::Train, Self::Test, Self::SampleSubmission, Self::Truth, Self::TestLabels];

    /// The name of the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train.csv",
            Self::Test => "test.csv",
            Self::SampleSubmission => "sample_submission.csv",
            Self::Truth => "truth.csv",
            Self::TestLabels => "test_labels.csv",
        }
    }
}

/// The first line of a file.
#[must_use]
pub fn header(file: File) -> &'static str {
    match file {
        File::Train => {
            "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n"
        }
        File::Test => "id,prompt,response_a,response_b\n",
        File::SampleSubmission | File::Truth | File::TestLabels => {
            "id,winner_model_a,winner_model_b,winner_tie\n"
        }
    }
}

/// The lines of a file for some battles.
#[must_use]
pub fn rows(file: File, battles: &[SimulatedBattle]) -> String {
    let mut lines = String::new();
    for battle in battles {
        line(file, battle, &mut lines);
        lines.push('\n');
    }
    lines
}

fn line(file: File, battle: &SimulatedBattle, out: &mut String) {
    out.push_str(&battle.labeled.battle.id.0);
    match file {
        File::Train => {
            for model in battle.labeled.models.iter().flatten() {
                out.push(',');
                out.push_str(model);
            }
            cells(battle, out);
            votes(battle.labeled.target, out);
        }
        File::Test => cells(battle, out),
        File::SampleSubmission => probabilities(Probabilities::UNIFORM, out),
        File::Truth => probabilities(battle.truth, out),
        File::TestLabels => votes(battle.labeled.target, out),
    }
}

fn votes(target: Target, out: &mut String) {
    for class in Class::ALL {
        out.push_str(if target.class() == Some(class) { ",1" } else { ",0" });
    }
}

fn probabilities(values: Probabilities, out: &mut String) {
    for value in values.to_array() {
        // Writing into a string cannot fail.
        let _ = write!(out, ",{value}");
    }
}

fn cells(battle: &SimulatedBattle, out: &mut String) {
    let turns = &battle.labeled.battle.turns;
    let oddity = battle.oddity;
    let short = oddity == Some(Oddity::UnevenArrays);
    let kept = if short { turns.len() - 1 } else { turns.len() };
    let prompts = turns.iter().map(|turn| Some(turn.prompt.as_str()));
    cell(prompts, oddity, out);
    cell(turns.iter().map(|turn| text(&turn.response_a)), oddity, out);
    let response_b = |turn: &Turn| matches!(turn.response_b, Response::Text(_));
    debug_assert!(!short || turns.last().is_some_and(|turn| !response_b(turn)));
    cell(turns.iter().take(kept).map(|turn| text(&turn.response_b)), oddity, out);
}

fn text(response: &Response) -> Option<&str> {
    match response {
        Response::Missing => None,
        Response::Text(text) => Some(text),
    }
}

/// A JSON array as a quoted CSV field.
fn cell<'a>(texts: impl Iterator<Item = Option<&'a str>>, oddity: Option<Oddity>, out: &mut String) {
    let separator = if oddity == Some(Oddity::NewlineInCell) { ",\n " } else { "," };
    out.push_str(",\"[");
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push_str(separator);
        } else if separator.len() > 1 {
            out.push_str("\n ");
        }
        match text {
            None => out.push_str("null"),
            Some(text) => json_string(text, oddity == Some(Oddity::LoneSurrogate), out),
        }
    }
    out.push_str("]\"");
}

/// A JSON string in ASCII as pandas writes it (`\/`, `\u4f60`, surrogate pairs), its quotation marks
/// doubled for the CSV field around it.
fn json_string(text: &str, lone_surrogate: bool, out: &mut String) {
    out.push_str("\"\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\"\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{fffd}' if lone_surrogate => out.push_str("\\ud83d"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push_str("\"\"");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_json_once_its_quotation_marks_are_single_again() {
        let text = "say \"hi\" \\ a/b\n你好 😊 \u{7}";
        let mut out = String::new();
        cell([Some(text), None, Some("")].into_iter(), None, &mut out);
        let field = out.strip_prefix(",\"").unwrap().strip_suffix('"').unwrap().replace("\"\"", "\"");
        assert!(field.is_ascii() && field.contains("a\\/b"));
        let read: Vec<Option<String>> = serde_json::from_str(&field).unwrap();
        assert_eq!(read, [Some(text.to_owned()), None, Some(String::new())]);
    }

    #[test]
    fn a_lone_surrogate_is_written_as_one() {
        let mut out = String::new();
        cell([Some("x\u{fffd}")].into_iter(), Some(Oddity::LoneSurrogate), &mut out);
        assert_eq!(out, ",\"[\"\"x\\ud83d\"\"]\"");
    }
}
