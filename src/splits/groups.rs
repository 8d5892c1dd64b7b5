use std::collections::HashMap;

use rayon::prelude::*;

use super::Components;
use crate::battle::{GroupId, LabeledBattle};

/// The groups of rows that must stay together: connected components over equal normalised prompts
/// and equal sessions. One group a row.
///
/// A component is called by the smallest name of a prompt (`GroupId::of_prompt`) in it, so that names
/// do not depend on the order of the rows. A session without a name connects nothing.
#[must_use]
pub fn groups(rows: &[LabeledBattle]) -> Vec<GroupId> {
    let prompts: Vec<GroupId> = rows.par_iter().map(|row| GroupId::of_prompt(&row.battle)).collect();
    let mut components = Components::new(rows.len());
    connect(&mut components, prompts.iter().map(|prompt| Some(prompt.0.as_str())));
    connect(
        &mut components,
        rows.iter().map(|row| row.session.as_deref().filter(|name| !name.trim().is_empty())),
    );
    let roots = components.into_roots();
    let mut names: HashMap<usize, &GroupId> = HashMap::new();
    for (prompt, root) in prompts.iter().zip(&roots) {
        let name = names.entry(*root).or_insert(prompt);
        *name = prompt.min(name);
    }
    roots.iter().map(|root| names[root].clone()).collect()
}

/// Joins all rows that have the same key; rows without one stay as they are.
fn connect<'a>(components: &mut Components, keys: impl Iterator<Item = Option<&'a str>>) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (row, key) in keys.enumerate() {
        if let Some(key) = key {
            components.join(*first.entry(key).or_insert(row), row);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::battle::{Battle, BattleId, Response, Turn, Vote};

    fn row(id: &str, prompt: &str, session: Option<&str>) -> LabeledBattle {
        let turn = Turn {
            prompt: prompt.to_owned(),
            response_a: Response::Text("a".to_owned()),
            response_b: Response::Text("b".to_owned()),
        };
        LabeledBattle {
            battle: Battle::new(BattleId(id.to_owned()), None, vec![turn]).unwrap(),
            vote: Some(Vote::A),
            target: Vote::A.into(),
            weight: 1.0,
            models: None,
            session: session.map(str::to_owned),
            language: None,
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn prompts_and_sessions_chain_into_one_group() {
        let rows = [
            row("1", "red", None),
            row("2", " RED ", Some("s")),
            row("3", "green", Some("s")),
            row("4", "blue", None),
            row("5", "black", Some("")),
            row("6", "white", Some("")),
        ];
        let groups = groups(&rows);
        assert_eq!(groups[0], groups[1]);
        assert_eq!(groups[1], groups[2]);
        let smallest = GroupId::of_prompt(&rows[0].battle).min(GroupId::of_prompt(&rows[2].battle));
        assert_eq!(groups[0], smallest);
        assert_ne!(groups[3], groups[0]);
        assert_ne!(groups[4], groups[5]);
        assert_eq!(groups[3], GroupId::of_prompt(&rows[3].battle));
    }

    #[test]
    fn names_do_not_depend_on_the_order_of_the_rows() {
        let mut rows: Vec<LabeledBattle> = (0..40)
            .map(|n| row(&n.to_string(), &format!("prompt {}", n % 13), Some(&format!("session {}", n / 3))))
            .collect();
        let forward = groups(&rows);
        rows.reverse();
        let mut backward = groups(&rows);
        backward.reverse();
        assert_eq!(forward, backward);
    }
}
