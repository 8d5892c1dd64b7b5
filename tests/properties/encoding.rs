//! What must hold of every cut, whatever the lengths, and of every encoding.

use proptest::prelude::*;
use tiebreak::battle::{Battle, BattleId, Response, Turn};
use tiebreak::encoding::{
    Cut, Encoder, EncodingBudget, EncodingRecipe, Keep, Labels, Lengths, MissingResponse, Orders,
    PartsTruncation, Plan, Row, Shares, Shown, Side, Template, TokenizerFiles, Truncation, TurnLengths,
    TurnOrder, Vessel, plan, plan_parts, water_fill,
};

fn vessels() -> impl Strategy<Value = Vec<Vessel>> {
    let vessel = (0..600_usize, 1..=1024_u32).prop_map(|(tokens, weight)| Vessel { tokens, weight });
    prop::collection::vec(vessel, 0..8)
}

fn policy() -> impl Strategy<Value = PartsTruncation> {
    let keep = prop::sample::select(vec![Keep::Head, Keep::Tail, Keep::HeadTail]);
    let turns = prop::sample::select(vec![TurnOrder::LastFirst, TurnOrder::Even]);
    (keep, turns, 0.01..0.99_f64, 0.1..10.0_f64, 0.1..10.0_f64, 0..60_usize).prop_map(
        |(keep, turns, head_share, prompt, response, floor)| PartsTruncation {
            keep,
            head_share,
            marker: None,
            shares: Shares { prompt, response },
            floor,
            turns,
        },
    )
}

fn lengths() -> impl Strategy<Value = Lengths> {
    let turn = (0..20_usize, prop::array::uniform3(0..300_usize))
        .prop_map(|(frame, texts)| TurnLengths { frame, texts });
    (0..20_usize, prop::collection::vec(turn, 1..6)).prop_map(|(fixed, turns)| Lengths { fixed, turns })
}

fn text_kept(cut: Cut) -> usize {
    cut.head + cut.tail
}

fn tokens_of(plan: &Plan, lengths: &Lengths, marker: usize) -> usize {
    let turns = plan.turns.iter().zip(&lengths.turns).filter_map(|(cuts, turn)| Some((cuts.as_ref()?, turn)));
    lengths.fixed
        + turns
            .map(|(cuts, turn)| {
                turn.frame
                    + cuts.iter().map(|cut| text_kept(*cut) + usize::from(cut.marked) * marker).sum::<usize>()
            })
            .sum::<usize>()
}

