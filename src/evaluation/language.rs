use crate::battle::LabeledBattle;

/// How much text is looked at to tell the language.
const MAX_CHARACTERS: usize = 200;

/// The language of a battle: as its file calls it, else as its text begins, else `unknown`.
pub(super) fn language_of(labeled: &LabeledBattle) -> String {
    if let Some(language) = labeled.language.as_ref().filter(|language| !language.trim().is_empty()) {
        return language.trim().to_lowercase();
    }
    let turns = labeled.battle.turns.iter();
    let texts =
        turns.flat_map(|turn| [turn.prompt.as_str(), turn.response_a.as_str(), turn.response_b.as_str()]);
    let start: String = texts.flat_map(|text| text.chars().chain([' '])).take(MAX_CHARACTERS).collect();
    whatlang::detect(&start)
        .filter(whatlang::Info::is_reliable)
        .map_or_else(|| "unknown".to_owned(), |info| info.lang().eng_name().to_lowercase())
}
