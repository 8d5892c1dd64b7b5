//! Token ids against transformers; `encoding.py` printed `encoding.json`.

use serde::Deserialize;
use tiebreak::battle::{Battle, BattleId, Response, Turn};
use tiebreak::encoding::{
    ChatLayout, Encoder, EncodingBudget, EncodingError, EncodingRecipe, Labels, MissingResponse, Orders,
    PadOrigin, Shown, Side, Template, TokenizerFiles, Truncation,
};

/// Prompt, response A, response B.
type TurnTexts = (String, Option<String>, Option<String>);

#[derive(Deserialize)]
struct Golden {
    battles: Vec<Vec<TurnTexts>>,
    thinking: String,
    note: serde_json::Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    tokenizer: String,
    battle: usize,
    template: String,
    text: Option<String>,
    ids: Vec<u32>,
    type_ids: Vec<u32>,
}

macro_rules! fixture {
    ($name:literal) => {
        TokenizerFiles {
            tokenizer: include_bytes!(concat!("../fixtures/tokenizers/", $name, "/tokenizer.json")).to_vec(),
            config: Some(
                include_bytes!(concat!("../fixtures/tokenizers/", $name, "/tokenizer_config.json")).to_vec(),
            ),
            chat_template: None,
        }
    };
}

fn files(name: &str) -> TokenizerFiles {
    match name {
        "wordpiece" => fixture!("wordpiece"),
        "hidden" => fixture!("hidden"),
        "byte_level" => fixture!("byte_level"),
        _ => TokenizerFiles {
            chat_template: Some(include_str!("../fixtures/tokenizers/gemma/chat_template.jinja").to_owned()),
            ..fixture!("gemma")
        },
    }
}

fn battles(golden: &Golden) -> Vec<Battle> {
    let response =
        |text: &Option<String>| text.as_ref().map_or(Response::Missing, |text| Response::Text(text.clone()));
    golden
        .battles
        .iter()
        .enumerate()
        .map(|(row, turns)| {
            let turns = turns.iter().map(|(prompt, a, b)| Turn {
                prompt: prompt.clone(),
                response_a: response(a),
                response_b: response(b),
            });
            Battle::new(BattleId(row.to_string()), None, turns.collect()).unwrap()
        })
        .collect()
}

fn template(name: &str) -> Template {
    let labels = Labels::default();
    let variables = std::collections::BTreeMap::new();
    match name {
        "interleaved" => Template::Interleaved { labels },
        "single" => Template::Single { labels, pair: false },
        "pair" => Template::Concatenated { labels, pair: true },
        "single_pair" => Template::Single { labels, pair: true },
        "single_chat" | "thoughtful" => Template::SingleChat { variables },
        "chat" => Template::Chat {
            instruction: "Judge.\n\n".to_owned(),
            layout: ChatLayout::Interleaved,
            labels,
            ending: "\n\nWhich is better?".to_owned(),
            add_generation_prompt: true,
            variables,
        },
        _ => Template::Concatenated { labels, pair: false },
    }
}

fn encoder(tokenizer: &str, template: Template, budget: EncodingBudget) -> Encoder {
    let recipe = EncodingRecipe { template, missing: MissingResponse::default() };
    Encoder::new(&files(tokenizer), recipe, budget).unwrap()
}

fn ample() -> EncodingBudget {
    EncodingBudget { max_tokens: 10_000, truncation: Truncation::default(), orders: Orders::Both }
}

/// A truncation to 24 tokens for the cases that transformers cut, none otherwise.
fn budget(template: &str) -> EncodingBudget {
    let cut = |side| EncodingBudget { max_tokens: 24, truncation: Truncation::Whole { side }, ..ample() };
    match template {
        "whole_left" => cut(Side::Left),
        "whole_right" => cut(Side::Right),
        _ => ample(),
    }
}

