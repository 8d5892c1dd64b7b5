//! The report as a person reads it: a section a subject, a table and a sentence each.

use super::cells::{LONGEST_LIST, excerpt, further, interval, of, pairs, percent, short_id, table};
use super::{Summary, against};
use crate::audit::{
    Anomaly, AuditReport, Count, Duplicates, Estimate, Labels, Languages, Length, Lengths, ModelCount,
    NearDuplicates, NoiseFloor, PromptCount, Quantiles, RepeatedBattles,
};
use crate::metrics::MIN_RELIABLE_GROUPS;

/// Below this a test of position bias rejects.
const SIGNIFICANT: f64 = 0.05;

/// How many of the most frequent prompts are shown.
const FREQUENT: usize = 5;

pub(super) fn text(summary: &Summary) -> String {
    let report = &summary.report;
    let mut sections = vec![format!(
        "{}: {} battles in {} groups (same prompt or session), format {}",
        summary.file.display(),
        report.rows,
        report.n_groups,
        summary.format
    )];
    if report.n_groups < MIN_RELIABLE_GROUPS {
        sections.push(format!("Only {} groups: intervals are unreliable.", report.n_groups));
    }
    sections.extend(report.labels.as_ref().map(labels));
    sections.extend(report.noise_floor.as_ref().map(noise_floor));
    sections.push(lengths(&report.lengths));
    sections.push(composition(report));
    sections.push(duplicates(&report.duplicates));
    sections.push(anomalies(&report.anomalies, report.rows));
    sections.extend(summary.against.iter().map(against::section));
    sections.join("\n\n")
}

fn labels(labels: &Labels) -> String {
    let row =
        |name: &str, share: &Estimate| vec![name.to_owned(), percent(share.value), interval(share, percent)];
    let mut rows = vec![row("A wins", &labels.a), row("B wins", &labels.b), row("tie", &labels.tie)];
    rows.extend(labels.both_bad.iter().map(|share| row("\"both bad\", part of the ties", share)));
    rows.push(row("A minus B", &labels.a_minus_b));
    let position = match labels.position_p_value {
        Some(p) if p < SIGNIFICANT => {
            format!("The side matters (p = {p:.2e}): position bias, or sides that were not drawn by chance.")
        }
        Some(p) => format!("No sign that the side matters (p = {p:.3})."),
        None => "One group: nothing can be said about the side.".to_owned(),
    };
    let mut parts = vec![
        "LABELS".to_owned(),
        table(&["class", "share", "95 % interval"], rows),
        position,
        format!("Best constant prediction: log loss {:.4}.", labels.constant_log_loss),
    ];
    if labels.soft_rows > 0 {
        parts.push(format!(
            "{} rows have soft labels; no prediction can have a log loss below {:.4} on these targets.",
            labels.soft_rows, labels.target_entropy
        ));
    }
    parts.join("\n")
}

fn noise_floor(floor: &NoiseFloor) -> String {
    let nats = |value: f64| format!("{value:.4}");
    let row = |name: &str, estimate: &Estimate| {
        vec![name.to_owned(), nats(estimate.value), interval(estimate, nats)]
    };
    let constant = nats(floor.constant_log_loss);
    let rows = [
        row("lower bound (on average not too high)", &floor.lower),
        row("best guess (opinions as a Dirichlet)", &floor.model),
        row("upper bound (on average not too low)", &floor.upper),
        vec!["best constant prediction of these rows".to_owned(), constant, String::new()],
    ];
    let unanimous =
        "\nAll of these votes agree: they may be copies of one label, and say nothing about people then.";
    format!(
        "NOISE FLOOR: how low the log loss can get, people disagreeing as they do\n{}\nOf {} votes ({} of the \
         rows) on {} battles in {} groups: those with two or more votes.{}",
        table(&["log loss", "nats", "95 % interval"], rows),
        floor.votes,
        percent(floor.share_of_rows),
        floor.battles,
        floor.n_groups,
        if floor.plug_in > 0.0 { "" } else { unanimous }
    )
}

fn lengths(lengths: &Lengths) -> String {
    let cells = |name: String, q: &Quantiles| {
        let numbers = [q.min, q.p05, q.p25, q.p50, q.p75, q.p95, q.p99, q.max];
        std::iter::once(name).chain(numbers.map(|n| n.to_string())).collect::<Vec<_>>()
    };
    let pair = |name: &str, length: &Length| {
        let characters = cells(format!("{name}, characters"), &length.characters);
        [characters, cells(format!("{name}, words"), &length.words)]
    };
    let rows = [
        pair("prompt", &lengths.prompt),
        pair("response A", &lengths.response_a),
        pair("response B", &lengths.response_b),
    ];
    let header = ["all turns together", "min", "5 %", "25 %", "50 %", "75 %", "95 %", "99 %", "max"];
    let mut parts = vec!["LENGTHS".to_owned(), table(&header, rows.into_iter().flatten())];
    if let Some(longer) = &lengths.longer {
        parts.push(format!(
            "The longer response wins {} ({}) of {} rows with a winner and unequal lengths.",
            percent(longer.wins.value),
            interval(&longer.wins, percent),
            longer.rows
        ));
    }
    parts.join("\n")
}

