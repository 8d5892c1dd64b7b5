use std::collections::BTreeMap;

use super::assembly::{is_tie, without_tie};
use crate::battle::{BattleId, LabeledBattle, Target, Task};

/// What an extra row should have been predicted as: by labels that know the votes of all folds but one, each for the fit that
/// holds that fold out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoldTargets {
    /// For the fit that holds a fold out.
    pub folds: BTreeMap<u32, Target>,
    /// For a fit on all rows.
    pub all: Option<Target>,
}

impl FoldTargets {
    /// The one for a fit; none where it has no label for it.
    #[must_use]
    pub fn of(&self, fold: Option<u32>) -> Option<Target> {
        fold.map_or(self.all, |fold| self.folds.get(&fold).copied())
    }

    /// The one for all rows, or else the first; none where there is no label at all.
    #[must_use]
    pub fn any(&self) -> Option<Target> {
        self.all.or_else(|| self.folds.values().next().copied())
    }

    /// All that it says, and nothing that another one says: each fold beside its label, then that for all rows.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let of_folds = self.folds.iter().map(|(fold, target)| (Some(*fold), *target));
        let all = self.all.iter().map(|target| (None, *target));
        let label = |(fold, target): (Option<u32>, Target)| {
            let shares = target.to_array().map(f64::to_bits);
            fold.map_or(u64::MAX, u64::from)
                .to_le_bytes()
                .into_iter()
                .chain(shares.into_iter().flat_map(u64::to_le_bytes))
        };
        of_folds.chain(all).flat_map(label).collect()
    }
}

/// As [`prepare_for_task`](super::prepare_for_task), each target on its own: a row stays where one of its targets does.
pub fn prepare_folded_for_task(
    rows: &mut Vec<LabeledBattle>,
    by_fold: &mut BTreeMap<BattleId, FoldTargets>,
    task: Task,
    halve_ties: bool,
) -> usize {
    if task == Task::ThreeWay {
        return 0;
    }
    let mut ties = 0;
    rows.retain_mut(|row| {
        ties += usize::from(is_tie(row.target));
        let Some(targets) = by_fold.get_mut(&row.battle.id) else { return false };
        targets.all = targets.all.and_then(|target| without_tie(target, halve_ties));
        let folds = std::mem::take(&mut targets.folds).into_iter();
        targets.folds =
            folds.filter_map(|(fold, target)| Some((fold, without_tie(target, halve_ties)?))).collect();
        let any = targets.any();
        row.target = any.unwrap_or(row.target);
        any.is_some()
    });
    ties
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{Battle, Response, Turn};

    fn target(shares: [f64; 3]) -> Target {
        Target::new(shares).unwrap()
    }

    #[test]
    fn the_same_label_for_another_fit_is_another_thing_to_learn_from() {
        let clear = target([0.5, 0.25, 0.25]);
        let of = |folds: &[u32], all| FoldTargets {
            folds: folds.iter().map(|fold| (*fold, clear)).collect(),
            all,
        };
        let all =
            [of(&[0], None), of(&[1], None), of(&[0], Some(clear)), of(&[0, 1], None), of(&[], Some(clear))];
        let bytes: std::collections::BTreeSet<Vec<u8>> = all.iter().map(FoldTargets::to_bytes).collect();
        assert_eq!(bytes.len(), all.len());
    }

    #[test]
    fn each_fit_has_its_own_target_and_the_two_way_task_drops_ties_of_each() {
        let (clear, tie) = (target([0.5, 0.25, 0.25]), target([0.25, 0.25, 0.5]));
        let targets = FoldTargets { folds: [(0, clear), (1, tie)].into(), all: Some(tie) };
        assert_eq!(
            (targets.of(Some(1)), targets.of(Some(2)), targets.of(None)),
            (Some(tie), None, Some(tie))
        );
        let text = |word: &str| Response::Text(word.to_owned());
        let turn = Turn { prompt: "p".to_owned(), response_a: text("x"), response_b: text("y") };
        let id = BattleId("1".to_owned());
        let mut rows = vec![LabeledBattle {
            battle: Battle::new(id.clone(), None, vec![turn]).unwrap(),
            vote: None,
            target: tie,
            weight: 1.0,
            models: None,
            session: None,
            language: None,
            metadata: BTreeMap::new(),
        }];
        let mut by_fold = BTreeMap::from([(id.clone(), targets)]);
        assert_eq!(prepare_folded_for_task(&mut rows, &mut by_fold, Task::ThreeWay, false), 0);
        assert_eq!(prepare_folded_for_task(&mut rows, &mut by_fold, Task::TwoWay, false), 1);
        let left = &by_fold[&id];
        assert_eq!((left.of(Some(1)), left.of(None)), (None, None));
        assert_eq!(left.of(Some(0)).unwrap().to_array()[2], 0.0);
        assert_eq!(rows[0].target, left.of(Some(0)).unwrap());
    }
}