fn swapped(lengths: &Lengths) -> Lengths {
    let mut swapped = lengths.clone();
    swapped.turns.iter_mut().for_each(|turn| turn.texts.swap(1, 2));
    swapped
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn water_never_rises_above_the_budget_and_wastes_less_than_one_token_a_part(
        vessels in vessels(), floor in 0..80_usize, budget in 0..2000_usize,
    ) {
        let filled = water_fill(&vessels, floor, budget);
        let wanted: usize = vessels.iter().map(|vessel| vessel.tokens).sum();
        let used: usize = filled.iter().sum();
        prop_assert!(used <= budget);
        if wanted <= budget {
            prop_assert!(filled.iter().zip(&vessels).all(|(kept, vessel)| *kept == vessel.tokens));
        } else {
            prop_assert!(used + vessels.len() > budget, "{used} of {budget}");
        }
    }

    #[test]
    fn water_rises_in_every_part_with_the_budget(
        vessels in vessels(), floor in 0..80_usize, budget in 0..2000_usize, more in 1..50_usize,
    ) {
        let less = water_fill(&vessels, floor, budget);
        let more = water_fill(&vessels, floor, budget + more);
        prop_assert!(less.iter().zip(&more).all(|(less, more)| less <= more));
    }

    #[test]
    fn floors_hold_wherever_they_fit(
        vessels in vessels(), floor in 0..80_usize, budget in 0..2000_usize,
    ) {
        let filled = water_fill(&vessels, floor, budget);
        let floors: Vec<usize> = vessels.iter().map(|vessel| vessel.tokens.min(floor)).collect();
        if floors.iter().sum::<usize>() <= budget {
            prop_assert!(filled.iter().zip(&floors).all(|(kept, floor)| kept >= floor));
        }
    }

    #[test]
    fn a_plan_keeps_to_its_budget_and_cuts_nothing_that_fits(
        lengths in lengths(), policy in policy(), budget in 0..2000_usize, marker in 0..5_usize,
    ) {
        let last = lengths.turns.last().map_or(0, |turn| turn.frame);
        let Ok(plan) = plan_parts(&lengths, budget, &policy, marker) else {
            prop_assert!(lengths.fixed + last > budget);
            return Ok(());
        };
        prop_assert!(tokens_of(&plan, &lengths, marker) <= budget);
        let whole = plan.turns.iter().zip(&lengths.turns).all(|(cuts, turn)| {
            cuts.is_some_and(|cuts| cuts.map(text_kept) == turn.texts)
        });
        prop_assert_eq!(whole, lengths.total() <= budget);
    }

    #[test]
    fn exchanging_the_responses_exchanges_their_cuts(
        lengths in lengths(), policy in policy(), budget in 40..2000_usize, marker in 0..5_usize,
    ) {
        let plan = plan_parts(&lengths, budget, &policy, marker).unwrap();
        let other = plan_parts(&swapped(&lengths), budget, &policy, marker).unwrap();
        for (cuts, other) in plan.turns.iter().zip(&other.turns) {
            prop_assert_eq!(cuts.map(|[prompt, a, b]| [prompt, b, a]), *other);
        }
    }

    #[test]
    fn the_last_turns_never_lose_by_a_larger_budget(
        lengths in lengths(), policy in policy(), budget in 40..2000_usize, more in 1..50_usize,
        marker in 0..5_usize,
    ) {
        let policy = PartsTruncation { turns: TurnOrder::LastFirst, ..policy };
        let less = plan_parts(&lengths, budget, &policy, marker).unwrap();
        let more = plan_parts(&lengths, budget + more, &policy, marker).unwrap();
        for (less, more) in less.turns.iter().zip(&more.turns) {
            let (Some(less), Some(more)) = (less, more) else {
                prop_assert!(less.is_none());
                continue;
            };
            for (less, more) in less.iter().zip(more) {
                prop_assert!(text_kept(*less) <= text_kept(*more), "{:?} {:?}", less, more);
            }
        }
    }

    #[test]
    fn every_row_runs_once_within_the_budget(
        rows in prop::collection::vec((1..3_usize, 1..400_usize), 0..60), budget in 1..3000_usize,
    ) {
        let rows: Vec<Row> =
            rows.into_iter().map(|(sequences, longest)| Row { sequences, longest }).collect();
        let batches = plan(&rows, budget);
        let mut seen: Vec<usize> = batches.iter().flat_map(|batch| batch.rows.clone()).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..rows.len()).collect::<Vec<_>>());
        for batch in &batches {
            prop_assert!(batch.padded_tokens() <= budget || batch.rows.len() == 1);
            prop_assert_eq!(batch.sequences, batch.rows.iter().map(|row| rows[*row].sequences).sum::<usize>());
            prop_assert_eq!(Some(batch.longest), batch.rows.iter().map(|row| rows[*row].longest).max());
        }
        prop_assert!(batches.windows(2).all(|pair| pair[0].longest >= pair[1].longest));
        let reversed: Vec<Row> = rows.iter().rev().copied().collect();
        let shapes = |batches: Vec<tiebreak::encoding::Batch>| -> Vec<(usize, usize, usize)> {
            batches.iter().map(|batch| (batch.rows.len(), batch.sequences, batch.longest)).collect()
        };
        prop_assert_eq!(shapes(batches), shapes(plan(&reversed, budget)));
    }
}

fn files(byte_level: bool) -> TokenizerFiles {
    if byte_level {
        return TokenizerFiles {
            tokenizer: include_bytes!("../fixtures/tokenizers/byte_level/tokenizer.json").to_vec(),
            config: Some(include_bytes!("../fixtures/tokenizers/byte_level/tokenizer_config.json").to_vec()),
            chat_template: None,
        };
    }
    TokenizerFiles {
        tokenizer: include_bytes!("../fixtures/tokenizers/gemma/tokenizer.json").to_vec(),
        config: Some(include_bytes!("../fixtures/tokenizers/gemma/tokenizer_config.json").to_vec()),
        chat_template: Some(include_str!("../fixtures/tokenizers/gemma/chat_template.jinja").to_owned()),
    }
}

