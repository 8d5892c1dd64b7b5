use super::ArenaParameters;
use super::contestants::Contestant;
use super::dice::{Dice, floor};
use super::habits::{Habits, damage};
use super::kinds::{Kind, Language};
use super::reward::Qualities;
use super::tasks::{Materials, Task, Wish, any, fill_in, task_of};
use super::texts::{Texts, fill};

/// An answer and what a reader sees in it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) qualities: Qualities,
}

/// Lets a contestant answer a prompt.
pub(super) fn answer(
    materials: &Materials,
    parameters: &ArenaParameters,
    (task, contestant): (&Task, &Contestant),
    dice: &mut Dice,
) -> Answer {
    let habits = Habits::draw(task, contestant, dice);
    let mut seen = habits.qualities;
    let own = materials.of(task.language);
    let voice = if seen.own_language { own } else { materials.of(Language::English) };
    let misread = (!seen.relevant).then(|| task_of(materials, own, task.kind, dice));
    let about = misread.as_ref().unwrap_or(task);
    let usual = task.usual_length * wished(task.wish) * voice.language.density() * parameters.response_length;
    let mut page = Page { voice, about, text: String::new(), target: usual * habits.length, fillers: vec![] };
    if seen.refused {
        page.sentence(any(voice, "refusal", dice));
    } else {
        page.greet(&seen, dice);
        match task.kind {
            Kind::List => page.list(task, &mut seen, dice),
            Kind::Creative => page.story(&mut seen, dice),
            _ => page.prose(&mut seen, dice),
        }
        page.farewell(dice);
    }
    let mut text = page.text;
    text.truncate(text.trim_end().len());
    damage(&mut text, &seen, dice);
    seen.ln_length = ((text.chars().count() as f64 + 20.0) / (usual + 20.0)).ln();
    Answer { text, qualities: seen }
}

fn wished(wish: Wish) -> f64 {
    match wish {
        Wish::Short => 0.4,
        Wish::Usual => 1.0,
        Wish::Long => 1.6,
    }
}

/// An answer on its way.
struct Page<'a> {
    /// The language it is written in.
    voice: &'a Texts,
    /// What it is about, which is not always what was asked.
    about: &'a Task,
    text: String,
    /// Characters to aim at.
    target: f64,
    /// Talk that was not used yet.
    fillers: Vec<&'static str>,
}

