use super::*;

fn identity() -> Identity {
    Identity { input: "rows".to_owned(), model: "weights".to_owned() }
}

fn batches() -> [Vec<ItemValues>; 3] {
    [
        vec![(4, vec![1.5, -0.0, f32::MIN_POSITIVE / 2.0]), (0, vec![0.1, 0.2, 0.3])],
        vec![(2, vec![1.0, 2.0, 3.0])],
        vec![(1, vec![9.0, 8.0, 7.0]), (3, vec![f32::MAX, 0.0, 1.0])],
    ]
}

fn written(folder: &Path) -> PathBuf {
    let path = folder.join("journal");
    let mut journal = Journal::create(&path, &identity()).unwrap();
    for batch in batches() {
        journal.append(&batch).unwrap();
    }
    path
}

#[test]
fn what_was_appended_comes_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let (_, recovered) = Journal::resume(&path, &identity()).unwrap();
    assert_eq!(recovered.cut_bytes, 0);
    let expected: Vec<ItemValues> = batches().into_iter().flatten().collect();
    for ((item, values), (number, written)) in recovered.items.iter().zip(&expected) {
        assert_eq!(item, number);
        assert!(values.iter().zip(written).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

#[test]
fn a_file_cut_at_any_byte_keeps_its_whole_records_and_grows_on() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(written(folder.path())).unwrap();
    let path = folder.path().join("cut");
    let all: Vec<ItemValues> = batches().into_iter().flatten().collect();
    for length in 0..=whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (mut journal, recovered) = Journal::resume(&path, &identity()).unwrap();
        let known = recovered.items.len();
        assert_eq!(recovered.items, all[..known], "cut at {length}");
        assert_eq!(known == 5, length == whole.len());
        let missing =
            batches().into_iter().filter(|batch| batch.iter().all(|item| !recovered.items.contains(item)));
        for batch in missing {
            journal.append(&batch).unwrap();
        }
        drop(journal);
        assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {length}");
    }
}

#[test]
fn a_damaged_byte_costs_no_more_than_the_records_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let header = FRAME_HEAD + u32::from_le_bytes(whole[..4].try_into().unwrap()) as usize;
    for position in header..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x20;
        std::fs::write(&path, &damaged).unwrap();
        let (_, recovered) = Journal::resume(&path, &identity()).unwrap();
        assert!(recovered.items.len() < 5 && recovered.cut_bytes > 0, "byte {position}");
        assert_eq!(recovered.items, batches().concat()[..recovered.items.len()]);
    }
}

#[test]
fn another_input_or_model_and_other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    for (other, word) in [
        (Identity { input: "other".to_owned(), ..identity() }, "another input"),
        (Identity { model: "other".to_owned(), ..identity() }, "another model"),
    ] {
        let message = Journal::resume(&path, &other).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("--force"), "{message}");
    }
    assert!(matches!(Journal::create(&path, &identity()), Err(JournalError::Exists { .. })));
    let text = folder.path().join("text");
    std::fs::write(&text, "id,winner_model_a,winner_model_b,winner_tie\n".repeat(200)).unwrap();
    let message = Journal::resume(&text, &identity()).unwrap_err().to_string();
    assert!(message.contains("no journal"), "{message}");
    assert!(std::fs::metadata(&text).unwrap().len() > 100, "a foreign file was cut");
}

#[test]
fn an_item_that_stands_twice_and_a_second_process_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let (mut journal, _) = Journal::resume(&path, &identity()).unwrap();
    let message = Journal::resume(&path, &identity()).unwrap_err().to_string();
    assert!(message.contains("another process"), "{message}");
    journal.append(&[(2, vec![0.0; 3])]).unwrap();
    drop(journal);
    let message = Journal::resume(&path, &identity()).unwrap_err().to_string();
    assert!(message.contains("item 2 twice"), "{message}");
}
