use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::fold_labels::{FoldLabels, check_folds};
use super::labels::PseudoSource;
use super::source::SourceRows;
use crate::audit;
use crate::battle::{BattleId, GroupId, LabeledBattle, Target, Task, normalised_prompt};
use crate::commands::{BadInput, Console, OrBadInput};
use crate::config::{Config, Role};
use crate::manifest::{DataIdentity, PseudoLabels};
use crate::predictors::language_model::Serving;
use crate::splits::{self, Fold, GroupedRow};
use crate::tables;
use crate::tables::prompts::{PromptRole, PromptRow};
use crate::validation::{FoldTargets, Member, TrainingSet};

use super::file_name;

/// Everything that is learned from and validated on, in canonical order.
pub(super) struct Prepared {
    pub(super) task: Task,
    pub(super) competition: Vec<LabeledBattle>,
    pub(super) extra: Vec<LabeledBattle>,
    pub(super) clusters: Vec<u32>,
    pub(super) groups: Vec<GroupId>,
    pub(super) assignment: Vec<u32>,
    pub(super) folds: Vec<Fold>,
    pub(super) sources: Vec<DataIdentity>,
    /// The pseudo-labels among the soft labels of extra rows.
    pub(super) pseudo: Vec<PseudoSource>,
    /// Extra rows whose soft labels depend on the fold that is held out.
    pub(super) by_fold: BTreeMap<BattleId, FoldTargets>,
    /// The files that those stand in.
    pub(super) fold_labels: Vec<FoldLabels>,
    /// Every prompt whose votes are learned from.
    pub(super) prompts: BTreeSet<PromptRow>,
}

impl Prepared {
    fn take(&mut self, read: SourceRows) {
        self.prompts.extend(read.prompts());
        self.by_fold.extend(read.by_fold);
        self.fold_labels.extend(read.fold_labels);
        self.pseudo.extend(read.pseudo);
        match read.role {
            Role::Competition => self.competition.extend(read.rows),
            Role::Extra => self.extra.extend(read.rows),
        }
        self.sources.push(read.identity);
    }

    /// What the pseudo-labels come from.
    pub(super) fn pseudo_labels(&self) -> Vec<PseudoLabels> {
        self.pseudo.iter().map(|source| source.labels().clone()).collect()
    }

    pub(super) fn set(&self) -> TrainingSet<'_> {
        TrainingSet {
            task: self.task,
            competition: &self.competition,
            extra: &self.extra,
            clusters: &self.clusters,
            by_fold: &self.by_fold,
        }
    }

    /// A hash of the normalised prompts of all rows.
    pub(super) fn prompts_hash(&self) -> String {
        let rows = self.competition.iter().chain(&self.extra);
        let prompts: BTreeSet<GroupId> = rows.map(|row| GroupId::of_prompt(&row.battle)).collect();
        let text: Vec<&str> = prompts.iter().map(|group| group.0.as_str()).collect();
        blake3::hash(text.join("\n").as_bytes()).to_hex().to_string()
    }

    /// A hash of which row is in which fold.
    pub(super) fn folds_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (row, fold) in self.competition.iter().zip(&self.assignment) {
            hasher.update(row.battle.id.0.as_bytes());
            hasher.update(&[0]);
            hasher.update(&fold.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Reads every source, makes its rows fit for the task, and assigns the folds.
pub(super) fn prepare(config: &Config, console: &Console) -> anyhow::Result<Prepared> {
    let mut prepared = Prepared {
        task: config.task,
        competition: Vec::new(),
        extra: Vec::new(),
        clusters: Vec::new(),
        groups: Vec::new(),
        assignment: Vec::new(),
        folds: Vec::new(),
        sources: Vec::new(),
        pseudo: Vec::new(),
        by_fold: BTreeMap::new(),
        fold_labels: Vec::new(),
        prompts: BTreeSet::new(),
    };
    for source in &config.data {
        prepared.take(SourceRows::read(source, config.task, console)?);
    }
    for rows in [&mut prepared.competition, &mut prepared.extra] {
        rows.sort_by(|first, second| first.battle.id.cmp(&second.battle.id));
    }
    refuse_repeated_ids(&prepared)?;
    if prepared.competition.is_empty() {
        return Err(BadInput("no competition row is left to learn from".to_owned()).into());
    }
    if !prepared.extra.is_empty() {
        let battles = prepared.competition.iter().chain(&prepared.extra).map(|row| &row.battle);
        prepared.clusters = audit::prompt_clusters(&battles.collect::<Vec<_>>());
    }
    assign_folds(config, &mut prepared, console)?;
    check_folds(&prepared, config.final_fit.fit)?;
    let folds = prepared.competition.iter().zip(&prepared.assignment);
    let prompts = folds.map(|(row, fold)| PromptRow {
        prompt: GroupId::of_prompt(&row.battle),
        role: PromptRole::Competition,
        fold: Some(*fold),
    });
    prepared.prompts.extend(prompts);
    Ok(prepared)
}

fn refuse_repeated_ids(prepared: &Prepared) -> anyhow::Result<()> {
    for rows in [&prepared.competition, &prepared.extra] {
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].battle.id == pair[1].battle.id) {
            let id = &pair[0].battle.id;
            return Err(BadInput(format!(
                "id `{id}` stands in more than one row of the data; ids must be unique over all files of a role"
            ))
            .into());
        }
    }
    Ok(())
}

