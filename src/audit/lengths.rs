use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::estimates::{Estimate, share};
use super::tokens::tokens;
use super::view::View;
use crate::battle::{Battle, Turn};

/// How long the texts are; all turns of a row together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    /// Prompts.
    pub prompt: Length,
    /// Responses of A.
    pub response_a: Length,
    /// Responses of B.
    pub response_b: Length,
    /// Who wins where one response has more characters; none without such rows.
    pub longer: Option<Longer>,
}

/// The length of one kind of text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Length {
    /// Unicode scalar values.
    pub characters: Quantiles,
    /// Words; Chinese, Japanese, Thai, Lao, Burmese and Khmer by character.
    pub words: Quantiles,
}

/// The least, largest and some in between: each is the length of a row (nearest rank).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The shortest.
    pub min: usize,
    /// 5 % are at most this long.
    pub p05: usize,
    /// 25 %.
    pub p25: usize,
    /// The median.
    pub p50: usize,
    /// 75 %.
    pub p75: usize,
    /// 95 %.
    pub p95: usize,
    /// 99 %.
    pub p99: usize,
    /// The longest.
    pub max: usize,
}

/// What length is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Longer {
    /// Rows with a winner and responses of different length.
    pub rows: usize,
    /// Share of them that the longer response wins; soft labels count as votes in their proportion.
    pub wins: Estimate,
}

/// Characters and words of prompt, response A and response B.
type Sizes = [[usize; 2]; 3];

pub(super) fn lengths(view: &View<'_>) -> Lengths {
    let sizes: Vec<Sizes> = view.battles.par_iter().map(|battle| sizes_of(battle)).collect();
    let length = |part: usize| {
        let quantiles = |unit: usize| quantiles(sizes.iter().map(|sizes| sizes[part][unit]).collect());
        Length { characters: quantiles(0), words: quantiles(1) }
    };
    Lengths { prompt: length(0), response_a: length(1), response_b: length(2), longer: longer(view, &sizes) }
}

fn sizes_of(battle: &Battle) -> Sizes {
    let total = |text: &dyn for<'b> Fn(&'b Turn) -> &'b str| {
        let texts = || battle.turns.iter().map(text);
        [texts().map(|text| text.chars().count()).sum(), texts().map(|text| tokens(text).count()).sum()]
    };
    [
        total(&|turn| &turn.prompt),
        total(&|turn| turn.response_a.as_str()),
        total(&|turn| turn.response_b.as_str()),
    ]
}

fn quantiles(mut lengths: Vec<usize>) -> Quantiles {
    lengths.sort_unstable();
    // Nearest rank: thousandths of the last position, rounded.
    let at = |thousandths: usize| {
        let last = lengths.len().saturating_sub(1);
        lengths.get((last * thousandths + 500) / 1000).copied().unwrap_or(0)
    };
    Quantiles {
        min: at(0),
        p05: at(50),
        p25: at(250),
        p50: at(500),
        p75: at(750),
        p95: at(950),
        p99: at(990),
        max: at(1000),
    }
}

fn longer(view: &View<'_>, sizes: &[Sizes]) -> Option<Longer> {
    let (mut rows, mut wins, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (row, labeled) in view.labeled.iter().enumerate() {
        let [a, b, _] = labeled.target.to_array();
        let [_, [characters_a, _], [characters_b, _]] = sizes[row];
        if a + b > 0.0 && characters_a != characters_b {
            rows.push(row);
            wins.push(if characters_a > characters_b { a } else { b } / (a + b));
            weights.push(a + b);
        }
    }
    let wins = share(&wins, Some(&weights), &view.groups.subset(&rows))?;
    Some(Longer { rows: rows.len(), wins })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_lengths_of_rows() {
        let all = quantiles((0..=1000).rev().collect());
        assert_eq!([all.min, all.p05, all.p50, all.p99, all.max], [0, 50, 500, 990, 1000]);
        let two = quantiles(vec![7, 3]);
        assert_eq!([two.min, two.p25, two.p75, two.max], [3, 3, 7, 7]);
        assert_eq!(quantiles(Vec::new()).max, 0);
    }
}
