//! One source of battles that are learned from.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::file_name;
use super::fold_labels::{self, FoldLabels};
use super::labels::{self, PseudoSource};
use crate::battle::{BattleId, GroupId, LabeledBattle, Task};
use crate::commands::{Console, OrBadInput};
use crate::config::{DataSource, Deduplicate, Role, Ties};
use crate::manifest::DataIdentity;
use crate::progress::Progress;
use crate::sources::{self, ReadOptions};
use crate::tables::prompts::{PromptRole, PromptRow};
use crate::validation::{self, AssemblyCounts, FoldTargets};

/// The rows of a source that are learned from, fit for the task.
pub(super) struct SourceRows {
    pub(super) role: Role,
    /// By id.
    pub(super) rows: Vec<LabeledBattle>,
    /// What the source is, and what became of its rows.
    pub(super) identity: DataIdentity,
    /// What its labels come from, where a run gave them.
    pub(super) pseudo: Option<PseudoSource>,
    /// Labels that depend on the fold that is held out.
    pub(super) by_fold: BTreeMap<BattleId, FoldTargets>,
    /// The file that those stand in.
    pub(super) fold_labels: Option<FoldLabels>,
}

impl SourceRows {
    /// Reads a source, and says what was left out.
    ///
    /// # Errors
    /// As bad input what the file or its labels are at fault for.
    pub(super) fn read(source: &DataSource, task: Task, console: &Console) -> anyhow::Result<Self> {
        let mut read = Self::read_all(source, task, console.progress().as_ref())?;
        read.deduplicate(source.deduplicate);
        if source.labels.is_some() {
            read.identity.rows.soft_labels = read.rows.len();
        }
        read.make_fit_for(task, source.ties == Ties::Half);
        let kept = read.rows.len();
        read.identity.rows.kept = kept;
        read.pseudo = read.pseudo.map(|pseudo| PseudoSource { rows: kept, ..pseudo });
        for row in &mut read.rows {
            row.weight *= source.weight;
        }
        console.remark(&(remark(source, &read.identity.rows) + &fold_labels::describe(&read.by_fold)));
        Ok(read)
    }

    fn read_all(source: &DataSource, task: Task, progress: &dyn Progress) -> anyhow::Result<Self> {
        let options = ReadOptions { format: source.format, max_rows: source.max_rows };
        let mut counts = AssemblyCounts::default();
        let (mut pseudo, mut folds) = (None, None);
        let ingested = match &source.labels {
            None => sources::read_labeled(&source.path, &options, progress).or_bad_input()?,
            Some(file) => {
                let read = labels::read((source, file), &options, task, progress)?;
                counts.unlabelled = read.unlabelled;
                (pseudo, folds) = (read.pseudo, read.folds);
                read.ingested
            }
        };
        counts.read = ingested.rows.len() + counts.unlabelled;
        let (by_fold, fold_labels) =
            folds.map_or_else(Default::default, |folds| (folds.targets, Some(folds.file)));
        let role = if source.role == Role::Competition { "competition" } else { "extra" };
        let identity = DataIdentity {
            file: file_name(&source.path),
            role: role.to_owned(),
            format: ingested.format.to_string(),
            content_hash: ingested.content_hash,
            rows: counts,
        };
        Ok(Self { role: source.role, rows: ingested.rows, identity, pseudo, by_fold, fold_labels })
    }

    /// The first of repeated rows is the first by id, whatever the order of the file.
    fn deduplicate(&mut self, by: Deduplicate) {
        self.rows.sort_by(|first, second| first.battle.id.cmp(&second.battle.id));
        self.identity.rows.duplicates = match by {
            Deduplicate::No => 0,
            Deduplicate::Prompt => validation::keep_first_of_each_prompt(&mut self.rows),
            Deduplicate::Battle => validation::keep_first_of_each_battle(&mut self.rows),
        };
    }

    fn make_fit_for(&mut self, task: Task, halve: bool) {
        let ties = if self.by_fold.is_empty() {
            validation::prepare_for_task(&mut self.rows, task, halve)
        } else {
            validation::prepare_folded_for_task(&mut self.rows, &mut self.by_fold, task, halve)
        };
        let counts = &mut self.identity.rows;
        *(if halve { &mut counts.ties_halved } else { &mut counts.ties_dropped }) = ties;
        // A row that is left out leaves no label behind: another file may have a row of its id.
        let of_row = |row: &LabeledBattle| self.by_fold.remove_entry(&row.battle.id);
        self.by_fold = self.rows.iter().filter_map(of_row).collect();
    }

    /// The prompts of extra rows whose votes are learned from. What a run said of a row is no vote on its prompt; the votes are
    /// those that the run had learned from.
    pub(super) fn prompts(&self) -> Vec<PromptRow> {
        let of_row = |row: &LabeledBattle| PromptRow {
            prompt: GroupId::of_prompt(&row.battle),
            role: PromptRole::Extra,
            fold: None,
        };
        match (self.role, &self.pseudo) {
            (Role::Competition, _) => Vec::new(),
            (Role::Extra, None) => self.rows.iter().map(of_row).collect(),
            (Role::Extra, Some(pseudo)) => pseudo.prompt_rows().collect(),
        }
    }
}

fn remark(source: &DataSource, counts: &AssemblyCounts) -> String {
    let mut text = format!("{}: {} rows", source.path.display(), counts.read);
    for (count, what) in [
        (counts.duplicates, "duplicates left out"),
        (counts.ties_dropped, "ties dropped"),
        (counts.ties_halved, "ties halved"),
        (counts.soft_labels, "soft labels"),
        (counts.unlabelled, "without a label left out"),
    ] {
        if count > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}
