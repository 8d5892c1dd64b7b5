//! Labels that a run gives and the next run learns from: the loop, the fold that stays honest, what is refused.

use serde_json::Value;

use crate::language_model::{Shop, lines};
use crate::workshop::Said;

const TEACHER: &str = "[validation]\nfolds = 3\n[post_processing]\ncalibrator = \"identity\"\n[[predictor]]\nkind = \"linear\"\n\
     groups = [\"length\"]\nuse_lexical = false\npenalties = { kind = \"fixed\", odd = 0.01, even = 0.01 }\n";

/// A simulated arena with a linear run `teacher`.
fn arena(more: &str) -> Shop {
    let shop = Shop::new(1, 1);
    shop.run("simulate --battles 150 --test-battles 60 --seed 3 --out data").json();
    shop.write("teacher.toml", TEACHER);
    shop.run(&format!("train --config teacher.toml --train data/train.csv --run teacher {more}")).json();
    shop
}

/// A run that learns from `labels.csv` of a file beside the training data.
fn student(shop: &Shop, run: &str, file: &str, more: &str) -> Said {
    let data = "[[data]]\npath = \"data/train.csv\"\n[[data]]\npath = \"FILE\"\nrole = \"extra\"\nlabels = \"labels.csv\"\n";
    shop.write("student.toml", &format!("{}{TEACHER}", data.replace("FILE", file)));
    shop.run(&format!("train --config student.toml --run {run} --force {more}"))
}

fn json(shop: &Shop, name: &str) -> Value {
    serde_json::from_slice(&shop.read(name)).unwrap()
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no count `{name}` in {value}"))
}

#[test]
fn a_run_labels_battles_the_next_one_learns_from_them_and_a_chain_of_labels_is_kept() {
    let shop = arena("");
    let said = shop.run("pseudo --run teacher data/test.csv --out labels.csv").json();
    assert_eq!((count(&said, "offered"), count(&said, "kept")), (60, 60));
    shop.run("predict --run teacher data/test.csv --out p.csv").json();
    assert_eq!(shop.read("labels.csv"), shop.read("p.csv"));
    let taught = student(&shop, "student", "data/test.csv", "");
    let metrics = taught.json();
    assert_ne!(shop.read("models/student/oof.csv"), shop.read("models/teacher/oof.csv"));

    // Every held-out vote had taught the labeller.
    let warned = metrics["warnings"].to_string();
    let says =
        "pseudo-labels `labels.csv`: run `teacher` learned from votes on the prompts of 150 of the 150 rows";
    for text in
        [&warned, &taught.stderr, &String::from_utf8(shop.read("models/student/report/report.md")).unwrap()]
    {
        assert!(text.contains(says) && text.contains("--fold K"), "{text}");
    }
    assert!(metrics["split"].as_str().unwrap().contains("60 extra rows (60 labelled by run `teacher`)"));
    let identity = json(&shop, "models/student/manifest.json")["identity"].clone();
    assert_eq!(count(&identity["data"][1]["rows"], "soft_labels"), 60);
    let used = &identity["pseudo_labels"][0];
    let teacher = json(&shop, "models/teacher/manifest.json")["identity"].clone();
    assert_eq!(used["labeller"]["data"], teacher["data"]);
    assert_eq!(used["inputs"][0]["content_hash"], identity["data"][1]["content_hash"]);
    assert_eq!(*used, json(&shop, "labels.ancestry.json")["labels"]);

    // The student labels in turn: its labels know what the teacher's knew, and say so.
    shop.run("simulate --battles 40 --test-battles 30 --seed 9 --out more").json();
    shop.run("pseudo --run student more/test.csv --out labels.csv").json();
    let chain = json(&shop, "labels.ancestry.json");
    assert_eq!(chain["labels"]["labeller"]["run"], "student");
    assert_eq!(chain["labels"]["labeller"]["pseudo_labels"][0], *used);
    shop.write(
        "other.toml",
        &format!("[[data]]\npath = \"more/test.csv\"\nrole = \"extra\"\nlabels = \"labels.csv\"\n{TEACHER}"),
    );
    let other = shop.run("train --config other.toml --train more/train.csv --run other");
    assert!(!other.stderr.contains("learned from votes"), "{}", other.stderr);
    other.json();
    let prompts = String::from_utf8(shop.read("models/other/prompts.csv")).unwrap();
    let of_labellers = prompts.lines().filter(|line| line.contains(",labeller,")).count();
    assert_eq!(of_labellers, chain["prompts"].as_array().unwrap().len());
    // Two hands away the votes are still known.
    shop.run("pseudo --run other data/test.csv --out labels.csv").json();
    let again = student(&shop, "again", "data/test.csv", "");
    assert!(
        again.stderr.contains("run `other` learned from votes on the prompts of 150 of the 150"),
        "{}",
        again.stderr
    );
}

