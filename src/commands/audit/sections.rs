//! The report as a person reads it: a section a subject, a table and a sentence each.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::Summary;
use crate::audit::{
    AgainstReport, Anomaly, AuditReport, Count, Duplicates, Estimate, Labels, Languages, Length, Lengths,
    Match, ModelCount, NearDuplicates, NoiseFloor, Quantiles, Shift,
};

/// Lists are cut after so many lines; `--json` has all of them.
const LONGEST_LIST: usize = 15;

/// Below this a test of position bias rejects.
const SIGNIFICANT: f64 = 0.05;

pub(super) fn text(summary: &Summary) -> String {
    let report = &summary.report;
    let mut sections = vec![format!(
        "{}: {} battles in {} groups (same prompt or session), format {}",
        summary.file.display(),
        report.rows,
        report.n_groups,
        summary.format
    )];
    if report.n_groups < 30 {
        sections.push(format!("Only {} groups: intervals are unreliable.", report.n_groups));
    }
    sections.extend(report.labels.as_ref().map(labels));
    sections.extend(report.noise_floor.as_ref().map(noise_floor));
    sections.push(lengths(&report.lengths));
    sections.push(composition(report));
    sections.push(duplicates(&report.duplicates));
    sections.push(anomalies(&report.anomalies, report.rows));
    sections.extend(summary.against.iter().map(against));
    sections.join("\n\n")
}

fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec()).add_rows(rows);
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn of(rows: usize, all: usize) -> String {
    percent(rows as f64 / all.max(1) as f64)
}

fn interval(estimate: &Estimate, end: impl Fn(f64) -> String) -> String {
    estimate.interval.map_or("-".to_owned(), |[low, high]| format!("{} .. {}", end(low), end(high)))
}

fn labels(labels: &Labels) -> String {
    let row =
        |name: &str, share: &Estimate| vec![name.to_owned(), percent(share.value), interval(share, percent)];
    let mut rows = vec![row("A wins", &labels.a), row("B wins", &labels.b), row("tie", &labels.tie)];
    rows.extend(labels.both_bad.iter().map(|share| row("of these \"both bad\"", share)));
    rows.push(row("A minus B", &labels.a_minus_b));
    let position = match labels.position_p_value {
        Some(p) if p < SIGNIFICANT => {
            format!("The side matters (p = {p:.2e}): position bias, or sides that were not drawn.")
        }
        Some(p) => format!("No sign that the side matters (p = {p:.2})."),
        None => "One group: nothing can be said about the side.".to_owned(),
    };
    let mut text = format!(
        "LABELS\n{}\n{position}\nBest constant prediction: log loss {:.4}.",
        table(&["class", "share", "95 % interval"], rows),
        labels.constant_log_loss
    );
    if labels.soft_rows > 0 {
        text += &format!(
            "\n{} rows have soft labels; no prediction can have a log loss below {:.4} on these targets.",
            labels.soft_rows, labels.target_entropy
        );
    }
    text
}

fn noise_floor(floor: &NoiseFloor) -> String {
    let nats = |value: f64| format!("{value:.4}");
    let row = |name: &str, estimate: &Estimate| {
        vec![name.to_owned(), nats(estimate.value), interval(estimate, nats)]
    };
    let rows = vec![
        row("lower bound (on average not too high)", &floor.lower),
        row("best guess (opinions as a Dirichlet)", &floor.model),
        row("upper bound (on average not too low)", &floor.upper),
        vec![
            "best constant prediction of these rows".to_owned(),
            nats(floor.constant_log_loss),
            String::new(),
        ],
    ];
    format!(
        "NOISE FLOOR: how low the log loss can get, people disagreeing as they do\n{}\nOf {} votes ({} of the \
         rows) on {} battles in {} groups: those with two or more votes.",
        table(&["log loss", "nats", "95 % interval"], rows),
        floor.votes,
        percent(floor.share_of_rows),
        floor.battles,
        floor.n_groups
    )
}