fn assign_folds(config: &Config, prepared: &mut Prepared, console: &Console) -> anyhow::Result<()> {
    prepared.groups = splits::groups(&prepared.competition);
    let rows: Vec<GroupedRow<'_>> = prepared
        .competition
        .iter()
        .zip(&prepared.groups)
        .map(|(row, group)| GroupedRow { id: &row.battle.id, group, target: row.target })
        .collect();
    prepared.assignment = match &config.validation.folds_file {
        Some(file) => {
            let read: Vec<(BattleId, u32)> =
                tables::folds::read(file).or_bad_input()?.into_iter().map(|row| (row.id, row.fold)).collect();
            let (assignment, split_groups) = splits::from_assignments(&rows, &read).or_bad_input()?;
            if split_groups > 0 {
                console.warn(&format!(
                    "{split_groups} groups of rows with the same normalised prompt or session stand in two folds of \
                     `{}`; scores will be too good",
                    file.display()
                ));
            }
            assignment
        }
        None => splits::assign(&rows, config.validation.folds, config.validation.seed).or_bad_input()?,
    };
    prepared.folds = splits::folds(&prepared.assignment);
    if let Some(chosen) = &config.validation.train_folds {
        let known: BTreeSet<u32> = prepared.folds.iter().map(|fold| fold.number).collect();
        if let Some(unknown) = chosen.iter().find(|number| !known.contains(number)) {
            return Err(BadInput(format!("validation.train_folds `{unknown}`: there is no such fold")).into());
        }
        prepared.folds.retain(|fold| chosen.contains(&fold.number));
    }
    Ok(())
}

/// The hash of the configuration, without the places of its files.
pub(super) fn config_hash(config: &Config) -> anyhow::Result<String> {
    let mut portable = config.clone();
    for source in &mut portable.data {
        source.path = file_name(&source.path).into();
        source.labels = source.labels.as_ref().map(|path| file_name(path).into());
    }
    portable.validation.folds_file = None;
    for stage in &mut portable.cascade {
        stage.run = file_name(Path::new(&stage.run));
    }
    for entry in &mut portable.predictor {
        for place in entry.recipe.places_mut() {
            *place = file_name(place).into();
        }
    }
    Ok(blake3::hash(portable.to_toml()?.as_bytes()).to_hex().to_string())
}

/// All that decides a run, by what a person calls it, with hashes; a resumed run must have the same.
pub(super) fn identity(
    config: &Config,
    prepared: &Prepared,
    serving: &Serving,
    members: &[Member],
) -> anyhow::Result<Vec<(String, String)>> {
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let mut parts = vec![
        ("the configuration".to_owned(), config_hash(config)?),
        ("the folds".to_owned(), prepared.folds_hash()),
    ];
    for source in &prepared.sources {
        parts.push((format!("`{}`", source.file), hash(serde_json::to_string(source)?.as_bytes())));
    }
    parts.push(("the language models".to_owned(), hash(fingerprints(serving, members).join(" ").as_bytes())));
    let of_rows = prepared.competition.iter().chain(&prepared.extra).map(|row| row.target);
    let of_rows = of_rows.flat_map(Target::to_array).flat_map(|share| share.to_bits().to_le_bytes());
    let of_folds = prepared.by_fold.iter().flat_map(|(id, targets)| {
        let labels = targets.to_bytes();
        let head = (labels.len() as u64).to_le_bytes();
        [id.0.as_bytes(), &[0], &head, &labels].concat()
    });
    let targets: Vec<u8> = of_rows.chain(of_folds).collect();
    parts.push(("the labels".to_owned(), hash(&targets)));
    Ok(parts)
}

/// The hashes of all models: those that are asked, and those that training began with.
pub(super) fn fingerprints(serving: &Serving, members: &[Member]) -> Vec<String> {
    let of_members = members.iter().filter_map(|member| member.learner.fingerprint());
    serving.fingerprints().into_iter().chain(of_members).collect()
}

/// What a run was trained on, shortly: rows, distinct prompts.
pub(super) fn describe(prepared: &Prepared) -> String {
    let prompts: BTreeSet<String> =
        prepared.competition.iter().map(|row| normalised_prompt(&row.battle)).collect();
    let files: Vec<&str> = prepared.sources.iter().map(|source| source.file.as_str()).collect();
    let rows = prepared.competition.len();
    let labellers: Vec<String> = prepared.pseudo.iter().map(PseudoSource::describe).collect();
    format!(
        "{rows} rows, {} prompts, {} extra rows{}, from {}",
        prompts.len(),
        prepared.extra.len(),
        labellers.concat(),
        files.join(", ")
    )
}
