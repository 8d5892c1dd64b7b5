//! Which tokens of a sequence stay.

use super::EncodingError;
use super::cuts::{Cut, FrameTooLong, Lengths, Plan, TurnLengths, plan_parts};
use super::part::{Part, PartCounts};
use super::tokenizer::PlacedToken;
use super::truncation::{PartsTruncation, Side, Truncation};

/// What a selection must keep to.
pub(super) struct Limits<'a> {
    /// Tokens of the sequence at most, special tokens included.
    pub(super) max_tokens: usize,
    /// Special tokens around the texts.
    pub(super) special: usize,
    pub(super) truncation: &'a Truncation,
    /// The ids of the marker.
    pub(super) marker: &'a [u32],
}

/// The segments with the tokens that stay.
pub(super) struct Selected {
    pub(super) segments: Vec<Vec<PlacedToken>>,
    pub(super) counts: PartCounts,
}

/// # Errors
/// `FrameTooLong` when what may not be cut does not fit.
pub(super) fn select(
    segments: Vec<Vec<PlacedToken>>,
    limits: &Limits<'_>,
) -> Result<Selected, EncodingError> {
    let mut counts = PartCounts::default();
    for token in segments.iter().flatten() {
        if let Some(part) = counts.of_mut(token.part) {
            part.original += 1;
        }
    }
    let tokens: usize = segments.iter().map(Vec::len).sum();
    let segments = if tokens + limits.special <= limits.max_tokens {
        segments
    } else {
        match limits.truncation {
            Truncation::Whole { side } => whole(segments, tokens, *side, limits)?,
            Truncation::Parts(policy) => {
                let (segments, dropped) = parts(&segments, policy, limits)?;
                counts.dropped_turns = dropped;
                segments
            }
        }
    };
    for token in segments.iter().flatten() {
        if let Some(part) = counts.of_mut(token.part) {
            part.kept += 1;
        }
    }
    Ok(Selected { segments, counts })
}

fn whole(
    segments: Vec<Vec<PlacedToken>>,
    tokens: usize,
    side: Side,
    limits: &Limits<'_>,
) -> Result<Vec<Vec<PlacedToken>>, FrameTooLong> {
    let (needed, max_tokens) = (limits.special, limits.max_tokens);
    let budget = max_tokens.checked_sub(needed).ok_or(FrameTooLong { needed, max_tokens })?;
    let head = match side {
        Side::Left => 0,
        Side::Right => budget,
        Side::Middle => budget.div_ceil(2),
    };
    let tail = budget - head;
    let mut place = 0;
    let mut stays = |_: &PlacedToken| {
        place += 1;
        place <= head || place > tokens - tail
    };
    Ok(segments
        .into_iter()
        .map(|segment| segment.into_iter().filter(|token| stays(token)).collect())
        .collect())
}

fn lengths_of(segments: &[Vec<PlacedToken>], special: usize) -> Lengths {
    let mut lengths = Lengths { fixed: special, turns: Vec::new() };
    for token in segments.iter().flatten() {
        let Some(turn) = token.turn else {
            lengths.fixed += 1;
            continue;
        };
        if lengths.turns.len() <= turn {
            lengths.turns.resize(turn + 1, TurnLengths::default());
        }
        match token.part.text_index() {
            Some(text) => lengths.turns[turn].texts[text] += 1,
            None => lengths.turns[turn].frame += 1,
        }
    }
    lengths
}

fn parts(
    segments: &[Vec<PlacedToken>],
    policy: &PartsTruncation,
    limits: &Limits<'_>,
) -> Result<(Vec<Vec<PlacedToken>>, usize), FrameTooLong> {
    let lengths = lengths_of(segments, limits.special);
    let mut plan = plan_parts(&lengths, limits.max_tokens, policy, limits.marker.len())?;
    spare_characters(&mut plan, segments);
    let mut cutter = Cutter { plan: &plan, lengths: &lengths, seen: vec![[0; 3]; plan.turns.len()] };
    let kept = segments
        .iter()
        .map(|segment| {
            let mut kept = Vec::with_capacity(segment.len().min(limits.max_tokens));
            for token in segment {
                let (stays, gap) = cutter.next(*token);
                if gap {
                    let marker = |&id| PlacedToken {
                        id,
                        part: Part::Marker,
                        turn: token.turn,
                        continues: false,
                        place: None,
                    };
                    kept.extend(limits.marker.iter().map(marker));
                }
                if stays {
                    kept.push(*token);
                }
            }
            kept
        })
        .collect();
    Ok((kept, plan.turns.iter().filter(|turn| turn.is_none()).count()))
}