fn composition(report: &AuditReport) -> String {
    let counts = |title: &str, counts: &[Count]| {
        let row =
            |count: &Count| vec![count.value.clone(), count.rows.to_string(), of(count.rows, report.rows)];
        table(&[title, "rows", "share"], counts.iter().take(LONGEST_LIST).map(row)) + &further(counts.len())
    };
    let mut parts = vec![
        "TURNS, LANGUAGES, MODELS".to_owned(),
        counts("turns", &report.turns),
        counts("language", &report.languages.counts),
        language_source(&report.languages),
    ];
    if !report.models.is_empty() {
        parts.push(models(&report.models));
    }
    parts.join("\n")
}

fn language_source(languages: &Languages) -> String {
    let sources = [
        (languages.from_column, "as the file says"),
        (languages.from_prompt, "detected from the prompt"),
        (languages.from_conversation, "detected from prompt and responses together"),
        (languages.unsure, "unsure, texts being too short or mixed"),
    ];
    let named = sources.into_iter().filter(|(rows, _)| *rows > 0);
    let parts: Vec<String> = named.map(|(rows, source)| format!("{rows} rows {source}")).collect();
    format!("Languages: {}.", parts.join(", "))
}

fn models(models: &[ModelCount]) -> String {
    let row = |model: &ModelCount| {
        let share = |votes: f64| percent(votes / model.rows.max(1) as f64);
        vec![
            excerpt(&model.name),
            model.rows.to_string(),
            share(model.won),
            share(model.lost),
            share(model.tied),
        ]
    };
    let rows = models.iter().take(LONGEST_LIST).map(row);
    table(&["model", "rows", "won", "lost", "tied"], rows) + &further(models.len())
}

fn duplicates(duplicates: &Duplicates) -> String {
    let near = [&duplicates.near_prompts, &duplicates.near_battles];
    let row = |(name, near): (&str, &NearDuplicates)| {
        let [clusters, texts, rows] = [near.clusters, near.texts, near.rows].map(|count| count.to_string());
        vec![name.to_owned(), clusters, texts, rows, pairs(&near.examples)]
    };
    let rows = ["prompts", "prompt and both responses"].into_iter().zip(near).map(row);
    let title = format!("nearly the same (similarity {} or more)", near[0].threshold);
    let mut parts = vec![
        "DUPLICATES".to_owned(),
        exact_duplicates(duplicates),
        table(&[&title, "clusters", "different texts", "rows", "examples (ids)"], rows),
    ];
    let crowded = near[0].not_all_compared + near[1].not_all_compared;
    if crowded > 0 {
        parts.push(format!(
            "{crowded} texts share so much with so many others that not all pairs were compared: clusters may be \
             larger."
        ));
    }
    if near[0].clusters > 0 {
        parts.push(
            "Prompts that are only nearly the same are not one group: folds may divide them.".to_owned(),
        );
    }
    if !duplicates.frequent_prompts.is_empty() {
        let row = |prompt: &PromptCount| vec![excerpt(&prompt.prompt), prompt.rows.to_string()];
        let rows = duplicates.frequent_prompts.iter().take(FREQUENT).map(row);
        parts.push(table(&["most frequent prompts", "rows"], rows));
    }
    parts.join("\n")
}

fn exact_duplicates(duplicates: &Duplicates) -> String {
    let count = |name: &str, count: usize| vec![name.to_owned(), count.to_string()];
    let battles: &RepeatedBattles = &duplicates.battles;
    let mut rows = vec![
        count("different prompts", duplicates.prompts),
        count("rows that share their prompt", duplicates.rows_sharing_a_prompt),
        count("different battles (prompt and responses, either order)", battles.different),
        count("repeated battles", battles.repeated),
    ];
    if battles.repeated > 0 {
        rows.push(count("  rows of these", battles.rows));
        rows.push(count("  in both orders", battles.in_both_orders));
        rows.push(count("  pairs of votes on the same battle", battles.pairs_of_votes));
        rows.push(count("    that agree", battles.agreeing));
        rows.push(count("    that name opposite winners", battles.contradicting));
    }
    let text = table(&["exact", "count"], rows);
    if battles.pairs_of_votes == 0 {
        return text;
    }
    if battles.agreeing == battles.pairs_of_votes {
        return format!("{text}\nVotes on the same battle always agree: they may be copies of one label.");
    }
    let share = of(battles.agreeing, battles.pairs_of_votes);
    format!("{text}\nTwo votes on the same battle agree {share} of the time.")
}

fn anomalies(anomalies: &[Anomaly], all: usize) -> String {
    let (found, absent): (Vec<&Anomaly>, Vec<&Anomaly>) =
        anomalies.iter().partition(|anomaly| anomaly.rows > 0);
    let row = |anomaly: &&Anomaly| {
        let ids: Vec<String> = anomaly.examples.iter().take(2).map(|id| short_id(id)).collect();
        let name = anomaly.kind.description().to_owned();
        vec![name, anomaly.rows.to_string(), of(anomaly.rows, all), ids.join(", ")]
    };
    let mut parts = vec!["ANOMALIES".to_owned()];
    if !found.is_empty() {
        parts.push(table(&["what", "rows", "share", "examples (ids)"], found.iter().map(row)));
    }
    if !absent.is_empty() {
        let names: Vec<&str> = absent.iter().map(|anomaly| anomaly.kind.description()).collect();
        parts.push(format!("None with: {}.", names.join("; ")));
    }
    parts.join("\n")
}