#[test]
fn the_model_of_one_fold_labels_without_what_that_fold_holds_out() {
    let shop = arena("--set final.fit=fold_mean");
    shop.run("pseudo --run teacher data/test.csv --out labels.csv --fold 1").json();
    // The same as the run that ships this model alone.
    shop.run("train --config teacher.toml --train data/train.csv --run alone --set final.fit=fold:1").json();
    shop.run("predict --run alone data/test.csv --out p.csv").json();
    assert_eq!(shop.read("labels.csv"), shop.read("p.csv"));
    let known = |name: &str| json(&shop, name)["prompts"].as_array().unwrap().len();
    let of_fold = known("labels.ancestry.json");
    shop.run("pseudo --run alone data/test.csv --out alone.csv").json();
    assert_eq!(known("alone.ancestry.json"), of_fold);

    let honest = student(&shop, "honest", "data/test.csv", "--set validation.train_folds=[1]");
    assert!(!honest.stderr.contains("pseudo-labels `"), "{}", honest.stderr);
    assert!(!honest.json()["warnings"].to_string().contains("pseudo-labels `"));
    let others = student(&shop, "others", "data/test.csv", "");
    others.json();
    assert!(others.stderr.contains("held out here (folds 0, 2)"), "{}", others.stderr);
    assert!(others.stderr.contains("validation.train_folds=[1]"), "{}", others.stderr);

    shop.run("pseudo --run teacher data/test.csv --out all.csv").json();
    assert!(known("all.ancestry.json") > of_fold);
    shop.run("pseudo --run teacher data/test.csv --out l.csv --fold 7")
        .refuses(&["run `teacher`, fold 7", "the folds are 0, 1, 2"]);
    shop.run("pseudo --run alone data/test.csv --out l.csv --fold 0").refuses(&["final.fit=fold_mean"]);
}

#[test]
fn what_the_warning_says_is_true_and_its_way_out_is_one() {
    let shop = Shop::new(1, 1);
    shop.run("simulate --battles 150 --test-battles 400 --seed 3 --out data").json();
    // Knows its training rows by heart and nothing else.
    let teacher = TEACHER.replace("groups = [\"length\"]\n", "").replace("0.01", "1e-4");
    shop.write("teacher.toml", &teacher);
    let heard =
        "[[data]]\npath = \"data/test.csv\"\nrole = \"extra\"\nlabels = \"labels.csv\"\nweight = 20.0\n";
    shop.write("student.toml", &format!("{heard}{teacher}"));
    let train = |more: &str| shop.run(&format!("train --train data/train.csv {more}"));
    let log_loss = |said: &Said| said.json()["log_loss"].as_f64().unwrap();
    let of_teacher = log_loss(&train("--config teacher.toml --run teacher --set final.fit=fold_mean"));
    shop.run("pseudo --run teacher data/test.csv --out labels.csv").json();
    let warned = train("--config student.toml --run warned");
    assert!(warned.stderr.contains("150 of the 150 rows"), "{}", warned.stderr);
    shop.run("pseudo --run teacher data/test.csv --out labels.csv --fold 1").json();
    let honest = train("--config student.toml --run honest --set validation.train_folds=[1]");
    // All folds in one training, each with the labels of its own.
    shop.run("pseudo --run teacher --every-fold data/test.csv --out labels.csv").json();
    let whole = train("--config student.toml --run whole");
    assert!(!whole.stderr.contains("pseudo-labels `"), "{}", whole.stderr);
    let [warned, honest, whole] = [&warned, &honest, &whole].map(log_loss);
    println!(
        "warned {warned:.2}, of one fold {honest:.2}, of every fold {whole:.2}, teacher {of_teacher:.2}"
    );
    assert!(warned < 2.0 && honest > 3.0 && of_teacher > 3.0, "{warned} {honest} {of_teacher}");
    assert!(whole > 3.0, "{whole}");
}

