//! The doctor names every injected fault and leaves sound files alone.

#![allow(clippy::unwrap_used, reason = "a test whose input cannot be made must fail")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tiebreak::battle::{Battle, BattleId, Probabilities, Response, Turn};
use tiebreak::submissions::doctor::{Case, Diagnosis, Reference, Severity, check};
use tiebreak::submissions::{DEFAULT_FLOOR, SubmissionFormat};

const PRIOR: [f64; 3] = [0.349, 0.342, 0.309];

/// How much noise lies over what a predictor sees of the truth, whose own spread is 1.
const STRENGTHS: [(&str, f64); 4] =
    [("strong", 0.4), ("usual", 1.5), ("weak", 5.0), ("near the prior", 40.0)];

/// A test set whose true log-odds are known.
struct Arena {
    battles: Vec<Battle>,
    /// Log-odds of A against B and of a tie against both.
    truth: Vec<[f64; 2]>,
}

fn normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

/// Rows on shared prompts; the tie-proneness of a prompt is common to its rows, some responses are empty
/// and some identical.
fn arena(n: usize, rows_per_prompt: usize, random: &mut ChaCha8Rng) -> Arena {
    let (mut battles, mut truth) = (Vec::new(), Vec::new());
    let mut tie_of_prompt = 0.0;
    for row in 0..n {
        if row % rows_per_prompt == 0 {
            tie_of_prompt = normal(random);
        }
        let kind = random.random_range(0..100_u32);
        let (response_a, response_b, log_odds) = match kind {
            0 => (String::new(), format!("answer {row}"), [-2.5, 0.0]),
            1 => (format!("answer {row}"), String::new(), [2.5, 0.0]),
            2 => ("same".to_owned(), "same".to_owned(), [0.0, 2.5]),
            _ => {
                let tie = 0.7 * tie_of_prompt + 0.7 * normal(random);
                (format!("answer {row}"), format!("other {row}"), [normal(random), tie])
            }
        };
        let turn = Turn {
            prompt: format!("prompt {}", row / rows_per_prompt),
            response_a: Response::Text(response_a),
            response_b: Response::Text(response_b),
        };
        let id = BattleId((4_000_000_000 + 7 * row as u64).to_string());
        battles.push(Battle::new(id, None, vec![turn]).unwrap());
        truth.push(log_odds);
    }
    Arena { battles, truth }
}

/// A predictor that sees the truth through noise and shrinks as it should; `sharpness` 1 is calibrated.
fn predict(arena: &Arena, noise: f64, sharpness: f64, random: &mut ChaCha8Rng) -> Vec<Probabilities> {
    let shrink = sharpness / (1.0 + noise * noise);
    arena
        .truth
        .iter()
        .map(|[side, tie]| {
            let side = 1.2 * shrink * (side + noise * normal(random));
            let tie = 0.8 * shrink * (tie + noise * normal(random));
            let [a, b, t] = PRIOR.map(f64::ln);
            Probabilities::from_logits([a + side / 2.0, b - side / 2.0, t + tie]).unwrap()
        })
        .collect()
}

fn with_ids(arena: &Arena, predictions: &[Probabilities]) -> Vec<(BattleId, Probabilities)> {
    arena.battles.iter().map(|battle| battle.id.clone()).zip(predictions.iter().copied()).collect()
}

fn reference(arena: &Arena, noise: f64, random: &mut ChaCha8Rng) -> Reference {
    let predictions = with_ids(arena, &predict(arena, noise, 1.0, random));
    Reference { name: "cheap".to_owned(), predictions, class_shares: Some(PRIOR) }
}

fn diagnose(bytes: &[u8], arena: &Arena, reference: Option<&Reference>) -> Diagnosis {
    check(&Case {
        submission: bytes,
        format: None,
        test: &arena.battles,
        sample: None,
        reference,
        swapped: None,
        constant_is_meant: false,
    })
}

fn alarms(diagnosis: &Diagnosis) -> Vec<String> {
    let findings = diagnosis.findings.iter().filter(|finding| finding.severity != Severity::Note);
    findings.map(|finding| format!("{}: {}", finding.code, finding.message)).collect()
}

fn printed(rows: &[(BattleId, Probabilities)], digits: usize) -> String {
    let mut text = "id,winner_model_a,winner_model_b,winner_tie\n".to_owned();
    for (id, p) in rows {
        let [a, b, tie] = p.to_array();
        text.push_str(&format!("{id},{a:.digits$},{b:.digits$},{tie:.digits$}\n"));
    }
    text
}

