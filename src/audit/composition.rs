use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::view::View;

/// Detection looks at so many bytes of text; more hardly changes anything but the time.
const DETECTED_BYTES: usize = 600;

/// A value and how many rows have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// The value.
    pub value: String,
    /// Rows.
    pub rows: usize,
}

/// Which languages the rows are in, and who says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Languages {
    /// Rows whose file names the language; it is taken as it stands there.
    pub from_column: usize,
    /// Rows whose language was detected from the prompt (whatlang, where it is sure of itself).
    pub from_prompt: usize,
    /// Rows whose prompt alone leaves the detector unsure, but not prompt and responses together.
    pub from_conversation: usize,
    /// Rows that do not say and whose texts are too short or mixed to be sure.
    pub unsure: usize,
    /// Languages by rows, most first.
    pub counts: Vec<Count>,
}

/// What became of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCount {
    /// Its name.
    pub name: String,
    /// Appearances on either side.
    pub rows: usize,
    /// Votes for it (shares of soft labels summed).
    pub won: f64,
    /// Votes for the other one.
    pub lost: f64,
    /// Ties.
    pub tied: f64,
}

/// Rows by number of turns, fewest turns first.
pub(super) fn turns(view: &View<'_>) -> Vec<Count> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for battle in &view.battles {
        *counts.entry(battle.turns.len()).or_default() += 1;
    }
    counts.into_iter().map(|(turns, rows)| Count { value: turns.to_string(), rows }).collect()
}

pub(super) fn languages(view: &View<'_>) -> Languages {
    let found: Vec<(Source, &str)> = (0..view.len()).into_par_iter().map(|row| language(view, row)).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, name) in &found {
        *counts.entry(name).or_default() += 1;
    }
    let from = |wanted: Source| found.iter().filter(|(source, _)| *source == wanted).count();
    Languages {
        from_column: from(Source::Column),
        from_prompt: from(Source::Prompt),
        from_conversation: from(Source::Conversation),
        unsure: from(Source::Nothing),
        counts: most_first(counts),
    }
}

/// What says which language a row is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Column,
    Prompt,
    Conversation,
    Nothing,
}

fn language<'a>(view: &View<'a>, row: usize) -> (Source, &'a str) {
    let named = view.labeled.get(row).and_then(|row| row.language.as_deref());
    if let Some(name) = named.filter(|name| !name.trim().is_empty()) {
        return (Source::Column, name);
    }
    let turns = || view.battles[row].turns.iter();
    if let Some(name) = detected(turns().map(|turn| turn.prompt.as_str())) {
        return (Source::Prompt, name);
    }
    let texts = turns().flat_map(|turn| [&turn.prompt, turn.response_a.as_str(), turn.response_b.as_str()]);
    detected(texts).map_or((Source::Nothing, "unsure"), |name| (Source::Conversation, name))
}

/// The English name of the language of some texts; none when the detector is not sure.
fn detected<'a>(texts: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let mut sample = String::new();
    for text in texts {
        let left = DETECTED_BYTES.saturating_sub(sample.len());
        sample.push_str(&text[..text.floor_char_boundary(left)]);
        sample.push('\n');
    }
    whatlang::detect(&sample).filter(whatlang::Info::is_reliable).map(|info| info.lang().eng_name())
}

/// Models by appearances, most first; empty where the file names none.
pub(super) fn models(view: &View<'_>) -> Vec<ModelCount> {
    let mut counts: BTreeMap<&str, (usize, [f64; 3])> = BTreeMap::new();
    for row in &view.labeled {
        let Some(names) = &row.models else { continue };
        for (name, target) in names.iter().zip([row.target, row.target.swapped()]) {
            if name.is_empty() {
                continue;
            }
            let (rows, outcomes) = counts.entry(name).or_default();
            *rows += 1;
            for (sum, share) in outcomes.iter_mut().zip(target.to_array()) {
                *sum += share;
            }
        }
    }
    let mut models: Vec<ModelCount> = counts
        .into_iter()
        .map(|(name, (rows, [won, lost, tied]))| ModelCount { name: name.to_owned(), rows, won, lost, tied })
        .collect();
    models.sort_by_key(|model| std::cmp::Reverse(model.rows));
    models
}

fn most_first(counts: BTreeMap<&str, usize>) -> Vec<Count> {
    let mut counts: Vec<Count> =
        counts.into_iter().map(|(value, rows)| Count { value: value.to_owned(), rows }).collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.rows));
    counts
}