#[test]
fn labels_of_every_fold_make_a_whole_training_honest() {
    let shop = arena("--set final.fit=fold_mean");
    let said = shop.run("pseudo --run teacher --every-fold data/test.csv --out labels.csv").json();
    assert_eq!((count(&said, "offered"), count(&said, "kept")), (60, 60));
    assert_eq!(said["folds"].as_array().unwrap().len(), 3);
    let all = lines(&shop.read("labels.csv"));
    assert_eq!((all.len(), all[0].as_str()), (241, "id,winner_model_a,winner_model_b,winner_tie,fold"));
    // The rows of a fold are what its models say alone, and the rows without one their mean.
    let of_fold: Vec<Vec<String>> = ["0", "1", "2", ""]
        .map(|fold| {
            let rows = all[1..].iter().filter_map(|line| line.strip_suffix(&format!(",{fold}")));
            rows.map(str::to_owned).collect()
        })
        .into();
    shop.run("pseudo --run teacher --fold 1 data/test.csv --out one.csv").json();
    assert_eq!(of_fold[1], lines(&shop.read("one.csv"))[1..]);
    let numbers = |line: &String| -> Vec<f64> {
        line.split(',').skip(1).map(|number| number.parse().unwrap()).collect()
    };
    for (row, mean) in of_fold[3].iter().enumerate() {
        for (class, mean) in numbers(mean).into_iter().enumerate() {
            let sum: f64 = (0..3).map(|fold| numbers(&of_fold[fold][row])[class]).sum();
            assert!((sum / 3.0 - mean).abs() < 1e-12, "{mean} {sum}");
        }
    }

    let honest = student(&shop, "student", "data/test.csv", "");
    assert!(!honest.stderr.contains("pseudo-labels `"), "{}", honest.stderr);
    let said = "; labels: 60 for the fit without fold 0, 60 for the fit without fold 1, 60 for the fit without fold 2, 60 for \
                one on all rows";
    assert!(honest.stderr.contains(said), "{}", honest.stderr);
    let metrics = honest.json();
    assert!(!metrics["warnings"].to_string().contains("pseudo-labels `"));
    let split = metrics["split"].as_str().unwrap();
    assert!(split.contains("60 extra rows (60 labelled by run `teacher`, fold by fold)"), "{split}");
    let used = json(&shop, "models/student/manifest.json")["identity"]["pseudo_labels"][0].clone();
    assert_eq!(count(&used["folds"][2]["rows"], "kept"), 60);

    // Each fit learns from the labels of its own fold: one fold alone is what it is with that fold's labels alone.
    let of_fold_one = |file: &str| -> Vec<String> {
        let kept = lines(&shop.read("models/teacher/splits.csv"));
        let ids: Vec<String> = kept
            .iter()
            .filter_map(|line| Some(format!("{},", line.strip_suffix(",1")?.split(',').next()?)))
            .collect();
        let rows = lines(&shop.read(file));
        rows.into_iter().filter(|line| ids.iter().any(|id| line.starts_with(id.as_str()))).collect()
    };
    shop.run("pseudo --run teacher --fold 1 data/test.csv --out labels.csv").json();
    student(&shop, "single", "data/test.csv", "--set validation.train_folds=[1]").json();
    let single = of_fold_one("models/single/oof.csv");
    assert!(single.len() > 30);
    assert_eq!(single, of_fold_one("models/student/oof.csv"));
    // The final fit learns from their mean.
    let mean = of_fold[3].join("\n");
    shop.write("labels.csv", &format!("id,winner_model_a,winner_model_b,winner_tie\n{mean}\n"));
    std::fs::remove_file(shop.path("labels.ancestry.json")).unwrap();
    student(&shop, "mean", "data/test.csv", "").json();
    let said_by = |run: &str| {
        shop.run(&format!("predict --run {run} data/test.csv --out p.csv")).json();
        shop.read("p.csv")
    };
    assert_eq!(said_by("mean"), said_by("student"));
    assert_ne!(shop.read("models/mean/oof.csv"), shop.read("models/student/oof.csv"));
}