impl Page<'_> {
    fn sentence(&mut self, sentence: &str) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push_str(self.voice.language.blank());
        }
        self.text.push_str(sentence);
    }

    fn paragraph(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }

    fn room(&self) -> f64 {
        self.target - self.text.chars().count() as f64
    }

    /// The next sentence that could stand in any answer; all are used before one comes again.
    fn filler(&mut self, dice: &mut Dice) -> String {
        if self.fillers.is_empty() {
            self.fillers = self.voice.phrases("filler").to_vec();
            dice.shuffle(&mut self.fillers);
        }
        fill_in(self.fillers.pop().unwrap_or(""), self.about, dice)
    }

    fn greet(&mut self, seen: &Qualities, dice: &mut Dice) {
        if seen.boilerplate {
            self.sentence(any(self.voice, "hedge", dice));
        } else if self.room() > 100.0 && self.about.kind != Kind::List && dice.chance(0.35) {
            self.sentence(any(self.voice, "opening", dice));
        }
    }

    fn farewell(&mut self, dice: &mut Dice) {
        if self.room() > -100.0 && dice.chance(0.3) {
            self.paragraph();
            self.sentence(any(self.voice, "closing", dice));
        }
    }

    /// The core of the answer: a sentence, a worked sum, a block of code.
    fn lead(&mut self, seen: &Qualities, dice: &mut Dice) {
        let lead = if !seen.own_language && self.about.usual_length > 450.0 && self.about.kind != Kind::Code {
            fill_in(any(self.voice, "vague", dice), self.about, dice)
        } else if seen.correct {
            self.about.right.clone()
        } else {
            self.about.wrong.clone()
        };
        if lead.contains('\n') {
            self.paragraph();
        }
        self.sentence(&lead);
        if lead.contains("```") {
            self.paragraph();
        }
    }

    /// Sentences until the answer is as long as it should be: facts as long as there are any, in the
    /// proportion of the depth, and talk.
    fn body(&mut self, seen: &mut Qualities, dice: &mut Dice) -> Vec<String> {
        let mut facts = if seen.own_language { self.about.facts.clone() } else { Vec::new() };
        dice.shuffle(&mut facts);
        let known = facts.len().max(1) as f64;
        // Nobody philosophises about a sum; there the answer ends with its notes.
        let talks = !matches!(self.about.kind, Kind::Code | Kind::Arithmetic | Kind::Translation);
        let (mut told, mut sentences, mut room) = (0.0, Vec::new(), self.room());
        while room > 40.0 * self.voice.language.density() {
            let fact = if dice.chance(seen.depth) { facts.pop() } else { None };
            let sentence = match fact {
                Some(fact) => fill_in(fact, self.about, dice),
                None if talks => self.filler(dice),
                None => break,
            };
            told += f64::from(u8::from(fact.is_some()));
            room -= sentence.chars().count() as f64;
            sentences.push(sentence);
        }
        seen.depth = if talks {
            0.5 * told / sentences.len().max(1) as f64 + 0.5 * told / known
        } else {
            told / known
        };
        sentences
    }

    fn prose(&mut self, seen: &mut Qualities, dice: &mut Dice) {
        self.lead(seen, dice);
        let sentences = self.body(seen, dice);
        if sentences.len() < 3 {
            seen.formatted = false;
        }
        if !seen.formatted {
            self.paragraphs(&sentences, dice);
        } else if sentences.len() > 9 && dice.chance(0.6) {
            self.sections(&sentences, dice);
        } else {
            self.bullets(&sentences, dice);
        }
        if sentences.len() > 8 && dice.chance(0.5) {
            self.paragraph();
            let summing = fill_in(any(self.voice, "summing", dice), self.about, dice);
            self.sentence(&summing);
        }
    }

    fn paragraphs(&mut self, sentences: &[String], dice: &mut Dice) {
        let mut left = dice.between(1, 3);
        for sentence in sentences {
            if left == 0 {
                self.paragraph();
                left = dice.between(3, 5);
            }
            self.sentence(sentence);
            left -= 1;
        }
    }

    fn bullets(&mut self, sentences: &[String], dice: &mut Dice) {
        let numbered = dice.chance(0.3);
        self.text.push('\n');
        for (index, sentence) in sentences.iter().enumerate() {
            let mark = if numbered { format!("\n{}. ", index + 1) } else { "\n- ".to_owned() };
            self.text.push_str(&mark);
            self.text.push_str(sentence);
        }
    }

    fn sections(&mut self, sentences: &[String], dice: &mut Dice) {
        let headings = self.voice.phrases("heading");
        let count = headings.len().min(sentences.len() / 3).max(1);
        for (index, some) in sentences.chunks(sentences.len().div_ceil(count)).enumerate() {
            self.paragraph();
            let heading = headings.get(index).copied().unwrap_or("");
            self.text.push_str("## ");
            self.text.push_str(heading);
            self.text.push_str("\n\n");
            if dice.chance(0.4) {
                self.text.truncate(self.text.trim_end().len());
                self.bullets(some, dice);
            } else {
                self.paragraphs(some, dice);
            }
        }
    }

    fn list(&mut self, task: &Task, seen: &mut Qualities, dice: &mut Dice) {
        let fewer = dice.chance(0.5) && task.count > 2 + seen.items_off;
        let wanted = if fewer { task.count - seen.items_off } else { task.count + seen.items_off };
        let mut items = self.about.facts.clone();
        dice.shuffle(&mut items);
        items.truncate(wanted);
        seen.items_off = items.len().abs_diff(task.count);
        let intro = any(self.voice, "list.intro", dice);
        let count = items.len().to_string();
        self.sentence(&fill(intro, &[("count", &*count), ("topic", &*self.about.name)]));
        let explained = dice.chance(seen.depth);
        seen.depth = if explained { 0.75 } else { 0.25 };
        let more =
            (self.room() / (1.0 + items.len() as f64) / self.voice.language.density() / 110.0).max(0.0);
        let mut lines = Vec::new();
        for item in items {
            let title = item.split([':', '：']).next().unwrap_or(item).trim_end();
            let mut line =
                if explained { item.replacen(title, &format!("**{title}**"), 1) } else { title.to_owned() };
            if !seen.formatted {
                line = line.replace("**", "");
            }
            if explained {
                for _ in 0..floor(more) {
                    line.push_str(self.voice.language.blank());
                    line.push_str(&self.filler(dice));
                }
            }
            lines.push(line);
        }
        if seen.formatted {
            self.bullets(&lines, dice);
        } else {
            self.text.push('\n');
            self.text.push_str(&lines.join("\n"));
        }
        let outro = if seen.correct { &self.about.right } else { &self.about.wrong };
        self.text.push_str("\n\n");
        self.text.push_str(outro);
    }

    fn story(&mut self, seen: &mut Qualities, dice: &mut Dice) {
        self.paragraph();
        if !seen.correct && dice.chance(0.6) {
            seen.depth *= 0.5;
            self.lead(seen, dice);
            return;
        }
        self.lead(seen, dice);
        let hero = any(self.voice, "story.name", dice);
        let mut facts = if seen.own_language { self.about.facts.clone() } else { Vec::new() };
        let known = facts.len().max(1) as f64;
        facts.reverse();
        let mut middle: Vec<&str> = self.voice.phrases("story.middle").to_vec();
        dice.shuffle(&mut middle);
        let mut scenes = vec![any(self.voice, "story.begin", dice)];
        let mut length = 0;
        while (length as f64) < self.room() && !(facts.is_empty() && middle.is_empty()) {
            let own = dice.chance(seen.depth) || middle.is_empty();
            let scene = if own { facts.pop() } else { middle.pop() };
            let Some(scene) = scene else { continue };
            length += scene.chars().count();
            scenes.push(scene);
        }
        scenes.push(any(self.voice, "story.end", dice));
        seen.depth = 1.0 - facts.len() as f64 / known;
        let told: Vec<String> = scenes
            .into_iter()
            .map(|scene| fill_in(&fill(scene, &[("name", hero)]), self.about, dice))
            .collect();
        self.paragraphs(&told, dice);
    }
}
