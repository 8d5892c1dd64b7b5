//! Every published form is read as it is meant.

#![allow(clippy::unwrap_used, reason = "the helpers of tests unwrap like the tests")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use tiebreak::battle::{Response, Target, Vote};
use tiebreak::progress::Silent;
use tiebreak::sources::{
    self, CanonicalWriter, Counts, Format, ReadOptions, SourceError, SourceRow, read_labeled, read_labels,
    read_outcomes,
};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sources").join(name)
}

pub(crate) fn rows_of(path: &Path) -> Result<(Format, Counts, Vec<SourceRow>), SourceError> {
    let mut reader = sources::open(path, &ReadOptions::default())?;
    let mut rows = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        rows.extend(chunk);
    }
    let format = reader.format();
    Ok((format, reader.finish()?.0, rows))
}

fn rows(name: &str) -> Vec<SourceRow> {
    rows_of(&fixture(name)).unwrap().2
}

/// Every fixture of battles with its format and the counts that are not 0, beside rows and battles.
pub(crate) const FIXTURES: [(&str, Format, [u64; 2], &str); 18] = [
    (
        "lmsys_train.csv",
        Format::KaggleLmsys,
        [12, 12],
        "multi-turn 2, missing responses 3, empty responses 2, \
        blank responses 1, empty prompts 4, uneven turns 1, no turns 1, lone surrogates 2, \
        identical, yet a winner 1, winner without an answer 1",
    ),
    ("lmsys_test.csv", Format::KaggleLmsys, [3, 3], "without a label 3, multi-turn 1, missing responses 1"),
    ("lmsys_soft.csv", Format::KaggleLmsys, [2, 2], "soft labels 1"),
    (
        "wsdm_train.parquet",
        Format::KaggleWsdm,
        [3, 3],
        "missing responses 1, empty responses 1, empty prompts 1, \
        winner without an answer 1",
    ),
    ("wsdm_test.parquet", Format::KaggleWsdm, [2, 2], "without a label 2"),
    ("arena_33k.parquet", Format::Arena33k, [4, 4], "multi-turn 1, different prompts 1, both bad 1"),
    ("arena_100k.parquet", Format::Arena100k, [3, 3], "empty responses 1, both bad 1"),
    ("arena_140k.parquet", Format::Arena140k, [3, 3], "images 1, both bad 1"),
    ("arena_expert.parquet", Format::ArenaExpert, [2, 2], "lone surrogates 2, both bad 1"),
    ("mt_bench.parquet", Format::MtBench, [3, 3], "multi-turn 2"),
    ("pairs_messages.jsonl", Format::Pairs, [16, 16], ""),
    ("pairs_strings.jsonl", Format::Pairs, [4, 4], "missing responses 1"),
    ("pairs_strings.csv", Format::Pairs, [2, 2], "empty responses 1"),
    ("pairs_surrogate.jsonl", Format::Pairs, [1, 1], "lone surrogates 1"),
    ("reward_bench_v1.parquet", Format::Pairs, [3, 3], ""),
    ("reward_bench_v2.parquet", Format::Pairs, [3, 8], ""),
    ("hh_rlhf.jsonl", Format::Pairs, [2, 2], "multi-turn 2, empty responses 1"),
    (
        "canonical.parquet",
        Format::Canonical,
        [12, 12],
        "multi-turn 2, missing responses 3, empty responses 2, \
        blank responses 1, empty prompts 4, identical, yet a winner 1, winner without an answer 1",
    ),
];

#[test]
fn every_format_is_known_by_its_columns_and_every_oddity_is_counted() {
    for (name, format, [n_rows, n_battles], oddities) in FIXTURES {
        let (found, counts, rows) = rows_of(&fixture(name)).unwrap();
        assert_eq!(found, format, "{name}");
        assert_eq!(
            (counts.rows, counts.battles, rows.len() as u64),
            (n_rows, n_battles, n_battles),
            "{name}"
        );
        let fields = counts.fields();
        let odd = fields[2..].iter().filter(|(_, count)| *count > 0);
        let odd: Vec<String> = odd.map(|(label, count)| format!("{label} {count}")).collect();
        assert_eq!(odd.join(", "), oddities, "{name}");
    }
}