#[test]
fn labels_of_every_fold_on_other_folds_are_warned_of_and_on_missing_ones_refused() {
    let shop = arena("--set final.fit=fold_mean");
    shop.run("pseudo --run teacher --every-fold data/test.csv --out labels.csv").json();
    let other = student(&shop, "other", "data/test.csv", "--set validation.seed=99");
    for text in ["run `teacher` learned from votes on the prompts of", "--folds models/teacher/splits.csv"] {
        assert!(other.stderr.contains(text), "{text}: {}", other.stderr);
    }
    assert!(other.json()["warnings"].to_string().contains("pseudo-labels `labels.csv`"));
    let mended = "--set validation.seed=99 --folds models/teacher/splits.csv";
    let mended = student(&shop, "mended", "data/test.csv", mended);
    mended.json();
    assert!(!mended.stderr.contains("pseudo-labels `"), "{}", mended.stderr);

    student(&shop, "more", "data/test.csv", "--set validation.folds=4").refuses(&[
        "labels by run `teacher` for the folds 0, 1, 2, and fold 3 is trained here",
        "validation.train_folds=[0, 1, 2]",
    ]);
    assert!(!shop.path("models/more.incomplete").exists());
    for (more, says) in [("--fold 1", "cannot be used with"), ("--min-confidence 1", "no row is left")] {
        let command = format!("pseudo --run teacher --every-fold data/test.csv --out none.csv {more}");
        shop.run(&command).refuses(&[says]);
    }
    shop.run("train --config teacher.toml --train data/train.csv --run refit").json();
    shop.run("pseudo --run refit --every-fold data/test.csv --out none.csv")
        .refuses(&["run `refit`, fold 0", "final.fit=fold_mean"]);
    assert!(!shop.path("none.csv").exists());
}

#[test]
fn what_every_fold_labelled_is_chosen_fold_by_fold_and_handed_on_fold_by_fold() {
    let shop = arena("--set final.fit=fold_mean");
    let said =
        shop.run("pseudo --run teacher --every-fold data/test.csv --out labels.csv --max-rows 20").json();
    assert_eq!(count(&said, "kept"), 20);
    assert_eq!(lines(&shop.read("labels.csv")).len(), 81);
    let taught = student(&shop, "student", "data/test.csv", "--set final.fit=fold_mean");
    taught.json();
    let rows = json(&shop, "models/student/manifest.json")["identity"]["data"][1]["rows"].clone();
    // Rows that any of the folds labelled.
    assert!((20..60).contains(&count(&rows, "kept")), "{rows}");

    // The student's models of a fold know what the labels of that fold knew: its own labels are honest, too.
    shop.run("simulate --battles 20 --test-battles 30 --seed 9 --out more").json();
    shop.run("pseudo --run student --every-fold more/test.csv --out labels.csv").json();
    let again = student(&shop, "again", "more/test.csv", "");
    assert!(!again.stderr.contains("pseudo-labels `"), "{}", again.stderr);
    again.json();
    shop.run("pseudo --run student more/test.csv --out labels.csv").json();
    let warned = student(&shop, "warned", "more/test.csv", "");
    assert!(warned.stderr.contains("150 of the 150 rows"), "{}", warned.stderr);
    // In two classes each label loses its tie on its own.
    shop.run("pseudo --run teacher --every-fold data/test.csv --out labels.csv").json();
    student(&shop, "two", "data/test.csv", "--set task=two_way").json();
}

