//! Another imported model in the place of a dump.

use super::compare::Pair;
use super::dump::Record;
use super::logits;
use crate::battle::GroupId;
use crate::commands::battles::MaybeLabelled;
use crate::commands::model_folder::ModelFolder;
use crate::commands::{BadInput, OrBadInput};
use crate::progress::Progress;

/// What the other model is asked.
pub(super) struct Asked<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Another budget than its stored one.
    pub(super) max_tokens: Option<usize>,
    /// The battles.
    pub(super) battles: &'a [MaybeLabelled],
}

/// Every sequence that the model reads, beside what the other model reads and gives there.
///
/// # Errors
/// As bad input when there is no such model, its outputs mean something else, or a battle cannot be encoded; otherwise when
/// it cannot be run.
pub(super) fn pairs(
    model: &ModelFolder,
    asked: &Asked<'_>,
    options: &logits::Options,
    progress: &dyn Progress,
) -> anyhow::Result<Vec<Pair>> {
    let other = ModelFolder::named(asked.name, asked.max_tokens)?;
    if other.card.outputs != model.card.outputs {
        let [ours, theirs] = [&model.card, &other.card].map(|card| card.label_order().join(", "));
        let message = format!(
            "`{}` gives {theirs}, `{}` gives {ours}: their logits cannot be compared",
            asked.name,
            model.path.display()
        );
        return Err(BadInput(message).into());
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (battle, target) in asked.battles {
        for &shown in model.encoder.budget().shown(&model.encoder.recipe().template) {
            let pair = |sequence, input_ids| Pair {
                record: Record {
                    line: ours.len() + 1,
                    id: battle.id.0.clone(),
                    input_ids,
                    logits: None,
                    shown: Some(shown),
                },
                sequence,
                target: *target,
                group: GroupId::of_prompt(battle),
            };
            let read = other.encoder.sequence(battle, shown).or_bad_input()?;
            let ids = read.ids.clone();
            let sequence = model.encoder.sequence(battle, shown).or_bad_input()?;
            let (our_pair, their_pair) = (pair(sequence, ids), pair(read, Vec::new()));
            ours.push(our_pair);
            theirs.push(their_pair);
        }
    }
    let computed = logits::compute(&other, &theirs, options, progress)?;
    for (pair, logits) in ours.iter_mut().zip(computed.logits) {
        pair.record.logits = Some(logits.into_iter().map(f64::from).collect());
    }
    Ok(ours)
}
