use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::tables::{Cell, Kind, Table};

/// The forms in which battles are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Our own Parquet file, as `ingest` writes it.
    Canonical,
    /// Kaggle LMSYS and the 55k release: texts are JSON lists of turns, winners three columns (also soft labels).
    KaggleLmsys,
    /// Kaggle WSDM Cup: plain texts, `winner` is `model_a` or `model_b`.
    KaggleWsdm,
    /// `lmsys/chatbot_arena_conversations`.
    #[serde(rename = "arena_33k")]
    Arena33k,
    /// `lmarena-ai/arena-human-preference-100k`.
    #[serde(rename = "arena_100k")]
    Arena100k,
    /// `lmarena-ai/arena-human-preference-140k`.
    #[serde(rename = "arena_140k")]
    Arena140k,
    /// `lmarena-ai/arena-expert-5k`.
    ArenaExpert,
    /// `lmsys/mt_bench_human_judgments`.
    MtBench,
    /// `chosen` and `rejected`: messages, texts, lists of completions, or whole dialogues.
    Pairs,
    /// `model_a`, `model_b`, `winner` without any text, for ratings.
    Outcomes,
}

/// The name of a format is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a format; the formats are {}", Format::list())]
pub struct UnknownFormatName {
    /// What was given.
    pub name: String,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 10] = [
        Self::Canonical,
        Self::KaggleLmsys,
        Self::KaggleWsdm,
        Self::Arena33k,
        Self::Arena100k,
        Self::Arena140k,
        Self::ArenaExpert,
        Self::MtBench,
        Self::Pairs,
        Self::Outcomes,
    ];

    /// The name that `--format` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::KaggleLmsys => "kaggle_lmsys",
            Self::KaggleWsdm => "kaggle_wsdm",
            Self::Arena33k => "arena_33k",
            Self::Arena100k => "arena_100k",
            Self::Arena140k => "arena_140k",
            Self::ArenaExpert => "arena_expert",
            Self::MtBench => "mt_bench",
            Self::Pairs => "pairs",
            Self::Outcomes => "outcomes",
        }
    }

    /// All names, as a message lists them.
    #[must_use]
    pub fn list() -> String {
        Self::ALL.map(|format| format!("`{}`", format.name())).join(", ")
    }

    /// The format that the columns speak of; `None` when they speak of none.
    ///
    /// The two Kaggle forms share the columns of their test files, so there the first row decides.
    #[must_use]
    pub fn of(table: &Table, first_texts: &[Cell<'_>]) -> Option<Self> {
        let has = |names: &[&str]| names.iter().all(|name| table.column(name).is_some());
        let any = |names: &[&str]| names.iter().any(|name| table.column(name).is_some());
        if table.marker(super::canonical::VERSION_KEY).is_some() {
            Some(Self::Canonical)
        } else if has(&["conversation_a", "conversation_b"]) {
            Some(Self::of_conversations(&any, &has))
        } else if has(&["chosen", "rejected"]) {
            Some(Self::Pairs)
        } else if has(&["prompt", "response_a", "response_b"]) {
            let plain = any(&["winner", "scored"]) && !any(&["winner_model_a"]);
            Some(if !plain && are_lists(table, first_texts) { Self::KaggleLmsys } else { Self::KaggleWsdm })
        } else if has(&["model_a", "model_b"]) && any(&["winner", "winner_model_a"]) && !any(&TEXTS) {
            Some(Self::Outcomes)
        } else {
            None
        }
    }

    fn of_conversations(any: &dyn Fn(&[&str]) -> bool, has: &dyn Fn(&[&str]) -> bool) -> Self {
        if any(&["occupational_tags"]) {
            Self::ArenaExpert
        } else if any(&["evaluation_session_id", "full_conversation", "evaluation_order"]) {
            Self::Arena140k
        } else if any(&["conv_metadata", "judge_hash", "dedup_tag", "is_code"]) {
            Self::Arena100k
        } else if has(&["question_id", "judge", "turn"]) && !any(&["tstamp", "anony"]) {
            Self::MtBench
        } else {
            Self::Arena33k
        }
    }
}

/// Columns that hold text in one format or another.
const TEXTS: [&str; 5] = ["prompt", "response_a", "response_b", "conversation_a", "chosen"];

/// Whether the texts of the first row are lists of turns; without a row, CSV means they are.
fn are_lists(table: &Table, first_texts: &[Cell<'_>]) -> bool {
    let mut texts = first_texts.iter().filter(|cell| !cell.is_null()).peekable();
    if texts.peek().is_none() || table.column("winner_model_a").is_some() {
        return table.kind() == Kind::Csv || table.column("winner_model_a").is_some();
    }
    texts.all(|cell| match &cell.plain() {
        Cell::Text(text) => text.trim_start().starts_with('[') && text.trim_end().ends_with(']'),
        Cell::Value(value) => value.is_array(),
        Cell::Null | Cell::Quoted(_) => false,
    })
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormatName;

    fn from_str(name: &str) -> Result<Self, UnknownFormatName> {
        if name == "arena_55k" {
            return Ok(Self::KaggleLmsys);
        }
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormatName { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_also_as_json() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
        }
        assert_eq!("arena_55k".parse(), Ok(Format::KaggleLmsys));
        assert!(
            "kaggle".parse::<Format>().unwrap_err().to_string().contains("`kaggle_lmsys`, `kaggle_wsdm`")
        );
    }
}
