//! What a training will take of the memory, before its first step; and where that is not there, what would fit.

use super::examples::{Example, Order};
use super::recipe::{FinetuneRecipe, TuningMethod};
use super::setup::{Setup, ToTrain};
use super::training::Training;
use crate::checkpoint::BaseNumbers;
use crate::compute::{BatchShape, Memory};
use crate::encoding::{Row, plan};
use crate::learning::FitError;

/// Rows whose texts are measured, in whole steps: many enough for a batch that is about as full as any.
const MEASURED_ROWS: usize = 4096;
/// A text of fewer tokens is none that somebody would train on.
const LEAST_TOKENS: usize = 32;

/// What decides the memory of a training, and may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    micro_batch_tokens: usize,
    recompute_layers: bool,
    base: BaseNumbers,
    max_tokens: usize,
}

impl Choice {
    fn of(recipe: &FinetuneRecipe) -> Self {
        Self {
            micro_batch_tokens: recipe.micro_batch_tokens,
            recompute_layers: recipe.recompute_layers,
            base: recipe.lora.base,
            max_tokens: recipe.max_tokens,
        }
    }

    /// The keys that differ from those of another choice, as a configuration has them.
    fn beside(&self, other: &Self) -> String {
        let keys = [
            (self.max_tokens != other.max_tokens).then(|| format!("`max_tokens = {}`", self.max_tokens)),
            (self.base != other.base).then(|| format!("`lora.base = \"{}\"`", self.base.name())),
            (self.recompute_layers != other.recompute_layers).then(|| "`recompute_layers = true`".to_owned()),
            (self.micro_batch_tokens != other.micro_batch_tokens)
                .then(|| format!("`micro_batch_tokens = {}`", self.micro_batch_tokens)),
        ];
        keys.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// Bytes that a training takes at most, beside what the process has already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Estimate {
    /// All weights, in the numbers that they are kept in.
    weights: u64,
    /// Two moments of what is trained, and the sum of its gradients where a step has several batches.
    trained: u64,
    /// The way forth and back through the largest batch.
    batch: u64,
    /// Tokens of that batch.
    tokens: usize,
}

impl Estimate {
    fn total(&self) -> u64 {
        self.weights + self.trained + self.batch
    }
}

/// The batches of a step, before they are planned: the lengths of the texts of every row that stays together.
type StepLengths = Vec<Vec<usize>>;

/// The texts of a training in tokens.
#[derive(Debug)]
struct Lengths {
    steps: Vec<StepLengths>,
    longest: usize,
}

impl Lengths {
    fn measured(setup: &Setup, rows: &[Example<'_>], seed: u64) -> Result<Self, FitError> {
        let mut order = Order::new(rows.len(), setup.recipe.batch, seed);
        let steps = order.steps_per_epoch().min(MEASURED_ROWS.div_ceil(setup.recipe.batch) as u64);
        let of_step = |step| {
            let examples: Vec<Example<'_>> = order.rows_of(step).iter().map(|row| rows[*row]).collect();
            Ok(setup.lengths(&examples)?)
        };
        let steps: Vec<StepLengths> = (0..steps).map(of_step).collect::<Result<_, FitError>>()?;
        let longest = steps.iter().flatten().flatten().copied().max().unwrap_or(0);
        Ok(Self { steps, longest })
    }

    /// The batches with most tokens and with the longest text, and whether any step has several.
    fn largest(&self, choice: &Choice) -> ([BatchShape; 2], bool) {
        let (mut full, mut long, mut several) = (BatchShape::default(), BatchShape::default(), false);
        for rows in &self.steps {
            let cut = |length: &usize| (*length).min(choice.max_tokens);
            let planned: Vec<Row> = rows.iter().map(|row| Row::of(row.iter().map(cut))).collect();
            let batches = plan(&planned, choice.micro_batch_tokens);
            several |= batches.len() > 1;
            for batch in batches {
                let tokens = batch.rows.iter().flat_map(|row| &rows[*row]).map(cut).sum();
                let shape = BatchShape { texts: batch.sequences, tokens, longest: batch.longest };
                full = if shape.tokens > full.tokens { shape } else { full };
                let is_longer = (shape.longest, shape.tokens) > (long.longest, long.tokens);
                long = if is_longer { shape } else { long };
            }
        }
        ([full, long], several)
    }
}

/// What a training is expected to take, and how the same is said of another choice.
struct Expected<'a> {
    begin: Choice,
    longest: usize,
    of: Box<dyn Fn(&Choice) -> Estimate + 'a>,
}

impl Training<'_> {
    /// Says how much memory the training will take, and refuses where the processor has less: `free` bytes, where that is
    /// known. A GPU is tried: what it takes was never measured, and `out_of_memory` comes before any row is predicted.
    ///
    /// # Errors
    /// `FitError::Input` with what would fit.
    pub(super) fn check_memory(&self, free: Option<u64>) -> Result<(), FitError> {
        let planned = self.setup.planned(self.context.seed)?;
        let expected = self.expected(&planned)?;
        let estimate = (expected.of)(&expected.begin);
        let name = &self.places.name;
        let on = if self.engine.is_gpu() { format!(" on {}", self.engine) } else { String::new() };
        self.context.progress.remark(&format!("{name}: about {} of memory{on}", size(estimate.total())));
        let free = free.filter(|free| !self.engine.is_gpu() && estimate.total() > *free);
        let Some(free) = free else { return Ok(()) };
        Err(FitError::Input(refusal(&estimate, free, (&expected.begin, &self.ways(&expected, free)))))
    }