#[test]
fn a_row_of_another_file_keeps_its_label_where_its_id_is_that_of_a_row_left_out() {
    let shop = arena("--set final.fit=fold_mean");
    // Every battle twice, so that the second of each pair leaves; its id is taken by a vote of another file.
    let test = String::from_utf8(shop.read("data/test.csv")).unwrap();
    let again: Vec<String> = test.lines().skip(1).map(|line| format!("9{line}")).collect();
    shop.write("twice.csv", &format!("{}\n{}\n", test.trim_end(), again.join("\n")));
    shop.run("pseudo --run teacher --every-fold twice.csv --out labels.csv").json();
    shop.run("simulate --battles 150 --test-battles 60 --seed 11 --out more").json();
    let votes = |ids: &str| {
        let rows = lines(&shop.read("more/train.csv"));
        let rows = rows.iter().skip(1).enumerate().map(|(row, line)| {
            let (_, rest) = line.split_once(',').unwrap();
            let taken = again[row % again.len()].split_once(',').unwrap().0;
            let taken = if row < again.len() { format!("{ids}{taken}") } else { format!("x{row}") };
            format!("{taken},{rest}")
        });
        let header = lines(&shop.read("more/train.csv"))[0].clone();
        shop.write("votes.csv", &format!("{header}\n{}\n", rows.collect::<Vec<_>>().join("\n")));
    };
    let sources = "[[data]]\npath = \"data/train.csv\"\n[[data]]\npath = \"twice.csv\"\nrole = \"extra\"\n\
                   labels = \"labels.csv\"\ndeduplicate = \"battle\"\n[[data]]\npath = \"votes.csv\"\nrole = \"extra\"\n";
    shop.write("both.toml", &format!("{sources}{TEACHER}"));
    let log_loss = |run: &str| {
        let said = shop.run(&format!("train --config both.toml --run {run}"));
        assert!(said.stderr.contains("60 duplicates left out"), "{}", said.stderr);
        said.json()["log_loss"].as_f64().unwrap()
    };
    votes("");
    let taken = log_loss("taken");
    votes("n");
    assert!((taken - log_loss("own")).abs() < 1e-6, "{taken}");
}

#[test]
fn what_is_labelled_can_be_limited_and_the_rest_leaves_the_training_counted() {
    let shop = arena("");
    let pseudo =
        |more: &str| shop.run(&format!("pseudo --run teacher data/test.csv --out labels.csv {more}")).json();
    pseudo("");
    let all = lines(&shop.read("labels.csv"));
    let confidence =
        |line: &String| line.split(',').skip(1).map(|p| p.parse::<f64>().unwrap()).fold(0.0, f64::max);
    let mut sorted: Vec<f64> = all[1..].iter().map(confidence).collect();
    sorted.sort_by(f64::total_cmp);
    let said = pseudo(&format!("--min-confidence {} --max-rows 12", sorted[30]));
    assert_eq!(
        (count(&said, "kept"), count(&said, "below_confidence"), count(&said, "over_limit")),
        (12, 30, 18)
    );
    let kept = lines(&shop.read("labels.csv"));
    assert!(kept[1..].iter().all(|line| all.contains(line) && confidence(line) >= sorted[48]));
    let random = pseudo("--max-rows 12 --choose random --seed 5");
    assert_eq!((count(&random, "kept"), count(&random, "over_limit")), (12, 48));
    assert_ne!(lines(&shop.read("labels.csv")), kept);

    let taught = student(&shop, "student", "data/test.csv", "");
    assert!(
        taught.stderr.contains("60 rows, 12 soft labels, 48 without a label left out"),
        "{}",
        taught.stderr
    );
    let rows = json(&shop, "models/student/manifest.json")["identity"]["data"][1]["rows"].clone();
    assert_eq!((count(&rows, "read"), count(&rows, "unlabelled"), count(&rows, "kept")), (60, 48, 12));
    assert_eq!(
        json(&shop, "models/student/manifest.json")["identity"]["pseudo_labels"][0]["selection"]["seed"],
        5
    );

    shop.run("pseudo --run teacher data/test.csv --out none.csv --min-confidence 1")
        .refuses(&["no row is left to label", "--min-confidence"]);
    assert!(!shop.path("none.csv").exists() && !shop.path("none.ancestry.json").exists());
    for (more, says) in
        [("--min-confidence 2", "0..1"), ("--seed 3", "--choose"), ("--max-rows 0", "above 0")]
    {
        shop.run(&format!("pseudo --run teacher data/test.csv --out none.csv {more}")).refuses(&[says]);
    }
}