fn templates() -> Vec<Template> {
    let labels = Labels::default();
    let variables = std::collections::BTreeMap::new();
    vec![
        Template::Concatenated { labels: labels.clone(), pair: false },
        Template::Interleaved { labels: labels.clone() },
        Template::Chat {
            instruction: "Judge: ".to_owned(),
            layout: tiebreak::encoding::ChatLayout::Interleaved,
            labels: labels.clone(),
            ending: String::new(),
            add_generation_prompt: true,
            variables: variables.clone(),
        },
        Template::Single { labels, pair: false },
        Template::SingleChat { variables },
        Template::Custom {
            template:
                "{% for t in turns %}Q{{ t.prompt }}1{{ t.response_a }}2{{ t.response_b }}\n{% endfor %}"
                    .to_owned(),
            single: false,
        },
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ a-f\n.é🙂<>|]{0,40}",
        1 => Just("the sea is wide, the sea is deep. ".repeat(6)),
        1 => any::<String>(),
    ]
}

fn battle() -> impl Strategy<Value = Battle> {
    let response = prop_oneof![5 => text().prop_map(Response::Text), 1 => Just(Response::Missing)];
    let turn = (text(), response.clone(), response).prop_map(|(prompt, response_a, response_b)| Turn {
        prompt,
        response_a,
        response_b,
    });
    prop::collection::vec(turn, 1..4)
        .prop_map(|turns| Battle::new(BattleId("row".to_owned()), None, turns).unwrap())
}

fn encoder(template: Template, truncation: Truncation, byte_level: bool, max_tokens: usize) -> Encoder {
    let recipe = EncodingRecipe { template, missing: MissingResponse::default() };
    let budget = EncodingBudget { max_tokens, truncation, orders: Orders::Both };
    Encoder::new(&files(byte_level), recipe, budget).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn no_sequence_is_above_its_budget_and_the_swapped_battle_swaps_the_orders(
        battle in battle(), policy in policy(), template in prop::sample::select(templates()),
        byte_level in any::<bool>(), max_tokens in 110..400_usize, marked in any::<bool>(),
    ) {
        let marker = marked.then(|| "[...]".to_owned());
        let truncation = Truncation::Parts(PartsTruncation { marker, ..policy });
        let encoder = encoder(template, truncation, byte_level, max_tokens);
        let [first, second] = <[_; 2]>::try_from(encoder.encode(&battle).unwrap()).unwrap();
        prop_assert!(first.ids.len() <= max_tokens && second.ids.len() <= max_tokens);
        prop_assert_eq!(first.ids.len(), first.type_ids.len());
        let [other_first, other_second] =
            <[_; 2]>::try_from(encoder.encode(&battle.swapped()).unwrap()).unwrap();
        prop_assert_eq!(&first.ids, &other_second.ids);
        prop_assert_eq!(&second.ids, &other_first.ids);
    }

    #[test]
    fn what_fits_is_the_whole_text_and_what_is_cut_a_part_of_it_in_order(
        battle in battle(), policy in policy(), template in prop::sample::select(templates()),
        byte_level in any::<bool>(), side in prop::sample::select(vec![Side::Left, Side::Right, Side::Middle]),
        whole in any::<bool>(),
    ) {
        let truncation = if whole { Truncation::Whole { side } } else { Truncation::Parts(policy) };
        let shown = if template.is_single() { Shown::OnlyA } else { Shown::Ab };
        let ample = encoder(template.clone(), truncation.clone(), byte_level, 1_000_000);
        let all = ample.sequence(&battle, shown).unwrap();
        prop_assert!(!all.counts.is_cut());
        let tight = encoder(template, truncation, byte_level, 150).sequence(&battle, shown).unwrap();
        prop_assert_eq!(tight.counts.is_cut(), all.ids.len() > 150);
        let mut rest = all.ids.iter();
        prop_assert!(tight.ids.iter().all(|id| rest.any(|other| other == id)));
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let turn = |row: usize| Turn {
        prompt: format!("question {row} about the sea "),
        response_a: Response::Text("wide ".repeat(row % 37)),
        response_b: Response::Text("deep and blue ".repeat(row % 23)),
    };
    let battles: Vec<Battle> =
        (0..300).map(|row| Battle::new(BattleId(row.to_string()), None, vec![turn(row)]).unwrap()).collect();
    let encoder = encoder(templates()[0].clone(), Truncation::default(), true, 96);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| encoder.encode_all(&battles).unwrap())
    };
    assert_eq!(with(1), with(4));
}