#[test]
fn fifty_sound_files_and_many_more_raise_no_alarm() {
    let mut n_files = 0;
    for seed in 0..6_u64 {
        for n in [3, 100, 700] {
            for (strength, noise) in STRENGTHS {
                for (of_reference, reference_noise) in STRENGTHS {
                    let mut random = ChaCha8Rng::seed_from_u64(seed * 1000 + n as u64);
                    let arena = arena(n, [1, 3, 40][seed as usize % 3], &mut random);
                    let reference = reference(&arena, reference_noise, &mut random);
                    let sharpness = [1.0, 1.3, 0.7][seed as usize % 3];
                    let mut rows = with_ids(&arena, &predict(&arena, noise, sharpness, &mut random));
                    if seed % 2 == 1 {
                        rows.reverse();
                    }
                    let text = match seed {
                        0 => printed(&rows, 4),
                        1 => printed(&rows, 16),
                        _ => String::from_utf8(SubmissionFormat::Lmsys.write(&rows, DEFAULT_FLOOR).unwrap())
                            .unwrap(),
                    };
                    let found = alarms(&diagnose(text.as_bytes(), &arena, Some(&reference)));
                    assert!(
                        found.is_empty(),
                        "{strength} file, {of_reference} reference, n {n}, {seed}: {found:?}"
                    );
                    n_files += 1;
                }
            }
        }
    }
    assert!(n_files >= 50);
}

#[test]
fn large_sound_files_raise_no_alarm() {
    for (seed, (strength, noise)) in STRENGTHS.into_iter().enumerate() {
        for (_, reference_noise) in STRENGTHS {
            let mut random = ChaCha8Rng::seed_from_u64(900 + seed as u64);
            let arena = arena(5000, 1 + seed, &mut random);
            let reference = reference(&arena, reference_noise, &mut random);
            let rows = with_ids(&arena, &predict(&arena, noise, 1.0, &mut random));
            let bytes = SubmissionFormat::Lmsys.write(&rows, DEFAULT_FLOOR).unwrap();
            let found = alarms(&diagnose(&bytes, &arena, Some(&reference)));
            assert!(found.is_empty(), "{strength}: {found:?}");
        }
    }
}

#[test]
fn sound_files_of_winners_raise_no_alarm() {
    for seed in 0..50_u64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let n = [3, 100, 2000][seed as usize % 3];
        let arena = arena(n, 2, &mut random);
        let reference = reference(&arena, 1.5, &mut random);
        let noise = [0.4, 1.5, 5.0][(seed / 3) as usize % 3];
        let rows = with_ids(&arena, &predict(&arena, noise, 1.0, &mut random));
        let bytes = SubmissionFormat::Wsdm.write(&rows, DEFAULT_FLOOR).unwrap();
        let diagnosis = diagnose(&bytes, &arena, Some(&reference));
        assert_eq!(diagnosis.format, SubmissionFormat::Wsdm);
        assert!(alarms(&diagnosis).is_empty(), "{seed}: {:?}", alarms(&diagnosis));
    }
}

/// A sound file of a usual predictor, its arena and a weaker reference.
fn sound(seed: u64, n: usize) -> (Arena, Reference, Vec<(BattleId, Probabilities)>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let arena = arena(n, 1, &mut random);
    let reference = reference(&arena, 1.5, &mut random);
    let rows = with_ids(&arena, &predict(&arena, 1.0, 1.0, &mut random));
    (arena, reference, rows)
}

/// The eight faults: what happens to the lines of a file, and the code that names it.
fn inject(fault: &str, text: &str) -> String {
    let mut lines: Vec<Vec<String>> =
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let last = lines.len() - 1;
    match fault {
        "columns-exchanged" => lines[1..].iter_mut().for_each(|line| line.swap(1, 2)),
        "rows-shifted" => {
            let values: Vec<Vec<String>> = lines[1..].iter().map(|line| line[1..].to_vec()).collect();
            for (row, line) in lines[1..].iter_mut().enumerate() {
                line.splice(1.., values[(row + 1) % values.len()].clone());
            }
        }
        "constant-rows" => lines[1..].iter_mut().for_each(|line| {
            line.splice(1.., ["0.3401", "0.3298", "0.3301"].map(str::to_owned));
        }),
        "id-missing" => drop(lines.remove(last / 2)),
        "id-repeated" => lines[last][0] = lines[1][0].clone(),
        "not-a-number" => lines[last][2] = "NaN".to_owned(),
        "sum-off" => lines[2][3] = format!("{}", lines[2][3].parse::<f64>().unwrap() * 0.9),
        "zero-probability" => {
            lines[last].splice(1.., ["0.0", "0.75", "0.25"].map(str::to_owned));
        }
        _ => unreachable!("no such fault"),
    }
    lines.iter().map(|line| line.join(",") + "\n").collect()
}

const FAULTS: [&str; 8] = [
    "columns-exchanged",
    "rows-shifted",
    "constant-rows",
    "id-missing",
    "id-repeated",
    "not-a-number",
    "sum-off",
    "zero-probability",
];

#[test]
fn each_of_eight_injected_faults_is_named_as_an_error() {
    for (n, seeds) in [(300, 0..10_u64), (2000, 10..14)] {
        for seed in seeds {
            let (arena, reference, rows) = sound(seed, n);
            let text =
                String::from_utf8(SubmissionFormat::Lmsys.write(&rows, DEFAULT_FLOOR).unwrap()).unwrap();
            assert!(alarms(&diagnose(text.as_bytes(), &arena, Some(&reference))).is_empty());
            for fault in FAULTS {
                let diagnosis = diagnose(inject(fault, &text).as_bytes(), &arena, Some(&reference));
                assert!(diagnosis.names(fault), "{fault} in {n} rows, {seed}: {:?}", alarms(&diagnosis));
                assert!(!diagnosis.is_sound(), "{fault} is no error");
                let unrelated: Vec<&str> = FAULTS
                    .into_iter()
                    .filter(|other| *other != fault && diagnosis.names(other))
                    .filter(|other| !(fault == "id-repeated" && *other == "id-missing"))
                    .collect();
                assert!(unrelated.is_empty(), "{fault} was also called {unrelated:?}");
            }
        }
    }
}

