//! Soft labels of a file of battles: a teacher's of one's own, or those that a run gave (`tiebreak pseudo`).

use std::collections::BTreeMap;
use std::path::Path;

use super::data::Prepared;
use super::fold_labels::{FoldSource, check_single};
use crate::ancestry::Ancestry;
use crate::battle::{BattleId, GroupId, LabeledBattle, Probabilities, Target, Task};
use crate::commands::{BadInput, OrBadInput};
use crate::config::{DataSource, Role};
use crate::manifest::{LabelledInput, PseudoLabels};
use crate::progress::Progress;
use crate::run_dir::RunDir;
use crate::sources::{self, Ingested, ReadOptions};
use crate::tables;
use crate::tables::fold_labels::FoldLabel;
use crate::tables::prompts::{PromptRole, PromptRow};
use crate::validation::FoldTargets;

/// Pseudo-labels that are learned from.
pub(super) struct PseudoSource {
    /// What they come from.
    pub(super) ancestry: Ancestry,
    /// Extra rows that have one.
    pub(super) rows: usize,
}

impl PseudoSource {
    /// How a report counts them among the extra rows.
    pub(super) fn describe(&self) -> String {
        let each = if self.labels().folds.is_empty() { "" } else { ", fold by fold" };
        format!(" ({} labelled by run `{}`{each})", self.rows, self.labels().labeller.run)
    }

    pub(super) fn labels(&self) -> &PseudoLabels {
        &self.ancestry.labels
    }

    /// The prompts whose votes are in them.
    pub(super) fn prompt_rows(&self) -> impl Iterator<Item = PromptRow> {
        let row = |(prompt, fold): (&GroupId, Option<u32>)| PromptRow {
            prompt: prompt.clone(),
            role: PromptRole::Labeller,
            fold,
        };
        self.ancestry.prompts_by_fold().map(row)
    }
}

/// Battles with soft labels.
pub(super) struct SoftLabeled {
    pub(super) ingested: Ingested<LabeledBattle>,
    /// Rows that the labelling run left out.
    pub(super) unlabelled: usize,
    pub(super) pseudo: Option<PseudoSource>,
    /// Where labels depend on the fold that is held out.
    pub(super) folds: Option<FoldSource>,
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
    let (labels, by_fold) = targets(file)?;
    if source.role == Role::Competition {
        check_single(file, &by_fold)?;
    }
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
    let run = ancestry.as_ref().map(|ancestry| ancestry.labels.labeller.run.clone());
    let is_folded = source.role == Role::Extra && !by_fold.is_empty();
    let folds = is_folded.then(|| FoldSource::of((file, run), by_fold, &labeled));
    let pseudo = ancestry.map(|ancestry| PseudoSource { ancestry, rows: labeled.len() });
    let ingested = Ingested { rows: labeled, format, counts, content_hash };
    Ok(SoftLabeled { ingested, unlabelled: unlabelled.len(), pseudo, folds })
}

/// The label of each row, and those of each fold where the file has them.
fn targets(file: &Path) -> anyhow::Result<(BTreeMap<BattleId, Target>, BTreeMap<BattleId, FoldTargets>)> {
    let Some(labels) = tables::fold_labels::read(file).or_bad_input()? else {
        let predictions = tables::predictions::read(file).or_bad_input()?;
        let of_row = |(id, probabilities)| Ok::<_, anyhow::Error>((id, target(probabilities)?));
        return Ok((predictions.into_iter().map(of_row).collect::<anyhow::Result<_>>()?, BTreeMap::new()));
    };
    let mut by_fold: BTreeMap<BattleId, FoldTargets> = BTreeMap::new();
    for FoldLabel { id, fold, probabilities } in labels {
        let (targets, target) = (by_fold.entry(id).or_default(), target(probabilities)?);
        match fold {
            Some(fold) => _ = targets.folds.insert(fold, target),
            None => targets.all = Some(target),
        }
    }
    let any = by_fold.iter().filter_map(|(id, targets)| Some((id.clone(), targets.any()?)));
    Ok((any.collect(), by_fold))
}

fn target(probabilities: Probabilities) -> anyhow::Result<Target> {
    let values = probabilities.to_array();
    // The reader has checked the sum to 1e-4; dividing it out makes it exact.
    let sum: f64 = values.iter().sum();
    Target::new(values.map(|p| p / sum)).or_bad_input()
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

/// What must be known of held-out predictions: that labels which were learned from know the votes they are judged by.
pub(super) fn warnings(prepared: &Prepared) -> Vec<String> {
    prepared.pseudo.iter().filter_map(|source| warning(source, prepared)).collect()
}

fn warning(source: &PseudoSource, prepared: &Prepared) -> Option<String> {
    let is_known = |row: &usize, fold: u32| {
        source.ancestry.knows(&GroupId::of_prompt(&prepared.competition[*row].battle), fold)
    };
    let known: BTreeMap<u32, usize> = prepared
        .folds
        .iter()
        .map(|fold| (fold.number, fold.held_out.iter().filter(|row| is_known(row, fold.number)).count()))
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
    let (file, run) = (&source.labels().file, &source.labels().labeller.run);
    let untouched = folds(false);
    let way_out = if !source.labels().folds.is_empty() {
        format!(
            "train on the folds of that run, fold by fold: the same data, and `--folds {}`",
            RunDir::named(run).splits_path().display()
        )
    } else if untouched.is_empty() {
        format!(
            "label with the models of the folds, each for the fit that holds its fold out, of a run on the same folds that \
             keeps them (`--set final.fit=fold_mean`, then `tiebreak pseudo --run {run} --every-fold`), or with that of \
             one fold (`--fold K`) and train that fold alone (`--set validation.train_folds=[K]`)"
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
