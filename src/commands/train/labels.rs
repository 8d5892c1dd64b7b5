//! Soft labels of a file of battles: a teacher's of one's own, or those that a run gave (`tiebreak pseudo`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::data::Prepared;
use crate::ancestry::Ancestry;
use crate::battle::{BattleId, GroupId, LabeledBattle, Target, Task};
use crate::commands::{BadInput, OrBadInput};
use crate::config::{DataSource, Role};
use crate::manifest::{LabelledInput, PseudoLabels};
use crate::progress::Progress;
use crate::sources::{self, Ingested, ReadOptions};
use crate::tables;
use crate::tables::prompts::{PromptRole, PromptRow};

/// Pseudo-labels that are learned from.
pub(super) struct PseudoSource {
    /// What they come from.
    pub(super) labels: PseudoLabels,
    /// The prompts whose votes are in them.
    pub(super) prompts: BTreeSet<GroupId>,
    /// Extra rows that have one.
    pub(super) rows: usize,
}

impl PseudoSource {
    /// How a report counts them among the extra rows.
    pub(super) fn describe(&self) -> String {
        format!(" ({} labelled by run `{}`)", self.rows, self.labels.labeller.run)
    }
}

/// Battles with soft labels.
pub(super) struct SoftLabeled {
    pub(super) ingested: Ingested<LabeledBattle>,
    /// Rows that the labelling run left out.
    pub(super) unlabelled: usize,
    pub(super) pseudo: Option<PseudoSource>,
}

/// Reads a source with the labels of another file.
///
/// # Errors
/// As bad input when a file cannot be read, a row has no label and no run left it out, or pseudo-labels are of other
/// battles, of another task, or of competition rows.
pub(super) fn read(
    (source, file): (&DataSource, &Path),
    options: &ReadOptions,
    task: Task,
    progress: &dyn Progress,
) -> anyhow::Result<SoftLabeled> {
    let ancestry = Ancestry::beside(file).or_bad_input()?;
    let labels = targets(file)?;
    let read = sources::read_soft_labeled(&source.path, options, &labels, progress).or_bad_input()?;
    let Ingested { rows, format, counts, content_hash } = read;
    let (mut labeled, mut unlabelled) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        match row {
            Ok(row) => labeled.push(row),
            Err(id) => unlabelled.push(id),
        }
    }
    let found = Found {
        source,
        file,
        task,
        content_hash: &content_hash,
        labeled: labeled.len(),
        unlabelled: &unlabelled,
    };
    let checked = match &ancestry {
        Some(ancestry) => found.check(&ancestry.labels),
        None => found.check_complete(),
    };
    checked.map_err(BadInput)?;
    let pseudo = ancestry.map(|Ancestry { labels, prompts, .. }| PseudoSource {
        labels,
        prompts,
        rows: labeled.len(),
    });
    let ingested = Ingested { rows: labeled, format, counts, content_hash };
    Ok(SoftLabeled { ingested, unlabelled: unlabelled.len(), pseudo })
}

fn targets(file: &Path) -> anyhow::Result<BTreeMap<BattleId, Target>> {
    let predictions = tables::predictions::read(file).or_bad_input()?;
    let target = |(id, probabilities): (BattleId, crate::battle::Probabilities)| {
        let values = probabilities.to_array();
        // The reader has checked the sum to 1e-4; dividing it out makes it exact.
        let sum: f64 = values.iter().sum();
        Ok::<_, anyhow::Error>((id, Target::new(values.map(|p| p / sum)).or_bad_input()?))
    };
    predictions.into_iter().map(target).collect()
}

/// A source beside its labels.
struct Found<'a> {
    source: &'a DataSource,
    file: &'a Path,
    task: Task,
    content_hash: &'a str,
    labeled: usize,
    unlabelled: &'a [BattleId],
}

