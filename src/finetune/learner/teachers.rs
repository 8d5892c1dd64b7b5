//! Labels mixed with what other runs said of the same rows without having seen them.

use std::collections::{BTreeMap, HashMap};

use super::recipe::TeacherRecipe;
use crate::battle::{BattleId, LabeledBattle, Probabilities};
use crate::finetune::FinetuneError;
use crate::splits::Fold;
use crate::tables;

/// The held-out predictions of one teacher.
pub(super) struct Teacher {
    recipe: TeacherRecipe,
    predictions: HashMap<BattleId, [f64; 3]>,
    folds: HashMap<BattleId, u32>,
    /// One hash over all of it.
    pub(super) fingerprint: String,
}

impl Teacher {
    pub(super) fn read(recipe: &TeacherRecipe) -> Result<Self, FinetuneError> {
        let path = &recipe.predictions;
        let folds_path = recipe.folds.clone().unwrap_or_else(|| path.with_file_name("splits.csv"));
        let table = |error: tables::TableError| FinetuneError::Settings(format!("teacher: {error}"));
        if !folds_path.is_file() {
            let message = format!(
                "teacher `{}`: its folds are not at `{}`, and without them nobody knows which rows it saw; name the \
                 file with `folds = \"...\"`",
                path.display(),
                folds_path.display()
            );
            return Err(FinetuneError::Settings(message));
        }
        let (read, folds) = (
            tables::predictions::read(path).map_err(table)?,
            tables::folds::read(&folds_path).map_err(table)?,
        );
        let mut hasher = blake3::Hasher::new();
        for (id, probabilities) in &read {
            hasher.update(id.0.as_bytes());
            probabilities.ln().iter().for_each(|ln| {
                hasher.update(&ln.to_bits().to_le_bytes());
            });
        }
        let cooled = |p: Probabilities| warmed(p, recipe.temperature);
        Ok(Self {
            recipe: recipe.clone(),
            predictions: read.into_iter().map(|(id, p)| (id, cooled(p))).collect(),
            folds: folds.into_iter().map(|row| (row.id, row.fold)).collect(),
            fingerprint: hasher.finalize().to_hex().to_string(),
        })
    }

    /// Refuses a teacher that saw a row which it is asked about: only with folds that are ours, whatever their numbers
    /// are, is each of its predictions known to come from a fit without that row and its group.
    pub(super) fn check(&self, competition: &[LabeledBattle], folds: &[Fold]) -> Result<(), FinetuneError> {
        self.check_complete(competition)?;
        let mut theirs: BTreeMap<u32, u32> = BTreeMap::new();
        let mut ours: BTreeMap<u32, u32> = BTreeMap::new();
        for fold in folds {
            for row in &fold.held_out {
                let id = &competition[*row].battle.id;
                // Every row has one, or the check above had refused the teacher.
                let Some(of_teacher) = self.folds.get(id).copied() else { continue };
                let same = *theirs.entry(of_teacher).or_insert(fold.number) == fold.number
                    && *ours.entry(fold.number).or_insert(of_teacher) == of_teacher;
                if !same {
                    return Err(self.refused(&format!(
                        "its folds are not ours: battle `{id}` is in its fold {of_teacher} and in our fold {}, so that it may have seen rows of the same prompts; train both runs with the same `--folds`",
                        fold.number
                    )));
                }
            }
        }
        Ok(())
    }

    /// Refuses a teacher without a held-out prediction of every row: the others would be taught by their labels alone,
    /// without a word. `competition` has the rows of folds that are not trained, too.
    fn check_complete(&self, competition: &[LabeledBattle]) -> Result<(), FinetuneError> {
        let ids = competition.iter().map(|row| &row.battle.id);
        let is_unknown =
            |id: &&BattleId| !(self.folds.contains_key(*id) && self.predictions.contains_key(*id));
        let unknown: Vec<&BattleId> = ids.filter(is_unknown).collect();
        let Some(first) = unknown.first() else { return Ok(()) };
        Err(self.refused(&format!(
            "it has no held-out prediction of {} of {} competition battles, such as `{first}`; train it on the same rows",
            unknown.len(),
            competition.len()
        )))
    }

    /// What a report must say of it.
    pub(super) fn warning(&self) -> String {
        format!(
            "teacher `{}` saw no row that it teaches, but its fits saw the labels of rows that are held out here: scores \
             may be a little too good",
            self.recipe.predictions.display()
        )
    }

    fn refused(&self, problem: &str) -> FinetuneError {
        FinetuneError::Settings(format!("teacher `{}`: {problem}", self.recipe.predictions.display()))
    }
}

/// The target of a row: its label, of which every teacher that knows the row takes its share.
pub(super) fn target(row: &LabeledBattle, teachers: &[Teacher]) -> [f64; 3] {
    let mut target = row.target.to_array();
    let known: Vec<(f64, [f64; 3])> = teachers
        .iter()
        .filter_map(|teacher| Some((teacher.recipe.weight, *teacher.predictions.get(&row.battle.id)?)))
        .collect();
    let left = 1.0 - known.iter().map(|(weight, _)| weight).sum::<f64>();
    for (class, share) in target.iter_mut().enumerate() {
        *share = left.max(0.0) * *share + known.iter().map(|(weight, p)| weight * p[class]).sum::<f64>();
    }
    let sum: f64 = target.iter().sum();
    target.map(|share| share / sum)
}

/// Probabilities whose logarithms are divided by a temperature.
fn warmed(probabilities: Probabilities, temperature: f64) -> [f64; 3] {
    let logits = probabilities.ln().map(|ln| ln / temperature);
    // One of the three is above 0, so that the logits are always such.
    Probabilities::from_logits(logits).unwrap_or(probabilities).to_array()
}
