#![expect(clippy::unwrap_used, reason = "this is test code throughout")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tiebreak::audit::{
    AnomalyKind, AuditOptions, AuditReport, DEFAULT_THRESHOLD, Rows, against, audit, prompt_clusters,
};
use tiebreak::battle::{Battle, BattleId, LabeledBattle, Response, Target, Turn, Vote};
use tiebreak::progress::Silent;

fn text(text: &str) -> Response {
    Response::Text(text.to_owned())
}

fn turn(prompt: &str, a: Response, b: Response) -> Turn {
    Turn { prompt: prompt.to_owned(), response_a: a, response_b: b }
}

fn row(id: usize, turns: Vec<Turn>, vote: Vote) -> LabeledBattle {
    LabeledBattle {
        battle: Battle::new(BattleId(format!("{id:05}")), None, turns).unwrap(),
        vote: Some(vote),
        target: vote.into(),
        weight: 1.0,
        models: None,
        session: None,
        language: None,
        metadata: BTreeMap::new(),
    }
}

fn options() -> AuditOptions {
    AuditOptions::new(DEFAULT_THRESHOLD, 1).unwrap()
}

fn audited(rows: &[LabeledBattle]) -> AuditReport {
    audit(Rows::Labeled(rows), options(), &Silent)
}

fn count(report: &AuditReport, kind: AnomalyKind) -> usize {
    report.anomalies.iter().find(|anomaly| anomaly.kind == kind).unwrap().rows
}

