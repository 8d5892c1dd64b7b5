//! The tokens of one battle, for reading.

use std::fmt::Write as _;
use std::io::IsTerminal;

use crate::encoding::{Kept, Part, RowView, Shown, TokenView};

/// Columns of a line of tokens.
const WIDTH: usize = 100;

/// Every sequence: how much of each part stayed, its tokens by part, the cuts, the decoded text.
pub(super) fn text(sequences: &[RowView]) -> String {
    let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    sequences.iter().map(|view| sequence(view, coloured)).collect::<Vec<_>>().join("\n")
}

fn sequence(view: &RowView, coloured: bool) -> String {
    let shown = match view.shown {
        Shown::Ab => "A first",
        Shown::Ba => "B first, in the place of response_a",
        Shown::OnlyA => "response A alone",
        Shown::OnlyB => "response B alone",
    };
    let counts = &view.counts;
    let mut text = format!(
        "battle `{}`, {shown}: {} of at most {} tokens\n  kept: {}\n",
        view.id,
        view.tokens.len(),
        view.max_tokens,
        [
            ("prompt", counts.prompt),
            ("response_a", counts.response_a),
            ("response_b", counts.response_b),
            ("frame", counts.frame),
        ]
        .map(kept)
        .join(", ")
    );
    if counts.dropped_turns > 0 {
        let _ = writeln!(text, "  the {} earliest turns were left out", counts.dropped_turns);
    }
    if counts.control_tokens > 0 {
        let _ = writeln!(text, "  the texts themselves spell {} control tokens", counts.control_tokens);
    }
    // What was cut away at the end stood before the special tokens that close the sequence.
    let closing = view.tokens.iter().rev().take_while(|token| token.part == Part::Special).count();
    let (read, closing) = view.tokens.split_at(view.tokens.len() - closing);
    stretches(read).for_each(|stretch| push_stretch(&mut text, stretch, coloured));
    push_cut(&mut text, view.cut_at_end);
    stretches(closing).for_each(|stretch| push_stretch(&mut text, stretch, coloured));
    let _ = writeln!(text, "  text: {:?}", view.text);
    text
}

fn kept((name, part): (&str, Kept)) -> String {
    let mark = if part.is_cut() { " CUT" } else { "" };
    format!("{name} {} of {}{mark}", part.kept, part.original)
}

/// Neighbours of the same part and turn; a cut ends a stretch.
fn stretches(tokens: &[TokenView]) -> impl Iterator<Item = &[TokenView]> {
    tokens.chunk_by(|left, right| {
        (left.part, left.turn, left.type_id) == (right.part, right.turn, right.type_id)
            && right.cut_before == 0
    })
}

fn push_cut(text: &mut String, tokens: usize) {
    if tokens > 0 {
        let _ = writeln!(text, "  ---- {tokens} tokens cut ----");
    }
}

fn push_stretch(text: &mut String, stretch: &[TokenView], coloured: bool) {
    let Some(first) = stretch.first() else { return };
    push_cut(text, first.cut_before);
    let (name, colour) = match first.part {
        Part::Special => ("special", "35"),
        Part::Marker => ("marker", "33"),
        Part::Frame => ("frame", "90"),
        Part::Prompt => ("prompt", "36"),
        Part::ResponseA => ("response_a", "32"),
        Part::ResponseB => ("response_b", "34"),
    };
    let turn = match (first.part, first.turn) {
        (Part::Prompt | Part::ResponseA | Part::ResponseB, Some(turn)) => format!(" {}", turn + 1),
        _ => String::new(),
    };
    let label = format!("  [{name}{turn}]");
    let mut line = format!("{label:<16}");
    let mut lines = Vec::new();
    for token in stretch {
        let word = format!("{}={}", token.token, token.id);
        if line.chars().count() + word.chars().count() >= WIDTH && !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, " ".repeat(16)));
        }
        line.push(' ');
        line.push_str(&word);
    }
    lines.push(line);
    for line in lines {
        let _ = if coloured {
            writeln!(text, "\u{1b}[{colour}m{line}\u{1b}[0m")
        } else {
            writeln!(text, "{line}")
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::PartCounts;

    fn token(part: Part, id: u32, cut_before: usize) -> TokenView {
        let turn = (part == Part::Prompt).then_some(0);
        TokenView { id, token: format!("w{id}"), type_id: 0, part, turn, cut_before }
    }

    #[test]
    fn tokens_stand_by_part_and_cuts_stand_where_they_were_made() {
        let prompt = Kept { kept: 2, original: 9 };
        let view = RowView {
            id: "7".to_owned(),
            shown: Shown::Ab,
            max_tokens: 8,
            counts: PartCounts { prompt, dropped_turns: 1, ..PartCounts::default() },
            tokens: vec![
                token(Part::Special, 1, 0),
                token(Part::Prompt, 4, 0),
                token(Part::Prompt, 5, 3),
                token(Part::Frame, 6, 0),
                token(Part::Special, 2, 0),
            ],
            cut_at_end: 4,
            text: "w4\nw5".to_owned(),
        };
        let said = sequence(&view, false);
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        assert_eq!(lines[0], "battle `7`, A first: 5 of at most 8 tokens");
        assert!(lines[1].contains("prompt 2 of 9 CUT") && lines[1].contains("frame 0 of 0"), "{said}");
        let end = [
            "the 1 earliest turns were left out",
            "[special]      w1=1",
            "[prompt 1]     w4=4",
            "---- 3 tokens cut ----",
            "[prompt 1]     w5=5",
            "[frame]        w6=6",
            "---- 4 tokens cut ----",
            "[special]      w2=2",
            "text: \"w4\\nw5\"",
        ];
        assert_eq!(&lines[2..], end);
        assert!(sequence(&view, true).contains("\u{1b}[36m"));
    }

    #[test]
    fn a_long_stretch_is_broken_into_lines() {
        let tokens: Vec<TokenView> = (100..160).map(|id| token(Part::Prompt, id, 0)).collect();
        let mut text = String::new();
        push_stretch(&mut text, &tokens, false);
        assert!(text.lines().count() > 3 && text.lines().all(|line| line.chars().count() <= WIDTH + 1));
    }
}
