//! One line of Markdown to one entry and back.

use super::Entry;

const COLUMNS: [&str; 12] = [
    "date",
    "commit",
    "run",
    "command",
    "split",
    "n",
    "local",
    "standard error",
    "public",
    "public rows",
    "private",
    "lesson",
];

/// The header of our table and the rule below it.
pub(super) fn head() -> [String; 2] {
    [format!("| {} |\n", COLUMNS.join(" | ")), format!("|{}\n", "---|".repeat(COLUMNS.len()))]
}

pub(super) fn is_header(line: &str) -> bool {
    cells(line).is_some_and(|cells| cells == COLUMNS)
}

pub(super) fn is_rule(line: &str) -> bool {
    cells(line).is_some_and(|cells| {
        cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| "-: ".contains(c)))
    })
}

/// The entry as a line of the table.
pub(super) fn line(entry: &Entry) -> String {
    let count = |value: Option<usize>| value.map_or_else(String::new, |n| n.to_string());
    let measured = |value: Option<f64>| value.map_or_else(String::new, |score| format!("{score:.5}"));
    let typed = |value: Option<f64>| value.map_or_else(String::new, |score| score.to_string());
    let cells = [
        text(&entry.date),
        text(&entry.commit),
        text(&entry.run),
        text(&entry.command),
        text(&entry.split),
        count(entry.n),
        measured(entry.local),
        measured(entry.standard_error),
        typed(entry.public),
        count(entry.public_rows),
        typed(entry.private),
        text(&entry.lesson),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Line breaks would end the row and bars the cell.
fn text(value: &str) -> String {
    let one_line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.replace('\\', "\\\\").replace('|', "\\|")
}

pub(super) fn parse(line: &str) -> Result<Entry, String> {
    let cells = cells(line).ok_or("the row does not end with `|`")?;
    let Ok(
        [date, commit, run, command, split, n, local, standard_error, public, public_rows, private, lesson],
    ) = <[String; 12]>::try_from(cells.clone())
    else {
        return Err(format!("{} cells where the header has {}", cells.len(), COLUMNS.len()));
    };
    Ok(Entry {
        n: number("n", &n)?,
        local: number("local", &local)?,
        standard_error: number("standard error", &standard_error)?,
        public: number("public", &public)?,
        public_rows: number("public rows", &public_rows)?,
        private: number("private", &private)?,
        date,
        commit,
        run,
        command,
        split,
        lesson,
    })
}

fn number<T: std::str::FromStr>(column: &str, cell: &str) -> Result<Option<T>, String> {
    if ["", "-", "–"].contains(&cell) {
        return Ok(None);
    }
    cell.parse().map(Some).map_err(|_| format!("column `{column}`: `{cell}` is not a number"))
}

/// The cells of a row; `\|` is a bar and `\\` a backslash inside one.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let mut cells = vec![String::new()];
    let mut escaped = false;
    for character in inner.chars() {
        let cell = cells.last_mut()?;
        match character {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '|' if !escaped => cells.push(String::new()),
            '|' | '\\' => cell.push(character),
            other => {
                // A backslash before anything else is one that a person wrote.
                cell.extend(escaped.then_some('\\'));
                cell.push(other);
            }
        }
        escaped = false;
    }
    Some(cells.into_iter().map(|cell| cell.trim().to_owned()).collect())
}
