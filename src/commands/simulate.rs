//! `tiebreak simulate`: an arena with known true probabilities.

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use rayon::prelude::*;
use serde::Serialize;

use super::{Console, OrBadInput};
use crate::files::AtomicFile;
use crate::simulation::{Arena, ArenaParameters, File, SimulatedBattle, Summary, Tally, header, rows};

/// Arguments of `tiebreak simulate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: tiebreak simulate --battles 4000 --test-battles 1000 --seed 1 --out data/simulated

Writes train.csv, test.csv and sample_submission.csv as the LMSYS competition has them, truth.csv with the \
                        true probabilities of all rows, and test_labels.csv with the drawn votes of the test \
                        rows. The same arguments give the same bytes on any number of threads."
)]
pub struct Args {
    /// Folder for the files; it is made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Rows of train.csv
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    battles: u64,
    /// Rows of test.csv
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    test_battles: u64,
    /// Every random choice derives from it
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    people: People,
    #[command(flatten)]
    rows: Rows,
}

/// What the simulated people are like.
#[derive(Debug, clap::Args)]
struct People {
    /// Reward of an answer e times as long as usual; may be negative
    #[arg(long, value_name = "LOGITS", allow_negative_numbers = true, default_value_t = ArenaParameters::default().verbosity_bias)]
    verbosity_bias: f64,
    /// Reward of standing on side A; may be negative
    #[arg(long, value_name = "LOGITS", allow_negative_numbers = true, default_value_t = ArenaParameters::default().position_bias)]
    position_bias: f64,
    /// eta of Rao-Kupper: half-width of the zone of ties
    #[arg(long, value_name = "LOGITS", default_value_t = ArenaParameters::default().tie_threshold)]
    tie_threshold: f64,
    /// How many logits one unit of reward is worth; 0 makes all votes chance
    #[arg(long, value_name = "X", default_value_t = ArenaParameters::default().reward_scale)]
    reward_scale: f64,
    /// Standard deviation of the reward that people see and no text shows
    #[arg(long, value_name = "X", default_value_t = ArenaParameters::default().hidden_reward)]
    hidden_reward: f64,
}

/// What the rows are like.
#[derive(Debug, clap::Args)]
struct Rows {
    /// Share of rows that are a further vote on an earlier pair of responses
    #[arg(long, value_name = "SHARE", default_value_t = ArenaParameters::default().repeat_votes)]
    repeat_votes: f64,
    /// Share of rows with more than one turn
    #[arg(long, value_name = "SHARE", default_value_t = ArenaParameters::default().multi_turn)]
    multi_turn: f64,
    /// Share of rows whose prompt is one of a few popular ones
    #[arg(long, value_name = "SHARE", default_value_t = ArenaParameters::default().popular_prompts)]
    popular_prompts: f64,
    /// Share of degenerate rows: null or empty answers, lone surrogates, uneven arrays, ...
    #[arg(long, value_name = "SHARE", default_value_t = ArenaParameters::default().degenerate)]
    degenerate: f64,
    /// Factor on the length of all responses; 1 gives a mean of about 1,400 characters
    #[arg(long, value_name = "X", default_value_t = ArenaParameters::default().response_length)]
    response_length: f64,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Report {
    parameters: ArenaParameters,
    train: Summary,
    test: Summary,
    files: Vec<WrittenFile>,
}

#[derive(Debug, Serialize)]
struct WrittenFile {
    path: PathBuf,
    rows: u64,
    bytes: u64,
}

/// Rows made at one go by one thread, and how many such pieces are in memory at once.
const PIECE: u64 = 128;
const PIECES: u64 = 32;

/// Runs `tiebreak simulate`.
///
/// # Errors
/// When a parameter is out of range, or a file cannot be written; then none of the files appears.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let parameters = args.parameters();
    let arena = Arena::new(&parameters).or_bad_input()?;
    let mut outputs =
        File::ALL.into_iter().map(|file| Output::create(file, args)).collect::<anyhow::Result<Vec<_>>>()?;
    let all = parameters.battles + parameters.test_battles;
    let progress = console.progress();
    let task = progress.start("simulating", Some(all), "rows");
    let mut tallies = [Tally::default(), Tally::default()];
    for (part, rows) in [0..parameters.battles, parameters.battles..all].into_iter().enumerate() {
        for wave in pieces(rows, PIECE * PIECES) {
            let made: Vec<Piece> =
                pieces(wave, PIECE).into_par_iter().map(|rows| Piece::new(&arena, rows, part)).collect();
            for piece in &made {
                piece.battles.iter().for_each(|battle| tallies[part].add(battle));
                outputs.iter_mut().try_for_each(|output| output.write(piece))?;
                task.advance(piece.battles.len() as u64);
            }
        }
    }
    drop(task);
    let files = outputs.into_iter().map(Output::commit).collect::<anyhow::Result<Vec<_>>>()?;
    let [train, test] = tallies.map(|tally| tally.summary());
    let report = Report { parameters, train, test, files };
    console.result(&report, || report.table())
}