#[test]
fn missing_empty_uneven_and_absent_turns_are_decided_once() {
    let rows = rows("lmsys_train.csv");
    let by_id: BTreeMap<&str, &SourceRow> = rows.iter().map(|row| (row.battle.id.0.as_str(), row)).collect();
    let turns = |id: &str| by_id[id].battle.turns.to_vec();
    let text = |text: &str| Response::Text(text.to_owned());
    assert_eq!(turns("4197301939")[0].prompt, "hello\nthere");
    assert_eq!(turns("4197301939")[0].response_b, text("a/slash, a comma"));
    assert_eq!(turns("4197301941")[0].response_a, Response::Missing);
    assert_eq!(turns("4197301942")[0].response_a, text(""));
    assert_eq!(turns("4197301944")[0].prompt, "");
    let nothing = turns("4197301945");
    assert_eq!(
        (nothing.len(), nothing[0].prompt.as_str(), &nothing[0].response_b),
        (1, "", &Response::Missing)
    );
    let uneven = turns("4197301946");
    assert_eq!((uneven.len(), uneven[2].prompt.as_str()), (3, ""));
    assert_eq!((&uneven[1].response_a, &uneven[2].response_b), (&Response::Missing, &text("b3")));
    assert_eq!(turns("4197301947")[0].prompt, "half a pair \u{fffd} and a whole 😀");
    assert_eq!(turns("4197301950")[0].prompt, "a raw\nline end");
    assert_eq!(by_id["4197301939"].models, Some(["owl".to_owned(), "fox".to_owned()]));
}

#[test]
fn labels_sessions_languages_and_unknown_columns_travel_along() {
    let soft = rows("lmsys_soft.csv");
    assert_eq!(soft[0].label.unwrap().target, Target::new([0.5, 0.25, 0.25]).unwrap());
    assert_eq!((soft[0].label.unwrap().vote, soft[1].label.unwrap().vote), (None, Some(Vote::A)));
    assert_eq!(soft[0].metadata["teacher"], "big");
    let arena = rows("arena_140k.parquet");
    assert_eq!(arena[2].label.unwrap().vote, Some(Vote::BothBad));
    assert_eq!((arena[0].session.as_deref(), arena[2].language.as_deref()), (Some("s-1"), Some("pl")));
    assert_eq!(arena[1].metadata["category_tag"], "vision");
    assert_eq!(arena[1].metadata["timestamp"], "1746100801000000");
    assert!(!arena[1].metadata.contains_key("full_conversation"));
    assert_eq!(arena[1].battle.turns[0].prompt, "what is this");
    assert_eq!(
        rows("arena_33k.parquet")[0].metadata["toxic_chat_tag"],
        r#"{"roberta-large":{"flagged":false,"probability":0.01}}"#
    );
    assert_eq!(rows("wsdm_test.parquet")[1].metadata["scored"], "false");
    assert_eq!(rows("wsdm_train.parquet")[0].battle.turns[0].response_a.as_str(), "[1, 2]");
}

#[test]
fn mt_bench_holds_the_turns_that_were_judged() {
    let rows = rows("mt_bench.parquet");
    assert_eq!(rows[0].battle.id.0, "81/owl/fox/expert_1/1");
    assert_eq!((rows[0].battle.turns.len(), rows[1].battle.turns.len()), (1, 2));
}

#[test]
fn pairs_of_every_form_are_the_same_battles_with_a_side_that_the_id_decides() {
    let rows_messages = rows("pairs_messages.jsonl");
    let votes = rows_messages.iter().filter(|row| row.label.unwrap().vote == Some(Vote::A)).count();
    assert!((3..=13).contains(&votes), "{votes} of 16 chosen answers are on side A");
    for row in &rows_messages {
        let turn = &row.battle.turns[0];
        let chosen =
            if row.label.unwrap().vote == Some(Vote::A) { &turn.response_a } else { &turn.response_b };
        assert_eq!(chosen.as_str(), "good");
        assert_eq!(row.battle.system.as_deref(), Some("be brief"));
    }
    let v2 = rows("reward_bench_v2.parquet");
    assert_eq!(
        (v2[0].battle.id.0.as_str(), v2[7].battle.id.0.as_str()),
        ("Factuality/7/0-0", "Ties/tied:1/1-1")
    );
    let v1 = rows("reward_bench_v1.parquet");
    let right = usize::from(v1[2].label.unwrap().vote == Some(Vote::B));
    assert_eq!(v1[2].models.as_ref().unwrap()[right], "human");
    let hh = rows("hh_rlhf.jsonl");
    assert_eq!((hh[0].battle.turns.len(), hh[0].battle.turns[1].prompt.as_str()), (2, "Bye?"));
    assert_eq!(rows("pairs_strings.jsonl")[3].metadata["late"], "a key of few rows");
}

#[test]
fn pairs_without_an_id_keep_id_and_side_when_the_rows_change_places() {
    let folder = tempfile::tempdir().unwrap();
    let lines = fs::read_to_string(fixture("pairs_strings.jsonl")).unwrap();
    let reversed: Vec<&str> = lines.lines().rev().collect();
    let path = folder.path().join("reversed.jsonl");
    fs::write(&path, reversed.join("\n")).unwrap();
    let key = |row: &SourceRow| (row.battle.id.0.clone(), row.label.unwrap().vote == Some(Vote::A));
    let mut there: Vec<_> = rows("pairs_strings.jsonl").iter().map(key).collect();
    let mut back: Vec<_> = rows_of(&path).unwrap().2.iter().map(key).collect();
    assert_eq!(there[1].0, format!("{}~2", there[0].0));
    there.sort();
    back.sort();
    assert_eq!(there, back);
}

