use super::dice::{Dice, floor};
use super::kinds::{Kind, Language};
use super::programs::{Program, program_task};
use super::sums::sum_task;
use super::texts::{Texts, fill};
use super::translations::{Sentence, translation_task};

/// How long an answer the prompt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Short,
    Usual,
    Long,
}

/// A prompt and everything that answering it well or badly takes.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) language: Language,
    pub(super) kind: Kind,
    pub(super) prompt: String,
    /// What it is about, ready to stand in a sentence.
    pub(super) name: String,
    pub(super) terms: Vec<&'static str>,
    /// The right core of an answer; may be several lines.
    pub(super) right: String,
    /// A wrong one.
    pub(super) wrong: String,
    /// Sentences that deepen an answer; of a list the items.
    pub(super) facts: Vec<&'static str>,
    pub(super) wish: Wish,
    /// Whether the prompt asks for bullet points or headings.
    pub(super) listed: bool,
    /// How many items a list should have.
    pub(super) count: usize,
    /// Characters of a usual answer, counted as in English.
    pub(super) usual_length: f64,
}

/// Everything that prompts are made of.
pub(super) struct Materials {
    pub(super) texts: Vec<Texts>,
    pub(super) programs: Vec<Program>,
    pub(super) sentences: Vec<Sentence>,
}

impl Materials {
    /// What can be said in a language.
    pub(super) fn of(&self, language: Language) -> &Texts {
        self.texts.iter().find(|texts| texts.language == language).unwrap_or(&self.texts[0])
    }
}

/// Draws a prompt.
pub(super) fn task(materials: &Materials, dice: &mut Dice) -> Task {
    let languages = materials.texts.iter().map(|texts| texts.language.share());
    let texts = &materials.texts[dice.weighted(languages)];
    let kind = Kind::ALL[dice.weighted(Kind::ALL.iter().map(|kind| kind.share()))];
    task_of(materials, texts, kind, dice)
}

/// Draws a prompt of a language and kind.
pub(super) fn task_of(materials: &Materials, texts: &Texts, kind: Kind, dice: &mut Dice) -> Task {
    match kind {
        Kind::Arithmetic => sum_task(texts, dice),
        Kind::Translation => translation_task(materials, texts, dice),
        Kind::Code => program_task(materials, texts, dice),
        Kind::Summary => summary_task(texts, dice),
        Kind::Factual | Kind::Advice | Kind::List | Kind::Creative | Kind::Unsafe => {
            topic_task(texts, kind, dice)
        }
    }
}

/// A task without an answer yet; the beginning of each kind.
pub(super) fn blank(texts: &Texts, kind: Kind) -> Task {
    Task {
        language: texts.language,
        kind,
        prompt: String::new(),
        name: one(texts, &format!("name.{}", kind.word()), 0).to_owned(),
        terms: one(texts, &format!("terms.{}", kind.word()), 0).split(';').map(str::trim).collect(),
        right: String::new(),
        wrong: String::new(),
        facts: Vec::new(),
        wish: Wish::Usual,
        listed: false,
        count: 0,
        usual_length: usual_length(kind),
    }
}

fn usual_length(kind: Kind) -> f64 {
    match kind {
        Kind::Factual => 1_650.0,
        Kind::Advice | Kind::Creative => 1_900.0,
        Kind::List => 1_600.0,
        Kind::Code => 1_200.0,
        Kind::Summary => 700.0,
        Kind::Unsafe => 500.0,
        Kind::Arithmetic => 350.0,
        Kind::Translation => 200.0,
    }
}

/// The phrase with this number, counted round and round; empty where the key has none.
pub(super) fn one(texts: &Texts, key: &str, number: usize) -> &'static str {
    let phrases = texts.phrases(key);
    phrases.get(number % phrases.len().max(1)).copied().unwrap_or("")
}

/// A random phrase; empty where the key has none.
pub(super) fn any(texts: &Texts, key: &str, dice: &mut Dice) -> &'static str {
    dice.pick(texts.phrases(key)).copied().unwrap_or("")
}

fn topic_task(texts: &Texts, kind: Kind, dice: &mut Dice) -> Task {
    let mut task = blank(texts, kind);
    let topics = texts.topics(kind);
    let Some(topic) = dice.pick(topics) else { return task };
    topic.name.clone_into(&mut task.name);
    task.terms.clone_from(&topic.terms);
    task.facts.clone_from(&topic.facts);
    dice.pick(&topic.right).copied().unwrap_or("").clone_into(&mut task.right);
    dice.pick(&topic.wrong).copied().unwrap_or("").clone_into(&mut task.wrong);
    task.count = dice.between(3, topic.facts.len().min(10));
    let own = kind == Kind::Unsafe || (!topic.questions.is_empty() && dice.chance(0.35));
    let question = if own {
        dice.pick(&topic.questions).copied().unwrap_or("")
    } else {
        any(texts, &format!("ask.{}", kind.word()), dice)
    };
    let question = fill_in(question, &task, dice);
    frame(texts, &mut task, &question, dice);
    task
}