#[test]
fn winners_that_are_exchanged_or_shifted_are_named() {
    let (arena, reference, rows) = sound(3, 2000);
    let text = String::from_utf8(SubmissionFormat::Wsdm.write(&rows, DEFAULT_FLOOR).unwrap()).unwrap();
    let exchanged = text.replace("model_a", "?").replace("model_b", "model_a").replace('?', "model_b");
    assert!(diagnose(exchanged.as_bytes(), &arena, Some(&reference)).names("columns-exchanged"));
    let lines: Vec<&str> = text.lines().collect();
    let mut shifted = "id,winner\n".to_owned();
    for (row, line) in lines[1..].iter().enumerate() {
        let (id, _) = line.split_once(',').unwrap();
        let (_, winner) = lines[1 + (row + 1) % (lines.len() - 1)].split_once(',').unwrap();
        shifted.push_str(&format!("{id},{winner}\n"));
    }
    assert!(diagnose(shifted.as_bytes(), &arena, Some(&reference)).names("rows-shifted"));
    let tie = text.replacen("model_a", "tie", 1);
    assert!(diagnose(tie.as_bytes(), &arena, None).names("winner-unknown"));
}

#[test]
fn other_faults_of_form_are_named() {
    let (arena, _, rows) = sound(1, 100);
    let text = String::from_utf8(SubmissionFormat::Lmsys.write(&rows, DEFAULT_FLOOR).unwrap()).unwrap();
    let with_index: String = text
        .lines()
        .enumerate()
        .map(|(row, line)| if row == 0 { format!(",{line}\n") } else { format!("{},{line}\n", row - 1) })
        .collect();
    let cases: [(&str, Vec<u8>); 12] = [
        ("empty-file", Vec::new()),
        ("index-column", with_index.into_bytes()),
        ("column-missing", text.replace("winner_tie", "tie").into_bytes()),
        ("column-missing", text.replace(',', ";").into_bytes()),
        ("column-repeated", text.replacen("winner_model_b", "winner_model_a", 1).into_bytes()),
        (
            "column-order",
            text.replacen("id,winner_model_a,winner_model_b", "id,winner_model_b,winner_model_a", 1)
                .into_bytes(),
        ),
        ("byte-order-mark", format!("\u{feff}{text}").into_bytes()),
        ("not-utf8", [text.as_bytes(), b"\xff\xfe,0.2,0.3,0.5\n"].concat()),
        ("field-count", text.replacen("\n4000000000,", "\n4000000000,9,", 1).into_bytes()),
        ("out-of-range", text.replacen(",0.", ",-0.", 1).into_bytes()),
        ("not-numeric", text.replacen(",0.", ",a.", 1).into_bytes()),
        ("id-extra", text.replace("\n4000000007,", "\n4000000007.0,").into_bytes()),
    ];
    for (code, bytes) in cases {
        let diagnosis = diagnose(&bytes, &arena, None);
        assert!(diagnosis.names(code), "{code}: {:?}", alarms(&diagnosis));
    }
}

#[test]
fn the_worst_case_is_the_row_that_would_cost_most() {
    let (arena, _, rows) = sound(1, 100);
    let text = printed(&rows, 6);
    let text = text.replacen(text.lines().nth(5).unwrap(), "4000000028,0.00001,0.5,0.49999", 1);
    let worst = diagnose(text.as_bytes(), &arena, None).worst_case.unwrap();
    assert_eq!((worst.row.row, worst.column), (Some(5), "winner_model_a"));
    assert!((worst.nats - 1e5_f64.ln()).abs() < 1e-9);
    assert!((worst.share_of_score - 1e5_f64.ln() / 100.0).abs() < 1e-9);
}

#[test]
fn predictions_of_swapped_battles_that_were_not_exchanged_back_are_named() {
    let (arena, _, rows) = sound(4, 500);
    let straight = SubmissionFormat::Lmsys.write(&rows, DEFAULT_FLOOR).unwrap();
    let exchanged: Vec<_> = rows.iter().map(|(id, p)| (id.clone(), p.swapped())).collect();
    let swapped = SubmissionFormat::Lmsys.write(&exchanged, DEFAULT_FLOOR).unwrap();
    let case = |swapped| Case {
        submission: &straight,
        format: None,
        test: &arena.battles,
        sample: None,
        reference: None,
        swapped: Some(swapped),
        constant_is_meant: false,
    };
    let sound = check(&case(&swapped));
    assert!(alarms(&sound).is_empty() && !sound.names("swap-inconsistent"), "{:?}", sound.findings);
    assert!(check(&case(&straight)).names("swap-opposed"));
}