#[test]
fn several_files_are_labelled_as_one_and_each_is_used_with_the_same_labels() {
    let shop = arena("");
    shop.run("simulate --battles 20 --test-battles 30 --seed 9 --out more").json();
    shop.run("pseudo --run teacher data/test.csv more/test.csv --out labels.csv --max-rows 50").json();
    let inputs = json(&shop, "labels.ancestry.json")["labels"]["inputs"].clone();
    assert_eq!(count(&inputs[0], "kept") + count(&inputs[1], "kept"), 50);
    let source =
        |file: &str| format!("[[data]]\npath = \"{file}\"\nrole = \"extra\"\nlabels = \"labels.csv\"\n");
    shop.write("both.toml", &format!("{}{}{TEACHER}", source("data/test.csv"), source("more/test.csv")));
    let said = shop.run("train --config both.toml --train data/train.csv --run both");
    assert!(said.json()["split"].as_str().unwrap().contains("50 extra rows"), "{}", said.stdout);
    shop.run("pseudo --run teacher data/test.csv data/test.csv --out labels.csv")
        .refuses(&["stands in a file before it", "on its own"]);
    // What it was trained on is no news to it.
    let own = shop.run("pseudo --run teacher data/train.csv --out own.csv");
    assert_eq!(count(&own.json(), "known_prompts"), 150);
    assert!(own.stderr.contains("150 of the 150 rows"), "{}", own.stderr);
}

#[test]
fn an_extra_row_with_a_held_out_prompt_leaves_the_training_of_that_fold_whoever_labelled_it() {
    let shop = arena("");
    let copies: String = lines(&shop.read("data/train.csv"))
        .iter()
        .enumerate()
        .map(|(row, line)| if row == 0 { format!("{line}\n") } else { format!("9{line}\n") })
        .collect();
    shop.write("copies.csv", &copies);
    shop.run("pseudo --run teacher copies.csv --out labels.csv").json();
    student(&shop, "student", "copies.csv", "").json();
    let left_out = json(&shop, "models/student/manifest.json")["identity"]["extra_left_out"].clone();
    let left_out: Vec<u64> =
        left_out.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
    assert!(left_out.iter().sum::<u64>() >= 150 && left_out.iter().all(|count| *count > 0), "{left_out:?}");
}

#[test]
fn labels_of_other_battles_of_another_task_or_of_what_is_validated_on_are_refused() {
    let shop = arena("");
    shop.run("simulate --battles 20 --test-battles 60 --seed 9 --out more").json();
    shop.run("pseudo --run teacher data/test.csv --out labels.csv").json();
    student(&shop, "s", "more/test.csv", "")
        .refuses(&["labels of `test.csv`", "another file: 0 of its 60 rows have a label"]);
    student(&shop, "s", "data/test.csv", "--set data.1.role=competition")
        .refuses(&["role = \"extra\"", "run `teacher`"]);
    // Edited labels are not what the file beside them describes; without that file they are a teacher's.
    let labels = lines(&shop.read("labels.csv"));
    shop.write("labels.csv", &(labels[..41].join("\n") + "\n"));
    student(&shop, "s", "data/test.csv", "").refuses(&["`labels.ancestry.json` describes other labels"]);
    std::fs::remove_file(shop.path("labels.ancestry.json")).unwrap();
    student(&shop, "s", "data/test.csv", "")
        .refuses(&["20 of 60 rows of `data/test.csv` have no soft label in `labels.csv`"]);
    shop.write("labels.csv", &(labels.join("\n") + "\n"));
    student(&shop, "s", "data/test.csv", "").json();
    shop.write("labels.ancestry.json", "{");
    student(&shop, "t", "data/test.csv", "").refuses(&["`labels.ancestry.json`", "tiebreak pseudo"]);

    let two = "train --config teacher.toml --train data/train.csv --run two --set task=two_way";
    shop.run(two).json();
    shop.run("pseudo --run two data/test.csv --out labels.csv").json();
    student(&shop, "u", "data/test.csv", "").refuses(&["run `two`", "says nothing of ties"]);
    student(&shop, "u", "data/test.csv", "--set task=two_way").json();

    std::fs::remove_file(shop.path("models/two/prompts.csv")).unwrap();
    shop.run("pseudo --run two data/test.csv --out labels.csv")
        .refuses(&["prompts.csv", "train the run again"]);
    shop.run("pseudo --run nobody data/test.csv --out labels.csv").refuses(&["no run at `models/nobody`"]);
}

