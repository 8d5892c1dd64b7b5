use std::collections::BTreeMap;

use super::SimulationError;
use super::dice::Dice;
use super::kinds::Kind;
use super::tasks::{Materials, Task, any, blank, frame};
use super::texts::{Texts, broken};

/// A small program to write: what is asked in each language, code that does it, code that does not.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    /// The programming language, as a code block names it.
    language: &'static str,
    prompts: BTreeMap<&'static str, Vec<&'static str>>,
    right: Vec<String>,
    wrong: Vec<String>,
}

const FILE: &str = "programs.txt";

/// The programs: `# language`, prompts as `en ...`, then code behind `= ` (right) and `! ` (wrong).
pub(super) fn programs() -> Result<Vec<Program>, SimulationError> {
    let mut result: Vec<Program> = Vec::new();
    let mut code = '=';
    for (index, line) in include_str!("texts/programs.txt").lines().enumerate() {
        if let Some(language) = line.strip_prefix("# ") {
            result.push(Program { language, ..Program::default() });
            continue;
        }
        let Some(program) = result.last_mut() else {
            return Err(broken(FILE, index + 1, "a program begins with `# language`"));
        };
        match line.split_at_checked(2) {
            Some((mark @ ("= " | "! "), first)) => {
                code = if mark == "= " { '=' } else { '!' };
                listing(program, code).push(first.to_owned());
            }
            Some(("| ", next)) => {
                let lines = listing(program, code);
                let Some(last) = lines.last_mut() else {
                    return Err(broken(FILE, index + 1, "code goes on that never began"));
                };
                last.push('\n');
                last.push_str(next);
            }
            _ => {
                if let Some((code, prompt)) = line.split_once(' ') {
                    program.prompts.entry(code).or_default().push(prompt);
                }
            }
        }
    }
    Ok(result)
}

fn listing(program: &mut Program, mark: char) -> &mut Vec<String> {
    if mark == '=' { &mut program.right } else { &mut program.wrong }
}

/// A program to write.
pub(super) fn program_task(materials: &Materials, texts: &Texts, dice: &mut Dice) -> Task {
    let mut task = blank(texts, Kind::Code);
    let Some(program) = dice.pick(&materials.programs) else { return task };
    let intro = any(texts, "code.intro", dice);
    let mut block = |listings: &[String]| {
        let code = dice.pick(listings).map_or("", String::as_str);
        format!("{intro}\n\n```{}\n{code}\n```", program.language)
    };
    task.right = block(&program.right);
    task.wrong = block(&program.wrong);
    task.facts = texts.phrases("code.note").to_vec();
    let prompts = program.prompts.get(texts.language.code()).map_or(&[][..], Vec::as_slice);
    let question = dice.pick(prompts).copied().unwrap_or("").to_owned();
    frame(texts, &mut task, &question, dice);
    task
}

#[cfg(test)]
mod tests {
    use super::super::kinds::Language;
    use super::*;

    #[test]
    fn every_program_can_be_asked_for_in_every_language() {
        for program in programs().unwrap() {
            assert!(!program.right.is_empty() && !program.wrong.is_empty(), "{program:?}");
            for language in Language::ALL {
                assert!(program.prompts.contains_key(language.code()), "{language:?} {program:?}");
            }
        }
    }
}