    /// What is said when a GPU has no memory left: what takes a fifth less than this training, and fits what was free.
    pub(super) fn out_of_memory(&self) -> FitError {
        let said = self.setup.planned(self.context.seed).map_err(FitError::from).and_then(|planned| {
            let expected = self.expected(&planned)?;
            let estimate = (expected.of)(&expected.begin);
            let most = self.free_memory.unwrap_or(u64::MAX).min(estimate.total() / 5 * 4);
            let ways = ways_out(&expected.begin, &self.ways(&expected, most));
            let (engine, total) = (&self.engine, size(estimate.total()));
            Ok(FitError::Input(format!(
                "{engine} has no memory left for a training that was estimated at {total}; {ways}"
            )))
        });
        said.unwrap_or_else(|error| error)
    }

    /// What would fit.
    fn ways(&self, expected: &Expected<'_>, free: u64) -> Vec<Choice> {
        let is_lora = self.setup.recipe.method == TuningMethod::Lora;
        let fits = |choice: &Choice| (expected.of)(choice).total() <= free;
        fitting(expected.begin, (expected.longest, is_lora), &fits)
    }

    fn expected<'a>(&self, planned: &'a ToTrain) -> Result<Expected<'a>, FitError> {
        let recipe = &self.setup.recipe;
        let lengths = Lengths::measured(self.setup, &self.rows.train, self.context.seed)?;
        let (begin, longest, on_gpu) = (Choice::of(recipe), lengths.longest, self.engine.is_gpu());
        let of = move |choice: &Choice| {
            let memory = if choice.recompute_layers { Memory::LayerInputs } else { Memory::Everything };
            let planned = planned.borrowed((choice.base, memory), on_gpu);
            let [weights, trained] = planned.parameters();
            let (shapes, several) = lengths.largest(choice);
            let steps = shapes.map(|shape| (planned.step(shape), shape.tokens));
            let (batch, tokens) = if steps[1].0 > steps[0].0 { steps[1] } else { steps[0] };
            let sum = if several { trained } else { 0 };
            // A state is written tensor by tensor, while there is no batch. Moments and sums of what a GPU trains stay in the
            // memory of the processor.
            let beside = if on_gpu { 0 } else { 2 * trained + sum };
            let [weights, trained, batch] = [weights, beside, batch].map(|bytes| bytes as u64);
            Estimate { weights, trained, batch, tokens }
        };
        Ok(Expected { begin, longest, of: Box::new(of) })
    }
}

fn refusal(expected: &Estimate, free: u64, (begin, found): (&Choice, &[Choice])) -> String {
    let Estimate { weights, trained, batch, tokens } = *expected;
    let ways = ways_out(begin, found);
    format!(
        "the training would take about {} of memory, and {} are free: {} for the weights, {} for moments and gradients of \
         what is trained, {} for its largest micro-batch of {tokens} tokens; {ways}",
        size(expected.total()),
        size(free),
        size(weights),
        size(trained),
        size(batch)
    )
}

/// What would fit, in words.
fn ways_out(begin: &Choice, found: &[Choice]) -> String {
    let ways: Vec<String> = found.iter().map(|choice| choice.beside(begin)).collect();
    if ways.is_empty() {
        return "no `micro_batch_tokens`, `recompute_layers`, `lora.base` or `max_tokens` makes it fit: it needs a smaller model \
                or more memory"
            .to_owned();
    }
    format!("it fits with {}", ways.join(", or with "))
}