#[test]
fn the_canonical_file_gives_back_every_row_of_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for (name, _, _, _) in FIXTURES {
        let rows = rows(name);
        let path = folder.path().join("battles.parquet");
        let mut writer = CanonicalWriter::create(&path).unwrap();
        rows.chunks(2).for_each(|chunk| writer.write(chunk).unwrap());
        writer.finish().unwrap();
        let (format, _, mut found) = rows_of(&path).unwrap();
        assert_eq!(format, Format::Canonical);
        found.iter_mut().zip(&rows).for_each(|(found, row)| found.row = row.row);
        assert_eq!(found, rows, "{name}");
    }
}

#[test]
fn labels_are_read_from_battles_and_from_bare_columns() {
    let bare = read_labels(&fixture("labels_soft.csv")).unwrap();
    assert_eq!(bare[0].target, Target::new([0.1, 0.2, 0.7]).unwrap());
    assert_eq!((bare[0].group.0.as_str(), &bare[0].battle), ("s1", &None));
    let full = read_labels(&fixture("lmsys_train.csv")).unwrap();
    assert_eq!(full.len(), 12);
    assert!(full.iter().all(|label| label.battle.is_some() && label.group.0.len() == 16));
    let error = read_labels(&fixture("lmsys_test.csv")).unwrap_err().to_string();
    assert!(error.contains("row 1 (id `4197301939`) has no label"), "{error}");
}

#[test]
fn outcomes_are_read_with_and_without_counts_and_from_battles() {
    let read = |name: &str| read_outcomes(&fixture(name), &ReadOptions::default(), &Silent).unwrap().rows;
    let votes: Vec<Vote> = read("outcomes.csv").iter().map(|outcome| outcome.vote).collect();
    assert_eq!(votes, [Vote::A, Vote::B, Vote::Tie, Vote::BothBad, Vote::BothBad]);
    assert_eq!((read("outcomes.jsonl")[0].weight, read("outcomes.csv")[4].id.0.as_str()), (12.0, "5"));
    assert_eq!(read("arena_33k.parquet")[3].vote, Vote::BothBad);
}

#[test]
fn only_the_first_rows_are_read_when_asked_and_the_hash_is_of_the_whole_file() {
    let path = fixture("lmsys_train.csv");
    let options = ReadOptions { max_rows: Some(3), ..ReadOptions::default() };
    let few = read_labeled(&path, &options, &Silent).unwrap();
    let all = read_labeled(&path, &ReadOptions::default(), &Silent).unwrap();
    assert_eq!(few.rows, all.rows[..3]);
    assert_eq!(few.content_hash, all.content_hash);
    assert_eq!(few.content_hash, blake3::hash(&fs::read(&path).unwrap()).to_hex().to_string());
}

#[test]
fn a_file_of_many_blocks_reads_the_same_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.csv");
    let mut text = "id,prompt,response_a,response_b,winner\n".to_owned();
    for row in 0..9_000_usize {
        let filler = "a 'word',\n".repeat(1 + row % 97);
        let _ = writeln!(text, "{row},\"[\"\"{filler}\"\"]\",[null],\"[\"\"{row}\"\"]\",tie");
    }
    fs::write(&path, text).unwrap();
    let options = ReadOptions { format: Some(Format::KaggleLmsys), max_rows: None };
    let read = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| read_labeled(&path, &options, &Silent).unwrap())
    };
    let (one, four) = (read(1), read(4));
    assert_eq!(one, four);
    assert!(fs::metadata(&path).unwrap().len() > 4 << 20);
    assert_eq!(one.rows.len(), 9_000);
    assert_eq!(one.rows[8_999].battle.turns[0].response_b.as_str(), "8999");
}

#[test]
fn outcomes_that_are_no_single_vote_or_have_no_weight_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outcomes.csv");
    let message = |text: &str| {
        fs::write(&path, text).unwrap();
        read_outcomes(&path, &ReadOptions::default(), &Silent).unwrap_err().to_string()
    };
    assert!(
        message("model_a,model_b,winner,count\na,b,tie,1\na,b,tie,0\n")
            .contains("row 2, column `count`: `0`")
    );
    let soft = "model_a,model_b,winner_model_a,winner_model_b,winner_tie\na,b,0.5,0.5,0\n";
    assert!(message(soft).contains("exactly one winner"));
    assert!(message("model_a,model_b,winner\na,,tie\n").contains("column `model_b`: `null` is no name"));
    assert!(message("model_a,model_b\na,b\n").contains("no column `winner`"));
}