/// The template of the case; that of `thinking` gets the variables of the program.
fn template_of(case: &Case, golden: &Golden) -> Template {
    let mut template = template(&case.template);
    if let (Template::Chat { variables, .. } | Template::SingleChat { variables }, "thinking") =
        (&mut template, case.tokenizer.as_str())
    {
        variables.insert("note".to_owned(), golden.note.clone());
        variables.insert("thinking".to_owned(), false.into());
    }
    template
}

fn with_thoughts(battle: &Battle) -> Battle {
    let turns = battle.turns.iter().map(|turn| {
        let first = if turn.response_a.is_missing() { "null" } else { turn.response_a.as_str() };
        Turn { response_a: Response::Text(format!("<think>\nhm\n</think>\n\n{first}")), ..turn.clone() }
    });
    Battle::new(battle.id.clone(), None, turns.collect()).unwrap()
}

#[test]
fn the_ids_of_every_template_and_tokenizer_are_those_of_transformers() {
    let golden: Golden = serde_json::from_str(include_str!("encoding.json")).unwrap();
    let battles = battles(&golden);
    assert!(golden.cases.len() > 100);
    for case in &golden.cases {
        let template = template_of(case, &golden);
        let shown = if template.is_single() { Shown::OnlyA } else { Shown::Ab };
        let mut files = files(&case.tokenizer);
        if case.tokenizer == "thinking" {
            files =
                TokenizerFiles { chat_template: Some(golden.thinking.clone()), ..self::files("byte_level") };
        }
        let recipe = EncodingRecipe { template, missing: MissingResponse::default() };
        let encoder = Encoder::new(&files, recipe, budget(&case.template)).unwrap();
        let mut battle = battles[case.battle].clone();
        if case.template == "thoughtful" {
            battle = with_thoughts(&battle);
        }
        let name = format!("{} {} {}", case.tokenizer, case.template, case.battle);
        let found = encoder.sequence(&battle, shown).unwrap();
        if let Some(text) = &case.text {
            assert_eq!(&encoder.text(&battle, shown).unwrap().concat(), text, "{name}");
        }
        assert_eq!(found.ids, case.ids, "{name}");
        assert_eq!(found.type_ids, case.type_ids, "{name}");
    }
}

#[test]
fn a_template_that_already_writes_the_special_tokens_gets_no_second_ones() {
    let golden: Golden = serde_json::from_str(include_str!("encoding.json")).unwrap();
    let battle = &battles(&golden)[0];
    let custom = |source: &str| Template::Custom { template: source.to_owned(), single: false };
    for source in ["{{ bos_token }}{{ turns[0].prompt }}", "{{ turns[0].prompt }}"] {
        let found = encoder("gemma", custom(source), ample()).sequence(battle, Shown::Ab).unwrap();
        assert_eq!(found.ids.iter().filter(|id| **id == 2).count(), 1, "{source}");
        assert_eq!(found.ids[0], 2);
    }
    let both = "{{ cls_token }}{{ turns[0].prompt }}{{ sep_token }}";
    let found = encoder("wordpiece", custom(both), ample()).sequence(battle, Shown::Ab).unwrap();
    assert_eq!((found.ids[0], found.ids[1] == 2, *found.ids.last().unwrap()), (2, false, 3));
    assert_eq!(found.ids.iter().filter(|id| **id == 3).count(), 1);
}

#[test]
fn a_truncation_and_a_padding_hidden_in_the_file_change_nothing() {
    let golden: Golden = serde_json::from_str(include_str!("encoding.json")).unwrap();
    for battle in &battles(&golden) {
        let [plain, hidden] = ["wordpiece", "hidden"]
            .map(|name| encoder(name, template("interleaved"), ample()).sequence(battle, Shown::Ab).unwrap());
        assert_eq!(plain, hidden);
    }
}