/// What would fit, the least change first: smaller batches, layers computed twice, a base in fewer bits, each with the largest
/// batches that go with it; shorter texts where nothing else does.
fn fitting(begin: Choice, (longest, is_lora): (usize, bool), fits: &impl Fn(&Choice) -> bool) -> Vec<Choice> {
    let in_batches = |choice: Choice| {
        let of = |micro_batch_tokens| Choice { micro_batch_tokens, ..choice };
        let least = longest.min(choice.max_tokens).min(choice.micro_batch_tokens);
        largest([least, choice.micro_batch_tokens], |tokens| fits(&of(tokens))).map(of)
    };
    let twice = |choice: Choice| Choice { recompute_layers: true, ..choice };
    let bases = [BaseNumbers::Bf16, BaseNumbers::Int8, BaseNumbers::Int4];
    let known = bases.iter().position(|base| *base == begin.base).map_or(0, |place| place + 1);
    let narrower = if is_lora { &bases[known..] } else { &[] };
    let based = |choice: Choice| narrower.iter().map(move |base| Choice { base: *base, ..choice });
    let found = [
        in_batches(begin),
        (!begin.recompute_layers).then(|| in_batches(twice(begin))).flatten(),
        based(begin).find(fits).or_else(|| based(begin).chain(based(twice(begin))).find_map(in_batches)),
    ];
    let found: Vec<Choice> = found.into_iter().flatten().collect();
    if !found.is_empty() {
        return found;
    }
    let most = [begin, twice(begin)].into_iter().chain(based(twice(begin)).next_back());
    let shorter = most.into_iter().find_map(|choice| {
        let of = |max_tokens: usize| Choice {
            max_tokens,
            micro_batch_tokens: max_tokens.min(choice.micro_batch_tokens),
            ..choice
        };
        let tokens = largest([LEAST_TOKENS, longest.min(begin.max_tokens)], |tokens| fits(&of(tokens)))?;
        in_batches(Choice { max_tokens: tokens, ..choice })
    });
    shorter.into_iter().collect()
}

/// The largest number between two that fits, where every smaller one does, too.
fn largest([least, most]: [usize; 2], fits: impl Fn(usize) -> bool) -> Option<usize> {
    if least > most || !fits(least) {
        return None;
    }
    let (mut fitting, mut beyond) = (least, most + 1);
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        *(if fits(middle) { &mut fitting } else { &mut beyond }) = middle;
    }
    Some(fitting)
}