/// A text that somebody pasted, and the wish for its gist: prompts with a heavy tail.
fn summary_task(texts: &Texts, dice: &mut Dice) -> Task {
    let mut task = blank(texts, Kind::Summary);
    let kind = if dice.chance(0.6) { Kind::Factual } else { Kind::Advice };
    let Some(topic) = dice.pick(texts.topics(kind)) else { return task };
    topic.name.clone_into(&mut task.name);
    task.terms.clone_from(&topic.terms);
    task.facts.clone_from(&topic.facts);
    let core = dice.pick(&topic.right).copied().unwrap_or("");
    let blank = texts.language.blank();
    task.right = format!("{}{blank}{core}", fill_in(any(texts, "summary.right", dice), &task, dice));
    task.wrong = fill_in(any(texts, "summary.wrong", dice), &task, dice);
    task.wish = if dice.chance(0.5) { Wish::Short } else { Wish::Usual };
    let mut sentences = vec![core.to_owned()];
    sentences.extend(topic.facts.iter().map(|fact| (*fact).to_owned()));
    let length = (dice.normal() * 0.9 + 3.0).exp().clamp(4.0, 120.0);
    for _ in 0..floor(length) {
        sentences.push(fill_in(any(texts, "filler", dice), &task, dice));
    }
    dice.shuffle(&mut sentences[1..]);
    let paragraphs: Vec<String> = sentences.chunks(5).map(|some| some.join(blank)).collect();
    let question = fill_in(any(texts, "ask.summary", dice), &task, dice);
    task.prompt = format!("{question}\n\n{}", paragraphs.join("\n\n"));
    task
}

/// Puts what people write around a question: a word about themselves, a wish for the form.
pub(super) fn frame(texts: &Texts, task: &mut Task, question: &str, dice: &mut Dice) {
    let mut parts = Vec::new();
    if dice.chance(0.3) {
        parts.push(fill_in(any(texts, "preface", dice), task, dice));
    }
    parts.push(question.to_owned());
    match dice.below(10) {
        0 | 1 => task.wish = Wish::Short,
        2 | 3 => task.wish = Wish::Long,
        4 => task.listed = true,
        _ => {}
    }
    let key = match task.wish {
        Wish::Short => Some("brief"),
        Wish::Long => Some("detailed"),
        Wish::Usual => task.listed.then_some("listed"),
    };
    if let Some(key) = key {
        parts.push(fill_in(any(texts, key, dice), task, dice));
    }
    task.prompt = parts.join(texts.language.blank());
    if dice.chance(0.08) {
        // Many people type without capitals or a mark at the end.
        task.prompt = task.prompt.to_lowercase();
        task.prompt.truncate(task.prompt.trim_end_matches(['.', '?', '。', '？']).len());
    }
}

/// The template with the task's subject and random numbers.
pub(super) fn fill_in(template: &str, task: &Task, dice: &mut Dice) -> String {
    let term = dice.pick(&task.terms).copied().unwrap_or("");
    let count = if task.count > 0 { task.count } else { dice.between(4, 12) }.to_string();
    let few = dice.between(2, 6).to_string();
    let words = (dice.between(2, 24) * 25).to_string();
    let values =
        [("topic", &*task.name), ("term", term), ("count", &*count), ("few", &*few), ("words", &*words)];
    fill(template, &values)
}

/// What people say next, with the longest answer that suits it, counted as in English.
const FOLLOW_UPS: [(&str, f64); 6] = [
    ("shorter", 200.0),
    ("example", 700.0),
    ("why", 700.0),
    ("simpler", 500.0),
    ("more", 900.0),
    ("thanks", 90.0),
];

/// The next turn of a conversation about the same thing.
pub(super) fn follow_up(texts: &Texts, first: &Task, dice: &mut Dice) -> Task {
    let (what, usual_length) = FOLLOW_UPS[dice.below(FOLLOW_UPS.len())];
    let mut task = first.clone();
    task.kind = Kind::Factual;
    task.listed = false;
    task.count = 0;
    task.usual_length = usual_length;
    task.wish = if matches!(what, "shorter" | "thanks") { Wish::Short } else { Wish::Usual };
    if what == "thanks" || first.kind == Kind::List {
        task.facts.clear();
    }
    task.prompt = fill_in(any(texts, &format!("follow.{what}"), dice), &task, dice);
    let lead = fill_in(any(texts, &format!("lead.{what}"), dice), &task, dice);
    let fact = dice.pick(&task.facts).copied();
    task.right = fact.map_or(lead.clone(), |fact| format!("{lead}{}{fact}", texts.language.blank()));
    task.facts.retain(|kept| Some(*kept) != fact);
    any(texts, "lead.lost", dice).clone_into(&mut task.wrong);
    task
}