#[test]
fn a_row_that_the_deadline_left_out_gets_no_label_until_it_is_computed() {
    let shop = Shop::classifier(20);
    let pseudo = "pseudo --run run test.csv --out labels.csv --device cpu --batch-tokens 256 --threads 1";
    shop.run(pseudo).json();
    let whole = (shop.read("labels.csv"), shop.read("labels.ancestry.json"));
    let late = |batches: usize| {
        let mut command = shop.command(&format!("{pseudo} --deadline 8h"));
        command.env("TIEBREAK_INJECT_LATE_AFTER_BATCHES", batches.to_string());
        Said::of(&mut command)
    };
    let none = late(0);
    assert_eq!(none.code, Some(1));
    assert!(
        none.stderr.contains("20 of 20 rows to a fallback") && none.stderr.contains("--resume"),
        "{}",
        none.stderr
    );
    shop.run(&format!("{pseudo} --resume")).json();
    assert_eq!((shop.read("labels.csv"), shop.read("labels.ancestry.json")), whole);
    let some = late(1).json();
    let fallback = count(&some, "fallback");
    assert!(fallback > 0 && fallback < 20, "{some}");
    assert_eq!(count(&some, "kept") + fallback, 20);
    assert_eq!(lines(&shop.read("labels.csv")).len() as u64, 21 - fallback);
    assert!(shop.path("labels.csv.journal").exists());
    shop.run(&format!("{pseudo} --resume")).json();
    assert_eq!((shop.read("labels.csv"), shop.read("labels.ancestry.json")), whole);
    assert!(!shop.path("labels.csv.journal").exists());
    let forecast = shop.run(&format!("{pseudo} --dry-run --rows 500")).json();
    assert_eq!(count(&forecast, "rows"), 500);
}

#[test]
fn a_cascade_hands_on_what_its_runs_learned_from() {
    let shop = arena("");
    shop.run("pseudo --run teacher data/test.csv --out labels.csv").json();
    student(&shop, "student", "data/test.csv", "").json();
    shop.write("cascade.toml", "[[cascade]]\nrun = \"teacher\"\n[[cascade]]\nrun = \"student\"\n");
    let said = shop.run("train --config cascade.toml --train data/train.csv --run both").json();
    assert!(
        said["warnings"].to_string().contains("run `student`, pseudo-labels `labels.csv`"),
        "{}",
        said["warnings"]
    );
    let of =
        |run: &str| json(&shop, &format!("models/{run}/manifest.json"))["identity"]["pseudo_labels"].clone();
    assert_eq!(of("both"), of("student"));
    shop.run("pseudo --run both data/test.csv --out labels.csv --fold 0")
        .refuses(&["a cascade has no folds"]);
    shop.run("pseudo --run both data/test.csv --out labels.csv").json();
    let again = student(&shop, "again", "data/test.csv", "");
    assert!(
        again.stderr.contains("run `both` learned from votes on the prompts of 150 of the 150"),
        "{}",
        again.stderr
    );
}