/// In MiB below one GiB, in GiB above.
fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1024.0 { format!("{mebibytes:.0} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::super::training::{Places, Rows};
    use super::*;
    use crate::battle::{Battle, BattleId, Class, LabeledBattle, Response, Target, Turn};
    use crate::compute::Engine;
    use crate::finetune::Loss;
    use crate::learning::FitContext;
    use crate::progress::{Progress, ProgressTask, Silent};

    /// Keeps what is remarked.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Progress for Heard {
        fn start(&self, label: &str, total: Option<u64>, unit: &'static str) -> Box<dyn ProgressTask> {
            Silent.start(label, total, unit)
        }

        fn remark(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    fn row(id: usize) -> LabeledBattle {
        let response = |word: &str| Response::Text(format!("w12 {word}"));
        let turn = Turn {
            prompt: "w9 w10".to_owned(),
            response_a: response("w11"),
            response_b: response(&["w13"; 12][..=id].join(" ")),
        };
        LabeledBattle {
            battle: Battle::new(BattleId(format!("{id:02}")), None, vec![turn]).unwrap(),
            vote: None,
            target: Target::one_hot(Class::A),
            weight: 1.0,
            models: None,
            session: None,
            language: None,
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn a_training_without_its_memory_is_refused_before_anything_is_written() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints/bert-base");
        let text = "max_tokens = 24\ntruncation = { kind = \"parts\", floor = 1 }\nmodel = \"m\"\n\
                    template = { kind = \"concatenated\", labels = { prompt = \"w4 \", response_a = \" w5 \", \
                    response_b = \" w6 \", between_turns = \" w8 \" } }";
        let recipe: FinetuneRecipe = toml::from_str(text).unwrap();
        let setup = Setup::open(&recipe, &folder, 1).unwrap();
        let (workspace, stop, heard) =
            (tempfile::tempdir().unwrap(), AtomicBool::new(false), Heard::default());
        let context = FitContext {
            member: "lora",
            seed: 1,
            fold: Some(0),
            threads: 1,
            workspace: workspace.path(),
            stop: &stop,
            progress: &heard,
        };
        let rows: Vec<LabeledBattle> = (0..12).map(row).collect();
        let train = rows.iter().map(|row| Example { row, target: [1.0, 0.0, 0.0] }).collect();
        let rows = Rows { train, held_out: Vec::new() };
        let loss = Loss::CrossEntropy { label_smoothing: 0.0 };
        let places = Places::of(&context);
        let training = |free_memory| Training {
            setup: &setup,
            context: &context,
            places: &places,
            rows: &rows,
            loss,
            engine: Engine::PROCESSOR,
            free_memory,
        };
        for (free, said) in [(1, "a smaller model or more memory"), (200_000, "`micro_batch_tokens = ")] {
            let refused = training(Some(free)).run();
            let Err(FitError::Input(message)) = refused else { panic!("{free} bytes did") };
            assert!(message.contains(said), "{message}");
            assert_eq!(std::fs::read_dir(workspace.path()).unwrap().count(), 0);
        }
        // What a GPU is told that was tried.
        let FitError::Input(message) = training(None).out_of_memory() else { panic!("another error") };
        assert!(message.contains("no memory left") && message.contains("fits with"), "{message}");
        training(None).run().unwrap();
        assert!(workspace.path().join("steps").is_dir());
        let heard = heard.0.lock().unwrap();
        assert!(heard.iter().all(|text| text == "lora-fold-0-seed-1: about 1 MiB of memory"), "{heard:?}");
    }

    const BEGIN: Choice =
        Choice { micro_batch_tokens: 4096, recompute_layers: false, base: BaseNumbers::F32, max_tokens: 512 };

    /// Weights of 1000 bytes in f32, 2 a token, a tenth of that where layers are computed twice.
    fn found(free: usize, is_lora: bool) -> Vec<String> {
        let fits = |choice: &Choice| {
            let weights = match choice.base {
                BaseNumbers::F32 => 1000,
                BaseNumbers::Bf16 => 500,
                BaseNumbers::Int8 => 280,
                BaseNumbers::Int4 => 160,
            };
            let tokens = choice.micro_batch_tokens.max(choice.max_tokens.min(400));
            weights + if choice.recompute_layers { tokens / 5 } else { 2 * tokens } <= free
        };
        fitting(BEGIN, (400, is_lora), &fits).iter().map(|choice| choice.beside(&BEGIN)).collect()
    }

    #[test]
    fn the_least_change_that_fits_comes_first_with_the_largest_batches_that_go_with_it() {
        let [all, twice] = ["`micro_batch_tokens = 4000`", "`recompute_layers = true`"];
        assert_eq!(found(9000, true), [all, twice, "`lora.base = \"bf16\"`"]);
        assert_eq!(found(9000, false), [all, twice]);
        assert_eq!(found(1820, true)[..2], ["`micro_batch_tokens = 410`", twice]);
        assert_eq!(found(1820, true)[2], "`lora.base = \"bf16\"` and `micro_batch_tokens = 660`");
        let [twice, base] = &found(1500, true)[..] else { panic!("{:?}", found(1500, true)) };
        assert_eq!(twice, "`recompute_layers = true` and `micro_batch_tokens = 2504`");
        assert_eq!(base, "`lora.base = \"bf16\"` and `micro_batch_tokens = 500`");
    }

    #[test]
    fn shorter_texts_are_proposed_where_nothing_else_fits_and_nothing_where_they_do_not_either() {
        assert_eq!(
            found(230, true),
            [
                "`max_tokens = 354` and `lora.base = \"int4\"` and `recompute_layers = true` and `micro_batch_tokens = 354`"
            ]
        );
        assert_eq!(found(150, true), [""; 0]);
        assert_eq!(found(1070, false), ["`max_tokens = 35` and `micro_batch_tokens = 35`"]);
    }

    #[test]
    fn the_refusal_has_every_figure_and_every_way_out() {
        let estimate = Estimate { weights: 3 << 30, trained: 1 << 20, batch: 5 << 29, tokens: 4000 };
        let way = Choice { recompute_layers: true, micro_batch_tokens: 900, ..BEGIN };
        let message = refusal(&estimate, 4 << 30, (&BEGIN, &[way]));
        for part in [
            "5.5 GiB",
            "4.0 GiB are free",
            "3.0 GiB for the weights",
            "1 MiB for moments",
            "2.5 GiB for its",
            "4000",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(message.ends_with("fits with `recompute_layers = true` and `micro_batch_tokens = 900`"));
        assert!(refusal(&estimate, 4 << 30, (&BEGIN, &[])).contains("a smaller model or more memory"));
    }
}