impl Found<'_> {
    /// Every row must have a label.
    fn check_complete(&self) -> Result<(), String> {
        let Some(first) = self.unlabelled.first() else { return Ok(()) };
        Err(format!(
            "{} of {} rows of `{}` have no soft label in `{}`, the first is battle `{first}`; give every row one",
            self.unlabelled.len(),
            self.rows(),
            self.source.path.display(),
            self.file.display()
        ))
    }

    /// The labels must be those of these battles, for this task, and nothing that is validated on.
    fn check(&self, labels: &PseudoLabels) -> Result<(), String> {
        let (path, file) = (self.source.path.display(), self.file.display());
        let run = &labels.labeller.run;
        if self.source.role == Role::Competition {
            return Err(format!(
                "`{file}` is what run `{run}` said of `{path}`, on which nothing can be validated; write `role = \"extra\"`"
            ));
        }
        if labels.labeller.task == Task::TwoWay && self.task == Task::ThreeWay {
            return Err(format!(
                "`{file}`: run `{run}` was trained with `task = \"two_way\"` and says nothing of ties; label with a run \
                 of three classes, or set `task = \"two_way\"`"
            ));
        }
        let input = labels.inputs.iter().find(|input| input.content_hash == self.content_hash);
        let Some(input) = input else {
            let names: Vec<String> = labels.inputs.iter().map(|input| format!("`{}`", input.file)).collect();
            return Err(format!(
                "`{file}` has the labels of {}, and `{path}` is another file: {} of its {} rows have a label there; label \
                 it with `tiebreak pseudo --run {run} {path}`",
                names.join(", "),
                self.labeled,
                self.rows()
            ));
        };
        self.check_counts(input)
    }

    /// The same bytes may be read as other rows, in another format.
    fn check_counts(&self, input: &LabelledInput) -> Result<(), String> {
        let is_whole = self.source.max_rows.is_none();
        if !is_whole || (self.labeled, self.rows()) == (input.kept, input.offered) {
            return Ok(());
        }
        Err(format!(
            "`{}` has labels for {} of {} rows of `{}` read as `{}`, and here {} of {} rows have one; set the same \
             `format`, or label it again",
            self.file.display(),
            input.kept,
            input.offered,
            self.source.path.display(),
            input.format,
            self.labeled,
            self.rows()
        ))
    }

    fn rows(&self) -> usize {
        self.labeled + self.unlabelled.len()
    }
}

/// A prompt that no fold holds out.
pub(super) fn prompt(prompt: GroupId, role: PromptRole) -> PromptRow {
    PromptRow { prompt, role, fold: None }
}

/// What must be known of held-out predictions: that labels which were learned from know the votes they are judged by.
pub(super) fn warnings(prepared: &Prepared) -> Vec<String> {
    prepared.pseudo.iter().filter_map(|source| warning(source, prepared)).collect()
}

fn warning(source: &PseudoSource, prepared: &Prepared) -> Option<String> {
    let is_known =
        |row: &usize| source.prompts.contains(&GroupId::of_prompt(&prepared.competition[*row].battle));
    let known: BTreeMap<u32, usize> = prepared
        .folds
        .iter()
        .map(|fold| (fold.number, fold.held_out.iter().filter(|row| is_known(row)).count()))
        .collect();
    let count: usize = known.values().sum();
    if count == 0 {
        return None;
    }
    let held_out: usize = prepared.folds.iter().map(|fold| fold.held_out.len()).sum();
    let folds = |wanted: bool| -> String {
        let numbers = known.iter().filter(|(_, count)| (**count > 0) == wanted);
        numbers.map(|(fold, _)| fold.to_string()).collect::<Vec<_>>().join(", ")
    };
    let (file, run) = (&source.labels.file, &source.labels.labeller.run);
    let untouched = folds(false);
    let way_out = if untouched.is_empty() {
        format!(
            "label with the model of one fold of a run on the same folds that keeps them (`--set final.fit=fold_mean`, \
             then `tiebreak pseudo --run {run} --fold K`) and train that fold alone (`--set \
             validation.train_folds=[K]`)"
        )
    } else {
        format!("train the other folds alone (`--set validation.train_folds=[{untouched}]`)")
    };
    Some(format!(
        "pseudo-labels `{file}`: run `{run}` learned from votes on the prompts of {count} of the {held_out} rows that are \
         held out here (folds {}): the out-of-fold log loss is too good, since what is held out came back through \
         the labels; do not trust it, or {way_out}",
        folds(true)
    ))
}
