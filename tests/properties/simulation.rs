//! What must hold of every simulated arena, whatever its parameters.

use proptest::prelude::*;
use tiebreak::battle::Target;
use tiebreak::simulation::{Arena, ArenaParameters, File, rows};

fn parameters() -> impl Strategy<Value = ArenaParameters> {
    (any::<u64>(), -1.0..1.0_f64, -1.0..1.0_f64, 0.0..2.0_f64, 0.0..1.0_f64, 0.0..0.5_f64).prop_map(
        |(seed, verbosity_bias, position_bias, tie_threshold, share, repeat_votes)| ArenaParameters {
            seed,
            battles: 30,
            test_battles: 10,
            verbosity_bias,
            position_bias,
            tie_threshold,
            repeat_votes,
            multi_turn: share,
            popular_prompts: share,
            degenerate: share,
            response_length: 0.2,
            ..ArenaParameters::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn every_row_is_a_battle_with_its_vote_and_its_truth(parameters in parameters()) {
        let arena = Arena::new(&parameters).unwrap();
        for battle in arena.battles(0..40) {
            let truth = battle.truth.to_array();
            prop_assert!((truth.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert_eq!(battle.labeled.vote.map(Target::from), Some(battle.labeled.target));
            prop_assert!(!battle.labeled.battle.turns.is_empty());
            let [a, b] = battle.labeled.models.clone().unwrap();
            prop_assert_ne!(a, b);
            let id: u64 = battle.labeled.battle.id.0.parse().unwrap();
            prop_assert!(i32::try_from(id).is_err() && u32::try_from(id).is_ok());
        }
    }

    #[test]
    fn a_row_depends_on_its_number_alone(parameters in parameters(), start in 0..30_u64) {
        let arena = Arena::new(&parameters).unwrap();
        let all = arena.battles(0..40);
        let first = usize::try_from(start).unwrap();
        prop_assert_eq!(&arena.battles(start..start + 10)[..], &all[first..first + 10]);
    }

    #[test]
    fn the_train_file_is_ascii_with_one_record_a_row(parameters in parameters()) {
        let arena = Arena::new(&parameters).unwrap();
        let battles = arena.battles(0..40);
        let text = rows(File::Train, &battles);
        prop_assert!(text.is_ascii());
        let (mut quoted, mut records) = (false, 0);
        for character in text.chars() {
            match character {
                '"' => quoted = !quoted,
                '\n' if !quoted => records += 1,
                _ => {}
            }
        }
        prop_assert_eq!(records, 40);
    }
}
