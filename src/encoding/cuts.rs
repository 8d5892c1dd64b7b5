use super::truncation::{Keep, PartsTruncation, Shares, TurnOrder};
use super::water::{Vessel, water_fill};

/// Tokens of one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnLengths {
    /// The template's own words that leave with the turn.
    pub frame: usize,
    /// Prompt, first and second response.
    pub texts: [usize; 3],
}

/// Tokens of one sequence before it is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Special tokens and the template's own words that always stay.
    pub fixed: usize,
    /// First turn first.
    pub turns: Vec<TurnLengths>,
}

impl Lengths {
    /// Everything together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.fixed
            + self.turns.iter().map(|turn| turn.frame + turn.texts.iter().sum::<usize>()).sum::<usize>()
    }
}

/// What stays of one text: tokens at its beginning and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Tokens at the beginning.
    pub head: usize,
    /// Tokens at the end.
    pub tail: usize,
    /// Whether the marker stands in the gap.
    pub marked: bool,
}

/// What stays of each turn, first turn first; `None` for a turn that is left out whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Cuts of prompt, first and second response.
    pub turns: Vec<Option<[Cut; 3]>>,
}

/// The words of the template alone do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the template's own words and special tokens need {needed} tokens, and {max_tokens} are allowed; raise \
     `max_tokens` or shorten the template"
)]
pub struct FrameTooLong {
    /// Tokens of the frame around one turn.
    pub needed: usize,
    /// The budget.
    pub max_tokens: usize,
}

/// Decides from lengths alone what stays; `marker` is the number of tokens of the marker.
///
/// What stays, with markers and frames, is at most `max_tokens`; nothing is cut when everything fits;
/// exchanging the responses exchanges their cuts.
///
/// # Errors
/// `FrameTooLong` when the template's own words around the last turn alone are above `max_tokens`.
pub fn plan_parts(
    lengths: &Lengths,
    max_tokens: usize,
    policy: &PartsTruncation,
    marker: usize,
) -> Result<Plan, FrameTooLong> {
    let needed = lengths.fixed + lengths.turns.last().map_or(0, |turn| turn.frame);
    if needed > max_tokens {
        return Err(FrameTooLong { needed, max_tokens });
    }
    let budget = max_tokens - lengths.fixed;
    let kept = match policy.turns {
        TurnOrder::LastFirst => last_first(&lengths.turns, budget, policy),
        TurnOrder::Even => even(&lengths.turns, budget, policy),
    };
    let dropped = lengths.turns.len() - kept.len();
    let mut turns = vec![None; dropped];
    for (turn, budgets) in lengths.turns[dropped..].iter().zip(kept) {
        turns.push(Some([0, 1, 2].map(|text| cut(turn.texts[text], budgets[text], policy, marker))));
    }
    Ok(Plan { turns })
}

/// The budgets of the kept turns, which are the last ones, first turn first.
fn last_first(turns: &[TurnLengths], budget: usize, policy: &PartsTruncation) -> Vec<[usize; 3]> {
    let mut left = budget;
    let mut kept = Vec::new();
    for (from_last, turn) in turns.iter().rev().enumerate() {
        let texts: usize = turn.texts.iter().sum();
        if turn.frame + texts <= left {
            left -= turn.frame + texts;
            kept.push(turn.texts);
            continue;
        }
        if from_last == 0 || turn.frame + floors(turn, policy) <= left {
            let shared = shared(std::slice::from_ref(turn), left - turn.frame, policy);
            kept.extend(shared);
        }
        break;
    }
    kept.reverse();
    kept
}

fn even(turns: &[TurnLengths], budget: usize, policy: &PartsTruncation) -> Vec<[usize; 3]> {
    let mut first = 0;
    let mut frames: usize = turns.iter().map(|turn| turn.frame).sum();
    let mut floor: usize = turns.iter().map(|turn| floors(turn, policy)).sum();
    while first + 1 < turns.len() && frames + floor > budget {
        frames -= turns[first].frame;
        floor -= floors(&turns[first], policy);
        first += 1;
    }
    shared(&turns[first..], budget - frames, policy)
}

fn floors(turn: &TurnLengths, policy: &PartsTruncation) -> usize {
    turn.texts.iter().map(|&tokens| tokens.min(policy.floor)).sum()
}