#[test]
fn the_padding_token_is_found_where_it_is_named_and_checked() {
    let origin = |name| encoder(name, template("single"), ample()).pad().unwrap();
    assert_eq!((origin("wordpiece").id, origin("wordpiece").origin), (0, PadOrigin::Config));
    assert_eq!((origin("hidden").id, origin("hidden").origin), (0, PadOrigin::Tokenizer));
    let with = |config: &str| {
        let files = TokenizerFiles { config: Some(config.as_bytes().to_vec()), ..files("byte_level") };
        let recipe = EncodingRecipe { template: template("single"), missing: MissingResponse::default() };
        Encoder::new(&files, recipe, ample()).unwrap().pad()
    };
    assert_eq!(with(r#"{"eos_token":"<|im_end|>"}"#).unwrap().origin, PadOrigin::EndOfSequence);
    assert!(matches!(with("{}"), Err(EncodingError::NoPad)));
    assert!(with(r#"{"pad_token":"<nowhere>"}"#).unwrap_err().to_string().contains("`<nowhere>`"));
}

#[test]
fn a_vocabulary_above_the_embedding_is_named() {
    let encoder = encoder("gemma", template("single"), ample());
    assert!(encoder.check_vocabulary(10_000).is_ok());
    let failed = encoder.check_vocabulary(100).unwrap_err().to_string();
    assert!(failed.contains("the model's embedding has 100 rows"), "{failed}");
}

#[test]
fn a_view_shows_the_ids_of_the_sequence_with_their_parts() {
    let golden: Golden = serde_json::from_str(include_str!("encoding.json")).unwrap();
    let battle = &battles(&golden)[4];
    for name in ["chat", "interleaved", "concatenated"] {
        let budget = EncodingBudget { max_tokens: 120, ..ample() };
        let encoder = encoder("gemma", template(name), budget);
        let (views, sequences) = (encoder.views(battle).unwrap(), encoder.encode(battle).unwrap());
        assert_eq!(views.len(), 2);
        for (view, sequence) in views.iter().zip(&sequences) {
            let ids: Vec<u32> = view.tokens.iter().map(|token| token.id).collect();
            assert_eq!(ids, sequence.ids);
            assert_eq!(view.counts, sequence.counts);
            assert!(sequence.ids.len() <= 120 && sequence.counts.is_cut(), "{name} {}", ids.len());
            assert!(view.text.contains("Die"), "{}", view.text);
        }
    }
}

#[test]
fn a_fault_names_the_battle_and_the_way_out() {
    let golden: Golden = serde_json::from_str(include_str!("encoding.json")).unwrap();
    let battles = battles(&golden);
    let tight = EncodingBudget { max_tokens: 12, ..ample() };
    let failed = encoder("gemma", template("chat"), tight).encode_all(&battles).unwrap_err().to_string();
    assert!(failed.starts_with("battle `0`: ") && failed.contains("raise `max_tokens`"), "{failed}");
    let made = |name: &str, template| {
        let recipe = EncodingRecipe { template, missing: MissingResponse::default() };
        Encoder::new(&files(name), recipe, ample())
    };
    assert!(matches!(made("wordpiece", template("chat")), Err(EncodingError::NoChatTemplate)));
    let nothing = Template::Custom { template: "{{ turns[0].prompt }}".to_owned(), single: false };
    let failed = made("byte_level", nothing).unwrap().encode(&battles[2]).unwrap_err().to_string();
    assert!(failed.starts_with("battle `2`: the sequence is empty"), "{failed}");
}

#[test]
fn another_budget_keeps_the_identity_and_another_tokenizer_changes_it() {
    let order = ["model_a", "model_b", "tie"].map(str::to_owned);
    let one = encoder("wordpiece", template("single"), ample());
    let identity = one.identity(1, &order);
    let tight = one.with_budget(EncodingBudget { max_tokens: 9, ..ample() }).unwrap();
    assert_eq!(tight.identity(1, &order).hash(), identity.hash());
    let hidden = encoder("hidden", template("single"), ample()).identity(1, &order);
    assert_eq!(identity.difference(&hidden), Some("tokenizer.json"));
    assert!(encoder("gemma", template("chat"), ample()).identity(1, &order).chat_template.is_some());
    assert!(encoder("gemma", template("single"), ample()).identity(1, &order).chat_template.is_none());
}