/// Rows over few words, so that prompts and whole battles come again, also exchanged.
fn rows() -> impl Strategy<Value = Vec<LabeledBattle>> {
    let drawn = (0_usize..6, 0_usize..4, 0_usize..4, 0_usize..4, 0_usize..3);
    proptest::collection::vec(drawn, 1..60).prop_map(|drawn| {
        drawn
            .into_iter()
            .enumerate()
            .map(|(id, (prompt, a, b, vote, session))| {
                let answer =
                    |n: usize| [Response::Missing, text(""), text("yes"), text("no, and why")][n].clone();
                let vote = [Vote::A, Vote::B, Vote::Tie, Vote::BothBad][vote];
                let mut row = row(id, vec![turn(&format!("prompt {prompt}"), answer(a), answer(b))], vote);
                row.session = (session > 0).then(|| format!("session {}", id % 7));
                row.models = Some([format!("model {a}"), format!("model {b}")]);
                row
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_the_rows_changes_no_bit_of_a_report(rows in rows(), turn in 0_usize..60) {
        let mut turned = rows.clone();
        turned.reverse();
        turned.rotate_left(turn % rows.len());
        prop_assert_eq!(audited(&rows), audited(&turned));
    }

    #[test]
    fn exchanging_all_sides_exchanges_only_what_has_a_side(rows in rows()) {
        let swapped: Vec<LabeledBattle> = rows.iter().map(LabeledBattle::swapped).collect();
        let (one, other) = (audited(&rows), audited(&swapped));
        let (ours, theirs) = (one.labels.unwrap(), other.labels.unwrap());
        prop_assert_eq!(ours.a, theirs.b);
        prop_assert_eq!(ours.tie, theirs.tie);
        prop_assert_eq!(ours.position_p_value, theirs.position_p_value);
        prop_assert_eq!(one.lengths.response_a, other.lengths.response_b);
        prop_assert_eq!(one.lengths.longer, other.lengths.longer);
        prop_assert_eq!(one.anomalies, other.anomalies);
        prop_assert_eq!(one.duplicates, other.duplicates);
        prop_assert_eq!(one.models, other.models);
        let floors = (one.noise_floor, other.noise_floor);
        prop_assert_eq!(floors.0.is_some(), floors.1.is_some());
        if let (Some(ours), Some(theirs)) = floors {
            prop_assert_eq!((ours.lower, ours.upper), (theirs.lower, theirs.upper));
        }
    }

    #[test]
    fn equal_prompts_are_one_cluster_whatever_the_order(rows in rows(), turn in 0_usize..60) {
        let mut battles: Vec<&Battle> = rows.iter().map(|row| &row.battle).collect();
        let clusters = prompt_clusters(&battles);
        let of: BTreeMap<&BattleId, u32> = battles.iter().map(|battle| &battle.id).zip(clusters.clone()).collect();
        for (one, x) in battles.iter().zip(&clusters) {
            for (other, y) in battles.iter().zip(&clusters) {
                prop_assert!(one.turns[0].prompt != other.turns[0].prompt || x == y);
            }
        }
        battles.rotate_left(turn % rows.len());
        let turned = prompt_clusters(&battles);
        for (one, x) in battles.iter().zip(&turned) {
            for (other, y) in battles.iter().zip(&turned) {
                prop_assert_eq!(of[&one.id] == of[&other.id], x == y);
            }
        }
    }
}

proptest! {
    // The classifier that tells two files apart is fitted a hundred times for its interval.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_order_of_the_rows_of_two_files_changes_no_bit_either(rows in rows(), turn in 0_usize..60) {
        let mut turned = rows.clone();
        turned.reverse();
        turned.rotate_left(turn % rows.len());
        let half = &rows[..=rows.len() / 2];
        let mut turned_half = half.to_vec();
        turned_half.reverse();
        let beside = |one: &[LabeledBattle], other: &[LabeledBattle]| {
            against(Rows::Labeled(one), ("half", Rows::Labeled(other)), options(), &Silent)
        };
        prop_assert_eq!(beside(&rows, half), beside(&turned, &turned_half));
    }

    #[test]
    fn a_file_against_itself_matches_entirely(rows in rows()) {
        let report = against(Rows::Labeled(&rows), ("itself", Rows::Labeled(&rows)), options(), &Silent);
        for found in [&report.leaks.ids, &report.leaks.prompts, &report.leaks.battles] {
            prop_assert_eq!((found.rows_here, found.rows_there), (rows.len(), rows.len()));
        }
        prop_assert_eq!(report.leaks.near_prompts.rows_here, 0);
        if let Some(shift) = report.shift {
            prop_assert!(!shift.told_apart);
        }
    }
}

#[test]
fn every_anomaly_is_counted_where_it_is() {
    let ok = || text("fine");
    let rows = [
        row(1, vec![turn("plain question", ok(), text("other"))], Vote::A),
        row(2, vec![turn(" ", ok(), text("other"))], Vote::A),
        row(3, vec![turn("q3", Response::Missing, ok())], Vote::A),
        row(4, vec![turn("q4", ok(), text(" \n"))], Vote::B),
        row(5, vec![turn("q5", text(""), Response::Missing)], Vote::Tie),
        row(6, vec![turn("q6", ok(), ok())], Vote::B),
        row(7, vec![turn("q7", ok(), ok())], Vote::Tie),
        row(8, vec![turn("q8", ok(), text("x")), turn("more", ok(), Response::Missing)], Vote::A),
        row(9, vec![turn(&"long ".repeat(8_000), ok(), text("x"))], Vote::A),
        row(10, vec![turn("q10", text("a\u{0}b"), text("tab\tand\nline"))], Vote::A),
        row(11, vec![turn("q11", text("\u{fffd}"), ok())], Vote::A),
        row(11, vec![turn("q12", text("x"), ok())], Vote::A),
    ];
    let report = audited(&rows);
    for (kind, expected) in [
        (AnomalyKind::RepeatedId, 2),
        (AnomalyKind::EmptyPrompt, 1),
        (AnomalyKind::MissingResponse, 3),
        (AnomalyKind::EmptyResponse, 2),
        (AnomalyKind::BothSidesEmpty, 1),
        (AnomalyKind::EmptySideWins, 2),
        (AnomalyKind::IdenticalResponses, 2),
        (AnomalyKind::IdenticalWithWinner, 1),
        (AnomalyKind::UnevenTurns, 1),
        (AnomalyKind::VeryLong, 1),
        (AnomalyKind::ControlCharacters, 1),
        (AnomalyKind::ReplacementCharacters, 1),
        (AnomalyKind::SameModel, 0),
        (AnomalyKind::OneSidedSession, 0),
    ] {
        assert_eq!(count(&report, kind), expected, "{kind:?}");
    }
    let uneven = report.anomalies.iter().find(|anomaly| anomaly.kind == AnomalyKind::UnevenTurns).unwrap();
    assert_eq!(uneven.examples, ["00008"]);
}

#[test]
fn a_session_that_always_votes_a_stands_out_among_honest_ones() {
    let mut rows: Vec<LabeledBattle> = (0..300)
        .map(|id| {
            let vote = [Vote::A, Vote::B, Vote::Tie][id % 3];
            let mut row = row(id, vec![turn(&format!("question {id}"), text("x"), text("y"))], vote);
            row.session = Some(format!("session {}", id / 10));
            row
        })
        .collect();
    for id in 300..330 {
        let mut row = row(id, vec![turn(&format!("question {id}"), text("x"), text("y"))], Vote::A);
        row.session = Some("robot".to_owned());
        rows.push(row);
    }
    assert_eq!(count(&audited(&rows), AnomalyKind::OneSidedSession), 30);
}

#[test]
fn votes_on_one_battle_are_compared_with_the_sides_taken_into_account() {
    let shown = |id: usize, vote| row(id, vec![turn("Which?", text("tea"), text("coffee"))], vote);
    let exchanged = |id: usize, vote| row(id, vec![turn("which? ", text("coffee"), text("tea"))], vote);
    let rows = [
        shown(1, Vote::A),
        exchanged(2, Vote::B),
        exchanged(3, Vote::A),
        shown(4, Vote::Tie),
        shown(5, Vote::A),
    ];
    let battles = audited(&rows).duplicates.battles;
    assert_eq!((battles.different, battles.repeated, battles.rows, battles.in_both_orders), (1, 1, 5, 1));
    // For tea: rows 1, 2 and 5; for coffee: row 3; a tie: row 4.
    assert_eq!((battles.pairs_of_votes, battles.agreeing, battles.contradicting), (10, 3, 3));
    assert_eq!(battles.examples, [["00001".to_owned(), "00003".to_owned()]]);
}

#[test]
fn leaks_are_found_exactly_nearly_and_exchanged() {
    let long = |end: &str| format!("please explain to me in a few simple words why the sky is blue {end}");
    let here = [
        row(1, vec![turn(&long("today"), text("a"), text("b"))], Vote::A),
        row(2, vec![turn("Exactly this", text("a"), text("b"))], Vote::A),
        row(3, vec![turn("exchanged", text("a"), text("b"))], Vote::B),
        row(4, vec![turn("nowhere else", text("a"), text("b"))], Vote::B),
    ];
    let there = [
        row(4, vec![turn(&long("now"), text("c"), text("d"))], Vote::A),
        row(5, vec![turn(" exactly THIS", text("a"), text("b"))], Vote::A),
        row(6, vec![turn("exchanged", text("b"), text("a"))], Vote::A),
        row(7, vec![turn("exchanged", text("c"), text("a"))], Vote::A),
    ];
    let unlabeled: Vec<Battle> = there.iter().map(|row| row.battle.clone()).collect();
    for other in [Rows::Labeled(&there), Rows::Unlabeled(&unlabeled)] {
        let leaks = against(Rows::Labeled(&here), ("there", other), options(), &Silent).leaks;
        let counts = |found: &tiebreak::audit::Match| (found.rows_here, found.rows_there);
        assert_eq!(counts(&leaks.ids), (1, 1));
        assert_eq!(counts(&leaks.prompts), (2, 3));
        assert_eq!(counts(&leaks.near_prompts), (1, 1));
        assert_eq!(leaks.near_prompts.examples, [["00001".to_owned(), "00004".to_owned()]]);
        assert_eq!(counts(&leaks.battles), (1, 1));
        assert_eq!(counts(&leaks.swapped_battles), (1, 1));
    }
}

/// Questions of four words drawn from seven, and a habit that some people have.
fn questions(count: usize, from: usize, habit: &str) -> Vec<LabeledBattle> {
    let mut state = from as u64 + 1;
    let mut word = || {
        // A linear congruential generator: only its high bits are random.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ["red", "green", "blue", "old", "new", "big", "small"][(state >> 33) as usize % 7]
    };
    (from..from + count)
        .map(|id| {
            let prompt = format!("{} {} {} {} {habit} {id}", word(), word(), word(), word());
            row(id, vec![turn(&prompt, text(word()), text(word()))], Vote::A)
        })
        .collect()
}

#[test]
fn files_of_one_kind_look_alike_and_a_habit_gives_the_other_away() {
    let here = questions(400, 0, "");
    let alike = questions(400, 400, "");
    let shift = |there: &[LabeledBattle]| {
        against(Rows::Labeled(&here), ("there", Rows::Labeled(there)), options(), &Silent).shift.unwrap()
    };
    let same = shift(&alike);
    assert!(!same.told_apart && (same.auc.value - 0.5).abs() < 0.1, "{same:?}");
    let other = shift(&questions(400, 400, "python"));
    assert!(other.told_apart && other.auc.value > 0.95, "{other:?}");
    assert!(other.differences.iter().any(|difference| difference.column == "word `python`"), "{other:?}");
}

#[test]
fn position_bias_is_found_and_a_fair_set_is_not_accused() {
    let votes = |pattern: &[Vote]| -> Vec<LabeledBattle> {
        (0..400)
            .map(|id| {
                row(
                    id,
                    vec![turn(&format!("question {id}"), text("x"), text("y"))],
                    pattern[id % pattern.len()],
                )
            })
            .collect()
    };
    let fair = audited(&votes(&[Vote::A, Vote::B, Vote::Tie, Vote::BothBad])).labels.unwrap();
    assert!(fair.position_p_value.unwrap() > 0.9);
    assert!((fair.both_bad.unwrap().value - 0.25).abs() < 1e-12);
    assert!((fair.tie.value - 0.5).abs() < 1e-12);
    let biased = audited(&votes(&[Vote::A, Vote::A, Vote::B])).labels.unwrap();
    assert!(biased.position_p_value.unwrap() < 1e-6);
    assert!(biased.both_bad.is_none());
}

#[test]
fn soft_labels_are_counted_and_are_no_votes() {
    let mut rows: Vec<LabeledBattle> =
        (0..4).map(|id| row(id, vec![turn("the same", text("x"), text("y"))], Vote::A)).collect();
    for row in &mut rows {
        row.vote = None;
        row.target = Target::new([0.5, 0.25, 0.25]).unwrap();
    }
    let report = audited(&rows);
    let labels = report.labels.unwrap();
    assert_eq!(labels.soft_rows, 4);
    assert!((labels.target_entropy - 1.039_720_770_839_918).abs() < 1e-12);
    assert!(report.noise_floor.is_none());
}