fn lengths(lengths: &Lengths) -> String {
    let cells = |name: &str, q: &Quantiles| {
        let numbers = [q.min, q.p05, q.p25, q.p50, q.p75, q.p95, q.p99, q.max];
        std::iter::once(name.to_owned()).chain(numbers.map(|n| n.to_string())).collect::<Vec<_>>()
    };
    let pair = |name: &str, length: &Length| {
        [
            cells(&format!("{name}, characters"), &length.characters),
            cells(&format!("{name}, words"), &length.words),
        ]
    };
    let rows = [
        pair("prompt", &lengths.prompt),
        pair("response A", &lengths.response_a),
        pair("response B", &lengths.response_b),
    ];
    let header = ["all turns together", "min", "5 %", "25 %", "50 %", "75 %", "95 %", "99 %", "max"];
    let mut text = format!("LENGTHS\n{}", table(&header, rows.into_iter().flatten()));
    if let Some(longer) = &lengths.longer {
        text += &format!(
            "\nThe longer response wins {} ({}) of {} rows with a winner and unequal lengths.",
            percent(longer.wins.value),
            interval(&longer.wins, percent),
            longer.rows
        );
    }
    text
}

fn composition(report: &AuditReport) -> String {
    let counts = |title: &str, counts: &[Count]| {
        let rows = counts.iter().take(LONGEST_LIST);
        let rows =
            rows.map(|count| vec![count.value.clone(), count.rows.to_string(), of(count.rows, report.rows)]);
        table(&[title, "rows", "share"], rows) + &further(counts.len())
    };
    let mut text = format!("TURNS, LANGUAGES, MODELS\n{}\n", counts("turns", &report.turns));
    text += &counts("language", &report.languages.counts);
    text += &language_source(&report.languages);
    if !report.models.is_empty() {
        text += &format!("\n{}", models(&report.models));
    }
    text
}

fn language_source(languages: &Languages) -> String {
    let mut parts = Vec::new();
    for (rows, source) in [
        (languages.from_column, "as the file says"),
        (languages.from_prompt, "detected from the prompt"),
        (languages.from_conversation, "from prompt and responses together"),
        (languages.unsure, "unsure, texts being too short or mixed"),
    ] {
        if rows > 0 {
            parts.push(format!("{rows} rows {source}"));
        }
    }
    format!("\nLanguages: {}.", parts.join(", "))
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

fn further(entries: usize) -> String {
    match entries.saturating_sub(LONGEST_LIST) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    }
}

fn duplicates(duplicates: &Duplicates) -> String {
    let battles = &duplicates.battles;
    let count = |name: &str, count: usize| vec![name.to_owned(), count.to_string()];
    let rows = vec![
        count("different prompts", duplicates.prompts),
        count("rows that share their prompt", duplicates.rows_sharing_a_prompt),
        count("different battles (prompt and responses, either order)", battles.different),
        count("repeated battles", battles.repeated),
        count("  rows of these", battles.rows),
        count("  shown in both orders", battles.in_both_orders),
        count("  pairs of votes on the same battle", battles.pairs_of_votes),
        count("    that agree", battles.agreeing),
        count("    that name opposite winners", battles.contradicting),
    ];
    let mut text = format!("DUPLICATES\n{}", table(&["exact", "count"], rows));
    if battles.pairs_of_votes > 0 {
        text += &format!(
            "\nTwo votes on the same battle agree {} of the time.",
            of(battles.agreeing, battles.pairs_of_votes)
        );
    }
    let near = |name: &str, near: &NearDuplicates| {
        vec![
            name.to_owned(),
            near.clusters.to_string(),
            near.texts.to_string(),
            near.rows.to_string(),
            pairs(&near.examples),
        ]
    };
    let rows =
        [near("prompts", &duplicates.near_prompts), near("prompt and responses", &duplicates.near_battles)];
    let title = format!("nearly the same (similarity {} or more)", duplicates.near_prompts.threshold);
    text += &format!("\n{}", table(&[&title, "clusters", "different texts", "rows", "examples (ids)"], rows));
    let crowded = duplicates.near_prompts.not_all_compared + duplicates.near_battles.not_all_compared;
    if crowded > 0 {
        text += &format!(
            "\n{crowded} texts have so much in common with so many others that not all pairs were compared; clusters may be larger."
        );
    }
    if !duplicates.frequent_prompts.is_empty() {
        let prompts = duplicates.frequent_prompts.iter().take(5);
        let rows = prompts.map(|prompt| vec![excerpt(&prompt.prompt), prompt.rows.to_string()]);
        text += &format!("\n{}", table(&["most frequent prompts", "rows"], rows));
    }
    text
}

