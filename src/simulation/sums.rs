use super::dice::Dice;
use super::kinds::Kind;
use super::tasks::{Task, Wish, any, blank, frame};
use super::texts::{Texts, fill};

/// A question whose answer is a number, worked out; the wrong answer slips in the last step.
pub(super) fn sum_task(texts: &Texts, dice: &mut Dice) -> Task {
    let mut task = blank(texts, Kind::Arithmetic);
    let sum = Sum::new(dice);
    let slip = [1, 10, 100, 2, 20][dice.below(5)].min(sum.result / 2 + 1);
    let wrong = if dice.chance(0.5) { sum.result + slip } else { sum.result - slip };
    let steps = any(texts, &format!("{}.steps", sum.key), dice);
    let answer = any(texts, "sum.answer", dice);
    let solution = |result: usize| {
        let line = format!("{steps}\n\n{answer}");
        sum.fill(&line, result)
    };
    task.right = solution(sum.result);
    task.wrong = solution(wrong);
    task.facts = texts.phrases("sum.check").to_vec();
    let question = sum.fill(any(texts, sum.key, dice), 0);
    frame(texts, &mut task, &question, dice);
    if task.wish == Wish::Long {
        task.wish = Wish::Usual;
    }
    task
}

struct Sum {
    key: &'static str,
    given: [usize; 4],
    parts: [usize; 2],
    result: usize,
}

impl Sum {
    fn new(dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => {
                let (a, b) = (dice.between(12, 99), dice.between(12, 99));
                let parts = [a * (b / 10 * 10), a * (b % 10)];
                Self { key: "sum.product", given: [a, b, 0, 0], parts, result: a * b }
            }
            1 => Self::two_parts("sum.shop", [(2, 19), (2, 9), (2, 12), (2, 12)], dice),
            _ => Self::two_parts("sum.travel", [(60, 180), (40, 120), (2, 7), (1, 6)], dice),
        }
    }

    /// a times c and b times d.
    fn two_parts(key: &'static str, ranges: [(usize, usize); 4], dice: &mut Dice) -> Self {
        let given = ranges.map(|(low, high)| dice.between(low, high));
        let parts = [given[0] * given[2], given[1] * given[3]];
        Self { key, given, parts, result: parts[0] + parts[1] }
    }

    fn fill(&self, template: &str, result: usize) -> String {
        let [a, b, c, d] = self.given.map(|number| number.to_string());
        let [p10, p1] = self.parts.map(|number| number.to_string());
        let (b10, b1) = ((self.given[1] / 10 * 10).to_string(), (self.given[1] % 10).to_string());
        let values = [
            ("a", &*a),
            ("b", &*b),
            ("c", &*c),
            ("d", &*d),
            ("p10", &*p10),
            ("p1", &*p1),
            ("b10", &*b10),
            ("b1", &*b1),
            ("result", &*result.to_string()),
        ];
        fill(template, &values)
    }
}
