use std::collections::HashMap;
use std::path::Path;

use super::error::Fault;
use super::{Format, ReadOptions, RowLabel, SourceError, read_labeled};
use crate::battle::{BattleId, GroupId, LabeledBattle, Target, Vote};
use crate::progress::Silent;
use crate::tables::{Cell, Row, Table, TableError};

/// The three winner columns of the Kaggle form.
pub(super) const WINNERS: [&str; 3] = ["winner_model_a", "winner_model_b", "winner_tie"];

/// Where a table keeps its labels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LabelColumns {
    shares: Option<[usize; 3]>,
    winner: Option<usize>,
}

impl LabelColumns {
    /// Finds the columns of labels; a table without any has no labels.
    pub(super) fn of(table: &Table) -> Result<Self, TableError> {
        let shares = if WINNERS.iter().any(|name| table.column(name).is_some()) {
            Some(table.require(WINNERS)?)
        } else {
            None
        };
        Ok(Self { shares, winner: table.column("winner") })
    }

    /// The columns themselves, so that they are not taken for metadata.
    pub(super) fn columns(self) -> Vec<usize> {
        self.shares.into_iter().flatten().chain(self.winner).collect()
    }

    /// Whether there are any.
    pub(super) fn exist(self) -> bool {
        self.shares.is_some() || self.winner.is_some()
    }

    /// The label of a row; `None` where every column of it is empty.
    pub(super) fn read(self, row: &Row<'_>) -> Result<Option<RowLabel>, Fault> {
        let winner = self.winner.map(|column| (column, row.cell(column))).filter(|(_, cell)| !cell.is_null());
        let winner = winner.map(|(column, cell)| vote(cell).map(|vote| (column, vote))).transpose()?;
        let shares = self.shares.filter(|columns| columns.iter().any(|column| !row.cell(*column).is_null()));
        let Some(shares) = shares else {
            return Ok(winner.map(|(_, vote)| RowLabel { vote: Some(vote), target: vote.into() }));
        };
        let target = target(row, shares)?;
        if let Some((column, vote)) = winner {
            if target.class() == Some(vote.class()) {
                return Ok(Some(RowLabel { vote: Some(vote), target }));
            }
            return Err(Fault::new("winner", row.cell(column), "contradicts the three winner columns"));
        }
        let vote = target.class().map(|class| match class.index() {
            0 => Vote::A,
            1 => Vote::B,
            _ => Vote::Tie,
        });
        Ok(Some(RowLabel { vote, target }))
    }
}

fn vote(cell: &Cell<'_>) -> Result<Vote, Fault> {
    let text = cell.text().unwrap_or_default();
    Vote::from_spelling(&text).ok_or_else(|| {
        let problem =
            "is no winner; write `model_a`, `model_b`, `tie`, `tie (bothbad)`, `both_bad` or `bothbad`";
        Fault::new("winner", cell, problem)
    })
}

fn target(row: &Row<'_>, columns: [usize; 3]) -> Result<Target, Fault> {
    let mut shares = [0.0; 3];
    for (class, column) in columns.into_iter().enumerate() {
        let cell = row.cell(column);
        let share = cell.number().filter(|share| (0.0..=1.0).contains(share));
        let problem =
            "is no share in 0..1; write 0 or 1, or fractions that sum to 1 over the three winner columns";
        shares[class] = share.ok_or_else(|| Fault::new(WINNERS[class], cell, problem))?;
    }
    Target::new(shares).map_err(|_| {
        let sum: f64 = shares.iter().sum();
        let winners = shares.iter().filter(|share| **share >= 1.0).count();
        let what = match winners {
            _ if sum <= 0.0 => "name no winner".to_owned(),
            2.. => format!("name {winners} winners"),
            _ => format!("sum to {sum}"),
        };
        Fault {
            column: WINNERS.join("`, `"),
            value: shares.map(|share| share.to_string()).join(", "),
            problem: format!("{what}; one must be 1 and the others 0, or fractions must sum to 1"),
        }
    })
}

/// What a row was judged as, for scoring predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The key of the row.
    pub id: BattleId,
    /// What the row should have been predicted as.
    pub target: Target,
    /// The rows that are resampled together: the same prompt, or where there is no text each row by itself.
    pub group: GroupId,
    /// The battle, where the file holds its text.
    pub battle: Option<LabeledBattle>,
}

/// Reads the labels of any labelled battle file, or of a table of `id` and the three winner columns (or
/// `winner`), which may be soft.
///
/// # Errors
/// As `read_labeled`.
pub fn read_labels(path: &Path) -> Result<Vec<Label>, SourceError> {
    let table = Table::open(path)?;
    let columns = LabelColumns::of(&table)?;
    let is_battles = Format::of(&table, &[]).is_some_and(|format| format != Format::Outcomes);
    if is_battles || !columns.exist() || table.column("id").is_none() {
        let battles = read_labeled(path, &ReadOptions::default(), &Silent)?;
        return Ok(battles.rows.into_iter().map(Label::of).collect());
    }
    read_plain(path, table, columns)
}

fn read_plain(path: &Path, table: Table, columns: LabelColumns) -> Result<Vec<Label>, SourceError> {
    let [id_column] = table.require(["id"])?;
    let mut rows: HashMap<BattleId, u64> = HashMap::new();
    let mut labels = Vec::new();
    let mut unlabelled = None;
    table.for_each_row(|row| {
        let id = row_id(row, id_column).map_err(|fault| fault.at(path, row.number))?;
        if let Some(first) = rows.insert(id.clone(), row.number) {
            return Err(TableError::RepeatedId { path: path.to_owned(), id, first, second: row.number });
        }
        match columns.read(row).map_err(|fault| fault.at(path, row.number))? {
            Some(RowLabel { target, .. }) => {
                labels.push(Label { group: GroupId(id.0.clone()), id, target, battle: None });
            }
            None => unlabelled = unlabelled.take().or(Some((row.number, id))),
        }
        Ok(())
    })?;
    match unlabelled {
        Some((row, id)) => Err(SourceError::NoLabel { path: path.to_owned(), row, id }),
        None => Ok(labels),
    }
}

/// The id of a row as text.
pub(super) fn row_id(row: &Row<'_>, column: usize) -> Result<BattleId, Fault> {
    let cell = row.cell(column);
    match cell.text() {
        Some(text) if !text.is_empty() => Ok(BattleId(text.into_owned())),
        _ => Err(Fault::new("id", cell, "is no id; every row needs one")),
    }
}

impl Label {
    fn of(battle: LabeledBattle) -> Self {
        Self {
            id: battle.battle.id.clone(),
            target: battle.target,
            group: GroupId::of_prompt(&battle.battle),
            battle: Some(battle),
        }
    }
}