fn anomalies(anomalies: &[Anomaly], all: usize) -> String {
    let found: Vec<&Anomaly> = anomalies.iter().filter(|anomaly| anomaly.rows > 0).collect();
    let absent: Vec<&str> = anomalies
        .iter()
        .filter(|anomaly| anomaly.rows == 0)
        .map(|anomaly| anomaly.kind.description())
        .collect();
    let rows = found.iter().map(|anomaly| {
        let ids: Vec<String> = anomaly.examples.iter().take(2).map(|id| short_id(id)).collect();
        vec![
            anomaly.kind.description().to_owned(),
            anomaly.rows.to_string(),
            of(anomaly.rows, all),
            ids.join(", "),
        ]
    });
    let mut text = "ANOMALIES".to_owned();
    if !found.is_empty() {
        text += &format!("\n{}", table(&["what", "rows", "share", "examples (ids)"], rows));
    }
    if !absent.is_empty() {
        text += &format!("\nNone with: {}.", absent.join("; "));
    }
    text
}

fn against(other: &AgainstReport) -> String {
    let leaks = &other.leaks;
    let row = |name: &str, found: &Match| {
        vec![
            name.to_owned(),
            found.rows_here.to_string(),
            found.rows_there.to_string(),
            pairs(&found.examples),
        ]
    };
    let rows = [
        row("same id", &leaks.ids),
        row("same prompt", &leaks.prompts),
        row("nearly the same prompt", &leaks.near_prompts),
        row("same battle, same order", &leaks.battles),
        row("same battle, sides exchanged", &leaks.swapped_battles),
    ];
    let mut text = format!(
        "AGAINST {} ({} rows)\n{}",
        other.file,
        other.rows,
        table(&["in both files", "rows here", "rows there", "examples (ids)"], rows)
    );
    if leaks.not_all_compared > 0 {
        text += &format!(
            "\n{} prompts have so much in common with so many others that not all pairs were compared.",
            leaks.not_all_compared
        );
    }
    text += &other.shift.as_ref().map_or("\nToo few prompts to tell the files apart.".to_owned(), shift);
    text
}

fn shift(shift: &Shift) -> String {
    let number = |value: f64| format!("{value:.3}");
    let verdict = if shift.told_apart {
        "the files are told apart, so scores on one say less about the other"
    } else {
        "the files look alike"
    };
    let mut text = format!(
        "\nA classifier that guesses the file of a row ({} and {} rows, {} columns) has AUC {} ({}): {verdict}.",
        shift.rows_here,
        shift.rows_there,
        shift.columns,
        number(shift.auc.value),
        interval(&shift.auc, number)
    );
    if !shift.differences.is_empty() {
        let rows = shift.differences.iter().map(|difference| {
            vec![
                excerpt(&difference.column),
                number(difference.here),
                number(difference.there),
                number(difference.auc),
            ]
        });
        text += &format!("\n{}", table(&["differs most", "mean here", "mean there", "AUC alone"], rows));
    }
    text
}

fn pairs(examples: &[[String; 2]]) -> String {
    let pair = |[one, other]: &[String; 2]| format!("{} ~ {}", short_id(one), short_id(other));
    examples.iter().take(2).map(pair).collect::<Vec<_>>().join("\n")
}

/// An id, its middle left out when it is long: ids tend to differ at an end.
fn short_id(id: &str) -> String {
    const END: usize = 11;
    let characters: Vec<char> = id.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if characters.len() <= 2 * END + 1 {
        return characters.into_iter().collect();
    }
    let end = |part: &[char]| part.iter().collect::<String>();
    format!("{}…{}", end(&characters[..END]), end(&characters[characters.len() - END..]))
}

/// One line of a text, shortened, without control characters.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 48;
    let line: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() { line + "…" } else { line }
}
