//! Nothing that a file can hold makes a reader panic, and no text is changed on its way.

#![allow(clippy::unwrap_used, reason = "the helpers of tests unwrap like the tests")]

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tiebreak::sources::read_labels;
use tiebreak::tables::{Table, json_value, predictions, string_array};

use crate::sources::{FIXTURES, fixture, rows_of};

#[test]
fn a_file_cut_off_anywhere_is_read_or_refused_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["lmsys_train.csv", "pairs_messages.jsonl", "wsdm_train.parquet", "arena_140k.parquet"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let path = folder.path().join(name);
        for length in (0..bytes.len()).step_by(7) {
            fs::write(&path, &bytes[..length]).unwrap();
            let found = rows_of(&path);
            assert!(found.is_err() || !name.ends_with("parquet"), "{name} cut at {length} bytes was read");
        }
    }
}

/// CSV text of rows, every field in quotes.
fn quoted_csv(rows: &[Vec<String>]) -> String {
    let field = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
    rows.iter().map(|row| row.iter().map(field).collect::<Vec<_>>().join(",") + "\n").collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

    #[test]
    fn any_text_survives_csv(values in prop::collection::vec(any::<[String; 3]>(), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.csv");
        let mut rows = vec![vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]];
        rows.extend(values.iter().map(|row| row.to_vec()));
        fs::write(&path, quoted_csv(&rows)).unwrap();
        let mut found = Vec::new();
        Table::open(&path).unwrap().for_each_row(|row| {
            found.push(row.cells.iter().map(|cell| cell.text().unwrap().into_owned()).collect::<Vec<_>>());
            Ok(())
        }).unwrap();
        prop_assert_eq!(&found, &rows[1..]);
    }

    #[test]
    fn a_list_of_any_texts_decodes_as_a_strict_parser_says(texts in any::<Vec<Option<String>>>()) {
        let json = serde_json::to_string(&texts).unwrap();
        let found = string_array(&json).unwrap();
        prop_assert_eq!(found.items, texts);
        prop_assert_eq!(found.lone_surrogates, 0);
    }

    #[test]
    fn any_text_is_a_list_or_refused_as_a_strict_parser_does(text in r#"[\[\]",nul \\u0d8a]{0,24}"#) {
        let strict: Option<Vec<Option<String>>> = serde_json::from_str(&text).ok();
        let ours = string_array(&text).ok();
        if strict.is_some() {
            prop_assert_eq!(ours.map(|array| array.items), strict);
        } else if let Some(array) = ours {
            prop_assert!(array.lone_surrogates > 0, "only lone surrogates are forgiven in `{}`", text);
        }
        let _ = json_value(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        for prefix in ["", "id,prompt,response_a,response_b,winner\n", "{", "PAR1"] {
            fs::write(&path, [prefix.as_bytes(), &bytes].concat()).unwrap();
            let _ = rows_of(&path);
            let _ = read_labels(&path);
            let _ = predictions::read(&path);
        }
    }

    #[test]
    fn damaged_texts_are_read_or_refused_and_never_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let folder = tempfile::tempdir().unwrap();
        for (name, _, _, _) in FIXTURES.iter().filter(|(name, ..)| !name.ends_with("parquet")) {
            let mut bytes = fs::read(fixture(name)).unwrap();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let path = folder.path().join(name);
            fs::write(&path, &bytes).unwrap();
            let _ = rows_of(&path);
        }
    }
}

#[test]
fn a_parquet_file_with_a_damaged_footer_is_read_or_refused_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.parquet");
    let bytes = fs::read(fixture("wsdm_train.parquet")).unwrap();
    let length_at = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[length_at..length_at + 4].try_into().unwrap());
    let mut refused = 0;
    for place in length_at - length as usize..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        refused += usize::from(rows_of(&path).is_err());
    }
    assert!(refused > 100, "only {refused} damaged footers were noticed");
}