/// Moves each cut off the middle of a character that several tokens spell, so that no half of one is read;
/// a text keeps a few tokens less by it, never more.
fn spare_characters(plan: &mut Plan, segments: &[Vec<PlacedToken>]) {
    let mut continued: Vec<[Vec<bool>; 3]> = vec![Default::default(); plan.turns.len()];
    for token in segments.iter().flatten() {
        if let (Some(turn), Some(text)) = (token.turn, token.part.text_index()) {
            continued[turn][text].push(token.continues);
        }
    }
    for (cuts, continued) in plan.turns.iter_mut().zip(&continued) {
        for (cut, continued) in cuts.iter_mut().flatten().zip(continued) {
            let splits = |place: usize| continued.get(place).is_some_and(|continues| *continues);
            if cut.head + cut.tail == continued.len() {
                continue;
            }
            while cut.head > 0 && splits(cut.head) {
                cut.head -= 1;
            }
            while cut.tail > 0 && splits(continued.len() - cut.tail) {
                cut.tail -= 1;
            }
        }
    }
}

/// Follows a plan token by token.
struct Cutter<'a> {
    plan: &'a Plan,
    lengths: &'a Lengths,
    /// Tokens of each text that went by.
    seen: Vec<[usize; 3]>,
}

impl Cutter<'_> {
    /// Whether the token stays, and whether the marker stands before it.
    fn next(&mut self, token: PlacedToken) -> (bool, bool) {
        let Some(turn) = token.turn else { return (true, false) };
        let Some(cuts) = self.plan.turns[turn] else { return (false, false) };
        let Some(text) = token.part.text_index() else { return (true, false) };
        let Cut { head, tail, marked } = cuts[text];
        let place = self.seen[turn][text];
        self.seen[turn][text] += 1;
        let stays = place < head || place >= self.lengths.turns[turn].texts[text] - tail;
        (stays, marked && place == head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::truncation::Keep;

    fn tokens(text: &str) -> Vec<PlacedToken> {
        text.chars()
            .map(|character| {
                let part = match character {
                    'p' => Part::Prompt,
                    'a' => Part::ResponseA,
                    'b' => Part::ResponseB,
                    _ => Part::Frame,
                };
                PlacedToken {
                    id: u32::from(character),
                    part,
                    turn: (character != '.').then_some(0),
                    continues: false,
                    place: None,
                }
            })
            .collect()
    }

    fn selected(texts: &[&str], max_tokens: usize, truncation: &Truncation) -> Vec<String> {
        let segments = texts.iter().map(|text| tokens(text)).collect();
        let limits = Limits { max_tokens, special: 2, truncation, marker: &[u32::from('~')] };
        let selected = select(segments, &limits).unwrap();
        let letters = |segment: &Vec<PlacedToken>| {
            segment.iter().filter_map(|token| char::from_u32(token.id)).collect::<String>()
        };
        selected.segments.iter().map(letters).collect()
    }

    #[test]
    fn a_whole_sequence_is_cut_at_its_side_across_segments() {
        let cut = |side| selected(&[".pp", ".aabb"], 6, &Truncation::Whole { side });
        assert_eq!(cut(Side::Right), [".pp", "."]);
        assert_eq!(cut(Side::Left), ["", "aabb"]);
        assert_eq!(cut(Side::Middle), [".p", "bb"]);
    }

    #[test]
    fn parts_are_cut_by_themselves_and_the_frame_stays() {
        let policy = PartsTruncation { keep: Keep::HeadTail, floor: 2, ..PartsTruncation::default() };
        let cut = |max| selected(&[".pp|aaaaaaaa|bbbbbbbb."], max, &Truncation::Parts(policy.clone()));
        assert_eq!(cut(18), [".pp|aa~aa|bb~bb."]);
        assert_eq!(cut(24), [".pp|aaaaaaaa|bbbbbbbb."]);
        let tail = PartsTruncation { keep: Keep::Tail, ..policy };
        assert_eq!(selected(&[".p|aaaaaaaa|b."], 12, &Truncation::Parts(tail)), [".p|~aaa|b."]);
    }

    #[test]
    fn a_character_of_several_tokens_is_kept_whole_or_not_at_all() {
        let mut segment = tokens(".p|aaaaaaaaaaaa|b.");
        for place in [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14] {
            segment[place].continues = place % 3 != 0;
        }
        let policy = PartsTruncation { marker: None, floor: 0, ..PartsTruncation::default() };
        let truncation = Truncation::Parts(policy);
        for max_tokens in 8..18 {
            let limits = Limits { max_tokens, special: 0, truncation: &truncation, marker: &[] };
            let selected = select(vec![segment.clone()], &limits).unwrap();
            assert_eq!(selected.counts.response_a.kept % 3, 0, "{max_tokens}");
        }
    }
}