fn shared(turns: &[TurnLengths], budget: usize, policy: &PartsTruncation) -> Vec<[usize; 3]> {
    let [prompt, response] = weights(policy.shares);
    let vessels: Vec<Vessel> = turns
        .iter()
        .flat_map(|turn| {
            let [prompt_tokens, first, second] = turn.texts;
            [(prompt_tokens, prompt), (first, response), (second, response)]
        })
        .map(|(tokens, weight)| Vessel { tokens, weight })
        .collect();
    let filled = water_fill(&vessels, policy.floor, budget);
    filled.chunks_exact(3).map(|texts| [texts[0], texts[1], texts[2]]).collect()
}

/// Shares as whole numbers, the larger one `Vessel::FULL`.
fn weights(shares: Shares) -> [u32; 2] {
    let most = shares.prompt.max(shares.response);
    [shares.prompt, shares.response].map(|share| {
        let scaled = (share / most * f64::from(Vessel::FULL)).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 1024")]
        let weight = scaled.clamp(1.0, f64::from(Vessel::FULL)) as u32;
        weight
    })
}

/// A text of `tokens` cut to `budget` with its marker. The marker stands only where it is the smaller part,
/// so that a larger budget never shows less of the text.
fn cut(tokens: usize, budget: usize, policy: &PartsTruncation, marker: usize) -> Cut {
    if tokens <= budget {
        return Cut { head: tokens, tail: 0, marked: false };
    }
    let marked = marker > 0 && budget > 2 * marker;
    let kept = if marked {
        budget - marker
    } else if marker > 0 {
        budget.min(marker)
    } else {
        budget
    };
    let head = match policy.keep {
        Keep::Head => kept,
        Keep::Tail => 0,
        Keep::HeadTail => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and kept")]
            let head = (kept as f64 * policy.head_share).ceil() as usize;
            head.min(kept)
        }
    };
    Cut { head, tail: kept - head, marked }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(texts: [usize; 3]) -> Lengths {
        Lengths { fixed: 10, turns: vec![TurnLengths { frame: 5, texts }] }
    }

    fn policy(keep: Keep) -> PartsTruncation {
        PartsTruncation { keep, floor: 4, ..PartsTruncation::default() }
    }

    #[test]
    fn head_tail_and_both_ends_are_kept() {
        let cut_with = |keep| plan_parts(&one([2, 500, 3]), 120, &policy(keep), 1).unwrap().turns[0].unwrap();
        assert_eq!(cut_with(Keep::Head)[1], Cut { head: 99, tail: 0, marked: true });
        assert_eq!(cut_with(Keep::Tail)[1], Cut { head: 0, tail: 99, marked: true });
        assert_eq!(cut_with(Keep::HeadTail)[1], Cut { head: 50, tail: 49, marked: true });
        assert_eq!(cut_with(Keep::Head)[2], Cut { head: 3, tail: 0, marked: false });
    }

    #[test]
    fn the_last_turn_comes_first_and_the_earliest_are_left_out_with_their_frame() {
        let turn = TurnLengths { frame: 5, texts: [10, 20, 20] };
        let lengths = Lengths { fixed: 10, turns: vec![turn; 3] };
        let plan = plan_parts(&lengths, 130, &policy(Keep::Head), 0).unwrap();
        assert_eq!(plan.turns[0], None);
        assert_eq!(plan.turns[1], Some([10, 20, 20].map(|head| Cut { head, tail: 0, marked: false })));
        assert_eq!(plan.turns[2], plan.turns[1]);
        let even = PartsTruncation { turns: TurnOrder::Even, ..policy(Keep::Head) };
        let plan = plan_parts(&lengths, 115, &even, 0).unwrap();
        assert!(plan.turns.iter().all(Option::is_some));
    }

    #[test]
    fn a_frame_above_the_budget_is_said() {
        let failed = plan_parts(&one([1, 1, 1]), 14, &policy(Keep::Head), 0).unwrap_err();
        assert_eq!(failed, FrameTooLong { needed: 15, max_tokens: 14 });
    }

    #[test]
    fn a_larger_budget_never_shows_less_of_a_text_because_the_marker_now_fits() {
        let kept = |budget| {
            let cut = cut(100, budget, &policy(Keep::HeadTail), 5);
            assert!(cut.head + cut.tail + if cut.marked { 5 } else { 0 } <= budget);
            cut.head + cut.tail
        };
        assert!((0..110).all(|budget| kept(budget) <= kept(budget + 1)));
    }
}