impl Args {
    fn parameters(&self) -> ArenaParameters {
        ArenaParameters {
            seed: self.seed,
            battles: self.battles,
            test_battles: self.test_battles,
            verbosity_bias: self.people.verbosity_bias,
            position_bias: self.people.position_bias,
            tie_threshold: self.people.tie_threshold,
            reward_scale: self.people.reward_scale,
            hidden_reward: self.people.hidden_reward,
            repeat_votes: self.rows.repeat_votes,
            multi_turn: self.rows.multi_turn,
            popular_prompts: self.rows.popular_prompts,
            degenerate: self.rows.degenerate,
            response_length: self.rows.response_length,
        }
    }
}

/// A range in pieces of a length.
fn pieces(rows: Range<u64>, length: u64) -> Vec<Range<u64>> {
    let end = rows.end;
    rows.step_by(usize::try_from(length).unwrap_or(usize::MAX))
        .map(|start| start..(start + length).min(end))
        .collect()
}

/// Some rows and their lines in every file that holds them.
struct Piece {
    battles: Vec<SimulatedBattle>,
    lines: Vec<(File, String)>,
}

impl Piece {
    fn new(arena: &Arena, range: Range<u64>, part: usize) -> Self {
        let battles: Vec<SimulatedBattle> = range.map(|row| arena.battle(row)).collect();
        let files: &[File] = if part == 0 {
            &[File::Train, File::Truth]
        } else {
            &[File::Test, File::SampleSubmission, File::Truth, File::TestLabels]
        };
        let lines = files.iter().map(|file| (*file, rows(*file, &battles))).collect();
        Self { battles, lines }
    }
}

/// One file on its way.
struct Output {
    kind: File,
    file: AtomicFile,
    written: WrittenFile,
}

impl Output {
    fn create(kind: File, args: &Args) -> anyhow::Result<Self> {
        let path = args.out.join(kind.name());
        let file = AtomicFile::create(&path)?;
        let mut output = Self { kind, file, written: WrittenFile { path, rows: 0, bytes: 0 } };
        output.put(header(kind))?;
        Ok(output)
    }

    fn write(&mut self, piece: &Piece) -> anyhow::Result<()> {
        for (kind, lines) in &piece.lines {
            if *kind == self.kind {
                self.put(lines)?;
                self.written.rows += piece.battles.len() as u64;
            }
        }
        Ok(())
    }

    fn put(&mut self, text: &str) -> anyhow::Result<()> {
        self.written.bytes += text.len() as u64;
        let path = &self.written.path;
        self.file
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write `{}`; nothing was changed there", path.display()))
    }

    fn commit(self) -> anyhow::Result<WrittenFile> {
        self.file.commit()?;
        Ok(self.written)
    }
}

/// A row of the table: what it is called, and how it is written.
type Line = (&'static str, fn(&Summary) -> String);

impl Report {
    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(["", "train", "test"]);
        for (label, value) in Self::lines() {
            table.add_row([label.to_owned(), value(&self.train), value(&self.test)]);
        }
        let mut text = format!("{table}\n");
        for file in &self.files {
            let line = format!("{}: {} rows, {} bytes\n", file.path.display(), file.rows, file.bytes);
            text.push_str(&line);
        }
        text
    }

    fn lines() -> [Line; 10] {
        [
            ("rows", |s| s.rows.to_string()),
            ("A / B / tie", |s| s.class_shares.map(|share| format!("{share:.3}")).join(" / ")),
            ("log loss of the class prior", |s| format!("{:.4}", s.prior_log_loss)),
            ("log loss of the truth on the votes", |s| format!("{:.4}", s.truth_log_loss)),
            ("floor: mean entropy of the truth", |s| format!("{:.4}", s.floor_log_loss)),
            ("more than one turn", |s| format!("{:.3}", s.multi_turn)),
            ("repeated votes", |s| format!("{:.3}", s.repeated_votes)),
            ("mean characters of a response", |s| format!("{:.0}", s.mean_response_characters)),
            ("languages", |s| {
                let named = s.languages.iter().map(|(name, rows)| format!("{name} {rows}"));
                named.collect::<Vec<_>>().join("\n")
            }),
            ("degenerate rows", |s| s.oddities.iter().map(|odd| odd.rows).sum::<u64>().to_string()),
        ]
    }
}
