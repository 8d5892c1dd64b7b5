//! Predictions of any file beside labels of any file: what `score`, `calibrate` and `blend` share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{BadInput, OrBadInput};
use crate::battle::{BattleId, GroupId, HeldOut, LabeledBattle, Probabilities, Scored, Target, Task};
use crate::sources;
use crate::tables::{self, Table, TableError};

/// How rows belong together, beside what the labels say.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Grouping {
    /// What is resampled together: a file with `id,group`, or a column of LABELS; the prompt if not
    /// given (where LABELS has no text, every row by itself)
    #[arg(long, value_name = "FILE|COLUMN")]
    pub(super) groups: Option<String>,
    /// The fold that held each row out: a file with `id,fold`, as `split` writes it
    #[arg(long, value_name = "FILE")]
    pub(super) folds: Option<PathBuf>,
}

/// A label with everything that is known of its row.
struct Row {
    target: Target,
    group: GroupId,
    fold: Option<u32>,
}

/// The labels of a file, by id.
pub(super) struct Labels {
    path: PathBuf,
    rows: BTreeMap<BattleId, Row>,
    /// The battles, where the file holds their text.
    pub(super) battles: Vec<LabeledBattle>,
}

impl Labels {
    /// Reads labels, groups and folds.
    ///
    /// # Errors
    /// When a file cannot be read, or groups or folds are not of the same rows.
    pub(super) fn read(path: &Path, grouping: &Grouping) -> anyhow::Result<Self> {
        let labels = sources::read_labels(path).or_bad_input()?;
        let mut rows = BTreeMap::new();
        let mut battles = Vec::new();
        for label in labels {
            battles.extend(label.battle);
            rows.insert(label.id, Row { target: label.target, group: label.group, fold: None });
        }
        let mut labels = Self { path: path.to_owned(), rows, battles };
        labels.take_folds(grouping)?;
        labels.take_groups(grouping)?;
        Ok(labels)
    }

    /// How many rows are labelled.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn take_folds(&mut self, grouping: &Grouping) -> anyhow::Result<()> {
        let Some(path) = &grouping.folds else { return Ok(()) };
        let folds = tables::folds::read(path).or_bad_input()?;
        let folds: BTreeMap<BattleId, _> = folds.into_iter().map(|row| (row.id.clone(), row)).collect();
        self.check(folds.keys(), path)?;
        for (id, row) in &mut self.rows {
            let Some(of_row) = folds.get(id) else { continue };
            row.fold = Some(of_row.fold);
            if let Some(group) = &of_row.group {
                row.group = group.clone();
            }
        }
        Ok(())
    }

    fn take_groups(&mut self, grouping: &Grouping) -> anyhow::Result<()> {
        let Some(groups) = &grouping.groups else { return Ok(()) };
        let file = Path::new(groups);
        let is_file = file.is_file();
        let (path, column) = if is_file { (file, "group") } else { (self.path.as_path(), groups.as_str()) };
        let path = path.to_owned();
        let groups = self.column(&path, column).or_bad_input()?;
        self.check(groups.keys(), &path)?;
        for (id, row) in &mut self.rows {
            if let Some(Some(group)) = groups.get(id) {
                row.group = group.clone();
            } else {
                // A row without a group belongs to nobody else.
                row.group = GroupId(id.0.clone());
            }
        }
        Ok(())
    }

    /// A column of a table by id; the battles at hand know a few by other names.
    fn column(&self, path: &Path, name: &str) -> Result<BTreeMap<BattleId, Option<GroupId>>, TableError> {
        let of_battle = |labeled: &LabeledBattle| match name {
            "prompt" => Some(GroupId::of_prompt(&labeled.battle)),
            "session" => labeled.session.clone().map(GroupId),
            "language" => labeled.language.clone().map(GroupId),
            _ => labeled.metadata.get(name).cloned().map(GroupId),
        };
        let is_known = self.battles.iter().any(|labeled| of_battle(labeled).is_some());
        if path == self.path && is_known {
            return Ok(self.battles.iter().map(|row| (row.battle.id.clone(), of_battle(row))).collect());
        }
        let table = Table::open(path)?;
        let [id, group] = table.require(["id", name])?;
        let mut groups = BTreeMap::new();
        table.for_each_row(|row| {
            if let Some(key) = row.cell(id).text() {
                let group = row.cell(group).text().map(|group| GroupId(group.into_owned()));
                groups.insert(BattleId(key.into_owned()), group);
            }
            Ok(())
        })?;
        Ok(groups)
    }

    /// Whether a file has exactly the labelled rows.
    fn check<'a>(&self, ids: impl Iterator<Item = &'a BattleId>, path: &Path) -> anyhow::Result<()> {
        let (mut shared, mut extra, mut example) = (0, 0, None);
        for id in ids {
            if self.rows.contains_key(id) {
                shared += 1;
            } else {
                extra += 1;
                example = example.or(Some(id));
            }
        }
        let missing = self.rows.len() - shared;
        if missing == 0 && extra == 0 {
            return Ok(());
        }
        let example = example.map_or_else(String::new, |id| format!(" (such as `{id}`)"));
        Err(BadInput(format!(
            "`{}` and `{}` are not of the same rows: {shared} ids are in both, {missing} of the {} labelled ones are \
             missing from the first, {extra} of it have no label{example}; give files of the same battles",
            path.display(),
            self.path.display(),
            self.rows.len(),
        ))
        .into())
    }

    /// Predictions of files beside the labels: one prediction a row of each file, in the order given.
    ///
    /// # Errors
    /// When a file cannot be read or its ids are not exactly the labelled ones.
    pub(super) fn judge(&self, files: &[PathBuf]) -> anyhow::Result<HeldOut<Vec<Probabilities>>> {
        let members = files.iter().map(|path| self.predictions(path)).collect::<anyhow::Result<Vec<_>>>()?;
        let scored = |(position, (id, row)): (usize, (&BattleId, &Row))| Scored {
            id: id.clone(),
            group: row.group.clone(),
            fold: row.fold,
            prediction: members.iter().map(|member| member[position]).collect(),
            target: row.target,
        };
        let rows = self.rows.iter().enumerate().map(scored).collect();
        let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        Ok(HeldOut::declared(rows, &names.join(", ")))
    }

    /// As `judge`, for a single file.
    ///
    /// # Errors
    /// As `judge`.
    pub(super) fn judge_one(&self, file: &Path) -> anyhow::Result<HeldOut> {
        let held_out = self.judge(&[file.to_owned()])?;
        Ok(held_out.map(|_, row| row.prediction.first().copied().unwrap_or(Probabilities::UNIFORM)))
    }

    /// The predictions of a file in the order of the labelled ids.
    fn predictions(&self, path: &Path) -> anyhow::Result<Vec<Probabilities>> {
        let predictions: BTreeMap<BattleId, Probabilities> =
            tables::predictions::read(path).or_bad_input()?.into_iter().collect();
        self.check(predictions.keys(), path)?;
        Ok(predictions.into_values().collect())
    }
}

/// Two-way where no label and no prediction has any tie, else three-way.
pub(super) fn task_of(held_out: &HeldOut<Vec<Probabilities>>) -> Task {
    let has_tie = held_out.rows().iter().any(|row| {
        row.target.to_array()[2] > 0.0
            || row.prediction.iter().any(|prediction| prediction.to_array()[2] > 0.0)
    });
    if has_tie { Task::ThreeWay } else { Task::TwoWay }
}
