//! What came of each row of a run that had to end in time, as CSV.

use super::predictions::csv_field;
use crate::battle::BattleId;

/// The CSV `id,outcome`, one row an id.
#[must_use]
pub fn to_csv(ids: &[BattleId], outcomes: &[&str]) -> Vec<u8> {
    let mut text = String::from("id,outcome\n");
    for (id, outcome) in ids.iter().zip(outcomes) {
        text.push_str(&csv_field(&id.0));
        text.push(',');
        text.push_str(outcome);
        text.push('\n');
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_comma_is_quoted() {
        let ids = [BattleId("a,b".to_owned()), BattleId("2".to_owned())];
        assert_eq!(to_csv(&ids, &["complete", "fallback"]), b"id,outcome\n\"a,b\",complete\n2,fallback\n");
    }
}
