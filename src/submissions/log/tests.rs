use super::*;

fn entry(run: &str, local: f64) -> Entry {
    Entry {
        date: "2026-11-24".to_owned(),
        commit: "abc1234".to_owned(),
        run: run.to_owned(),
        command: "train --config a|b.toml".to_owned(),
        split: "5 folds by prompt".to_owned(),
        n: Some(10_000),
        local: Some(local),
        standard_error: Some(0.005),
        ..Entry::default()
    }
}

#[test]
fn an_entry_comes_back_as_it_was_written() {
    let mut log = Log::parse("");
    let strange = Entry { lesson: "a \\ b | c\nnext".to_owned(), ..entry("one", 1.01234) };
    log.append(strange).unwrap();
    let again = Log::parse(&log.text());
    let read = again.entries().next().unwrap();
    assert_eq!(read.lesson, "a \\ b | c next");
    assert_eq!(*read, Entry { lesson: "a \\ b | c next".to_owned(), ..entry("one", 1.01234) });
    assert!(log.text().starts_with("# Log of experiments\n"));
}

#[test]
fn text_written_by_hand_is_kept_byte_by_byte() {
    let mut log = Log::parse("");
    log.append(entry("one", 1.01)).unwrap();
    let before = "Notes of a person,\r\n  with odd   blanks\n\n";
    let broken = "| my own row | half |\n";
    let text = format!("{before}{}{broken}\nAnd the end without a line break", log.text());
    let mut log = Log::parse(&text);
    assert_eq!(log.text(), text);
    assert_eq!(log.unreadable().len(), 1);
    log.append(entry("two", 1.0)).unwrap();
    log.set(
        "one",
        &Update { public: Some(0.987), lesson: Some("shorter prompts".to_owned()), ..Update::default() },
    )
    .unwrap();
    let changed = log.text();
    let expected = text
        .replace("| 0.00500 |  |  |  |  |\n", "| 0.00500 | 0.987 |  |  | shorter prompts |\n")
        .replace(broken, &format!("{broken}{}", table::line(&entry("two", 1.0))));
    assert_eq!(changed, expected);
}

#[test]
fn the_latest_entry_of_a_run_gets_its_scores_and_others_stay() {
    let mut log = Log::parse("");
    for local in [1.03, 1.02] {
        log.append(entry("same", local)).unwrap();
    }
    log.set("same", &Update { public: Some(1.0), ..Update::default() }).unwrap();
    log.set("same", &Update { private: Some(1.1), ..Update::default() }).unwrap();
    let entries: Vec<Entry> = Log::parse(&log.text()).entries().cloned().collect();
    assert_eq!((entries[0].public, entries[0].private), (None, None));
    assert_eq!((entries[1].public, entries[1].private), (Some(1.0), Some(1.1)));
    let error = log.set("other", &Update::default()).unwrap_err().to_string();
    assert!(error.contains("`other`") && error.contains("same"), "{error}");
}

#[test]
fn values_that_are_no_entry_are_refused() {
    let mut log = Log::parse("");
    for date in ["24.11.2026", "2026-13-01", "2026-1-1", "+026-01-01", ""] {
        assert!(log.append(Entry { date: date.to_owned(), ..entry("x", 1.0) }).is_err(), "{date}");
    }
    assert!(log.append(Entry { run: " ".to_owned(), ..entry("x", 1.0) }).is_err());
    assert!(log.append(entry("x", f64::NAN)).is_err());
    assert_eq!(log.text(), "");
}

#[test]
fn changes_of_many_threads_all_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("LOG.md");
    append(&path, entry("first", 1.0)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                (0..10).for_each(|i| append(path, entry(&format!("{thread}-{i}"), 1.0)).unwrap());
            });
        }
    });
    assert_eq!(read(&path).unwrap().entries().count(), 41);
}

#[test]
fn local_and_public_scores_are_compared_with_the_noise_of_both() {
    let with_public = |run: &str, local: f64, public: f64| Entry {
        public: Some(public),
        public_rows: Some(2_500),
        ..entry(run, local)
    };
    let entries = [
        with_public("a", 1.00, 0.98),
        with_public("b", 1.01, 1.00),
        with_public("c", 1.02, 0.99),
        entry("d", 0.9),
    ];
    let result = summary(entries.iter());
    assert_eq!(result.comparisons.len(), 3);
    let first = &result.comparisons[0];
    // 0.005 at 10,000 rows is a spread of 0.5, so 0.01 at 2,500 rows.
    assert!((first.public_standard_error.unwrap() - 0.01).abs() < 1e-12);
    assert!(
        (first.difference_standard_error.unwrap() - (0.005_f64.powi(2) + 0.01_f64.powi(2)).sqrt()).abs()
            < 1e-12
    );
    assert!((result.spearman.unwrap() - 0.5).abs() < 1e-12);
    assert!((result.mean_shift.unwrap() + 0.02).abs() < 1e-12);
    assert!(summary(entries[..2].iter()).spearman.is_none());
}
